"""Models of open_clip, as its files describe them, and which of them the method can be applied to; without torch."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

#: Files of a model's folder in open_clip's own local format.
CONFIG_FILE, WEIGHTS_FILE = "open_clip_config.json", "open_clip_model.safetensors"

# What makes image features those of the class token; open_clip's defaults.
CLASS_TOKEN = {"pool_type": "tok", "attentional_pool": False, "final_ln_after_pool": False}


def folders() -> list[Path]:
    """Where open_clip is installed."""
    package = importlib.util.find_spec("open_clip")
    return [Path(folder) for folder in (package and package.submodule_search_locations) or []]


def names() -> list[str]:
    """List all models."""
    return [path.stem for folder in folders() for path in sorted((folder / "model_configs").glob("*.json"))]


def fitting() -> list[str]:
    """List the models that the method can be applied to."""
    return [name for name in names() if (described := settings_of(name)) and misfit(described) is None]


@cache
def settings_of(name: str) -> dict[str, Any]:
    """Read what open_clip says of a model whose towers are both transformers of its own; of any other, empty."""
    for folder in folders():
        path = folder / "model_configs" / f"{name}.json"
        if path.exists():
            settings: dict[str, Any] = json.loads(path.read_text())
            vision, text = settings["vision_cfg"], settings["text_cfg"]
            own = isinstance(vision.get("layers"), int) and "patch_size" in vision and "layers" in text
            return settings if own else {}
    return {}


def misfit(architecture: Mapping[str, Any]) -> str | None:
    """Say why the method cannot be applied to an architecture, given in open_clip's terms; nothing if it can."""
    vision, text = architecture.get("vision_cfg", {}), architecture.get("text_cfg", {})
    pooling = {name: vision[name] for name, usual in CLASS_TOKEN.items() if vision.get(name, usual) != usual}
    misfits: dict[str, Any] = {
        "its vision tower comes from timm (vision_cfg.timm_model_name)": vision.get("timm_model_name"),
        "its vision tower is a CNN (vision_cfg.layers is a list)": isinstance(vision.get("layers"), list | tuple),
        "it is a CoCa (multimodal_cfg)": architecture.get("multimodal_cfg"),
        f"its image features are not those of the class token (vision_cfg: {pooling})": pooling,
        "its text tower comes from Hugging Face (text_cfg.hf_model_name)": text.get("hf_model_name"),
        "its tokenizer comes from Hugging Face (text_cfg.hf_tokenizer_name)": text.get("hf_tokenizer_name"),
        "its text tower is a module of its own (custom_text)": architecture.get("custom_text"),
    }
    return next((misfit for misfit, found in misfits.items() if found), None)
