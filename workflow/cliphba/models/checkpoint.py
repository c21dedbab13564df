"""Checkpoints: only what was trained, and enough to rebuild the model around the backbone's weights.

A checkpoint is one ``.safetensors`` file. Its tensors are the adapters (in the order in which they were trained,
one upon the other), the reweighting and the temporal curves; its metadata names the backbone by hash, the prompts,
and what made it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cliphba.clip.adapters import AdapterPlan, merge_adapters
from cliphba.clip.backbone import Backbone, load_backbone
from cliphba.clip.images import prepare_images
from cliphba.config import BlockWeights, ImagePreparation
from cliphba.described import find_backbone
from cliphba.models.heads import DynamicHead, TemporalCurves
from cliphba.models.perception import PerceptionModel
from cliphba.tables import write_atomically

METADATA_KEY = "cliphba"
HEAD_SETTINGS = ("window_ms", "block_weights", "evaluation_noise")


@dataclass(frozen=True)
class TrainedAdapter:
    """Adapters of one training: where they sit, and their weights."""

    plan: AdapterPlan
    state: Mapping[str, Tensor]

    def text_only(self) -> TrainedAdapter:
        """Leave out the vision tower's adapters."""
        blocks = {**self.plan.blocks, "vision": ()}
        state = {name: tensor for name, tensor in self.state.items() if "visual." not in name}
        return TrainedAdapter(replace(self.plan, blocks=blocks), state)


@dataclass(frozen=True)
class DynamicState:
    """What the dynamic head needs.

    Attributes
    ----------
    curves
        Measured on training data.
    reweighting
        (times, blocks).
    window_ms, block_weights
        See `DynamicHead`.
    evaluation_noise
        Scale and seed of noise that is added to every embedding (published protocol only).
    """

    curves: TemporalCurves
    reweighting: Tensor
    window_ms: float
    block_weights: BlockWeights = "softmax"
    evaluation_noise: tuple[float, int] | None = None

    def head(self) -> DynamicHead:
        """Rebuild the head."""
        return DynamicHead(self.curves, self.reweighting, self.window_ms, self.block_weights)


@dataclass(frozen=True)
class Checkpoint:
    """A trained model without its backbone.

    Attributes
    ----------
    kind
        ``behavior`` (static) or ``dynamic``.
    dimensions, prompts
        Names of the embedding's dimensions and the texts that define them.
    adapters
        In training order; the later ones were trained on the model that the earlier ones make.
    dynamic
        Of a dynamic model.
    images
        How images are made ready for the model.
    backbone
        Folder of the backbone when the model was trained.
    backbone_sha256
        Hash of its weights.
    metadata
        Protocol, grid, participants, seeds, scores, provenance.
    """

    kind: Literal["behavior", "dynamic"]
    dimensions: Sequence[str]
    prompts: Sequence[str]
    adapters: Sequence[TrainedAdapter]
    backbone: str
    backbone_sha256: str
    dynamic: DynamicState | None = None
    images: ImagePreparation = "backbone"
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def starting_from(self, start: Literal["clip", "behavior", "group"]) -> Checkpoint:
        """Give what a new training starts from: all of this model, or, from ``clip``, its text tower alone."""
        if start != "clip":
            return self
        text = [adapter.text_only() for adapter in self.adapters]
        return replace(self, adapters=[adapter for adapter in text if adapter.plan.places])

    def check_backbone(self, weights_sha256: str) -> None:
        """Refuse weights of a backbone, by their hash, that the adapters were not trained on.

        Raises
        ------
        ValueError
            If they are others.
        """
        if weights_sha256 != self.backbone_sha256:
            raise ValueError(
                f"the backbone's weights have the hash {weights_sha256[:12]}..., but this model was trained "
                f"on {self.backbone_sha256[:12]}... ({self.backbone}); give the folder of those weights"
            )

    def onto(self, backbone: Backbone) -> Backbone:
        """Fold all adapters into a copy of the backbone.

        Raises
        ------
        ValueError
            If the backbone's weights are not those the adapters were trained on.
        """
        self.check_backbone(backbone.weights_sha256)
        device, clip = backbone.device, backbone.copy().clip
        for adapter in self.adapters:
            clip = merge_adapters(clip, adapter.plan, adapter.state)
        return prepare_images(backbone.with_clip(clip.to(device)), self.images)


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint atomically."""
    tensors = {
        f"adapter.{index}.{name}": tensor
        for index, adapter in enumerate(checkpoint.adapters)
        for name, tensor in adapter.state.items()
    }
    described: dict[str, Any] = {
        "kind": checkpoint.kind,
        "dimensions": list(checkpoint.dimensions),
        "prompts": list(checkpoint.prompts),
        "adapters": [adapter.plan.to_json() for adapter in checkpoint.adapters],
        "backbone": checkpoint.backbone,
        "backbone_sha256": checkpoint.backbone_sha256,
        "images": checkpoint.images,
        "metadata": dict(checkpoint.metadata),
    }
    if checkpoint.dynamic is not None:
        tensors |= {f"curves.{name}": tensor for name, tensor in vars(checkpoint.dynamic.curves).items()}
        tensors["reweighting"] = checkpoint.dynamic.reweighting
        described |= {name: getattr(checkpoint.dynamic, name) for name in HEAD_SETTINGS}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(tensors, metadata={METADATA_KEY: json.dumps(described, sort_keys=True)}))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    ValueError
        If the file is missing or no checkpoint of this package.
    """
    try:
        with safe_open(path, framework="pt") as stream:
            described = json.loads((stream.metadata() or {})[METADATA_KEY])
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
        return _describe_checkpoint(described, tensors)
    except (FileNotFoundError, KeyError, SafetensorError) as error:
        raise ValueError(
            f"{path} is no checkpoint of this package, or of an earlier version: make it with the workflow"
        ) from error


def _describe_checkpoint(described: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Checkpoint:
    return Checkpoint(
        kind=described["kind"],
        dimensions=described["dimensions"],
        prompts=described["prompts"],
        adapters=_read_adapters(described["adapters"], tensors),
        backbone=described["backbone"],
        backbone_sha256=described["backbone_sha256"],
        dynamic=_read_dynamic(described, tensors) if described["kind"] == "dynamic" else None,
        images=described["images"],
        metadata=described["metadata"],
    )


def _starting_with(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _read_adapters(plans: Sequence[Mapping[str, Any]], tensors: Mapping[str, Tensor]) -> list[TrainedAdapter]:
    return [
        TrainedAdapter(AdapterPlan.from_json(plan), _starting_with(f"adapter.{index}.", tensors))
        for index, plan in enumerate(plans)
    ]


def _read_dynamic(described: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> DynamicState:
    curves = TemporalCurves(**_starting_with("curves.", tensors))
    noise = described["evaluation_noise"]
    return DynamicState(
        curves,
        tensors["reweighting"],
        described["window_ms"],
        described["block_weights"],
        tuple(noise) if noise else None,
    )


def load_model(path: str | Path, *, backbone: str | Path | None = None, device: str = "auto") -> PerceptionModel:
    """Rebuild a model from its checkpoint; see `cliphba.load`."""
    path = Path(path)
    checkpoint = read_checkpoint(path)
    folder = Path(backbone) if backbone is not None else find_backbone(path, checkpoint.backbone)
    return build_model(checkpoint, load_backbone(folder, device))


def build_model(checkpoint: Checkpoint, backbone: Backbone) -> PerceptionModel:
    """Put a checkpoint onto its backbone."""
    adapted = checkpoint.onto(backbone)
    with torch.no_grad():
        text_features = adapted.text_features(checkpoint.prompts)
    head = checkpoint.dynamic.head().to(adapted.device) if checkpoint.dynamic else None
    return PerceptionModel(
        backbone=adapted,
        dimensions=tuple(checkpoint.dimensions),
        text_features=text_features,
        head=head,
        evaluation_noise=checkpoint.dynamic.evaluation_noise if checkpoint.dynamic else None,
        metadata=checkpoint.metadata,
    )
