"""Behavior models of studies that have no behavioural embedding: that of another study, or CLIP itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cliphba.config import ImagePreparation
from cliphba.models.checkpoint import Checkpoint
from cliphba.tables import seen_pictures


def adopt_model(
    found: Checkpoint, origin: Path, *, backbone: Path, weights_sha256: str, images: ImagePreparation
) -> Checkpoint:
    """Give the Behavior model of another study as this study's.

    Parameters
    ----------
    found
        The model.
    origin
        Its file, for messages.
    backbone, weights_sha256
        Folder of this study's backbone and hash of its weights.
    images
        How this study makes images ready.

    Raises
    ------
    ValueError
        If it is no Behavior model, was adopted itself, or was trained on other weights or other preparations of
        images.
    """
    if found.kind != "behavior":
        raise ValueError(
            f"{origin} is a model over time, but data.behavior.model must be a Behavior model: name "
            "models/behavior.safetensors of that study"
        )
    if "adopted" in found.metadata:
        raise ValueError(
            f"{origin} was itself adopted, so that it is not known what it was trained on: name the model of the "
            "study that trained it"
        )
    if found.backbone_sha256 != weights_sha256:
        raise ValueError(
            f"{origin} was trained on weights with the hash {found.backbone_sha256[:12]}... ({found.backbone}), but "
            f"this study's backbone has {weights_sha256[:12]}...: let backbone.folder name that folder"
        )
    if found.images != images:
        raise ValueError(
            f"{origin} was trained on images made ready as `{found.images}`, but protocol.images of this study is "
            f"`{images}`: make them alike"
        )
    return replace(found, backbone=str(backbone), metadata={"adopted": dict(found.metadata)})


def check_unseen(stimuli: pd.DataFrame, elsewhere: pd.DataFrame, origin: Path) -> None:
    """Refuse a Behavior model that was trained on a picture that this study holds out.

    Parameters
    ----------
    stimuli, elsewhere
        Tables of kind ``stimuli``, of this study and of the other one.
    origin
        File of the latter, for the message.

    Raises
    ------
    ValueError
        If a test picture here is one of training there, byte for byte.
    """
    seen = seen_pictures(stimuli[stimuli["split"] == "test"], elsewhere)
    if seen:
        raise ValueError(
            f"{origin}: {len(seen)} test pictures of this study, such as {seen[0]}, are among those that the "
            "Behavior model adopted from there was trained on: hold out others (data.stimuli.split), or adopt another"
        )


def clip_itself(
    prompts: Sequence[str], *, backbone: Path, weights_sha256: str, images: ImagePreparation
) -> Checkpoint:
    """Give CLIP as a Behavior model that nothing was trained of: its similarity to prompts, which name dimensions.

    Parameters
    ----------
    prompts
        What the text tower reads.
    backbone, weights_sha256, images
        As for `adopt_model`.
    """
    return Checkpoint(
        kind="behavior",
        dimensions=list(prompts),
        prompts=list(prompts),
        adapters=[],
        backbone=str(backbone),
        backbone_sha256=weights_sha256,
        images=images,
    )
