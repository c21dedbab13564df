"""What training and decoding of the size of the method cost on a GPU.

    python -m tests.benchmarks.gpu [--quick] [--peak TFLOPS] [part ...]

Weights, images, RDMs and epochs are random, so that nothing is fetched; no time here depends on them. Parts are
`ceilings`, `agreement`, `steps`, `group`, `people` and `decoding`; each runs in a process of its own, and says in the
log what it found as soon as it is done. With --quick everything is small, and the CPU will do. The last line of the
output is one JSON object:

- ceilings: operations a second of products of 8192 x 8192 random matrices (tflops), and bytes read and written a
  second by a copy (copy_tb)
- agreement: a batch of the MEG model of a group on the GPU against the CPU in double precision: length of the
  difference of losses, RDMs and gradients relative to their length
- steps: a step of the group model (50 images, 281 times, adapters of rank 32 in every vision block): median
  milliseconds, largest memory in GB, and the share of the card's rate that the vision tower's products get.
  They are counted by formula: forward, and backward through what is frozen, without adapters and head; what is
  computed again is not counted. of_peak is relative to --peak (dense bfloat16 by the vendor's data sheet; 989 is an
  H100 SXM's), of_product to the ceiling measured for the precision
- group: stage 1 and 2 of the group model, 1456 training and 350 validation images: set-up, and seconds of an epoch;
  minutes are for as many epochs as the defaults allow
- people: stage 1 of 15 people at once, and stage 2 of some of them with all epochs that the defaults allow, 80
  training and 20 validation images, 221 times, from a backbone and a checkpoint on disk to a checkpoint on disk;
  minutes_for_all is that of all of them one after the other, without the start of Python and the reading of images
  and RDMs
- decoding: a time point of 1854 stimuli, 12 sessions, 271 sensors, on the GPU and on the CPU's threads: microseconds
  for a pair and fold, decisions that differ, and minutes for 281 times
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cliphba import rdm
from cliphba.clip.adapters import AdapterPlan, add_adapters
from cliphba.clip.backbone import Backbone, load_backbone, save_backbone
from cliphba.clip.economy import forget_activations
from cliphba.compute import available_threads
from cliphba.config import (
    Adapter,
    Compute,
    Decoding,
    DynamicTraining,
    Precision,
    Protocol,
    individual_training_defaults,
)
from cliphba.meg.engine import prepare
from cliphba.models.checkpoint import Checkpoint, DynamicState, TrainedAdapter, read_checkpoint, save_checkpoint
from cliphba.models.heads import DynamicHead, block_similarity
from cliphba.train.dynamic import DynamicModel, MeasuredImages, Setup, fit_adapters, fit_reweightings
from cliphba.train.losses import Objective, Target
from tests.benchmarks import decode
from tests.benchmarks.train import (
    DEVICE,
    PROMPTS,
    Found,
    adapt,
    apart,
    architecture,
    draw,
    random_backbone,
    random_head,
    take_step,
    timed,
)

PREPROCESSING = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sizes:
    """How large everything is: as in the method, or small.

    Attributes
    ----------
    name, narrower
        Architecture of open_clip, and how many times narrower its towers are.
    settings, images, times
        Of the group and of a person: training; training and validation images; times of the RDMs.
    epochs
        That are timed, of either stage of the group.
    trained
        People whose stage 2 is run, in each precision, of how many.
    stimuli
        That are decoded.
    product
        Rows of the matrices whose product is timed.
    """

    name: str = "ViT-L-14-quickgelu"
    narrower: int = 1
    settings: dict[str, DynamicTraining] = field(
        default_factory=lambda: {"group": DynamicTraining(), "person": individual_training_defaults()}
    )
    images: dict[str, tuple[int, int]] = field(default_factory=lambda: {"group": (1456, 350), "person": (80, 20)})
    times: dict[str, int] = field(default_factory=lambda: {"group": 281, "person": 221})
    epochs: tuple[int, int] = (40, 1)
    trained: dict[Precision, int] = field(default_factory=lambda: {"float32": 1, "bfloat16": 2})
    people: int = 15
    stimuli: int = 1854
    product: int = 8192


FEW = {"stage_1_epochs": 3, "stage_2_epochs": 1, "batch_size": 10}
QUICK = Sizes(
    name="ViT-B-32-quickgelu",
    narrower=4,
    settings={level: settings.model_copy(update=FEW) for level, settings in Sizes().settings.items()},
    images={"group": (30, 10), "person": (20, 10)},
    times={"group": 30, "person": 20},
    epochs=(3, 1),
    people=3,
    stimuli=120,
    product=512,
)


def drawn(*shape: int) -> Tensor:
    """Standard normal values, drawn on the device."""
    return torch.randn(shape, device=DEVICE)


def measured(images: int, times: int, side: int, members: int | None = None) -> MeasuredImages:
    """Coarse colours as images (images, 3, side, side), and noise as RDMs ([members,] times, pairs)."""
    leading = () if members is None else (members,)
    colours = nn.functional.interpolate(2 * drawn(images, 3, 4, 4), size=(side, side))
    return MeasuredImages(colours, 1 + 0.1 * drawn(*leading, times, rdm.pair_count(images)))


def features_of_dimensions(backbone: Backbone) -> Tensor:
    """Directions in all directions, unlike those that a text tower of random weights gives."""
    return nn.functional.normalize(draw(len(PROMPTS), backbone.clip.visual.proj.shape[1], seed=7), dim=-1)


def memory_gb() -> float:
    """Largest memory of the device that tensors have taken since `forget_memory`."""
    return torch.cuda.max_memory_allocated() / 1e9 if DEVICE.type == "cuda" else 0.0


def forget_memory() -> None:
    """Measure from now on, without what earlier work has left behind."""
    if DEVICE.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def median_seconds(work: Callable[[], Any], repetitions: int = 10) -> float:
    """Time some work often, after a few runs in which kernels are chosen."""
    for _ in range(3):
        timed(work)
    return statistics.median(timed(work)[1] for _ in range(repetitions))


def product_rate(rows: int, kind: torch.dtype) -> float:
    """Floating-point operations a second of a matrix product."""
    first, second = (drawn(rows, rows).to(kind) for _ in range(2))
    return 2 * rows**3 / median_seconds(lambda: first @ second)


def benchmark_ceilings(sizes: Sizes) -> Found:
    """What the card can do at most."""
    found = {f"tflops_{name}": product_rate(sizes.product, getattr(torch, name)) / 1e12 for name in PRECISIONS}
    source = drawn(sizes.product * sizes.product * 8)
    target = torch.empty_like(source)
    copied = 2 * source.numel() * source.element_size() / 1e12
    return found | {"copy_tb": copied / median_seconds(lambda: target.copy_(source))}


def operations(backbone: Backbone, images: int) -> float:
    """Floating-point operations of a step's matrix products in the vision tower.

    A multiplication and an addition are two. For each token the weights of a block take 24 width^2, scores and
    weighted values 4 tokens width. Backward, the gradients of activations take as much again (weights are frozen),
    and twice as much in attention; in the first block they end at the adapters, so that neither attention nor the
    weights before it (6 width^2) count. What adapters, patch embedding and head take is left out.
    """
    visual = backbone.clip.visual
    width, blocks = visual.transformer.width, backbone.vision_blocks
    tokens = visual.positional_embedding.shape[0]
    weights, attention = 24 * width**2, 4 * tokens * width
    forward = blocks * (weights + attention)
    backward = blocks * (weights + 2 * attention) - 6 * width**2 - 2 * attention
    return float(images * tokens * (forward + backward))


def group_model(sizes: Sizes, backbone: Backbone, compute: Compute) -> tuple[DynamicModel, list[nn.Parameter]]:
    """The group model in stage 2, and what is trained."""
    plan = AdapterPlan.of(sizes.settings["group"].adapter, vision=tuple(range(backbone.vision_blocks)))
    adapted, trainable = adapt(backbone, plan)
    if compute.gradient_checkpointing:
        forget_activations(adapted.clip)
    head = random_head(sizes.times["group"], backbone.vision_blocks)
    return DynamicModel(adapted, features_of_dimensions(backbone), head, compute), [head.reweighting, *trainable]


def benchmark_steps(sizes: Sizes, peak: float) -> Found:
    """Steps of the group model, with and without either economy."""
    backbone = random_backbone(sizes.name, sizes.narrower)
    batch = min(sizes.settings["group"].batch_size, sizes.images["group"][0])
    seen = measured(batch, sizes.times["group"], backbone.clip.visual.image_size[0])
    counted = operations(backbone, batch)
    found: Found = {"tera_operations": counted / 1e12}
    for precision in PRECISIONS:
        ceiling = product_rate(sizes.product, getattr(torch, precision))
        for again in (False, True):
            forget_memory()
            compute = Compute(precision=precision, gradient_checkpointing=again)
            model, trainable = group_model(sizes, backbone, compute)
            optimizer = torch.optim.AdamW(trainable, lr=3e-5)

            def step(model: DynamicModel = model, optimizer: torch.optim.Optimizer = optimizer) -> None:
                take_step(model.losses(model.similarity(seen.images), Target(seen.rdms)).sum(), optimizer)

            spent = median_seconds(step)
            name = f"{precision}_recomputed" if again else precision
            found |= {
                f"{name}_ms": 1e3 * spent,
                f"{name}_gb": memory_gb(),
                f"{name}_of_peak": counted / spent / peak,
                f"{name}_of_product": counted / spent / ceiling,
            }
            del model, trainable, optimizer, step
    return found


def outcome(model: DynamicModel, trainable: list[nn.Parameter], similarity: Tensor, rdms: Tensor) -> Found:
    """What a batch gives, in double precision on the CPU."""
    losses = model.losses(similarity, Target(rdms))
    reweighting, *adapters = torch.autograd.grad(losses.sum(), trainable, retain_graph=True)
    parts = {
        "losses": losses,
        "rdms": rdm.correlation_distance(model.head(similarity)),
        "reweighting_gradient": reweighting,
        "adapter_gradient": torch.cat([part.flatten() for part in adapters]),
    }
    return {name: part.detach().cpu().double() for name, part in parts.items()}


def benchmark_agreement(sizes: Sizes) -> Found:
    """Losses, RDMs and gradients of a batch against the CPU's in double precision."""
    backbone = random_backbone(sizes.name, sizes.narrower)
    seen = measured(6, sizes.times["group"], backbone.clip.visual.image_size[0])
    outcomes = {}
    for precision in PRECISIONS:
        model, trainable = group_model(sizes, backbone, Compute(precision=precision))
        outcomes[precision] = outcome(model, trainable, model.similarity(seen.images), seen.rdms)
    model, trainable = group_model(sizes, backbone, Compute())
    exact = model.backbone.with_clip(model.backbone.clip.cpu().double())
    model = DynamicModel(exact, model.text_features.cpu().double(), model.head.cpu().double())
    features = exact.block_features(seen.images.cpu().double())
    similarity = block_similarity(features, model.text_features, exact.scale)
    expected = outcome(model, trainable, similarity, seen.rdms.cpu().double())
    return {
        f"{precision}_{name}": float((part - expected[name]).norm() / expected[name].norm())
        for precision, parts in outcomes.items()
        for name, part in parts.items()
    }


def setup_of(
    sizes: Sizes, level: str, start: Backbone, precision: Precision, *, members: int | None = None, **changes: int
) -> Setup:
    """A training of a level that does not stop before its last epoch."""
    side = start.clip.visual.image_size[0]
    endless = {"stage_1_patience": 10**6, "stage_2_patience": 10**6}
    training, validation = (measured(images, sizes.times[level], side, members) for images in sizes.images[level])
    return Setup(
        start,
        features_of_dimensions(start),
        training,
        validation,
        settings=sizes.settings[level].model_copy(update=endless | changes),
        protocol=Protocol(),
        seed=0,
        compute=Compute(precision=precision),
    )


def epoch_seconds(work: Callable[[int], Any], epochs: int) -> Found:
    """Set-up with the first validation, and an epoch, of a training that takes the number of its epochs."""
    once = timed(lambda: work(0))[1]
    return {"setup_seconds": once, "epoch_seconds": (timed(lambda: work(epochs))[1] - once) / epochs}


def benchmark_group(sizes: Sizes) -> Found:
    """Some epochs of both stages of the group model."""
    start = random_backbone(sizes.name, sizes.narrower)
    found: Found = {}

    def head() -> DynamicHead:
        return random_head(sizes.times["group"], start.vision_blocks)

    def reweight(epochs: int) -> None:
        setup = setup_of(sizes, "group", start, "float32", members=1, stage_1_epochs=epochs)
        fit_reweightings(setup, {"group": head()})

    def tune(epochs: int, precision: Precision) -> None:
        setup = setup_of(sizes, "group", start, precision, stage_2_epochs=epochs)
        fit_adapters(setup, "group", head(), Objective(torch.ones(3, device=DEVICE)))

    most = sizes.settings["group"]
    works: dict[str, tuple[Callable[[int], None], int, int]] = {
        "stage1": (reweight, sizes.epochs[0], most.stage_1_epochs),
        **{
            f"stage2_{precision}": (partial(tune, precision=precision), sizes.epochs[1], most.stage_2_epochs)
            for precision in PRECISIONS
        },
    }
    for name, (work, epochs, allowed) in works.items():
        forget_memory()
        times = epoch_seconds(work, epochs)
        minutes = (times["setup_seconds"] + allowed * times["epoch_seconds"]) / 60
        of_one = times | {"gb": memory_gb(), "minutes": minutes}
        found |= {f"{name}_{key}": value for key, value in of_one.items()}
    return found


def trained_before(sizes: Sizes, backbone: Backbone) -> list[TrainedAdapter]:
    """Adapters of Behavior and of the group, as the start of a personal model has them."""
    blocks = tuple(range(backbone.vision_blocks))
    plans = [
        AdapterPlan.of(Adapter(), vision=blocks[-2:], text=(backbone.text_blocks - 1,)),
        AdapterPlan.of(sizes.settings["group"].adapter, vision=blocks),
    ]
    return [TrainedAdapter(plan, add_adapters(backbone.copy().clip, plan, seed=0).state()) for plan in plans]


def train_person(sizes: Sizes, backbone: Path, start: Path, target: Path, precision: Precision) -> None:
    """Stage 2 of one person, from files to a file."""
    checkpoint = read_checkpoint(start)
    model = checkpoint.onto(load_backbone(backbone, DEVICE.type))
    assert checkpoint.dynamic is not None
    head = checkpoint.dynamic.head().to(DEVICE)
    setup = setup_of(sizes, "person", model, precision)
    fit = fit_adapters(setup, "person", head, Objective(torch.ones(3, device=DEVICE)))
    save_checkpoint(replace(checkpoint, adapters=[*checkpoint.adapters, fit.adapter], dynamic=fit.dynamic), target)


def first_stage(sizes: Sizes, backbone: Backbone) -> DynamicState:
    """Stage 1 of all people at once; give the first one's."""
    blocks = backbone.vision_blocks
    heads = {f"sub-{number:02d}": random_head(sizes.times["person"], blocks) for number in range(sizes.people)}
    setup = setup_of(sizes, "person", backbone, "float32", members=sizes.people)
    return fit_reweightings(setup, heads)[0].dynamic


def benchmark_people(sizes: Sizes) -> Found:
    """Stage 1 of all people and stage 2 of some, with all epochs that there can be."""
    found: Found = {}
    with tempfile.TemporaryDirectory() as name:
        folder, first, last = (Path(name) / part for part in ("backbone", "first.safetensors", "last.safetensors"))
        made = random_backbone(sizes.name, sizes.narrower)
        preprocessing = PREPROCESSING | {"size": list(made.clip.visual.image_size)}
        save_backbone(made.clip, architecture(sizes.name, sizes.narrower), preprocessing, folder)
        backbone, found["load_seconds"] = timed(lambda: load_backbone(folder, DEVICE.type))
        forget_memory()
        state, found["stage1_seconds"] = timed(partial(first_stage, sizes, backbone))
        found["stage1_gb"] = memory_gb()
        adapters, sha256 = trained_before(sizes, backbone), backbone.weights_sha256
        save_checkpoint(Checkpoint("dynamic", PROMPTS, PROMPTS, adapters, str(folder), sha256, state), first)
        del made, backbone
        for precision, people in sizes.trained.items():
            forget_memory()
            spent = [timed(lambda: train_person(sizes, folder, first, last, precision))[1] for _ in range(people)]  # noqa: B023
            found |= {
                f"{precision}_seconds": spent,
                f"{precision}_gb": memory_gb(),
                f"{precision}_minutes_for_all": (found["stage1_seconds"] + sizes.people * min(spent)) / 60,
            }
    return found


def benchmark_decoding(sizes: Sizes) -> Found:
    """A time point on the GPU and on the CPU."""
    threads = available_threads(64)
    epochs, stimulus, session = decode.simulate(sizes.stimuli, 1)
    pairs = rdm.pair_count(sizes.stimuli)
    accuracies, found = {}, Found(cpu_threads=threads)
    devices: dict[str, Any] = {"gpu": DEVICE.type, "cpu": "cpu"}
    for name, device in devices.items():
        forget_memory()
        measure = prepare(stimulus, session, Decoding(device=device), seed=0, threads=threads)
        spent = median_seconds(partial(measure, epochs[:, :, 0]), repetitions=5)
        accuracies[name] = measure(epochs[:, :, 0])
        found |= {
            f"{name}_seconds": spent,
            f"{name}_microseconds_per_pair_fold": 1e6 * spent / (pairs * decode.SESSIONS),
            f"{name}_minutes_of_281_times": 281 * spent / 60,
            f"{name}_gb": memory_gb(),
        }
    # a pair's decisions are two for each fold
    changed = np.rint(np.abs(accuracies["gpu"] - accuracies["cpu"]) * 2 * decode.SESSIONS)
    return found | {"decisions": 2 * decode.SESSIONS * pairs, "differences": int(changed.sum())}


def main() -> None:
    """Run, and write one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="everything small")
    parser.add_argument("--peak", type=float, default=989, help="the card's dense bfloat16 TFLOP/s")
    parser.add_argument("parts", nargs="*", help="all by default")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sizes = QUICK if given.quick else Sizes()
    works: dict[str, Callable[[], Found]] = {
        "ceilings": partial(benchmark_ceilings, sizes),
        "agreement": partial(benchmark_agreement, sizes),
        "steps": partial(benchmark_steps, sizes, given.peak * 1e12),
        "group": partial(benchmark_group, sizes),
        "people": partial(benchmark_people, sizes),
        "decoding": partial(benchmark_decoding, sizes),
    }
    device = torch.cuda.get_device_name() if DEVICE.type == "cuda" else f"cpu, {platform.machine()}"
    found: Found = {"device": device, "torch": torch.__version__, "size": "quick" if given.quick else "method"}
    for part in given.parts or works:
        of_part = {
            f"{part}_{name}": rounded(value) for name, value in apart(works[part], available_threads(64)).items()
        }
        logger.info(json.dumps(of_part))
        found |= of_part
    sys.stdout.write(json.dumps(found) + "\n")


def rounded(value: Any) -> Any:
    """Four digits of every number."""
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
