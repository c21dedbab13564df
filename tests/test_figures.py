"""Each figure from a small table made by hand: what a reader must be able to find in it, and the same bytes again."""

import io

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from cliphba.figures import alignment, behavior, decoding, external, identification, reweighting, style, training
from cliphba.figures.save import save
from cliphba.figures.wording import BEHAVIOR, HALVES
from tests.legible import assert_legible

TIMES = np.array([-20.0, 0.0, 20.0, 40.0])
PARTICIPANTS = ("sub-01", "sub-02", "sub-03")
NOTE = "simulated data"


@pytest.fixture
def curves():
    rows = [
        {"model": model, "participant": participant, "time_ms": time, "rho": rho, "low": rho - 0.1, "high": rho + 0.1}
        for model, peak in [("clip", 0.1), ("behavior", 0.2), ("group", 0.3)]
        for participant in (None, *PARTICIPANTS)
        for time in TIMES
        for rho in [np.nan if model == "group" and time <= 0 else peak * (time > 0)]
    ]
    frame = pd.DataFrame(rows)
    frame["p"] = np.where((frame["model"] == "group") & (frame["time_ms"] == 40), 0.01, 0.5)
    frame.attrs |= {"images": 40, "settings": {"evaluated_on": "held_out"}}
    return frame


@pytest.fixture
def ceiling():
    bounds = {"lower": [0.0, 0.0, 0.3, 0.3], "upper": [0.2, 0.2, 0.5, 0.5]}
    mean = [pd.DataFrame({"time_ms": TIMES, "bound": bound, "value": values}) for bound, values in bounds.items()]
    own = mean[0].assign(participant="sub-01", value=0.9)
    return pd.concat([*(one.assign(participant=None) for one in mean), own])


@pytest.fixture
def summary():
    rows = [
        ("behavior_rho", "clip", 0.3, -0.1, 0.5, np.nan),
        ("behavior_rho", "behavior", 0.8, 0.7, 0.9, np.nan),
        ("identification_accuracy", "personal", 2 / 3, 1 / 3, 1, 0.5),
        ("identification_margin", "personal", 0.02, 0, 0.04, 0.25),
        ("identification_accuracy", "model-free", 1, 1, 1, 1 / 6),
        ("identification_margin", "model-free", 0.1, 0.05, 0.2, 0.0001),
    ]
    means = pd.DataFrame(rows, columns=["metric", "model", "value", "low", "high", "p"]).assign(participant=None)
    each = means[means["metric"] == "identification_margin"].assign(participant="sub-01", p=np.nan)
    return pd.concat([means, each], ignore_index=True)


@pytest.fixture
def matrices():
    personal = np.array([[0.2, -0.1, -0.1], [-0.1, 0.0, 0.1], [-0.1, 0.1, 0.3]])
    cells = pd.concat(
        pd.DataFrame(
            {
                "source": source,
                "model": np.repeat(PARTICIPANTS, 3),
                "participant": np.tile(PARTICIPANTS, 3),
                "rho": centred.ravel(),
                "centred": centred.ravel(),
            }
        )
        for source, centred in [("personal", personal), ("model-free", np.eye(3))]
    )
    cells.attrs |= {"images": 40, "settings": {"evaluated_on": "held_out"}}
    return cells


@pytest.fixture
def rdms():
    pairs = {"first": list("aaabbc"), "second": list("bcdcdd")}
    values = {"human": [1, 6, 5, 4, 3, 2], "clip": [2, 1, 3, 4, 5, 6], "behavior": [1, 5, 6, 4, 3, 2]}
    return pd.concat(pd.DataFrame({"source": name, **pairs, "value": one}) for name, one in values.items())


@pytest.fixture
def weights():
    rows = [(model, time, block, 0.5) for model in ("initial", "group") for time in TIMES[2:] for block in (1, 2)]
    table = pd.DataFrame(rows, columns=["model", "time_ms", "block", "weight"])
    return {str(name): part for name, part in table.groupby("model", sort=False)}


@pytest.fixture
def accuracies():
    rows = [(name, half, time, 0.5 + 0.1 * (time > 0) * (half == "test")) for name in PARTICIPANTS
            for half in ("training", "test") for time in TIMES]  # fmt: skip
    table = pd.DataFrame(rows, columns=["participant", "half", "time_ms", "value"])
    table.attrs["images"] = 30
    return table.assign(quantity="decoding accuracy", chance=0.5)


@pytest.fixture
def latency():
    rows = [(None, "onset", 20.0, 0.0, np.nan), (None, "peak", 40.0, 20.0, 40.0), ("sub-01", "onset", 1.0, 2.0, 3.0)]
    frame = pd.DataFrame(rows, columns=["participant", "quantity", "value", "low", "high"])
    return frame.assign(curve="decoding")


def stage_losses(stage, validation, train):
    """Rows of a stage: the start, then training and validation of each epoch; magnitude is twice the total."""
    rows = [(epoch, "validation", total) for epoch, total in enumerate(validation)]
    rows += [(epoch, "train", total) for epoch, total in enumerate(train, start=1)]
    frame = pd.DataFrame(rows, columns=["epoch", "split", "total"])
    return frame.assign(stage=stage, pattern=1.0, magnitude=2 * frame["total"], generalisation=frame["total"] ** 2)


def log_of_two_stages(start=2.0):
    validation = [start, 0.75 * start, 0.9 * start], [0.75 * start, 0.5 * start]
    train = [1.2 * start, 1.1 * start], [0.8 * start]
    return pd.concat([stage_losses(1, validation[0], train[0]), stage_losses(2, validation[1], train[1])])


@pytest.fixture
def logs():
    behavior = stage_losses(1, [800.0, 400.0, 500.0], [700.0, 300.0]).assign(pattern=None, magnitude=None)
    personal = {name: log_of_two_stages(start) for name, start in zip(PARTICIPANTS, (2.0, 3.0, 4.0), strict=True)}
    return {"behavior": behavior, "group": log_of_two_stages(), **personal}


def panel(figure: Figure, title: str):
    return next(axes for axes in figure.axes if axes.get_title("left") == title)


def drawn(axes, colour):
    """Data of the lines of a colour; single points are markers."""
    return [one.get_xydata() for one in axes.lines if one.get_color() == colour]


def texts(figure: Figure) -> str:
    found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return "\n".join(artist.get_text() for artist in found)


def line(axes, colour):
    return next(one for one in axes.lines if one.get_color() == colour)


def test_alignment_names_models_ceiling_and_n(curves, ceiling):
    figure = alignment.draw(curves, ceiling, note=NOTE)
    for text in (
        "CLIP",
        "Behavior model",
        "Group MEG model",
        "noise ceiling",
        "3 participants, 40 held-out images",
        "(ms)",
        "ρ",
        NOTE,
    ):
        assert text in texts(figure)


def test_what_is_written_can_be_read(curves, ceiling, rdms, summary, matrices, weights):
    for figure in (
        alignment.draw(curves, ceiling, note=NOTE),
        behavior.draw(rdms, summary, note=NOTE),
        identification.draw(matrices, summary, note=NOTE),
        reweighting.draw(weights, note=NOTE),
    ):
        assert_legible(figure)


def test_alignment_draws_the_means_in_the_models_colours(curves, ceiling):
    axes = alignment.draw(curves, ceiling).axes[0]
    np.testing.assert_allclose(line(axes, style.COLOURS["clip"]).get_ydata(), [0, 0, 0.1, 0.1])
    np.testing.assert_allclose(line(axes, style.COLOURS["group"]).get_ydata(), [np.nan, np.nan, 0.3, 0.3])


def test_alignment_shows_no_correlation_that_cannot_be(curves, ceiling):
    """Intervals of two people are many times wider than the two lie apart."""
    axes = alignment.draw(curves.assign(low=curves["low"] - 2, high=curves["high"] + 2), ceiling).axes[0]
    assert axes.get_ylim()[1] == 1
    assert axes.get_yticks().min() >= -1


def bars(axes):
    """Colour and extent in time of the significance bars, which stand in shares of the axes' height."""
    found = [one for one in axes.collections if one.get_transform() == axes.get_xaxis_transform()]
    return [
        (to_hex(one.get_facecolor()[0]), path.get_extents().intervalx.tolist())
        for one in found
        for path in one.get_paths()
    ]


def test_alignment_marks_the_times_at_which_a_model_is_significant(curves, ceiling):
    axes = alignment.draw(curves, ceiling).axes[0]
    assert bars(axes) == [(style.COLOURS["group"].lower(), [30, 50])]
    # below everything that is drawn
    top = max(path.get_extents().y1 for one in axes.collections[-3:] for path in one.get_paths())
    low, high = axes.get_ylim()
    assert low + top * (high - low) <= curves["low"].min()


def test_alignment_where_there_are_no_halves_calls_no_recordings_held_out(curves, ceiling):
    curves.attrs["settings"] = {"evaluated_on": "held_out", "halves_of": None}
    written = texts(alignment.draw(curves, ceiling, note=NOTE))
    assert "Alignment with MEG (Spearman ρ)" in written
    assert "40 held-out images" in written


def test_alignment_with_data_of_training_says_so(curves, ceiling):
    curves.attrs["settings"] = {"evaluated_on": "training"}
    found = texts(alignment.draw(curves, ceiling))
    assert "40 training images" in found
    assert "Alignment with training MEG" in found


@pytest.fixture
def pictures():
    """A red and a green picture of four pixels."""
    images = [np.full((2, 2, 3), colour, np.uint8) for colour in ([255, 0, 0], [0, 255, 0])]
    sinks = [io.BytesIO() for _ in images]
    for image, sink in zip(images, sinks, strict=True):
        Image.fromarray(image).save(sink, format="PNG")
    return pd.DataFrame({"stimulus": ["red", "green"], "png": [sink.getvalue() for sink in sinks]})


def test_external_has_a_panel_a_set_below_its_pictures(curves, ceiling, pictures):
    others = curves[curves["participant"] != "sub-03"].assign(rho=curves["rho"] / 2)
    others.attrs |= {"images": 36}
    figure = external.draw(
        {"degraded": curves, "no-background": others},
        dict.fromkeys(("degraded", "no-background"), ceiling),
        dict.fromkeys(("degraded", "no-background"), pictures),
        note=NOTE,
    )
    assert {"degraded: 3 participants, 40 images", "no-background: 2 participants, 36 images", NOTE} <= set(
        texts(figure).split("\n")
    )
    shown, _, first, second = figure.axes
    assert [image.get_array()[0, 0].tolist() for image in shown.images] == [[1, 0, 0], [0, 1, 0]]
    for axes, peak in ((first, 0.3), (second, 0.15)):
        assert np.nanmax(line(axes, style.COLOURS["group"]).get_ydata()) == pytest.approx(peak)
        assert bars(axes) == [(style.COLOURS["group"].lower(), [30, 50])]
    assert first.get_ylim() == second.get_ylim()
    assert first.get_yticks().tolist() == second.get_yticks().tolist()


def test_bars_of_external_sets_lie_below_the_curves_of_all_of_them(curves, ceiling, pictures):
    """Also where the range of one set is that of the other and more."""
    faint, strong = (curves.assign(**scale * curves[["rho", "low", "high"]]) for scale in (1, 8))
    names = ("faint", "strong")
    figure = external.draw(
        dict(zip(names, (faint, strong), strict=True)), dict.fromkeys(names, ceiling), dict.fromkeys(names, pictures)
    )
    for axes, course in zip(figure.axes[2:], (faint, strong), strict=True):
        low, high = axes.get_ylim()
        top = max(path.get_extents().y1 for one in axes.collections[-3:] for path in one.get_paths())
        assert low + top * (high - low) <= course["low"].min()


def test_behavior_shows_percentiles_in_one_order(rdms, summary):
    figure = behavior.draw(rdms, summary, note=NOTE)
    human, clip, model = (axes.images[0].get_array().filled(0) for axes in figure.axes[:3])
    for square in (human, clip, model):
        assert sorted(square[np.triu_indices(4, k=1)]) == [0, 20, 40, 60, 80, 100]
        np.testing.assert_array_equal(square, square.T)
    # the behaviour model differs from the human RDM in the two pairs of highest dissimilarity alone
    assert set(human[human != model]) == {80, 100}
    assert {"ρ = 0.30 [−0.10, 0.50]", "ρ = 0.80 [0.70, 0.90]", NOTE} <= set(texts(figure).split("\n"))


def test_behavior_needs_every_source(rdms, summary):
    with pytest.raises(ValueError, match="no source 'clip'"):
        behavior.draw(rdms[rdms["source"] != "clip"], summary)


def test_identification_marks_row_maxima_and_tells_the_result(matrices, summary):
    figure = identification.draw(matrices, summary, note=NOTE)
    found = texts(figure)
    for text in (
        "2 of 3 identified, p = 0.500",
        "margin 0.020, p = 0.250",
        "3 of 3",
        "p < 0.001",
        "Model-free",
        NOTE,
    ):
        assert text in found
    personal = figure.axes[0]
    assert list(personal.lines[0].get_xdata()) == [0, 2, 2]
    assert [patch.get_xy() for patch in personal.patches] == [(own - 0.5, own - 0.5) for own in range(3)]


@pytest.mark.parametrize("people", [3, 15])
def test_identification_without_halves_is_by_models_alone(summary, people):
    names = [f"sub-{number:02d}" for number in range(1, people + 1)]
    pairs = {"model": np.repeat(names, people), "participant": np.tile(names, people)}
    cells = pd.DataFrame({**pairs, "centred": np.eye(people).ravel()}).assign(source="personal")
    cells.attrs |= {"images": 40, "settings": {"evaluated_on": "held_out", "halves_of": None}}
    written = assert_legible(identification.draw(cells, summary, note=NOTE))
    assert {"MEG of", "Model of", *names} <= set(written)
    assert not any("other half" in text for text in written)


@pytest.mark.parametrize("people", [15])
def test_identification_of_many_stays_legible(matrices, summary, people):
    names = [f"sub-{number:02d}" for number in range(1, people + 1)]
    pairs = {"model": np.repeat(names, people), "participant": np.tile(names, people)}
    one = pd.DataFrame({**pairs, "centred": np.eye(people).ravel()})
    cells = pd.concat([one.assign(source=source) for source in ("personal", "model-free")])
    cells.attrs |= matrices.attrs
    assert_legible(identification.draw(cells, summary, note=NOTE))


def test_reweighting_has_a_panel_a_model(weights):
    figure = reweighting.draw(weights, note=NOTE)
    titles = [axes.get_title() for axes in figure.axes[:2]]
    assert titles == ["Before training", "Group MEG model"]
    assert "Vision block" in texts(figure)
    assert len(reweighting.draw({"group": weights["group"]}).axes) == 2  # a panel and its colour bar


def test_reweighting_of_many_blocks_thins_out_labels():
    rows = [("group", time, block, 1 / 24) for time in TIMES for block in range(24)]
    table = pd.DataFrame(rows, columns=["model", "time_ms", "block", "weight"])
    figure = reweighting.draw({"group": table})
    assert len(figure.axes[0].get_yticks()) == 12


def test_decoding_averages_halves_and_participants(accuracies, latency):
    axes = decoding.draw(accuracies, latency).axes[0]
    np.testing.assert_allclose(line(axes, "black").get_ydata(), [50, 50, 55, 55])
    assert sum(one.get_color() == style.FAINT for one in axes.lines) == len(PARTICIPANTS)


def test_decoding_tells_when_it_sets_in_and_peaks(accuracies, latency):
    figure = decoding.draw(accuracies, latency, note=NOTE)
    written = assert_legible(figure)
    assert "3 participants (thin), their mean (thick), 30 training images" in written
    # some resamples have no onset at all
    assert {"onset 20 [0, ∞) ms", "peak 40 [20, 40] ms"} <= set(written)
    axes = figure.axes[0]
    first, second = (one for one in axes.lines if len(one.get_xdata()) == 2 and one.get_color() == "black")
    assert (list(first.get_xdata()), list(second.get_xdata())) == ([0, TIMES[-1]], [20, 40])
    assert axes.get_yticks().min() >= 50


def test_distances_are_shown_as_they_are(accuracies, latency):
    distances = accuracies.assign(quantity="crossnobis distance", chance=0.0, value=accuracies["value"] - 0.5)
    axes = decoding.draw(distances, latency).axes[0]
    np.testing.assert_allclose(line(axes, "black").get_ydata(), [0, 0, 0.05, 0.05])
    assert axes.get_ylabel() == "Pairwise crossnobis distance"


def test_training_of_behavior_is_shown_as_it_is_with_the_kept_epoch(logs):
    axes = panel(training.draw(logs), "Behavior model")
    curve, kept = drawn(axes, style.COLOURS["behavior"])
    np.testing.assert_array_equal(curve, [[0, 800], [1, 400], [2, 500]])
    np.testing.assert_array_equal(kept, [[1, 400]])
    np.testing.assert_array_equal(drawn(axes, style.FAINT)[0], [[1, 700], [2, 300]])


def test_training_towards_meg_is_relative_to_the_start_and_stages_stand_apart(logs):
    axes = panel(training.draw(logs), "Group MEG model")
    first, kept_first, second, kept_second = drawn(axes, style.COLOURS["group"])
    np.testing.assert_allclose(first[:, 1], [1, 0.75, 0.9])
    np.testing.assert_allclose(second[:, 1], [0.75, 0.5])
    np.testing.assert_allclose((kept_first, kept_second), (first[[1]], second[[1]]))
    np.testing.assert_allclose(drawn(axes, style.FAINT)[0][:, 1], [1.2, 1.1])
    assert first[-1, 0] < second[0, 0]
    labelled = {tick: label.get_text() for tick, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)}
    assert (labelled[first[0, 0]], labelled[second[0, 0]], labelled[second[1, 0]]) == ("0", "0", "1")


def test_parts_of_the_loss_are_those_of_validation(logs):
    axes = panel(training.draw(logs), "Parts of its validation loss")
    for part, expected in [
        ("pattern", [1, 1, 1]),
        ("magnitude", [1, 0.75, 0.9]),
        ("generalisation", [1, 0.5625, 0.81]),
    ]:
        np.testing.assert_allclose(drawn(axes, training.PARTS[part])[0][:, 1], expected)


def test_all_participants_share_axes_that_hold_their_losses(logs):
    logs["sub-03"] = logs["sub-03"].assign(total=logs["sub-03"]["total"] * [1, 9, 1, 1, 1, 1, 1, 1])
    figure = training.draw(logs)
    panels = [panel(figure, name) for name in PARTICIPANTS]
    assert len({(*axes.get_xlim(), *axes.get_ylim()) for axes in panels}) == 1
    assert panels[0].get_ylim()[1] > 9 * 0.75


def test_training_without_a_second_stage_shows_its_start(logs):
    logs = {name: log[(log["stage"] == 1) | (log["epoch"] == 0)] for name, log in logs.items()}
    *_, kept = drawn(panel(training.draw(logs), "Group MEG model"), style.COLOURS["group"])
    np.testing.assert_allclose(kept[0, 1], 0.75)


@pytest.mark.parametrize("participants", [3, 7, 15])
def test_training_of_many_participants_stays_legible(logs, participants):
    names = [f"sub-{number:02d}" for number in range(1, participants + 1)]
    logs = {"behavior": logs["behavior"], "group": logs["group"], **{name: log_of_two_stages() for name in names}}
    written = assert_legible(training.draw(logs, note=NOTE))
    assert {*names, NOTE, "kept epoch", "training", "validation"} <= set(written)


def test_training_does_without_a_behavior_model_that_was_not_trained(logs):
    adopted = {name: log for name, log in logs.items() if name != "behavior"}
    figure = training.draw(adopted, note=NOTE)
    written = assert_legible(figure)
    assert style.LABELS["group"] in written
    assert style.LABELS["behavior"] not in written
    assert "Mean squared error" not in written


def test_a_note_longer_than_a_figure_is_wide_goes_on_below(matrices, summary):
    note = "; ".join(one for one in (HALVES[None], BEHAVIOR["clip"]))
    narrow = matrices[matrices["source"] == "personal"]
    narrow.attrs |= matrices.attrs
    written = assert_legible(identification.draw(narrow, summary, note=note))
    (shown,) = (text for text in written if text.startswith("Independent"))
    assert shown.split() == note.split()
    assert shown.count("\n") == 1


def test_without_a_note_nothing_is_said_of_simulation(accuracies, latency):
    assert NOTE in texts(decoding.draw(accuracies, latency, note=NOTE))
    assert NOTE not in texts(decoding.draw(accuracies, latency))


def test_labels_are_spread_in_order_around_their_centre():
    placed = style.spread(np.array([0.3, 0.0, 0.01]), 0.1)
    assert (np.diff(placed[[1, 2, 0]]) >= 0.1 - 1e-12).all()
    assert placed.mean() == pytest.approx(np.mean([0.3, 0.0, 0.01]))
    far = np.array([0.0, 1.0])
    np.testing.assert_allclose(style.spread(far, 0.1), far)


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_same_table_gives_the_same_bytes(curves, ceiling, tmp_path, ending):
    for name in ("first", "second"):
        save(alignment.draw(curves, ceiling, note=NOTE), tmp_path / "figures" / f"{name}.{ending}")
    first, second = ((tmp_path / "figures" / f"{name}.{ending}").read_bytes() for name in ("first", "second"))
    assert first == second
    assert len(list((tmp_path / "figures").iterdir())) == 2  # nothing half-written is left


def test_nobodys_own_settings_change_a_figure(accuracies, latency, tmp_path):
    save(decoding.draw(accuracies, latency), tmp_path / "plain.svg")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red"}):
        save(decoding.draw(accuracies, latency), tmp_path / "changed.svg")
    assert (tmp_path / "plain.svg").read_bytes() == (tmp_path / "changed.svg").read_bytes()


def test_other_formats_are_refused(accuracies, latency, tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.svg or \.png"):
        save(decoding.draw(accuracies, latency), tmp_path / "figure.bmp")
