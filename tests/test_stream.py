"""RDMs computed block by block: the same as in memory, after a kill too, and never from parts of other work."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from cliphba import tables
from cliphba.config import Decoding
from cliphba.meg import stream
from cliphba.meg.engine import PatternRDM, decode_rdm, prepare
from cliphba.meg.parts import Parts, file_states
from cliphba.meg.read import Sessions, gather_sessions
from cliphba.scratch import folder_for, place_for
from tests.conftest import ROOT

STIMULI, SESSIONS, CHANNELS, TIMES = 5, 3, 6, 9

# A job that is killed, as a cluster kills, when it is about to compute its fifth time point.
KILLED = """
import os, signal, sys
from pathlib import Path
import pandas as pd
from cliphba.config import Decoding
from cliphba.meg import engine, stream
from cliphba.meg.parts import Parts
from tests.test_stream import recorded

sessions, done = recorded(), []
labels = sessions.trials["stimulus"].to_numpy(), pd.factorize(sessions.trials["session"])[0]
rdm = engine.prepare(*labels, Decoding(), seed=0, threads=2)

def until_killed(patterns):
    if len(done) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(1)
    return rdm(patterns)

stream.compute_parts(sessions, until_killed, Parts(Path(sys.argv[1])), label="test")
"""


def recorded() -> Sessions:
    """Three sessions of noise and some signal, 10 ms apart, onset at the fourth sample."""
    generator = np.random.default_rng(0)
    info = mne.create_info(CHANNELS, 100.0, "mag")
    sessions = []
    for session in range(SESSIONS):
        trials = pd.DataFrame(
            {"stimulus": np.tile(np.arange(STIMULI), 2), "session": str(session), "trial": np.arange(2 * STIMULI)}
        )
        data = generator.normal(size=(len(trials), CHANNELS, TIMES))
        sessions.append(mne.EpochsArray(data, info, tmin=-0.03, metadata=trials, verbose="error"))
    return gather_sessions(sessions)


@pytest.fixture
def sessions() -> Sessions:
    return recorded()


@pytest.fixture
def rdm(sessions: Sessions) -> PatternRDM:
    session = pd.factorize(sessions.trials["session"])[0]
    return prepare(sessions.trials["stimulus"].to_numpy(), session, Decoding(), seed=0, threads=1)


def values(parts: Parts) -> NDArray[np.float32]:
    return np.stack(list(parts.load(TIMES)))


@pytest.mark.parametrize("block_bytes", [1, 3 * 4 * 30 * CHANNELS, 10**9])
def test_blocks_give_what_memory_gives(
    sessions: Sessions, rdm: PatternRDM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(stream, "BLOCK_BYTES", block_bytes)
    parts = Parts(tmp_path / "scratch")
    stream.compute_parts(sessions, rdm, parts, label="test")
    session = pd.factorize(sessions.trials["session"])[0]
    stimulus = sessions.trials["stimulus"].to_numpy()
    expected = decode_rdm(sessions.patterns(0, TIMES), stimulus=stimulus, session=session)
    np.testing.assert_array_equal(values(parts), expected)
    digest = stream.content_digest(sessions)
    monkeypatch.undo()
    assert stream.content_digest(recorded()) == digest


def test_a_killed_job_goes_on_where_it_was(sessions: Sessions, rdm: PatternRDM, tmp_path: Path) -> None:
    whole = Parts(tmp_path / "whole")
    stream.compute_parts(sessions, rdm, whole, label="test")
    job = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "scratch")], cwd=ROOT, check=False)
    assert job.returncode == -signal.SIGKILL
    resumed = Parts(tmp_path / "scratch")
    assert resumed.missing(TIMES) == [4, 5, 6, 7, 8]
    stream.compute_parts(sessions, rdm, resumed, label="test")
    np.testing.assert_array_equal(values(resumed), values(whole))


def test_parts_of_other_work_are_thrown_away(tmp_path: Path) -> None:
    old = Parts(folder_for(tmp_path, {"shrinkage": 0.1}))
    old.save(0, np.zeros(3, dtype=np.float32))
    assert Parts(folder_for(tmp_path, {"shrinkage": 0.1})).missing(2) == [1]
    assert Parts(folder_for(tmp_path, {"shrinkage": 0.2})).missing(2) == [0, 1]
    assert not old.folder.exists()


def test_scratch_is_where_the_site_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLIPHBA_SCRATCH", raising=False)
    assert place_for("results/tiny/scratch/sub-01") == Path("results/tiny/scratch/sub-01")
    monkeypatch.setenv("CLIPHBA_SCRATCH", "/fast")
    assert place_for("results/tiny/scratch/sub-01") == Path(f"/fast{tmp_path}/results/tiny/scratch/sub-01")


def test_a_changed_file_is_other_work(tmp_path: Path) -> None:
    path = tmp_path / "epochs.fif"
    path.write_bytes(b"abc")
    before = file_states({"epochs": path})
    assert file_states({"epochs": path}) == before
    path.write_bytes(b"abcd")
    assert file_states({"epochs": path}) != before


def test_the_table_is_written_from_parts_without_holding_them(
    sessions: Sessions, rdm: PatternRDM, tmp_path: Path
) -> None:
    parts = Parts(tmp_path / "scratch")
    stream.compute_parts(sessions, rdm, parts, label="test")
    names = tuple("abcde")
    tables.write_rdm_rows(
        parts.load(TIMES), tmp_path / "rdm", times_ms=sessions.times_ms, stimuli=names, half="train"
    )
    found = tables.read_rdms(tmp_path / "rdm")
    np.testing.assert_array_equal(found.values, values(parts))
    assert (found.stimuli, found.metadata["half"]) == (names, "train")
