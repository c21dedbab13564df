"""What tables and checkpoints say of themselves, read without their values and without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open

from cliphba.tables import METADATA_KEY


def read_description(path: Path) -> dict[str, Any]:
    """Read what a table or a checkpoint says of itself.

    Raises
    ------
    ValueError
        If the file is missing or neither of the two.
    """
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="numpy") as stream:
                text = stream.metadata()[METADATA_KEY.decode()]
        else:
            text = pq.read_schema(path).metadata[METADATA_KEY]
    except (KeyError, TypeError, SafetensorError, pa.ArrowInvalid) as error:
        raise ValueError(f"{path} is no table and no checkpoint of this package: name one that is") from error
    found: dict[str, Any] = json.loads(text)
    return found


def find_backbone(checkpoint: Path, recorded: str) -> Path:
    """Choose a checkpoint's backbone: the one beside it, or the one that it says it was trained on."""
    # the study's folder may have been moved or copied since: there the backbone stands beside the models
    beside = checkpoint.resolve().parent.parent / Path(recorded).name
    return beside if beside.is_dir() else Path(recorded)
