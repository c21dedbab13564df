"""The temporal curves of CLIP-HBA-MEG on a case that can be followed by hand."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from cliphba.meg.curves import mean_generalisation, temporal_curves
from cliphba.train import losses

TIMES = np.array([-20.0, 0.0, 20.0, 40.0, 60.0])
RDMS = np.random.default_rng(0).normal(size=(2, 5, 6))


def generalisation_of(rdms):
    matrix = np.corrcoef(rdms)
    return matrix.mean(axis=1)


def test_richness_by_hand():
    rdms = np.array([[[1.0, 3.0], [5.0, 5.0], [4.0, 8.0]], [[2.0, 2.0], [1.0, 1.0], [4.0, 4.0]]])
    # means over pairs and participants 2, 3, 5, scaled 0, 1/3, 1; zero up to onset
    found = temporal_curves(rdms, np.array([0.0, 20.0, 40.0]))
    assert found["richness"].tolist() == pytest.approx([0, 1 / 3, 1])


def test_generalisation_is_scaled_for_each_participant_then_averaged():
    scaled = []
    for participant in RDMS:
        curve = generalisation_of(participant)
        scaled.append((curve - curve.min()) / (curve.max() - curve.min()))
    expected = np.mean(scaled, axis=0)
    expected[TIMES <= 0] = 0
    np.testing.assert_allclose(temporal_curves(RDMS, TIMES)["generalisation"], expected, atol=1e-12)


def test_noise_is_the_smoothed_complement_of_generalisation():
    found = temporal_curves(RDMS, TIMES)
    smooth = gaussian_filter1d(1 - found["generalisation"].to_numpy(), sigma=3)
    np.testing.assert_allclose(found["noise"], (smooth - smooth.min()) / (smooth.max() - smooth.min()), atol=1e-12)


def test_no_sample_up_to_onset_has_richness_or_generalisation():
    found = temporal_curves(RDMS, TIMES)
    assert (found.loc[found["time_ms"] <= 0, ["richness", "generalisation"]] == 0).all(axis=None)


def test_constant_course_gives_zeros_not_nan():
    found = temporal_curves(np.broadcast_to(RDMS[:, :1], RDMS.shape), TIMES)
    assert np.isfinite(found).all(axis=None)


def test_the_loss_measures_generalisation_as_the_curves_do():
    np.testing.assert_allclose(mean_generalisation(RDMS)[0], generalisation_of(RDMS[0]), atol=1e-12)
    found = losses.mean_generalisation(torch.from_numpy(RDMS[0])).numpy()
    np.testing.assert_allclose(found, generalisation_of(RDMS[0]), atol=1e-12)
