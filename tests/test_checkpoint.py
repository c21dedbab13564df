"""Checkpoints: small, exact, refused where they do not fit, found again where the study has moved."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import cliphba
from cliphba.clip.adapters import AdapterPlan, add_adapters
from cliphba.clip.backbone import load_backbone
from cliphba.config import Adapter
from cliphba.models.checkpoint import (
    Checkpoint,
    DynamicState,
    TrainedAdapter,
    build_model,
    load_model,
    read_checkpoint,
    save_checkpoint,
)
from cliphba.models.heads import TemporalCurves
from tests.small_clip import LAYERS, PROMPTS, make_backbone, pictures, shake, trained_adapter

IMAGES = pictures(4)
VISION = tuple(range(LAYERS))
PLANS = {
    "behavior": AdapterPlan.of(Adapter(rank=4), vision=(1, 2), text=(1,)),
    "group": AdapterPlan.of(Adapter(rank=4, magnitude=False), vision=VISION),
    "individual": AdapterPlan.of(Adapter(rank=2, magnitude=False), vision=VISION),
}


def dynamic_state():
    times = torch.tensor([20.0, 40.0, 60.0])
    curves = TemporalCurves(times, torch.rand(3), torch.rand(3), torch.rand(3))
    return DynamicState(curves, torch.randn(3, LAYERS), window_ms=20)


@pytest.fixture(scope="module")
def behavior(backbone, backbone_folder):
    return Checkpoint(
        kind="behavior",
        dimensions=["d1", "d2", "d3", "d4", "d5", "d6"],
        prompts=list(PROMPTS),
        adapters=[trained_adapter(backbone.copy().clip, PLANS["behavior"], seed=1)],
        backbone=str(backbone_folder),
        backbone_sha256=backbone.weights_sha256,
        metadata={"participants": ["sub-01"], "seed": 3},
    )


@pytest.fixture(scope="module")
def dynamic(backbone, behavior):
    adapter = trained_adapter(behavior.onto(backbone).clip, PLANS["group"], seed=2)
    return replace(behavior, kind="dynamic", adapters=[*behavior.adapters, adapter], dynamic=dynamic_state())


@pytest.mark.parametrize("kind", ["behavior", "dynamic"])
def test_everything_comes_back(request, kind, tmp_path):
    saved = request.getfixturevalue(kind)
    save_checkpoint(saved, tmp_path / "models" / "model.safetensors")
    found = read_checkpoint(tmp_path / "models" / "model.safetensors")
    for name in ("kind", "dimensions", "prompts", "backbone", "backbone_sha256", "metadata"):
        assert getattr(found, name) == getattr(saved, name)
    for old, new in zip(saved.adapters, found.adapters, strict=True):
        assert new.plan == old.plan
        assert new.state.keys() == old.state.keys()
        assert all(torch.equal(new.state[name], old.state[name]) for name in old.state)
    assert (found.dynamic is None) == (kind == "behavior")
    if found.dynamic is not None:
        assert torch.equal(found.dynamic.reweighting, saved.dynamic.reweighting)
        assert torch.equal(found.dynamic.curves.richness, saved.dynamic.curves.richness)
        assert found.dynamic.window_ms == 20


def test_a_checkpoint_holds_what_was_trained_and_no_backbone(dynamic, backbone_folder, tmp_path):
    save_checkpoint(dynamic, tmp_path / "model.safetensors")
    trained = sum(part.numel() for adapter in dynamic.adapters for part in adapter.state.values())
    size = (tmp_path / "model.safetensors").stat().st_size
    assert size < 4 * trained + 10_000
    assert size < (backbone_folder / "open_clip_model.safetensors").stat().st_size / 20


def test_same_model_gives_the_same_bytes(dynamic, tmp_path):
    for name in ("first", "second"):
        save_checkpoint(dynamic, tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_chained_adapters_see_as_each_model_did_in_training(backbone):
    clip, trained = backbone.copy().clip, []
    for seed, plan in enumerate(PLANS.values()):
        start = Checkpoint("behavior", [], [], trained, "backbone", backbone.weights_sha256)
        adapted = add_adapters(start.onto(backbone).clip, plan, seed)
        shake(adapted, seed=seed)
        with torch.no_grad():
            in_training = backbone.with_clip(adapted.clip)
            images, text = in_training.block_features(IMAGES), in_training.text_features(PROMPTS)
        trained = [*trained, TrainedAdapter(plan, adapted.state())]
        rebuilt = replace(start, adapters=trained).onto(backbone)
        torch.testing.assert_close(rebuilt.block_features(IMAGES), images, atol=1e-5, rtol=0)
        torch.testing.assert_close(rebuilt.text_features(PROMPTS), text, atol=1e-5, rtol=0)
    assert (rebuilt.block_features(IMAGES) - backbone.with_clip(clip).block_features(IMAGES)).abs().max() > 1e-2


def test_putting_a_checkpoint_onto_a_backbone_leaves_that_backbone_alone(backbone, dynamic):
    before = {name: part.clone() for name, part in backbone.clip.state_dict().items()}
    dynamic.onto(backbone)
    assert all(torch.equal(part, before[name]) for name, part in backbone.clip.state_dict().items())


def test_starting_from_clip_keeps_the_text_tower_and_drops_the_vision_adapters(backbone, behavior):
    start, whole = behavior.starting_from("clip").onto(backbone), behavior.onto(backbone)
    assert torch.equal(start.image_features(IMAGES), backbone.image_features(IMAGES))
    assert not torch.equal(whole.image_features(IMAGES), backbone.image_features(IMAGES))
    torch.testing.assert_close(start.text_features(PROMPTS), whole.text_features(PROMPTS), atol=1e-6, rtol=0)
    assert not torch.equal(start.text_features(PROMPTS), backbone.text_features(PROMPTS))


def test_a_start_from_clip_can_be_saved_and_built_upon(backbone, behavior, tmp_path):
    save_checkpoint(behavior.starting_from("clip"), tmp_path / "model.safetensors")
    found = read_checkpoint(tmp_path / "model.safetensors").onto(backbone)
    assert torch.equal(found.image_features(IMAGES), backbone.image_features(IMAGES))


@pytest.mark.parametrize("start", ["behavior", "group"])
def test_any_other_start_is_the_whole_model(behavior, start):
    assert behavior.starting_from(start) is behavior


def test_another_backbone_is_refused_by_its_hash(behavior, tmp_path):
    other = load_backbone(make_backbone(tmp_path / "other", seed=1), "cpu")
    with pytest.raises(ValueError, match=f"hash {other.weights_sha256[:12]}.* {behavior.backbone_sha256[:12]}"):
        behavior.onto(other)


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint at all", "backbone"])
def test_a_file_that_is_no_checkpoint_is_refused_by_name(tmp_path, backbone_folder, content):
    path = tmp_path / "model.safetensors"
    if content == "backbone":
        shutil.copy(backbone_folder / "open_clip_model.safetensors", path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model.safetensors is no checkpoint of this package"):
        read_checkpoint(path)


def test_a_truncated_checkpoint_is_refused_by_name(tmp_path, behavior):
    path = tmp_path / "model.safetensors"
    save_checkpoint(behavior, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"model.safetensors is no checkpoint"):
        read_checkpoint(path)


def test_a_built_model_is_static_or_dynamic(backbone, behavior, dynamic):
    static, moving = build_model(behavior, backbone), build_model(dynamic, backbone)
    assert static.head is None
    assert moving.times_ms.tolist() == [20, 40, 60]
    assert static.dimensions == moving.dimensions == ("d1", "d2", "d3", "d4", "d5", "d6")
    assert static.metadata["participants"] == ["sub-01"]


def test_load_finds_the_backbone_of_a_study_that_was_moved(behavior, backbone_folder, tmp_path):
    study = tmp_path / "before" / "study"
    shutil.copytree(backbone_folder, study / "backbone")
    save_checkpoint(replace(behavior, backbone=str(study / "backbone")), study / "models" / "behavior.safetensors")
    (tmp_path / "after").mkdir()
    moved = Path(shutil.move(study, tmp_path / "after"))
    model = cliphba.load(moved / "models" / "behavior.safetensors", device="cpu")
    assert model.backbone.weights_sha256 == behavior.backbone_sha256


def test_load_of_a_copied_study_does_not_mind_what_became_of_the_original(behavior, backbone_folder, tmp_path):
    shutil.copytree(backbone_folder, tmp_path / "copy" / "backbone")
    original = make_backbone(tmp_path / "original" / "backbone", seed=1)
    save_checkpoint(replace(behavior, backbone=str(original)), tmp_path / "copy" / "models" / "behavior.safetensors")
    model = cliphba.load(tmp_path / "copy" / "models" / "behavior.safetensors", device="cpu")
    assert model.backbone.weights_sha256 == behavior.backbone_sha256


def test_load_takes_a_backbone_from_elsewhere(behavior, backbone_folder, tmp_path):
    save_checkpoint(replace(behavior, backbone="lost"), tmp_path / "behavior.safetensors")
    with pytest.raises(ValueError, match=r"has no open_clip_config\.json"):
        load_model(tmp_path / "behavior.safetensors", device="cpu")
    model = load_model(tmp_path / "behavior.safetensors", backbone=backbone_folder, device="cpu")
    assert model.dimensions[0] == "d1"
