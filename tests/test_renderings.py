"""Degraded pictures and those without background: what is lost in them is what brains are told is lost."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest

from cliphba.config import Rendering
from cliphba.simulate.factors import FACTORS, draw_factors, names_of
from cliphba.simulate.pictures import render_picture
from cliphba.simulate.renderings import LUMINANCE, VISIBLE, degrade, visible_factors

EVEN = {factor.name: 0.5 if factor.kind == "low-level" else 0.0 for factor in FACTORS}
EVEN |= {"background contrast": 0.0, "box": 1.0, "size": 1.0}
HUES = ("red", "orange", "yellow", "green")


def pixels(rendering, seed=0, **changes):
    """(height, width, 3) in [0, 1]; one large box unless it is changed."""
    factors = EVEN | {name.replace("_", " "): value for name, value in changes.items()}
    picture = render_picture(factors, size_pixels=96, seed=seed, rendering=rendering)
    return np.asarray(picture).astype(float) / 255


def power(picture, cycles):
    """Power of the luminance at some frequencies, in cycles a picture."""
    spectrum = np.abs(np.fft.rfft2(picture @ LUMINANCE)) ** 2
    frequency = np.hypot(np.fft.fftfreq(len(picture))[:, None], np.fft.rfftfreq(len(picture))) * len(picture)
    return spectrum[(frequency >= cycles[0]) & (frequency < cycles[1])].sum()


def test_blur_takes_fine_detail_and_leaves_the_coarse():
    drawn = draw_factors(count=20, seed=3).to_dict("records")
    full, degraded = (
        [pixels(rendering, seed=seed, **row) for seed, row in enumerate(drawn)] for rendering in ("full", "degraded")
    )
    for before, after in zip(full, degraded, strict=True):
        assert power(after, (12, 48)) < 0.02 * power(before, (12, 48))
        assert power(after, (1, 2)) > 0.7 * power(before, (1, 2))


def test_blur_is_that_of_a_gaussian():
    """At k cycles a picture a Gaussian of SD 1/24 of its width leaves exp(-2 (pi k / 24)^2) of a wave."""
    along = np.sin(2 * np.pi * 6 * (np.arange(240) + 0.5) / 240)
    wave = np.broadcast_to((0.5 + 0.5 * along)[None, :, None], (240, 240, 3))
    left = degrade(wave)[120, 60:180, 0]
    assert np.ptp(left) == pytest.approx(np.exp(-2 * (np.pi * 6 / 24) ** 2), rel=0.02)


@pytest.mark.parametrize("colour", [*HUES, "black", "white"])
def test_degraded_pictures_have_no_hue(colour):
    picture = pixels("degraded", **{colour: 1.0})
    np.testing.assert_array_equal(picture, picture[..., :1].repeat(3, axis=2))
    assert np.ptp(pixels("full", **{colour: 1.0}), axis=2).max() > 0.1 or colour in ("black", "white")


def test_luminance_is_kept_where_nothing_changes_nearby():
    even = np.broadcast_to([0.2, 0.5, 0.9], (24, 24, 3))
    np.testing.assert_allclose(degrade(even), 0.299 * 0.2 + 0.587 * 0.5 + 0.114 * 0.9, rtol=1e-6)


def test_without_background_all_around_the_object_is_one_grey():
    grounds = []
    for seed in range(3):
        changes = {"background_luminance": seed / 2, "background_contrast": 1.0}
        cloudy, even = (pixels(rendering, seed=seed, **changes) for rendering in ("full", "without_background"))
        around = np.concatenate([even[:8].reshape(-1, 3), even[-8:].reshape(-1, 3)])
        assert np.ptp(around) == 0
        assert cloudy[:8].std() > 0.02
        grounds.append(around[0, 0])
        # the object itself is as it was
        np.testing.assert_allclose(even[40:56, 30:66], cloudy[40:56, 30:66], atol=1e-6)
    assert len(set(grounds)) == 1


def test_what_can_be_seen_is_a_share_of_what_was_drawn():
    drawn = draw_factors(count=5, seed=1)
    pd.testing.assert_frame_equal(visible_factors(drawn, "full"), drawn)
    degraded, alone = visible_factors(drawn, "degraded"), visible_factors(drawn, "without_background")
    assert (degraded[list(HUES)] == 0).all(axis=None)
    pd.testing.assert_series_equal(degraded["grid"], drawn["grid"] / 2)
    kept = ["black", "white", *names_of("shape")]
    pd.testing.assert_frame_equal(degraded[kept], drawn[kept])
    hidden = ["background luminance", "background contrast"]
    assert (alone[hidden] == 0).all(axis=None)
    pd.testing.assert_frame_equal(alone.drop(columns=hidden), drawn.drop(columns=hidden))


def test_every_rendering_has_its_shares_of_known_factors():
    assert set(VISIBLE) == set(get_args(Rendering))
    for shares in VISIBLE.values():
        assert set(shares) <= {factor.name for factor in FACTORS}


SURFACES = ("fine pattern", "grid", "coarse pattern", "fluffy", "wooden", "metallic", "transparent")


@pytest.mark.parametrize("factor", SURFACES)
def test_shares_are_those_of_the_contrast_that_is_left(factor):
    """Spread of what a factor changes within objects, in degraded pictures relative to full ones."""
    drawn = draw_factors(count=400, seed=2).query("`factor` > 0.5".replace("factor", factor)).head(30)
    variance = {"full": 0.0, "degraded": 0.0}
    for seed, row in enumerate(drawn.to_dict("records")):
        row |= {"background contrast": 0.0}
        plain = pixels("full", seed=seed, **(row | {factor: 0.0}))
        inside = np.abs(plain - plain[0, 0]).max(axis=2) > 0.03
        for rendering in variance:
            change = pixels(rendering, seed=seed, **row) - pixels(rendering, seed=seed, **(row | {factor: 0.0}))
            variance[rendering] += (change @ LUMINANCE)[inside].var()
    left = np.sqrt(variance["degraded"] / variance["full"])
    assert left == pytest.approx(VISIBLE["degraded"][factor], abs=0.13)


def test_shares_of_clouds_and_outlines():
    clouds = [pixels(rendering, background_contrast=1.0)[:12].std() for rendering in ("full", "degraded")]
    assert clouds[1] / clouds[0] == pytest.approx(VISIBLE["degraded"]["background contrast"], abs=0.13)
    # an outline, half-way between a black object and its ground, is where it was
    for shape in ("round", "box"):
        changes = {"black": 1.0, "box": 0.0, shape: 1.0}
        full, degraded = (pixels(rendering, **changes)[48, :, 0] < 0.35 for rendering in ("full", "degraded"))
        assert 40 < full.sum() < 90
        assert np.sum(full != degraded) <= 4
