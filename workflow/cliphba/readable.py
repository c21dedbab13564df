"""The main tables as people read them: metrics by name and unit, value and interval in one cell."""

from __future__ import annotations

import html
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from cliphba.evaluate.ablation import AS_CONFIGURED, WORTH
from cliphba.evaluate.findings import FACTOR_TRUTHS, LABELS
from cliphba.evaluate.individuals import MODEL_FREE
from cliphba.figures import style
from cliphba.figures.catalogue import MAIN_TABLES
from cliphba.figures.wording import HALVES
from cliphba.tables import INDEPENDENCE

PARTICIPANTS, MINUS = "participants", "\N{MINUS SIGN}"
Rows = Literal["headlines", "means", "each"]
ESTIMATE, INDEPENDENT = "value [95 % interval]", "independent of training"


@dataclass(frozen=True)
class Metric:
    """How a metric is written.

    Attributes
    ----------
    name
        With its unit.
    decimals
        Of its values.
    people
        Whom models are compared with.
    """

    name: str
    decimals: int = 2
    people: str = PARTICIPANTS


METRICS = {
    "behavior_rho": Metric("Agreement with human judgements (Spearman ρ)", people="judges"),
    "behavior_rho_difference": Metric("Difference in agreement with human judgements (Spearman ρ)", people="judges"),
    "odd_one_out_accuracy": Metric("Odd one out (share right, chance 1/3)", people="judges"),
    "odd_one_out_difference": Metric("Difference in odd one out (share right)", people="judges"),
    "alignment_auc": Metric("Alignment with MEG, area (ρ × ms)", decimals=1),
    "alignment_auc_difference": Metric("Difference in alignment with MEG, area (ρ × ms)", decimals=1),
    "group_alignment_auc": Metric("Alignment of the group model, area (ρ × ms)", decimals=1),
    "baseline_rho": Metric("Alignment up to onset, nothing expected (mean ρ)", decimals=3),
    "own_alignment_auc": Metric("Alignment of own models, area (ρ × ms)", decimals=1),
    "own_alignment_gain": Metric("Gain of own models over the group model, area (ρ × ms)", decimals=1),
    "identification_accuracy": Metric("Participants identified (share)"),
    "identification_margin": Metric("Identification margin (ρ)", decimals=3),
    "identification_rank": Metric("Mean rank of the own participant (1 is the best)"),
    "second_order_rho": Metric("People as different in models as in brains (ρ)"),
    "generalisation_likeness": Metric("Generalisation over time as in brains (r)"),
    "layer_order": Metric("Later vision blocks peak later (ρ)"),
    "gain_recovery": Metric("Simulated gains recovered (r)"),
    "latency_recovery": Metric("Simulated latencies recovered (r)"),
}
MODELS = {
    **style.LABELS,
    "ceiling": "Behavioural embedding",
    "embedding": "Behavioural embedding",
    "another judge": "Another judge",
    "lower ceiling": "Lower noise ceiling",
    "upper ceiling": "Upper noise ceiling",
    "held-out group": "Group model without the participant",
    "complexity": "Complexity of pictures",
    "group without complexity": "Group MEG model without complexity",
    "people": "Differences between people",
    "factors": "Differences between factors",
}
#: Columns of a value to those of what an ingredient is worth.
WORTHS = dict(zip(("value", "low", "high"), WORTH, strict=True))
#: The most telling numbers of a study: with them its report begins.
HEADLINES = [
    (metric, model)
    for metric, models in {
        "behavior_rho": ("clip", "behavior", "lower ceiling"),
        "odd_one_out_accuracy": ("clip", "behavior", "another judge"),
        "alignment_auc": ("clip", "behavior", "group", "lower ceiling"),
        "alignment_auc_difference": ("group - clip", "group - behavior"),
        "own_alignment_gain": ("personal - group",),
        "identification_accuracy": ("personal", "model-free"),
        "identification_margin": ("personal", "model-free"),
        "second_order_rho": ("personal", "model-free"),
        "gain_recovery": ("personal", "model-free"),
    }.items()
    for model in models
]
#: Sentences below a table.
REMARKS = {
    "ablation": "The first row has values; the others have the study as configured minus the variant: above zero, "
    "what was left out or exchanged helps. Metrics that a change does not reach are left out. No interval varies the "
    "seed of training.",
    "data_efficiency": "One training of each amount: no interval varies the images, the sessions or the seed of "
    "training.",
}
CLAIMS = (
    "p over images: their labels exchanged, people as they are; p over people: participants or judges exchanged, "
    "images as they are; q: corrected for the number of participants."
)
#: What is said above the tables of a comparison of models, and how many pairs of images it names.
AGREEMENT = "How models agree (Spearman ρ of their RDMs, mean over times after onset; intervals over images):"
DIFFERENTLY = (
    "Pairs of images seen most differently from all others (percentile of the pair's dissimilarity: 100 is the most "
    "different of all pairs):"
)
SHOWN = 10
PAGE = """\
<!doctype html>
<meta charset="utf-8">
<title>{title}</title>
<style>
.main-table {{ font: 13px/1.4 sans-serif; color: black; }}
.main-table table {{ border-collapse: collapse; }}
.main-table th, .main-table td {{ padding: 3px 8px; text-align: left; vertical-align: top; }}
.main-table tr {{ border-bottom: 1px solid #dcdcdc; }}
</style>
<div class="main-table">
<h1>{title}</h1>
{table}
<p>{remarks}</p>
</div>
"""


def markdown(frame: pd.DataFrame, *, rows: Rows = "means") -> str:
    """Write a main table as Markdown, with what has to be known to read it below.

    Parameters
    ----------
    frame
        As `cliphba.tables.read` gives it, of a kind in `MAIN_TABLES`.
    rows
        Which rows are wanted of a table of claims: the most telling ones (`HEADLINES`), all that are about all
        participants, or those about each single participant, too.

    Returns
    -------
    str
        Without a line break at its end.

    Raises
    ------
    ValueError
        If it is no main table.
    """
    return f"{to_markdown(arrange(frame, rows=rows))}\n\n{remarks(frame)}"


def page(frame: pd.DataFrame) -> str:
    """Write a main table, single participants included, as an HTML page that stands alone; error as of `markdown`."""
    return _fill(arrange(frame, rows="each"), MAIN_TABLES[frame.attrs["kind"]].title, remarks(frame))


def headlines(summary: pd.DataFrame) -> str:
    """Write the most telling rows of a table of kind ``summary`` as an HTML page, without what makes it wide."""
    return _fill(arrange(summary, rows="headlines")[["measure", "model", ESTIMATE, "n"]], "Headlines", "")


def arrange(frame: pd.DataFrame, *, rows: Rows = "means") -> pd.DataFrame:
    """Arrange a main table for reading, every cell a text; parameters and error as of `markdown`."""
    kind = frame.attrs.get("kind")
    if kind not in MAIN_TABLES:
        raise ValueError(f"a table of kind {kind!r} is none of the main tables: give one of {', '.join(MAIN_TABLES)}")
    if kind == "ablation":
        return _worths(frame)
    if kind == "data_efficiency":
        return _growth(frame)
    telling = pd.MultiIndex.from_frame(frame[["metric", "model"]]).isin(HEADLINES)
    means = frame["participant"].isna()
    return _claims(frame[{"headlines": means & telling, "means": means, "each": means | True}[rows]])


def comparison(agreement: pd.DataFrame, differently: pd.DataFrame) -> str:
    """Write how models see images, in short, as Markdown.

    Parameters
    ----------
    agreement, differently
        Tables of kind ``model_agreement`` and ``seen_differently``.

    Returns
    -------
    str
        Agreement of all pairs of models in the mean over times, the closest first, and the pairs of images that are
        seen most differently, each at the time at which it is.
    """
    means = agreement[agreement["time_ms"].isna()].sort_values("rho", ascending=False, kind="stable")
    pairs = pd.DataFrame(
        {
            "models": f"{row['first']}, {row['second']}",
            ESTIMATE: style.interval(row["rho"], row["low"], row["high"], decimals=2)
            if np.isfinite(row["low"])
            else f"{row['rho']:.2f}",
        }
        for row in means.to_dict("records")
    )
    return f"{AGREEMENT}\n\n{to_markdown(pairs)}\n\n{DIFFERENTLY}\n\n{to_markdown(_most_different(differently))}"


def _most_different(differently: pd.DataFrame) -> pd.DataFrame:
    """Give each model's pairs of images a row, at the time of the largest difference."""
    timed = differently[differently["time_ms"].notna()]
    rows = timed if len(timed) else differently
    rows = rows.sort_values("difference", key=lambda found: -found.abs(), kind="stable")
    rows = rows.drop_duplicates(["model", "first", "second"]).head(SHOWN)
    table = pd.DataFrame(
        {
            "images": rows["first"] + ", " + rows["second"],
            "seen by": rows["model"],
            "at": [f"{time:g} ms" for time in rows["time_ms"]],
            "percentile": [f"{value:.0f}" for value in rows["percentile"]],
            "others": [f"{value:.0f}" for value in rows["others"]],
        }
    )
    return table if len(timed) else table.drop(columns="at")


def to_markdown(frame: pd.DataFrame) -> str:
    """Write a table whose cells are text as Markdown."""
    # every cell is text already: none is to be aligned as a number
    return str(frame.to_markdown(index=False, disable_numparse=True))


def remarks(frame: pd.DataFrame) -> str:
    """Say what has to be known to read a main table."""
    told = [f"{frame.attrs[what]} {what}" for what in ("images", "participants", "judges") if frame.attrs.get(what)]
    settings = frame.attrs.get("settings", {})
    halves = f" {HALVES[settings['halves_of']]}." if "halves_of" in settings else ""
    return _after("n: ", ", ".join(told), ". ") + REMARKS.get(frame.attrs["kind"], CLAIMS) + halves


def _fill(table: pd.DataFrame, title: str, told: str) -> str:
    # a line is not to end inside an interval
    whole = table.map(lambda cell: re.sub(r" (?=[^\[]*\])", "\N{NO-BREAK SPACE}", cell))
    body = whole.to_html(index=False, border=0, justify="left")
    return PAGE.format(title=html.escape(title), table=body, remarks=html.escape(told))


def _claims(frame: pd.DataFrame) -> pd.DataFrame:
    """Give each number a row, those of a metric together."""
    order = {metric: place for place, metric in enumerate(METRICS)}
    rows = frame.sort_values("metric", key=lambda names: names.map(order), kind="stable").to_dict("records")
    table = pd.DataFrame(
        {
            "measure": _metric(row["metric"]).name,
            **({"image set": row["image_set"]} if "image_set" in row else {}),
            "model": _model(row["model"], row["participant"]),
            ESTIMATE: _estimate(row),
            **_probabilities(row),
            "interval over": row["varies"],
            "n": _sizes(row),
            INDEPENDENT: _independence(row),
        }
        for row in rows
    )
    # a name once, for all rows below it
    return table.assign(measure=table["measure"].where(table["measure"] != table["measure"].shift(), ""))


def _worths(frame: pd.DataFrame) -> pd.DataFrame:
    """Give each variant a row, each metric a column."""
    configured = frame["variant"] == AS_CONFIGURED
    shown = frame.assign(**{name: frame[name].where(configured, frame[worth]) for name, worth in WORTHS.items()})
    table = pd.DataFrame(
        {
            "variant": row["variant"].replace("_", " "),
            "measure": _metric(row["metric"]).name,
            "cell": _estimate(row),
            INDEPENDENT: _independence(row),
        }
        for row in shown.to_dict("records")
    )
    return _spread(table, ["variant", INDEPENDENT])


def _growth(frame: pd.DataFrame) -> pd.DataFrame:
    """Give each amount of data a row, each metric a column."""
    table = pd.DataFrame(
        {
            "trained on": f"{row['amount']:.0f} {row['trained_on']}",
            "measure": _metric(row["metric"]).name + (", model-free" if row["model"] == MODEL_FREE else ""),
            "cell": _estimate(row) + _after(", p ", _p(row["p"])),
        }
        for row in frame.to_dict("records")
    )
    return _spread(table, ["trained on"])


def _spread(table: pd.DataFrame, index: list[str]) -> pd.DataFrame:
    """Give each measure a column, rows and columns in the order of their first appearance."""
    wide = table.pivot(index=index, columns="measure", values="cell").fillna("")
    rows = pd.MultiIndex.from_frame(table[index].drop_duplicates()) if len(index) > 1 else table[index[0]].unique()
    return wide.reindex(index=rows, columns=table["measure"].unique()).rename_axis(columns=None).reset_index()


def _metric(name: str) -> Metric:
    return METRICS.get(name, Metric(name.replace("_", " ")))


def _model(name: str, participant: str | None) -> str:
    """Name a model, or a difference of two, and whose recordings it is compared with if it is not this person's."""
    told = f" {MINUS} ".join(MODELS.get(part, part) for part in name.split(" - "))
    return told if pd.isna(participant) or participant == name else f"{told}, {participant}"


def _estimate(row: Mapping[Hashable, Any]) -> str:
    return style.interval(row["value"], row["low"], row["high"], decimals=_metric(row["metric"]).decimals)


def _probabilities(row: Mapping[Hashable, Any]) -> dict[str, str]:
    """Sort p by what it generalises over."""
    p = _p(row["p"]) + _after(" (q ", _p(row.get("q", np.nan)), ")")
    if row["test"] == FACTOR_TRUTHS:
        return {"p over images": f"{p} (over factors)", "p over people": ""}
    over_images = row["test"] == LABELS
    return {"p over images": p if over_images else "", "p over people": _p(row["p_people"]) if over_images else p}


def _p(value: float) -> str:
    if np.isnan(value):
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _after(before: str, text: str, behind: str = "") -> str:
    """Put something around a text, if there is any."""
    return f"{before}{text}{behind}" if text else ""


def _sizes(row: Mapping[Hashable, Any]) -> str:
    """Say how many images and people a number is about: one person if it is somebody's, judges if they are known."""
    people = _metric(row["metric"]).people
    someone = people == PARTICIPANTS and not pd.isna(row["participant"])
    return f"{row['images']} images" + ("" if someone or not row["people"] else f", {row['people']} {people}")


def _independence(row: Mapping[Hashable, Any]) -> str:
    return ", ".join(name.removeprefix("independent_") for name in INDEPENDENCE if row[name]) or "nothing"
