"""Trainings killed again and again at random moments: resumed to the end, they give the bytes of undisturbed ones."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from cliphba import tables
from cliphba.train.kept import Kept
from tests.conftest import ROOT
from tests.tiny_study import CONFIG, RESULTS, command, snakemake

# Each training stage: the folder of its kept state, and the names of the models that it makes.
STAGES = {
    "behavior": "behavior",
    "group_reweighting": "stage_1/group",
    "group": "group",
    "individual_reweightings": "stage_1/sub-*",
    "sub-01": "sub-01",
}

SEED = 1
KILLS = 5
# Epochs from one kill to the next at most, and those of a stage: none is over before its last kill.
APART = 30
EPOCHS = 2 * KILLS * APART
# Roughly what an epoch takes, so that a kill falls anywhere within one.
EPOCH_SECONDS = 0.01

# A job that the kernel kills when half of a second state is on the disk.
KILLED_WHILE_WRITING = """
import resource, signal, sys
from pathlib import Path
from tests.test_killed_trainings import counted

path = Path(sys.argv[1])
counted(path, 1).save({"epoch": 1})
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size // 2,) * 2)
counted(path, 2).save({"epoch": 2})
"""


def counted(path: Path, epoch: int) -> Kept:
    """Give the keeper of a training whose one weight is the number of its epoch."""
    return Kept(path, torch.optim.SGD([torch.nn.Parameter(torch.tensor(float(epoch)))]))


def outputs(folder: Path, stage: str) -> list[str]:
    """Checkpoints and tables of a stage, as Snakemake names them."""
    found = folder.glob(str(RESULTS / f"models/{STAGES[stage]}[._]*"))
    return sorted(str(path.relative_to(folder)) for path in found)


def lengthen(folder: Path) -> None:
    """Give every stage so many epochs that all kills fall into it."""
    study = yaml.safe_load((folder / CONFIG).read_text())
    for training, prefixes in {
        "behavior_training": [""],
        "group_training": ["stage_1_", "stage_2_"],
        "individual_training": ["stage_1_", "stage_2_"],
    }.items():
        study[training] |= {prefix + limit: EPOCHS for prefix in prefixes for limit in ("epochs", "patience")}
    (folder / CONFIG).write_text(yaml.safe_dump(study))


def reached(folder: Path, stage: str) -> int:
    """Last epoch whose state is kept; 0 if none is."""
    states = list((folder / RESULTS / "scratch" / stage).glob("*/*.pt"))
    if not states:
        return 0
    epoch: int = torch.load(states[0], weights_only=True)["course"]["epoch"]
    return epoch


def kill_within(folder: Path, stage: str, targets: list[str], generator: np.random.Generator) -> int:
    """Train on to some moment, kill Snakemake and the training, unlock; give the last epoch that is kept."""
    start = reached(folder, stage)
    last = start + generator.integers(1, APART, endpoint=True)
    job = subprocess.Popen(
        command(*targets),
        cwd=folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while (epoch := reached(folder, stage)) < last:
            assert epoch >= start, f"{stage}: began again at its start, though epoch {start} was kept"
            assert job.poll() is None, f"{stage}: ended at epoch {epoch}, before it was killed"
            time.sleep(EPOCH_SECONDS / 2)
        time.sleep(generator.uniform(0, EPOCH_SECONDS))
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
            job.wait()
    snakemake(folder, "--unlock")
    return reached(folder, stage)


def kill_and_resume(undisturbed: Path, folder: Path, stage: str) -> list[int]:
    """Make a stage of a study anew in a copy, under kills; give the epochs after which they fell."""
    shutil.copytree(undisturbed, folder)
    targets = outputs(folder, stage)
    for target in targets:
        (folder / target).unlink()
    generator = np.random.default_rng([SEED, *stage.encode()])
    epochs = [kill_within(folder, stage, targets, generator) for _ in range(KILLS)]
    snakemake(folder, *targets)
    return epochs


@pytest.fixture(scope="module")
def undisturbed(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tiny study whose trainings were made again, longer."""
    folder = tmp_path_factory.mktemp("undisturbed") / "repository"
    shutil.copytree(study, folder)
    lengthen(folder)
    snakemake(folder, str(RESULTS / "models/sub-01.safetensors"))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where each stage is killed."""
    return {stage: tmp_path_factory.mktemp(f"killed_{stage}") / "repository" for stage in STAGES}


@pytest.fixture(scope="module")
def killed(undisturbed: Path, folders: dict[str, Path]) -> dict[str, Future[list[int]]]:
    """All stages killed and resumed, side by side: most of the time goes into starting again."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {stage: pool.submit(kill_and_resume, undisturbed, folders[stage], stage) for stage in STAGES}


@pytest.mark.workflow
@pytest.mark.parametrize("stage", STAGES)
def test_killed_again_and_again_a_training_ends_in_the_same_bytes(
    undisturbed: Path, folders: dict[str, Path], killed: dict[str, Future[list[int]]], stage: str
) -> None:
    folder, epochs = folders[stage], killed[stage].result()
    course = f"{stage}, seed {SEED}: killed after epochs {epochs}"
    assert len({epoch for epoch in epochs if 0 < epoch < EPOCHS}) >= KILLS, course
    targets = outputs(undisturbed, stage)
    assert outputs(folder, stage) == targets, course
    changed = [target for target in targets if tables.digest(folder / target) != tables.digest(undisturbed / target)]
    assert not changed, course
    assert not (folder / RESULTS / "scratch" / stage).exists(), course
    assert not list((folder / RESULTS).rglob("*.partial")), course
    assert "Nothing to be done" in snakemake(folder, *targets)


def test_a_kill_while_a_state_is_written_leaves_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    job = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(path)], cwd=ROOT, check=False)
    assert job.returncode == -signal.SIGXFSZ
    (half,) = tmp_path.glob("*.partial")
    assert 0 < half.stat().st_size < path.stat().st_size
    kept = counted(path, 0)
    assert kept.load() == {"epoch": 1}
    assert kept.optimizer.param_groups[0]["params"][0].item() == 1
