"""What jobs ask a cluster for."""

from __future__ import annotations

from pathlib import Path

import pytest

from cliphba import resources, studies
from cliphba.config import Decoding, changed
from cliphba.evaluate import saliency
from cliphba.resources import Demand
from cliphba.studies import AS_118_IMAGES, AS_THINGS_MEG, DEMO, TINY
from tests.conftest import ROOT
from tests.plans import Planned, list_rules, plan, say

TINY_FILE = Path("config/studies/tiny.yaml")
# What nodes of a common GPU cluster have, and how long they let a job run.
MEMORY_MB, MINUTES = 256_000, 24 * 60
# Those that hold a GPU.
ON_GPU = {
    "tune_behavior",
    "initialise_reweighting",
    "fit_group_reweighting",
    "tune_group",
    "fit_individual_reweightings",
    "tune_individual",
}
DEMANDS = {
    "preprocess": resources.preprocess,
    "decode": resources.decode,
    "describe": resources.describe,
    "reweight": lambda study: resources.reweight(study, "individual"),
    "tune": lambda study: resources.tune(study, "individual"),
    "embed": lambda study: resources.embed(study, models=3),
}


def test_every_attempt_asks_for_more() -> None:
    # 1.5 times 1000 MB; 10 minutes and 3 times 2, rounded up to 20
    demand = Demand(memory_mb=1000, seconds=120)
    assert [demand.memory(attempt) for attempt in (1, 2, 3)] == [1500, 3000, 4500]
    assert [demand.minutes(attempt) for attempt in (1, 2, 3)] == [20, 40, 60]


def test_size_of_vit_l_14_is_the_published_one() -> None:
    """428 million parameters, 162 billion operations of the vision tower an image."""
    clip = resources.clip_of(AS_THINGS_MEG)
    assert clip.parameters == pytest.approx(428e6, rel=0.02)
    assert clip.operations == pytest.approx(162e9, rel=0.02)


def test_unknown_architecture_is_taken_for_a_large_one() -> None:
    unknown = changed(TINY, {"backbone": {"architecture": "ViT-of-the-future", "weights": "some"}})
    assert resources.clip_of(unknown) == resources.clip_of(AS_THINGS_MEG)


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ({"participants": [*DEMO.participants, "sub-07"]}, ["describe", "reweight"]),
        ({"simulation": {"sessions": 16}}, ["preprocess", "decode"]),
        ({"simulation": {"sensors": 128}}, ["preprocess", "decode"]),
        ({"simulation": {"training_images": 2000}}, list(DEMANDS)),
        ({"preprocessing": {"ica": {"components": 20}}}, ["preprocess"]),
        ({"grid": {"step_ms": 10}}, ["preprocess", "decode", "describe", "reweight", "tune"]),
        ({"backbone": {"architecture": "ViT-L-14", "weights": "openai"}}, ["reweight", "tune", "embed"]),
    ],
    ids=["participants", "sessions", "sensors", "images", "components", "times", "backbone"],
)
def test_more_of_anything_takes_more(change: dict[str, object], kinds: list[str]) -> None:
    larger = changed(DEMO, change)
    for kind in kinds:
        less, more = DEMANDS[kind](DEMO), DEMANDS[kind](larger)
        assert more.memory_mb >= less.memory_mb, kind
        assert more.seconds * more.threads > less.seconds * less.threads, kind


def test_costly_decoding_gets_more_threads_and_time() -> None:
    costly = AS_THINGS_MEG.model_copy(update={"decoding": Decoding(measure="svm")})
    plain, slow = resources.decode(AS_THINGS_MEG), resources.decode(costly)
    assert slow.threads > plain.threads
    assert slow.seconds > plain.seconds


def test_maps_of_saliency_are_as_large_as_they_are_made() -> None:
    assert resources.MAP_SIDE == saliency.FINEST


def test_documentation_has_the_table() -> None:
    examples = {"demo": DEMO, "as THINGS-MEG": AS_THINGS_MEG, "as the 118 images": AS_118_IMAGES}
    assert resources.to_markdown(examples) in (ROOT / "docs/cluster.md").read_text()


@pytest.fixture(scope="module")
def everything() -> list[Planned]:
    """A plan with every rule of the tiny study."""
    return plan(*list_rules("--list-target-rules", TINY_FILE), configfile=TINY_FILE)


def test_every_rule_says_what_it_takes(everything: list[Planned]) -> None:
    assert {job.rule for job in everything} == set(list_rules("--list-rules", TINY_FILE))
    silent = {job.rule for job in everything if job.makes and not _asks(job)}
    assert not silent


def _asks(job: Planned) -> bool:
    """Whether a job says for itself how much memory and time it takes: no profile has a default of both."""
    return all(job.resources.get(name, "").isdigit() for name in ("mem_mb", "runtime"))


@pytest.fixture(scope="module")
def configfile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study as large as THINGS-MEG."""
    file = tmp_path_factory.mktemp("config") / "as-things-meg.yaml"
    file.write_text(studies.to_yaml(AS_THINGS_MEG, "As large as THINGS-MEG."))
    return file


def test_cluster_would_accept_the_plan_for_things(configfile: Path) -> None:
    jobs = plan(
        "personalized_models",
        configfile=configfile,
        CLIPHBA_PARTITION="all",
        CLIPHBA_GPU_PARTITION="gpu",
        CLIPHBA_ACCOUNT="0042",
        CLIPHBA_GPU_CONSTRAINT="a100|h100",
    )
    submitted = [job for job in jobs if job.makes]
    assert sum(job.rule == "tune_individual" for job in submitted) == len(AS_THINGS_MEG.participants)
    assert {job.rule for job in submitted if "gpu" in job.resources} == ON_GPU
    for job in submitted:
        asked = job.resources
        on_gpu = job.rule in ON_GPU
        assert 500 <= int(asked["mem_mb"]) <= MEMORY_MB, job
        assert 5 <= int(asked["runtime"]) <= MINUTES, job
        assert asked["slurm_partition"] == ("gpu" if on_gpu else "all")
        assert asked["slurm_account"] == "0042"
        assert asked.get("constraint") == ("a100|h100" if on_gpu else None)


def test_gpu_is_asked_for_as_the_site_wants_it(configfile: Path) -> None:
    jobs = plan("personalized_models", configfile=configfile, CLIPHBA_GRES="gpu:a100:1")
    asked = {job.rule: job.resources for job in jobs}
    assert asked["tune_group"]["gres"] == "gpu:a100:1"
    # asked for both ways, Slurm would give two
    assert asked["tune_group"]["gpu"] == "0"
    assert "gres" not in asked["preprocess"]


def test_figures_of_a_cluster_are_made_by_few_jobs() -> None:
    said = say("--profile", "slurm", "-n", "--forceall", "all", "--configfile", str(TINY_FILE))
    figures = said.count("rule draw_figure:")
    assert 1 <= said.count("Group job figures") <= -(-figures // 4)
