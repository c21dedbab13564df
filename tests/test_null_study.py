"""Where people do not differ nobody may be identified, through the very decoder, reweighting and test of a study.

Hundreds of studies are run at once: to the decoder and to the reweighting a participant of a study is one more time
point, since both treat times independently.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import binom

from cliphba import rdm
from cliphba.evaluate import personal
from cliphba.meg.engine import decode_rdm
from cliphba.train.reweighting import optimise_reweighting

STUDIES, PARTICIPANTS, NOISE = 100, 6, 2.0
TRAINING, TEST, FACTORS, WIDTH, CHANNELS, SESSIONS = 24, 20, 6, 24, 24, 3


def measured(factors, gains, seed):
    """RDMs (studies x participants, pairs) of one half of the data; gains scale what each person responds to."""
    random = np.random.default_rng(seed)
    people = STUDIES * PARTICIPANTS
    field = np.random.default_rng(0).standard_normal((FACTORS, CHANNELS))
    stimulus = np.tile(np.arange(len(factors)), SESSIONS)
    session = np.repeat(np.arange(SESSIONS), len(factors))
    patterns = np.einsum("nf,pf,fc->ncp", factors[stimulus], gains, field)
    patterns = patterns + NOISE * random.standard_normal((len(stimulus), CHANNELS, people))
    return decode_rdm(patterns, stimulus=stimulus, session=session, threads=2)


def identified(gain_sd):
    """p values of identification (studies,), by accuracy and by margin."""
    random = np.random.default_rng(1)
    factors = random.random((TRAINING + TEST, FACTORS)) * (random.random((TRAINING + TEST, FACTORS)) < 0.4)
    gains = np.exp(gain_sd * random.standard_normal((STUDIES * PARTICIPANTS, FACTORS)))
    halves = [measured(factors, gains, seed) for seed in (2, 3)]
    # blocks of a tower, each good at one of the factors
    focus = np.eye(FACTORS) + 0.1
    mixing = random.standard_normal((FACTORS, WIDTH))
    tokens = torch.tensor(np.stack([(factors * one) @ mixing for one in focus]), dtype=torch.float32)
    training, test = np.arange(TRAINING), np.arange(TRAINING, TRAINING + TEST)
    found = optimise_reweighting(
        tokens[:, :TRAINING],
        torch.tensor(rdm.select(halves[0], training)),
        outer_folds=3,
        inner_folds=3,
        seed=0,
    )
    embedded = torch.nn.functional.normalize(torch.tensordot(found.weights, tokens[:, TRAINING:], dims=1), dim=-1)
    predicted = rdm.ranks(1 - rdm.to_triangle(embedded @ embedded.swapaxes(1, 2)).numpy())
    held_out = rdm.ranks(rdm.select(halves[1], test))
    shape = (STUDIES, PARTICIPANTS, -1)
    matrix = predicted.reshape(shape) @ held_out.reshape(shape).swapaxes(1, 2)
    found = personal.identify(matrix, seed=0)
    return found.accuracy_p, found.margin_p


def test_nobody_is_identified_where_nobody_differs():
    for p in identified(gain_sd=0.0):
        assert (p <= 0.05).sum() <= binom.ppf(0.9995, STUDIES, 0.05)


def test_people_who_differ_are_identified():
    _, margin_p = identified(gain_sd=1.0)
    assert (margin_p <= 0.05).mean() > 0.5
