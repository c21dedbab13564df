"""A study's settings: read, put together, and everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from cliphba.check.findings import Problem
from cliphba.config import ConfigurationError, Fault, Study, load_draft, load_study
from cliphba.section import overlay


def read_files(paths: Sequence[Path]) -> dict[str, Any]:
    """Read YAML files, of which later ones change single settings of earlier ones.

    Raises
    ------
    ValueError
        If a file is no YAML, or holds no settings.
    OSError
        If a file cannot be read.
    """
    together: dict[str, Any] = {}
    for path in paths:
        try:
            settings = yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            raise ValueError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
        if not isinstance(settings, Mapping):
            raise ValueError(f"{path} holds no settings: a study has lines such as `name: my-study`")
        together = overlay(together, settings)
    return together


def read_study(settings: Mapping[str, Any]) -> tuple[Study | None, list[Problem]]:
    """Find everything that is wrong with settings, and make a study of the others.

    Parameters
    ----------
    settings
        As read from files.

    Returns
    -------
    study : Study or None
        Where settings are wrong, with their defaults; None if there is none for them.
    problems : list of Problem
        Empty if the study can be run.
    """
    try:
        return load_study(settings), []
    except ConfigurationError as error:
        faults = list(error.faults)
    left = deepcopy(dict(settings))
    for fault in faults:
        _remove(left, fault.keys)
    return _draft(left), [_problem(fault) for fault in faults]


def _draft(settings: Mapping[str, Any]) -> Study | None:
    try:
        draft = load_draft(settings)
    except ConfigurationError:
        return None
    # of neither or both kinds nothing can be said
    return draft if (draft.simulation is None) != (draft.data is None) else None


def _remove(settings: Any, keys: Sequence[int | str]) -> None:
    """Take a setting out, in place; of a list, all of it, for it would have other numbers."""
    if not keys:
        return
    first, *rest = keys
    inside = settings.get(first) if isinstance(settings, dict) else None
    if rest and isinstance(inside, dict):
        _remove(inside, rest)
    elif isinstance(settings, dict):
        settings.pop(first, None)


def _problem(fault: Fault) -> Problem:
    where, _, what = fault.message.removeprefix("study: ").partition(": ")
    return Problem(where, what) if what else Problem("study", where)
