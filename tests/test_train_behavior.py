"""Fine-tuning to behaviour: a planted perception is found again, reproducibly, in the adapters alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cliphba.clip.adapters import AdapterPlan, add_adapters
from cliphba.config import Adapter, BehaviorTraining
from cliphba.models.checkpoint import Checkpoint, save_checkpoint
from cliphba.models.heads import behavior_embedding
from cliphba.train.behavior import LabelledImages, fit_behavior
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


def embed(model, images):
    return behavior_embedding(model.image_features(images), model.text_features(PROMPTS), model.scale)


def loss(model, labelled):
    return torch.mean((embed(model, labelled.images) - labelled.target) ** 2)


@pytest.fixture(scope="module")
def labelled(backbone):
    """Training, validation and test images as a planted model of the same kind sees them."""
    planted = checkpoint_of(backbone, trained_adapter(backbone.copy().clip, PLAN, seed=5, strength=0.1)).onto(
        backbone
    )
    images = [pictures(count, seed=seed) for seed, count in enumerate((48, 16, 24))]
    return [LabelledImages(part, embed(planted, part)) for part in images]


def train(backbone, labelled, *, seed=0, kept=None, precision="float32", **changes):
    return fit_behavior(
        backbone,
        prompts=PROMPTS,
        training=labelled[0],
        validation=labelled[1],
        settings=SETTINGS.model_copy(update=changes),
        seed=seed,
        precision=precision,
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


@pytest.mark.parametrize("method", ["dora", "lora", "published_dora"])
@pytest.mark.parametrize("blocks", [(LAYERS, 2), (2, 1), (1, 2)])
def test_epochs_are_those_of_whole_towers(backbone, labelled, method, blocks):
    """Plain training of whole towers, batch by batch, as anyone would write it."""
    training, validation, _ = labelled
    adapter = Adapter(rank=4, method=method)
    # no batch size that divides the images: the last batch of an epoch and of the validation images is smaller
    fit = train(
        backbone, labelled, adapter=adapter, vision_blocks=blocks[0], text_blocks=blocks[1], batch_size=10, epochs=2
    )

    adapted = add_adapters(backbone.copy().clip, fit.adapter.plan, seed=0)
    model = backbone.with_clip(adapted.clip)
    optimizer = torch.optim.AdamW(adapted.trainable(), lr=SETTINGS.learning_rate, weight_decay=SETTINGS.weight_decay)
    shuffle = np.random.default_rng(0)
    expected = [loss(model, validation)]
    for _ in range(2):
        seen = []
        for chosen in torch.from_numpy(shuffle.permutation(48)).split(10):
            optimizer.zero_grad()
            seen.append(loss(model, LabelledImages(training.images[chosen], training.target[chosen])))
            seen[-1].backward()
            optimizer.step()
        expected += [torch.stack(seen).mean(), loss(model, validation)]
    assert [losses.total for losses in fit.log] == pytest.approx([one.item() for one in expected], rel=1e-4)


def test_frozen_blocks_run_once_whatever_the_epochs(backbone, labelled):
    watched, seen = backbone.copy(), {"vision": 0, "text": 0}
    for tower, transformer in (("vision", watched.clip.visual.transformer), ("text", watched.clip.transformer)):

        def count(_, given, tower=tower):
            seen[tower] += len(given[0])

        transformer.resblocks[0].mlp.register_forward_pre_hook(count)
    train(watched, labelled, epochs=3)
    assert seen["vision"] == 48 + 16
    assert seen["text"] <= 2 * len(PROMPTS)  # the check of the prompts reads them, too


def test_a_planted_perception_is_approached_on_unseen_images(backbone, labelled, fitted):
    unseen = labelled[2]
    found = checkpoint_of(backbone, fitted.adapter).onto(backbone)
    assert loss(found, unseen) < loss(backbone, unseen) / 2


@pytest.mark.parametrize("learning_rate", [3e-3, 3e-2])
def test_the_saved_model_has_the_best_validation_loss_not_the_last(backbone, labelled, learning_rate):
    fit = train(backbone, labelled, learning_rate=learning_rate, epochs=3)
    found = checkpoint_of(backbone, fit.adapter).onto(backbone)
    assert float(loss(found, labelled[1])) == pytest.approx(best_loss(fit.log), rel=1e-4)
    assert learning_rate < 1e-2 or fit.log[-1].total > best_loss(fit.log) * 1.01


def test_training_starts_from_plain_clip(backbone, labelled, fitted):
    assert fitted.log[0].total == pytest.approx(float(loss(backbone, labelled[1])), rel=1e-5)


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


def test_a_prompt_the_text_tower_cannot_read_whole_is_refused(backbone, labelled):
    prompts = ("a; very; long; prompt; " * 4, *PROMPTS[1:])
    with pytest.raises(ValueError, match="has more than the 12 tokens this CLIP can read"):
        fit_behavior(
            backbone,
            prompts=prompts,
            training=labelled[0],
            validation=labelled[1],
            settings=SETTINGS,
            seed=0,
        )


def test_bfloat16_trains_nearly_the_same_model_with_weights_in_float32(backbone, labelled, fitted):
    found = train(backbone, labelled, precision="bfloat16")
    assert {tensor.dtype for tensor in found.adapter.state.values()} == {torch.float32}
    assert found.log != fitted.log
    assert best_loss(found.log) == pytest.approx(best_loss(fitted.log), rel=0.3)
