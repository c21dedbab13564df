"""Files of others, brought here once and whole.

A transfer that breaks off goes on where it stopped, unless the file has changed meanwhile. What arrives is compared
with its published checksum; where none is published, with that of the first download, kept beside the file as
``NAME.sha256``. A file gets its name when it is complete and right, and never before.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import requests
from requests import Response, Session, codes, exceptions

from cliphba import progress, tables

Result = TypeVar("Result")

CHUNK = 2**20
#: Seconds without a byte after which a connection counts as broken.
TIMEOUT_SECONDS = 60
#: Attempts in a row that bring nothing before it is given up; seconds before the second, doubled before each other.
ATTEMPTS, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 6, 1.0, 60.0
#: Of smaller files, nobody needs to know how far they are.
SHOWN_MB = 50
#: Answers that may be others a moment later.
PASSING = {408, 425, 429, 500, 502, 503, 504}
REFUSALS = {401: "asks for a password", 403: "refuses it", 404: "has no such file", 410: "has it no longer"}
#: Addresses that no second attempt makes better.
HOPELESS = (exceptions.InvalidURL, exceptions.MissingSchema, exceptions.InvalidSchema, exceptions.TooManyRedirects)

logger = logging.getLogger(__name__)


class DownloadError(OSError):
    """What could not be had; the message names the file, the address and what to do."""


class BrokenConnectionError(OSError):
    """An attempt that failed but may succeed if it is made again."""


@dataclass(frozen=True)
class Source:
    """Where a file is to be had, and what it must be.

    Attributes
    ----------
    url
        Its address.
    checksum
        As ``algorithm:digits``; the algorithm is one of `hashlib`, or ``git`` for what git calls a file's hash.
    size
        In bytes.
    by_hand
        What to do if it cannot be downloaded.
    """

    url: str
    checksum: str | None = None
    size: int | None = None
    by_hand: str = ""

    def refusal(self, path: Path, problem: str) -> DownloadError:
        """Give an error that says what to do.

        Parameters
        ----------
        path
            What the file should become.
        problem
            Why it does not.
        """
        remedy = self.by_hand or f"get the file by other means and put it there: {path}"
        return DownloadError(f"{path}: {problem}. Its address: {self.url}. If this stays so: {remedy}")


def fetch(source: Source, path: Path) -> None:
    """Download a file, unless it is there and right.

    Parameters
    ----------
    source
        What it is.
    path
        What it becomes. Until it is complete, what has arrived is kept beside it as ``NAME.part``.

    Raises
    ------
    DownloadError
        If there is no such file, no connection, or if what arrived is not what was published or first downloaded.
    """
    expected = source.checksum or _recorded(path)
    if path.exists() and _is(path, expected, source.size):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    with open_session() as session:
        persistently(lambda: _transfer(session, source, path, partial), source, path, lambda: _size(partial))
    _compare(source, path, partial, expected)
    if expected is None:
        _record(path, partial)
    partial.replace(path)
    _forget(partial)


def checksum(path: Path, algorithm: str) -> str:
    """Hash a file: ``algorithm:digits``, as `Source.checksum` has it."""
    with path.open("rb") as stream:
        if algorithm != "git":
            return f"{algorithm}:{hashlib.file_digest(stream, algorithm).hexdigest()}"
        digest = hashlib.sha1(f"blob {_size(path)}\0".encode(), usedforsecurity=False)
        while block := stream.read(CHUNK):
            digest.update(block)
    return f"git:{digest.hexdigest()}"


def open_session() -> Session:
    """Open connections that ask for files as they are, not compressed for the way."""
    session = requests.Session()
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": "cliphba"})
    return session


def persistently(
    attempt: Callable[[], Result], source: Source, path: Path, arrived: Callable[[], int] = lambda: 0
) -> Result:
    """Make attempts until one succeeds, or several in a row brought nothing.

    Parameters
    ----------
    attempt
        Talks to a server, within `connection`.
    source, path
        What for.
    arrived
        Tells how much there is, in bytes: an attempt that breaks off but brought something does not count.

    Returns
    -------
    Result
        What the attempt gives.

    Raises
    ------
    DownloadError
        If none succeeds.
    """
    failures, most = 0, arrived()
    while True:
        try:
            return attempt()
        except BrokenConnectionError as broken:
            # more than ever before: a file that starts again and again would otherwise do so for ever
            failures = 1 if arrived() > most else failures + 1
            most = max(most, arrived())
            if failures == ATTEMPTS:
                raise source.refusal(path, f"cannot be downloaded, {broken}") from broken
            wait = min(FIRST_WAIT_SECONDS * 2 ** (failures - 1), LONGEST_WAIT_SECONDS)
            logger.info("%s: %s; another attempt in %g s", path, broken, wait)
        time.sleep(wait)


@contextmanager
def connection(source: Source, path: Path) -> Iterator[None]:
    """Tell what is wrong with a connection: an error, or a call for another attempt by `persistently`.

    Parameters
    ----------
    source, path
        What the connection is for.

    Raises
    ------
    DownloadError
        If another attempt would be of no use.
    """
    try:
        yield
    except HOPELESS as error:
        raise source.refusal(path, f"this address does not work: {error}") from error
    except exceptions.Timeout as error:
        raise BrokenConnectionError("the server does not answer") from error
    except exceptions.ChunkedEncodingError as error:
        raise BrokenConnectionError("the connection broke off") from error
    except exceptions.ConnectionError as error:
        raise BrokenConnectionError("there is no connection to the server") from error
    except exceptions.RequestException as error:
        raise BrokenConnectionError(f"its answer makes no sense: {error}") from error


def check_answer(answer: Response, source: Source, path: Path) -> None:
    """Refuse an answer that is an error.

    Parameters
    ----------
    answer
        Of a server.
    source, path
        What was asked for.

    Raises
    ------
    DownloadError
        If the file cannot be had.
    """
    if answer.status_code in PASSING:
        raise BrokenConnectionError(f"the server answers {answer.status_code} {answer.reason}")
    if not answer.ok:
        refusal = REFUSALS.get(answer.status_code, f"does not give it, for this reason: {answer.reason}")
        raise source.refusal(path, f"cannot be downloaded, the server {refusal} ({answer.status_code})")


def _transfer(session: Session, source: Source, path: Path, partial: Path) -> None:
    """Get bytes from where the last attempt stopped, or from the first one."""
    asked = _resumption(source, partial)
    with (
        connection(source, path),
        session.get(source.url, headers=asked, stream=True, timeout=TIMEOUT_SECONDS) as answer,
    ):
        if answer.status_code == codes.requested_range_not_satisfiable:
            return _end(answer, partial)
        check_answer(answer, source, path)
        resumed = answer.status_code == codes.partial_content
        if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {_size(partial)}-"):
            raise source.refusal(path, "cannot be downloaded, the server gives another part than it was asked for")
        total = _announced(answer, _size(partial) if resumed else 0)
        with partial.open("ab" if resumed else "wb") as stream:
            # not before what was there of another version is gone
            _state(partial).write_text(json.dumps({"url": source.url, "version": _version(answer)}))
            left = None if total is None else -(-(total - stream.tell()) // CHUNK)
            for block in _shown(answer.iter_content(CHUNK), path.name, left):
                stream.write(block)
    if total is not None and _size(partial) < total:
        raise BrokenConnectionError(f"the connection broke off after {_size(partial)} of {total} bytes")
    return None


def _shown(blocks: Iterator[bytes], name: str, count: int | None) -> Iterator[bytes]:
    """Pass on what arrives, and report progress where it takes a while."""
    if count is not None and count < SHOWN_MB:
        return blocks
    return progress.track(blocks, name, unit="MB", total=count)


def _end(answer: Response, partial: Path) -> None:
    """Take the answer that there is nothing after what is there: all has arrived, or it is of another file."""
    if answer.headers.get("Content-Range") != f"bytes */{_size(partial)}":
        _forget(partial)
        raise BrokenConnectionError("what had arrived is not part of the file")


def _resumption(source: Source, partial: Path) -> dict[str, str]:
    """Ask for what is missing, if the file is still the same; for all of it if that cannot be told."""
    try:
        state = json.loads(_state(partial).read_text())
    except (OSError, ValueError):
        return {}
    if state["url"] != source.url or not state["version"] or not _size(partial):
        return {}
    return {"Range": f"bytes={_size(partial)}-", "If-Range": state["version"]}


def _version(answer: Response) -> str | None:
    """Give what names this version of the file; a weak tag says nothing of its bytes (RFC 9110, 8.8.3)."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")


def _announced(answer: Response, there: int) -> int | None:
    """Give the size of the whole file, if the server tells."""
    length = answer.headers.get("Content-Length")
    return None if length is None else there + int(length)


def _compare(source: Source, path: Path, partial: Path, expected: str | None) -> None:
    """Refuse and remove what is not what it should be."""
    if _is(partial, expected, source.size):
        return
    if source.size is not None and _size(partial) != source.size:
        problem = f"{_size(partial)} bytes arrived instead of {source.size}"
    else:
        found = checksum(partial, str(expected).partition(":")[0])
        problem = f"what arrived is damaged or another file, {found} instead of {expected}"
    if source.checksum is None and expected is not None:
        problem += f" as first downloaded (to take a new version, remove {_record_path(path)})"
    partial.unlink()
    _forget(partial)
    raise source.refusal(path, f"{problem}; it was not kept")


def _is(path: Path, expected: str | None, size: int | None) -> bool:
    if size is not None and _size(path) != size:
        return False
    return expected is None or checksum(path, expected.partition(":")[0]) == expected


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _recorded(path: Path) -> str | None:
    """Read the checksum of the first download, if there was one."""
    record = _record_path(path)
    return f"sha256:{record.read_text().split()[0]}" if record.exists() else None


def _record(path: Path, partial: Path) -> None:
    """Keep the checksum of a first download, as `sha256sum --check` reads it."""
    digits = checksum(partial, "sha256").removeprefix("sha256:")
    tables.write_atomically(_record_path(path), f"{digits}  {path.name}\n".encode())


def _state(partial: Path) -> Path:
    """File that says what a part belongs to."""
    return partial.with_name(f"{partial.name}.json")


def _forget(partial: Path) -> None:
    """Remove a part and what is known of it."""
    partial.unlink(missing_ok=True)
    _state(partial).unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
