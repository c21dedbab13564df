"""What is claimed: a number, its interval, its p, what each of them varies, and what they are independent of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from cliphba.evaluate.bootstrap import Estimate
from cliphba.rdm import Comparison
from cliphba.tables import COLUMNS

#: What intervals vary.
IMAGES, PEOPLE_AND_IMAGES = "images", "images and people"
#: What permutation tests exchange.
SIGNS, LABELS = "signs of participants", "labels of images"
JUDGE_SIGNS = "signs of judges"
ASSIGNMENT, PEOPLE_LABELS = "assignment of participants to models", "labels of participants"
PEOPLE_TRUTHS, FACTOR_TRUTHS = "assignment of truths to participants", "assignment of latencies to factors"


@dataclass(frozen=True)
class Independence:
    """Whether what a finding is about had no part in fitting or choosing the model.

    Attributes
    ----------
    images
        The images that model and people are compared on.
    data
        The recordings or judgements.
    people
        The participants or judges. What is not known to be independent is not.
    """

    images: bool
    data: bool
    people: bool

    def __and__(self, other: Independence) -> Independence:
        """Give what two models are both independent of, as their difference is."""
        return Independence(self.images and other.images, self.data and other.data, self.people and other.people)

    def columns(self) -> dict[str, bool]:
        """Give the columns of a results table."""
        return {f"independent_{name}": value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Compared:
    """Which images and recordings models of MEG are compared with, beside those that they were trained on.

    Attributes
    ----------
    images_held_out
        Whether test images have shaped nothing: no target, no curves.
    evaluated_on
        "held_out": test images in the test half of the data; "training": those of training.
    halves_of
        What the two halves of the data are made of, such as sessions; None: there is no more than one set of
        recordings, and models are trained on it, too.
    """

    images_held_out: bool
    evaluated_on: Literal["held_out", "training"]
    halves_of: str | None = "sessions"

    @property
    def split(self) -> str:
        """Images that models are compared on."""
        return "test" if self.evaluated_on == "held_out" else "train"

    @property
    def of_behavior(self) -> Independence:
        """Of Behavior, which no recordings have shaped."""
        return Independence(images=self._images, data=True, people=True)

    @property
    def of_trained(self) -> Independence:
        """Of models that were trained on recordings of the same people."""
        data = self.evaluated_on == "held_out" and self.halves_of is not None
        return Independence(images=self._images, data=data, people=False)

    def stated(self, tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        """State in every row that it is independent in images only, where no recordings stand apart."""
        if self.halves_of is not None:
            return dict(tables)
        return {
            kind: table.assign(independent_data=False) if "independent_data" in table else table
            for kind, table in tables.items()
        }

    @property
    def _images(self) -> bool:
        return self.images_held_out and self.evaluated_on == "held_out"


#: Of what nobody's recordings or judgements have shaped, such as plain CLIP.
UNTRAINED = Independence(images=True, data=True, people=True)


@dataclass(frozen=True)
class Procedure:
    """How RDMs are compared, and how sure one is of the result.

    Attributes
    ----------
    comparison
        Spearman or Pearson correlation, or cosine.
    resamples
        Of the bootstrap behind every interval.
    permutations
        Random relabellings behind every p that is made by relabelling.
    seed
        Of both.
    """

    comparison: Comparison
    resamples: int
    permutations: int
    seed: int

    def bootstrap(self) -> dict[str, Any]:
        """Give the arguments of functions that resample."""
        return {"comparison": self.comparison, "resamples": self.resamples, "seed": self.seed}

    def relabelling(self) -> dict[str, int]:
        """Give the arguments of functions that relabel."""
        return {"permutations": self.permutations, "seed": self.seed}


@dataclass(frozen=True)
class Finding:
    """One row of the summary.

    Attributes
    ----------
    metric, model, participant
        What was measured, of which model, for whom; no participant: the mean over all, or nobody.
    estimate
        A scalar.
    varies
        Over what the interval generalises.
    independence
        Of the model from images, data and people.
    p
        Of the permutation test.
    test
        What that test exchanges: over this the p generalises, all else being fixed.
    p_people
        Of flipping the signs of participants, for these very images, beside a test over images.
    """

    metric: str
    model: str
    estimate: Estimate
    varies: str
    independence: Independence
    participant: str | None = None
    p: float = np.nan
    test: str | None = None
    p_people: float = np.nan

    def row(self) -> dict[str, str | float | bool | None]:
        """Give it as a row of a table of kind ``summary``, but for its q."""
        numbers = {name: float(value) for name, value in self.estimate.columns().items()}
        numbers |= {"p": float(self.p), "p_people": float(self.p_people)}
        texts = {name: getattr(self, name) for name in ("metric", "model", "participant", "varies", "test")}
        return {**texts, **numbers, **self.independence.columns()}


def tabulate(findings: Sequence[Finding], *, images: int, people: int) -> pd.DataFrame:
    """Tabulate findings.

    Parameters
    ----------
    findings
        All from one evaluation.
    images, people
        How many images, and how many participants or judges, it has.

    Returns
    -------
    DataFrame
        Table of kind ``summary``. ``q`` is the p of a participant corrected for the number of participants with the
        same metric (false discovery rate; Benjamini & Hochberg 1995).
    """
    frame = pd.DataFrame([finding.row() for finding in findings]).assign(images=images, people=people)
    each = frame[frame["participant"].notna()]
    frame["q"] = each.groupby(["metric"])["p"].transform(falsely_discovered)
    return frame[list(COLUMNS["summary"])]


def falsely_discovered(p: pd.Series) -> pd.Series:
    """Correct the p values of tests that stand side by side (Benjamini & Hochberg 1995); those missing stay so."""
    tested = p.dropna()
    return pd.Series(false_discovery_control(tested) if len(tested) else [], tested.index, float).reindex(p.index)
