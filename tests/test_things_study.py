"""THINGS-MEG made small: from its raw data, its published epochs and its published RDMs, through the whole chain."""

from __future__ import annotations

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from tests.things_oracle import SHRINKAGE, decode
from tests.things_study import SmallThings

THINGS = SmallThings(participants=3)


# ---- the small data set itself


def test_reference_decoder_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    stimulus, session = np.tile(np.arange(4), 12), np.repeat(np.arange(4), 12)
    patterns = random.normal(size=(48, 7)) + random.normal(size=(4, 7))[stimulus]
    found = []
    for first, second in zip(*np.triu_indices(4, 1), strict=True):
        chosen = np.isin(stimulus, [first, second])
        scores = []
        for left_out in range(4):
            test, training = chosen & (session == left_out), chosen & (session != left_out)
            classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE)
            classifier.fit(patterns[training], stimulus[training])
            scores.append(classifier.score(patterns[test], stimulus[test]))
        found.append(np.mean(scores))
    np.testing.assert_allclose(decode(patterns, stimulus, session), found)
