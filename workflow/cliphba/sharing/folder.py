"""The folder that is given away: a model in every form that others can use, with its card."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cliphba.architectures import CONFIG_FILE, WEIGHTS_FILE
from cliphba.meg.exchange import as_ascii, write_rsatoolbox_rdms
from cliphba.models.checkpoint import load_model, save_checkpoint
from cliphba.models.export import export_adapters, export_head, export_merged, whole_folder
from cliphba.sharing import card
from cliphba.sharing.facts import Facts, without_names
from cliphba.sharing.parts import PARTS, Part
from cliphba.tables import digest

CARD = "README.md"


def share(
    facts: Facts,
    folder: Path,
    parts: Sequence[Part] = (),
    *,
    images: Mapping[str, Path] | None = None,
    device: str = "auto",
) -> tuple[Part, ...]:
    """Write a folder with a model for other people, and its card as ``README.md``.

    Parameters
    ----------
    facts
        The model, and what is known of it.
    folder
        Where to; it must be new or empty.
    parts
        What is wanted, see `cliphba.sharing.card.DESCRIBED`; by default all that can be had: no ``peft`` of adapters
        that peft does not know, no ``backbone`` that open_clip has by name, no ``rdms`` without images.
    images
        Identifier to picture file, for ``rdms``.
    device
        Where RDMs are made.

    Returns
    -------
    tuple
        The parts written.

    Raises
    ------
    ValueError
        If something is missing or does not belong to the model, or the folder holds something.
    """
    written = tuple(parts) or _available(facts, images)
    _check_images(images or {}, written)
    writers: dict[Part, Callable[[Path], None]] = {
        "merged": lambda to: export_merged(facts.checkpoint, facts.backbone, to / "merged"),
        "peft": lambda to: export_adapters(facts.checkpoint, to / "peft"),
        "head": lambda to: export_head(facts.checkpoint, to),
        "checkpoint": lambda to: _copy_checkpoint(facts, to / "checkpoint.safetensors"),
        "backbone": lambda to: _copy_backbone(facts, to / "backbone"),
        "rdms": lambda to: _write_rdms(facts, images or {}, to / "rdms.h5", device),
    }
    with whole_folder(folder) as partial:
        for part in written:
            writers[part](partial)
        (partial / CARD).write_text(card.write(facts, written))
    return written


def _available(facts: Facts, images: Mapping[str, Path] | None) -> tuple[Part, ...]:
    """Give all parts that can be had of a model, and are of use."""
    methods = {adapter.plan.method for adapter in facts.checkpoint.adapters}
    unknown_to_peft = not methods or "published_dora" in methods
    left_out = {"peft": unknown_to_peft, "backbone": facts.fetched, "rdms": not images}
    return tuple(part for part in PARTS if not left_out.get(part))


def _check_images(images: Mapping[str, Path], parts: Sequence[Part]) -> None:
    if ("rdms" in parts) != bool(images):
        raise ValueError("rdms are made of images, and images are for rdms: give both, or neither")
    # before hours of work
    as_ascii(list(images))


def _copy_checkpoint(facts: Facts, target: Path) -> None:
    if facts.anonymous:
        # byte for byte, so that what was made by it can be told by its hash
        shutil.copyfile(facts.path, target)
    else:
        save_checkpoint(without_names(facts.checkpoint), target)


def _copy_backbone(facts: Facts, target: Path) -> None:
    facts.checkpoint.check_backbone(digest(facts.backbone / WEIGHTS_FILE))
    target.mkdir()
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        shutil.copyfile(facts.backbone / name, target / name)


def _write_rdms(facts: Facts, images: Mapping[str, Path], target: Path, device: str) -> None:
    model = load_model(facts.path, backbone=facts.backbone, device=device)
    rdms = model.stream(list(images.values()), list(images)).rdms()
    named = replace(rdms, metadata={"participant": facts.name, "quantity": "1 - Pearson"})
    write_rsatoolbox_rdms([named], target)
