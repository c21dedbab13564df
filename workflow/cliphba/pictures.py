"""Picture files, found, decoded, made smaller."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from cliphba.listing import some

#: What pictures in a folder are known by; a file that is named may end as it likes.
ENDINGS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
# Pixels along the longer side of a picture that is only to be looked at.
LOOKED_AT = 256


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
        raise ValueError(f"{some(broken)}: no image that Pillow can read; replace or leave out what is named")
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
    found = _within(folder)
    if not found:
        raise ValueError(f"{folder}: there is no image in this folder (sought are {', '.join(sorted(ENDINGS))})")
    return found


def _within(folder: Path) -> list[Path]:
    inside = (path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    return sorted(path for path in inside if not any(part[0] == "." for part in path.relative_to(folder).parts))


def fingerprint(folder: Path) -> str:
    """Tell a folder of pictures from what it was before, whatever else lies in it.

    Parameters
    ----------
    folder
        With subfolders; it need not be there.

    Returns
    -------
    str
        SHA-256 of the names, sizes and dates of its picture files.
    """
    known = [
        (str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in _within(folder)
    ]
    return hashlib.sha256(repr(known).encode()).hexdigest()


def _is_image(path: Path) -> bool:
    """Whether a file begins as an image does."""
    try:
        with Image.open(path):
            return True
    except OSError:
        return False


def open_picture(path: Path) -> Image.Image:
    """Decode a picture file, in colour; what is transparent has the colour that stands in the file.

    Raises
    ------
    ValueError
        If the file is missing or no image.
    """
    with _opened(path) as image:
        # Pillow would cut greys of 16 bits off at 255, and leave hardly anything but white
        deep = image.mode.startswith("I;16")
        shown = Image.fromarray((np.asarray(image) // 257).astype(np.uint8)) if deep else image
        # cameras that were held upright write pictures lying on their side, and a note of it
        return ImageOps.exif_transpose(shown).convert("RGB")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture file; errors, also of decoding it, name it."""
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError as error:
        raise ValueError(f"{path}: there is no such image; check the column `path` of the stimuli table") from error
    except OSError as error:
        raise ValueError(f"{path}: not an image that Pillow can read; replace it or remove its stimulus") from error


def shortest_side(paths: Iterable[Path | str]) -> int:
    """Give the shortest side of all these pictures, in pixels, without decoding any; errors as of `open_picture`."""
    return min(min(_size(Path(path))) for path in paths)


def reduce_to(image: Image.Image, shorter_side: int) -> Image.Image:
    """Make a picture smaller, so that its shorter side has so many pixels; one that has is left as it is."""
    width, height = image.size
    share = shorter_side / min(width, height)
    if share == 1:
        return image
    return image.resize((round(share * width), round(share * height)), Image.Resampling.LANCZOS)


def as_png(path: Path) -> bytes:
    """Give a picture to be looked at, as PNG of at most 256 pixels a side: a file that is one already, as it is.

    Raises
    ------
    ValueError
        If the file is missing or no image.
    """
    longer = max(_size(path))
    if longer <= LOOKED_AT and path.suffix.lower() == ".png":
        return path.read_bytes()
    image, sink = open_picture(path), io.BytesIO()
    if longer > LOOKED_AT:
        image.thumbnail((LOOKED_AT, LOOKED_AT), Image.Resampling.LANCZOS)
    image.save(sink, format="PNG")
    return sink.getvalue()


def _size(path: Path) -> tuple[int, int]:
    with _opened(path) as image:
        return image.size
