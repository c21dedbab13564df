"""Adapters on attention output projections: added, read out, put back and merged.

LoRA adds a product of two low-rank factors to a weight. DoRA (Liu et al. 2024, arXiv 2402.09353) splits each row into
length and direction and so updates the direction alone. Both go through peft; the second factor starts at zero, so
that the adapted model is the base model, bit for bit, before the first step. `published_dora` is what the published
procedure does instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import open_clip
import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn

from cliphba.clip.published_dora import PublishedDora
from cliphba.config import Adapter, AdapterMethod

TOWERS = {"vision": "visual.transformer", "text": "transformer"}


@dataclass(frozen=True)
class AdapterPlan:
    """Where adapters sit and how large they are.

    Attributes
    ----------
    blocks
        Tower to the indices of its adapted blocks.
    rank, alpha
        The update is alpha / rank times a product of factors of this rank.
    magnitude
        Whether the length of each row is trained, too; LoRA has no lengths.
    method
        The function that is trained.
    """

    blocks: Mapping[Literal["vision", "text"], tuple[int, ...]]
    rank: int
    alpha: int
    magnitude: bool
    method: AdapterMethod = "dora"

    @classmethod
    def of(cls, settings: Adapter, *, vision: tuple[int, ...] = (), text: tuple[int, ...] = ()) -> AdapterPlan:
        """Plan adapters of the configured size for these blocks."""
        blocks: dict[Literal["vision", "text"], tuple[int, ...]] = {"vision": vision, "text": text}
        return cls(blocks, settings.rank, settings.alpha, settings.magnitude, settings.method)

    def to_json(self) -> dict[str, Any]:
        """Give a JSON-ready description that `from_json` takes back."""
        return asdict(self)

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> AdapterPlan:
        """Rebuild a plan from its description."""
        blocks = {tower: tuple(indices) for tower, indices in described["blocks"].items()}
        return cls(**{**described, "blocks": blocks})

    @property
    def places(self) -> list[str]:
        """Names of the adapted modules in an open_clip model."""
        return [
            f"{TOWERS[tower]}.resblocks.{index}.attn.out_proj"
            for tower, indices in self.blocks.items()
            for index in indices
        ]

    def peft_settings(self) -> LoraConfig:
        """Describe the adapters in peft's terms.

        Raises
        ------
        ValueError
            If peft does not know this function.
        """
        if self.method == "published_dora":
            raise ValueError("peft does not know the published adapters (method: published_dora): use merged weights")
        return LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            use_dora=self.method == "dora",
            target_modules=f"^({'|'.join(self.places)})$".replace(".", r"\."),
            lora_dropout=0.0,
        )


class AdaptedClip(Protocol):
    """A CLIP with adapters in it."""

    @property
    def clip(self) -> open_clip.CLIP:
        """The adapted model."""

    def trainable(self) -> list[nn.Parameter]:
        """Every parameter that training may change."""

    def state(self) -> dict[str, Tensor]:
        """Copy the adapters' weights to the CPU."""

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave."""

    def merge(self) -> open_clip.CLIP:
        """Fold the adapters into the weights they adapt; this object is spent."""


class PeftAdapters:
    """LoRA or DoRA through peft; weights are named as peft names them."""

    def __init__(self, clip: open_clip.CLIP, plan: AdapterPlan) -> None:
        self.model: PeftModel = get_peft_model(clip, plan.peft_settings())
        for name, parameter in self.model.named_parameters():
            if "lora_magnitude_vector" in name:
                parameter.requires_grad_(plan.magnitude)

    @property
    def clip(self) -> open_clip.CLIP:
        """The adapted model."""
        return self.model.base_model.model

    def trainable(self) -> list[nn.Parameter]:
        """Every parameter that training may change."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def state(self) -> dict[str, Tensor]:
        """Copy the adapters' weights to the CPU."""
        return {name: tensor.detach().cpu().clone() for name, tensor in get_peft_model_state_dict(self.model).items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave."""
        set_peft_model_state_dict(self.model, dict(state))

    def merge(self) -> open_clip.CLIP:
        """Fold the adapters into the weights they adapt."""
        return self.model.merge_and_unload()


def add_adapters(clip: open_clip.CLIP, plan: AdapterPlan, seed: int) -> AdaptedClip:
    """Put fresh adapters on a CLIP; only they can be trained afterwards.

    Parameters
    ----------
    clip
        Changed in place. With LoRA and DoRA its output does not change before training.
    plan
        Where, how large, and which.
    seed
        Of the random factors.
    """
    device = next(clip.parameters()).device
    adapted: AdaptedClip
    # drawn on the CPU whatever the device, so that the start does not depend on it
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if plan.method == "published_dora":
            size: dict[str, Any] = {"rank": plan.rank, "alpha": plan.alpha, "magnitude": plan.magnitude}
            adapted = PublishedDora(clip.cpu(), plan.places, **size)
        else:
            adapted = PeftAdapters(clip.cpu(), plan)
    adapted.clip.to(device)
    return adapted


def merge_adapters(clip: open_clip.CLIP, plan: AdapterPlan, state: Mapping[str, Tensor]) -> open_clip.CLIP:
    """Fold trained adapters into a CLIP's weights: a plain model again, frozen.

    Raises
    ------
    ValueError
        If the state does not have exactly the weights of the plan.
    """
    adapted = add_adapters(clip, plan, seed=0)
    expected = set(adapted.state())
    if expected != set(state):
        raise ValueError(f"the adapter's weights do not fit its plan: {sorted(expected ^ set(state))[:3]} ...")
    adapted.load(state)
    return adapted.merge().eval().requires_grad_(False)
