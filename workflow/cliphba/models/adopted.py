"""Behavior models of studies that have no behavioural embedding: that of another study, or CLIP itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cliphba.config import ImagePreparation
from cliphba.models.checkpoint import Checkpoint


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
        If it is no Behavior model, or was trained on other weights or other preparations of images.
    """
    if found.kind != "behavior":
        raise ValueError(
            f"{origin} is a model over time, but data.behavior.model must be a Behavior model: name "
            "models/behavior.safetensors of that study"
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
