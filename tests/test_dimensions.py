"""Dimensions over time: by hand, and resamples by repeated images."""

import numpy as np
import pytest

from cliphba.evaluate import bootstrap, dimensions
from cliphba.evaluate.findings import Independence
from cliphba.tables import Embedding
from tests.planted import RESPONSE, STIMULI, accepted

#                   images x dimensions, at two times
VALUES = np.array([[[1, 0, 4], [3, 0, 4]], [[5, 2, 2], [5, 2, 6]]], dtype=np.float32)
EMBEDDING = Embedding(np.array([20.0, 40.0]), VALUES, ("cat", "dog"), {"dimensions": ["red", "round", "soft"]})


@pytest.fixture
def course(tmp_path):
    frame = dimensions.courses({"group": EMBEDDING}, resamples=200, seed=0)
    frame = frame.assign(**Independence(images=True, data=True, people=False).columns())
    return accepted({"dimension_course": frame}, tmp_path)["dimension_course"]


def test_means_spreads_and_ranks_by_hand(course):
    found = course.set_index(["quantity", "time_ms", "dimension"])
    assert found.loc[("mean", 20.0), "value"].to_dict() == {"red": 2, "round": 0, "soft": 4}
    assert found.loc[("spread", 20.0), "value"].to_dict() == {"red": 1, "round": 0, "soft": 0}
    assert found.loc[("mean", 20.0), "rank"].to_dict() == {"red": 2, "round": 3, "soft": 1}
    # equal ones share their ranks
    assert found.loc[("spread", 20.0), "rank"].to_dict() == {"red": 1, "round": 2.5, "soft": 2.5}
    assert found.loc[("spread", 40.0), "rank"].to_dict() == {"red": 2.5, "round": 2.5, "soft": 1}


def test_intervals_are_of_what_varies_over_images(course):
    found = course.set_index(["quantity", "time_ms", "dimension"])
    assert found.loc[("mean", 20.0, "red"), ["low", "high"]].tolist() == [1, 3]
    assert found.loc[("mean", 20.0, "soft"), ["low", "high"]].tolist() == [4, 4]
    assert found.loc[("mean", 40.0, "red"), ["rank", "rank_low", "rank_high"]].tolist() == [1, 1, 2]


@pytest.mark.parametrize(("quantity", "summary"), [("mean", np.mean), ("spread", np.std)])
def test_resamples_repeat_images(quantity, summary):
    random = np.random.default_rng(0)
    values = random.uniform(size=(len(RESPONSE), len(STIMULI), 4)).astype(np.float32)
    found = dimensions.estimate(Embedding(RESPONSE, values, STIMULI), quantity, resamples=3, seed=5)
    counts = bootstrap.draw(len(STIMULI), 3, seed=(5, 0)).astype(int)
    np.testing.assert_allclose(found.value, summary(values.astype(float), axis=1))
    for drawn, resampled in zip(counts, found.resampled, strict=True):
        np.testing.assert_allclose(resampled, summary(np.repeat(values.astype(float), drawn, axis=1), axis=1))
