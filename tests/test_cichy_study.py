"""The 118-image study made small: published RDMs of 15 people, and no halves of the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat, savemat
from scipy.spatial.distance import pdist, squareform

from cliphba import tables
from tests import real_studies
from tests.things_study import paint

Floats = NDArray[np.float64]

pytestmark = pytest.mark.workflow

IMAGES, FEATURES, PEOPLE = 24, 12, 15
LOOKING = [f"sub-{number:02d}" for number in range(1, 5)]
OTHERS = ["sub-O1", "sub-O2"]
SIZES = {
    "participants": LOOKING,
    "grid": {"stop_ms": 400, "step_ms": 20},
    "data": {"stimuli": {"training_images": 12, "validation_images": 4, "test_images": 8}},
    "evaluation_sets": [
        {
            "name": "others",
            "images": "data/others/images",
            "count": 10,
            "participants": OTHERS,
            "rdms": {
                "file": "data/others/rdms.mat",
                "format": "matlab",
                "variable": "result_dsm",
                "start_ms": -100,
                "step_ms": 10,
                "samples": 71,
            },
        }
    ],
}


def write_pictures(folder: Path, features: Floats) -> None:
    """Write pictures that show features, which look the same in every set."""
    folder.mkdir(parents=True)
    for number, pixels in enumerate(paint(features, np.random.default_rng(0), 48), start=1):
        Image.fromarray(pixels).save(folder / f"image_{number:03d}.jpg")


def draw_rdms(features: Floats, gains: Floats, times_ms: Floats, *, seed: int) -> Floats:
    """Accuracies (people, times, images, images): a geometry of each person's own, at its strongest at 130 ms."""
    random = np.random.default_rng(seed)
    course = np.exp(-(((times_ms - 130) / 40) ** 2) / 2) * (times_ms > 0)
    rdms = []
    for own in gains:
        distance = pdist(features * own)
        noise = random.normal(0, 0.03, (len(times_ms), len(distance)))
        accuracy = 0.5 + 0.35 * course[:, None] * distance / distance.max() + noise
        rdms.append([squareform(one) for one in accuracy])
    return np.array(rdms)


@pytest.fixture(scope="module")
def repository(things: Path) -> Path:
    """The repository in which the THINGS study was run, whose Behavior model this study takes, and 118 images."""
    random = np.random.default_rng(1)
    data = things / "data"
    features, gains = random.gamma(0.5, 1, (IMAGES, FEATURES)), np.exp(random.normal(0, 0.8, (PEOPLE, FEATURES)))
    write_pictures(data / "cichy-118/images", features)
    published = draw_rdms(features, gains, np.arange(-100.0, 1001), seed=2)
    savemat(data / "cichy-118/MEG_decoding_RDMs.mat", {"MEG_decoding_RDMs": published.astype(np.float32)})
    features, gains = random.gamma(0.5, 1, (10, FEATURES)), np.exp(random.normal(0, 0.8, (len(OTHERS), FEATURES)))
    write_pictures(data / "others/images", features)
    rdms = draw_rdms(features, gains, np.arange(-100.0, 601, 10), seed=3)
    # as those of the published sets: images, images and times last, and nothing below the diagonal
    savemat(data / "others/rdms.mat", {"result_dsm": np.triu(rdms).transpose(0, 2, 3, 1)})
    real_studies.run(things, "cichy-118", SIZES, "all")
    return things


@pytest.mark.parametrize("number", [1, 4])
def test_rdms_are_averages_of_five_samples_of_the_right_person(repository: Path, number: int) -> None:
    published = loadmat(repository / "data/cichy-118/MEG_decoding_RDMs.mat")["MEG_decoding_RDMs"]
    assert published.shape == (PEOPLE, 1101, IMAGES, IMAGES)
    found = tables.read_rdms(repository / f"results/cichy-118/rdm/sub-{number:02d}_all.parquet")
    np.testing.assert_array_equal(found.times_ms, np.arange(-100, 401, 20))
    assert found.stimuli == tuple(f"image_{index:03d}" for index in range(1, IMAGES + 1))
    first, second = np.triu_indices(IMAGES, 1)
    # 116 to 120 ms
    expected = published[number - 1, 216:221, first, second].mean(axis=1)
    np.testing.assert_allclose(found.values[found.times_ms == 120][0], expected, rtol=1e-5)


def test_the_last_pictures_are_held_out(repository: Path) -> None:
    stimuli = tables.read(repository / "results/cichy-118/source/stimuli.parquet", "stimuli")
    assert stimuli["split"].tolist() == ["train"] * 12 + ["validation"] * 4 + ["test"] * 8


def test_people_have_models_of_their_own_tested_on_other_images_only(repository: Path) -> None:
    found = real_studies.summary(repository, "cichy-118")
    assert set(found.loc[~found["independent_images"], "model"]) == {"lower ceiling", "upper ceiling"}
    assert not found["independent_data"].any()
    assert set(found.loc[found["metric"] == "own_alignment_auc", "participant"]) == set(LOOKING)
    assert found["metric"].eq("identification_accuracy").sum() == 1
    # nobody judged these pictures
    assert not found["metric"].str.startswith("behavior").any()
    real_studies.check_figures(repository, "cichy-118")


def test_pictures_that_show_what_brains_respond_to_are_seen_alike(repository: Path) -> None:
    """What people respond to is painted into the pictures: a CLIP that learnt nothing sees some of it."""
    found = real_studies.summary(repository, "cichy-118").set_index(["metric", "model"])
    assert found.loc[("alignment_auc", "clip"), "value"].item() > 0
    assert abs(found.loc[("baseline_rho", "clip"), "value"].item()) < 0.05


def test_other_people_and_pictures_test_the_models(repository: Path) -> None:
    found = tables.read(repository / "results/cichy-118/external_summary.parquet", "external_summary")
    assert set(found["image_set"]) == {"others"}
    assert {"clip", "behavior", "group"} <= set(found.loc[found["metric"] == "alignment_auc", "model"])
    of_models = found[~found["model"].str.contains("ceiling")]
    assert of_models[["independent_images", "independent_data", "independent_people"]].all(axis=None)
    # the times that both have: 10 to 400 ms in steps of 20
    course = tables.read(repository / "results/cichy-118/evaluation/external/others_alignment.parquet", "alignment")
    assert sorted(course["time_ms"].unique()) == list(range(-100, 401, 20))
