"""Raw recordings of a data set of one's own through Snakemake: epochs of each run, counts, a page."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mne
import pytest
import yaml

from cliphba import tables
from tests.bids_sets import write
from tests.conftest import ROOT
from tests.raws import record, shown

pytestmark = pytest.mark.workflow

MADE = Path("results/own/epochs/sub-01")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of two runs without sessions, onsets of an optical sensor and a channel that is bad in one run."""
    root = tmp_path_factory.mktemp("own")
    for label in ("1", "2"):
        events = shown(24).assign(kind="picture")
        events["sensor"] = events["onset"] + 0.04
        raw = record(events, kinds=("mag", "mag", "mag", "eog"), seed=int(label))
        raw.info["bads"] = ["2"] if label == "2" else []
        write(raw, events, root / "bids", run=label, datatype="meg")
    return root


def run(
    folder: Path, *words: str, runs: tuple[str, ...] = ("1", "2"), bad: dict[str, list[str]] | None = None
) -> tuple[int, str]:
    study: dict[str, Any] = {
        "name": "own",
        "participants": ["sub-01", "sub-02", "sub-03"],
        "grid": {"start_ms": -100, "stop_ms": 600, "step_ms": 20},
        "data": {
            "stimuli": {"images": "pictures", "training_images": 4, "validation_images": 4, "test_images": 4},
            "recordings": {
                "kind": "bids",
                "root": str(folder / "bids"),
                "task": "pictures",
                "runs": list(runs),
                "events": {"where": {"kind": ["picture"]}, "onset": "sensor"},
            },
        },
        "preprocessing": {"low_pass_hz": 20, "rejection_deviations": None, "bad_channels_of": bad or {}},
        "decoding": {"folds": 4},
        "backbone": {"architecture": "ViT-B-32", "weights": "openai"},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "1",
        "--snakefile",
        "Snakefile",
        "--directory",
        str(folder),
    ]
    job = subprocess.run(
        [*command, *words, "--configfile", str(folder / "study.yaml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return job.returncode, " ".join((job.stdout + job.stderr).split())


def test_runs_become_parts_with_counts_and_a_page(folder: Path) -> None:
    failed, said = run(folder, str(MADE / "sub-01_trials.parquet"))
    assert not failed, said
    counts = tables.read(folder / MADE / "sub-01_trials.parquet", "trials")
    assert counts["session"].tolist() == ["run-1", "run-2"]
    assert counts[["recorded", "kept"]].to_numpy().tolist() == [[24, 24], [24, 24]]
    assert str(folder) not in str(counts.attrs)
    for part in ("run-1", "run-2"):
        epochs = mne.read_epochs(folder / MADE / f"sub-01_{part}_task-pictures_epo.fif", verbose="error")
        assert epochs.ch_names == ["0", "1"]
        peak = epochs.times[epochs.get_data().mean(axis=0)[0].argmax()]
        # 200 ms after the picture's time in the table, 40 ms before which the sensor saw it
        assert peak == pytest.approx(0.16)
    page = (folder / MADE / "sub-01_report.html").read_text()
    assert "Recordings of sub-01" in page
    assert str(folder) not in page


def test_a_corrected_table_of_events_or_channels_is_noticed(folder: Path) -> None:
    for table in ("run-1_events.tsv", "run-2_channels.tsv"):
        assert "Nothing to be done" in run(folder, "-n", str(MADE / "sub-01_trials.parquet"))[1]
        (changed,) = (folder / "bids").rglob(f"*_{table}")
        before = changed.read_text()
        changed.write_text(f"{before}\n")
        said = run(folder, "-n", str(MADE / "sub-01_trials.parquet"))[1]
        assert f"Updated input files: {changed}" in said, said
        changed.write_text(before)
        os.utime(changed, (0, 0))


def test_bad_channels_of_others_are_nothing_to_a_participant(folder: Path) -> None:
    page = str(MADE / "sub-01_report.html")
    run(folder, page)
    assert "Nothing to be done" in run(folder, page, "-n", bad={"sub-02": ["1"]})[1]
    assert "Params have changed" in run(folder, page, "-n", bad={"sub-01": ["1"]})[1]


def test_a_run_that_is_not_there_is_named_before_any_job(folder: Path) -> None:
    failed, said = run(folder, str(MADE / "sub-01_trials.parquet"), runs=("1", "2", "3"))
    assert failed
    assert "holds no meg recording of sub-01, task pictures, run 3; check these names" in said
