"""The upper parts of the towers: features and gradients of the whole, without what does not change or is not read."""

import copy

import open_clip
import pytest
import torch

from cliphba.clip.adapters import AdapterPlan, add_adapters
from cliphba.clip.upper import UpperTower, text_tower, vision_tower
from cliphba.config import Adapter
from tests.small_clip import ARCHITECTURE, LAYERS, PROMPTS, pictures, shake

TEXT_LAYERS = ARCHITECTURE["text_cfg"]["layers"]
TOKENS = {"vision": 17, "text": 12}
IMAGES = pictures(5)
CASES = [("vision", first) for first in range(LAYERS)] + [("text", first) for first in range(TEXT_LAYERS)]


def adapt(backbone, tower, first, method="dora"):
    """Fresh adapters in all blocks of a tower from some block on."""
    blocks = {"vision": LAYERS, "text": TEXT_LAYERS}[tower]
    plan = AdapterPlan.of(Adapter(rank=4, method=method), **{tower: tuple(range(first, blocks))})
    return add_adapters(backbone.copy().clip, plan, seed=0)


def upper_and_whole(clip, tower, first):
    """The upper part, and open_clip's own pass through all of the tower."""
    if tower == "vision":
        return UpperTower(vision_tower(clip), first), lambda images: clip.encode_image(images, normalize=True)
    return UpperTower(text_tower(clip), first), lambda texts: clip.encode_text(texts, normalize=True)


@pytest.fixture(scope="module")
def inputs(backbone):
    """Prompts are of different lengths, so that their end tokens stand at different places."""
    texts = backbone.tokenize(list(PROMPTS))
    assert len(set(texts.argmax(dim=1).tolist())) > 2
    return {"vision": IMAGES, "text": texts}


def gradients(adapted, features):
    """Gradients of a sum that weighs all features differently."""
    weights = torch.linspace(-1, 1, features.numel()).view_as(features)
    return torch.autograd.grad((weights * features).sum(), adapted.trainable())


@pytest.mark.parametrize("method", ["dora", "lora", "published_dora"])
@pytest.mark.parametrize(("tower", "first"), CASES)
def test_features_and_gradients_are_those_of_the_whole_tower(backbone, inputs, tower, first, method):
    adapted = adapt(backbone, tower, first, method)
    upper, whole = upper_and_whole(adapted.clip, tower, first)
    entering = upper.enter(inputs[tower], batch=2)
    before = whole(inputs[tower])
    shake(adapted, seed=1)  # what was kept holds whatever the adapters become
    found, expected = upper.features(entering), whole(inputs[tower])
    assert (expected - before).abs().max() > 1e-2
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    for one, other in zip(gradients(adapted, found), gradients(adapted, expected), strict=True):
        assert other.abs().max() > 0
        torch.testing.assert_close(one, other, atol=1e-5 * float(other.abs().max()), rtol=0)


@pytest.mark.parametrize(("tower", "blocks"), [("vision", LAYERS), ("text", TEXT_LAYERS)])
def test_a_tower_without_adapters_leaves_a_projection_to_do(backbone, inputs, tower, blocks):
    upper, whole = upper_and_whole(backbone.clip, tower, blocks)
    place, read = upper.enter(inputs[tower], batch=4)
    assert read.shape[:2] == (len(place), 1)
    torch.testing.assert_close(upper.features((place, read)), whole(inputs[tower]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("tower", "first"), CASES)
def test_only_adapted_blocks_run_and_the_last_for_one_token(backbone, inputs, tower, first):
    clip = adapt(backbone, tower, first).clip
    upper, _ = upper_and_whole(clip, tower, first)
    entering = upper.enter(inputs[tower], batch=4)
    seen = {}
    for index, block in enumerate(upper.tower.blocks):
        block.mlp.register_forward_pre_hook(lambda _, given, index=index: seen.update({index: given[0].shape[1]}))
    upper.features(entering)
    last = len(upper.tower.blocks) - 1
    assert seen == {index: 1 if index == last else TOKENS[tower] for index in range(first, last + 1)}


@pytest.mark.parametrize(("tower", "first"), CASES)
def test_what_is_kept_are_all_tokens_or_before_the_last_block_one(backbone, inputs, tower, first):
    clip = adapt(backbone, tower, first).clip.requires_grad_(True)
    upper, _ = upper_and_whole(clip, tower, first)
    kept = upper.enter(inputs[tower], batch=4)
    items, width = len(inputs[tower]), upper.tower.blocks[0].ln_1.weight.numel()
    if first == len(upper.tower.blocks) - 1:
        assert [part.shape for part in kept] == [(items,), (items, 1, width), (items, 1, width)]
    else:
        assert [part.shape for part in kept] == [(items,), (items, TOKENS[tower], width)]
    assert not any(part.requires_grad or part.device.type != "cpu" for part in kept)


@pytest.mark.parametrize(("tower", "first"), CASES)
def test_rows_of_what_is_kept_are_their_images_or_texts(backbone, inputs, tower, first):
    upper, whole = upper_and_whole(adapt(backbone, tower, first).clip, tower, first)
    entering = upper.enter(inputs[tower], batch=3)
    found = upper.features(tuple(part[torch.tensor([3, 0])] for part in entering))
    torch.testing.assert_close(found, whole(inputs[tower][[3, 0]]), atol=1e-5, rtol=0)


def clip_with(both=(), **text):
    """A CLIP with some options in both towers and more in its text tower."""
    architecture = copy.deepcopy(ARCHITECTURE)
    for tower in ("vision_cfg", "text_cfg"):
        architecture[tower].update(both)
    architecture["text_cfg"] |= text
    torch.manual_seed(0)
    return open_clip.CLIP(**architecture).eval().requires_grad_(False)


@pytest.mark.parametrize(
    "clip",
    [
        clip_with({"qk_norm": True}),
        clip_with({"scale_attn_inner": True, "scale_attn": True, "scale_fc": True}),
        clip_with({"ls_init_value": 0.3}),
        clip_with(pool_type="first"),
        clip_with(pool_type="last"),
        clip_with(no_causal_mask=True),
    ],
    ids=["query and key norms", "inner norms", "layer scale", "first token", "last token", "no mask"],
)
@pytest.mark.parametrize("tower", ["vision", "text"])
def test_rarer_blocks_and_poolings_are_followed(inputs, clip, tower):
    upper, whole = upper_and_whole(clip, tower, 1)
    for seed, parameter in enumerate(upper.tower.blocks.parameters()):
        parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)), alpha=0.1)
    found = upper.features(upper.enter(inputs[tower], batch=4))
    torch.testing.assert_close(found, whole(inputs[tower]), atol=1e-5, rtol=0)


def test_attention_unlike_clips_is_refused():
    clip = clip_with({"scale_heads": True})
    for tower in (vision_tower, text_tower):
        with pytest.raises(ValueError, match=r"take a backbone without scaled_cosine_attn and scale_heads"):
            tower(clip)


@pytest.mark.parametrize("options", [{"pool_type": "none"}, {"proj_type": "none"}, {"proj_bias": True}], ids=str)
def test_a_text_tower_without_a_plain_projection_is_refused(options):
    with pytest.raises(ValueError, match=r"take a backbone with pool_type = 'argmax', proj_type = 'linear'"):
        text_tower(clip_with(**options))
