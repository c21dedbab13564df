"""Exported models, opened as anybody would who has open_clip and peft but not this package."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import open_clip
import pytest
import torch
from peft import PeftModel
from PIL import Image

from cliphba.clip.adapters import AdapterPlan
from cliphba.config import Adapter
from cliphba.models import export
from cliphba.models.checkpoint import Checkpoint, DynamicState, build_model
from cliphba.models.export import export_adapters, export_merged
from cliphba.models.heads import TemporalCurves
from tests.small_clip import LAYERS, PROMPTS, SIZE, make_backbone, pictures, trained_adapter

IMAGES = pictures(4)
KINDS = ("behavior", "group", "personal")
VISION = tuple(range(LAYERS))


def plan(kind, method):
    settings = Adapter(method=method, rank=2 if kind == "personal" else 4, magnitude=kind == "behavior")
    return AdapterPlan.of(settings, vision=(1, 2) if kind == "behavior" else VISION, text=(1,) * (kind == "behavior"))


def dynamic_state():
    times = torch.tensor([20.0, 40.0])
    return DynamicState(TemporalCurves(times, times, times, times), torch.zeros(2, LAYERS), window_ms=20)


@pytest.fixture(scope="module")
def behavior(backbone, backbone_folder):
    """An untrained checkpoint, to hang adapters on."""
    names = {"dimensions": [f"d{number}" for number in range(len(PROMPTS))], "prompts": list(PROMPTS)}
    return Checkpoint(
        "behavior", **names, adapters=[], backbone=str(backbone_folder), backbone_sha256=backbone.weights_sha256
    )


@pytest.fixture(scope="module")
def trained(backbone, behavior):
    """Give the checkpoint of a kind, with adapters of a method all along the chain."""

    def train(kind, method):
        checkpoint = behavior
        for seed, link in enumerate(KINDS[: KINDS.index(kind) + 1]):
            adapter = trained_adapter(checkpoint.onto(backbone).clip, plan(link, method), seed=seed)
            checkpoint = replace(checkpoint, adapters=[*checkpoint.adapters, adapter])
        return checkpoint if kind == "behavior" else replace(checkpoint, kind="dynamic", dynamic=dynamic_state())

    return train


def stock(folder):
    """Open a folder by open_clip alone: model, transform, tokenizer."""
    clip, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
    return SimpleNamespace(clip=clip.eval(), transform=transform, tokenize=tokenize)


@torch.no_grad()
def features(clip, tokenize):
    """Features of images, of prompts, and of images after every block."""
    tokens = clip.visual.forward_intermediates(IMAGES, intermediates_only=True, output_extra_tokens=True)
    blocks = torch.stack([token[:, 0] for token in tokens["image_intermediates_prefix"]])
    return clip.encode_image(IMAGES), clip.encode_text(tokenize(list(PROMPTS))), blocks


def assert_same_features(found, expected):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", ["dora", "lora", "published_dora"])
@pytest.mark.parametrize("kind", KINDS)
def test_merged_weights_are_the_model_in_stock_open_clip(backbone, backbone_folder, trained, tmp_path, kind, method):
    checkpoint = trained(kind, method)
    export_merged(checkpoint, backbone_folder, tmp_path / "merged")
    found = stock(tmp_path / "merged")
    open_clip.load_checkpoint(found.clip, str(tmp_path / "merged/open_clip_model.safetensors"), strict=True)
    assert type(found.clip.visual.transformer.resblocks[0].attn) is torch.nn.MultiheadAttention
    assert type(found.clip.transformer.resblocks[0].attn) is torch.nn.MultiheadAttention
    seen = features(found.clip, found.tokenize)
    model = build_model(checkpoint, backbone).backbone
    assert_same_features(seen, features(model.clip, model.tokenize))
    for one, untrained in zip(seen, features(backbone.clip, backbone.tokenize), strict=True):
        assert (one - untrained).abs().max() > 1e-3


@pytest.mark.filterwarnings("error:Found missing adapter keys")
@pytest.mark.parametrize("method", ["dora", "lora"])
@pytest.mark.parametrize("kind", KINDS)
def test_adapters_loaded_in_turn_by_stock_peft_make_the_model(
    backbone, backbone_folder, trained, tmp_path, kind, method
):
    checkpoint = trained(kind, method)
    export_adapters(checkpoint, tmp_path / "adapters")
    folders = sorted((tmp_path / "adapters").iterdir())
    assert [folder.name for folder in folders] == ["1", "2", "3"][: len(checkpoint.adapters)]
    found = stock(backbone_folder)
    for folder in folders:
        before = features(found.clip, found.tokenize)
        found.clip = PeftModel.from_pretrained(found.clip, folder).merge_and_unload()
        assert (features(found.clip, found.tokenize)[2] - before[2]).abs().max() > 1e-3
    model = build_model(checkpoint, backbone).backbone
    assert_same_features(features(found.clip, found.tokenize), features(model.clip, model.tokenize))


def test_adapters_unknown_to_peft_are_refused_before_anything_is_written(trained, tmp_path):
    with pytest.raises(ValueError, match="use merged weights"):
        export_adapters(trained("group", "published_dora"), tmp_path / "adapters")
    assert not list(tmp_path.iterdir())


def test_a_start_from_plain_vision_leaves_no_empty_adapters_behind(backbone, backbone_folder, trained, tmp_path):
    start = trained("group", "dora").starting_from("clip")
    assert [adapter.plan.blocks["vision"] for adapter in start.adapters] == [()]
    adapter = trained_adapter(start.onto(backbone).clip, plan("personal", "dora"), seed=7)
    whole = replace(start, adapters=[*start.adapters, adapter])
    export_adapters(whole, tmp_path / "adapters")
    export_merged(whole, backbone_folder, tmp_path / "merged")
    assert sorted(folder.name for folder in (tmp_path / "adapters").iterdir()) == ["1", "2"]
    found, merged = stock(backbone_folder), stock(tmp_path / "merged")
    for name in ("1", "2"):
        found.clip = PeftModel.from_pretrained(found.clip, tmp_path / "adapters" / name).merge_and_unload()
    assert_same_features(features(found.clip, found.tokenize), features(merged.clip, merged.tokenize))


def test_adapters_name_the_weights_they_belong_on(backbone, backbone_folder, trained, tmp_path):
    export_adapters(trained("behavior", "dora"), tmp_path / "adapters")
    described = json.loads((tmp_path / "adapters/1/adapter_config.json").read_text())
    assert described["base_model_name_or_path"] == str(backbone_folder)
    assert described["revision"] == backbone.weights_sha256


@pytest.mark.parametrize("images", ["backbone", "published"])
def test_merged_weights_come_with_the_models_way_of_making_images_ready(
    backbone, backbone_folder, trained, tmp_path, images
):
    checkpoint = replace(trained("behavior", "dora"), images=images)
    export_merged(checkpoint, backbone_folder, tmp_path / "merged")
    noise = torch.randint(256, (2 * SIZE, 3 * SIZE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    picture = Image.fromarray(noise.numpy())
    expected = build_model(checkpoint, backbone).backbone.transform(picture)
    torch.testing.assert_close(stock(tmp_path / "merged").transform(picture), expected, atol=1e-6, rtol=0)
    assert torch.equal(expected, backbone.transform(picture)) == (images == "backbone")


def test_merged_weights_say_nothing_of_where_the_backbone_came_from(backbone_folder, trained, tmp_path):
    shutil.copytree(backbone_folder, tmp_path / "backbone")
    config = tmp_path / "backbone/open_clip_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"source": {"weights": "openai"}}))
    export_merged(trained("behavior", "dora"), tmp_path / "backbone", tmp_path / "merged")
    described = json.loads((tmp_path / "merged/open_clip_config.json").read_text())
    assert set(described) == {"model_cfg", "preprocess_cfg"}


def write(kind, checkpoint, backbone_folder, folder):
    if kind == "adapters":
        export_adapters(checkpoint, folder)
    else:
        export_merged(checkpoint, backbone_folder, folder)


@pytest.mark.parametrize("kind", ["adapters", "merged"])
def test_the_same_model_gives_the_same_bytes(backbone_folder, trained, tmp_path, kind):
    for name in ("first", "second"):
        write(kind, trained("group", "dora"), backbone_folder, tmp_path / name)
    first, second = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("first", "second")
    )
    assert len(first) == {"adapters": 4, "merged": 2}[kind]
    assert first == second


@pytest.mark.parametrize("kind", ["adapters", "merged"])
def test_what_is_there_already_is_not_overwritten(backbone_folder, trained, tmp_path, kind):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/mine.txt").write_text("mine")
    for taken in (tmp_path / "folder", tmp_path / "folder/mine.txt"):
        with pytest.raises(ValueError, match=f"{taken.name} holds something already"):
            write(kind, trained("behavior", "dora"), backbone_folder, taken)
    assert [path.read_text() for path in (tmp_path / "folder").iterdir()] == ["mine"]


@pytest.mark.parametrize("kind", ["adapters", "merged"])
def test_an_empty_folder_is_filled(backbone_folder, trained, tmp_path, kind):
    (tmp_path / "folder").mkdir()
    write(kind, trained("behavior", "dora"), backbone_folder, tmp_path / "folder")
    assert list((tmp_path / "folder").iterdir())


@pytest.mark.parametrize("kind", ["adapters", "merged"])
def test_a_failure_leaves_nothing(backbone_folder, trained, tmp_path, kind, monkeypatch):
    def fail(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(export, "save_file", fail)
    with pytest.raises(OSError, match="no space left"):
        write(kind, trained("behavior", "dora"), backbone_folder, tmp_path / "folder")
    assert not list(tmp_path.iterdir())


def test_another_backbone_is_refused_by_its_hash(trained, tmp_path):
    other = make_backbone(tmp_path / "other", seed=1)
    with pytest.raises(ValueError, match="but this model was trained on"):
        export_merged(trained("behavior", "dora"), other, tmp_path / "merged")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
