"""Vision models that see as people do.

CLIP is aligned with human similarity judgements, with the time course of a group's brain responses measured by
MEG, and with each single person. The workflow runs the whole chain; this package is the library under it, and
`cliphba.load` opens a finished model in a notebook.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cliphba.models.perception import PerceptionModel

try:
    __version__ = version("cliphba")
except PackageNotFoundError:  # running from a source tree that was never installed
    __version__ = "0+source"

__all__ = ["__version__", "load"]


def load(path: str | Path, *, backbone: str | Path | None = None, device: str = "auto") -> PerceptionModel:
    """Rebuild a model from its checkpoint.

    Parameters
    ----------
    path
        A checkpoint (``.safetensors``) written by the workflow.
    backbone
        Folder that holds the backbone's ``open_clip_config.json`` and ``open_clip_model.safetensors``. By default
        the one in the checkpoint's own study folder, or else the place the checkpoint names, looked for from the
        working directory.
    device
        ``auto``, ``cpu`` or ``cuda``.

    Returns
    -------
    PerceptionModel
        Gives embeddings and RDMs of a list of images.

    Raises
    ------
    ValueError
        If the file is no checkpoint of this package or the backbone's weights are not those it was trained on.
    """
    # torch, open_clip and peft cost seconds and a gigabyte: nobody who only reads tables should pay for them
    from cliphba.models.checkpoint import load_model  # noqa: PLC0415

    return load_model(path, backbone=backbone, device=device)
