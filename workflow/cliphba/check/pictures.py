"""Pictures: whether they are there, as many as said, and each can be opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from cliphba.check.findings import Chapter, spread
from cliphba.collect.judgements import Told
from cliphba.collect.splits import split_stimuli
from cliphba.collect.stimuli import read_stimuli
from cliphba.listing import some
from cliphba.pictures import open_picture, pictures_in
from cliphba.sources import EvaluationSet, Stimuli, path_of

# How files of these formats end, if nothing is missing.
LAST_BYTES = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82", "GIF": b";"}


class Header(NamedTuple):
    """What the beginning and the end of a picture file say.

    Attributes
    ----------
    width, height
        In pixels.
    mode
        Of Pillow: RGB, L (grey), RGBA ...
    transparent
        Whether any of it can be seen through.
    """

    width: int
    height: int
    mode: str
    transparent: bool


def survey(chapter: Chapter, stimuli: Stimuli, told: Told, *, seed: int) -> pd.DataFrame | None:
    """Look at the pictures of a study.

    Parameters
    ----------
    chapter
        Gets what is found.
    stimuli
        Settings.
    told
        What people judged, of which a split can be made.
    seed
        Of the split.

    Returns
    -------
    DataFrame or None
        Columns of `cliphba.collect.stimuli.read_stimuli`, with the split where one can be made; None if it is not
        known what the stimuli are.
    """
    listed = look_up(chapter, stimuli.images, stimuli.table, "data.stimuli", pattern=stimuli.pattern)
    return None if listed is None else split(chapter, listed, stimuli, told, seed=seed)


def survey_set(chapter: Chapter, settings: EvaluationSet, where: str) -> pd.DataFrame | None:
    """Look at the pictures of an evaluation set; None if it is not known what its stimuli are."""
    listed = look_up(chapter, settings.images, settings.table, where, pattern=settings.pattern)
    if listed is not None and len(listed) != settings.count:
        chapter.refuse(
            f"{where}.count", f"{settings.count}, but there are {len(listed)} pictures",
            "correct the number, or name in a table the stimuli that are meant",
        )  # fmt: skip
    return listed


def look_up(
    chapter: Chapter, images: str, table: str | None, where: str, *, pattern: str | None = None
) -> pd.DataFrame | None:
    """Find out which pictures are stimuli, and look into their files."""
    folder = path_of(images)
    if not folder.is_dir():
        chapter.refuse(f"{where}.images", f"there is no folder {folder}", "name the folder of the pictures")
        return None
    files: list[Path] = []
    listed = None
    with chapter.reporting(f"{where}.images"):
        files = pictures_in(folder)
    if files:
        with chapter.reporting(f"{where}.images" if table is None else f"{where}.table"):
            listed = read_stimuli(folder, None if table is None else path_of(table), pattern=pattern)
    shown = files if listed is None else [Path(path) for path in listed["path"]]
    headers = look_into(chapter, shown, where)
    describe(chapter, folder, headers, left=len(files) - len(shown))
    _judge_transparency(chapter, headers, where)
    return listed


def _judge_transparency(chapter: Chapter, headers: Sequence[Header], where: str) -> None:
    """Warn of pictures that people saw on a background which models do not see."""
    if transparent := sum(header.transparent for header in headers):
        chapter.warn(
            f"{where}.images",
            f"{transparent} of {len(headers)} pictures are transparent in part: models see the colours that stand "
            "there in the files, not what was behind the pictures on the screen",
            "put these pictures on the background that people saw them on",
        )


def look_into(chapter: Chapter, paths: Sequence[Path], where: str) -> list[Header]:
    """Read the headers of picture files, and tell which are no pictures or broken off."""
    found, broken = [], []
    for path in paths:
        try:
            found.append(read_header(path))
        except (ValueError, OSError):
            broken.append(path)
    if broken:
        chapter.refuse(
            f"{where}.images",
            f"{len(broken)} of {len(paths)} pictures cannot be opened, or only in part: {some(broken)}",
            "copy or download them again, or leave their stimuli out",
        )
    return found


def read_header(path: Path) -> Header:
    """Read how large a picture is; one that may be transparent, or does not end as it should, is decoded to be sure.

    Raises
    ------
    ValueError, OSError
        If it is no picture, or only part of one.
    """
    with Image.open(path) as image:
        last = LAST_BYTES.get(image.format or "")
        header = Header(*image.size, image.mode, _is_transparent(image))
    if last is None or _end(path, len(last)) != last:
        open_picture(path)
    return header


def _is_transparent(image: Image.Image) -> bool:
    return image.has_transparency_data and bool(np.asarray(image.convert("RGBA"))[..., 3].min() < 255)


def _end(path: Path, length: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(-min(length, path.stat().st_size), 2)
        return stream.read()


def describe(chapter: Chapter, folder: Path, headers: Sequence[Header], *, left: int) -> None:
    """Tell how many pictures there are, how large and in which colours."""
    if not headers:
        return
    aside = f"; {left} others are left alone" if left else ""
    chapter.tell("found", f"{len(headers)} in {folder}{aside}")
    sides = Counter((header.width, header.height) for header in headers)
    (width, height), most = sides.most_common(1)[0]
    if len(sides) == 1:
        chapter.tell("size", f"{width} x {height} pixels")
    else:
        shorter = spread([min(header.width, header.height) for header in headers])
        alike = f"; {most} are {width} x {height}" if most > 1 else ""
        chapter.tell("size", f"shorter side {shorter} pixels{alike}")
    modes = Counter(header.mode for header in headers)
    chapter.tell("colours", ", ".join(f"{mode} {count}" for mode, count in modes.most_common()))


def split(chapter: Chapter, listed: pd.DataFrame, stimuli: Stimuli, told: Told, *, seed: int) -> pd.DataFrame:
    """Tell which stimuli are held out; if that cannot be told, give them as they were."""
    judged = told.judged(listed) if stimuli.split == "judged" else []
    with chapter.reporting("data.stimuli"):
        divided = split_stimuli(listed, stimuli.split, stimuli.counts, judged=judged, seed=seed)
        counted = ", ".join(f"{name} {count}" for name, count in stimuli.counts.items())
        chapter.tell("split", f"{counted} ({stimuli.split})")
        return divided
    return listed.assign(split=None)
