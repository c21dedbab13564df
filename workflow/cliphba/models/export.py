"""Checkpoints for other software: their adapters for peft, all they make of a backbone for open_clip, and the rest.

The rest is what the two have no place for: the prompts, and the dynamic head as plain numbers.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peft.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import save_file
from torch import Tensor

from cliphba.architectures import CONFIG_FILE, WEIGHTS_FILE
from cliphba.clip.backbone import load_backbone
from cliphba.clip.images import PUBLISHED_PREPARATION
from cliphba.models.checkpoint import Checkpoint

DIMENSIONS_FILE, HEAD_FILE = "dimensions.json", "head.safetensors"


def export_adapters(checkpoint: Checkpoint, folder: Path) -> None:
    """Write adapters as folders that peft loads, numbered in the order in which they were trained.

    Each belongs on the model that the earlier ones make: load and merge them in turn, starting from the backbone
    with its ``block_type: custom``. Without that torch's attention passes over adapters until they are merged.

    Parameters
    ----------
    checkpoint
        A trained model.
    folder
        Where to; it must be new or empty.

    Raises
    ------
    ValueError
        If there are no adapters, peft does not know an adapter's function, or the folder holds something.
    """
    adapters = checkpoint.adapters
    if not adapters:
        raise ValueError(f"{folder}: this model has no adapters, for it is CLIP itself; export it merged")
    settings = [adapter.plan.peft_settings() for adapter in adapters]
    with whole_folder(folder) as partial:
        for number, (adapter, described) in enumerate(zip(adapters, settings, strict=True), start=1):
            described.base_model_name_or_path = checkpoint.backbone
            described.revision = checkpoint.backbone_sha256
            described.inference_mode = True
            described.save_pretrained(str(partial / str(number)))
            _save(adapter.state, partial / str(number) / SAFETENSORS_WEIGHTS_NAME)


def export_merged(checkpoint: Checkpoint, backbone: Path, folder: Path) -> None:
    """Write the backbone with all adapters folded in, as a folder in open_clip's local format.

    ``open_clip.create_model_and_transforms("local-dir:FOLDER")`` loads it strictly, with torch's own attention.

    Parameters
    ----------
    checkpoint
        A trained model.
    backbone
        Folder of its backbone.
    folder
        Where to; it must be new or empty.

    Raises
    ------
    ValueError
        If the backbone is not the one the model was trained on, or the folder holds something.
    """
    with whole_folder(folder) as partial:
        clip = checkpoint.onto(load_backbone(backbone, "cpu")).clip
        described = _stock(json.loads((backbone / CONFIG_FILE).read_text()), checkpoint)
        (partial / CONFIG_FILE).write_text(json.dumps(described, indent=2, sort_keys=True))
        _save(clip.state_dict(), partial / WEIGHTS_FILE)


def export_head(checkpoint: Checkpoint, folder: Path) -> None:
    """Write what makes embeddings of the towers' features: dimensions and prompts, and the head of a dynamic model.

    ``dimensions.json`` is a list of ``dimension`` and ``prompt``. ``head.safetensors`` has ``times_ms`` (times,),
    ``weights`` (times, blocks), ``amplitude`` and ``gain`` (times,), averaged over the head's window as it uses them.

    Parameters
    ----------
    checkpoint
        A trained model.
    folder
        Where to; it must be there.
    """
    named = zip(checkpoint.dimensions, checkpoint.prompts, strict=True)
    dimensions = [{"dimension": dimension, "prompt": prompt} for dimension, prompt in named]
    (folder / DIMENSIONS_FILE).write_text(json.dumps(dimensions, indent=2, ensure_ascii=False))
    if checkpoint.dynamic is None:
        return
    head = checkpoint.dynamic.head()
    numbers = {
        "times_ms": head.curves.times_ms,
        "weights": head.weights(),
        "amplitude": head.amplitude,
        "gain": head.gain,
    }
    _save(numbers, folder / HEAD_FILE)


def _save(tensors: Mapping[str, Tensor], path: Path) -> None:
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(weights, path, metadata={"format": "pt"})
    # safetensors lets nobody but the owner read them
    path.chmod(0o644)


def _stock(described: Mapping[str, Any], checkpoint: Checkpoint) -> dict[str, Any]:
    """Describe the merged model without the blocks that were needed to train adapters."""
    architecture = dict(described["model_cfg"])
    for tower in ("vision_cfg", "text_cfg"):
        architecture[tower] = {name: value for name, value in architecture[tower].items() if name != "block_type"}
    images = PUBLISHED_PREPARATION if checkpoint.images == "published" else {}
    return {"model_cfg": architecture, "preprocess_cfg": {**described["preprocess_cfg"], **images}}


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder, renamed to the one wanted if all goes well and removed if not.

    Raises
    ------
    ValueError
        If the folder holds something, or is a file.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ValueError(f"{folder} holds something already: name a new or an empty folder")
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
