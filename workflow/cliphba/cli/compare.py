"""``cliphba compare``: how models, such as those of different people, see new images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import cliphba
from cliphba import tables
from cliphba.cli.common import add_backbone, add_images, add_output, add_times, check_output
from cliphba.pictures import find_pictures
from cliphba.tables import LazyRDMs

if TYPE_CHECKING:
    from cliphba.cli.common import Commands

SEED = 0


def add_to(commands: Commands) -> None:
    """Describe the command."""
    compare = commands.add_parser("compare", help="compare how models see images, such as those of different people")
    compare.add_argument(
        "models", type=Path, nargs="+", metavar="MODEL", help="two or more checkpoints (.safetensors)"
    )
    add_images(compare, "--images", required=True)
    add_output(compare, "-o", "--output", required=True, help="table of how any two models agree at every time")
    add_output(compare, "--pairs", help="table of the pairs of images that each model sees otherwise than the others")
    add_times(compare)
    add_backbone(compare)
    compare.add_argument(
        "--resamples", type=int, default=1000, metavar="NUMBER",
        help="of the images, for 95 %% intervals (default 1000; 0: no intervals, which is faster)",
    )  # fmt: skip
    compare.set_defaults(run=_compare)


def _compare(given: argparse.Namespace) -> str:
    from cliphba import readable  # noqa: PLC0415
    from cliphba.evaluate import comparison  # noqa: PLC0415

    outputs = {"model_agreement": given.output, "seen_differently": given.pairs}
    wanted = {kind: path for kind, path in outputs.items() if path}
    for kind, path in wanted.items():
        check_output(path, kind)
    models, images = _name(given.models), find_pictures(given.images)
    rdms = {name: _rdms(path, images, given) for name, path in models.items()}
    settings = {"comparison": "spearman", "resamples": given.resamples, "seed": SEED}
    found = comparison.compare(rdms, **settings)
    made_by = tables.provenance(settings=settings, inputs=models)
    for kind, path in wanted.items():
        tables.write(found[kind], path, kind, images=list(images), **made_by)
    return "\n\n".join([readable.comparison(*found.values()), *(f"{kind}: {path}" for kind, path in wanted.items())])


def _rdms(path: Path, images: dict[str, Path], given: argparse.Namespace) -> LazyRDMs:
    model = cliphba.load(path, backbone=given.backbone, device=given.device)
    times_ms = given.times_ms if len(model.times_ms) > 1 else None
    return model.stream(list(images.values()), list(images), times_ms=times_ms).rdms()


def _name(paths: list[Path]) -> dict[str, Path]:
    """Name models by their files; by whole paths where models of several studies have the same name."""
    for names in ([path.stem for path in paths], [str(path.with_suffix("")) for path in paths]):
        if len(set(names)) == len(paths):
            return dict(zip(names, paths, strict=True))
    raise ValueError(f"{max(paths, key=paths.count)} comes twice among the models: name every model once")
