"""The tiny study's models on a real Slurm, through the cluster profile, with jobs cut down on their way."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml

from cliphba import resources, studies, tables
from cliphba.studies import TINY
from tests.plans import plan
from tests.slurm_cluster import ETC, Cluster, slurm_cluster, what_is_missing
from tests.tiny_study import CONFIG, RESULTS, snakemake

pytestmark = pytest.mark.workflow

# So many epochs that a personal model is cut down on its way.
EPOCHS = 300
SECONDS_AT_MOST = 600
# On the command line, for a cluster is asked every 40 s otherwise, and time limits are minutes.
HASTE = ["--slurm-init-seconds-before-status-checks", "5", "--set-resources", "tune_individual:runtime=attempt"]
TRAININGS = [
    "tune_behavior",
    "initialise_reweighting",
    "fit_group_reweighting",
    "tune_group",
    "fit_individual_reweightings",
]


@dataclass(frozen=True)
class Job:
    """What Slurm says of a job.

    Attributes
    ----------
    number
        Its identifier.
    does
        Rule and wildcards.
    partition, state
        In Slurm's words.
    processors, restarts
        How many.
    """

    number: int
    does: str
    partition: str
    state: str
    processors: int
    restarts: int


def jobs(cluster: Cluster) -> list[Job]:
    """All jobs that the cluster has seen, in their order."""
    found = []
    for line in cluster.ask("scontrol", "--oneliner", "show", "job").splitlines():
        said = dict(re.findall(r"(\w+)=(\S*)", line))
        if "Comment" in said:
            job = Job(
                int(said["JobId"]),
                said["Comment"].removeprefix("rule_").replace("_wildcards_", " "),
                said["Partition"],
                said["JobState"],
                int(said["NumCPUs"]),
                int(said["Restarts"]),
            )
            found.append(job)
    return sorted(found, key=lambda job: job.number)


def usage(cluster: Cluster) -> list[tuple[str, int, str]]:
    """Who had which GPU: event (start, task, end), number of the job, GPU."""
    lines = [line.split() for line in (cluster.folder / "usage.log").read_text().splitlines()]
    return [(event, int(job), "".join(gpus)) for event, job, *gpus in lines]


class Profile:
    """Calls of Snakemake through the cluster profile, in a copy of the repository."""

    def __init__(self, cluster: Cluster, folder: Path, scratch: Path) -> None:
        self.cluster, self.folder, self.scratch = cluster, folder, scratch

    def __call__(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "snakemake", "--profile", "slurm", *arguments, "--configfile", str(CONFIG)]
        site = {"CLIPHBA_PARTITION": "cpu", "CLIPHBA_GPU_PARTITION": "gpu", "CLIPHBA_SCRATCH": str(self.scratch)}
        return subprocess.run(
            self.cluster.command(words, self.folder),
            env={**os.environ, **site, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=SECONDS_AT_MOST,
        )

    def state_of(self, participant: str) -> Path | None:
        """File with the state of a participant's training, once there is one."""
        kept = self.scratch / self.folder.relative_to("/") / RESULTS / "scratch" / participant
        return next(kept.glob("*/stage_2.pt"), None)


def model(participant: str) -> str:
    """Path of a personal model."""
    return str(RESULTS / f"models/{participant}.safetensors")


def rdm(participant: str, half: str) -> str:
    """Path of a participant's RDMs."""
    return str(RESULTS / f"rdm/{participant}_{half}.parquet")


def cancel(cluster: Cluster, job: str) -> None:
    cluster.ask("scancel", job)


def let_time_run_out(cluster: Cluster, job: str) -> None:
    cluster.ask("scancel", "--signal=STOP", job)


def requeue(cluster: Cluster, job: str) -> None:
    """As Slurm does with jobs that are preempted, or whose node fails."""
    cluster.ask("scontrol", "requeue", job)


# What happens to the training of each participant.
ACCIDENTS: dict[str, Callable[[Cluster, str], None]] = dict(
    zip(TINY.participants, (cancel, let_time_run_out, requeue), strict=True)
)


def meet_with_accident(profile: Profile, participant: str) -> None:
    """Let a training's accident happen once a state of it is kept."""
    until = time.monotonic() + SECONDS_AT_MOST
    while profile.state_of(participant) is None:
        if time.monotonic() > until:
            raise TimeoutError(f"the training of {participant} did not begin")
        time.sleep(0.1)
    (job,) = (
        str(job.number)
        for job in jobs(profile.cluster)
        if job.does == f"tune_individual {participant}" and job.state == "RUNNING"
    )
    ACCIDENTS[participant](profile.cluster, job)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Slurm of two nodes on this machine."""
    if missing := what_is_missing():
        pytest.skip(missing)
    folder, configured = tmp_path_factory.mktemp("slurm"), sorted(ETC.iterdir())
    with slurm_cluster(folder) as running:
        yield running
    # nothing of it is left on the machine
    assert sorted(ETC.iterdir()) == configured
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(one.info["cmdline"] or [])]


@pytest.fixture(scope="module")
def untrained(cluster: Cluster, study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tiny study up to its RDMs and judgements, that is to be trained on a GPU if there is one."""
    folder = tmp_path_factory.mktemp("untrained") / "repository"
    shutil.copytree(study, folder)
    shutil.rmtree(folder / RESULTS / "models")
    settings = yaml.safe_load((folder / CONFIG).read_text())
    settings["compute"]["device"] = "auto"
    settings["individual_training"] |= {"stage_2_epochs": EPOCHS, "stage_2_patience": EPOCHS}
    (folder / CONFIG).write_text(yaml.safe_dump(settings))
    return folder


@pytest.fixture(scope="module")
def profile(cluster: Cluster, untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """A call of the cluster profile in that copy."""
    return Profile(cluster, untrained, tmp_path_factory.mktemp("scratch"))


@dataclass(frozen=True)
class Trained:
    """The tiny study's models, made twice.

    Attributes
    ----------
    call
        Of Snakemake that had the cluster make them.
    jobs
        That it took there.
    local
        Copy of the repository in which this machine made them by itself.
    """

    call: subprocess.CompletedProcess[str]
    jobs: list[Job]
    local: Path


@pytest.fixture(scope="module")
def trained(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """All models made by Slurm, each personal one with its accident, and without Slurm beside it."""
    local = tmp_path_factory.mktemp("local") / "repository"
    shutil.copytree(profile.folder, local)
    with ThreadPoolExecutor() as pool:
        call = pool.submit(profile, "personalized_models", *HASTE)
        accidents = [pool.submit(meet_with_accident, profile, participant) for participant in TINY.participants]
        snakemake(local, "personalized_models")
        for accident in accidents:
            accident.result()
        return Trained(call.result(), jobs(profile.cluster), local)


def test_the_run_ends_with_the_bytes_of_the_local_one(trained: Trained, profile: Profile) -> None:
    assert trained.call.returncode == 0, trained.call.stdout
    local = trained.local
    made = sorted(path.relative_to(local) for path in (local / RESULTS / "models").rglob("*.*"))
    assert len(made) > 15
    assert not [path for path in made if tables.digest(profile.folder / path) != tables.digest(local / path)]


def test_every_accident_happened_and_its_training_went_on(trained: Trained, profile: Profile) -> None:
    ends = defaultdict(list)
    for job in trained.jobs:
        ends[job.does].append((job.state, job.restarts))
    cancelled, out_of_time, requeued = (f"tune_individual {participant}" for participant in TINY.participants)
    assert ends[cancelled] == [("CANCELLED", 0), ("COMPLETED", 0)]
    assert ends[out_of_time] == [("TIMEOUT", 0), ("COMPLETED", 0)]
    assert ends[requeued] == [("COMPLETED", 1)]
    for participant in TINY.participants:
        log = (profile.folder / RESULTS / f"logs/tune_individual/{participant}.log").read_text()
        assert re.search(r"going on after epoch [1-9]", log), log
        assert profile.state_of(participant) is None
    assert not list(profile.scratch.rglob("*.pt"))


def test_each_training_is_a_job_of_its_own_on_a_gpu_of_its_own(trained: Trained, profile: Profile) -> None:
    personal = [f"tune_individual {participant}" for participant in TINY.participants]
    assert {job.does for job in trained.jobs} == {*TRAININGS, *personal}
    assert {job.partition for job in trained.jobs} == {"gpu"}

    used = usage(profile.cluster)
    owners: dict[str, int] = {}
    for event, job, gpu in used:
        assert owners.get(gpu, job) == job, f"job {job} saw GPU {gpu} while job {owners[gpu]} had it"
        if event == "start":
            owners[gpu] = job
        elif event == "end":
            del owners[gpu]
    assert {gpu for _, _, gpu in used} == {"0", "1"}


def test_slurm_would_accept_what_a_study_as_large_as_things_asks_for(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "as-things-meg.yaml"
    file.write_text(studies.to_yaml(studies.AS_THINGS_MEG, "As large as THINGS-MEG."))
    planned = plan("personalized_models", configfile=file, CLIPHBA_PARTITION="cpu", CLIPHBA_GPU_PARTITION="gpu")
    for asked in {job.rule: job.resources for job in planned if job.makes}.values():
        words = [f"--partition={asked['slurm_partition']}", f"--mem={asked['mem_mb']}", f"--time={asked['runtime']}"]
        words += [f"--gpus={asked['gpu']}"] if "gpu" in asked else []
        cluster.ask("sbatch", "--test-only", *words, "--wrap=true")


def test_one_participant_again_is_one_job(trained: Trained, profile: Profile) -> None:
    participant = TINY.participants[1]
    before = jobs(profile.cluster)
    # this time asking for its GPU as some sites want it
    again = profile(model(participant), "-f", *HASTE, CLIPHBA_GRES="gpu:1")
    assert again.returncode == 0, again.stdout
    (job,) = jobs(profile.cluster)[len(before) :]
    assert job.does == f"tune_individual {participant}"
    given = {event: gpu for event, number, gpu in usage(profile.cluster) if number == job.number}
    assert given["start"] == given["task"] in ("0", "1")


def test_an_edited_comment_reruns_nothing(trained: Trained, profile: Profile) -> None:
    for folder in (profile.folder, trained.local):
        script = folder / "workflow/scripts/tune_adapters.py"
        script.write_text(script.read_text() + "# an afterthought\n")
    assert "Nothing to be done" in profile("personalized_models", "-n").stdout
    assert "Nothing to be done" in snakemake(trained.local, "personalized_models", "-n")


@pytest.fixture(scope="module")
def with_failure(trained: Trained, profile: Profile) -> subprocess.CompletedProcess[str]:
    """Call for two personal models, of which one cannot be made, and for RDMs."""
    failing, other, _ = TINY.participants
    rdms = profile.folder / rdm(failing, "train")
    times = rdms.stat()
    rdms.write_bytes(b"no table")
    os.utime(rdms, ns=(times.st_atime_ns, times.st_mtime_ns))
    targets = [model(failing), model(other), rdm(other, "test")]
    for target in targets:
        (profile.folder / target).unlink()
    return profile(*targets, "--retries", "0", *HASTE)


def test_one_failure_leaves_the_others_alone(
    with_failure: subprocess.CompletedProcess[str], profile: Profile
) -> None:
    failing, other, _ = TINY.participants
    assert with_failure.returncode != 0
    assert not (profile.folder / model(failing)).exists()
    assert (profile.folder / model(other)).exists()
    assert (profile.folder / rdm(other, "test")).exists()
    log = (profile.folder / RESULTS / f"logs/tune_individual/{failing}.log").read_text()
    assert log.splitlines()[-1] in with_failure.stdout


def test_decoding_gets_its_processors_where_no_gpus_are(
    with_failure: subprocess.CompletedProcess[str], profile: Profile
) -> None:
    (decoding,) = (job for job in jobs(profile.cluster) if job.does.startswith("decode_test_rdm"))
    assert decoding.partition == "cpu"
    assert decoding.processors == resources.decode(TINY).threads > 1
