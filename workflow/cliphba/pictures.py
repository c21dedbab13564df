"""Picture files, found and decoded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

#: What pictures in a folder are known by; a file that is named may end as it likes.
ENDINGS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
# Names told in one error.
TOLD = 5


def find_pictures(places: Iterable[Path | str]) -> dict[str, Path]:
    """Find picture files, and name each by its file name without ending.

    Parameters
    ----------
    places
        Picture files, and folders that hold some, with subfolders. Hidden files are passed over.

    Returns
    -------
    dict
        Identifier to file: in the order of the places, those of a folder by their paths.

    Raises
    ------
    ValueError
        If a place is missing, a folder has no picture, two files have the same name, or a file does not begin as an
        image does. That the rest can be decoded as well is not known before.
    """
    paths = [path for place in places for path in _pictures_at(Path(place))]
    named: dict[str, Path] = {}
    for path in paths:
        if path.stem in named:
            raise ValueError(f"{named[path.stem]} and {path} have the same name: rename one, or take them apart")
        named[path.stem] = path
    if broken := [str(path) for path in paths if not _is_image(path)]:
        raise ValueError(f"{_tell(broken)}: no image that Pillow can read; replace or leave out what is named")
    return named


def _pictures_at(place: Path) -> Sequence[Path]:
    return [place] if place.is_file() else pictures_in(place)


def pictures_in(folder: Path) -> list[Path]:
    """List the picture files of a folder and its subfolders by their paths, unopened; hidden ones are none.

    Raises
    ------
    ValueError
        If the folder is missing or has no picture.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such image and no such folder")
    inside = (path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    found = sorted(path for path in inside if not any(part[0] == "." for part in path.relative_to(folder).parts))
    if not found:
        raise ValueError(f"{folder}: there is no image in this folder (sought are {', '.join(sorted(ENDINGS))})")
    return found


def _is_image(path: Path) -> bool:
    """Whether a file begins as an image does."""
    try:
        with Image.open(path):
            return True
    except OSError:
        return False


def _tell(names: Sequence[str]) -> str:
    left = len(names) - TOLD
    return ", ".join(names[:TOLD]) + (f" and {left} more" if left > 0 else "")


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
