"""The engine over all measures: nothing is found in noise, what is there is found, and broken input is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mne.decoding import SlidingEstimator, cross_val_multiscore
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.svm import SVC

from cliphba.config import Decoding
from cliphba.meg.engine import decode_rdm, prepare
from tests.designs import labels

SHARED: dict[str, Any] = {"averaged_trials": 2, "average_repetitions": 2}
MEASURES: dict[str, dict[str, Any]] = {
    "lda": {},
    "lda, five folds": {"folds": 5},
    "lda, averaged": SHARED,
    "lda, Ledoit-Wolf": {"shrinkage": "ledoit_wolf"},
    "lda, whitened": {"whitening": "ledoit_wolf"},
    "lda, decision": {"value": "decision"},
    "svm": {"measure": "svm"},
    "svm, averaged, decision": {"measure": "svm", "value": "decision", **SHARED},
    "euclidean": {"measure": "euclidean"},
    "euclidean, five folds, averaged": {"measure": "euclidean", "folds": 5, "averaged_trials": 2},
    "crossnobis": {"measure": "euclidean", "whitening": "ledoit_wolf"},
    "crossnobis, given share": {"measure": "euclidean", "whitening": 0.1},
    "correlation": {"measure": "correlation"},
    "correlation, whitened": {"measure": "correlation", "whitening": "ledoit_wolf"},
}


def chance(settings: Decoding) -> float:
    return 0.5 if settings.measure in ("lda", "svm") and settings.value == "accuracy" else 0.0


@pytest.mark.parametrize("name", MEASURES)
def test_nothing_is_found_in_noise(name: str) -> None:
    """Noise as MEG has it: a few strong directions shared by all channels."""
    settings = Decoding(**MEASURES[name])
    stimulus, session = labels(16, 5, 2)
    generator = np.random.default_rng(1)
    mixing = np.linalg.qr(generator.normal(size=(20, 20)))[0] * np.logspace(0, -1.5, 20)
    epochs = np.einsum("nct,cd->ndt", generator.normal(size=(len(stimulus), 20, 40)), mixing)
    found = decode_rdm(epochs, stimulus=stimulus, session=session, settings=settings, seed=1).mean(axis=1)
    assert abs(found.mean() - chance(settings)) < 3.3 * found.std(ddof=1) / np.sqrt(len(found))


@pytest.mark.parametrize("name", MEASURES)
def test_what_is_there_is_found_at_its_time(name: str) -> None:
    settings = Decoding(**MEASURES[name])
    stimulus, session = labels(6, 5, 2)
    generator = np.random.default_rng(2)
    epochs = generator.normal(size=(len(stimulus), 20, 2))
    epochs[:, :, 1] += 2 * generator.normal(size=(6, 20))[stimulus]
    nothing, something = decode_rdm(epochs, stimulus=stimulus, session=session, settings=settings, seed=2)
    assert (something > chance(settings)).all()
    assert something.mean() > nothing.mean() + 5 * nothing.std() / np.sqrt(len(nothing))


@pytest.mark.parametrize("name", MEASURES)
def test_threads_and_precision_do_not_matter(name: str) -> None:
    settings = Decoding(**MEASURES[name])
    stimulus, session = labels(19, 5, 2)
    epochs = np.random.default_rng(3).normal(size=(len(stimulus), 12, 1)).astype(np.float32)
    options: dict[str, Any] = {"stimulus": stimulus, "session": session, "settings": settings, "seed": 3}
    expected = decode_rdm(epochs, **options)
    assert expected.dtype == np.float32
    np.testing.assert_array_equal(decode_rdm(epochs, **options, threads=2), expected)
    np.testing.assert_allclose(decode_rdm(epochs.astype(np.float64), **options), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("classifier", "settings"),
    [
        (LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.01 / 1.01), {}),
        (LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), {"shrinkage": "ledoit_wolf"}),
        (SVC(kernel="linear", C=1.0), {"measure": "svm"}),
    ],
)
def test_equals_scikit_learn_in_a_sliding_estimator(classifier: Any, settings: dict[str, Any]) -> None:
    stimulus, session = labels(4, 5, 2)
    generator = np.random.default_rng(4)
    epochs = generator.normal(size=(len(stimulus), 30, 3)) + 0.4 * generator.normal(size=(4, 30, 1))[stimulus]
    found = decode_rdm(epochs, stimulus=stimulus, session=session, settings=Decoding(**settings))
    for pair, (first, second) in enumerate(zip(*np.triu_indices(4, 1), strict=True)):
        chosen = (stimulus == first) | (stimulus == second)
        expected = cross_val_multiscore(
            SlidingEstimator(classifier, verbose="error"),
            epochs[chosen],
            stimulus[chosen],
            groups=session[chosen],
            cv=LeaveOneGroupOut(),
            verbose="error",
        )
        np.testing.assert_allclose(found[:, pair], expected.mean(axis=0), atol=1e-6)


def test_averages_depend_on_the_seed_and_repetitions_lower_their_noise() -> None:
    stimulus, session = labels(8, 4, 4)
    epochs = np.random.default_rng(5).normal(size=(len(stimulus), 16, 10))

    def spread(repetitions: int) -> float:
        settings = Decoding(averaged_trials=2, average_repetitions=repetitions)
        drawn = [
            decode_rdm(epochs, stimulus=stimulus, session=session, settings=settings, seed=100 * seed)
            for seed in range(4)
        ]
        return float(np.std(drawn, axis=0).mean())

    assert 0 < spread(8) < 0.6 * spread(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": np.zeros((8, 3))}, "trials, channels, times"),
        ({"session": np.zeros(7, dtype=int)}, "one session a trial"),
        ({"epochs": np.full((8, 3, 1), np.nan)}, "not finite"),
        ({"session": np.array([0, 0, 1, 1, 2, 2, 3, 3])}, "stimuli 0 and 1 share no session"),
    ],
)
def test_refuses(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "epochs": np.random.default_rng(6).normal(size=(8, 3, 1)),
        "stimulus": np.repeat([0, 1], 4),
        "session": np.tile([0, 0, 1, 1], 2),
    }
    arguments = good | change
    epochs = arguments.pop("epochs")
    with pytest.raises(ValueError, match=message):
        decode_rdm(epochs, **arguments)


def test_a_time_point_with_other_trials_is_refused() -> None:
    stimulus, session = labels(2, 3, 1)
    rdm = prepare(stimulus, session, Decoding(), seed=0, threads=1)
    with pytest.raises(ValueError, match="the 6 trials"):
        rdm(np.zeros((5, 3)))
