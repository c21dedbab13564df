"""How often the tests find something where there is nothing, and how often they find what the demo study has.

    python -m tests.benchmarks.calibration [--quick]

RDMs are made of random positions of stimuli, some of which stand apart from all others, so that pairs with a common
stimulus hang together as in real RDMs, in what is measured and in what a model predicts. The last line of the output
is one JSON object:

- tests: names, "test: what is the same, or missing"
- data_sets: simulated for each of them
- shares: name to the share of p <= 0.05 where there is nothing to find
- attainable: name to the greatest share that is not above 0.05, for a test that has few different p
- bounds: name to the 99.9 % binomial interval around that, corrected for the number of tests; from 0 where a test of
  two models that do align is allowed to be cautious
- within_bounds: whether all shares are
- power: name to the share of p <= 0.05 where there is what was measured on the demo study
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import mne
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cliphba import rdm
from cliphba.evaluate import odd_one_out as triplets
from cliphba.evaluate import permutation, personal, recovery, second_order
from cliphba.evaluate.alignment import area_under_curve
from cliphba.evaluate.permutation import ALPHA

Reals = NDArray[np.float64]

STIMULI, DIMENSIONS, PEOPLE = 20, 4, 6
TIMES_MS = np.arange(50.0, 250.0, 50.0)
# a twentieth of them is a whole number
PERMUTATIONS = 240
# Data sets at once: some ten megabytes.
BLOCK = 250

# Measured on the demo study: 6 people, 80 test images; means and standard deviations over people.
IMAGES, MANY_PEOPLE = 80, 16
GROUP_AREA, GROUP_AREA_SD = 70.3, 33.8
GAIN_OVER_CLIP, GAIN_OVER_CLIP_SD = 36.5, 36.0
GAIN_OVER_GROUP, GAIN_OVER_GROUP_SD = 12.0, 10.9
# the latter at single times, in rho, with what varies between times and people
CURVE_GAIN, CURVE_GAIN_SD, CURVE_NOISE, CURVE_SAMPLES = 0.020, 0.018, 0.038, 30
# mean rho after onset of personal, group and CLIP models; their RDMs' correlations with those of the group model
OWN_RHO, GROUP_RHO, CLIP_RHO = 0.136, 0.117, 0.056
OWN_LIKE_GROUP, CLIP_LIKE_GROUP = 0.83, 0.40
PEOPLE_ALIKE = 0.24
# identification: how far own cells exceed others, and how these scatter before double-centring
MARGIN, CELL_SD = 0.046, 0.024
GAIN_RECOVERY, FACTORS = 0.44, 24
PEOPLE_AGREEMENT = 0.82

logger = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """What a test says of simulated data sets.

    Attributes
    ----------
    p
        (data sets,)
    attainable
        Share of p at or below `ALPHA` that few different p allow where there is nothing to find.
    cautious
        Whether the share may be smaller than that.
    """

    p: Reals
    attainable: float = ALPHA
    cautious: bool = False


Setting = Callable[[np.random.Generator, int], Mapping[str, Outcome]]


def scatter(random: np.random.Generator, *shape: int, stimuli: int = STIMULI) -> Reals:
    """Positions (..., stimuli, dimensions), those of some stimuli far from all others."""
    distinctness = np.exp(0.4 * random.normal(size=(*shape, stimuli, 1)))
    return random.normal(size=(*shape, stimuli, DIMENSIONS)) * distinctness


def units(*positions: Reals) -> Reals:
    """Standardised ranks (..., pairs) of distances by all positions (..., stimuli, dimensions) together."""
    squared = sum((squared_distances(each) for each in positions), np.zeros(()))
    # such distances do not tie
    return rdm.standardise(rdm.to_triangle(squared).argsort(-1).argsort(-1).astype(np.float64))


def squared_distances(positions: Reals) -> Reals:
    """(..., stimuli, dimensions) to (..., stimuli, stimuli)."""
    products = positions @ positions.swapaxes(-1, -2)
    length: Reals = np.einsum("...ii->...i", products)
    return length[..., None] + length[..., None, :] - 2 * products


def attained(null: Reals) -> float:
    """Share of p up to `ALPHA`, were each of the labellings of a statistic (permutations, data sets) the true one."""
    p = stats.rankdata(-np.round(np.abs(null), 9), method="max", axis=0) / len(null)
    return float((p <= ALPHA).mean())


def relabelled(null: Reals) -> Outcome:
    """Outcome of a statistic under relabelling, (permutations, data sets)."""
    return Outcome(permutation.relabelled_p(null), attained(null))


def corrected(null: Reals) -> Outcome:
    """Outcome of the smallest of the p of all times, (permutations, data sets, times)."""
    return Outcome(permutation.corrected_p(null).min(-1), attained(np.abs(null).max(-1)))


# where there is nothing to find


def signs_of_people(random: np.random.Generator, data_sets: int) -> Mapping[str, Outcome]:
    """Alignment of people with a model that knows nothing; they have nothing in common, as the images are fixed."""
    found = {}
    for people, attainable in ((PEOPLE, 2 / 2**PEOPLE), (15, ALPHA)):
        model, measured = units(scatter(random, data_sets, 1, 1)), units(scatter(random, data_sets, people, 2))
        areas = area_under_curve((model * measured).sum(-1), TIMES_MS[:2])
        found[f"sign flips, {people} people: no signal"] = Outcome(permutation.sign_flip_p(areas, seed=0), attainable)
    return found


def clusters_of_times(random: np.random.Generator, data_sets: int) -> Mapping[str, Outcome]:
    """Smooth curves of alignment without any; no cluster can form where even equal signs give none."""
    positions = scatter(random, data_sets, PEOPLE, 12)
    smooth = positions[:, :, 1:] + positions[:, :, :-1]
    curves = (units(scatter(random, data_sets, 1, 1)) * units(smooth)).sum(-1)
    p = smallest_of_clusters(curves)
    greatest = np.max(stats.ttest_1samp(np.abs(curves), 0, axis=1).statistic, axis=-1)
    forming = (greatest > stats.t.ppf(1 - ALPHA / 2, PEOPLE - 1)).mean()
    return {f"sign-flip clusters, {PEOPLE} people: no signal": Outcome(p, float(forming) * 2 / 2**PEOPLE)}


def smallest_of_clusters(curves: Reals) -> Reals:
    """Smallest p over times, (data sets, people, times) to (data sets,)."""
    mne.set_log_level("error")
    # threads, as MNE's progress bar sleeps for a thirtieth of a second even if it is not shown
    with ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda each: permutation.sign_flip_clusters(each, seed=0).p.min(), curves)
        return np.array(list(found))


def labels_of_images(random: np.random.Generator, data_sets: int) -> Mapping[str, Outcome]:
    """People who have much in common, none of it with the model."""
    model, truth = units(scatter(random, data_sets, 1)), scatter(random, data_sets, 1, 1)
    people = units(truth, scatter(random, data_sets, PEOPLE, len(TIMES_MS)))

    def relabel(measured: Reals) -> Reals:
        return permutation.relabel(model, measured, permutations=PERMUTATIONS, seed=0)

    one = relabel(people[:, 0])
    each = permutation.relabelled_p(relabel(units(scatter(random, data_sets, PEOPLE))))
    return {
        "image labels, one person: no signal": relabelled(one[..., 0]),
        "image labels, area of one person: no signal": relabelled(area_under_curve(one, TIMES_MS)),
        "image labels, largest of all times of one person: no signal": corrected(one),
        "image labels, mean of 4 people: no signal": relabelled(relabel(people[:, :4].mean(1))[..., 0]),
        "false discovery rate, 6 people: no signal": Outcome(stats.false_discovery_control(each, axis=-1).min(-1)),
    }


def shuffled_images(random: np.random.Generator, data_sets: int) -> Mapping[str, Outcome]:
    """A model that knows the truth, whose images are mixed up."""
    truth, order = scatter(random, data_sets), random.permuted(np.tile(np.arange(STIMULI), (data_sets, 1)), axis=1)
    shuffled = np.take_along_axis(truth, order[..., None], axis=1)
    model, measured = units(shuffled)[:, None], units(truth, scatter(random, data_sets))[:, None]
    null = permutation.relabel(model, measured, permutations=PERMUTATIONS, seed=0)[..., 0]
    judged = np.stack(
        [
            triplets.relabel(one, judge(random, positions), permutations=PERMUTATIONS, seed=0)
            for one, positions in zip(model[:, 0], truth, strict=True)
        ],
        axis=1,
    )
    return {
        "image labels, one person: shuffled images": relabelled(null),
        "odd one out: shuffled images": relabelled(judged),
    }


def judge(random: np.random.Generator, positions: Reals, judgements: int = 300) -> triplets.Judgements:
    """Noisy judgements by the distances of positions (stimuli, dimensions)."""
    chosen = random.random((judgements, len(positions))).argpartition(3, axis=1)[:, :3]
    pairs = positions[chosen[:, [0, 0, 1]]] - positions[chosen[:, [1, 2, 2]]]
    nearest = ((pairs**2).sum(-1) * random.lognormal(size=(judgements, 3))).argmin(1)
    kept_first = np.take_along_axis(chosen, np.array([[0, 1, 2], [0, 2, 1], [1, 2, 0]])[nearest], axis=1)
    stimuli = tuple(str(stimulus) for stimulus in range(len(positions)))
    return triplets.Judgements(stimuli, kept_first, (), np.zeros(judgements, dtype=np.intp))


def two_models(signal: float, called: str) -> Setting:
    """Two models alike in what they know of the truth and in much else."""

    def simulate(random: np.random.Generator, data_sets: int) -> Mapping[str, Outcome]:
        truth, common = (scatter(random, data_sets, 1) for _ in range(2))
        first, second = (units(signal * truth, common, scatter(random, data_sets, 1)) for _ in range(2))
        people = units(truth[:, None], scatter(random, data_sets, 4, len(TIMES_MS)))

        def contrast(measured: Reals) -> Reals:
            return permutation.relabel_contrast(first, second, measured, permutations=PERMUTATIONS, seed=0)

        one, mean = contrast(people[:, 0]), contrast(people[:, :, :1].mean(1))[..., 0, :]
        area = area_under_curve(one.swapaxes(-1, -2), TIMES_MS)
        # that ranks hang on each other makes standard errors too large where alignment is strong
        found = {
            "one person": relabelled(permutation.studentise(one[..., 0, :])),
            "area of one person": relabelled(permutation.studentise(area)),
            "largest of all times of one person": corrected(permutation.studentise(one)),
            "mean of 4 people": relabelled(permutation.studentise(mean)),
        }
        return {
            f"two models, {name}: {called}": outcome._replace(cautious=signal > 0) for name, outcome in found.items()
        }

    return simulate


def assignment_of_people(random: np.random.Generator, data_sets: int) -> Mapping[str, Outcome]:
    """Good models of good data of people who do not differ."""
    truth, times = scatter(random, data_sets, 1, 1), len(TIMES_MS)
    models, people = (units(truth, 0.7 * scatter(random, data_sets, PEOPLE, times)) for _ in range(2))
    matrices = np.einsum("dptk,dqtk->dtpq", models, people)
    found = personal.identify(matrices.mean(1), seed=0)
    order = permutation.labellings(PEOPLE, personal.RANDOM_PERMUTATIONS, seed=0)
    hits = personal.row_maxima(personal.double_centre(matrices.mean(1)))[:, np.arange(PEOPLE), order].sum(-1)
    spaces = [1 - rdm.to_triangle(np.einsum("dptk,dqtk->dpq", each, each) / times) for each in (models, people)]
    p = second_order.permutation_p(*spaces, permutations=len(order), seed=0)
    # few pairs of people have many ties of rank sums
    ranked = rdm.ranks(random.normal(size=(2, data_sets, 1, rdm.pair_count(PEOPLE))))
    null = permutation.relabel(*ranked, permutations=len(order), seed=0)[..., 0]
    called = "no individual differences"
    return {
        f"identification accuracy: {called}": Outcome(found.accuracy_p, attained(hits.T)),
        f"identification margin: {called}": Outcome(found.margin_p),
        f"identification margin, largest of all times: {called}": Outcome(
            personal.corrected_margin_p(matrices, seed=0).min(-1)
        ),
        f"second-order RSA: {called}": Outcome(p, attained(null)),
    }


def recovered_gains(random: np.random.Generator, data_sets: int) -> Mapping[str, Outcome]:
    """Weights of factors that have nothing to do with the gains of people."""
    weights, gains = random.normal(size=(data_sets, PEOPLE, FACTORS)), random.normal(size=(PEOPLE, FACTORS))
    return {"recovery of gains: no individual differences": Outcome(recovery.recovery_p(weights, gains, seed=0))}


NULLS: tuple[Setting, ...] = (
    signs_of_people,
    clusters_of_times,
    labels_of_images,
    shuffled_images,
    two_models(0, "no signal"),
    two_models(1, "equally aligned"),
    two_models(2, "equally and strongly aligned"),
    assignment_of_people,
    recovered_gains,
)


# where there is what the demo study has


def differing_people(random: np.random.Generator, data_sets: int) -> Mapping[str, Outcome]:
    """Areas, and differences of areas, of six people; and of more, to see how many it takes."""
    effects = {
        "group model": (GROUP_AREA, GROUP_AREA_SD),
        "group - CLIP": (GAIN_OVER_CLIP, GAIN_OVER_CLIP_SD),
        "personal - group": (GAIN_OVER_GROUP, GAIN_OVER_GROUP_SD),
    }
    found = {
        f"sign flips, {people} people: {name}": Outcome(
            permutation.sign_flip_p(random.normal(*effect, size=(data_sets, people)), seed=0)
        )
        for people in (PEOPLE, MANY_PEOPLE)
        for name, effect in effects.items()
    }
    people = random.normal(CURVE_GAIN, CURVE_GAIN_SD, size=(data_sets, PEOPLE, 1))
    curves = people + CURVE_NOISE * random.normal(size=(data_sets, PEOPLE, CURVE_SAMPLES))
    return {**found, "sign-flip clusters, 6 people: personal - group": Outcome(smallest_of_clusters(curves))}


def aligned_models(random: np.random.Generator, data_sets: int) -> Mapping[str, Outcome]:
    """People, each with a personal model, and the group and CLIP models."""

    def directions(*shape: int) -> Reals:
        return units(scatter(random, *shape, stimuli=IMAGES))

    group, apart, further = directions(data_sets, 1), directions(data_sets, PEOPLE), directions(data_sets, 1)
    own, clip = mix(OWN_LIKE_GROUP, group, apart), mix(CLIP_LIKE_GROUP, group, further)
    # of single pairs, as that of the demo mostly is: relabelling its images gives rho the standard deviation 0.015
    shared, single = (random.normal(size=(data_sets, people, group.shape[-1])) for people in (1, PEOPLE))
    noise = mix(np.sqrt(PEOPLE_ALIKE), rdm.standardise(shared), rdm.standardise(single))
    known = [
        (GROUP_RHO, group),
        (weight_apart(OWN_RHO, OWN_LIKE_GROUP), apart),
        (weight_apart(CLIP_RHO, CLIP_LIKE_GROUP), further),
    ]
    left = np.sqrt(1 - sum(weight**2 for weight, _ in known))
    people = rdm.standardise(sum((weight * direction for weight, direction in known), left * noise))

    def better(first: Reals, second: Reals) -> Reals:
        contributions = permutation.relabel_contrast(first, second, people, permutations=PERMUTATIONS, seed=0)
        return permutation.relabelled_p(permutation.studentise(contributions.mean(-2)))

    one = permutation.relabel(own[:, :1], people[:, :1], permutations=PERMUTATIONS, seed=0)[..., 0]
    return {
        "image labels, one person: personal model": Outcome(permutation.relabelled_p(one)),
        "two models, mean of 6 people: group - CLIP": Outcome(better(group, clip)),
        "two models, mean of 6 people: personal - group": Outcome(better(own, group)),
    }


def mix(correlation: float, first: Reals, second: Reals) -> Reals:
    """What correlates so with the first, being made of both."""
    return rdm.standardise(correlation * first + np.sqrt(1 - correlation**2) * second)


def weight_apart(rho: float, like_group: float) -> float:
    """Weight of what a model has apart from the group model, for it to align so."""
    return float((rho - GROUP_RHO * like_group) / np.sqrt(1 - like_group**2))


def identified_people(random: np.random.Generator, data_sets: int) -> Mapping[str, Outcome]:
    """People whose models know them, and their gains."""
    matrices = MARGIN * np.eye(PEOPLE) + CELL_SD * random.normal(size=(data_sets, PEOPLE, PEOPLE))
    found = personal.identify(matrices, seed=0)
    gains = random.normal(size=(PEOPLE, FACTORS))
    recovered = mixed_noise(random, gains, GAIN_RECOVERY, data_sets)
    space = random.normal(size=(1, rdm.pair_count(PEOPLE)))
    other = mixed_noise(random, space, PEOPLE_AGREEMENT, data_sets)[:, 0]
    permutations = personal.RANDOM_PERMUTATIONS
    return {
        "identification accuracy": Outcome(found.accuracy_p),
        "identification margin": Outcome(found.margin_p),
        "recovery of gains": Outcome(recovery.recovery_p(recovered, gains, seed=0)),
        "second-order RSA": Outcome(second_order.permutation_p(space, other, permutations=permutations, seed=0)),
    }


def mixed_noise(random: np.random.Generator, truth: Reals, correlation: float, data_sets: int) -> Reals:
    """Estimates of a truth (people, ...) that correlate with it so on average."""
    noise = random.normal(size=(data_sets, *truth.shape))
    mixed: Reals = correlation * truth + np.sqrt(1 - correlation**2) * noise
    return mixed


EFFECTS: tuple[Setting, ...] = (differing_people, aligned_models, identified_people)


def gather(setting: Setting, data_sets: int) -> dict[str, Outcome]:
    """Simulate a setting block by block, each with a seed of its own."""
    sizes = [min(BLOCK, data_sets - start) for start in range(0, data_sets, BLOCK)]
    blocks = [setting(np.random.default_rng(block), size) for block, size in enumerate(sizes)]
    return {
        name: Outcome(
            np.concatenate([block[name].p for block in blocks]),
            float(np.average([block[name].attainable for block in blocks], weights=sizes)),
            blocks[0][name].cautious,
        )
        for name in blocks[0]
    }


def found_share(p: Reals) -> float:
    """Share of p that are significant."""
    return float((p <= ALPHA).mean())


def bounds(outcome: Outcome, tests: int) -> tuple[float, float]:
    """Interval in which the share of a calibrated test lies with 99.9 %, for all of so many tests together."""
    data_sets = len(outcome.p)
    low, high = stats.binom.interval(1 - 0.001 / tests, data_sets, outcome.attainable)
    return 0.0 if outcome.cautious else float(low / data_sets), float(high / data_sets)


def calibrate(settings: Sequence[Setting], data_sets: Callable[[Setting], int]) -> dict[str, Any]:
    """Simulate settings without anything to find."""
    outcomes: dict[str, Outcome] = {}
    for setting in settings:
        outcomes |= gather(setting, data_sets(setting))
        logger.info("null: %d tests", len(outcomes))
    shares = {name: found_share(outcome.p) for name, outcome in outcomes.items()}
    limits = {name: bounds(outcome, len(outcomes)) for name, outcome in outcomes.items()}
    return {
        "tests": list(outcomes),
        "data_sets": {name: len(outcome.p) for name, outcome in outcomes.items()},
        "shares": shares,
        "attainable": {name: outcome.attainable for name, outcome in outcomes.items()},
        "bounds": limits,
        "within_bounds": all(low <= shares[name] <= high for name, (low, high) in limits.items()),
    }


def power(data_sets: int) -> dict[str, float]:
    """Share of data sets in which what the demo has is found."""
    found: dict[str, float] = {}
    for setting in EFFECTS:
        found |= {name: found_share(outcome.p) for name, outcome in gather(setting, data_sets).items()}
        logger.info("power: %d tests", len(found))
    return found


def rounded(value: Any) -> Any:
    """Numbers as they are read."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, str):
        return [rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


def main() -> None:
    """Run, and write one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="1000 data sets for each test: under 50 seconds")
    quick = parser.parse_args().quick
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    found = calibrate(NULLS, lambda _: 1000 if quick else 10_000)
    found["power"] = power(100 if quick else 1000)
    sys.stdout.write(json.dumps(rounded(found)) + "\n")


if __name__ == "__main__":
    main()
