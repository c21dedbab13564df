"""How much training costs, against the same training written without any economy, in one run.

    python -m tests.benchmarks.train [--quick]

Weights, images and RDMs are random; nothing is fetched. Both sides see the same inputs, with the same threads. The
last line of the output is one JSON object:

- head_speedup: the dynamic head of ViT-L/14 (24 blocks, 281 times, 50 images, 66 dimensions), from class tokens to
  RDMs and back to the gradients of class tokens and reweighting, against a loop over times and blocks
- head_relative_difference: largest absolute difference of RDMs and gradients relative to the largest value
- head_direct_times: times that the loop was run for; its seconds are scaled up to all 281
- stage1_speedup: an epoch of stage 1 of a personal model (ViT-B/32, 80 images, 221 times), one step over all pairs
  from the table, against one in batches of 40 through the backbone: images through a vision tower with adapters of
  learning rate zero and back, prompts through the text tower at every step; stage1_group_... is that of 400 images,
  281 times and batches of 50
- stage1_pairs, stage1_direct_pairs: pairs of images that an epoch of either side sees
- stage1_direct_steps: steps through the backbone that were taken; their seconds are scaled up to the epoch
- stage1_table_seconds: what the table costs, once a training
- behavior_cache_speedup: an epoch of Behavior (ViT-B/32, 2 vision blocks and 1 text block adapted) from what enters
  the adapted blocks, against one through whole towers; behavior_vit_l_14_... is that of ViT-L/14 with few images
- behavior_enter_seconds: what it costs to compute what enters them, once a training
- behavior_difference: largest difference between the embeddings of the two sides, before the first step of one
- ..._seconds, ..._direct_seconds: the two sides
- ..._peak_gb, ..._direct_peak_gb: largest resident memory until the end of the one and until the end of both
- towers: how wide those of stage 1 and Behavior are, relative to the architectures named
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import platform
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np
import open_clip
import torch
from torch import Tensor, nn

from cliphba import rdm
from cliphba.clip.adapters import AdapterPlan, add_adapters
from cliphba.clip.backbone import Backbone
from cliphba.clip.upper import Stream
from cliphba.compute import available_threads
from cliphba.config import Adapter
from cliphba.models.heads import DynamicHead, TemporalCurves, behavior_embedding, block_similarity
from cliphba.train.behavior import BehaviorModel
from cliphba.train.dynamic import DynamicModel, MeasuredImages

# Any prompts cost the same: the text tower reads its whole context.
PROMPTS = [f"dimension {number}; related" for number in range(66)]
WINDOW_MS, STEP_MS = 15.0, 5.0
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

Found = dict[str, Any]
Given = TypeVar("Given")

logger = logging.getLogger(__name__)


def timed(work: Callable[[], Given]) -> tuple[Given, float]:
    """What some work gives, and its seconds."""
    start = time.perf_counter()
    given = work()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return given, time.perf_counter() - start


def seconds(work: Callable[[], Any], repetitions: int) -> float:
    """Shortest of several runs."""
    return min(timed(work)[1] for _ in range(repetitions))


def peak_gb() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)


def draw(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal values, the same on every device."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


def architecture(name: str, narrower: int = 1) -> dict[str, Any]:
    """An architecture of open_clip that can be adapted, some times narrower than it is."""
    config: dict[str, Any] = open_clip.get_model_config(name)
    config["embed_dim"] //= narrower
    for tower in (config["vision_cfg"], config["text_cfg"]):
        tower |= {"block_type": "custom", "width": tower["width"] // narrower}
    config["text_cfg"]["heads"] //= narrower
    return config


def random_backbone(name: str, narrower: int = 1) -> Backbone:
    """A CLIP of this architecture with random weights."""
    torch.manual_seed(0)
    with DEVICE:
        clip = open_clip.CLIP(**architecture(name, narrower)).eval().requires_grad_(False)
    for tower in (clip.visual.transformer, clip.transformer):
        for block in tower.resblocks:
            # open_clip's own start of custom blocks has attention fall on single tokens
            nn.init.normal_(block.attn.in_proj_weight, std=tower.width**-0.5)
    return Backbone(clip, None, open_clip.get_tokenizer(name), "")


def random_head(times: int, blocks: int) -> DynamicHead:
    """A head as it might be after some training."""
    richness, generalisation = (draw(times, seed=seed).abs() + 0.1 for seed in (1, 2))
    grid = STEP_MS * torch.arange(1, times + 1, device=DEVICE)
    curves = TemporalCurves(grid, richness, generalisation, torch.zeros_like(richness))
    return DynamicHead(curves, 5 * draw(times, blocks, seed=3), WINDOW_MS).to(DEVICE)


def adapt(backbone: Backbone, plan: AdapterPlan) -> tuple[Backbone, list[nn.Parameter]]:
    """Give a copy with fresh adapters, and their parameters."""
    adapted = add_adapters(backbone.copy().clip, plan, seed=0)
    return backbone.with_clip(adapted.clip), adapted.trainable()


def take_step(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Train on one batch."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def direct_rdm(
    head: DynamicHead, sample: int, tokens: Tensor, projection: Tensor, text: Tensor, scale: float
) -> Tensor:
    """RDM (pairs,) of one time, block by block, as the method is written down."""
    near = (head.curves.times_ms - head.curves.times_ms[sample]).abs() <= WINDOW_MS
    weights = torch.softmax(head.reweighting[near].mean(0), dim=0)
    features = torch.zeros(tokens.shape[1], projection.shape[1], device=DEVICE)
    for weight, token in zip(weights, tokens, strict=True):
        features = features + weight * (token @ projection)
    response = torch.relu(scale * (head.curves.richness[near].mean() * features) @ text.T)
    embedding = torch.relu(head.curves.generalisation[near].mean() * response)
    return rdm.to_triangle(1 - torch.corrcoef(embedding))


def benchmark_head(every: int) -> Found:
    """Forward and backward of the dynamic head against a loop over times and blocks."""
    times, blocks, images, width, shared = 281, 24, 50, 1024, 768
    tokens = draw(blocks, images, width, seed=4).requires_grad_()
    projection = draw(width, shared, seed=5) / width**0.5
    text, scale = nn.functional.normalize(draw(len(PROMPTS), shared, seed=6), dim=-1), 100.0
    head = random_head(times, blocks)
    chosen = list(range(0, times, every))

    def ours(samples: slice | list[int]) -> list[Tensor]:
        similarity = block_similarity(tokens @ projection, text, torch.tensor(scale))
        rdms = rdm.correlation_distance(head(similarity))[samples]
        return [rdms.detach(), *torch.autograd.grad(rdms.square().sum(), (head.reweighting, tokens))]

    def direct(samples: list[int]) -> list[Tensor]:
        found, gradients = [], (torch.zeros_like(head.reweighting), torch.zeros_like(tokens))
        for sample in samples:
            triangle = direct_rdm(head, sample, tokens, projection, text, scale)
            found.append(triangle.detach())
            parts = torch.autograd.grad(triangle.square().sum(), (head.reweighting, tokens))
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.add_(part)
        return [torch.stack(found), *gradients]

    spent, peak = seconds(lambda: ours(slice(None)), repetitions=5), peak_gb()
    logger.info("head: a loop over %d times", len(chosen))
    expected, theirs = timed(lambda: direct(chosen))
    differences = [float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours(chosen), expected, strict=True)]
    theirs *= times / len(chosen)
    return {
        "speedup": theirs / spent,
        "relative_difference": max(differences),
        "direct_times": len(chosen),
        "seconds": spent,
        "direct_seconds": theirs,
        "peak_gb": peak,
        "direct_peak_gb": peak_gb(),
    }


def benchmark_stage1(name: str, narrower: int = 1, *, images: int, times: int, batch: int, steps: int) -> Found:
    """An epoch over all pairs from the table against one through the backbone, of which some steps are timed."""
    backbone = random_backbone(name, narrower)
    training = MeasuredImages(
        draw(images, 3, *backbone.clip.visual.image_size), draw(times, images * (images - 1) // 2)
    )
    head = random_head(times, backbone.vision_blocks)
    model = DynamicModel(backbone, backbone.text_features(PROMPTS), head)
    table, once = timed(lambda: model.table(training.images))
    optimizer = torch.optim.AdamW([head.reweighting], lr=3e-3)

    def from_table() -> None:
        take_step(model.losses(table, training.target).sum(), optimizer)

    spent, peak = seconds(from_table, repetitions=5), peak_gb()

    blocks = tuple(range(backbone.vision_blocks))
    adapted, trainable = adapt(backbone, AdapterPlan.of(Adapter(rank=6, magnitude=False), vision=blocks))
    groups: list[dict[str, Any]] = [{"params": [head.reweighting]}, {"params": trainable, "lr": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=3e-3)
    batches = np.array_split(np.random.default_rng(0).permutation(images), round(images / batch))
    seen = [training.subset(chosen) for chosen in batches[:steps]]

    def through_backbone() -> None:
        for part in seen:
            model = DynamicModel(adapted, adapted.text_features(PROMPTS), head)
            take_step(model.losses(model.similarity(part.images), part.target).sum(), optimizer)

    logger.info("stage 1: %d batches of %d images through the backbone", steps, batch)
    _, theirs = timed(through_backbone)
    theirs *= len(batches) / steps
    return {
        "speedup": theirs / spent,
        "seconds": spent,
        "direct_seconds": theirs,
        "table_seconds": once,
        "images": images,
        "pairs": images * (images - 1) // 2,
        "direct_pairs": sum(len(chosen) * (len(chosen) - 1) // 2 for chosen in batches),
        "direct_steps": steps,
        "peak_gb": peak,
        "direct_peak_gb": peak_gb(),
    }


def benchmark_behavior(name: str, narrower: int = 1, *, images: int, batch: int) -> Found:
    """An epoch of Behavior from what enters the adapted blocks against one through whole towers."""
    backbone = random_backbone(name, narrower)
    vision = tuple(range(backbone.vision_blocks))[-2:]
    plan = AdapterPlan.of(Adapter(), vision=vision, text=(backbone.text_blocks - 1,))
    adapted, trainable = adapt(backbone, plan)
    pictures, target = draw(images, 3, *backbone.clip.visual.image_size), draw(images, len(PROMPTS))
    optimizer = torch.optim.AdamW(trainable, lr=3e-4)
    batches = torch.arange(images).split(batch)
    whole_embeddings: list[Tensor] = []

    def epoch(predict: Callable[[Tensor], Tensor]) -> None:
        for chosen in batches:
            take_step(nn.functional.mse_loss(predict(chosen), target[chosen]), optimizer)

    def enter() -> tuple[BehaviorModel, Stream]:
        model = BehaviorModel.of(adapted, plan, PROMPTS, batch)
        return model, model.vision.enter(pictures, batch)

    def from_cache(chosen: Tensor) -> Tensor:
        return model.predict(tuple(part[chosen] for part in entering))

    def whole(chosen: Tensor) -> Tensor:
        embedding: Tensor = behavior_embedding(
            adapted.image_features(pictures[chosen]), adapted.text_features(PROMPTS), adapted.scale
        )
        whole_embeddings.append(embedding.detach())
        return embedding

    (model, entering), once = timed(enter)
    spent, peak = seconds(lambda: epoch(from_cache), repetitions=3), peak_gb()
    with torch.no_grad():
        found = from_cache(batches[0])
    logger.info("behaviour: %d images through whole towers", images)
    _, theirs = timed(lambda: epoch(whole))
    return {
        "cache_speedup": theirs / spent,
        "seconds": spent,
        "direct_seconds": theirs,
        "enter_seconds": once,
        "images": images,
        "difference": float((found - whole_embeddings[0]).abs().max()),
        "peak_gb": peak,
        "direct_peak_gb": peak_gb(),
    }


def parts(quick: bool) -> dict[str, Callable[[], Found]]:
    """All that is measured, by the name that its results begin with."""
    name, narrower = "ViT-B-32-quickgelu", 2 if quick else 1
    wanted: dict[str, Callable[[], Found]] = {
        "head": partial(benchmark_head, every=40 if quick else 1),
        "stage1": partial(benchmark_stage1, name, narrower, images=80, times=221, batch=40, steps=2),
        "behavior": partial(benchmark_behavior, name, narrower, images=64 if quick else 128, batch=64),
    }
    if not quick:
        wanted["stage1_group"] = partial(benchmark_stage1, name, images=400, times=281, batch=50, steps=1)
        wanted["behavior_vit_l_14"] = partial(benchmark_behavior, "ViT-L-14-quickgelu", images=16, batch=16)
    return wanted


def begin(threads: int) -> None:
    """Make a process ready."""
    logging.basicConfig(format="%(message)s")
    logger.setLevel(logging.INFO)
    torch.set_num_threads(threads)


def apart(work: Callable[[], Found], threads: int) -> Found:
    """Run in a process of its own, whose peak memory is its own."""
    # a server that has imported everything saves each process seconds
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cliphba.train.behavior", "cliphba.train.dynamic"])
    with context.Pool(1, begin, (threads,)) as pool:
        return pool.apply(work)


def main() -> None:
    """Run, and write one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="narrower towers, fewer times, images: under 50 seconds")
    quick = parser.parse_args().quick
    threads = available_threads(2)
    found: Found = {}
    for part, work in parts(quick).items():
        found |= {f"{part}_{name}": value for name, value in apart(work, threads).items()}
    device = torch.cuda.get_device_name() if DEVICE.type == "cuda" else f"cpu, {platform.machine()}"
    found |= {"towers": "half as wide" if quick else "full width", "threads": threads, "device": device}
    shown = {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in found.items()}
    sys.stdout.write(json.dumps(shown) + "\n")


if __name__ == "__main__":
    main()
