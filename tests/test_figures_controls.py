"""Figures of time, layers, complexity and personal weights, from small tables made by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cliphba.figures import complexity, dimensions, generalisation, layers, personal_reweighting, style
from tests.legible import assert_legible

TIMES = np.array([-100.0, 0.0, 100.0, 200.0])
AFTER = TIMES[TIMES > 0]
PARTICIPANTS = ("sub-01", "sub-02")
NOTE = "simulated data"
STATED = {"images": 80, "settings": {"evaluated_on": "held_out"}}


def texts(figure):
    found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return "\n".join(artist.get_text() for artist in found)


def panel(figure, title):
    return next(axes for axes in figure.axes if title in (axes.get_title(), axes.get_title("left")))


def values(axes):
    """Rows and columns of the heat map."""
    found = axes.collections[0].get_array()
    return np.ma.filled(found.astype(float), np.nan)


def line(axes, colour):
    return next(one for one in axes.lines if one.get_color() == colour)


@pytest.fixture
def summary():
    rows = [
        ("generalisation_likeness", "group", 0.4, 0.3, 0.5),
        ("generalisation_likeness", "lower ceiling", 0.6, 0.5, 0.7),
        ("generalisation_likeness", "upper ceiling", 0.8, 0.7, 0.9),
        ("layer_order", "clip", 1.0, 0.5, 1.0),
        ("layer_order", "group", -0.5, -1.0, 0.2),
    ]
    return pd.DataFrame(rows, columns=["metric", "model", "value", "low", "high"])


@pytest.fixture
def generalised():
    rows = [
        (source, one, other, scale * (1.0 if one == other else 0.5) if min(one, other) > start else np.nan)
        for source, scale, start in (("group", 1.0, 0), ("MEG", 0.3, -200), ("group with MEG", 0.2, -200))
        for one, other in itertools.product(TIMES, TIMES)
    ]
    frame = pd.DataFrame(rows, columns=["source", "time_ms", "other_time_ms", "value"])
    frame.loc[(frame["source"] == "group with MEG") & (frame["time_ms"] <= 0), "value"] = np.nan
    frame.attrs.update(**STATED, participants=6)
    return frame


def test_generalisation_has_a_map_each_and_the_likeness(generalised, summary):
    figure = generalisation.draw(generalised, summary, note=NOTE)
    assert_legible(figure)
    assert "6 participants, 80 held-out images." in texts(figure)
    assert "r = 0.40 [0.30, 0.50]; noise ceiling 0.60 to 0.80" in texts(figure)
    assert NOTE in texts(figure)
    own = values(panel(figure, "Group MEG model"))
    np.testing.assert_array_equal(own[2:, 2:], [[1, 0.5], [0.5, 1]])
    assert np.isnan(own[:2]).all()
    np.testing.assert_array_equal(np.diagonal(values(panel(figure, "MEG, half against other half"))), 0.3)


def test_generalisation_has_the_models_time_upwards_and_the_recordings_across(generalised, summary):
    axes = panel(generalisation.draw(generalised, summary), "Group MEG model against MEG")
    assert (np.isnan(values(axes)).all(axis=1) == (TIMES <= 0)).all()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Time in the MEG (ms)", "Time in the model (ms)")


def test_generalisation_of_recordings_with_themselves_is_called_that(generalised, summary):
    generalised["source"] = generalised["source"].replace("MEG", "MEG with itself")
    figure = generalisation.draw(generalised, summary, note="note")
    assert "MEG with itself" in texts(figure)
    assert "half" not in texts(figure)


@pytest.fixture
def courses():
    #         at 100 and at 200 ms: early, late and strong all along
    activity = {"late": (1.0, 6.0), "early": (3.0, 2.0), "strong": (6.0, 12.0)}
    rows = [
        ("group", quantity, dimension, time, strength[index])
        for quantity in ("mean", "spread")
        for dimension, strength in activity.items()
        for index, time in enumerate(AFTER)
    ]
    frame = pd.DataFrame(rows, columns=["model", "quantity", "dimension", "time_ms", "value"])
    frame["rank"] = frame.groupby(["quantity", "time_ms"])["value"].rank(ascending=False)
    other = frame.assign(model="sub-01", value=100.0)
    joined = pd.concat([frame, other], ignore_index=True)
    joined.attrs.update(STATED)
    return joined


def test_dimensions_are_ordered_by_when_they_speak(courses):
    figure = dimensions.draw(courses, note=NOTE)
    axes = panel(figure, "Spread over images (SD)")
    # the first row is the lowest
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["late", "strong", "early"]
    np.testing.assert_allclose(values(axes), [[10, 30], [60, 60], [30, 10]])
    assert "80 held-out images. Numbers: rank among 3 dimensions" in texts(figure)


def test_dimensions_have_their_ranks_at_round_times(courses):
    axes = panel(dimensions.draw(courses), "Mean activation")
    written = {(text.get_position()[0], round(text.get_position()[1])): text.get_text() for text in axes.texts}
    assert written == {(100.0, 0): "3", (100.0, 1): "1", (100.0, 2): "2"}


def test_many_dimensions_are_legible_on_a_page():
    rows = [
        ("group", quantity, f"dimension {number}; with a very long name of many words", time, 1.0 + number, number)
        for quantity in ("mean", "spread")
        for number in range(66)
        for time in AFTER
    ]
    frame = pd.DataFrame(rows, columns=["model", "quantity", "dimension", "time_ms", "value", "rank"])
    frame.attrs.update(STATED)
    figure = dimensions.draw(frame)
    FigureCanvasAgg(figure).draw()
    width, height = figure.get_size_inches() / style.MM
    assert width <= 180.1
    assert height <= 240
    row = figure.axes[0].get_window_extent().height / 66 * 72 / figure.dpi
    assert row >= 7, "rows are as high as their text"
    assert figure.axes[0].get_window_extent().width > 0.25 * figure.bbox.width


@pytest.fixture
def blocks():
    rows = [
        (model, block, participant, time, 0.1 * block * (time > 0), 0.01 if block == 2 and time == 100 else 0.5)
        for model in ("clip", "group")
        for block in (1, 2, 3)
        for participant in (None, *PARTICIPANTS)
        for time in TIMES
    ]
    frame = pd.DataFrame(rows, columns=["model", "block", "participant", "time_ms", "rho", "p"])
    frame.attrs.update(STATED)
    return frame


@pytest.fixture
def peaks():
    rows = [
        (model, block, participant, quantity, 60.0 * block, 60.0 * block - 20, 60.0 * block + 10)
        for model in ("clip", "group")
        for block in (1, 2, 3)
        for participant in (None, "sub-01")
        for quantity in ("onset", "peak")
    ]
    return pd.DataFrame(rows, columns=["model", "block", "participant", "quantity", "value", "low", "high"])


def test_layers_show_means_peaks_and_their_order(blocks, peaks, summary):
    figure = layers.draw(blocks, peaks, summary, note=NOTE)
    assert_legible(figure)
    assert "2 participants, 80 held-out images." in texts(figure)
    assert "ρ = −0.50 [−1.00, 0.20]" in texts(figure)
    axes = figure.axes[0]
    np.testing.assert_allclose(values(axes)[:, 2], [0.1, 0.2, 0.3])
    dots = next(one for one in axes.lines if one.get_marker() == "o")
    assert dots.get_xydata().tolist() == [[60, 1], [120, 2], [180, 3]]


def test_figures_of_training_data_say_so(generalised, courses, blocks, peaks, summary):
    for frame in (generalised, courses, blocks):
        frame.attrs["settings"] = {"evaluated_on": "training"}
    figures = generalisation.draw(generalised, summary), dimensions.draw(courses), layers.draw(blocks, peaks, summary)
    assert all("80 training images" in texts(figure) for figure in figures)


def test_layers_underline_what_is_significant(blocks, peaks, summary):
    underlines, intervals = layers.draw(blocks, peaks, summary).axes[0].collections[1:]
    (first,) = underlines.get_segments()
    assert first[:, 0].tolist() == [50, 150]
    assert 1.5 < first[0, 1] < 2
    assert [segment[:, 0].tolist() for segment in intervals.get_segments()] == [[40, 70], [100, 130], [160, 190]]


def alignments(models, peak):
    rows = [
        (model, participant, time, peak * (time > 0), -0.05, peak + 0.1, 0.01 if time == 200 else 0.5)
        for model in models
        for participant in (None, *PARTICIPANTS)
        for time in TIMES
    ]
    frame = pd.DataFrame(rows, columns=["model", "participant", "time_ms", "rho", "low", "high", "p"])
    frame.attrs.update(STATED)
    return frame


@pytest.fixture
def ceiling():
    bounds = {"lower": [0.0, 0.0, 0.3, 0.3], "upper": [0.2, 0.2, 0.5, 0.5]}
    parts = [pd.DataFrame({"time_ms": TIMES, "bound": name, "value": one}) for name, one in bounds.items()]
    return pd.concat(parts).assign(participant=None)


def test_complexity_sets_measures_beside_the_model_without_them(ceiling):
    measures = ["compressed size", "edge density", "luminance entropy", "colourfulness", "spectral slope"]
    controlled = pd.concat(
        [alignments([*measures, "complexity"], 0.1), alignments(["group without complexity"], 0.2)], ignore_index=True
    )
    controlled.attrs.update(STATED)
    figure = complexity.draw(controlled, alignments(["clip", "group"], 0.3), ceiling, note=NOTE)
    assert_legible(figure)
    left, right = figure.axes
    shown = [text.get_text() for text in left.get_legend().get_texts()]
    assert shown == [*measures, "all measures together"]
    np.testing.assert_allclose(line(right, style.COLOURS["group"]).get_ydata(), [0, 0, 0.2, 0.2])
    np.testing.assert_allclose(line(right, complexity.PALE).get_ydata(), [0, 0, 0.3, 0.3])
    for text in ("2 participants, 80 held-out images", "noise ceiling", "partialled out", "as it is", NOTE):
        assert text in texts(figure)
    assert texts(figure).count("p < 0.05") == 2


def test_complexity_of_too_few_images_shows_the_model_as_it_is(ceiling):
    found = alignments(["size", "edges", "entropy", "colour", "slope", "complexity"], 0.1)
    figure = complexity.draw(found, alignments(["group"], 0.3), ceiling, note=NOTE)
    assert_legible(figure)
    assert "too few images" in texts(figure)
    assert "partialled out" not in texts(figure)


def weights(model, last):
    rows = [(model, time, block, last if block == 2 else 1 - last) for time in AFTER for block in (1, 2)]
    return pd.DataFrame(rows, columns=["model", "time_ms", "block", "weight"])


@pytest.mark.parametrize("people", [1, 4, 6])
def test_personal_weights_are_shown_less_those_of_the_group(people):
    shares = {"group": 0.5} | {f"sub-{number:02d}": 0.5 + number / 20 for number in range(people, 0, -1)}
    figure = personal_reweighting.draw({name: weights(name, one) for name, one in shares.items()}, note=NOTE)
    np.testing.assert_allclose(values(panel(figure, style.LABELS["group"])), 0.5)
    for number in range(1, people + 1):
        axes = panel(figure, f"sub-{number:02d} − group")
        np.testing.assert_allclose(values(axes), np.outer([-1, 1], [number / 20] * 2), atol=1e-12)
        # all on one scale about nothing
        assert axes.collections[0].get_clim() == pytest.approx((-people / 20, people / 20))
    titles = [axes.get_title() for axes in figure.axes if axes.get_visible() and axes.get_title()]
    assert titles[1:] == sorted(titles[1:])
