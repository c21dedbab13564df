"""Picture files, decoded."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def open_picture(path: Path) -> Image.Image:
    """Decode a picture file, in colour.

    Raises
    ------
    ValueError
        If the file is missing or no image.
    """
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError as error:
        raise ValueError(f"{path}: there is no such image; check the column `path` of the stimuli table") from error
    except OSError as error:
        raise ValueError(f"{path}: not an image that Pillow can read; replace it or remove its stimulus") from error
