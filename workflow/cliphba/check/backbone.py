"""The backbone: whether its architecture is known and its weights are there, and models that were trained on it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cliphba import architectures, resources
from cliphba.architectures import CONFIG_FILE
from cliphba.check.findings import Chapter, Finding, Found, Problem
from cliphba.check.room import amount
from cliphba.config import Backbone, Study
from cliphba.described import find_backbone, read_description
from cliphba.listing import some

# Share of the weights in single precision that a file must hold.
SMALLEST = 0.45
EXAMPLES = ("ViT-B-32-quickgelu", "ViT-L-14-quickgelu")


def survey(study: Study) -> Iterator[Found]:
    """Look at the backbone of a study."""
    backbone = study.backbone
    if not backbone.given:
        yield Finding("model", "a small CLIP, pre-trained by the study itself")
        return
    missing = [path for path in backbone.files if not path.is_file()]
    if missing and backbone.folder is None:
        yield Problem(
            "backbone.weights",
            f"there is no file {missing[0]}",
            "name the file with the weights, or a tag of open_clip",
        )
    elif missing:
        yield Problem(
            "backbone.folder",
            f"{backbone.folder} lacks {some([path.name for path in missing])}",
            "make that backbone first, or name its architecture and weights instead",
        )
    if backbone.architecture is not None:
        yield from _survey_pretrained(study, backbone.architecture)
    elif not missing:
        yield Finding("model", f"as in {backbone.folder}")


def _survey_pretrained(study: Study, architecture: str) -> Iterator[Found]:
    misfit = _misfit(architecture)
    if misfit:
        close = difflib.get_close_matches(architecture, architectures.fitting()) or EXAMPLES
        yield Problem("backbone.architecture", misfit, f"name another of its models, such as {', '.join(close)}")
        return
    clip = resources.clip_of(study)
    yield Finding("model", f"{architecture}: {clip.blocks} blocks, {clip.parameters / 1e6:.0f} million parameters")
    tag = study.backbone.weights
    file = study.backbone.weights_file
    if file is not None:
        yield from _survey_file(file, clip.weights_mb)
    elif not re.search(rf"\b{re.escape(str(tag))}\b", _pretrained()):
        yield Problem(
            "backbone.weights",
            f"open_clip has no weights {tag!r}",
            "name a tag of this architecture, such as openai, or a local file",
        )
    else:
        yield Finding(
            "weights", f"{tag}: open_clip downloads them ({amount(clip.weights_mb)}) unless it has them already"
        )


def _misfit(architecture: str) -> str | None:
    if architecture not in architectures.names():
        return f"open_clip has no model {architecture!r}"
    described = architectures.settings_of(architecture)
    return architectures.misfit(described) if described else f"{architecture} has other towers than transformers"


def _survey_file(path: Path, wanted_mb: float) -> Iterator[Found]:
    """Look at a file of weights: in half precision it has half the size of those that are meant, or more."""
    if not path.is_file():
        return
    size_mb = path.stat().st_size / 1e6
    yield Finding("weights", f"{path} ({size_mb:.0f} MB)")
    if size_mb < SMALLEST * wanted_mb:
        yield Problem(
            "backbone.weights",
            f"{path} has {size_mb:.0f} MB, but weights of this architecture take {wanted_mb / 2:.0f} MB at least",
            "get the file again, or name the architecture that it is of",
        )


def _pretrained() -> str:
    """Give the source that lists open_clip's weights, which cannot be imported without torch."""
    return "".join((folder / "pretrained.py").read_text() for folder in architectures.folders())


def judge_model(chapter: Chapter, path: Path, study: Study) -> None:
    """Look at the checkpoint of a Behavior model that another study trained.

    Parameters
    ----------
    chapter
        Gets what is found.
    path
        The checkpoint.
    study
        Whose backbone must be the one that the model was trained on.
    """
    if not path.is_file():
        chapter.refuse(
            "data.behavior.model", f"there is no file {path}",
            "train it first: snakemake --cores 8 with this file as target and --configfile of its own study",
        )  # fmt: skip
        return
    try:
        described = read_description(path)
    except ValueError:
        described = {}
    if described.get("kind") != "behavior":
        chapter.refuse(
            "data.behavior.model", f"{path} is no Behavior model",
            "name one that a study trained, models/behavior.safetensors in its results",
        )  # fmt: skip
        return
    chapter.tell("embedding", f"that of {path}: {len(described['dimensions'])} dimensions")
    trained_on = find_backbone(path, described["backbone"])
    if differs(trained_on, study.backbone):
        chapter.refuse(
            "data.behavior.model", f"{path} was trained on {_name(trained_on)}, which is not the study's backbone",
            f"set backbone.folder to {trained_on}, or take a Behavior model of this backbone",
        )  # fmt: skip
    elif differs(trained_on, study.backbone) is None:
        chapter.warn(
            "data.behavior.model", f"{trained_on}, the backbone that {path} was trained on, is not there",
            "whether it is the study's own is only found out when the model is adopted; set backbone.folder to it",
        )  # fmt: skip


def differs(folder: Path, backbone: Backbone) -> bool | None:
    """Whether a backbone's folder is another one than a study's; None if that cannot be told."""
    described = _describe(folder)
    if described is None:
        return None
    if backbone.folder is not None:
        own = _describe(backbone.files[0].parent)
        return None if own is None else own != described
    source = described.get("source") or {}
    weights = backbone.weights_file.name if backbone.weights_file else backbone.weights
    return (source.get("architecture"), source.get("weights")) != (backbone.architecture, weights)


def _describe(folder: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((folder / CONFIG_FILE).read_text()))
    except (OSError, ValueError):
        return None


def _name(folder: Path) -> str:
    source = (_describe(folder) or {}).get("source")
    return some([str(folder)] if not source else [f"{source.get('architecture')}, {source.get('weights')}"])
