"""Zip archives, unpacked whole or in part, and never beside the folder that is meant for them."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from cliphba import progress


class ArchiveError(ValueError):
    """An archive that cannot be unpacked; the message names it and what to do."""


def unpack(archive: Path, folder: Path, members: Sequence[str], password: str | None = None) -> int:
    """Unpack files of a zip archive.

    Parameters
    ----------
    archive
        Its file.
    folder
        What its files are put to, under their paths in the archive. It appears when all of them are there.
    members
        Patterns of paths in the archive, as of a shell; ``*`` stands for slashes, too.
    password
        Of members that are encrypted.

    Returns
    -------
    int
        How many files there are.

    Raises
    ------
    ArchiveError
        If it is damaged or no zip archive, no member matches, a path leads out of the folder, or the password is
        missing or wrong.
    """
    with _told(archive, folder, password), zipfile.ZipFile(archive) as opened, _appearing(folder) as partial:
        chosen = _choose(archive, opened, members)
        secret = None if password is None else password.encode()
        for member in progress.track(chosen, f"unpacking {archive.name}", unit="file"):
            opened.extract(member, partial, secret)
    return len(chosen)


def is_encrypted(archive: Path, members: Sequence[str]) -> bool:
    """Tell whether any of these members of an archive needs a password; raises as `unpack` does."""
    with _told(archive, archive, None), zipfile.ZipFile(archive) as opened:
        return any(member.flag_bits & 1 for member in _choose(archive, opened, members))


def _choose(archive: Path, opened: zipfile.ZipFile, patterns: Sequence[str]) -> list[zipfile.ZipInfo]:
    """Members that match, all of them inside the folder."""
    files = [member for member in opened.infolist() if not member.is_dir()]
    chosen = [member for member in files if any(fnmatchcase(member.filename, pattern) for pattern in patterns)]
    if not chosen:
        examples = ", ".join(member.filename for member in files[:3]) or "nothing"
        raise ArchiveError(f"{archive}: holds no {' or '.join(patterns)}, but {examples}, ...: change `members`")
    for member in chosen:
        path = PurePosixPath(member.filename)
        if path.is_absolute() or ".." in path.parts:
            raise ArchiveError(f"{archive}: {member.filename} would be written outside the folder; do not trust it")
    return chosen


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """Give a temporary folder that takes a folder's place if all goes well."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _told(archive: Path, folder: Path, password: str | None) -> Iterator[None]:
    """Say in one message what zipfile says in many ways."""
    try:
        yield
    except (zipfile.BadZipFile, EOFError) as error:
        raise ArchiveError(f"{archive}: is damaged or no zip archive ({error}); remove it and run again") from error
    except NotImplementedError as error:
        raise ArchiveError(
            f"{archive}: is packed in a way that Python cannot read ({error}); unpack it by hand to {folder}"
        ) from error
    except RuntimeError as error:
        # zipfile's only word for this
        problem = "needs a password" if password is None else "is not opened by this password"
        raise ArchiveError(f"{archive}: {problem}") from error
