"""Strips and animation of saliency from small tables made by hand: what a reader must be able to find in them."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cliphba.figures import personal_saliency, saliency, saliency_animation, strips
from cliphba.figures.save import save, save_animation
from tests.legible import assert_legible

NOTE = "simulated data"
TIMES = np.array([20.0, 40.0, 60.0])
STIMULI = ("picture-1", "picture-2")
SIDE = 4


def maps_of(model, peak):
    """At each time one salient place, on a floor of 0.1."""
    rows = []
    for stimulus in STIMULI:
        for index, time in enumerate(TIMES):
            flat = np.full(SIDE**2, 0.1, np.float32)
            flat[5 * index] += peak
            rows.append((model, stimulus, time, flat))
    return pd.DataFrame(rows, columns=["model", "stimulus", "time_ms", "saliency"])


@pytest.fixture
def maps():
    return pd.concat([maps_of("group", 0.016), maps_of("sub-01", 0.032), maps_of("sub-02", 0.008)])


@pytest.fixture
def pictures():
    drawn = []
    for shade in (60, 200):
        sink = io.BytesIO()
        Image.new("RGB", (8, 8), (shade, 0, 0)).save(sink, format="PNG")
        drawn.append(sink.getvalue())
    return pd.DataFrame({"stimulus": STIMULI, "png": drawn})


def texts(figure: Figure) -> str:
    return "\n".join(artist.get_text() for artist in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def shown(figure: Figure):
    """What is on each panel, the colour bar left out."""
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


def test_group_strips_have_a_row_a_picture_and_say_times_and_scale(maps, pictures):
    figure = saliency.draw(maps, pictures, note=NOTE)
    for text in ("20 ms", "40 ms", "60 ms", strips.LABEL, NOTE):
        assert text in texts(figure)
    panels = shown(figure)
    assert len(panels) == 2 * (1 + len(TIMES))
    np.testing.assert_allclose(panels[0], np.broadcast_to([60 / 255, 0, 0], (8, 8, 3)))
    np.testing.assert_allclose(panels[4], np.broadcast_to([200 / 255, 0, 0], (8, 8, 3)))
    # one place in 16 is 0.016 above the rest, and 0.015 above the mean
    assert figure.axes[-1].get_xlim()[1] == pytest.approx(15, rel=1e-4)


def test_personal_strips_have_a_row_a_person_of_the_first_picture(maps, pictures):
    figure = personal_saliency.draw(maps, pictures)
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == ["sub-01", "sub-02"]
    panels = shown(figure)
    np.testing.assert_allclose(panels[4], panels[0])
    np.testing.assert_allclose(panels[0], np.broadcast_to([60 / 255, 0, 0], (8, 8, 3)))
    # one scale for all: the person whose model hangs on the place more has the stronger colour
    assert np.ptp(panels[1]) > np.ptp(panels[5]) > 0


def test_long_names_of_people_are_legible_below_each_other(pictures):
    people = [f"sub-BIGMEG{number}" for number in range(1, 5)]
    maps = pd.concat([maps_of(name, 0.01) for name in people])
    assert set(people) < set(assert_legible(personal_saliency.draw(maps, pictures, note=NOTE)))


def test_only_what_is_above_the_mean_is_coloured(maps, pictures):
    picture = strips.decode(pictures)["picture-1"]
    relative = strips.relative(maps[maps["model"] == "group"])
    np.testing.assert_allclose(relative.mean(axis=(1, 2)), 0, atol=1e-4)
    assert np.unravel_index(relative[1].argmax(), (SIDE, SIDE)) == (1, 1)
    laid = strips.overlay(picture, relative[0], relative.max())
    grey = np.ptp(laid, axis=-1) == 0
    assert grey[5:].all()
    assert grey[:, 5:].all()
    assert not grey[0, 0]
    assert laid[0, 0, 0] > laid[0, 0, 2]


def test_many_times_are_thinned_out_from_first_to_last():
    times_ms = np.arange(5.0, 1305, 5)
    chosen = strips.some_times(np.tile(times_ms, 2), 8)
    assert (len(chosen), chosen[0], chosen[-1]) == (8, 5, 1300)
    assert set(chosen) <= set(times_ms)


def test_animation_has_a_frame_a_time_that_says_it(maps, pictures, monkeypatch):
    titles = []
    write = Figure.suptitle
    monkeypatch.setattr(Figure, "suptitle", lambda figure, text: titles.append(text) or write(figure, text))
    frames = saliency_animation.draw(maps, pictures, note=NOTE)
    assert titles == [f"{time:g} ms after picture onset" for time in TIMES]
    assert len({frame.tobytes() for frame in frames}) == len(TIMES)
    assert len({frame.shape for frame in frames}) == 1
    assert frames[0].dtype == np.uint8


def test_animation_is_an_endless_gif_of_the_same_bytes(maps, pictures, tmp_path):
    for name in ("first", "second"):
        save_animation(saliency_animation.draw(maps, pictures, note=NOTE), tmp_path / f"{name}.gif")
    assert (tmp_path / "first.gif").read_bytes() == (tmp_path / "second.gif").read_bytes()
    with Image.open(tmp_path / "first.gif") as animation:
        assert animation.n_frames == len(TIMES)
        assert animation.info["loop"] == 0
        assert animation.info["duration"] > 50
    with pytest.raises(ValueError, match=r"must end in \.gif"):
        save_animation([], tmp_path / "first.png")


@pytest.mark.parametrize("draw", [saliency.draw, personal_saliency.draw])
def test_the_same_tables_give_the_same_bytes(maps, pictures, tmp_path, draw):
    for name in ("first", "second"):
        save(draw(maps, pictures, note=NOTE), tmp_path / f"{name}.svg")
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()


@pytest.mark.filterwarnings("error")
def test_where_nothing_is_salient_no_colour_is_shown(maps, pictures):
    silent = maps.assign(saliency=[np.zeros(SIDE**2, np.float32)] * len(maps))
    for panel in shown(saliency.draw(silent, pictures)):
        # pictures are red or, below the maps, grey: of a map there is nothing to be seen
        assert np.isfinite(panel).all()
    grey = shown(saliency.draw(silent, pictures))[1]
    np.testing.assert_allclose(grey, grey[..., :1].repeat(3, axis=-1))
    assert len(saliency_animation.draw(silent, pictures)) == len(TIMES)
