"""A small web server for tests: files in one piece, broken off, changed or missing, and OpenNeuro's interface."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from threading import Thread
from typing import Any


@dataclass
class Served:
    """A file on the server.

    Attributes
    ----------
    content
        Its bytes.
    tag
        Its ETag; None: the server gives none.
    breaks
        How many bytes the first requests get before the connection breaks off; later ones get all.
    status
        Another answer than 200, for the first so many requests.
    asked
        Range of each request so far, or None.
    """

    content: bytes = b""
    tag: str | None = '"one"'
    breaks: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)


class Server:
    """The files by path, and data sets by name and version."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, Served] = {}
        self.datasets: dict[tuple[str, str], Mapping[str, bytes]] = {}
        # what the interface answers first, in place of what was asked for
        self.troubles: list[bytes] = []

    def put(self, path: str, content: bytes, **how: Any) -> str:
        """Serve a file and give its address."""
        self.files[f"/{path}"] = Served(content, **how)
        return f"{self.address}/{path}"

    def publish(self, dataset: str, version: str, files: Mapping[str, bytes]) -> str:
        """Publish a version of a data set, as OpenNeuro does, and give the address of the interface."""
        self.datasets[dataset, version] = files
        for path, content in files.items():
            self.put(f"bucket/{dataset}/{path}?versionId={version}", content)
        return f"{self.address}/crn/graphql"

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a query for the files of a folder."""
        dataset, version, tree = asked["dataset"], asked["version"], asked["tree"] or ""
        files = self.datasets.get((dataset, version))
        if files is None:
            return {"data": {"snapshot": None}, "errors": [{"message": f"{dataset}:{version} not found"}]}
        here = {path.removeprefix(tree): content for path, content in files.items() if path.startswith(tree)}
        folders = sorted({path.split("/")[0] for path in here if "/" in path})
        entries = [
            {"id": f"{tree}{name}/", "filename": name, "size": 0, "directory": True, "urls": []} for name in folders
        ]
        for path, content in here.items():
            if "/" not in path:
                url = f"{self.address}/bucket/{dataset}/{tree}{path}?versionId={version}"
                entries.append(
                    {
                        "id": key(path, content),
                        "filename": path,
                        "size": len(content),
                        "directory": False,
                        "urls": [url],
                    }
                )
        return {"data": {"snapshot": {"files": entries}}}


def key(path: str, content: bytes) -> str:
    """Name a file as OpenNeuro does: by git if it is a small text, by git-annex if not."""
    if PurePosixPath(path).suffix in (".tsv", ".json", ""):
        return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
    ending = PurePosixPath(path).suffix
    return f"SHA256E-s{len(content)}--{hashlib.sha256(content).hexdigest()}{ending}"


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Any

    def do_GET(self) -> None:
        """Give a file, or a part of it."""
        served = self.server.served.files.get(self.path)
        if served is None:
            self.send_error(404)
            return
        served.asked.append(self.headers.get("Range"))
        if served.statuses:
            self.send_error(served.statuses.pop(0))
            return
        start = self.start(served)
        if start > 0 and start >= len(served.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(served.content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(served.content) - 1}/{len(served.content)}")
        if served.tag is not None:
            self.send_header("ETag", served.tag)
        self.send_header("Content-Length", str(len(served.content) - start))
        self.end_headers()
        count = served.breaks.pop(0) if served.breaks else len(served.content)
        self.wfile.write(served.content[start : start + count])
        self.close_connection = True

    def start(self, served: Served) -> int:
        """Where an answer begins: only of the version that was asked for is the rest enough."""
        found = re.fullmatch(r"bytes=([0-9]+)-", self.headers.get("Range") or "")
        same = served.tag is not None and self.headers.get("If-Range") == served.tag
        return int(found[1]) if found and same else 0

    def do_POST(self) -> None:
        """Answer a query of OpenNeuro's interface."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        served = self.server.served
        content = (
            served.troubles.pop(0) if served.troubles else json.dumps(served.answer(asked["variables"])).encode()
        )
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server for as long as it is needed."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.served = Server(f"http://127.0.0.1:{listening.server_port}")  # type: ignore[attr-defined]
        Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield listening.served  # type: ignore[attr-defined]
        listening.shutdown()
