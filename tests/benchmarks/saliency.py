"""How fast saliency at all times is, against plain loops over pixels and times, in one run.

    python -m tests.benchmarks.saliency [--quick]

A random picture of 224 pixels a side, 1000 masks of 8 x 8 cells, 281 times, maps of 56 x 56 places; a group model
with 66 dimensions on a ViT-B/32 with random weights. Both sides see the same scores and the same masks; seconds are
processor seconds of one thread. The last line of the output is one JSON object:

- speedup: from scores (times x masks) and masks to maps (times x places) by one matrix product, against a loop over
  times and places that takes the weighted mean over masks (`numpy.average`) of each
- speedup_over_lean_loop: the same against a loop that fetches and sums the weights of a place once for all times
- largest_relative_difference: of a place at a time, from either loop's
- seconds, loop_seconds, lean_loop_seconds: of these
- whole_seconds: the whole of `map_saliency` for one picture, `masks` masked pictures through the model included;
  embedding_share, masking_share, averaging_share: what of it the model, making masks and masked pictures, and the
  matrix product take
- whole_speedup: the whole against the same with the plain loop in place of the product
- whole_speedup_time_by_time: the whole against masked pictures that pass the model once for each time and the plain
  loop, scaled up from one pass
- peak_gb: largest resident memory of this process until the end of `map_saliency`, the model included
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import open_clip
import torch
from threadpoolctl import threadpool_limits

from cliphba.clip.backbone import Backbone
from cliphba.evaluate import saliency
from cliphba.evaluate.bootstrap import Reals
from cliphba.evaluate.saliency import Masks, Pixels
from cliphba.models.heads import DynamicHead, TemporalCurves
from cliphba.models.perception import PerceptionModel

MASKS, CELLS, SIDE, TIMES, DIMENSIONS = 1000, 8, 224, 281, 66

logger = logging.getLogger(__name__)


def random_model(narrower: int) -> PerceptionModel:
    """A group model on a ViT-B/32 with random weights, some times narrower than it is."""
    config = open_clip.get_model_config("ViT-B-32-quickgelu")
    config["embed_dim"] //= narrower
    for tower in (config["vision_cfg"], config["text_cfg"]):
        tower |= {"block_type": "custom", "width": tower["width"] // narrower}
    config["text_cfg"]["heads"] //= narrower
    torch.manual_seed(0)
    backbone = Backbone(open_clip.CLIP(**config).eval().requires_grad_(False), None, None, "")
    curves = TemporalCurves(5.0 * torch.arange(1, TIMES + 1), *torch.rand(3, TIMES))
    head = DynamicHead(curves, torch.randn(TIMES, backbone.vision_blocks), window_ms=15)
    text = torch.nn.functional.normalize(torch.randn(DIMENSIONS, config["embed_dim"]), dim=-1)
    return PerceptionModel(backbone, tuple(f"dimension-{index}" for index in range(DIMENSIONS)), text, head)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What some work gives, and its processor seconds: those of one thread, whatever else the machine does."""
    start = time.process_time()
    return work(), time.process_time() - start


def loop(turned: Reals, hidden: Pixels) -> Reals:
    """The maps as the method is written down: a weighted mean for every time and place."""
    maps = np.empty((len(turned), *hidden.shape[1:]))
    for sample, scores in enumerate(turned):
        for row in range(hidden.shape[1]):
            for column in range(hidden.shape[2]):
                maps[sample, row, column] = np.average(scores, weights=hidden[:, row, column])
    return maps


def lean_loop(turned: Reals, hidden: Pixels) -> Reals:
    """The same with the weights of a place fetched and summed once."""
    maps = np.empty((len(turned), *hidden.shape[1:]))
    for row in range(hidden.shape[1]):
        for column in range(hidden.shape[2]):
            weights = hidden[:, row, column].astype(np.float64)
            total = weights.sum()
            for sample, scores in enumerate(turned):
                maps[sample, row, column] = scores @ weights / total
    return maps


class Watched:
    """A model whose seconds are counted, and what it gave."""

    def __init__(self, model: PerceptionModel) -> None:
        self.model, self.seconds, self.given = model, 0.0, list[Any]()

    def embed(self, images: Pixels) -> Any:
        """Respond, and keep the time it took."""
        given, spent = timed(lambda: self.model.respond(images))
        self.seconds += spent
        self.given.append(given)
        return given


def compare(masks: Masks, narrower: int) -> dict[str, float]:
    """Run all on the same picture and masks."""
    watched = Watched(random_model(narrower))
    image = np.random.default_rng(0).normal(size=(3, SIDE, SIDE)).astype(np.float32)
    watched.model.respond(image[None])
    logger.info("the whole: %d masked pictures", len(masks))
    maps, whole = timed(lambda: saliency.map_saliency(watched.embed, image, masks))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)
    full, *masked = watched.given
    turned = saliency.turn(full, np.concatenate(masked, axis=1))
    hidden = np.concatenate([saliency.block_means(part.hidden(SIDE)) for part in masks.parts(saliency.BATCH)])
    _, spent = min(
        (timed(lambda: saliency.mean_over_masks(turned, hidden)) for _ in range(5)), key=lambda run: run[1]
    )
    logger.info("loops: %d times, %d places", *(maps.shape[0], maps[0].size))
    plain, plain_seconds = timed(lambda: loop(turned, hidden))
    lean, lean_seconds = timed(lambda: lean_loop(turned, hidden))
    differences = [np.abs(maps / one - 1).max() for one in (plain, lean)]
    return {
        "speedup": plain_seconds / spent,
        "speedup_over_lean_loop": lean_seconds / spent,
        "largest_relative_difference": float(max(differences)),
        "seconds": spent,
        "loop_seconds": plain_seconds,
        "lean_loop_seconds": lean_seconds,
        "whole_seconds": whole,
        "embedding_share": watched.seconds / whole,
        "masking_share": (whole - watched.seconds - spent) / whole,
        "averaging_share": spent / whole,
        "whole_speedup": (whole - spent + plain_seconds) / whole,
        "whole_speedup_time_by_time": (TIMES * watched.seconds + whole - watched.seconds + plain_seconds) / whole,
        "peak_gb": peak,
        "masks": len(masks),
    }


def main() -> None:
    """Run, and write one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tower a quarter as wide: under 50 seconds")
    quick = parser.parse_args().quick
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    with threadpool_limits(1):
        found = compare(saliency.draw_masks(MASKS, cells=CELLS, seed=0), narrower=4 if quick else 1)
    shown = {name: float(f"{value:.4g}") for name, value in found.items()}
    tower = "a quarter as wide" if quick else "full width"
    sys.stdout.write(json.dumps({**shown, "tower": tower, "device": f"cpu, {platform.machine()}"}) + "\n")


if __name__ == "__main__":
    main()
