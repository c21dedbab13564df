"""Any fitting model of open_clip as a backbone: weights by their tag, from a local file, or a whole local folder.

Weights alone do not tell everything. The same tensors load into models with GELU and with QuickGELU, and into any
normalisation of images; open_clip warns of the one at most. Whatever is known of both is used here, and a mismatch is
refused.
"""

from __future__ import annotations

import difflib
import json
import logging
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.factory import load_state_dict
from open_clip.transform import PreprocessCfg, merge_preprocess_dict
from torch import Tensor

from cliphba.architectures import CONFIG_FILE, WEIGHTS_FILE
from cliphba.clip.backbone import check_architecture, save_backbone
from cliphba.tables import atomic_path, digest, write_atomically

# What OpenAI's archives hold beside weights.
OPENAI_CONSTANTS = ("input_resolution", "context_length", "vocab_size")

logger = logging.getLogger(__name__)


def import_backbone(architecture: str, weights: str | Path, folder: Path) -> None:
    """Write a pretrained CLIP as a backbone folder, in single precision, with a record of where it came from.

    Parameters
    ----------
    architecture
        Name of an open_clip model, for example ``ViT-L-14``; ``ViT-L-14-quickgelu`` for OpenAI's weights.
    weights
        Text is a tag of open_clip (``openai``, ``laion2b_s32b_b82k``), downloaded unless it is in the cache. A path
        is a file: a state dictionary (``.pt``, ``.bin``, ``.safetensors``) or one of OpenAI's archives (``.pt``).
    folder
        Where to.

    Raises
    ------
    ValueError
        If open_clip does not have the architecture or the tag, the method cannot be applied to it, the file is
        missing or unreadable, or the weights belong to another architecture.
    """
    settings = _custom_blocks(architecture)
    if isinstance(weights, Path):
        known = _known_of_file(weights, architecture, settings)
    else:
        known = _known_of_tag(architecture, weights)
    _check_activation(architecture, settings, known, weights)
    path = weights if isinstance(weights, Path) else _download(architecture, weights)
    clip = _build(architecture, settings, path)
    preprocessing = merge_preprocess_dict(asdict(PreprocessCfg()), known) | {"size": list(clip.visual.image_size)}
    source = {
        "architecture": architecture,
        "weights": path.name if isinstance(weights, Path) else weights,
        "sha256": digest(path),
    }
    logger.info("%s from %s (SHA-256 %s), images as %s", *source.values(), preprocessing)
    save_backbone(clip, settings, preprocessing, folder, source)


def copy_backbone(source: Path, folder: Path) -> None:
    """Copy a folder in open_clip's own local format, byte by byte, so that its weights keep their hash.

    Parameters
    ----------
    source
        The folder. If blocks are not said to be those whose attention can be adapted, the copy says so: their weights
        are the same.
    folder
        Where to.

    Raises
    ------
    ValueError
        If a file is missing or unreadable, the method cannot be applied to the model, or its weights do not fit it.
    """
    config, weights = source / CONFIG_FILE, source / WEIGHTS_FILE
    for path in (config, weights):
        if not path.is_file():
            raise ValueError(
                f"backbone.folder: {source} has no {path.name}; name a folder in open_clip's local format"
            )
    described = _read_description(config)
    settings = _with_custom_blocks(described["model_cfg"])
    check_architecture(settings, f"backbone.folder: {config}")
    _build(str(config), settings, weights)
    with atomic_path(folder / WEIGHTS_FILE) as partial:
        shutil.copyfile(weights, partial)
    is_ready = settings == described["model_cfg"]
    ready = json.dumps(described | {"model_cfg": settings}, indent=2, sort_keys=True).encode()
    write_atomically(folder / CONFIG_FILE, config.read_bytes() if is_ready else ready)


def _read_description(path: Path) -> dict[str, Any]:
    try:
        described: dict[str, Any] = json.loads(path.read_text())
        if all(isinstance(described["model_cfg"][tower], dict) for tower in ("vision_cfg", "text_cfg")):
            return described | {"preprocess_cfg": dict(described["preprocess_cfg"])}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a description of a model as open_clip writes it; get it anew") from error
    raise ValueError(f"{path}: a tower of the model is not described; get the folder anew")


def _custom_blocks(architecture: str) -> dict[str, Any]:
    """Give the configuration of an open_clip model whose attention can be adapted."""
    names = open_clip.list_models()
    # looked up first: open_clip takes some other names for places to download from
    if architecture not in names:
        close = difflib.get_close_matches(architecture, names) or ["ViT-B-32-quickgelu", "ViT-L-14"]
        raise ValueError(
            f"backbone.architecture: open_clip has no {architecture!r}; name one of its models, such as "
            f"{', '.join(close)}"
        )
    settings: dict[str, Any] = open_clip.get_model_config(architecture)
    settings = _with_custom_blocks(settings)
    check_architecture(settings, f"backbone.architecture: {architecture}")
    return settings


def _with_custom_blocks(settings: dict[str, Any]) -> dict[str, Any]:
    """Choose the blocks whose attention can be adapted; weights are the same."""
    return settings | {tower: {**settings[tower], "block_type": "custom"} for tower in ("vision_cfg", "text_cfg")}


def _known_of_tag(architecture: str, tag: str) -> dict[str, Any]:
    """Give what open_clip knows of pretrained weights: preprocessing and activation."""
    known = open_clip.get_pretrained_cfg(architecture, tag)
    if not known:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(architecture)) or "none"
        raise ValueError(
            f"backbone.weights: open_clip has no {tag!r} for {architecture}, only: {tags}; name one of them or a "
            "local file"
        )
    return {"quick_gelu": False, **known}


def _known_of_file(path: Path, architecture: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a local file says of itself: by its kind, or by open_clip's description beside it."""
    if not path.is_file():
        raise ValueError(f"backbone.weights: there is no file {path}; name the file with the weights, or a tag")
    if _is_archive(path):
        return {"quick_gelu": True}
    beside = path.with_name(CONFIG_FILE)
    if beside.is_file():
        return _known_of_description(beside, architecture, settings)
    logger.warning("no %s beside %s: images are prepared as for OpenAI's models", CONFIG_FILE, path.name)
    return {}


def _known_of_description(path: Path, architecture: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    try:
        described = json.loads(path.read_text())
        model, preprocessing = described["model_cfg"], described.get("preprocess_cfg", {})
        fits = all(_agree(model[tower], settings[tower]) for tower in ("vision_cfg", "text_cfg"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not a description of a model as open_clip writes it; mend or remove it") from error
    if not fits:
        raise ValueError(
            f"{path}: describes another model than {architecture}; name that one in backbone.architecture, or move "
            "the weights if they have nothing to do with it"
        )
    return {"quick_gelu": model.get("quick_gelu", False), **preprocessing}


def _agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two configurations of a tower agree in all that both of them name."""
    return all(one[name] == other[name] for name in one.keys() & other.keys())


def _check_activation(
    architecture: str, settings: Mapping[str, Any], known: Mapping[str, Any], weights: str | Path
) -> None:
    has = settings.get("quick_gelu", False)
    wanted = known.get("quick_gelu", has)
    if has != wanted:
        plain = architecture.removesuffix("-quickgelu")
        activation = "QuickGELU" if wanted else "GELU"
        raise ValueError(
            f"backbone.architecture: the weights {weights} were trained with {activation}, which {architecture} does "
            f"not have; take {plain}{'-quickgelu' if wanted else ''}"
        )


def _download(architecture: str, tag: str) -> Path:
    try:
        return Path(open_clip.download_pretrained(open_clip.get_pretrained_cfg(architecture, tag)))
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"backbone.weights: {tag!r} of {architecture} could not be downloaded ({error}); check the network, or "
            "name a local file"
        ) from error


def _build(architecture: str, settings: dict[str, Any], path: Path) -> open_clip.CLIP:
    """Make the model and fill it; half precision becomes single on the way."""
    clip = open_clip.CLIP(**settings)
    state = _read_weights(path)
    wanted, given = _shapes(clip.state_dict()), _shapes(state)
    misfits = sorted(name for name in wanted | given if wanted.get(name) != given.get(name))
    if misfits:
        first = misfits[0]
        raise ValueError(
            f"backbone: {len(misfits)} tensors of {path.name} do not fit {architecture}, the first is "
            f"{first} ({given.get(first, 'missing')} there, {wanted.get(first, 'missing')} here); name the "
            "architecture that they were trained with"
        )
    clip.load_state_dict(state)
    return clip


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _is_archive(path: Path) -> bool:
    """Whether a file is a TorchScript archive, as OpenAI published its models."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        # open_clip's own reader refuses archives, or else would run code from any pickle
        if _is_archive(path):
            state = torch.jit.load(str(path), map_location="cpu").state_dict()
        else:
            state = load_state_dict(str(path))
    # bytes that are no pickle can raise anything
    except Exception as error:
        raise ValueError(
            f"backbone: {path.name} is not a file of weights that torch or safetensors can read; get it again"
        ) from error
    return {
        name: tensor for name, tensor in state.items() if isinstance(tensor, Tensor) and name not in OPENAI_CONSTANTS
    }
