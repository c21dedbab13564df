"""The backbone: one pass gives every block, prompts are read whole, wrong files are named."""

import json
import shutil
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from cliphba.clip import backbone as module
from cliphba.clip.backbone import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    choose_device,
    load_backbone,
    save_backbone,
)
from cliphba.clip.upper import vision_tower
from tests.small_clip import ARCHITECTURE, LAYERS, PREPROCESSING, PROMPTS, SHARED, SIZE, pictures

IMAGES = pictures(4)


@pytest.fixture
def copied(backbone_folder, tmp_path):
    return shutil.copytree(backbone_folder, tmp_path / "copied")


def test_loading_gives_the_saved_weights_frozen(backbone, backbone_folder):
    plain = open_clip.CLIP(**ARCHITECTURE)
    open_clip.load_checkpoint(plain, str(backbone_folder / WEIGHTS_FILE))
    with torch.no_grad():
        expected = plain.eval().encode_image(IMAGES, normalize=True)
    assert torch.equal(backbone.image_features(IMAGES), expected)
    assert not backbone.clip.training
    assert not any(parameter.requires_grad for parameter in backbone.clip.parameters())
    assert (backbone.vision_blocks, backbone.text_blocks) == (LAYERS, 2)


def test_hash_is_that_of_the_weights_file(backbone, backbone_folder):
    assert backbone.weights_sha256 == module.digest(backbone_folder / WEIGHTS_FILE)


def test_class_tokens_are_those_of_running_block_after_block(backbone):
    visual = backbone.clip.visual
    patches = visual.conv1(IMAGES).flatten(2).transpose(1, 2)
    start = visual.class_embedding.expand(len(IMAGES), 1, -1)
    tokens = visual.ln_pre(torch.cat([start, patches], dim=1) + visual.positional_embedding)
    expected = []
    for block in visual.transformer.resblocks:
        tokens = block(tokens)
        expected.append(tokens[:, 0])
    torch.testing.assert_close(backbone.class_tokens(IMAGES), torch.stack(expected), atol=1e-5, rtol=0)
    projected = torch.stack(expected) @ visual.proj
    torch.testing.assert_close(backbone.block_features(IMAGES), projected, atol=1e-5, rtol=0)
    assert backbone.block_features(IMAGES).shape == (LAYERS, len(IMAGES), SHARED)


def test_features_have_unit_length_and_scale_is_exp_of_the_logit_scale(backbone):
    torch.testing.assert_close(backbone.image_features(IMAGES).norm(dim=1), torch.ones(len(IMAGES)))
    torch.testing.assert_close(backbone.text_features(PROMPTS).norm(dim=1), torch.ones(len(PROMPTS)))
    assert float(backbone.scale) == pytest.approx(np.exp(float(backbone.clip.logit_scale)))


def test_every_prompt_counts_to_its_end(backbone):
    features = backbone.text_features(PROMPTS)
    similarity = features @ features.T - torch.eye(len(PROMPTS))
    assert similarity.max() < 1 - 1e-4, "two prompts have the same features"
    begun = backbone.text_features([prompt[:-1] for prompt in PROMPTS])
    assert ((begun - features).abs().max(dim=1).values > 1e-3).all()
    initials = backbone.text_features([prompt[0] for prompt in PROMPTS])
    assert ((initials - features).abs().max(dim=1).values > 1e-3).all()


def test_a_prompt_that_just_fits_is_read_and_a_longer_one_is_refused(backbone):
    backbone.text_features(["red", " ".join(["red"] * 10)])  # with both marks all 12 tokens of the context
    with pytest.raises(ValueError, match=r"'red red .*more than the 12 tokens"):
        backbone.text_features(["red", " ".join(["red"] * 11)])


def test_an_endless_prompt_is_refused(backbone):
    with pytest.raises(ValueError, match="more than the 12 tokens"):
        backbone.text_features([" ".join(["red"] * 300)])


def test_copy_can_be_changed_without_changing_the_original(backbone):
    changed = backbone.copy()
    changed.clip.visual.proj.data.zero_()
    assert backbone.clip.visual.proj.abs().sum() > 0


def test_images_of_any_size_and_mode_are_decoded(backbone, tmp_path):
    for name, mode in (("grey", "L"), ("palette", "P"), ("transparent", "RGBA")):
        Image.new(mode, (50, 40), 100).save(tmp_path / f"{name}.png")
    images = backbone.read_images(sorted(tmp_path.iterdir()))
    assert images.shape == (3, 3, SIZE, SIZE)
    grey = (100 / 255 - 0.5) / 0.25
    torch.testing.assert_close(images[0], torch.full_like(images[0], grey), atol=1e-4, rtol=0)


def test_a_missing_image_is_named(backbone, tmp_path):
    with pytest.raises(ValueError, match=r"lost.png: there is no such image"):
        backbone.read_images([tmp_path / "lost.png"])


def test_a_file_that_is_no_image_is_named(backbone, tmp_path):
    (tmp_path / "notes.png").write_text("no image")
    with pytest.raises(ValueError, match=r"notes.png: not an image"):
        backbone.read_images([tmp_path / "notes.png"])


def test_a_truncated_image_is_named(backbone, tmp_path):
    path = tmp_path / "cut.png"
    Image.fromarray(np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"cut.png: not an image"):
        backbone.read_images([path])


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE])
def test_a_missing_file_is_named(copied, name):
    (copied / name).unlink()
    with pytest.raises(ValueError, match=f"has no {name}"):
        load_backbone(copied, "cpu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vision_cfg": {"block_type": "default"}}, "block_type = 'custom'"),
        ({"text_cfg": {"block_type": None}}, "block_type = 'custom'"),
        ({"vision_cfg": {"layers": [3, 4, 6, 3]}}, "its vision tower is a CNN"),
        ({"vision_cfg": {"timm_model_name": "vit_base"}}, "its vision tower comes from timm"),
        ({"vision_cfg": {"pool_type": "avg"}}, "not those of the class token .*'avg'"),
        ({"vision_cfg": {"attentional_pool": True}}, "not those of the class token .*attentional_pool"),
        ({"vision_cfg": {"final_ln_after_pool": True}}, "not those of the class token .*final_ln_after_pool"),
        ({"text_cfg": {"hf_model_name": "roberta-base"}}, "its text tower comes from Hugging Face"),
        ({"text_cfg": {"hf_tokenizer_name": "bert-base-uncased"}}, "its tokenizer comes from Hugging Face"),
        ({"multimodal_cfg": {"layers": 2}}, "it is a CoCa"),
        ({"custom_text": True}, "its text tower is a module of its own"),
    ],
)
def test_an_architecture_that_cannot_be_adapted_is_refused(copied, change, message):
    described = json.loads((copied / CONFIG_FILE).read_text())
    for name, value in change.items():
        found = described["model_cfg"].get(name)
        described["model_cfg"][name] = found | value if isinstance(found, dict) else value
    (copied / CONFIG_FILE).write_text(json.dumps(described))
    with pytest.raises(ValueError, match=f"{CONFIG_FILE}: .*{message}"):
        load_backbone(copied, "cpu")


def test_architectures_that_say_what_is_usual_are_taken(copied):
    described = json.loads((copied / CONFIG_FILE).read_text())
    described["model_cfg"]["vision_cfg"] |= {"pool_type": "tok", "attentional_pool": False, "timm_model_name": None}
    (copied / CONFIG_FILE).write_text(json.dumps(described))
    assert load_backbone(copied, "cpu").vision_blocks == LAYERS


def test_saving_keeps_what_was_there_if_it_fails(copied, backbone, monkeypatch):
    before = (copied / WEIGHTS_FILE).read_bytes()

    def fail(_self: Path, _target: Path) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        save_backbone(backbone.clip, ARCHITECTURE, PREPROCESSING, copied)
    assert (copied / WEIGHTS_FILE).read_bytes() == before
    assert {path.name for path in copied.iterdir()} == {CONFIG_FILE, WEIGHTS_FILE}


def test_images_are_convolved_in_all_digits_of_float32(backbone):
    """By default torch lets a GPU round them; what it does elsewhere is left alone."""
    clip, allowed = backbone.copy().clip, []
    clip.visual.conv1.register_forward_pre_hook(lambda *_: allowed.append(torch.backends.cudnn.allow_tf32))
    copied = backbone.with_clip(clip)
    for read in (copied.image_features, copied.class_tokens, vision_tower(clip).embed):
        read(IMAGES)
    assert allowed == [False] * 3
    assert torch.backends.cudnn.allow_tf32


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match=r"compute.device: 'cuda', but torch finds no GPU here; set it to 'auto'"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")
