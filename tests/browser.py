"""Chromium without a screen and without a network, driven by its DevTools protocol over a pair of pipes.

The protocol over pipes needs the standard library alone: messages are JSON with a zero byte at their end, to file
descriptor 3 of the browser and from its file descriptor 4.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-sandbox",  # which the superuser cannot have
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have little of it
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
# what is started by its pipes' numbers gets them as the numbers that Chromium wants
LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
#: Seconds of silence after which the browser counts as dead.
PATIENCE = 60


def find() -> str | None:
    """Path of a Chromium, if there is one that starts."""
    return next(filter(_starts, filter(None, map(shutil.which, NAMES))), None)


def _starts(path: str) -> bool:
    return subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0


class Page:
    """A page of the browser."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self.to_browser, self.from_browser = to_browser, from_browser
        self.received = b""
        self.sent = 0
        self.session: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and give its result; events that come before it are kept."""
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": parameters, **self.session}
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self.sent:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def open(self, path: Path) -> None:
        """Open a local file and wait until it is loaded."""
        self.send("Page.navigate", url=path.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def run(self, expression: str) -> Any:
        """Run JavaScript in the page, wait for what it promises, and give its value."""
        found = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression}: {found['exceptionDetails']['exception']['description']}")
        return found["result"].get("value")

    def requests(self) -> list[str]:
        """Addresses that the page asked for."""
        return [event["params"]["request"]["url"] for event in self._named("Network.requestWillBeSent")]

    def errors(self) -> list[dict[str, Any]]:
        """Whatever went wrong: exceptions, errors in the console or the log, files that could not be had."""
        logged = [event["params"] for event in self._named("Runtime.consoleAPICalled")]
        entries = [event["params"]["entry"] for event in self._named("Log.entryAdded")]
        failed = [*self._named("Runtime.exceptionThrown"), *self._named("Network.loadingFailed")]
        return [
            *(event["params"] for event in failed),
            *(call for call in logged if call["type"] in ("error", "assert")),
            *(entry for entry in entries if entry["level"] == "error"),
        ]

    def _named(self, method: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["method"] == method]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self.received:
            if not select.select([self.from_browser], [], [], PATIENCE)[0]:
                raise TimeoutError(f"Chromium has said nothing for {PATIENCE} s")
            if not (piece := os.read(self.from_browser, 1 << 20)):
                raise EOFError("Chromium has ended")
            self.received += piece
        message, _, self.received = self.received.partition(b"\0")
        return json.loads(message)


@contextmanager
def page(binary: str, profile: Path) -> Iterator[Page]:
    """Start a Chromium with an empty profile, give a page of it, and end it."""
    to_browser, from_page = _pipe()
    to_page, from_browser = _pipe()
    words = [sys.executable, "-c", LAUNCH, str(to_browser), str(from_browser), binary, *ARGUMENTS]
    process = subprocess.Popen(
        [*words, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(to_browser, from_browser),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(from_browser)
    try:
        shown = Page(from_page, to_page)
        target = shown.send("Target.createTarget", url="about:blank")["targetId"]
        shown.session = {"sessionId": shown.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            shown.send(f"{domain}.enable")
        yield shown
    finally:
        os.close(from_page)  # which Chromium takes for a farewell
        process.wait(PATIENCE)
        os.close(to_page)


def _pipe() -> tuple[int, int]:
    """Ends of a pipe, to be read and to be written, with numbers that are not those Chromium wants."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
