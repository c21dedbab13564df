"""Captions say what is in the picture, in the words of the labels, and vary as people's do."""

import numpy as np
import open_clip
import pytest

from cliphba.simulate.captions import describe_picture
from cliphba.simulate.factors import FACTORS, NAMEABLE, PROMPTS, draw_factors

NOTHING = {factor.name: 0.0 for factor in FACTORS}


def captions_of(factors: dict[str, float], *, count: int, seed: int = 0) -> list[str]:
    generator = np.random.default_rng(seed)
    return [describe_picture(factors, generator=generator) for _ in range(count)]


def test_one_factor_is_named_by_its_label_or_one_of_its_words() -> None:
    captions = captions_of(NOTHING | {"transparent": 0.9}, count=200)
    named = {caption.removeprefix("a ").removeprefix("something ").removesuffix(" thing") for caption in captions}
    assert named == {"transparent; shiny; crystalline", "transparent", "shiny", "crystalline"}


def test_faint_and_low_level_factors_are_not_named() -> None:
    captions = captions_of(NOTHING | {"red": 1.0, "box": 0.05, "size": 1.0, "orientation": 1.0}, count=200)
    assert {"red", "a red thing", "something red"} == set(captions)


def test_people_omit_things_and_vary_the_order() -> None:
    captions = captions_of(NOTHING | {"red": 0.9, "grid": 0.9}, count=500)
    with_red = np.mean(["red" in caption for caption in captions])
    with_grid = np.mean(["grid" in caption or "grating" in caption for caption in captions])
    assert 0.9 < with_red < 1
    assert 0.9 < with_grid < 1
    both = [caption for caption in captions if "red" in caption.split() and "grid-related" in caption.split()]
    assert len({caption.index("red ") < caption.index("grid") for caption in both if "red " in caption}) == 2


def test_captions_are_short() -> None:
    tokenizer = open_clip.SimpleTokenizer()
    generator = np.random.default_rng(0)
    pictures = draw_factors(count=2000, seed=0).to_dict("records")
    lengths = [len(tokenizer.encode(describe_picture(factors, generator=generator))) for factors in pictures]
    assert max(lengths) <= 20
    assert min(lengths) >= 1


def test_every_label_is_learnt() -> None:
    generator = np.random.default_rng(0)
    pictures = draw_factors(count=500, seed=0).to_dict("records")
    told = " | ".join(describe_picture(factors, generator=generator) for factors in pictures)
    assert all(PROMPTS[name] in told for name in NAMEABLE)


def test_same_generator_same_caption() -> None:
    factors = draw_factors(count=1, seed=3).iloc[0].to_dict()
    assert captions_of(factors, count=20, seed=5) == captions_of(factors, count=20, seed=5)


def test_nothing_to_describe_is_an_error() -> None:
    with pytest.raises(ValueError, match="factors"):
        describe_picture(NOTHING, generator=np.random.default_rng(0))
