"""The two protocols: each fault of the published procedure is there under `published` and not under `corrected`."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from cliphba import stages, studies
from cliphba.clip.images import PUBLISHED_PREPARATION, prepare_images
from cliphba.config import ConfigurationError, DynamicTraining, Protocol, as_published, load_study
from cliphba.models.heads import DynamicHead, TemporalCurves, TemporalNoise
from cliphba.models.perception import BATCH, PerceptionModel
from cliphba.train import dynamic
from cliphba.train.dynamic import MeasuredImages, Setup, fit_adapters, fit_reweightings
from cliphba.train.losses import Objective
from tests.members import of_members
from tests.small_clip import LAYERS, SIZE, pictures, text_features_among_images

LEAST = {"name": "mine", "participants": ["sub-01", "sub-02", "sub-03"], "simulation": {}}
CORRECTED, PUBLISHED = (load_study(LEAST | {"protocol": {"name": name}}) for name in ("corrected", "published"))
GRID = torch.arange(-20.0, 30, 5)


def head_on(times_ms, *, window_ms=15.0, block_weights="softmax", reweighting=None):
    """Curves of one, and zero up to onset."""
    after = (times_ms > 0).float()
    curves = TemporalCurves(times_ms, after, after, 1 - after / 2)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(len(times_ms), LAYERS, generator=generator) if reweighting is None else reweighting
    return DynamicHead(curves, drawn, window_ms, block_weights)


# the switch


def test_the_name_alone_sets_every_choice():
    assert PUBLISHED.protocol == Protocol(
        name="published",
        group_starts_from="clip",
        individual_starts_from="clip",
        images="published",
        block_weights="min_max",
        times="all",
        noise_at_evaluation=True,
        statistics_from="everything",
        batches="frozen",
        evaluated_on="training",
    )
    assert PUBLISHED.group_training.stage_1_patience == 5
    assert PUBLISHED.individual_training.stage_1_epochs == 10
    sections = (PUBLISHED.behavior_training, PUBLISHED.group_training, PUBLISHED.individual_training)
    assert {section.adapter.method for section in sections} == {"published_dora"}
    # and nothing else of the training differs
    assert PUBLISHED.individual_training.loss == CORRECTED.individual_training.loss
    assert PUBLISHED.behavior_training.learning_rate == CORRECTED.behavior_training.learning_rate


def test_corrected_is_the_default_in_every_choice():
    assert load_study(LEAST) == CORRECTED
    assert CORRECTED.protocol == Protocol()


def test_any_choice_can_be_set_by_itself():
    protocol = load_study(LEAST | {"protocol": {"name": "published", "batches": "reshuffled"}}).protocol
    assert (protocol.batches, protocol.times) == ("reshuffled", "all")
    assert load_study(LEAST | {"protocol": {"block_weights": "min_max"}}).protocol.times == "after_onset"


@pytest.mark.parametrize("name", ["config.yaml", "studies/demo-published.yaml"])
def test_switching_the_name_in_a_generated_file_switches_everything(name):
    """Whatever the protocol decides stands there as a comment, but for the demo's own scale of the noise."""
    settings = yaml.safe_load(studies.generated_files()[name])
    for wanted in ("corrected", "published"):
        settings["protocol"]["name"] = wanted
        found = load_study(settings).protocol
        noise = settings["protocol"].get("noise_scale", 1)
        expected = {"corrected": CORRECTED, "published": PUBLISHED}[wanted].protocol
        assert found == expected.model_copy(update={"noise_scale": noise})


def test_the_published_demo_is_the_demo_but_for_the_protocol():
    found = as_published(studies.DEMO)
    assert found.protocol == PUBLISHED.protocol
    assert found.group_training.batch_size == studies.DEMO.group_training.batch_size
    assert found.simulation == studies.DEMO.simulation


def test_an_unknown_protocol_is_refused():
    with pytest.raises(ConfigurationError, match=r"protocol.name: .*'corrected' or 'published'.*'improved'"):
        load_study(LEAST | {"protocol": {"name": "improved"}})


# fault 1: never reproduced


def test_every_label_is_a_prompt_of_its_own(backbone):
    features = backbone.text_features(["red", "round", "repetitive; spiky", "road"])
    assert len(torch.unique(features, dim=0)) == 4


# fault 3: noise and jitter at evaluation


@pytest.fixture(scope="module")
def models(backbone):
    """Dynamic models of both protocols."""
    text = text_features_among_images(backbone)
    corrected = PerceptionModel(backbone, tuple("abcdefghijkl"), text, head_on(GRID[GRID > 0]))
    published = replace(corrected, head=head_on(GRID, block_weights="min_max"), evaluation_noise=(1.0, 5))
    return {"corrected": corrected, "published": published}


def embed(model, images):
    return model.embed_decoded(images, [str(index) for index in range(len(images))]).values


@pytest.mark.parametrize("protocol", ["corrected", "published"])
def test_an_embedding_depends_on_its_neighbours_under_published_only(models, protocol):
    images = pictures(6)
    together, fewer = embed(models[protocol], images), embed(models[protocol], images[:3])
    assert np.allclose(together[:, :3], fewer, atol=1e-5) == (protocol == "corrected")


def test_published_noise_is_scaled_by_all_images_however_many_there_are(models):
    """More images than pass the tower at once, and one more: no batch of a single image."""
    assert np.isfinite(embed(models["published"], pictures(BATCH + 1))).all()


@pytest.mark.parametrize("protocol", ["corrected", "published"])
def test_one_image_alone_has_no_embedding_under_published_only(models, protocol):
    assert np.isfinite(embed(models[protocol], pictures(1))).all() == (protocol == "corrected")


def test_published_noise_comes_from_the_recorded_seed(models):
    images, other = pictures(4), replace(models["published"], evaluation_noise=(1.0, 6))
    first, again, another = (embed(model, images) for model in (models["published"], models["published"], other))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, another)


# fault 5: signal before onset


def test_windows_let_signal_in_before_onset_under_published_only():
    published, corrected = head_on(GRID), head_on(GRID[GRID > 0])
    early = (GRID > -15) & (GRID <= 0)
    assert (published.amplitude[early] > 0).all()
    assert (published.amplitude[GRID < -15] == 0).all()
    assert (corrected.curves.times_ms > 0).all()


def test_published_window_is_its_definition():
    """Mean over the samples within 15 ms, at the ends of the grid over those there are."""
    expected = [(GRID[(GRID - time).abs() <= 15] > 0).float().mean() for time in GRID]
    np.testing.assert_allclose(head_on(GRID).amplitude, torch.stack(expected), atol=1e-6)


def test_published_embedding_is_its_definition_before_noise():
    """y = ReLU(beta ReLU(alpha sum_j w_j S_j)), w min-max scaled over blocks and divided by its sum."""
    head = head_on(GRID, window_ms=0, block_weights="min_max")
    similarity = torch.randn(LAYERS, 5, 7, generator=torch.Generator().manual_seed(1)) + 0.5
    expected = np.zeros((len(GRID), 5, 7))
    for time in range(len(GRID)):
        row = head.reweighting[time].detach().numpy().astype(float)
        scaled = (row - row.min()) / (row.max() - row.min())
        weights = scaled / scaled.sum()
        alpha = beta = float(GRID[time] > 0)
        mixed = sum(weights[block] * similarity[block].numpy() for block in range(LAYERS))
        expected[time] = np.maximum(0, beta * np.maximum(0, alpha * mixed))
    np.testing.assert_allclose(head(similarity).detach().numpy(), expected, atol=1e-5)


def test_published_jitter_is_all_there_is_before_onset():
    head = head_on(GRID, window_ms=0)
    found = head(torch.ones(LAYERS, 4, 7), TemporalNoise(torch.Generator().manual_seed(0), 1.0)).detach()
    before = found[GRID <= 0]
    assert ((before >= 1e-6) & (before <= 1.1e-5)).all()


# fault 8: frozen batches


def setup_of(protocol, images=1456, batch_size=50):
    blank = MeasuredImages(torch.zeros(images, 1), torch.zeros(1, 1))
    return Setup(None, None, blank, blank, DynamicTraining(batch_size=batch_size), protocol, seed=0)


def test_frozen_batches_would_show_3_percent_of_all_pairs():
    """Published: 1456 objects in batches of 50."""
    batches = setup_of(Protocol()).batches(np.random.default_rng(0))
    pairs = sum(len(batch) * (len(batch) - 1) // 2 for batch in batches)
    assert pairs / (1456 * 1455 // 2) == pytest.approx(0.034, abs=0.001)
    assert sorted(np.concatenate(batches)) == list(range(1456))


@pytest.fixture(scope="module")
def measured(backbone):
    times = 4
    parts = [pictures(count, seed=seed) for seed, count in enumerate((24, 12))]
    generator = torch.Generator().manual_seed(3)
    pairs = (24 * 23 // 2, 12 * 11 // 2)
    return [
        MeasuredImages(part, torch.rand(times, count, generator=generator))
        for part, count in zip(parts, pairs, strict=True)
    ]


TRAINING = DynamicTraining(batch_size=12, stage_1_epochs=3, stage_2_epochs=3, stage_2_patience=3)


@pytest.mark.parametrize("batches", ["reshuffled", "frozen"])
def test_batches_stay_the_same_under_published_only(backbone, measured, monkeypatch, batches):
    cut, shown = [], []
    whole = Setup.batches
    monkeypatch.setattr(Setup, "batches", lambda self, shuffle: cut.append(whole(self, shuffle)) or cut[-1])
    parts_of = dynamic.loss_parts
    monkeypatch.setattr(
        dynamic, "loss_parts", lambda found, target: shown.append(found.shape[-2]) or parts_of(found, target)
    )
    head = head_on(GRID[-4:])
    setup = Setup(
        backbone, text_features_among_images(backbone), *measured, TRAINING, Protocol(batches=batches), seed=0
    )
    (first,) = fit_reweightings(of_members(setup, [part.rdms[None] for part in measured]), {"one": head})
    stage_1 = shown.copy()
    fit_adapters(setup, "one", first.dynamic.head(), Objective.relative_to(first.before, TRAINING.loss))
    if batches == "frozen":
        # cut once for each stage, the same in both
        assert len(cut) == 2
        assert all(np.array_equal(one, other) for one, other in zip(*cut, strict=True))
        assert stage_1.count(12) == 2 + 3 + 3 * 2 and 24 not in stage_1
    else:
        assert len(cut) == 3
        assert not any(np.array_equal(cut[0][0], other[0]) for other in cut[1:])
        assert stage_1.count(24) == 3


# fault 9: the weakest block


@pytest.mark.parametrize("block_weights", ["softmax", "min_max"])
def test_the_weakest_block_has_no_gradient_under_published_only(block_weights):
    """It is the other end of the scale there: moving it moves the others' weights, never its own."""
    weak_last = torch.tensor([0.5, 0.3, 0.1]).repeat(len(GRID), 1)
    head = head_on(GRID, window_ms=0, block_weights=block_weights, reweighting=weak_last)
    own = head.weights()[:, -1]
    (gradient,) = torch.autograd.grad(own.sum(), head.reweighting)
    assert bool((gradient.abs() > 1e-6).any()) == (block_weights == "softmax")


# images


def test_published_images_are_squashed_and_have_the_colours_of_things(backbone, tmp_path):
    """A wide image, its left half white: cropping would move the edge."""
    pixels = np.zeros((20, 80, 3), dtype=np.uint8)
    pixels[:, :40] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    (found,) = prepare_images(backbone, "published").read_images([tmp_path / "wide.png"])
    assert found.shape == (3, SIZE, SIZE)
    mean, deviation = (torch.tensor(PUBLISHED_PREPARATION[name])[:, None, None] for name in ("mean", "std"))
    grey = found * deviation + mean
    assert grey[:, :, : SIZE // 2 - 2].min() == pytest.approx(1, abs=1e-5)
    assert grey[:, :, SIZE // 2 + 2 :].max() == pytest.approx(0, abs=1e-5)
    assert prepare_images(backbone, "backbone") is backbone


# stages


def test_a_stage_runs_again_for_its_own_settings_only():
    changed = load_study(LEAST | {"individual_training": {"stage_2_epochs": 3}})
    assert stages.adapters(changed, "individual") != stages.adapters(CORRECTED, "individual")
    for same in (
        stages.behavior,
        stages.initial_reweighting,
        lambda study: stages.reweighting(study, "individual"),
        lambda study: stages.adapters(study, "group"),
    ):
        assert same(changed) == same(CORRECTED)
