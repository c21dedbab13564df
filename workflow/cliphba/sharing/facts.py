"""What is known of a model: from its checkpoint, and from the files of its study that are surely about it.

Scores, losses and counts of images stand in files beside the models. They are taken only where recorded hashes say
that they belong to this very checkpoint.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import open_clip
import pandas as pd

from cliphba import tables
from cliphba.architectures import CONFIG_FILE
from cliphba.described import find_backbone, read_description
from cliphba.models.checkpoint import Checkpoint, read_checkpoint

Role = Literal["behavior", "group", "personal"]

#: Labels that name nobody, such as sub-02 or sub-P12.
PSEUDONYM = re.compile(r"sub-[A-Za-z]{0,3}[0-9]+")
# What a model's scores are read beside.
REFERENCES = ("clip", "another judge", "lower ceiling", "upper ceiling", "model-free")


@dataclass(frozen=True)
class Facts:
    """What is known of a model.

    Attributes
    ----------
    role
        What it is a model of.
    name
        Of its file, or what stands for it where that would name a person.
    study
        Name of the study's folder; None: the model does not lie in one.
    checkpoint, path
        The model, and its file.
    backbone
        Folder of its backbone.
    source
        Where its backbone came from: ``architecture``, ``weights``, ``sha256``; empty: its study trained it, or that
        is not recorded.
    simulated
        Whether the study is known to be simulated.
    images
        Split to number of the study's images; None: not known.
    losses
        Table of kind ``training``; None: not known.
    scores
        Rows of a table of kind ``summary``; None: not known.
    licence
        Terms of images, recordings and judgements; None: not known.
    """

    role: Role
    name: str
    study: str | None
    checkpoint: Checkpoint
    path: Path
    backbone: Path
    source: Mapping[str, str]
    simulated: bool = False
    images: Mapping[str, int] | None = None
    losses: pd.DataFrame | None = None
    scores: pd.DataFrame | None = None
    licence: str | None = None

    @property
    def anonymous(self) -> bool:
        """Whether the labels of the participants name nobody."""
        return not pseudonyms(self.checkpoint)

    @property
    def fetched(self) -> bool:
        """Whether anybody can have the backbone by name, from open_clip."""
        tags = open_clip.list_pretrained_tags_by_model(self.source.get("architecture", ""))
        return self.source.get("weights") in tags


def gather(
    model: Path, *, backbone: Path | None = None, summary: Path | None = None, licence: str | None = None
) -> Facts:
    """Gather what is known of a model.

    Parameters
    ----------
    model
        Its checkpoint.
    backbone
        Folder of its backbone, if not that of its study.
    summary
        Table of kind ``summary`` with its scores; by default that of the study's folder, if it is about this model.
    licence
        Terms of images, recordings and judgements.

    Raises
    ------
    ValueError
        If the model is no checkpoint, or the summary that was named is no such table or known to be about another
        checkpoint.
    """
    checkpoint = read_checkpoint(model)
    folder = model.resolve().parent.parent
    role, aliases = role_of(model.stem, checkpoint), pseudonyms(checkpoint)
    stimuli = _stimuli(folder / "source/stimuli.parquet", checkpoint)
    scores = _scores(summary, model, folder)
    return Facts(
        role=role,
        name=aliases.get(model.stem, model.stem),
        study=folder.name if model.resolve().parent.name == "models" else None,
        checkpoint=checkpoint,
        path=model,
        backbone=(found := backbone or find_backbone(model, checkpoint.backbone)),
        source=_source(found / CONFIG_FILE),
        simulated=stimuli is not None and "simulation" in stimuli.attrs["settings"],
        images=None if stimuli is None else _count(stimuli, role),
        losses=_losses(model.with_name(f"{model.stem}_training.parquet"), checkpoint),
        scores=None if scores is None else _about(scores, role, model.stem).replace(aliases),
        licence=licence,
    )


def role_of(name: str, checkpoint: Checkpoint) -> Role:
    """Tell what a checkpoint of this name is a model of."""
    if checkpoint.kind == "behavior":
        return "behavior"
    alone = len(checkpoint.metadata.get("participants", ())) == 1
    return "personal" if alone and name != "group" else "group"


def pseudonyms(checkpoint: Checkpoint) -> dict[str, str]:
    """Give names that name nobody to the participants of a checkpoint; none are needed where theirs do not."""
    names = checkpoint.metadata.get("participants", ())
    if all(PSEUDONYM.fullmatch(name) for name in names):
        return {}
    return {name: f"participant {number}" for number, name in enumerate(names, start=1)}


def without_names(checkpoint: Checkpoint) -> Checkpoint:
    """Give the same model, whose metadata name nobody."""
    text = json.dumps(dict(checkpoint.metadata))
    for name, alias in pseudonyms(checkpoint).items():
        text = text.replace(name, alias)
    return replace(checkpoint, metadata=json.loads(text))


def _source(config: Path) -> dict[str, str]:
    """Read where a backbone came from; nothing where it is not there, for adapters can be given away without it."""
    described = json.loads(config.read_text()) if config.is_file() else {}
    found: dict[str, str] = described.get("source", {})
    return found


def _stimuli(path: Path, checkpoint: Checkpoint) -> pd.DataFrame | None:
    """Read the table of stimuli that the model was trained with, if this is it."""
    recorded = checkpoint.metadata.get("inputs", {}).get("stimuli")
    if not path.is_file() or tables.digest(path) != recorded:
        return None
    return tables.read(path, "stimuli")


def _count(stimuli: pd.DataFrame, role: Role) -> dict[str, int]:
    shown = stimuli if role == "behavior" else stimuli[stimuli["image_set"] == "recorded"]
    return {str(split): int(count) for split, count in shown["split"].value_counts(sort=False).items()}


def _losses(path: Path, checkpoint: Checkpoint) -> pd.DataFrame | None:
    """Read the losses of the training that made the model, if these are they."""
    if not path.is_file():
        return None
    losses = tables.read(path, "training")
    same = all(losses.attrs.get(name) == checkpoint.metadata.get(name) for name in ("settings", "inputs"))
    return losses if same else None


def _scores(named: Path | None, model: Path, folder: Path) -> pd.DataFrame | None:
    """Read the summary that was named, or that of the study's folder if it can be read and is about this checkpoint.

    A summary records the hash of every embedding, and each of these the hash of its model.
    """
    embedding = folder / f"embeddings/{model.stem}.parquet"
    made_from = _inputs(embedding).get("model") if embedding.is_file() else None
    try:
        scores = tables.read(named or folder / "summary.parquet", "summary")
    except (ValueError, FileNotFoundError):
        if named:
            raise
        return None
    if embedding.is_file():
        recorded = scores.attrs["inputs"].get(f"embeddings/{embedding.name}")
        if (made_from, recorded) == (tables.digest(model), tables.digest(embedding)):
            return scores
    if named and embedding.is_file():
        raise ValueError(f"{named} has the scores of another {model.name}: evaluate this one, or leave it out")
    return scores if named else None


def _inputs(path: Path) -> dict[str, str]:
    found: dict[str, str] = read_description(path)["inputs"]
    return found


def _about(scores: pd.DataFrame, role: Role, name: str) -> pd.DataFrame:
    """Choose the rows about a model, and what they are read beside."""
    of_all = scores["participant"].isna()
    own = of_all & scores["model"].map(lambda model: role in model.split(" - "))
    if role == "personal":
        own |= (scores["participant"] == name) & ~scores["model"].isin(REFERENCES)
    beside = of_all & scores["model"].isin(REFERENCES) & scores["metric"].isin(scores.loc[own, "metric"])
    return scores[own | beside]


def losses_by_stage(losses: pd.DataFrame, stages: Sequence[str]) -> pd.DataFrame:
    """Tabulate each stage of a training: epochs, and validation loss before it, at its best, and at its end.

    Parameters
    ----------
    losses
        Table of kind ``training``.
    stages
        What the stages are called, from the first on.
    """
    validation = losses[losses["split"] == "validation"]
    rows = []
    for number, name in enumerate(stages, start=1):
        epochs = validation[validation["stage"] == number]
        total, best = epochs["total"], int(epochs["total"].argmin())
        rows.append(
            {
                "stage": name,
                "epochs": int(epochs["epoch"].max()),
                "loss before": float(total.iloc[0]),
                "best loss": float(total.iloc[best]),
                "at epoch": int(epochs["epoch"].iloc[best]),
                "loss at the end": float(total.iloc[-1]),
            }
        )
    return pd.DataFrame(rows)
