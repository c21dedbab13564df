"""Adapters: nothing changes before the first step, something does after it, and what is saved is what was trained."""

import json
from dataclasses import replace

import numpy as np
import open_clip
import pytest
import torch

from cliphba.clip import adapters
from cliphba.clip.adapters import AdapterPlan
from cliphba.clip.published_dora import RowDirectionUpdate
from cliphba.config import Adapter
from tests.small_clip import LAYERS, PROMPTS, WIDTH, pictures, shake

METHODS = ("dora", "lora", "published_dora")
PLANS = {
    method: AdapterPlan({"vision": (1, 2), "text": (1,)}, rank=4, alpha=16, magnitude=True, method=method)
    for method in METHODS
}
PLAN = PLANS["dora"]
OUTPUT = "visual.transformer.resblocks.2.attn.out_proj.weight"
IMAGES = pictures(4)


@pytest.fixture(params=METHODS)
def plan(request):
    return PLANS[request.param]


@pytest.fixture
def adapted(backbone, plan):
    return adapters.add_adapters(backbone.copy().clip, plan, seed=0)


def features(backbone, adapted):
    model = backbone.with_clip(adapted.clip)
    return model.image_features(IMAGES), model.text_features(PROMPTS)


def test_fresh_adapters_change_nothing_bit_for_bit_but_the_published_ones_do(backbone, adapted, plan):
    """Fault 2 of the published procedure."""
    with torch.no_grad():
        image, text = features(backbone, adapted)
    same = plan.method != "published_dora"
    assert torch.equal(image, backbone.image_features(IMAGES)) == same
    assert torch.equal(text, backbone.text_features(PROMPTS)) == same


@pytest.mark.parametrize(("rank", "turned"), [(32, 0.167), (6, 0.889)])
def test_published_directions_start_turned_by_what_is_known_of_them(rank, turned):
    """|dV| is alpha / (3 rank): 41 degrees at rank 6."""
    torch.manual_seed(0)
    update = RowDirectionUpdate(torch.randn(768, 1024), rank=rank, alpha=16, magnitude=True)
    lengths = (update.scaling * update.second @ update.first).norm(dim=1)
    assert lengths.mean().item() == pytest.approx(16 / (3 * rank), rel=0.05)
    assert lengths.mean().item() == pytest.approx(turned, rel=0.05)


def test_published_weight_is_its_formula_row_by_row():
    """W'_o = m_o (V_o + dV_o) / |V_o + dV_o|, by hand with one row of rank 1."""
    update = RowDirectionUpdate(torch.tensor([[3.0, 4.0]]), rank=1, alpha=2, magnitude=True)
    update.first.data, update.second.data = torch.tensor([[0.1, -0.4]]), torch.tensor([[0.5]])
    # V = (0.6, 0.8); dV = 2 * 0.5 * (0.1, -0.4); V + dV = (0.7, 0.4), of length sqrt(0.65)
    expected = 5 * np.array([[0.7, 0.4]]) / np.sqrt(0.65)
    np.testing.assert_allclose(update(torch.tensor([[3.0, 4.0]])).detach(), expected, rtol=1e-6)


def test_published_gradient_goes_through_the_norm():
    """As torch's numerical gradient has it; DoRA takes the norm as constant."""
    torch.manual_seed(1)
    weight = torch.randn(3, 4, dtype=torch.float64)
    update = RowDirectionUpdate(weight, rank=2, alpha=4, magnitude=True).double()
    target = torch.randn(3, 4, dtype=torch.float64)

    def loss(first, second, magnitude):
        parts = {"first": first, "second": second, "magnitude": magnitude}
        return (torch.func.functional_call(update, parts, weight) * target).sum()

    assert torch.autograd.gradcheck(loss, (update.first, update.second, update.magnitude))


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


def test_merged_weight_is_doras_formula(backbone):
    adapted = adapters.add_adapters(backbone.copy().clip, PLAN, seed=0)
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


def test_merged_weight_is_loras_formula(backbone):
    adapted = adapters.add_adapters(backbone.copy().clip, PLANS["lora"], seed=0)
    shake(adapted, seed=1)
    state = adapted.state()
    key = f"base_model.model.{OUTPUT.removesuffix('weight')}lora"
    expected = backbone.clip.state_dict()[OUTPUT] + 16 / 4 * state[f"{key}_B.weight"] @ state[f"{key}_A.weight"]
    merged = adapters.merge_adapters(backbone.copy().clip, PLANS["lora"], state)
    torch.testing.assert_close(merged.state_dict()[OUTPUT], expected, atol=1e-6, rtol=0)


def test_merged_model_sees_as_the_model_in_training(backbone, adapted, plan):
    shake(adapted, seed=1)
    with torch.no_grad():
        in_training = features(backbone, adapted)
    merged = backbone.with_clip(adapters.merge_adapters(backbone.copy().clip, plan, adapted.state()))
    torch.testing.assert_close(merged.image_features(IMAGES), in_training[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(merged.text_features(PROMPTS), in_training[1], atol=1e-6, rtol=0)
    assert (merged.image_features(IMAGES) - backbone.image_features(IMAGES)).abs().max() > 1e-3


def test_merging_changes_planned_weights_only_and_leaves_a_plain_frozen_clip(backbone, adapted, plan):
    shake(adapted, seed=1)
    merged = adapters.merge_adapters(backbone.copy().clip, plan, adapted.state())
    assert merged.state_dict().keys() == backbone.clip.state_dict().keys()
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


def test_only_planned_blocks_are_adapted(adapted, plan):
    state = adapted.state()
    places = {name.removeprefix("base_model.model.").split(".attn")[0] for name in state}
    assert places == {"visual.transformer.resblocks.1", "visual.transformer.resblocks.2", "transformer.resblocks.1"}
    assert len(state) == 3 * (2 if plan.method == "lora" else 3)


@pytest.mark.parametrize("method", METHODS)
def test_magnitude_is_trained_only_if_asked_for(backbone, method):
    plan = AdapterPlan.of(Adapter(method=method, rank=4, magnitude=False), vision=tuple(range(LAYERS)))
    adapted = adapters.add_adapters(backbone.copy().clip, plan, seed=0)
    assert sum(part.numel() for part in adapted.trainable()) == LAYERS * 4 * (WIDTH + WIDTH)


@pytest.mark.parametrize(
    ("settings", "vision", "text", "published"),
    [
        ({"rank": 32}, (22, 23), (11,), 183_040),
        # with the reweighting of 281 and 221 times
        ({"rank": 32, "magnitude": False}, range(24), (), 1_579_608 - 281 * 24),
        ({"rank": 6, "magnitude": False}, range(24), (), 300_216 - 221 * 24),
    ],
    ids=["behavior", "group", "individual"],
)
@pytest.mark.parametrize("method", ["dora", "published_dora"])
def test_number_of_trained_weights_is_the_published_one(monkeypatch, settings, vision, text, published, method):
    settings = Adapter(method=method, **settings)
    config = open_clip.get_model_config("ViT-L-14")
    config["vision_cfg"]["block_type"] = config["text_cfg"]["block_type"] = "custom"
    monkeypatch.setattr(torch.nn.Module, "cpu", lambda self: self)
    with torch.device("meta"):  # shapes without memory
        clip = open_clip.CLIP(**config)
        adapted = adapters.add_adapters(clip, AdapterPlan.of(settings, vision=tuple(vision), text=text), seed=0)
    assert sum(part.numel() for part in adapted.trainable()) == published


def test_start_depends_on_the_seed_alone(backbone, plan):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (adapters.add_adapters(backbone.copy().clip, plan, seed).state() for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected), "the global generator was touched"
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_weights_of_another_plan_are_refused(backbone, adapted, plan):
    state = adapted.state()
    other = replace(plan, blocks={"vision": (2,), "text": (1,)})
    with pytest.raises(ValueError, match="do not fit its plan"):
        adapters.merge_adapters(backbone.copy().clip, other, state)


def test_plan_comes_back_from_its_description(plan):
    described = json.loads(json.dumps(plan.to_json()))
    assert AdapterPlan.from_json(described) == plan


def test_peft_is_not_asked_for_what_it_does_not_know():
    with pytest.raises(ValueError, match="peft does not know the published adapters"):
        PLANS["published_dora"].peft_settings()
