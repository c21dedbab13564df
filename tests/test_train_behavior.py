"""Fine-tuning to behaviour: a planted perception is found again, reproducibly, in the adapters alone."""

from dataclasses import replace

import pytest
import torch

from cliphba.clip.adapters import AdapterPlan
from cliphba.config import Adapter, BehaviorTraining
from cliphba.models.checkpoint import Checkpoint, save_checkpoint
from cliphba.models.heads import behavior_embedding
from cliphba.train.behavior import LabelledImages, UpperVision, fit_behavior
from cliphba.train.loop import best_loss
from tests.killing import killed_at
from tests.small_clip import LAYERS, PROMPTS, pictures, trained_adapter

SETTINGS = BehaviorTraining(
    adapter=Adapter(rank=4), vision_blocks=2, text_blocks=1, learning_rate=3e-3, batch_size=16, epochs=12, patience=4
)
PLAN = AdapterPlan.of(SETTINGS.adapter, vision=(1, 2), text=(1,))


def checkpoint_of(backbone, *adapters):
    return Checkpoint(
        kind="behavior",
        dimensions=PROMPTS,
        prompts=PROMPTS,
        adapters=adapters,
        backbone="backbone",
        backbone_sha256=backbone.weights_sha256,
    )


@torch.no_grad()
def embed(model, images):
    return behavior_embedding(model.image_features(images), model.text_features(PROMPTS), model.scale)


@pytest.fixture(scope="module")
def labelled(backbone):
    """Training, validation and test images as a planted model of the same kind sees them."""
    planted = checkpoint_of(backbone, trained_adapter(backbone.copy().clip, PLAN, seed=5, strength=0.1)).onto(
        backbone
    )
    images = [pictures(count, seed=seed) for seed, count in enumerate((48, 16, 24))]
    return [LabelledImages(part, embed(planted, part)) for part in images]


def train(backbone, labelled, *, seed=0, kept=None, **changes):
    return fit_behavior(
        backbone,
        prompts=PROMPTS,
        training=labelled[0],
        validation=labelled[1],
        settings=SETTINGS.model_copy(update=changes),
        seed=seed,
        kept=kept,
    )


@pytest.fixture(scope="module")
def fitted(backbone, labelled):
    return train(backbone, labelled)


# three steps an epoch: within an epoch, at its end, in the first, and before anything is kept
@pytest.mark.parametrize("steps", [(0,), (2,), (3,), (7,), (10,), (4, 5, 3, 2)])
def test_a_killed_training_ends_as_if_it_had_not_been(backbone, labelled, fitted, tmp_path, monkeypatch, steps):
    for step in steps:
        assert killed_at(step, monkeypatch, lambda: train(backbone, labelled, kept=tmp_path))
    resumed = train(backbone, labelled, kept=tmp_path)
    assert resumed.log == fitted.log
    assert all(torch.equal(resumed.adapter.state[name], tensor) for name, tensor in fitted.adapter.state.items())


@pytest.mark.parametrize("first", range(LAYERS + 1))
def test_cached_lower_blocks_give_the_features_of_the_whole_tower(backbone, first):
    images = pictures(5)
    upper = UpperVision(backbone.clip.visual, first)
    found = upper(upper.lower_tokens(images, batch=2))
    torch.testing.assert_close(found, backbone.image_features(images), atol=1e-5, rtol=0)


def test_a_planted_perception_is_approached_on_unseen_images(backbone, labelled, fitted):
    unseen = labelled[2]
    found = checkpoint_of(backbone, fitted.adapter).onto(backbone)
    before, after = (torch.mean((embed(model, unseen.images) - unseen.target) ** 2) for model in (backbone, found))
    assert after < before / 2


@pytest.mark.parametrize("learning_rate", [3e-3, 3e-2])
def test_the_saved_model_has_the_best_validation_loss_not_the_last(backbone, labelled, learning_rate):
    fit = train(backbone, labelled, learning_rate=learning_rate, epochs=3)
    found = checkpoint_of(backbone, fit.adapter).onto(backbone)
    loss = torch.mean((embed(found, labelled[1].images) - labelled[1].target) ** 2)
    assert float(loss) == pytest.approx(best_loss(fit.log), rel=1e-4)
    assert learning_rate < 1e-2 or fit.log[-1].total > best_loss(fit.log) * 1.01


def test_training_starts_from_plain_clip(backbone, labelled, fitted):
    loss = torch.mean((embed(backbone, labelled[1].images) - labelled[1].target) ** 2)
    assert fitted.log[0].total == pytest.approx(float(loss), rel=1e-5)


def test_the_backbone_given_stays_as_it_was(backbone, labelled):
    before = {name: part.clone() for name, part in backbone.clip.state_dict().items()}
    train(backbone, labelled, epochs=1)
    assert all(torch.equal(part, before[name]) for name, part in backbone.clip.state_dict().items())
    assert set(before) == set(backbone.clip.state_dict())


def test_same_seed_gives_the_same_bytes(backbone, labelled, tmp_path):
    for name, seed in (("first", 0), ("second", 0), ("other", 1)):
        fit = train(backbone, labelled, epochs=2, seed=seed)
        save_checkpoint(checkpoint_of(backbone, fit.adapter), tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert (tmp_path / "first").read_bytes() != (tmp_path / "other").read_bytes()


def test_an_unlearnable_target_keeps_a_good_epoch(backbone, labelled):
    training = replace(labelled[0], target=labelled[0].target.flip(0) + 30)
    fit = train(backbone, [training, labelled[1]], epochs=3)
    assert best_loss(fit.log) <= fit.log[0].total


def test_more_blocks_than_there_are_are_refused(backbone, labelled):
    with pytest.raises(ValueError, match="asks for 4 adapted blocks, but this tower has 3"):
        train(backbone, labelled, vision_blocks=4)
    with pytest.raises(ValueError, match="asks for 3 adapted blocks, but this tower has 2"):
        train(backbone, labelled, text_blocks=3)


def test_a_missing_target_value_is_refused_and_not_trained_on(backbone, labelled):
    holed = labelled[0].target.clone()
    holed[3, 2] = torch.nan
    with pytest.raises(ValueError, match="look for missing values in the targets"):
        train(backbone, [replace(labelled[0], target=holed), labelled[1]], epochs=2)
