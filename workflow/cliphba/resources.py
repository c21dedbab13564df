"""What a job asks a cluster for: memory and time, from the size of the study.

Each kind of job has a function that says what it is expected to take. Factors come from the demo and from single
steps of the size of THINGS (docs/benchmarks.md). What is asked for is more: a job that is given too little is killed,
and tried again with more.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cliphba import architectures
from cliphba.config import DynamicTraining, Study
from cliphba.sources import RDMRecordings, Size
from cliphba.stages import Level
from cliphba.studies import AS_118_IMAGES, AS_THINGS_MEG, DEMO

# Asked for is so many times what is expected, and for starting: imports from a slow disk take minutes.
MEMORY_MARGIN, TIME_MARGIN = 1.5, 3
STARTING_MINUTES = 10
# Threads of a job that shares its work among them; more for so much work of one.
FEWEST_THREADS, MOST_THREADS, SECONDS_OF_A_THREAD = 4, 16, 600
# Requests are rounded up to these.
MEMORY_STEP_MB, STEP_MINUTES = 500, 5

# Processes before they have read anything; CUDA's libraries take memory of the machine, too.
PLAIN_MB, TORCH_MB, CUDA_MB = 400, 1000, 3000
# What HDF5 keeps of a file of RDMs.
HDF5_MB = 256

# Floating-point operations a second: of one thread as the demo trains, and of an older GPU in single precision.
THREAD_RATE, GPU_RATE = 2e10, 5e12
# Seconds for a pair of pictures at a time: a step of stage 1 on a thread, how many times faster a GPU is; ranks.
STEP_SECONDS, GPU_SPEED_UP = 5e-8, 5
RANK_SECONDS = 4e-7
# Seconds of a thread for a pair, time and fold, and what other measures take of it.
DECODING_SECONDS = 3.6e-7
DECODING_COST = {"lda": 1, "svm": 30, "euclidean": 1, "correlation": 1}
LEDOIT_WOLF_COST = 25
# Seconds of a thread for a pair, time, model, participant and resample.
RESAMPLING_SECONDS = 1e-8
# Seconds from one picture to the next in a recording.
TRIAL_SECONDS = 1.5
# Bytes that a block keeps for the gradient, in units of its tokens.
KEPT_FOR_GRADIENT = 16
# Dimensions of embeddings, those of THINGS; the demo has fewer.
DIMENSIONS = 66

# Blocks along a side of a map of saliency at most; `cliphba.evaluate.saliency` has them, but not without SciPy.
MAP_SIDE = 56

FLOAT, DOUBLE = 4, 8
MB = 1e6


@dataclass(frozen=True)
class Demand:
    """What a job is expected to take.

    Attributes
    ----------
    memory_mb
        Memory at its peak.
    seconds
        Time, with these threads or a GPU.
    threads
        That share the work.
    """

    memory_mb: float
    seconds: float = 0
    threads: int = 1

    def memory(self, attempt: int) -> int:
        """Memory to be asked for in MB; every attempt gets as much again."""
        return attempt * _round_up(MEMORY_MARGIN * self.memory_mb, MEMORY_STEP_MB)

    def minutes(self, attempt: int) -> int:
        """Time to be asked for; every attempt gets as much again."""
        return attempt * _round_up(STARTING_MINUTES + TIME_MARGIN * self.seconds / 60, STEP_MINUTES)


@dataclass(frozen=True)
class Clip:
    """A CLIP, as far as memory and time depend on it.

    Attributes
    ----------
    width, blocks
        Of the vision tower.
    tokens
        Of an image, with the class token.
    image_size
        Side of its input in pixels.
    parameters
        Of both towers.
    """

    width: int
    blocks: int
    tokens: int
    image_size: int
    parameters: int

    @property
    def operations(self) -> float:
        """Floating-point operations of the vision tower for one image."""
        return self.blocks * self.tokens * (24 * self.width**2 + 4 * self.tokens * self.width)

    @property
    def weights_mb(self) -> float:
        """Memory of all weights."""
        return FLOAT * self.parameters / MB

    @property
    def image_mb(self) -> float:
        """Memory of an image as the tower takes it."""
        return FLOAT * 3 * self.image_size**2 / MB

    @property
    def tokens_mb(self) -> float:
        """Memory of what one block gives for an image."""
        return FLOAT * self.tokens * self.width / MB


def clip_of(study: Study) -> Clip:
    """Size of the CLIP that a study's models start from; one that open_clip does not know is taken for a ViT-L/14."""
    if study.backbone.folder is not None:
        found = _folder_settings(study.backbone.files[0]) or architectures.settings_of("ViT-L-14")
        return _clip(found["vision_cfg"], found["text_cfg"])
    if study.backbone.architecture is None:
        small = study.simulated.backbone
        return _clip(
            vision={
                "width": small.width,
                "layers": small.vision_layers,
                "patch_size": small.patch_size,
                "image_size": small.image_size,
            },
            text={"width": small.width, "layers": small.text_layers},
        )
    found = architectures.settings_of(study.backbone.architecture) or architectures.settings_of("ViT-L-14")
    return _clip(found["vision_cfg"], found["text_cfg"])


def _clip(vision: dict[str, Any], text: dict[str, Any]) -> Clip:
    blocks = sum(12 * tower["width"] ** 2 * tower["layers"] for tower in (vision, text))
    words = text.get("vocab_size", 0) * text["width"]
    tokens = (vision["image_size"] // vision["patch_size"]) ** 2 + 1
    return Clip(vision["width"], vision["layers"], tokens, vision["image_size"], blocks + words)


def _folder_settings(path: Path) -> dict[str, Any]:
    """Read how a backbone is described; empty if it is not there yet, or not as it should be."""
    try:
        return dict(json.loads(path.read_text())["model_cfg"])
    # the rule that imports it says what is wrong
    except (OSError, ValueError, KeyError, TypeError):
        return {}


class Amounts(NamedTuple):
    """How much a study measures, and how much of it models are trained on and compared on.

    Attributes
    ----------
    trials
        Of a recording session.
    raw_samples
        Of a recording session.
    images
        With MEG.
    trained, validated, compared
        Of those.
    judged
        Images with a behavioural embedding that Behavior is trained on.
    times
        Of the grid.
    """

    trials: int
    raw_samples: float
    images: int
    trained: int
    validated: int
    compared: int
    judged: int
    times: int


def amounts(study: Study) -> Amounts:
    """How much there is of everything that memory and time depend on."""
    images, size = study.images, _size(study)
    held_out = images.validation + images.test
    return Amounts(
        trials=size.trials,
        raw_samples=size.trials * TRIAL_SECONDS * size.sampling_rate_hz,
        images=images.training + held_out,
        trained=images.training,
        validated=images.validation,
        compared=images.test if study.protocol.evaluated_on == "held_out" else images.training,
        judged=images.training + images.validation + images.behavior,
        times=len(study.grid.times_ms),
    )


def _size(study: Study) -> Size:
    """How large a recording is; of published RDMs there is none."""
    if study.data is not None:
        return Size(sensors=1, trials=1) if study.recordings is None else study.recordings.size
    made = study.simulated
    return Size(
        sensors=made.sensors,
        sampling_rate_hz=made.sampling_rate_hz,
        trials=made.training_images * made.training_trials
        + (made.validation_images + made.test_images) * made.held_out_trials,
    )


def small() -> Demand:
    """Read and write a few tables."""
    return Demand(PLAIN_MB)


def draw_pictures(pictures: int) -> Demand:
    """Render pictures."""
    return _shared(PLAIN_MB, 2e-3 * pictures)


def record(study: Study) -> Demand:
    """Simulate the recordings of a participant: sensors, and the sources behind them, of one session at a time."""
    samples = amounts(study).raw_samples
    rows = 3.5 * study.simulated.sensors + 400
    work = 4e-8 * rows * samples * len(study.sessions)
    return _shared(PLAIN_MB + rows * samples * DOUBLE / MB, work)


def preprocess(study: Study) -> Demand:
    """Filter and cut the recordings of a participant, one session at a time, in double precision."""
    session_raw_mb, session_mb = raw_mb(study), epochs_mb(study)
    # recordings in memory at a time, and seconds for a megabyte; for independent components there are several more
    copies, seconds = (3.5, 0.015) if study.preprocessing.ica.components is None else (9, 0.25)
    work = recordings(study) * (seconds * session_raw_mb + 0.01 * session_mb)
    return _shared(PLAIN_MB + copies * session_raw_mb + 2.5 * session_mb, work)


def decode(study: Study) -> Demand:
    """Decode all pairs at all times from one half of a participant's sessions."""
    found, settings = amounts(study), study.decoding
    sessions = len(study.halves[study.training_half])
    folds = sessions if settings.folds == "session" else settings.folds
    cost = LEDOIT_WOLF_COST if settings.shrinkage == "ledoit_wolf" else DECODING_COST[settings.measure]
    work = DECODING_SECONDS * _pairs(found.images) * found.times * folds * cost * settings.average_repetitions
    half_mb = epochs_mb(study) * recordings(study) * sessions / len(study.sessions) / 2
    # a block of patterns is at most a gigabyte, and is read from double precision
    memory = PLAIN_MB + 2.5 * min(1000, half_mb) + 4 * DOUBLE * _pairs(found.images) / MB
    return _shared(memory, work, reading=0.02 * half_mb)


def import_rdms(study: Study) -> Demand:
    """Read one participant's published RDMs, a few times at once; an older MATLAB file is loaded whole."""
    files = [(one.rdms, one.count, len(one.participants)) for one in study.evaluation_sets]
    if study.data is not None and isinstance(study.data.recordings, RDMRecordings):
        files.append((study.data.recordings, amounts(study).images, len(study.participants)))
    squares_mb = [DOUBLE * images**2 / MB for _, images, _ in files]
    memory = [
        mb * (2 * people * file.samples if file.format == "matlab" else 15)
        for mb, (file, _, people) in zip(squares_mb, files, strict=True)
    ]
    work = [0.01 * mb * file.samples for mb, (file, _, _) in zip(squares_mb, files, strict=True)]
    return Demand(PLAIN_MB + HDF5_MB + max(memory, default=0), seconds=max(work, default=0))


def import_backbone(study: Study) -> Demand:
    """Bring pretrained weights into this study's format; most of the time, if they are downloaded, for that."""
    return Demand(TORCH_MB + 3 * clip_of(study).weights_mb, seconds=60 if study.backbone.files else 600)


def pretrain(study: Study) -> Demand:
    """Pre-train the simulated study's own CLIP; always on the CPU."""
    clip, settings = clip_of(study), study.simulated.backbone
    work = 1.5 * 3 * clip.operations * settings.pictures * settings.epochs
    threads = study.compute.threads
    return Demand(TORCH_MB + 2 * settings.pictures * clip.image_mb, work / THREAD_RATE / threads, threads)


def tune_behavior(study: Study) -> Demand:
    """Train Behavior, from what enters its adapted blocks."""
    clip, images, training = clip_of(study), amounts(study).judged, study.behavior_training
    adapted = min(1, training.vision_blocks / clip.blocks)
    work = clip.operations * images * (1 + 3 * adapted * training.epochs)
    return _towers(study, images, work, extra_mb=images * clip.tokens_mb)


def initialise(study: Study) -> Demand:
    """Find the first weights of the blocks, in folds over training images."""
    clip, found = clip_of(study), amounts(study)
    folds = study.reweighting.outer_folds * study.reweighting.inner_folds
    solutions = 4 * folds * _pairs(found.trained) * clip.blocks * (clip.blocks + found.times)
    work = clip.operations * found.trained + solutions
    return _towers(study, found.trained, work, extra_mb=_targets_mb(study, len(study.group_participants), 1))


def reweight(study: Study, level: Level) -> Demand:
    """Stage 1 of MEG training: the reweighting of the group, or those of all participants at once."""
    found, training = amounts(study), _training(study, level)
    people, models = (len(study.group_participants), 1) if level == "group" else (len(study.participants),) * 2
    images = found.trained + found.validated
    steps = training.stage_1_epochs * models * _pairs(images) * found.times
    work = clip_of(study).operations * images + _steps(study, steps)
    return _towers(study, images, work, extra_mb=_targets_mb(study, people, models))


def tune(study: Study, level: Level) -> Demand:
    """Stage 2 of MEG training: adapters of every vision block, for the group or for one participant."""
    clip, found, training = clip_of(study), amounts(study), _training(study, level)
    people = len(study.group_participants) if level == "group" else 1
    steps = (_pairs(found.validated) + found.trained * training.batch_size / 2) * found.times
    again = 4 if study.compute.gradient_checkpointing else 3
    epoch = clip.operations * (again * found.trained + found.validated) + _steps(study, steps)
    # on a GPU, what the gradient needs is kept there
    kept_mb = 0 if _on_gpu(study) else training.batch_size * clip.blocks * KEPT_FOR_GRADIENT * clip.tokens_mb
    images = found.trained + found.validated
    return _towers(study, images, training.stage_2_epochs * epoch, extra_mb=_targets_mb(study, people, 1) + kept_mb)


def embed(study: Study, models: int) -> Demand:
    """Embed all recorded images by some models."""
    clip, found = clip_of(study), amounts(study)
    embedding_mb = 3 * FLOAT * found.times * found.images * DIMENSIONS / MB
    return _towers(study, found.images, models * clip.operations * found.images, extra_mb=embedding_mb)


def map_saliency(study: Study, models: int) -> Demand:
    """Embed a few test images behind many masks by some models."""
    clip, settings = clip_of(study), study.saliency
    # masks in blocks: by parts, joined, and in double precision
    masks_mb = settings.masks * (2 * FLOAT + DOUBLE) * _map_blocks(study) / MB
    work = models * settings.images * settings.masks * clip.operations
    return _towers(study, settings.images, work, extra_mb=3 * _maps_mb(study, models) + masks_mb)


def draw_figure(study: Study) -> Demand:
    """Draw a figure from tables, of which maps of saliency are the largest."""
    return Demand(PLAIN_MB + 2 * _maps_mb(study, models=1 + len(study.participants)), seconds=60)


def describe(study: Study) -> Demand:
    """Tabulate the RDMs of training images of both halves of everybody."""
    found = amounts(study)
    rdms = 2 * len(study.participants) * _pairs(found.trained) * found.times
    return Demand(PLAIN_MB + 2 * FLOAT * rdms / MB, seconds=RANK_SECONDS * rdms)


def evaluate(study: Study, models: int, variants: int = 1) -> Demand:
    """Compare models with everybody's MEG, with intervals and tests, for a number of variants of the study."""
    found = amounts(study)
    one = len(study.participants) * _pairs(found.compared) * found.times
    repeats = study.evaluation.resamples + study.evaluation.permutations
    memory = PLAIN_MB + 4 * FLOAT * (2 + models / len(study.participants)) * one / MB + _rows_mb(study)
    return Demand(memory, seconds=RESAMPLING_SECONDS * repeats * one * models * variants)


def _training(study: Study, level: Level) -> DynamicTraining:
    return study.group_training if level == "group" else study.individual_training


def _on_gpu(study: Study) -> bool:
    return study.compute.device != "cpu"


def _pairs(images: int) -> float:
    return images * (images - 1) / 2


def recordings(study: Study) -> int:
    """How many recordings of a participant are read one by one: parts that trials are dealt out to are all of one."""
    return 1 if study.halves_of == "trials" else len(study.sessions)


def raw_mb(study: Study) -> float:
    """Raw recording of a session in double precision."""
    return amounts(study).raw_samples * _size(study).sensors * DOUBLE / MB


def epochs_mb(study: Study) -> float:
    """Epochs of a session in double precision."""
    found = amounts(study)
    return found.trials * _size(study).sensors * found.times * DOUBLE / MB


def _maps_mb(study: Study, models: int) -> float:
    """Memory of maps of saliency of all images and times."""
    maps = models * study.saliency.images * amounts(study).times
    return FLOAT * maps * _map_blocks(study) / MB


def _map_blocks(study: Study) -> int:
    """Places of a map of saliency, at most."""
    return int(min(MAP_SIDE, clip_of(study).image_size) ** 2)


def _rows_mb(study: Study) -> float:
    """RDMs of one time, of all images and participants, as they are read."""
    return 2 * len(study.participants) * _pairs(amounts(study).images) * FLOAT / MB


def _targets_mb(study: Study, people: int, models: int) -> float:
    """RDMs that are read, and those of training and validation images that a model is trained on."""
    found = amounts(study)
    read = people * _pairs(found.images)
    chosen = _pairs(found.trained) + _pairs(found.validated)
    # of every participant, and stacked; the mean in double precision; in the order of losses
    return FLOAT * found.times * (read + (2 * people + 5 * models) * chosen) / MB


def _steps(study: Study, pairs_and_times: float) -> float:
    """Operations that take as long as steps of the losses."""
    return STEP_SECONDS * pairs_and_times * (GPU_RATE / GPU_SPEED_UP if _on_gpu(study) else THREAD_RATE)


def _towers(study: Study, images: int, operations: float, extra_mb: float) -> Demand:
    """Pass images through towers, on the GPU if there is to be one."""
    clip = clip_of(study)
    memory, threads = TORCH_MB + 2.5 * clip.weights_mb + images * clip.image_mb + extra_mb, study.compute.threads
    if _on_gpu(study):
        return Demand(memory + CUDA_MB, operations / GPU_RATE, threads)
    return Demand(memory, operations / THREAD_RATE / threads, threads)


def _shared(memory_mb: float, work: float, reading: float = 0) -> Demand:
    """Share seconds of work among threads, so many that none has too much."""
    threads = min(MOST_THREADS, max(FEWEST_THREADS, math.ceil(work / SECONDS_OF_A_THREAD)))
    return Demand(memory_mb, reading + work / threads, threads)


def _round_up(value: float, step: int) -> int:
    return step * math.ceil(value / step)


def to_markdown(examples: Mapping[str, Study]) -> str:
    """Tabulate what the jobs of some studies ask for at their first attempt."""
    rows = {name: _demands(study) for name, study in examples.items()}
    lines = [["job", *rows], ["---"] * (1 + len(rows))]
    for job in next(iter(rows.values())):
        lines.append([f"`{job}`", *(_describe(demands[job]) for demands in rows.values())])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _demands(study: Study) -> dict[str, Demand]:
    """Give those of the rules that differ."""
    people = len(study.participants)
    return {
        "preprocess": preprocess(study),
        "decode_rdm": decode(study),
        "tune_behavior": tune_behavior(study),
        "initialise_reweighting": initialise(study),
        "fit_group_reweighting": reweight(study, "group"),
        "tune_group": tune(study, "group"),
        "fit_individual_reweightings": reweight(study, "individual"),
        "tune_individual": tune(study, "individual"),
        "embed": embed(study, models=3 + people),
        "map_saliency": map_saliency(study, models=1 + people),
        "describe_decoding": describe(study),
        "evaluate_individuals": evaluate(study, models=3 + people),
        "draw_figure": draw_figure(study),
    }


def _describe(demand: Demand) -> str:
    hours, minutes = divmod(demand.minutes(1), 60)
    threads = f", {demand.threads} threads" if demand.threads > 1 else ""
    return f"{demand.memory(1) / 1000:g} GB, {hours}:{minutes:02d}{threads}"


if __name__ == "__main__":
    sys.stdout.write(to_markdown({"demo": DEMO, "as THINGS-MEG": AS_THINGS_MEG, "as the 118 images": AS_118_IMAGES}))
