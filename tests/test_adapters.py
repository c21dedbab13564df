"""Adapters: nothing changes before the first step, something does after it, and what is saved is what was trained."""

from collections.abc import Mapping

import numpy as np
import open_clip
import pytest
import torch

from cliphba.clip import adapters
from cliphba.clip.adapters import AdapterPlan
from cliphba.config import Adapter
from tests.small_clip import LAYERS, PROMPTS, WIDTH, pictures, shake

PLAN = AdapterPlan({"vision": (1, 2), "text": (1,)}, rank=4, alpha=16, magnitude=True)
OUTPUT = "visual.transformer.resblocks.2.attn.out_proj.weight"
IMAGES = pictures(4)


@pytest.fixture
def adapted(backbone):
    return adapters.add_adapters(backbone.copy().clip, PLAN, seed=0)


def features(backbone, adapted):
    model = backbone.with_clip(adapted.clip)
    return model.image_features(IMAGES), model.text_features(PROMPTS)


def test_fresh_adapters_change_nothing_bit_for_bit(backbone, adapted):
    with torch.no_grad():
        image, text = features(backbone, adapted)
    assert torch.equal(image, backbone.image_features(IMAGES))
    assert torch.equal(text, backbone.text_features(PROMPTS))


def test_gradients_reach_every_adapter_and_a_step_changes_the_output(backbone, adapted):
    optimizer = torch.optim.SGD(adapted.trainable(), lr=0.1)
    before = [values.detach().clone() for values in features(backbone, adapted)]
    for _ in range(2):  # the second factor starts at zero: the first has its gradient from the second step on
        optimizer.zero_grad()
        image, text = features(backbone, adapted)
        (image @ text.T).square().mean().backward()
        optimizer.step()
    silent = [
        name for name, part in adapted.clip.named_parameters() if part.requires_grad and not part.grad.abs().sum() > 0
    ]
    assert not silent
    for old, new in zip(before, features(backbone, adapted), strict=True):
        assert (new - old).abs().max() > 1e-4


def test_a_step_changes_adapters_only(backbone, adapted):
    frozen = {name: part.clone() for name, part in adapted.clip.named_parameters() if not part.requires_grad}
    optimizer = torch.optim.AdamW(adapted.trainable(), lr=0.1)
    image, _ = features(backbone, adapted)
    image.sum().backward()
    optimizer.step()
    assert all(torch.equal(part, frozen[name]) for name, part in adapted.clip.named_parameters() if name in frozen)


def test_merged_weight_is_doras_formula(backbone, adapted):
    shake(adapted, seed=1)
    state = adapted.state()
    key = f"base_model.model.{OUTPUT.removesuffix('weight')}lora"
    first, second, magnitude = (
        state[f"{key}_{part}"].numpy() for part in ("A.weight", "B.weight", "magnitude_vector")
    )
    weight = backbone.clip.state_dict()[OUTPUT].numpy()
    direction = weight + 16 / 4 * second @ first
    expected = magnitude[:, None] * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    merged = adapters.merge_adapters(backbone.copy().clip, PLAN, state)
    np.testing.assert_allclose(merged.state_dict()[OUTPUT].numpy(), expected, atol=1e-6)


def test_merged_model_sees_as_the_model_in_training(backbone, adapted):
    shake(adapted, seed=1)
    with torch.no_grad():
        in_training = features(backbone, adapted)
    merged = backbone.with_clip(adapters.merge_adapters(backbone.copy().clip, PLAN, adapted.state()))
    torch.testing.assert_close(merged.image_features(IMAGES), in_training[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(merged.text_features(PROMPTS), in_training[1], atol=1e-6, rtol=0)
    assert (merged.image_features(IMAGES) - backbone.image_features(IMAGES)).abs().max() > 1e-3


def test_merging_changes_planned_weights_only_and_leaves_a_plain_frozen_clip(backbone, adapted):
    shake(adapted, seed=1)
    merged = adapters.merge_adapters(backbone.copy().clip, PLAN, adapted.state())
    original = backbone.clip.state_dict()
    changed = {name for name, part in merged.state_dict().items() if not torch.equal(part, original[name])}
    assert changed == {
        "visual.transformer.resblocks.1.attn.out_proj.weight",
        OUTPUT,
        "transformer.resblocks.1.attn.out_proj.weight",
    }
    assert isinstance(merged, open_clip.CLIP)
    assert not merged.training
    assert not any(parameter.requires_grad for parameter in merged.parameters())


def test_only_planned_blocks_are_adapted(adapted):
    state = adapted.state()
    places = {name.removeprefix("base_model.model.").split(".attn")[0] for name in state}
    assert places == {"visual.transformer.resblocks.1", "visual.transformer.resblocks.2", "transformer.resblocks.1"}
    assert len(state) == 3 * 3


def test_magnitude_is_trained_only_if_asked_for(backbone):
    plan = AdapterPlan.of(Adapter(rank=4, magnitude=False), vision=tuple(range(LAYERS)))
    adapted = adapters.add_adapters(backbone.copy().clip, plan, seed=0)
    assert sum(part.numel() for part in adapted.trainable()) == LAYERS * 4 * (WIDTH + WIDTH)


@pytest.mark.parametrize(
    ("settings", "vision", "text", "published"),
    [
        (Adapter(rank=32), (22, 23), (11,), 183_040),
        (Adapter(rank=32, magnitude=False), range(24), (), 1_579_608 - 281 * 24),
        (Adapter(rank=6, magnitude=False), range(24), (), 300_216 - 221 * 24),
    ],
    ids=["behavior", "group", "individual"],
)
def test_number_of_trained_weights_is_the_published_one(monkeypatch, settings, vision, text, published):
    config = open_clip.get_model_config("ViT-L-14")
    config["vision_cfg"]["block_type"] = config["text_cfg"]["block_type"] = "custom"
    monkeypatch.setattr(torch.nn.Module, "cpu", lambda self: self)
    with torch.device("meta"):  # shapes without memory
        clip = open_clip.CLIP(**config)
        adapted = adapters.add_adapters(clip, AdapterPlan.of(settings, vision=tuple(vision), text=text), seed=0)
    assert sum(part.numel() for part in adapted.trainable()) == published


def test_start_depends_on_the_seed_alone(backbone):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (adapters.add_adapters(backbone.copy().clip, PLAN, seed).state() for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected), "the global generator was touched"
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_weights_of_another_plan_are_refused(backbone, adapted):
    state = adapted.state()
    other = AdapterPlan({"vision": (2,), "text": (1,)}, rank=4, alpha=16, magnitude=True)
    with pytest.raises(ValueError, match="do not fit its plan"):
        adapters.merge_adapters(backbone.copy().clip, other, state)


def test_plan_comes_back_from_its_description():
    described = PLAN.to_json()
    assert isinstance(described, Mapping)
    assert AdapterPlan.from_json(described) == PLAN
