"""Complexity of pictures: by hand and by known pictures; complexity that the brain follows is found and taken out."""

import io

import numpy as np
import pytest
from PIL import Image

from cliphba import rdm
from cliphba.evaluate import complexity
from cliphba.evaluate.complexity import COMPLEXITY, MEASURES, WITHOUT
from cliphba.evaluate.findings import Independence
from tests.planted import PROCEDURE, STIMULI, accepted, geometry, independence, names, pictures, recording, series

TRAINED = Independence(images=True, data=True, people=False)
SIZE = 64


def plain(colour=(90, 90, 90)):
    return np.full((SIZE, SIZE, 3), colour, dtype=np.uint8)


def noise(contrast=100, seed=0):
    grey = 128 + contrast * np.random.default_rng(seed).uniform(-1, 1, (SIZE, SIZE, 1))
    return np.repeat(grey, 3, axis=-1).astype(np.uint8)


def natural(exponent, size=256):
    """Grey picture whose amplitude falls with this power of spatial frequency."""
    random = np.random.default_rng(1)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    frequency[0, 0] = 1
    phases = np.fft.fft2(random.normal(size=(size, size)))
    grey = np.fft.ifft2(phases / np.abs(phases) * frequency**exponent).real
    scaled = 255 * (grey - grey.min()) / np.ptp(grey)
    return np.repeat(scaled[..., None], 3, axis=-1).astype(np.uint8)


def test_plain_pictures_are_the_simplest():
    found = complexity.describe([plain(), noise(20), noise(100)], ["plain", "faint", "strong"])
    for name in ("compressed size", "luminance entropy"):
        assert found[name].is_monotonic_increasing, name
    assert found.loc["plain", ["edge density", "luminance entropy", "colourfulness"]].tolist() == [0, 0, 0]
    assert list(found.columns) == list(MEASURES)


def test_compressed_size_is_that_of_a_file():
    sink = io.BytesIO()
    Image.fromarray(noise()).save(sink, "jpeg", quality=75)
    assert complexity.compressed_size(noise()) == len(sink.getvalue()) / SIZE**2


def test_edges_are_counted():
    """One vertical edge is a line one pixel wide."""
    halves = plain()
    halves[:, SIZE // 2 :] = 200
    assert complexity.edge_density(halves) == pytest.approx(1 / SIZE, rel=0.05)


def test_entropy_by_hand():
    """Four equally frequent grey levels are two bits."""
    stripes = np.repeat(np.tile([0, 60, 120, 240], SIZE // 4)[:, None], SIZE, axis=1)
    assert complexity.luminance_entropy(np.repeat(stripes[..., None], 3, -1).astype(np.uint8)) == pytest.approx(2)


def test_colourfulness_by_hand():
    """Half red, half green: opponents are +-255 and 127.5, deviations 255 and 0, means 0 and 127.5."""
    picture = plain((255, 0, 0))
    picture[: SIZE // 2] = (0, 255, 0)
    assert complexity.colourfulness(picture) == pytest.approx(255 + 0.3 * 127.5)


@pytest.mark.parametrize("exponent", [0.0, -1.0, -1.5])
def test_slope_is_that_of_the_amplitude(exponent):
    assert complexity.spectral_slope(natural(exponent)) == pytest.approx(exponent, abs=0.1)
    # whatever its shape
    assert complexity.spectral_slope(natural(exponent)[:, :180]) == pytest.approx(exponent, abs=0.15)


def test_rdms_are_differences():
    values = complexity.describe([plain(), noise(20), noise(100)], ["a", "b", "c"])
    values["constant"] = 3.0
    found = complexity.rdms(values)
    z = ((values - values.mean()) / values.std(ddof=0))["edge density"]
    expected = [abs(z[first] - z[second]) for first, second in ("ab", "ac", "bc")]
    np.testing.assert_allclose(found["edge density"].values[0], expected, atol=1e-6)
    together = np.sqrt(np.sum([found[name].values[0] ** 2 for name in MEASURES], axis=0))
    np.testing.assert_allclose(found[COMPLEXITY].values[0], together, rtol=1e-6)
    assert not found["constant"].values.any()


def simulate(seed, *, complex_brain, own):
    """Brains that tell complex pictures from plain ones, or what the model knows, or both."""
    random = np.random.default_rng(seed)
    hidden = pictures(random)
    shown = [noise(contrast, seed) for seed, contrast in enumerate(random.uniform(5, 120, len(STIMULI)))]
    measures = complexity.describe(shown, STIMULI)
    crowded = complexity.rdms(measures)[COMPLEXITY].values[0]
    brain = complex_brain * rdm.standardise(crowded) + own * rdm.standardise(geometry(hidden))
    measured = {name: recording(random, 9 * brain, noise=0.3) for name in names(3)}
    return measures, series(hidden), measured


def evaluate(simulated):
    return complexity.evaluate(*simulated, PROCEDURE, independence=TRAINED)


@pytest.mark.parametrize(("complex_brain", "own"), [(1, 1), (1, 0), (0, 1)])
def test_what_was_planted_is_found(complex_brain, own, tmp_path):
    found = accepted(evaluate(simulate(3, complex_brain=complex_brain, own=own)), tmp_path)
    summary = found["summary"].set_index("model")
    assert (summary.loc[COMPLEXITY, "p"] <= 0.05) == bool(complex_brain)
    assert (summary.loc[WITHOUT, "p"] <= 0.05) == bool(own)
    assert independence(found["summary"]) == [(True, True, True), (True, True, False)]
    means = found["alignment"].query("participant.isna() and time_ms > 0")
    assert set(means["model"]) == {*MEASURES, COMPLEXITY, WITHOUT}
    assert means["p"].notna().all()
    assert len(found["complexity"]) == len(STIMULI) * len(MEASURES)


def few(seed, images):
    """Of so many images the same as `simulate`."""
    measures, group, measured = simulate(seed, complex_brain=1, own=1)
    shown = list(STIMULI[:images])
    return measures.loc[shown], group.of(shown), {name: one.of(shown) for name, one in measured.items()}


def test_of_four_images_nothing_is_left_without_complexity(caplog):
    """Six pairs, less five measures and a mean: what rounding leaves would have a p of its own."""
    found = evaluate(few(4, 4))
    assert WITHOUT not in {*found["summary"]["model"], *found["alignment"]["model"]}
    assert "4 images are too few for any measure to be taken out" in caplog.text
    assert evaluate(few(4, 5))["summary"].set_index("model").loc[WITHOUT, "value"]


@pytest.mark.filterwarnings("error")
def test_pictures_without_colour_do_not_vary_in_it():
    """A measure that is the same for all pictures tells none apart, and is no obstacle to the others."""
    measures, group, measured = simulate(5, complex_brain=1, own=1)
    assert not measures["colourfulness"].any()
    found = evaluate((measures, group, measured))
    rows = found["alignment"].query("model == 'colourfulness' and participant.isna() and time_ms > 0")
    assert not rows["rho"].any()
    assert (rows["p"] == 1).all()
