"""Figures of data quality, behaviour, people and controls, each from a small table made by hand."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from cliphba.evaluate.ablation import AS_CONFIGURED
from cliphba.evaluate.efficiency import MINUTES, TRAINING_IMAGES
from cliphba.evaluate.findings import ASSIGNMENT, LABELS
from cliphba.evaluate.held_out_participants import HELD_OUT
from cliphba.figures import (
    ablation,
    data_efficiency,
    data_quality,
    differences,
    dynamic_behavior,
    held_out_participants,
    individuals,
    latencies,
    odd_one_out,
    second_order,
    style,
    summary,
)
from tests.legible import assert_legible

TIMES = np.array([-20.0, 0.0, 20.0, 40.0, 60.0])
RESPONSE = TIMES[TIMES > 0]
NOTE = "Simulated data"
# as many as a page must hold
SIZES = pytest.mark.parametrize("people", [3, 6, 15])
STATED = {"images": 40, "settings": {"evaluated_on": "held_out"}}


def named(count):
    return [f"sub-{number:02d}" for number in range(1, count + 1)]


def stated(frame):
    frame.attrs |= STATED
    return frame


def of_halves(frame, parts):
    """Say of a table what the halves of the data are made of."""
    frame.attrs |= {**STATED, "settings": {**STATED["settings"], "halves_of": parts}}
    return frame


def estimates(rows, columns):
    """Rows of which the last entry is a value, with an interval of 0.1 to either side."""
    frame = pd.DataFrame(rows, columns=[*columns, "value"])
    return frame.assign(low=frame["value"] - 0.1, high=frame["value"] + 0.1)


def scattered(axes):
    return [one for one in axes.collections if isinstance(one, PathCollection)]


def dots(axes, colour):
    """Where the large dots of a colour are."""
    return [
        tuple(map(float, place))
        for one in scattered(axes)
        if one.get_sizes()[0] > 20 and len(one.get_offsets())
        for place, edge in zip(np.ma.filled(one.get_offsets(), np.nan), one.get_edgecolors(), strict=True)
        if to_hex(edge) == colour.lower()
    ]


def titled(figure, title):
    return next(axes for axes in figure.axes if axes.get_title("left").startswith(title))


def line(axes, colour):
    return next(one for one in axes.lines if one.get_color() == colour and len(one.get_xdata()) > 2)


def decoding(names):
    rows = [
        (name, half, time, 0.5 + 0.1 * (time == 20) + 0.02 * (half == "test") * (time == 40))
        for name in names
        for half in ("train", "test")
        for time in TIMES
    ]
    table = pd.DataFrame(rows, columns=["participant", "half", "time_ms", "value"])
    return stated(table.assign(quantity="decoding accuracy", chance=0.5))


def reliability(names):
    rows = [(name, time, 0.4 * (time > 0)) for name in names for time in TIMES]
    return stated(pd.DataFrame(rows, columns=["participant", "time_ms", "correlation"]))


def trials(names):
    kept = {"session": ["ses-01", "ses-02"], "recorded": [200, 100], "kept": [180, 99]}
    return {name: pd.DataFrame(kept).assign(participant=name) for name in names}


@SIZES
def test_data_quality_has_a_row_a_participant(people):
    names = named(people)
    figure = data_quality.draw(trials(names), decoding(names), reliability(names), note=NOTE)
    written = assert_legible(figure)
    assert {*names, NOTE, "Trials kept (%)", "Decoding accuracy (%)", "Spearman ρ"} <= set(written)
    kept, peak, halves = figure.axes[:3]
    assert [list(one.get_xdata()) for one in kept.lines] == [[90, 99]] * people
    np.testing.assert_allclose(peak.collections[0].get_offsets(), [(60, row) for row in range(people)])
    np.testing.assert_allclose(halves.collections[0].get_array(), [[0, 0, 0.4, 0.4, 0.4]] * people)


def test_sessions_with_few_trials_are_not_cut_off():
    bad = {"sub-01": pd.DataFrame({"recorded": [100, 100], "kept": [30, 100]})}
    axes = data_quality.draw(bad, decoding(["sub-01"]), reliability(["sub-01"])).axes[0]
    assert axes.get_xlim()[0] < 30


def judged(names, *, ceiling=True):
    """A summary of agreement with human judgements."""
    rows = [("behavior_rho", "clip", 0.3), ("behavior_rho", "behavior", 0.7), ("behavior_rho", "group", 0.4)]
    rows += [("behavior_rho", name, 0.4) for name in names]
    if ceiling:
        rows += [("behavior_rho", "lower ceiling", 0.8), ("behavior_rho", "upper ceiling", 0.9)]
    return estimates(rows, ["metric", "model"])


def course(names):
    rows = [(model, time, time / 100) for model in ("group", *names) for time in RESPONSE]
    return stated(estimates(rows, ["model", "time_ms"]))


@SIZES
def test_dynamic_behavior_names_all_it_shows(people):
    names = named(people)
    figure = dynamic_behavior.draw(course(names), judged(names), note=NOTE)
    written = assert_legible(figure)
    title = f"40 held-out images; models of a group and of {people} people"
    labels = {"CLIP", "Behavior model", "Group MEG model", "Personal models", "noise ceiling"}
    assert {title, NOTE, *labels} <= set(written)
    axes = figure.axes[0]
    np.testing.assert_allclose(line(axes, style.COLOURS["group"]).get_ydata(), RESPONSE / 100)
    assert sum(one.get_color() == style.COLOURS["personal"] for one in axes.lines) == people
    static = [one for one in axes.lines if one.get_color() == style.COLOURS["behavior"]]
    assert list(static[0].get_ydata()) == [0.7, 0.7]


def test_dynamic_behavior_does_without_a_ceiling():
    written = assert_legible(dynamic_behavior.draw(course(["sub-01"]), judged(["sub-01"], ceiling=False)))
    assert "noise ceiling" not in written


def accuracies(names, *, judges=("a", "b"), ceiling=True):
    models = {"clip": 0.5, "behavior": 0.6, "group": 0.45, **dict.fromkeys(names, 0.5), "embedding": 0.7}
    if ceiling:
        models |= {"another judge": 0.7, "lower ceiling": 0.7, "upper ceiling": 0.8}
    rows = [
        (model, judge, share + 0.05 * (judge == "a")) for model, share in models.items() for judge in (None, *judges)
    ]
    return stated(estimates(rows, ["model", "judge"]).assign(judgements=12345))


@SIZES
def test_odd_one_out_has_a_row_a_model_with_all_its_judges(people):
    names = named(people)
    figure = odd_one_out.draw(accuracies(names), note=NOTE)
    written = assert_legible(figure)
    assert {"12,345 judgements of 40 held-out images, 2 judges (small dots)", "chance", "human ceiling"} <= set(
        written
    )
    axes = figure.axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["CLIP", "Behavior model", "Group MEG model", *(f"Model of {name}" for name in names),
                      "Behavioural embedding", "Another judge"]  # fmt: skip
    assert dots(axes, style.COLOURS["behavior"]) == [(60, 1)]
    small = [one.get_offsets()[:, 0] for one in scattered(axes) if one.get_sizes()[0] < 20]
    np.testing.assert_allclose(small[1], [65, 60])


def test_what_is_below_chance_is_not_cut_off():
    found = accuracies(["sub-01"])
    found.loc[found["model"] == "group", ["value", "low", "high"]] = 0.2, 0.1, 0.3
    axes = odd_one_out.draw(stated(found)).axes[0]
    assert axes.get_xlim()[0] < 10


def test_odd_one_out_does_without_judges_and_ceiling():
    written = assert_legible(odd_one_out.draw(accuracies(["sub-01"], judges=(), ceiling=False)))
    assert "12,345 judgements of 40 held-out images" in written
    assert "human ceiling" not in written


def onsets(names):
    rows = [
        (curve, participant, quantity, 100.0 if quantity == "onset" else 200.0, 80.0, 220.0)
        for curve in ("decoding", "clip", "behavior", "group")
        for participant in (None, *names)
        for quantity in (["peak"] if curve == "group" else ["onset", "peak"])
    ]
    table = pd.DataFrame(rows, columns=["curve", "participant", "quantity", "value", "low", "high"])
    never = (table["curve"] == "clip") & (table["participant"] == names[0]) & (table["quantity"] == "onset")
    table.loc[never, ["value", "high"]] = np.nan
    return stated(table)


def of_personal_models(group):
    return group[group["curve"] == "group"].assign(curve="personal")


@SIZES
def test_latencies_are_shown_with_their_intervals(people):
    group = onsets(named(people))
    figure = latencies.draw(group, of_personal_models(group), note=NOTE)
    written = assert_legible(figure)
    assert written.count("without a baseline there is no onset") == 2
    assert any(text.startswith(f"{people} participants, 40 held-out images") for text in written)
    onset, peak = figure.axes
    assert dots(onset, style.COLOURS["clip"]) == [(100, 1)]
    assert dots(peak, style.COLOURS["personal"]) == [(200, 4)]


def test_an_interval_without_an_end_goes_on_to_an_arrow_at_the_edge():
    group = onsets(named(3))
    axes = latencies.draw(group, of_personal_models(group)).axes[0]
    edge = axes.get_xlim()[1]
    arrows = [place for one in scattered(axes) for place in one.get_offsets() if place[0] == edge]
    lines = [path.vertices[:, 0].tolist() for one in axes.collections for path in one.get_paths()]
    # that of the one participant whose curve never sets in
    assert len(arrows) == 1
    assert lines.count([80, edge]) == 1


def alignments(names):
    """Of each personal model with each participant, of the group model, and their difference."""
    own = [(model, who, time, 0.3 if model == who else 0.1) for model in names for who in names for time in TIMES]
    own = pd.DataFrame(own, columns=["model", "participant", "time_ms", "rho"])
    own = own.assign(low=own["rho"] - 0.1, high=own["rho"] + 0.1)
    own["p"] = np.where((own["model"] == own["participant"]) & (own["time_ms"] == 40), 0.01, 0.5)
    group = own[own["model"] == names[0]].assign(model="group", rho=0.2)
    gain = group[group["participant"] == names[0]].rename(columns={"rho": "value"}).drop(columns="model")
    gains = [gain.assign(participant=who, contrast="personal - group", p=0.5) for who in (None, *names)]
    return stated(own), group, pd.concat(gains)


def own_ceiling(names):
    rows = [(who, time, bound, 0.4 + 0.2 * (bound == "upper")) for who in (None, *names) for time in TIMES
            for bound in ("lower", "upper")]  # fmt: skip
    return pd.DataFrame(rows, columns=["participant", "time_ms", "bound", "value"])


def gained(names):
    rows = [("own_alignment_gain", name, name, 10.0 + number) for number, name in enumerate(names)]
    rows += [("own_alignment_gain", "personal - group", None, 12.0)]
    found = estimates(rows, ["metric", "model", "participant"])
    return found.assign(p=0.0001, q=np.where(found["participant"].notna(), 0.04, np.nan), p_people=0.0625)


@SIZES
def test_each_person_has_a_panel_and_a_gain(people):
    names = named(people)
    own, group, gain = alignments(names)
    figure = individuals.draw(own, group, own_ceiling(names), gain, gained(names), note=NOTE)
    written = assert_legible(figure)
    assert {*names, NOTE, "40 held-out images", "q = 0.040", "p < 0.001 (images)\np = 0.062 (people)"} <= set(written)
    panel = titled(figure, names[1])
    np.testing.assert_allclose(line(panel, style.COLOURS["personal"]).get_ydata(), 0.3)
    np.testing.assert_allclose(line(panel, style.COLOURS["group"]).get_ydata(), 0.2)
    limits = {titled(figure, name).get_ylim() for name in names}
    assert len(limits) == 1
    gains = figure.axes[-1]
    assert dots(gains, style.COLOURS["personal"]) == [(10 + row, row) for row in range(people)]
    assert dots(gains, "#000000") == [(12, people)]


def spaces(names):
    pairs = [(first, second) for first in names for second in names if first < second]
    random = np.random.default_rng(0)
    parts = [
        pd.DataFrame(pairs, columns=["first", "second"]).assign(
            space=space, dissimilarity=random.uniform(size=len(pairs))
        )
        for space in ("models", "MEG", "MEG, other half")
    ]
    return stated(pd.concat(parts))


def second_order_found():
    rows = [("second_order_rho", "personal", 0.8), ("second_order_rho", "model-free", 0.9)]
    return estimates(rows, ["metric", "model"]).assign(p=0.01)


@pytest.mark.parametrize("people", [6, 15])
def test_spaces_are_compared_beyond_what_is_common_to_all(people):
    names, found = named(people), spaces(named(people))
    figure = second_order.draw(found, second_order_found(), note=NOTE)
    written = assert_legible(figure)
    assert "Personal models\nρ = 0.80 [0.70, 0.90]\np = 0.010" in written
    assert "MEG, other half\nρ = 0.90 [0.80, 1.00]\np = 0.010" in written
    squares = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    measured = found.loc[found["space"] == "MEG", "dissimilarity"].to_numpy()
    np.testing.assert_allclose(squares[0][np.triu_indices(people, k=1)], measured)
    below = squares[3][np.triu_indices(people, k=1)]
    np.testing.assert_allclose(np.sort(below), np.linspace(0, 100, len(measured)))
    assert len(squares) == 6
    assert written.count(names[0]) == 2


def test_people_whose_models_hardly_differ_have_a_legible_scale():
    found = spaces(named(6))
    found["dissimilarity"] = 0.00045 + 0.0001 * found["dissimilarity"]
    assert_legible(second_order.draw(stated(found), second_order_found(), note=NOTE))


def test_spaces_of_few_people_are_not_compared_and_the_figure_says_why():
    nothing = second_order_found().iloc[:0]
    written = assert_legible(second_order.draw(spaces(named(3)), nothing, note=NOTE))
    assert "Not compared: that needs 5 or more participants, here are 3." in written


def differing(*, dimensions=4, blocks=3, enough=True):
    times = estimates([(time, time / 100) for time in RESPONSE], ["time_ms"]).assign(
        aspect="time", quantity="margin", p=np.where(RESPONSE == 40, 0.01, 0.5)
    )
    lost = estimates([(f"dimension {number}", number / 100) for number in range(dimensions)], ["item"]).assign(
        aspect="dimension", quantity="margin lost", q=[0.04, *[0.5] * (dimensions - 1)]
    )
    spread = estimates([(str(block), 0.1 * block) for block in range(1, blocks + 1)], ["item"])
    weights = spread.assign(aspect="block", quantity="spread of weights")
    agreement = spread.assign(aspect="block", quantity="agreement with held-out MEG", q=0.5)
    return stated(pd.concat([times, lost, weights, *([agreement] if enough else [])]))


def test_differences_are_sorted_and_hollow_where_not_significant():
    figure = differences.draw(differing(), note=NOTE)
    assert_legible(figure)
    axes = titled(figure, "In which dimensions (all 4)")
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [f"dimension {number}" for number in (3, 2, 1, 0)]
    (found,) = scattered(axes)
    np.testing.assert_allclose(found.get_offsets()[:, 0], [0.03, 0.02, 0.01, 0])
    assert [to_hex(colour) for colour in found.get_facecolors()] == ["#ffffff"] * 3 + [differences.COLOUR.lower()]
    spread = titled(figure, "In which blocks")
    np.testing.assert_allclose([bar.get_width() for bar in spread.patches], [0.1, 0.2, 0.3])


def test_of_many_dimensions_those_that_matter_most_are_shown():
    figure = differences.draw(differing(dimensions=66, blocks=24), note=NOTE)
    assert_legible(figure)
    axes = titled(figure, "In which dimensions (20 of 66)")
    assert axes.get_yticklabels()[0].get_text() == "dimension 65"


def test_differences_of_few_people_say_what_cannot_be_known():
    written = assert_legible(differences.draw(differing(enough=False), note=NOTE))
    assert "needs 5 or more\nparticipants" in written


def sized(frame):
    frame.attrs |= {"participants": 6, "judges": 20, "images": 40}
    return frame


def ablated(*, seeds=True):
    variants = {"no_stage_2": 0.4, "individuals_start_from_behavior": -0.2}
    variants |= {"second_training": 0.1, "third_training": -0.3} if seeds else {}
    metrics = ablation.METRICS
    configured = estimates([(AS_CONFIGURED, metric, 0.5) for metric in metrics], ["variant", "metric"])
    reached = [(name, metric, worth) for name, worth in variants.items() for metric in metrics
               if (name, metric) != ("individuals_start_from_behavior", "behavior_rho")]  # fmt: skip
    worth = estimates(reached, ["variant", "metric"])
    renamed = worth.rename(columns={"value": "worth", "low": "worth_low", "high": "worth_high"})
    return sized(pd.concat([configured, renamed], ignore_index=True))


def test_ablations_stand_beside_what_other_seeds_do():
    figure = ablation.draw(ablated(), note=NOTE)
    written = assert_legible(figure)
    assert "Human judgements\n0.50 [0.40, 0.60]" in written
    assert any(text.endswith("6 participants, 20 judges, 40 test images.") for text in written)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["No stage 2", "Individuals start from Behavior", "Other seed of training", "Yet another seed"]
    human, group = figure.axes[:2]
    np.testing.assert_allclose(dots(group, style.COLOURS["group"]), [(0.4, 0), (-0.2, 1), (0.1, 2), (-0.3, 3)])
    # a metric that a variant does not reach has no dot there
    reached = [place for place in dots(human, style.COLOURS["behavior"]) if np.isfinite(place[0])]
    assert [row for _, row in reached] == [0, 2, 3]
    (band,) = group.patches
    assert (band.get_x(), band.get_width()) == pytest.approx((-0.3, 0.6))


def test_ablations_do_without_other_seeds():
    assert not ablation.draw(ablated(seeds=False)).axes[0].patches


def grown():
    personal = [(metric, amount, on, "personal", amount / 100) for metric in
                ("own_alignment_auc", "own_alignment_gain", "identification_margin", "identification_accuracy")
                for on, amount in [(MINUTES, 10.0), (MINUTES, 20.0), (TRAINING_IMAGES, 50.0)]]  # fmt: skip
    bound = [("identification_margin", amount, MINUTES, "model-free", 0.3) for amount in (20.0, 10.0)]
    static = [("behavior_rho", amount, TRAINING_IMAGES, "behavior", 0.7) for amount in (100.0, 1000.0)]
    return sized(estimates([*personal, *bound, *static], ["metric", "amount", "trained_on", "model"]))


def test_growth_with_data_has_a_panel_for_each_kind_and_metric():
    figure = data_efficiency.draw(grown(), note=NOTE)
    written = assert_legible(figure)
    assert {"Personal models", "Model-free (recordings)", "Behavior model", NOTE} <= set(written)
    assert "6 participants, 20 judges, 40 test images." in written
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_xlabel() for axes in shown] == ["Minutes of recording"] * 3 + ["Training images"] * 4
    margin = shown[1]
    courses = {one.get_color(): one.get_xydata().tolist() for one in margin.lines if one.get_marker() == "o"}
    assert courses == {
        style.COLOURS["personal"]: [[10, 0.1], [20, 0.2]],
        style.COLOURS["model-free"]: [[10, 0.3], [20, 0.3]],
    }
    assert margin.get_xlim()[1] > 20


def unseen(names):
    models = {HELD_OUT: 50.0, "group": 70.0, "behavior": 40.0, "clip": 30.0}
    differences = {f"{HELD_OUT} - {name}": 50 - area for name, area in models.items() if name != HELD_OUT}
    rows = [
        (model, participant, area + 5 * place)
        for model, area in {**models, **differences}.items()
        for place, participant in enumerate((None, *names))
    ]
    return estimates(rows, ["model", "participant"]).assign(p=0.0001, p_people=0.03125, images=40)


@SIZES
def test_people_never_seen_stand_beside_those_seen(people):
    figure = held_out_participants.draw(unseen(named(people)), note=NOTE)
    written = assert_legible(figure)
    assert f"{people} participants, 40 test images" in written
    assert written.count("p < 0.001 (images)\np = 0.031 (people)") == 3
    own, difference = figure.axes
    assert dots(own, style.COLOURS["group"]) == [(50, 0), (70, 1)]
    assert dots(difference, style.COLOURS["clip"]) == [(20, 2)]
    small = [one.get_offsets()[:, 0] for one in scattered(own) if one.get_sizes()[0] < 20]
    np.testing.assert_allclose(small[0], 50 + 5 * np.arange(1, people + 1))


def claims(names, *, few=False, judges=20):
    rows = [(metric, model, 0.5) for block in summary.BLOCKS for metric, model in block.rows]
    rows += [("behavior_rho", "lower ceiling", 0.8), ("behavior_rho", "upper ceiling", 0.9)]
    rows = [row for row in rows if not (few and row[0] == "second_order_rho")]
    found = estimates(rows, ["metric", "model"]).assign(participant=None, p=0.0001, p_people=0.03, test=LABELS)
    found.loc[found["metric"] == "identification_margin", ["test", "p", "p_people"]] = [ASSIGNMENT, 0.004, np.nan]
    judged = found["metric"].str.startswith(("behavior", "odd"))
    found = found.assign(images=np.where(judged, 30, 40), people=np.where(judged, judges, len(names)))
    each = found[found["metric"] == "identification_accuracy"]
    return pd.concat([found, *(each.assign(participant=name, value=0) for name in names)], ignore_index=True)


def test_summary_tells_value_and_both_p_of_each_finding():
    figure = summary.draw(claims(named(4)), note=NOTE)
    written = assert_legible(figure)
    assert {"Value [95 % interval]", "p (images)", "p (people)", "Personal − group", NOTE} <= set(written)
    sizes = "Judgements of 20 judges on 30 images; MEG of 4 participants on 40."
    assert any(text.startswith(sizes) for text in written)
    human, words = titled(figure, "Agreement with human judgements"), figure.axes[1]
    assert dots(human, style.COLOURS["clip"]) == [(0.5, 0)]
    (band,) = human.patches
    assert (band.get_x(), band.get_width()) == pytest.approx((0.8, 0.1))
    # behind three models, not behind the difference of two
    assert band.get_y() + band.get_height() == 2.5
    assert [text.get_text() for text in words.texts if text.xy[1] == 0] == ["0.50 [0.40, 0.60]", "< 0.001", "0.030"]
    # what is tested by exchanging people says nothing of other images
    margin = titled(figure, "Identification margin")
    beside = figure.axes[figure.axes.index(margin) + 1]
    assert [text.get_text() for text in beside.texts if text.xy[1] == 0] == ["0.500 [0.400, 0.600]", "–", "0.004"]
    chance = titled(figure, "Participants identified").lines[0]
    assert list(chance.get_xdata()) == [0.25, 0.25]


def test_what_could_not_be_measured_is_left_out_of_the_summary():
    figure = summary.draw(claims(named(4), few=True, judges=0))
    assert figure.get_suptitle().startswith("Judgements on 30 images; MEG")
    titles = [axes.get_title("left") for axes in figure.axes]
    assert not any(title.startswith("People as different") for title in titles)


@pytest.mark.parametrize(("parts", "mark"), [("sessions", "session"), ("runs", "run"), ("trials", "quarter")])
def test_data_quality_says_what_halves_are_made_of(parts, mark):
    names = named(3)
    written = assert_legible(data_quality.draw(trials(names), decoding(names), of_halves(reliability(names), parts)))
    assert {f"A mark each {mark}", f"Correlation of RDMs of two halves of the {parts}"} <= set(written)


@SIZES
def test_without_halves_people_have_no_ceiling_of_their_own(people):
    names = named(people)
    own, group, gain = alignments(names)
    ceiling = own_ceiling(names)
    mean = ceiling[ceiling["participant"].isna()]
    written = assert_legible(individuals.draw(of_halves(own, None), group, mean, gain, gained(names), note=NOTE))
    assert {"Alignment with MEG (ρ)", "40 held-out images", "own model"} <= set(written)
    assert "own noise ceiling" not in written


@SIZES
def test_without_halves_people_are_compared_in_models_and_recordings(people):
    found = spaces(named(people))
    found = of_halves(found[found["space"] != "MEG, other half"], None)
    figure = second_order.draw(found, second_order_found().iloc[: 1 if people > 4 else 0], note=NOTE)
    written = assert_legible(figure)
    assert {"MEG", "Personal models"} <= set(written)
    assert len([axes for axes in figure.axes if axes.images]) == (4 if people > 4 else 2)


def test_without_halves_no_recordings_are_called_held_out():
    frame = differing()
    frame["quantity"] = frame["quantity"].replace("agreement with held-out MEG", "agreement with MEG")
    figure = differences.draw(of_halves(frame, None), note=NOTE)
    written = assert_legible(figure)
    assert "Agreement with\nMEG (ρ)" in written
    assert "Weights and brains" in written


@pytest.mark.parametrize(
    ("judgements", "sizes"),
    [("rdm", "Judgements on 30 images; MEG of 4 participants on 40."), (None, "MEG of 4 participants on 40 images.")],
)
def test_summary_does_without_judgements_halves_and_truth(judgements, sizes):
    found = claims(named(4), judges=0)
    missing = (
        found["metric"].str.startswith("odd") | found["model"].eq("model-free") | found["metric"].eq("gain_recovery")
    )
    if judgements is None:
        missing |= found["metric"].str.startswith("behavior")
    figure = summary.draw(found[~missing], note=NOTE)
    written = assert_legible(figure)
    assert figure.get_suptitle().startswith(sizes)
    assert not {"Model-free (recordings)", "Odd one out (share of judgements predicted)"} & set(written)
    assert {"Value [95 % interval]", "Personal models"} <= set(written)
