"""All recordings of a participant: preprocessed one by one, put together into parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import mne
import numpy as np
import pandas as pd

from cliphba.config import Preprocessing, TimeGrid
from cliphba.meg.channels import Datatype
from cliphba.meg.divide import in_turn, named, take_turns
from cliphba.meg.preprocess import Preprocessed, Recording, Source, prepare_channels, preprocess
from cliphba.meg.rejection import KEPT
from cliphba.sources import HalvesOf


@dataclass(frozen=True)
class Part:
    """A part of a participant's trials.

    Attributes
    ----------
    name
        ``session`` of its trials.
    epochs
        Those that were kept.
    trials
        All that were recorded, with their ``outcome``.
    sources
        Recordings that they come from.
    """

    name: str
    epochs: mne.BaseEpochs
    trials: pd.DataFrame
    sources: Sequence[Source]


def preprocess_participant(
    recordings: Sequence[Recording],
    settings: Preprocessing,
    grid: TimeGrid,
    *,
    participant: str,
    datatype: Datatype,
    parts: Sequence[str],
    parts_of: HalvesOf,
    seed: int,
    with_spectra: bool = False,
) -> Iterator[Part]:
    """Turn all recordings of a participant into epochs, part after part, with no more than one part in memory.

    Parameters
    ----------
    recordings
        Session after session and, within each, run after run.
    settings, grid
        How they are preprocessed, and when epochs are sampled.
    participant
        Whose recordings they are.
    datatype
        What becomes patterns.
    parts
        Their names: sessions or runs, as recordings name them, or any names for parts of trials.
    parts_of
        What parts are: whole sessions; runs, of one session; trials of each stimulus dealt out in turn, of one run.
    seed
        Of independent component analysis.
    with_spectra
        Whether spectra of each recording are measured, before and after.

    Yields
    ------
    Part
        In the order of `parts`.

    Raises
    ------
    ValueError
        As `preprocess`, or if there is no recording of a part.
    """
    channels = prepare_channels(
        [recording.raw for recording in recordings], settings, participant=participant, datatype=datatype
    )
    for name, group in _group(_number(recordings), parts_of, parts):
        done = [preprocess(one, channels, settings, grid, seed=seed, with_spectra=with_spectra) for one in group]
        whole = _join(name, done)
        yield from _deal_out(whole, parts) if parts_of == "trials" else [whole]


def _number(recordings: Sequence[Recording]) -> list[Recording]:
    """Let the trials of a session have numbers of their own, run after run."""
    numbered: list[Recording] = []
    for _, runs in groupby(recordings, key=lambda recording: recording.session):
        first = 0
        for one in runs:
            numbered.append(replace(one, trials=one.trials.assign(trial=first + np.arange(len(one.trials)))))
            first += len(one.trials)
    return numbered


def _group(
    recordings: Sequence[Recording], parts_of: HalvesOf, parts: Sequence[str]
) -> Iterator[tuple[str, list[Recording]]]:
    """Give the recordings of each part; or all of them, if parts are made of trials."""
    if parts_of == "trials":
        yield "all", list(recordings)
        return
    names = [one.session if parts_of == "sessions" else one.run for one in recordings]
    for part in parts:
        group = [one for name, one in zip(names, recordings, strict=True) if name == part]
        if not group:
            raise ValueError(f"there is no recording of {part}, but of {', '.join(dict.fromkeys(names))}.")
        yield part, group


def _join(name: str, runs: Sequence[Preprocessed]) -> Part:
    """Put runs together; the only one stays as it is."""
    epochs = runs[0].epochs
    if len(runs) > 1:
        # Heads move between runs. That matters to where sources are, of which nothing is asked here: a sensor is the
        # same sensor in every run, and classifiers are trained over sessions in which heads lie differently anyway.
        epochs = mne.concatenate_epochs([run.epochs for run in runs], on_mismatch="ignore", verbose="error")
    trials = pd.concat([run.trials for run in runs], ignore_index=True).assign(session=name)
    return Part(name, named(epochs, name), trials, [run.source for run in runs])


def _deal_out(whole: Part, names: Sequence[str]) -> Iterator[Part]:
    """Deal out the trials that were kept, so that parts have equally many, and after them those that were lost."""
    parts = in_turn(whole.epochs, names)
    last = whole.trials["outcome"].ne(KEPT).sort_values(kind="stable").index
    turn = pd.Series(take_turns(whole.trials.loc[last, "stimulus"], len(names)), index=last)
    for number, name in enumerate(names):
        trials = whole.trials[turn.sort_index() == number].assign(session=name)
        yield Part(name, parts[name], trials, whole.sources)
