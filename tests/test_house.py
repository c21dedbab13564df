"""The habits of the house: formatting, types, lint, generated files, profiles."""

from __future__ import annotations

import runpy
import subprocess
import sys

import pytest
import yaml
import yte

from tests.conftest import ROOT


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a module of the environment in the repository."""
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy", "--strict", "workflow/cliphba"),
        ("snakefmt", "--check", "Snakefile", "workflow/rules"),
        ("snakemake", "--lint"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_checker_is_content(command):
    found = run(*command)
    assert found.returncode == 0, found.stdout + found.stderr


def test_conda_twin_is_that_of_the_lock():
    twin = runpy.run_path(str(ROOT / "envs/make_conda_twin.py"))["twin"]
    lock = (ROOT / "envs/requirements.txt").read_text()
    assert (ROOT / "envs/environment.yaml").read_text() == twin(lock)


def test_lock_names_no_index():
    lock = (ROOT / "envs/requirements.txt").read_text()
    assert "://" not in lock
    assert "--index" not in lock


def test_profiles_share_no_key():
    default, slurm = (
        yte.process_yaml((ROOT / path).read_text(), require_use_yte=True)
        for path in ("profiles/default/config.yaml", "slurm/config.yaml")
    )
    assert not set(default) & set(slurm)


def test_wrong_key_stops_before_any_job(tmp_path):
    settings = yaml.safe_load((ROOT / "config/studies/tiny.yaml").read_text())
    settings["simulation"]["sesions"] = 3
    settings["group_training"]["adapter"]["rank"] = 0
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(settings))
    found = run("snakemake", "--cores", "1", "all", "--configfile", str(wrong))
    said = found.stdout + found.stderr
    assert found.returncode != 0
    assert "simulation.sesions: there is no such key; allowed here: training_images" in said
    assert "group_training.adapter.rank: Input should be greater than or equal to 1" in said
    assert "Traceback" not in said
