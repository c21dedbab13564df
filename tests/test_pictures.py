"""The pictures show their factors, gradually, and nothing else."""

import numpy as np
import pytest

from cliphba.simulate.factors import FACTORS, NAMEABLE, PROMPTS, draw_factors, names_of
from cliphba.simulate.pictures import PALETTE, render_picture

BASE = {factor.name: 0.5 if factor.kind == "low-level" else 0.0 for factor in FACTORS}
BASE |= {"background contrast": 0.0, "red": 1.0, "round": 1.0}


def pixels(**changes: float) -> np.ndarray:
    factors = BASE | {name.replace("_", " "): value for name, value in changes.items()}
    return np.asarray(render_picture(factors, size_pixels=64, seed=0)).astype(float) / 255


def covered(picture: np.ndarray) -> np.ndarray:
    """Where the object is: wherever the picture differs from the even grey of its corner."""
    return np.abs(picture - picture[0, 0]).max(axis=2) > 0.1


def test_there_are_eighteen_names_and_six_low_level_factors() -> None:
    assert len(NAMEABLE) == 18
    assert len(names_of("low-level")) == 6
    assert len(set(PROMPTS.values())) == 18
    latencies = [factor.latency_ms for factor in FACTORS]
    assert min(latencies) == 110.0
    assert max(latencies) == 330.0


def test_drawn_factors_are_sparse_positive_and_reproducible() -> None:
    factors = draw_factors(count=1000, seed=0)
    assert list(factors.columns) == [factor.name for factor in FACTORS]
    assert factors.to_numpy().min() >= 0.0
    assert factors.to_numpy().max() <= 1.0
    present = factors[list(NAMEABLE)] > 0
    assert present[list(names_of("colour"))].sum(axis=1).isin([1, 2]).all()
    assert present[list(names_of("shape"))].sum(axis=1).isin([1, 2]).all()
    assert set(present[list(names_of("texture"))].sum(axis=1)) == {0, 1, 2}
    assert set(present[list(names_of("material"))].sum(axis=1)) == {0, 1}
    assert (factors[list(names_of("colour"))].max(axis=1) > 0.5).all()
    np.testing.assert_allclose(factors[list(names_of("low-level"))].mean(), 0.5, atol=0.05)
    assert factors.equals(draw_factors(count=1000, seed=0))
    assert not factors.equals(draw_factors(count=1000, seed=1))


def test_equal_arguments_give_equal_bytes() -> None:
    factors = draw_factors(count=1, seed=0).iloc[0]
    picture, again, other = (render_picture(factors, size_pixels=48, seed=seed) for seed in (1, 1, 2))
    assert picture.size == (48, 48)
    assert picture.mode == "RGB"
    assert picture.tobytes() == again.tobytes()
    assert picture.tobytes() != other.tobytes()


@pytest.mark.parametrize("colour", names_of("colour"))
def test_the_object_has_its_colour(colour: str) -> None:
    centre = pixels(**{"red": 0.0, colour: 1.0})[28:36, 28:36].mean(axis=(0, 1))
    np.testing.assert_allclose(centre, PALETTE[colour], atol=0.08)


def test_colours_blend() -> None:
    amounts = np.linspace(0, 1, 5)
    green = [pixels(red=1.0 - amount, green=amount)[32, 32, 1] for amount in amounts]
    assert (np.diff(green) > 0.05).all()


@pytest.mark.parametrize("factor", sorted(set(NAMEABLE) - {"red", "round"}))
def test_every_nameable_factor_is_seen_the_more_the_stronger_it_is(factor: str) -> None:
    changes = [np.abs(pixels(**{factor.replace(" ", "_"): amount}) - pixels()).mean() for amount in (0.3, 0.6, 1.0)]
    assert changes[0] > 0.001
    assert (np.diff(changes) > 0).all()


def test_the_outline_is_antialiased() -> None:
    green = pixels()[..., 1]
    disc, grey = green[32, 32], green[0, 0]
    between = (green > disc + 0.1) & (green < grey - 0.05)
    assert 20 < between.sum() < 200


def test_low_level_factors_move_scale_and_light_the_scene() -> None:
    rows, columns = np.nonzero(covered(pixels(horizontal_position=1.0, vertical_position=1.0)))
    assert columns.mean() > 33.5
    assert rows.mean() < 29.5
    assert covered(pixels(size=1.0)).sum() > 1.6 * covered(pixels(size=0.0)).sum()
    corner = pixels()[:8, :8]
    assert corner.std() == pytest.approx(0.0)
    assert pixels(background_luminance=1.0)[:8, :8].mean() > corner.mean() + 0.1
    assert pixels(background_contrast=1.0)[:8, :8].std() > 0.01


def test_orientation_turns_the_object_anticlockwise() -> None:
    for orientation, degrees in ((0.0, -22.5), (0.5, 0.0), (1.0, 22.5)):
        rows, columns = np.nonzero(covered(pixels(round=0.0, long=1.0, orientation=orientation)))
        slope = np.polyfit(columns, -rows, deg=1)[0]
        assert np.degrees(np.arctan(slope)) == pytest.approx(degrees, abs=3.0)


def test_a_missing_factor_is_named() -> None:
    with pytest.raises(ValueError, match="orientation"):
        render_picture({k: v for k, v in BASE.items() if k != "orientation"}, size_pixels=48, seed=0)
