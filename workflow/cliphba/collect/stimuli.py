"""Pictures in a folder, and perhaps a table of them, to the stimuli of a study."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pandas as pd

from cliphba import tables
from cliphba.collect.given import read_table
from cliphba.listing import some
from cliphba.pictures import open_picture, pictures_in
from cliphba.progress import track

logger = logging.getLogger(__name__)

#: What a table may say of a stimulus.
OPTIONAL = ("concept", "split", "caption")


def read_stimuli(folder: Path, table: Path | None = None, *, pattern: str | None = None) -> pd.DataFrame:
    """List the stimuli of a folder, without opening a picture.

    Parameters
    ----------
    folder
        Of the pictures, with its subfolders.
    table
        Of the stimuli; without it every picture is one.
    pattern
        As for `name_pictures`.

    Returns
    -------
    DataFrame
        As from `name_pictures` or `describe_pictures`.

    Raises
    ------
    ValueError
        If there is no picture, or as from these two.
    """
    pictures = pictures_in(folder)
    if table is None:
        return name_pictures(pictures, folder, pattern=pattern)
    return describe_pictures(read_table(table, ["stimulus"]), pictures, folder, origin=table)


def name_pictures(pictures: Sequence[Path], folder: Path, *, pattern: str | None = None) -> pd.DataFrame:
    r"""Name stimuli by their files.

    Parameters
    ----------
    pictures
        Files.
    folder
        That they are in.
    pattern
        Regular expression that is searched for in each path within the folder: its first group is the stimulus, and
        pictures without it are left alone. None: the file's name without ending. ``([^/]+)_01b\.jpg$`` takes one
        picture of each concept of THINGS and names it by the concept.

    Returns
    -------
    DataFrame
        ``stimulus``, ``concept`` (the same), ``split`` and ``caption`` (nothing), ``path``; in the order of names,
        numbers in them counted as numbers.

    Raises
    ------
    ValueError
        If two files have the same name, or none has the pattern.
    """
    names = {path: _name(path.relative_to(folder), pattern) for path in pictures}
    named = sorted(((name, path) for path, name in names.items() if name), key=lambda one: _in_order(one[0]))
    if not named:
        raise ValueError(
            f"no picture in {folder} has {pattern} in its path, such as {pictures[0]}: correct `pattern`"
        )
    for (name, path), (next_name, other) in pairwise(named):
        if name == next_name:
            raise ValueError(_two_files(name, path, other))
    stimuli, paths = zip(*named, strict=True)
    listed = pd.DataFrame({"stimulus": stimuli, "concept": stimuli, "path": [str(path) for path in paths]})
    return listed.assign(split=None, caption=None)


def describe_pictures(table: pd.DataFrame, pictures: Sequence[Path], folder: Path, *, origin: Path) -> pd.DataFrame:
    """Find the picture of each stimulus of a table.

    Parameters
    ----------
    table
        ``stimulus``; if wanted ``path`` (within the folder), ``concept``, ``split``, ``caption``.
    pictures
        Files; those that do not stand in the table are left alone.
    folder
        That they are in.
    origin
        Where the table was read from, for messages.

    Returns
    -------
    DataFrame
        As from `name_pictures`, in the order of the table.

    Raises
    ------
    ValueError
        If a stimulus stands there twice, has no picture, or several.
    """
    if (twice := table["stimulus"].duplicated()).any():
        raise ValueError(
            f"{origin}: {table['stimulus'][twice].iloc[0]!r} stands there twice: keep one row a stimulus"
        )
    if "path" in table:
        paths = [folder / str(path) for path in table["path"]]
        missing = [path for path in paths if not path.is_file()]
    else:
        found = _by_name(pictures, set(table["stimulus"]))
        paths = [found.get(name, folder / name) for name in table["stimulus"]]
        missing = [folder / name for name in table["stimulus"] if name not in found]
    if missing:
        raise ValueError(
            f"{origin}: {len(missing)} of {len(paths)} stimuli have no picture, such as {some(missing)}: add "
            "them, or give their files in a column `path`, as they stand within the folder of pictures"
        )
    optional = {name: table.get(name) for name in OPTIONAL}
    listed = table[["stimulus"]].assign(**optional, path=[str(path) for path in paths])
    return listed.assign(concept=listed["concept"].fillna(listed["stimulus"]).astype(str)).reset_index(drop=True)


def check_pictures(paths: Sequence[str]) -> list[str]:
    """Decode every picture, and give the SHA-256 of each file.

    Raises
    ------
    ValueError
        If one is no picture, or only part of one.
    """
    seen: dict[str, Path] = {}
    digests = []
    for path in track([Path(path) for path in paths], "checking pictures", unit="picture"):
        open_picture(path)
        digests.append(tables.digest(path))
        twin = seen.setdefault(digests[-1], path)
        if twin != path:
            logger.warning("%s and %s are the same picture: one may be held out, the other not", twin, path)
    return digests


def _name(path: Path, pattern: str | None) -> str | None:
    if pattern is None:
        return path.stem
    found = re.search(pattern, path.as_posix())
    return None if found is None else found[1]


def _in_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key of a name: numbers in it as numbers, so that image10 comes after image9."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], name


def _by_name(pictures: Sequence[Path], wanted: set[str]) -> dict[str, Path]:
    """Find the files of some stimuli, by their names with or without ending."""
    found: dict[str, Path] = {}
    for path in pictures:
        for name in {path.name, path.stem} & wanted:
            if name in found:
                raise ValueError(_two_files(name, found[name], path))
            found[name] = path
    return found


def _two_files(name: str, one: Path, other: Path) -> str:
    return (
        f"the stimulus {name!r} has two files, {one} and {other}: rename or remove one of them, or say which it is "
        "in a table with the columns `stimulus` and `path`"
    )
