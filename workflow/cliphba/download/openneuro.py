"""Files of data sets on OpenNeuro, at one version.

OpenNeuro keeps its data sets in git-annex. Its interface names every file of a version with an address of just that
version, its size and its key, which holds a checksum: the key of git-annex (``SHA256E-s12--...``) or, of small files,
the hash that git gives them. The bucket behind it lists the latest version only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from requests import Session

from cliphba import progress
from cliphba.download.transfer import (
    TIMEOUT_SECONDS,
    BrokenConnectionError,
    DownloadError,
    Source,
    check_answer,
    connection,
    fetch,
    open_session,
    persistently,
)

QUERY = """
query files($dataset: ID!, $version: String!, $tree: String) {
  snapshot(datasetId: $dataset, tag: $version) {
    files(tree: $tree) { id filename size directory urls }
  }
}
"""
ANNEX_KEY = re.compile(r"(MD5|SHA1|SHA256|SHA512)E?-s[0-9]+--([0-9a-f]+)")
PASSING_ERROR = re.compile(r"^50[234]|timeout|timed out|fetch failed|ECONNREFUSED")
GIT_HASH = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Version:
    """A version of a data set.

    Attributes
    ----------
    server
        Address of the interface.
    dataset
        Accession number.
    version
        Name of the snapshot.
    """

    server: str
    dataset: str
    version: str

    def __str__(self) -> str:
        """Name it as people do."""
        return f"{self.dataset}, version {self.version}"


@dataclass(frozen=True)
class File:
    """A file of a version.

    Attributes
    ----------
    path
        In the data set.
    size
        In bytes.
    checksum
        As `cliphba.download.transfer.Source` has it; none if its key holds none.
    url
        Address of this version of it.
    """

    path: str
    size: int
    checksum: str | None
    url: str


def list_files(version: Version, patterns: Sequence[str]) -> list[File]:
    """List the files of a version that match any of some patterns.

    Parameters
    ----------
    version
        Of which data set.
    patterns
        Paths in the data set, each part as a shell has it; ``**`` at the end stands for everything below a folder.
        Hidden files match only where a pattern names them.

    Returns
    -------
    list of File
        By path.

    Raises
    ------
    DownloadError
        If there is no such version, a pattern matches nothing, or the server does not answer.
    """
    with open_session() as session:
        found = sorted(_walk(session, version, patterns), key=lambda file: file.path)
    for pattern in patterns:
        if not any(_matches(file.path, pattern) for file in found):
            raise DownloadError(f"{version}: there is no file {pattern}; look at {_page(version)} and change `files`")
    return found


def fetch_files(version: Version, patterns: Sequence[str], folder: Path) -> dict[str, Any]:
    """Download the files of a version that match any of some patterns, but for those that are there and right.

    Parameters
    ----------
    version, patterns
        As for `list_files`.
    folder
        What they are put to, under their paths in the data set.

    Returns
    -------
    dict
        Record of what was fetched, JSON-ready: data set, version, and of each file path, size and checksum.

    Raises
    ------
    DownloadError
        If a file cannot be had, or is not what its key says.
    """
    found = list_files(version, patterns)
    by_hand = f"get it from {_page(version)}"
    for file in progress.track(found, str(version), unit="file"):
        fetch(Source(file.url, file.checksum, file.size, by_hand), folder / file.path)
    entries = [{key: value for key, value in asdict(file).items() if key != "url"} for file in found]
    return {"dataset": version.dataset, "version": version.version, "files": entries}


def checksum_of(key: str) -> str | None:
    """Give the checksum that a file's key holds, if it holds one.

    Parameters
    ----------
    key
        Of git-annex, or a hash of git.
    """
    if found := ANNEX_KEY.match(key):
        return f"{found[1].lower()}:{found[2]}"
    return f"git:{key}" if GIT_HASH.fullmatch(key) else None


def _walk(
    session: Session, version: Version, patterns: Sequence[str], folder: str = "", tree: str | None = None
) -> Iterator[File]:
    """Go through the folders in which something may match."""
    for entry in _list_folder(session, version, tree):
        path = str(PurePosixPath(folder, entry["filename"]))
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise DownloadError(f"{version}: {path} would be written outside the folder; do not trust this server")
        if entry["directory"]:
            if any(_may_hold(path, pattern) for pattern in patterns):
                yield from _walk(session, version, patterns, path, entry["id"])
        elif any(_matches(path, pattern) for pattern in patterns):
            if not entry["urls"]:
                raise DownloadError(f"{version}: the server has no address of {path}; get it from {_page(version)}")
            yield File(path, int(entry["size"]), checksum_of(entry["id"]), entry["urls"][0])


def _list_folder(session: Session, version: Version, tree: str | None) -> list[Mapping[str, Any]]:
    """Ask for what is in one folder of a version, named by its hash; without one, for what is at the top."""
    source = Source(version.server, by_hand=f"get the files from {_page(version)}")
    named = {"dataset": version.dataset, "version": version.version, "tree": tree}
    request: Any = {"query": QUERY, "variables": named}

    def ask() -> Any:
        with (
            connection(source, Path(version.dataset)),
            session.post(version.server, json=request, timeout=TIMEOUT_SECONDS) as answer,
        ):
            check_answer(answer, source, Path(version.dataset))
            said = answer.json()
        _check_passing(said)
        return said

    said = persistently(ask, source, Path(version.dataset))
    snapshot = (said.get("data") or {}).get("snapshot")
    if said.get("errors") or not snapshot:
        reasons = "; ".join(error["message"] for error in said.get("errors") or []) or "there is no such version"
        raise DownloadError(f"{version}: {reasons}. Versions stand on {_page(version)}")
    files: list[Mapping[str, Any]] = snapshot["files"]
    return files


def _check_passing(said: Mapping[str, Any]) -> None:
    """Ask again where what the interface passes on is trouble of the servers behind it."""
    for error in said.get("errors") or []:
        if PASSING_ERROR.search(error["message"]):
            raise BrokenConnectionError(f"the server answers {error['message']!r}")


def _page(version: Version) -> str:
    return f"https://openneuro.org/datasets/{version.dataset}"


def _matches(path: str, pattern: str) -> bool:
    """Whether a file's path matches, part by part."""
    parts, wanted = path.split("/"), pattern.split("/")
    if wanted[-1] == "**":
        return len(parts) >= len(wanted) and _alike(parts, wanted[:-1]) and not _hidden(parts[len(wanted) - 1 :])
    return len(parts) == len(wanted) and _alike(parts, wanted)


def _may_hold(folder: str, pattern: str) -> bool:
    """Whether files that match may lie in or below a folder."""
    parts, wanted = folder.split("/"), pattern.split("/")
    if wanted[-1] == "**" and len(parts) >= len(wanted):
        return _matches(folder, pattern)
    return len(parts) < len(wanted) and _alike(parts, wanted)


def _alike(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether the parts of paths match as far as both go."""
    return all(
        fnmatchcase(part, pattern) and (not _hidden([part]) or pattern.startswith("."))
        for part, pattern in zip(parts, wanted, strict=False)
    )


def _hidden(parts: Sequence[str]) -> bool:
    return any(part.startswith(".") for part in parts)
