"""A page for each participant: what was recorded, what was lost and why, and whether the brain responded."""

from __future__ import annotations

import html
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from cliphba.config import Preprocessing
from cliphba.figures import style
from cliphba.meg.participant import Part
from cliphba.meg.preprocess import Source
from cliphba.meg.rejection import KEPT, REASONS, count
from cliphba.tables import write_atomically

#: What sensors of a type are called, the unit of their values and how many of them one SI unit is.
TYPES = {
    "mag": ("magnetometers or axial gradiometers", "fT", 1e15),
    "grad": ("planar gradiometers", "fT/cm", 1e13),
    "eeg": ("electrodes", "µV", 1e6),
}
# Channels so many times stronger than the median of their type, or weaker, are named.
STANDS_OUT = 5
# Topographies of so many components are shown at most, in rows of so many.
MOST_TOPOGRAPHIES, IN_A_ROW = 40, 8
STAGES = {"recorded": style.FAINT, "preprocessed": style.COLOURS["group"]}


@dataclass(frozen=True)
class Summary:
    """What the page tells of a part, without its epochs.

    Attributes
    ----------
    name
        Of the part.
    evoked
        Mean of its trials.
    counts
        A row of a table of kind ``trials``.
    sources
        Recordings that it comes from.
    """

    name: str
    evoked: mne.Evoked
    counts: pd.DataFrame
    sources: Sequence[Source]


def summarise(part: Part, participant: str) -> Summary:
    """Keep of a part of a participant's trials what the page tells of it."""
    return Summary(part.name, part.epochs.average(picks="all"), count(part.trials, participant), part.sources)


def make(participant: str, parts: Sequence[Summary], settings: Preprocessing) -> mne.Report:
    """Make the page of a participant; it needs no other file and no network.

    Parameters
    ----------
    participant
        Whose recordings they are.
    parts
        Of all of them, in their order.
    settings
        How they were preprocessed.
    """
    # nothing is shown on a screen, whatever there is
    plt.switch_backend("agg")
    page = mne.Report(title=f"Recordings of {participant}", verbose="error")
    sources = {(source.session, source.run): source for part in parts for source in part.sources}
    page.add_html(_overview(parts, list(sources.values())), "At a glance", tags=("overview",))
    page.add_html(_tell_trials(parts), "Trials", tags=("trials",))
    for kind in parts[0].evoked.get_channel_types(unique=True):
        _add_responses(page, parts, kind, z_scored=settings.baseline == "z_score")
    _add_spectra(page, list(sources.values()))
    page.add_html(_tell_bad_channels(list(sources.values())), "Bad channels", tags=("channels",))
    page.add_html(_tell_strange_channels(list(sources.values())), "Channels that stand out", tags=("channels",))
    if settings.ica.components is not None:
        _add_components(page, list(sources.values()))
    page.add_html(_tell_settings(settings), "Settings", tags=("settings",))
    return page


def save(page: mne.Report, path: Path | str) -> None:
    """Write the page as HTML, whole or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / Path(path).name
        page.save(written, open_browser=False, verbose="error")
        write_atomically(Path(path), written.read_bytes())


def _table(frame: pd.DataFrame, said: str) -> str:
    shown = frame.to_html(index=False, border=0, classes="table table-sm w-auto", justify="left")
    return f"<p>{html.escape(said)}</p>{shown}"


def _overview(parts: Sequence[Summary], sources: Sequence[Source]) -> str:
    counts = pd.concat([part.counts for part in parts])
    kept, recorded = counts[KEPT].sum(), counts["recorded"].sum()
    kinds = Counter(parts[0].evoked.get_channel_types())
    facts = {
        "Recordings": str(len(sources)),
        "Parts, of which the halves of the data are made": ", ".join(part.name for part in parts),
        "Trials kept": f"{kept} of {recorded} ({kept / recorded:.1%})",
        "Channels in all parts": ", ".join(f"{number} {TYPES[kind][0]}" for kind, number in kinds.items()),
        "Channels that are bad in any recording": str(len({name for source in sources for name in source.bad})),
    }
    return _table(pd.DataFrame({"": facts.keys(), " ": facts.values()}), "What was recorded, and what is used of it.")


def _tell_trials(parts: Sequence[Summary]) -> str:
    counts = pd.concat([part.counts for part in parts], ignore_index=True)
    lost = {reason: said.capitalize() for reason, said in REASONS.items() if counts[reason].any()}
    shown = {"session": "Part", "recorded": "Recorded", KEPT: "Kept", **lost}
    said = "Trials of each part, and why some were lost. A part that lost many more than the others deserves a look."
    return _table(counts[[*shown]].rename(columns=shown), said)


def _tell_bad_channels(sources: Sequence[Source]) -> str:
    rows = [
        {"Session": source.session, "Run": source.run, "Bad channels": ", ".join(source.bad)}
        for source in sources
        if source.bad
    ]
    if not rows:
        return "<p>No channel was called bad, neither by the data set nor in the settings.</p>"
    return _table(pd.DataFrame(rows), "Channels that the data set or the settings call bad; all others are good.")


def _tell_strange_channels(sources: Sequence[Source]) -> str:
    """Name good channels that are much stronger or weaker than others."""
    measured = {
        (source.session, source.run): source.strengths.drop(source.bad, errors="ignore")
        for source in sources
        if source.strengths is not None
    }
    strengths = pd.DataFrame(measured)
    strange = strengths[((strengths > STANDS_OUT) | (strengths < 1 / STANDS_OUT)).any(axis=1)]
    if strange.empty:
        return f"<p>No good channel is {STANDS_OUT} times stronger or weaker than the median of its type.</p>"
    shown = pd.DataFrame({"Channel": strange.index, "Least": strange.min(axis=1), "Most": strange.max(axis=1)})
    said = (
        f"Channels that are {STANDS_OUT} times stronger or weaker than the median of their type in any recording, "
        "and how many times. If they are broken, name them in preprocessing.bad_channels_of."
    )
    return _table(shown.round(2), said)


def _tell_settings(settings: Preprocessing) -> str:
    chosen = settings.model_dump(mode="json", exclude={"bad_channels", "bad_channels_of"})
    flat: dict[str, Any] = {}
    for name, value in chosen.items():
        flat |= {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
    shown = pd.DataFrame({"Setting": flat.keys(), "Value": map(json.dumps, flat.values())})
    return _table(shown, "How recordings were preprocessed.")


def _unit(kind: str, z_scored: bool) -> tuple[str, float]:
    """Name the unit that responses are shown in, and how many of it one unit of the data is."""
    return ("SD of baseline", 1.0) if z_scored else TYPES[kind][1:]


def _add_responses(page: mne.Report, parts: Sequence[Summary], kind: str, *, z_scored: bool) -> None:
    """Show the mean response to all pictures, and how alike it is in all parts."""
    unit, scale = _unit(kind, z_scored)
    mean = _mean_response(parts).pick(kind)
    page.add_figure(
        _draw_response(mean, kind, unit, scale),
        f"Response to all pictures: {TYPES[kind][0]}",
        tags=("response",),
        caption="A line each channel. There should be nothing before 0 ms, and a first peak at about 100 ms, "
        "strongest over the back of the head.",
    )
    page.add_figure(
        _draw_parts(parts, kind, unit, scale),
        f"Strength of the response in each part: {TYPES[kind][0]}",
        tags=("response",),
        caption="Standard deviation over channels of the mean response. A part whose peaks come earlier or later "
        "than those of the others has wrong onsets; one far above or below them has other noise.",
    )


def _mean_response(parts: Sequence[Summary]) -> mne.EvokedArray:
    """Mean over the trials of all parts."""
    first = parts[0].evoked
    trials = [part.evoked.nave for part in parts]
    data = np.average([part.evoked.data for part in parts], axis=0, weights=trials)
    return mne.EvokedArray(data, first.info, first.tmin, nave=sum(trials), verbose="error")


def _draw_response(mean: mne.Evoked, kind: str, unit: str, scale: float) -> Figure:
    """Draw all channels and, where positions are known, topographies at peaks."""
    shown = {"scalings": {kind: scale}, "units": {kind: unit}, "time_unit": "ms"}
    if _has_positions(mean.info):
        figure: Figure = mean.plot_joint(title="", show=False, ts_args=dict(shown), topomap_args=dict(shown))
    else:
        figure = mean.plot(show=False, selectable=False, verbose="error", **shown)
    return figure


def _has_positions(info: mne.Info) -> bool:
    """Whether it is known where all sensors are; up to three share a place."""
    places = np.array([channel["loc"][:3] for channel in info["chs"]])
    return bool(np.isfinite(places).all() and len(np.unique(places, axis=0)) >= len(places) / 3)


@style.applied
def _draw_parts(parts: Sequence[Summary], kind: str, unit: str, scale: float) -> Figure:
    figure = style.new_figure(180, 70, note=None)
    axes = figure.subplots()
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(parts)))
    times_ms = 1000 * parts[0].evoked.times
    for part, colour in zip(parts, colours, strict=True):
        axes.plot(
            times_ms, scale * part.evoked.get_data(kind).std(axis=0), color=colour, linewidth=1, label=part.name
        )
    style.time_axis(axes, times_ms)
    axes.set_ylabel(f"SD over channels ({unit})")
    axes.legend(frameon=False, fontsize=7, ncols=1 + len(parts) // 10, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _add_spectra(page: mne.Report, sources: Sequence[Source]) -> None:
    spectra = [source.spectra for source in sources if source.spectra is not None]
    if spectra:
        page.add_figure(
            _draw_spectra(spectra),
            "Spectra before and after",
            tags=("spectra",),
            caption="Two lines each recording: median over channels, as recorded (grey) and after everything that is "
            "done before epochs are cut (blue). What lies above the pass band should be gone, and so should peaks at "
            "the mains (50 or 60 Hz).",
        )


@style.applied
def _draw_spectra(spectra: Sequence[pd.DataFrame]) -> Figure:
    kinds = list(spectra[0]["channel_type"].unique())
    figure = style.new_figure(180, 70, note=None)
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        name, unit, scale = TYPES[kind]
        for table in spectra:
            for stage, colour in STAGES.items():
                course = table[(table["channel_type"] == kind) & (table["stage"] == stage)]
                axes.semilogy(course["hz"], scale * course["density"], color=colour, linewidth=0.8, alpha=0.7)
        axes.set_xlabel("Frequency (Hz)")
        axes.set_ylabel(f"{unit}/√Hz")
        axes.set_title(name.capitalize(), loc="left")
    return figure


def _add_components(page: mne.Report, sources: Sequence[Source]) -> None:
    """Tell which components were taken out of each recording, and show where they are."""
    rows = [
        {
            "Session": source.session,
            "Run": source.run,
            "Components": source.excluded.ica.n_components_,
            **{
                organ.capitalize(): ", ".join(f"no. {number}" for number in found)
                for organ, found in source.excluded.components.items()
            },
        }
        for source in sources
        if source.excluded is not None
    ]
    said = "Independent components of eyes and heart, which were taken out; none in many recordings deserves a look."
    page.add_html(_table(pd.DataFrame(rows), said), "Eyes and heart", tags=("artefacts",))
    taken = [
        (f"{source.session} {source.run}\n{organ}, no. {number}".strip(), source.excluded.ica, number)
        for source in sources
        if source.excluded is not None
        for organ, found in source.excluded.components.items()
        for number in found
    ][:MOST_TOPOGRAPHIES]
    if taken and _has_positions(taken[0][1].info):
        page.add_figure(
            _draw_topographies(taken),
            "Topographies of eyes and heart",
            tags=("artefacts",),
            caption="Of the components taken out, the first ones where there are many. Eyes lie at the front edge; "
            "the heart is a broad field with a pole on either side.",
        )


@style.applied
def _draw_topographies(taken: Sequence[tuple[str, mne.preprocessing.ICA, int]]) -> Figure:
    rows = -(-len(taken) // IN_A_ROW)
    figure = style.new_figure(180, 30 * rows, note=None)
    panels = figure.subplots(rows, IN_A_ROW, squeeze=False).ravel()
    for axes in panels[len(taken) :]:
        axes.set_axis_off()
    for axes, (title, ica, number) in zip(panels, taken, strict=False):
        # of several types of sensors one stands for all
        kinds = ica.get_channel_types(unique=True)
        kind = "mag" if "mag" in kinds else kinds[0]
        picks = mne.channel_indices_by_type(ica.info)[kind]
        info = mne.pick_info(ica.info, picks)
        mne.viz.plot_topomap(ica.get_components()[picks, number], info, axes=axes, show=False, contours=0)
        axes.set_title(title, fontsize=6)
    return figure
