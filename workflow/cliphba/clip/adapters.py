"""Adapters: DoRA on attention output projections, added, read out, put back and merged, through peft.

DoRA (Liu et al. 2024, arXiv 2402.09353) splits each row of a weight into length and direction and updates the
direction by a product of two low-rank factors. The second factor starts at zero, so that the adapted model is the
base model, bit for bit, before the first step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import open_clip
import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn

from cliphba.config import Adapter

TOWERS = {"vision": r"visual\.transformer", "text": "transformer"}


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
        Whether the length of each row is trained, too.
    """

    blocks: Mapping[Literal["vision", "text"], tuple[int, ...]]
    rank: int
    alpha: int
    magnitude: bool

    @classmethod
    def of(cls, settings: Adapter, *, vision: tuple[int, ...] = (), text: tuple[int, ...] = ()) -> AdapterPlan:
        """Plan adapters of the configured size for these blocks."""
        return cls({"vision": vision, "text": text}, settings.rank, settings.alpha, settings.magnitude)

    def to_json(self) -> dict[str, Any]:
        """Give a JSON-ready description that `from_json` takes back."""
        return asdict(self)

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> AdapterPlan:
        """Rebuild a plan from its description."""
        blocks = {tower: tuple(indices) for tower, indices in described["blocks"].items()}
        return cls(blocks, described["rank"], described["alpha"], described["magnitude"])

    def _target(self) -> str:
        places = [
            rf"{TOWERS[tower]}\.resblocks\.{index}\.attn\.out_proj"
            for tower, indices in self.blocks.items()
            for index in indices
        ]
        return f"^({'|'.join(places)})$"


def add_adapters(clip: open_clip.CLIP, plan: AdapterPlan, seed: int) -> PeftModel:
    """Put fresh adapters on a CLIP; only they can be trained afterwards.

    Parameters
    ----------
    clip
        Changed in place; its output does not change before training.
    plan
        Where and how large.
    seed
        Of the random first factors.
    """
    device = next(clip.parameters()).device
    settings = LoraConfig(
        r=plan.rank, lora_alpha=plan.alpha, use_dora=True, target_modules=plan._target(), lora_dropout=0.0
    )
    # drawn on the CPU whatever the device, so that the start does not depend on it
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapted = get_peft_model(clip.cpu(), settings).to(device)
    for name, parameter in adapted.named_parameters():
        if "lora_magnitude_vector" in name:
            parameter.requires_grad_(plan.magnitude)
    return adapted


def trainable(adapted: PeftModel) -> list[nn.Parameter]:
    """Every parameter that training may change."""
    return [parameter for parameter in adapted.parameters() if parameter.requires_grad]


def adapter_state(adapted: PeftModel) -> dict[str, Tensor]:
    """Copy the adapters' weights to the CPU, named as peft names them."""
    return {name: tensor.detach().cpu().clone() for name, tensor in get_peft_model_state_dict(adapted).items()}


def merge_adapters(clip: open_clip.CLIP, plan: AdapterPlan, state: Mapping[str, Tensor]) -> open_clip.CLIP:
    """Fold trained adapters into a CLIP's weights: a plain model again, frozen.

    Raises
    ------
    ValueError
        If the state does not have exactly the weights of the plan.
    """
    adapted = add_adapters(clip, plan, seed=0)
    expected = set(get_peft_model_state_dict(adapted))
    if expected != set(state):
        raise ValueError(f"the adapter's weights do not fit its plan: {sorted(expected ^ set(state))[:3]} ...")
    set_peft_model_state_dict(adapted, dict(state))
    merged = adapted.merge_and_unload()
    return merged.eval().requires_grad_(False)
