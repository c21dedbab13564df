"""Agreement of models with human judgements."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from cliphba import rdm, tables
from cliphba.evaluate import behavior

STIMULI = tuple(f"image-{index}" for index in range(20))
PAIRS = 190


def static(values):
    return tables.RDMs(np.array([np.nan]), values[None].astype(np.float32), STIMULI)


@pytest.fixture
def judged():
    """Human RDM, a model near it, one with nothing in common, and the human embedding's."""
    random = np.random.default_rng(1)
    truth = rdm.correlation_distance(random.normal(size=(20, 5)))
    return {
        "human": static(truth + 0.1 * random.normal(size=PAIRS)),
        "clip": static(random.normal(size=PAIRS)),
        "behavior": static(truth + 0.3 * random.normal(size=PAIRS)),
        "ceiling": static(truth),
    }


def test_agreement_is_scipys_spearman(judged):
    human = judged.pop("human")
    found = behavior.agree(judged, human, resamples=10, seed=0)
    for name, estimate in found.items():
        expected = spearmanr(judged[name].values[0], human.values[0]).statistic
        assert estimate.value == pytest.approx(expected, abs=1e-9)
        assert estimate.resampled.shape == (10,)


def test_good_models_agree_and_unrelated_ones_do_not(judged):
    found = behavior.agree(judged, judged["human"], resamples=500, seed=0)
    low, high = found["clip"].interval()
    assert low < 0 < high
    low, _ = (found["behavior"] - found["clip"]).interval()
    assert low > 0
    assert found["human"].interval() == pytest.approx((1, 1))


def test_interval_is_that_of_plain_resampling(judged):
    """A thousand resamples of the stimuli by a plain loop give the same interval within Monte-Carlo error."""
    human, model = (rdm.to_square(judged[name].values[0]) for name in ("human", "behavior"))
    random = np.random.default_rng(2)
    rho = []
    for _ in range(1000):
        drawn = random.integers(20, size=20)
        first, second = np.triu_indices(20, k=1)
        first, second = drawn[first], drawn[second]
        different = first != second
        first, second = first[different], second[different]
        rho.append(spearmanr(human[first, second], model[first, second]).statistic)
    low, high = behavior.agree(judged, judged["human"], resamples=2000, seed=0)["behavior"].interval()
    assert (low, high) == pytest.approx(np.quantile(rho, [0.025, 0.975]), abs=0.015)


def test_a_time_course_is_refused(judged):
    dynamic = tables.RDMs(np.array([10.0, 20.0]), np.zeros((2, PAIRS), np.float32), STIMULI)
    with pytest.raises(ValueError, match="group are at other times"):
        behavior.agree({"group": dynamic}, judged["human"], resamples=2, seed=0)


def test_table_is_valid(judged, tmp_path):
    independence = dict.fromkeys(tables.INDEPENDENCE, True)
    found = behavior.table(judged).assign(**independence)
    tables.write(found, tmp_path / "behavior_rdm.parquet", "behavior_rdm")
    found = tables.read(tmp_path / "behavior_rdm.parquet", "behavior_rdm")
    assert len(found) == 4 * PAIRS
    row = found.query("source == 'clip' and first == 'image-0' and second == 'image-2'")
    assert row["value"].item() == pytest.approx(judged["clip"].values[0, 1])
