"""What the entries `downloads` and `openneuro` of a study come to."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from cliphba import tables
from cliphba.download import openneuro
from cliphba.download.archive import unpack
from cliphba.download.transfer import DownloadError, Source, fetch
from cliphba.sources import Download, OpenNeuro, path_of


def obtain(entry: Download) -> None:
    """Bring an entry of a study's downloads to its place.

    Parameters
    ----------
    entry
        A file becomes ``to``. An archive becomes ``to`` with ``.zip`` behind it, where it may be put by hand, too,
        and is unpacked to ``to``.

    Raises
    ------
    DownloadError
        If it cannot be had, or the password of an archive is not given.
    cliphba.download.archive.ArchiveError
        If it cannot be unpacked.
    """
    target = path_of(entry.to)
    if entry.members is None:
        _bring(entry, target)
        return
    # asked for before gigabytes are on their way
    password = _password(entry)
    _bring(entry, entry.archive)
    unpack(entry.archive, target, entry.members, password)


def fetch_recordings(settings: OpenNeuro, patterns: Sequence[str], record: Path) -> None:
    """Download files of a data set, and write down what was fetched.

    Parameters
    ----------
    settings
        Of which data set.
    patterns
        Which files.
    record
        JSON file to write: data set, version, and of each file path, size and checksum.

    Raises
    ------
    DownloadError
        If a file cannot be had, or is not what was published.
    """
    version = openneuro.Version(settings.server, settings.dataset, settings.version)
    fetched = openneuro.fetch_files(version, patterns, path_of(settings.to))
    tables.write_atomically(record, (json.dumps(fetched, indent=1) + "\n").encode())


def _bring(entry: Download, path: Path) -> None:
    if entry.url is not None:
        fetch(Source(entry.url, entry.checksum, by_hand=entry.by_hand), path)
    elif not path.exists():
        raise DownloadError(f"{path}: is not there, and there is no address to download it from; {entry.by_hand}")


def _password(entry: Download) -> str | None:
    """Look up the password of an archive."""
    if entry.password_variable is None:
        return None
    password = os.environ.get(entry.password_variable)
    if not password:
        raise DownloadError(
            f"{entry.to}: needs the password of its archive, {entry.url or 'put there by hand'}: set the environment "
            f"variable {entry.password_variable} to it, or put the unpacked files into {entry.to}. {entry.by_hand}"
        )
    return password
