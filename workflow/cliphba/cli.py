"""The command line, for people who have a model or a table but no workflow.

Nothing here imports torch before a command needs it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from safetensors import SafetensorError, safe_open

import cliphba
from cliphba import tables
from cliphba.config import ConfigurationError, load_study
from cliphba.figures.catalogue import MAIN_TABLES

METADATA_KEY = tables.METADATA_KEY.decode()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments
        Without the program's name; those of the process by default.

    Returns
    -------
    int
        Exit code: 0, or 2 after an error, which is told in one message without a traceback.
    """
    given = _parser().parse_args(arguments)
    try:
        said = given.run(given)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"cliphba: {error}\n")
        return 2
    sys.stdout.write(f"{said}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cliphba", description="Use models and tables of the workflow without it.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    embed = commands.add_parser("embed", help="embed images by a model, into a table")
    _add_model(embed)
    embed.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="image files whose names differ")
    embed.add_argument("--output", type=Path, required=True, metavar="TABLE", help="Parquet table to write")
    embed.set_defaults(run=_embed)

    export = commands.add_parser("export", help="write a model for other software")
    _add_model(export)
    export.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="new or empty folder to write to")
    export.add_argument(
        "--what", choices=("merged", "adapters"), default="merged",
        help="all weights with adapters folded in, for open_clip (default), or the adapters alone, for peft",
    )  # fmt: skip
    export.set_defaults(run=_export)

    provenance = commands.add_parser("provenance", help="tell what made a table or a checkpoint, as JSON")
    provenance.add_argument("file", type=Path, metavar="FILE", help="table (.parquet) or checkpoint (.safetensors)")
    provenance.set_defaults(run=_provenance)

    markdown = commands.add_parser("markdown", help="write a main table for people to read, as Markdown")
    markdown.add_argument("table", type=Path, metavar="TABLE", help="such as summary.parquet")
    markdown.add_argument(
        "--rows", choices=("headlines", "means", "each"), default="means",
        help="the most telling ones, all about all participants (default), or those about each participant, too",
    )  # fmt: skip
    markdown.set_defaults(run=_markdown)

    check = commands.add_parser("check", help="check a study file")
    check.add_argument("study", type=Path, metavar="STUDY", help="YAML file of settings")
    check.set_defaults(run=_check)
    return parser


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", type=Path, metavar="MODEL", help="checkpoint (.safetensors)")
    command.add_argument(
        "--backbone", type=Path, metavar="FOLDER", help="folder of its backbone, if not that of the model's study"
    )


def _embed(given: argparse.Namespace) -> str:
    embedding = cliphba.load(given.model, backbone=given.backbone).embed(given.images)
    made_by = tables.provenance(settings={}, inputs={"model": given.model})
    tables.write_embedding(embedding, given.output, model=given.model.stem, **made_by)
    times, images, dimensions = embedding.values.shape
    return f"{given.output}: {times} times, {images} images, {dimensions} dimensions"


def _export(given: argparse.Namespace) -> str:
    from cliphba.models.checkpoint import find_backbone, read_checkpoint  # noqa: PLC0415
    from cliphba.models.export import export_adapters, export_merged  # noqa: PLC0415

    checkpoint = read_checkpoint(given.model)
    if given.what == "adapters":
        export_adapters(checkpoint, given.to)
    else:
        export_merged(checkpoint, find_backbone(given.model, checkpoint, given.backbone), given.to)
    return f"{given.to}: {given.what} of {given.model}"


def _provenance(given: argparse.Namespace) -> str:
    described = _metadata(given.file)
    # what is in a table says nothing of what made it, and can be thousands of lines
    described.pop("stimuli", None)
    return json.dumps(described, indent=2, sort_keys=True, ensure_ascii=False)


def _markdown(given: argparse.Namespace) -> str:
    from cliphba import readable  # noqa: PLC0415

    kind = _metadata(given.table).get("kind")
    if kind not in MAIN_TABLES:
        raise ValueError(f"{given.table} is none of the main tables: name one of {', '.join(MAIN_TABLES)}")
    return readable.markdown(tables.read(given.table, kind), rows=given.rows)


def _metadata(path: Path) -> dict[str, Any]:
    """Read what a table or a checkpoint says of itself, without its values."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="numpy") as stream:
                text = stream.metadata()[METADATA_KEY]
        else:
            text = pq.read_schema(path).metadata[METADATA_KEY.encode()]
    except (KeyError, TypeError, SafetensorError, pa.ArrowInvalid) as error:
        raise ValueError(f"{path} is no table and no checkpoint of this package: name one that is") from error
    found: dict[str, Any] = json.loads(text)
    return found


def _check(given: argparse.Namespace) -> str:
    try:
        study = load_study(yaml.safe_load(given.study.read_text()))
    except yaml.YAMLError as error:
        raise ValueError(f"{given.study} is no YAML: {' '.join(str(error).split())}") from error
    except ConfigurationError as error:
        raise ValueError(f"{given.study}: {error}") from error
    return f"{given.study}: fine; study {study.name!r} with {len(study.participants)} participants"
