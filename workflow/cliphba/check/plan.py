"""What a study will take on this machine: hours, memory, disk."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cliphba import resources
from cliphba.check.findings import Finding, Found, Problem
from cliphba.check.room import amount, room_mb
from cliphba.compute import available_threads
from cliphba.config import Study, changed
from cliphba.resources import Demand
from cliphba.sources import Size

# Until a job has imported what it needs.
START_SECONDS = 6
# Jobs that train or embed side by side where there is no GPU: as the default profile has it.
TRAININGS = 2
MB = 1e6
FLOAT = 4
# Settings of a recording's size may be so many times wrong.
SIZE_TOLERANCE = 1.5
# Of simulated studies: a picture's file; bytes of a raw sample, of which trials have half as many as real ones.
PICTURE_MB, RAW_BYTES = 0.01, 1


class Machine(NamedTuple):
    """What jobs run on.

    Attributes
    ----------
    processors
        For this process.
    memory_mb
        All of it.
    gpus
        Names of the GPUs.
    free_mb
        Disk where results will stand.
    """

    processors: int
    memory_mb: float
    gpus: tuple[str, ...]
    free_mb: float

    @classmethod
    def here(cls, results: Path) -> Machine:
        """Look at this one; `results` need not be there yet."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / MB
        return cls(available_threads(10**6), memory, find_gpus(), room_mb(results))


def find_gpus() -> tuple[str, ...]:
    """Ask the driver, without torch, which GPUs there are."""
    if shutil.which("nvidia-smi") is None:
        return ()
    try:
        said = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    lines = said.stdout.splitlines() if said.returncode == 0 else []
    return tuple(line.partition(": ")[2].partition(" (")[0] for line in lines if line.startswith("GPU "))


class Stage(NamedTuple):
    """Equal jobs of a plan.

    Attributes
    ----------
    name
        What they do.
    jobs
        How many.
    demand
        Of each.
    trains
        Whether they are among those that few of are run side by side.
    """

    name: str
    jobs: int
    demand: Demand
    trains: bool = False

    def seconds(self, machine: Machine) -> float:
        """How long it takes here, if nothing else runs."""
        threads = min(self.demand.threads, machine.processors)
        slower = self.demand.threads / threads
        beside = machine.processors // threads
        if self.trains:
            beside = 1 if machine.gpus else min(TRAININGS, beside)
        return math.ceil(self.jobs / beside) * (START_SECONDS + self.demand.seconds * slower)


def stages(study: Study) -> list[Stage]:
    """List what `all` computes, but for variants of the study."""
    people = len(study.participants)
    halves, models = len(study.halves), 3 + people
    behavior = resources.tune_behavior if study.learns_behavior else resources.import_backbone
    return [
        *(_simulated(study) if study.simulation is not None else []),
        *_recorded(study, people, halves),
        Stage("Behavior", 1, behavior(study), True),
        Stage("initial reweighting", 1, resources.initialise(study), True),
        Stage("group, stage 1", 1, resources.reweight(study, "group"), True),
        Stage("group, stage 2", 1, resources.tune(study, "group"), True),
        Stage("people, stage 1", 1, resources.reweight(study, "individual"), True),
        Stage("people, stage 2", people, resources.tune(study, "individual"), True),
        Stage("embeddings", 1, resources.embed(study, models), True),
        Stage("embeddings of blocks", 1, resources.embed(study, 2), True),
        Stage("saliency", 1, resources.map_saliency(study, 1 + people), True),
        Stage("description of decoding", 1, resources.describe(study)),
        Stage("evaluations", 6, resources.evaluate(study, models)),
        Stage("figures and tables", 25, Demand(resources.PLAIN_MB)),
    ]


def _simulated(study: Study) -> list[Stage]:
    found, people = resources.amounts(study), len(study.participants)
    strangers = sum(len(one.participants) for one in study.external_sets.values())
    own = study.backbone.given
    return [
        *([] if own else [Stage("pre-training of a small CLIP", 1, resources.pretrain(study))]),
        Stage("simulated pictures", 2, resources.draw_pictures(found.judged)),
        Stage("simulated recordings", people, resources.record(study)),
        *([Stage("external sets", 4 * strangers, Demand(resources.PLAIN_MB))] if strangers else []),
    ]


def _recorded(study: Study, people: int, halves: int) -> list[Stage]:
    backbone = [Stage("import of the backbone", 1, resources.import_backbone(study))] if study.backbone.given else []
    if not study.has_halves:
        return [*backbone, Stage("import of RDMs", people, resources.import_rdms(study))]
    return [
        *backbone,
        Stage("preprocessing", people, resources.preprocess(study)),
        Stage("decoding", people * halves, resources.decode(study)),
    ]


def disk_mb(study: Study) -> dict[str, float]:
    """Say how much disk the results take, by kind."""
    found, clip, people = resources.amounts(study), resources.clip_of(study), len(study.participants)
    pairs = found.images * (found.images - 1) / 2
    values = found.times * found.images * resources.DIMENSIONS
    taken = {
        "backbone": clip.weights_mb,
        "checkpoints": _checkpoints_mb(study) * (2 + 2 * people),
        "embeddings": FLOAT * values * (3 + people) / MB,
        "RDMs": FLOAT * pairs * found.times * people * len(study.halves) / MB,
    }
    if study.has_halves:
        taken["epochs"] = resources.recordings(study) * people * resources.epochs_mb(study) / 2
    if study.simulation is not None:
        made = study.simulation
        taken["simulated pictures"] = PICTURE_MB * (found.images + found.judged + made.backbone.pictures)
        taken["simulated recordings"] = (
            RAW_BYTES * found.raw_samples * made.sensors * len(study.sessions) * people / MB
        )
    return taken


def _checkpoints_mb(study: Study) -> float:
    """Size of the checkpoint of a person, the chain of whose adapters ends in the largest."""
    clip = resources.clip_of(study)
    ranks = [study.behavior_training.adapter.rank, study.group_training.adapter.rank]
    return FLOAT * 2 * clip.width * clip.blocks * (sum(ranks) + study.individual_training.adapter.rank) / MB


def judge(study: Study, machine: Machine, results: Path) -> Iterator[Found]:
    """Compare what a study will take with what there is.

    Parameters
    ----------
    study
        As it will run.
    machine
        Where.
    results
        Folder of its own results, some of which may be there already.
    """
    yield from _judge_disk(study, machine, results)
    yield from _judge_memory(study, machine)
    yield from _judge_gpu(study, machine)


def _judge_disk(study: Study, machine: Machine, results: Path) -> Iterator[Found]:
    taken = disk_mb(study)
    needed, there = sum(taken.values()), folder_mb(results)
    largest = sorted(taken, key=lambda name: -taken[name])[:3]
    kinds = ", ".join(f"{name} {amount(taken[name])}" for name in largest)
    already = f", {amount(there)} of which are there" if there else ""
    yield Finding("disk", f"about {amount(needed)} ({kinds}){already}; free are {amount(machine.free_mb)}")
    if needed - there > machine.free_mb:
        yield Problem(
            "results",
            f"results take about {amount(needed)}{already}, but {amount(machine.free_mb)} of disk are free",
            "make room, or let the folder results be a link to a larger disk",
        )


def folder_mb(folder: Path) -> float:
    """Size of the files of a folder; of one that is not there, nothing."""
    return sum(_bytes(Path(inside) / name) for inside, _, names in os.walk(folder) for name in names) / MB


def _bytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        # a study that is being computed while it is looked at removes what was half done
        return 0


def _judge_memory(study: Study, machine: Machine) -> Iterator[Found]:
    largest = max(stages(study), key=lambda stage: stage.demand.memory_mb)
    memory = largest.demand.memory_mb
    yield Finding(
        "memory",
        f"about {amount(memory)} for one job ({largest.name}); this machine has {amount(machine.memory_mb)}",
    )
    if memory > machine.memory_mb:
        yield Problem(
            "memory",
            f"{largest.name} takes about {amount(memory)}, this machine has {amount(machine.memory_mb)}",
            "run the study on a cluster (docs/cluster.md), set compute.gradient_checkpointing, or take smaller "
            "batches (batch_size) or a coarser grid (grid.step_ms)",
            fatal=False,
        )


def _judge_gpu(study: Study, machine: Machine) -> Iterator[Found]:
    yield Finding("processors", f"{machine.processors}; GPU: {', '.join(machine.gpus) or 'none'}")
    asked = {"compute.device": study.compute.device, "decoding.device": study.decoding.device}
    for key, device in asked.items():
        if device == "cuda" and not machine.gpus:
            yield Problem(
                key,
                "cuda, but this machine has no GPU that nvidia-smi knows",
                "set it to cpu, or run the study where there is one",
                fatal=False,
            )


def judge_size(said: Size, found: Size) -> Iterator[Problem]:
    """Compare what recordings are said to be with what they are: clusters are asked for memory and time by it."""
    ratios = [getattr(found, name) / getattr(said, name) for name in Size.model_fields]
    if max(*ratios, *(1 / ratio for ratio in ratios)) > SIZE_TOLERANCE:
        values = ", ".join(f"{name}: {getattr(found, name):g}" for name in Size.model_fields)
        yield Problem(
            "data.recordings.size",
            "recordings are of another size than it says, so that jobs on a cluster are given too little or too much",
            f"set it to {{{values}}}",
            fatal=False,
        )


def on_machine(study: Study, machine: Machine) -> Study:
    """Give the study as it will run here: `auto` becomes a GPU or the CPU."""
    if study.compute.device != "auto" or machine.gpus:
        return study
    return changed(study, {"compute": {"device": "cpu"}})


def table(study: Study, machine: Machine) -> str:
    """Tabulate the stages, with hours and memory."""
    planned = [(stage, stage.seconds(machine)) for stage in stages(study)]
    rows = [["stage", "jobs", "memory", "time at most"]]
    rows += [
        [stage.name, str(stage.jobs), amount(stage.demand.memory_mb), clock(seconds)] for stage, seconds in planned
    ]
    rows.append(["all", str(sum(stage.jobs for stage, _ in planned)), "", clock(sum(time for _, time in planned))])
    return "\n".join(_aligned(rows))


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *rest in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join([f"{first:<{widths[0]}}", *cells]).rstrip()


def clock(seconds: float) -> str:
    """Write a duration as hours and minutes."""
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d} h"
