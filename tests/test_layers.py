"""Blocks of vision towers against brains: planted order found, by hand, none where there is none."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from cliphba import tables
from cliphba.evaluate import alignment, layers
from cliphba.evaluate.findings import Independence
from cliphba.tables import ClassTokens
from tests.planted import (
    PROCEDURE,
    STIMULI,
    TIMES,
    accepted,
    geometry,
    independence,
    names,
    pictures,
    recording,
    static,
)

SOURCES = {
    "clip": Independence(images=True, data=True, people=True),
    "group": Independence(images=True, data=True, people=False),
}
BLOCKS = 3


def simulate(seed, *, reversed_order=False, people=3):
    """Geometries that the brain has one after another, 20, 60 and 100 ms after onset, and a tower that has them."""
    random = np.random.default_rng(seed)
    stages = [geometry(pictures(random)) for _ in range(BLOCKS)]
    tower = dict(enumerate(map(static, stages[::-1] if reversed_order else stages), start=1))

    def measure():
        courses = [
            recording(random, 3 * one, noise=0.2, shape=np.exp(-(((TIMES - 20 - 40 * stage) / 20) ** 2))).values
            for stage, one in enumerate(stages)
        ]
        return tables.RDMs(TIMES, np.sum(courses, axis=0), STIMULI)

    return tower, {name: measure() for name in names(people)}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    tower, measured = simulate(0)
    towers = {"clip": tower, "group": simulate(0, reversed_order=True)[0]}
    return accepted(
        layers.evaluate(towers, measured, PROCEDURE, independence=SOURCES), tmp_path_factory.mktemp("layers")
    )


def test_planted_order_is_found(found):
    summary = found["summary"].set_index("model")
    assert summary.loc["clip", ["value", "low"]].tolist() == pytest.approx([1, 1])
    assert summary.loc["group", ["value", "high"]].tolist() == pytest.approx([-1, -1])
    peaks = found["layer_latency"].query("quantity == 'peak' and participant.isna()")
    assert peaks.set_index(["model", "block"])["value"].to_dict() == {
        **{("clip", block): 40 * block - 20 for block in (1, 2, 3)},
        **{("group", block): 140 - 40 * block for block in (1, 2, 3)},
    }
    assert (peaks["low"] <= peaks["value"]).all()


def test_rows_are_those_of_alignment(found):
    tower, measured = simulate(0)
    rho = alignment.measure({"2": tower[2]}, measured, resamples=0, seed=0).rho["2"].value
    frame = found["layer_alignment"].query("model == 'clip' and block == 2")
    np.testing.assert_allclose(frame.loc[frame["participant"].isna(), "rho"], rho.mean(0))
    np.testing.assert_allclose(frame.loc[frame["participant"] == names(3)[1], "rho"], rho[1])
    means = found["layer_alignment"].query("participant.isna() and time_ms > 0")
    assert means["p"].notna().all()
    assert (means.query("block == 1 and model == 'clip' and time_ms == 20")["p"] <= 0.05).all()


def test_rows_state_their_independence(found):
    for frame in found.values():
        stated = dict(zip(frame["model"], independence(frame), strict=True))
        assert stated == {"clip": (True, True, True), "group": (True, True, False)}


def test_order_is_the_rank_correlation_of_peaks():
    tower, measured = simulate(1)
    shuffled = {"1": tower[2], "2": tower[1], "3": tower[3]}
    found = layers.order(alignment.measure(shuffled, measured, resamples=5, seed=0))
    assert found.value == pytest.approx(spearmanr([1, 2, 3], [60, 20, 100])[0])
    assert found.resampled.shape == (5,)


def test_shuffled_images_have_no_order():
    tower, measured = simulate(2)
    order = np.random.default_rng(0).permutation(len(STIMULI))
    other = {block: static(one.of([STIMULI[place] for place in order]).values[0]) for block, one in tower.items()}
    summary = layers.evaluate({"clip": other}, measured, PROCEDURE, independence=SOURCES)
    assert summary["summary"].loc[0, "low"] < 0 < summary["summary"].loc[0, "high"]
    means = summary["layer_alignment"].query("participant.isna() and time_ms > 0")
    assert (means.groupby("block")["p"].min() > 0.05).all()


def test_rdms_of_blocks_are_one_minus_cosine(tmp_path):
    values = np.random.default_rng(3).normal(size=(2, 4, 5)).astype(np.float32)
    tables.write_class_tokens(ClassTokens(values, tuple("abcd")), tmp_path / "tokens.parquet", model="clip")
    read = tables.read_class_tokens(tmp_path / "tokens.parquet")
    np.testing.assert_array_equal(read.values, values)
    assert (read.stimuli, read.metadata["model"]) == (tuple("abcd"), "clip")
    first, second = values[1, 0], values[1, 3]
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert read.rdms()[2].values[0, 2] == pytest.approx(1 - cosine)
    with pytest.raises(ValueError, match="kind 'class_tokens', but 'embedding' is needed"):
        tables.read_embedding(tmp_path / "tokens.parquet")
