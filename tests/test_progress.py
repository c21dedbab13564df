"""Progress in a log: a line every tenth of the way, the items unchanged."""

import logging
import sys

import pytest

from cliphba import progress


@pytest.fixture(autouse=True)
def not_a_terminal(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)


def test_a_line_every_tenth_of_the_way(caplog):
    caplog.set_level(logging.INFO)
    assert list(progress.track(range(40), "training", unit="epoch")) == list(range(40))
    assert [record.message for record in caplog.records] == [
        f"training: epoch {done} of 40, about 0:00:00 left" for done in range(4, 41, 4)
    ]


def test_few_items_get_a_line_each(caplog):
    caplog.set_level(logging.INFO)
    list(progress.track(iter("abc"), "reading", unit="batch", total=3))
    assert [record.message for record in caplog.records] == [
        f"reading: batch {done} of 3, about 0:00:00 left" for done in (1, 2, 3)
    ]


def test_the_rest_is_estimated_from_what_is_done(caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    clock = iter([100.0, 160.0, 220.0])  # the start, and a minute for each item
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    list(progress.track("ab", "decoding", unit="time point"))
    assert [record.message.rpartition(", ")[2] for record in caplog.records] == [
        "about 0:01:00 left",
        "about 0:00:00 left",
    ]


def test_items_of_unknown_number_pass_silently(caplog):
    caplog.set_level(logging.INFO)
    assert list(progress.track(iter("abc"), "reading", unit="batch")) == ["a", "b", "c"]
    assert not caplog.records


def test_a_log_takes_records_and_error_messages(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        progress.log_to(tmp_path / "job.log")
        logging.getLogger("cliphba").info("half way")
        print("a traceback", file=sys.stderr)  # noqa: T201
    finally:
        logging.captureWarnings(False)
        root.handlers[:], root.level = handlers, level
    text = (tmp_path / "job.log").read_text()
    assert "half way" in text
    assert "a traceback" in text
