"""Downloads as a study asks for them, through Snakemake."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.encrypted import write_encrypted
from tests.served import Server, serving

pytestmark = pytest.mark.workflow

CONTENT = hashlib.shake_128(b"rdms").digest(2 * 2**20 + 5)
DAMAGED = b"?" + CONTENT[1:]
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
PASSWORD = "open sesame"
IMAGES = {f"object_images/{name}/{name}_01b.jpg": name.encode() for name in ("bee", "owl")}
DATASET = {
    "dataset_description.json": b"{}",
    **{
        f"sub-P{person}/ses-{session}/meg/run.ds/run.meg4": CONTENT[person:]
        for person in (1, 2)
        for session in (1, 2)
    },
    "derivatives/preprocessed_P1-epo.fif": b"first part",
    "derivatives/preprocessed_P1-epo-1.fif": b"second part",
}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def real_study(**changes: Any) -> dict[str, Any]:
    """Settings of a study from published RDMs, or of other recordings."""
    return {
        "name": "fetched",
        "participants": ["sub-P1", "sub-P2", "sub-P3"],
        "grid": {"start_ms": -100, "stop_ms": 600, "step_ms": 10},
        "data": {
            "stimuli": {"images": "data/images", "training_images": 8, "validation_images": 4, "test_images": 4},
            "recordings": {
                "kind": "rdms", "file": "data/rdms.npy", "format": "numpy", "start_ms": -100, "step_ms": 10,
                "samples": 71,
            },
        },
        "backbone": {"architecture": "ViT-B-32", "weights": "openai"},
        **changes,
    }  # fmt: skip


def run(
    folder: Path, study: dict[str, Any], *words: str, **environment: str
) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run the repository's workflow in a folder of its own, and give what was said."""
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "2",
        "--directory",
        str(folder),
        "--snakefile",
        "Snakefile",
    ]
    job = subprocess.run(
        [*command, *words, "--configfile", str(folder / "study.yaml")],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return job, " ".join((job.stdout + job.stderr).split())


def test_files_and_archives_are_fetched_once(server: Server, tmp_path: Path) -> None:
    write_encrypted(tmp_path / "images.zip", IMAGES, PASSWORD)
    archive = (tmp_path / "images.zip").read_bytes()
    downloads = [
        {"url": server.put("rdms.npy", CONTENT, breaks=[2**20]), "to": "data/rdms.npy", "checksum": SHA256},
        {
            "url": server.put("images.zip", archive), "to": "data/images", "members": ["*_01b.jpg"],
            "password_variable": "IMAGES_PASSWORD",
        },
    ]  # fmt: skip
    study = real_study(downloads=downloads)
    job, said = run(tmp_path, study, "data/rdms.npy", "data/images", IMAGES_PASSWORD=PASSWORD)
    assert job.returncode == 0, said
    assert (tmp_path / "data/rdms.npy").read_bytes() == CONTENT
    # broken off, and resumed
    assert server.files["/rdms.npy"].asked == [None, f"bytes={2**20}-"]
    for name, content in IMAGES.items():
        assert (tmp_path / "data/images" / name).read_bytes() == content
    job, said = run(tmp_path, study, "data/rdms.npy", "data/images")
    assert "Nothing to be done" in said


def test_missing_and_damaged_files_and_passwords_are_told_at_the_terminal(server: Server, tmp_path: Path) -> None:
    downloads = [
        {"url": f"{server.address}/nowhere.npy", "to": "data/rdms.npy", "by_hand": "Ask the authors."},
        {"url": server.put("table.tsv", DAMAGED), "to": "data/table.tsv", "checksum": SHA256},
        {"to": "data/images", "members": ["*"], "password_variable": "IMAGES_PASSWORD", "by_hand": "See the site."},
    ]
    targets = [entry["to"] for entry in downloads]
    job, said = run(tmp_path, real_study(downloads=downloads), *targets, "--keep-going", "--retries", "0")
    assert job.returncode != 0
    assert (
        f"data/rdms.npy: cannot be downloaded, the server has no such file (404). Its address: {server.address}"
        in said
    )
    assert "Ask the authors." in said
    assert "data/table.tsv: what arrived is damaged or another file" in said
    assert "set the environment variable IMAGES_PASSWORD" in said
    assert "See the site." in said
    assert "Traceback" not in said
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert "has no such file" in (tmp_path / "results/fetched/logs/download/data/rdms.npy.log").read_text()


def test_recordings_of_a_session_are_fetched_once(server: Server, tmp_path: Path) -> None:
    openneuro = {
        "dataset": "ds000001", "version": "1.0.0", "to": "data/ds000001",
        "server": server.publish("ds000001", "1.0.0", DATASET),
    }  # fmt: skip
    study = real_study()
    study["data"]["recordings"] = {
        "kind": "bids", "root": "data/ds000001", "task": "main", "sessions": ["1", "2"], "openneuro": openneuro,
    }  # fmt: skip
    study["decoding"] = {"folds": 5}
    records = [f"data/ds000001/fetched/sub-P1_ses-{session}.json" for session in (1, 2)]
    job, said = run(tmp_path, study, *records)
    assert job.returncode == 0, said
    for session, record in zip((1, 2), records, strict=True):
        path = f"sub-P1/ses-{session}/meg/run.ds/run.meg4"
        assert (tmp_path / "data/ds000001" / path).read_bytes() == DATASET[path]
        assert [file["path"] for file in json.loads((tmp_path / record).read_text())["files"]] == [path]
    assert (tmp_path / "data/ds000001/dataset_description.json").exists()
    assert not (tmp_path / "data/ds000001/sub-P2").exists()


def test_all_of_a_participants_epochs_are_fetched_together(server: Server, tmp_path: Path) -> None:
    openneuro = {
        "dataset": "ds000001", "version": "1.0.0", "to": "data/ds000001",
        "files": ["derivatives/preprocessed_{participant}-epo*.fif"],
        "server": server.publish("ds000001", "1.0.0", DATASET),
    }  # fmt: skip
    study = real_study()
    study["data"]["recordings"] = {
        "kind": "epochs", "files": "data/ds000001/derivatives/preprocessed_{participant}-epo.fif",
        "sessions": ["1", "2", "3", "4"], "session_column": "session_nr", "openneuro": openneuro,
    }  # fmt: skip
    (tmp_path / "data/images").mkdir(parents=True)
    # as what the import of epochs waits for
    job, said = run(
        tmp_path, study, "results/fetched/epochs/sub-P1/sub-P1_trials.parquet", "--until", "fetch_recordings"
    )
    assert job.returncode == 0, said
    record = json.loads((tmp_path / "data/ds000001/fetched/sub-P1.json").read_text())
    assert [file["path"] for file in record["files"]] == [
        "derivatives/preprocessed_P1-epo-1.fif",
        "derivatives/preprocessed_P1-epo.fif",
    ]
    assert (tmp_path / "data/ds000001/derivatives/preprocessed_P1-epo.fif").read_bytes() == b"first part"
