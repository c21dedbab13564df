"""Imported backbones: features and preprocessing of stock open_clip, and whatever does not fit is refused."""

import copy
import hashlib
import json
import sys
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from cliphba.clip.backbone import CONFIG_FILE, WEIGHTS_FILE, load_backbone
from cliphba.clip.imported import copy_backbone, import_backbone
from cliphba.config import Backbone, ConfigurationError, load_study
from tests.conftest import ROOT
from tests.small_clip import ARCHITECTURE, PROMPTS
from tests.test_house import run

FACTORY = sys.modules["open_clip.factory"]
PRETRAINED = sys.modules["open_clip.pretrained"]
PREPARED = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4), "interpolation": "bilinear", "resize_mode": "squash"}


def like_small_clip(**changes: Any) -> dict[str, Any]:
    """The tests' small CLIP with the blocks that open_clip takes by default."""
    architecture = copy.deepcopy(ARCHITECTURE) | changes
    for tower in ("vision_cfg", "text_cfg"):
        del architecture[tower]["block_type"]
    return architecture


def like_vit_b_32() -> dict[str, Any]:
    """OpenAI's ViT-B/32, narrow and shallow."""
    architecture = open_clip.get_model_config("ViT-B-32-quickgelu")
    architecture["vision_cfg"] |= {"width": 128, "layers": 3}
    architecture["text_cfg"] |= {"width": 64, "heads": 2, "layers": 2}
    return architecture


@pytest.fixture(autouse=True)
def _models(monkeypatch, tmp_path_factory):
    """Small models among those of open_clip."""
    folder = tmp_path_factory.mktemp("models")
    models = {
        "small": like_small_clip(),
        "small-quickgelu": like_small_clip(quick_gelu=True),
        "larger": like_small_clip(embed_dim=24),
        "narrow-quickgelu": like_vit_b_32(),
    }
    for name, architecture in models.items():
        (folder / f"{name}.json").write_text(json.dumps(architecture))
    monkeypatch.setattr(FACTORY, "_MODEL_CONFIG_PATHS", list(FACTORY._MODEL_CONFIG_PATHS))
    monkeypatch.setattr(FACTORY, "_MODEL_CONFIGS", dict(FACTORY._MODEL_CONFIGS))
    open_clip.add_model_config(folder)


def weights_of(name: str, *, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights of a stock model, the blocks strong enough to matter."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        clip = open_clip.CLIP(**open_clip.get_model_config(name))
        for parameter_name, parameter in clip.named_parameters():
            if parameter.ndim == 2 and "resblocks" in parameter_name:
                nn.init.normal_(parameter, std=0.2)
    return clip.state_dict()


def saved(path: Path, name: str) -> Path:
    torch.save(weights_of(name), path)
    return path


def save_archive(state: dict[str, torch.Tensor], path: Path) -> None:
    """Write weights as OpenAI published its models: TorchScript, half precision, sizes among the weights."""

    class Node(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images

    root = Node()
    sizes = {name: torch.tensor(7) for name in ("input_resolution", "context_length", "vocab_size")}
    for name, tensor in {**{name: tensor.half() for name, tensor in state.items()}, **sizes}.items():
        *path_to, last = name.split(".")
        node: nn.Module = root
        for part in path_to:
            if part not in dict(node.named_children()):
                node.add_module(part, nn.Module())
            node = node.get_submodule(part)
        node.register_buffer(last, tensor)
    torch.jit.script(root).save(str(path))


def stock(name: str, weights: Path) -> tuple[open_clip.CLIP, Any]:
    """What open_clip itself makes of a file: the model and its image transform."""
    clip, _, transform = open_clip.create_model_and_transforms(name, pretrained=str(weights))
    assert isinstance(clip.visual.transformer.resblocks[0].attn, nn.MultiheadAttention), "no longer an oracle"
    return clip.eval(), transform


def images_for(clip: open_clip.CLIP, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, *clip.visual.image_size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["small", "small-quickgelu", "narrow-quickgelu"])
@torch.no_grad()
def test_features_are_those_of_stock_open_clip(name, tmp_path):
    weights = saved(tmp_path / "weights.pt", name)
    import_backbone(name, weights, tmp_path / "backbone")
    backbone, (clip, _) = load_backbone(tmp_path / "backbone", "cpu"), stock(name, weights)
    images = images_for(clip)
    expected = clip.encode_image(images, normalize=True)
    torch.testing.assert_close(backbone.image_features(images), expected, atol=1e-5, rtol=0)
    expected = clip.encode_text(open_clip.get_tokenizer(name)(list(PROMPTS)), normalize=True)
    torch.testing.assert_close(backbone.text_features(PROMPTS), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_activation_matters(tmp_path):
    weights = saved(tmp_path / "weights.pt", "small")
    features = []
    for name in ("small", "small-quickgelu"):
        import_backbone(name, weights, tmp_path / name)
        backbone = load_backbone(tmp_path / name, "cpu")
        features.append(backbone.image_features(images_for(backbone.clip)))
    assert (features[0] - features[1]).abs().max() > 1e-3


@torch.no_grad()
def test_class_tokens_are_what_stock_blocks_put_out(tmp_path):
    weights = saved(tmp_path / "weights.pt", "narrow-quickgelu")
    import_backbone("narrow-quickgelu", weights, tmp_path / "backbone")
    backbone, (clip, _) = load_backbone(tmp_path / "backbone", "cpu"), stock("narrow-quickgelu", weights)
    outputs: list[torch.Tensor] = []
    for block in clip.visual.transformer.resblocks:
        block.register_forward_hook(lambda _module, _given, output: outputs.append(output[:, 0]))
    images = images_for(clip)
    features = clip.encode_image(images)
    expected, tokens = torch.stack(outputs), backbone.class_tokens(images)
    # random blocks make large numbers
    torch.testing.assert_close(tokens, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)
    torch.testing.assert_close(clip.visual.ln_post(tokens[-1]) @ clip.visual.proj, features, atol=1e-5, rtol=1e-5)


def test_every_output_projection_is_called(tmp_path):
    import_backbone("small", saved(tmp_path / "weights.pt", "small"), tmp_path / "backbone")
    backbone = load_backbone(tmp_path / "backbone", "cpu")
    called = []
    for name, module in backbone.clip.named_modules():
        if name.endswith("attn.out_proj"):
            module.register_forward_hook(lambda _module, _given, _output, name=name: called.append(name))
    backbone.image_features(images_for(backbone.clip))
    backbone.text_features(PROMPTS)
    assert len(set(called)) == backbone.vision_blocks + backbone.text_blocks


def test_a_tag_brings_its_own_preprocessing_and_is_recorded(tmp_path, monkeypatch):
    weights = saved(tmp_path / "weights.pt", "small")
    monkeypatch.setitem(PRETRAINED._PRETRAINED, "small", {"tagged": {"file": str(weights), **PREPARED}})
    import_backbone("small", "tagged", tmp_path / "backbone")
    photograph = Image.fromarray(np.random.default_rng(0).integers(256, size=(60, 90, 3), dtype=np.uint8))
    _, _, transform = open_clip.create_model_and_transforms("small", pretrained="tagged")
    backbone = load_backbone(tmp_path / "backbone", "cpu")
    assert torch.equal(backbone.transform(photograph), transform(photograph))
    described = json.loads((tmp_path / "backbone" / CONFIG_FILE).read_text())
    assert described["preprocess_cfg"]["mean"] == [0.4, 0.5, 0.6]
    assert described["preprocess_cfg"]["size"] == [32, 32]
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert described["source"] == {"architecture": "small", "weights": "tagged", "sha256": sha256}


def test_a_tag_without_quick_gelu_is_refused_in_a_model_with_it(tmp_path, monkeypatch):
    monkeypatch.setitem(PRETRAINED._PRETRAINED, "small-quickgelu", {"tagged": {"file": "not read"}})
    with pytest.raises(
        ValueError, match="tagged were trained with GELU, which small-quickgelu does not have; take small"
    ):
        import_backbone("small-quickgelu", "tagged", tmp_path / "backbone")


def test_a_file_on_its_own_is_prepared_for_as_openai_does(tmp_path):
    weights = saved(tmp_path / "weights.pt", "small")
    import_backbone("small", weights, tmp_path / "backbone")
    photograph = Image.fromarray(np.random.default_rng(0).integers(256, size=(60, 90, 3), dtype=np.uint8))
    _, transform = stock("small", weights)
    assert torch.equal(load_backbone(tmp_path / "backbone", "cpu").transform(photograph), transform(photograph))
    described = json.loads((tmp_path / "backbone" / CONFIG_FILE).read_text())
    assert described["source"]["weights"] == "weights.pt"


def test_a_description_beside_a_file_counts(tmp_path):
    import_backbone("small-quickgelu", saved(tmp_path / "weights.pt", "small"), tmp_path / "first")
    described = json.loads((tmp_path / "first" / CONFIG_FILE).read_text())
    described["preprocess_cfg"] |= {"mean": [0.1, 0.2, 0.3]}
    (tmp_path / "first" / CONFIG_FILE).write_text(json.dumps(described))
    import_backbone("small-quickgelu", tmp_path / "first" / WEIGHTS_FILE, tmp_path / "second")
    again = json.loads((tmp_path / "second" / CONFIG_FILE).read_text())
    assert again["preprocess_cfg"] == described["preprocess_cfg"]
    with pytest.raises(ValueError, match="trained with QuickGELU, which small does not have; take small-quickgelu"):
        import_backbone("small", tmp_path / "first" / WEIGHTS_FILE, tmp_path / "third")


def test_a_description_of_another_model_is_refused(tmp_path):
    import_backbone("small", saved(tmp_path / "weights.pt", "small"), tmp_path / "backbone")
    stray = saved(tmp_path / "backbone" / "stray.pt", "narrow-quickgelu")
    with pytest.raises(ValueError, match=rf"{CONFIG_FILE}: describes another model than narrow-quickgelu"):
        import_backbone("narrow-quickgelu", stray, tmp_path / "other")


def test_a_description_that_says_nothing_is_refused(tmp_path):
    (tmp_path / CONFIG_FILE).write_text("[]")
    with pytest.raises(ValueError, match=rf"{CONFIG_FILE}: not a description"):
        import_backbone("small", saved(tmp_path / "weights.pt", "small"), tmp_path / "backbone")


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
@torch.no_grad()
def test_archives_of_openai_become_single_precision(tmp_path):
    state = weights_of("small-quickgelu")
    save_archive(state, tmp_path / "archive.pt")
    torch.save({name: tensor.half() for name, tensor in state.items()}, tmp_path / "half.pt")
    import_backbone("small-quickgelu", tmp_path / "archive.pt", tmp_path / "backbone")
    backbone, (clip, _) = load_backbone(tmp_path / "backbone", "cpu"), stock("small-quickgelu", tmp_path / "half.pt")
    assert {parameter.dtype for parameter in backbone.clip.parameters()} == {torch.float32}
    images = images_for(clip)
    expected = clip.encode_image(images, normalize=True)
    torch.testing.assert_close(backbone.image_features(images), expected, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="trained with QuickGELU, which small does not have; take small-quickgelu"):
        import_backbone("small", tmp_path / "archive.pt", tmp_path / "wrong")


def test_training_checkpoints_and_safetensors_are_read(tmp_path):
    state = weights_of("small")
    wrapped = {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}
    torch.save(wrapped, tmp_path / "epoch.pt")
    torch.save(state | {"epoch": 3}, tmp_path / "mixed.pt")
    save_file(state, tmp_path / "weights.safetensors")
    for name in ("epoch.pt", "mixed.pt", "weights.safetensors"):
        import_backbone("small", tmp_path / name, tmp_path / "backbone")
        loaded = load_backbone(tmp_path / "backbone", "cpu").clip.state_dict()
        assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


def test_the_same_weights_give_the_same_bytes(tmp_path):
    weights = saved(tmp_path / "weights.pt", "small")
    for name in ("one", "other"):
        import_backbone("small", weights, tmp_path / name)
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


@pytest.mark.parametrize(
    ("architecture", "tag", "message"),
    [
        ("ViT-B/32", "openai", r"backbone.architecture: open_clip has no 'ViT-B/32'; .*ViT-B-32"),
        ("hf-hub:some/where", "openai", r"backbone.architecture: open_clip has no 'hf-hub:some/where'"),
        ("ViT-B-32-quickgelu", "laion", r"backbone.weights: open_clip has no 'laion' .*only: openai, laion400m_e31"),
        ("ViT-S-32", "openai", r"backbone.weights: open_clip has no 'openai' for ViT-S-32, only: none"),
        ("ViT-L-14", "openai", r"openai were trained with QuickGELU, which ViT-L-14 .* take ViT-L-14-quickgelu"),
        ("RN50-quickgelu", "openai", r"backbone.architecture: RN50-quickgelu: its vision tower is a CNN"),
        ("ViT-B-16-SigLIP", "webli", r"its vision tower comes from timm"),
        ("EVA02-B-16", "merged2b_s8b_b131k", r"its vision tower comes from timm"),
        ("coca_ViT-B-32", "laion2b_s13b_b90k", r"it is a CoCa"),
        ("roberta-ViT-B-32", "laion2b_s12b_b32k", r"its text tower comes from Hugging Face"),
        ("ViT-H-14-worldwide", "metaclip2_worldwide", r"its tokenizer comes from Hugging Face"),
        ("ViT-H-14-CLIPA", "datacomp1b", r"not those of the class token \(vision_cfg: {'pool_type': 'avg'"),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_downloaded(architecture, tag, message, tmp_path, monkeypatch):
    monkeypatch.setattr(open_clip, "download_pretrained", lambda _: pytest.fail("it was downloaded"))
    with pytest.raises(ValueError, match=message):
        import_backbone(architecture, tag, tmp_path / "backbone")
    assert not (tmp_path / "backbone").exists()


@pytest.mark.parametrize(
    ("architecture", "tag"),
    [
        ("ViT-B-32-quickgelu", "openai"),
        ("ViT-B-16-quickgelu", "openai"),
        ("ViT-L-14-quickgelu", "openai"),
        ("ViT-L-14", "laion2b_s32b_b82k"),
        ("ViT-bigG-14", "laion2b_s39b_b160k"),
    ],
)
def test_models_that_fit_fail_for_nothing_but_the_network(architecture, tag, tmp_path, monkeypatch):
    def unreachable(_: Any) -> str:
        raise urllib.error.URLError("unreachable")

    monkeypatch.setattr(open_clip, "download_pretrained", unreachable)
    with pytest.raises(ValueError, match=rf"'{tag}' of {architecture} could not be downloaded .*unreachable"):
        import_backbone(architecture, tag, tmp_path / "backbone")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"backbone.weights: there is no file .*lost.pt"):
        import_backbone("small", tmp_path / "lost.pt", tmp_path / "backbone")


def test_weights_of_another_architecture_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"2 tensors of weights.pt do not fit larger, the first is text_projection"):
        import_backbone("larger", saved(tmp_path / "weights.pt", "small"), tmp_path / "backbone")
    assert not (tmp_path / "backbone").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        # stock open_clip would stretch it
        ({"visual.positional_embedding": torch.zeros(5, 32)}, r"1 tensors .*\(\(5, 32\) there, \(17, 32\) here\)"),
        ({"visual.attn_pool.query": torch.zeros(3)}, r"visual.attn_pool.query \(\(3,\) there, missing here\)"),
        ({"visual.proj": None}, r"visual.proj \(missing there, \(32, 16\) here\)"),
    ],
)
def test_a_single_tensor_that_does_not_fit_is_named(change, message, tmp_path):
    torch.save(weights_of("small") | change, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=message):
        import_backbone("small", tmp_path / "weights.pt", tmp_path / "backbone")


@pytest.mark.parametrize("name", ["notes.pt", "notes.safetensors"])
def test_a_file_without_weights_is_named(name, tmp_path):
    (tmp_path / name).write_text("no weights")
    with pytest.raises(ValueError, match=rf"{name} is not a file of weights"):
        import_backbone("small", tmp_path / name, tmp_path / "backbone")


@pytest.mark.parametrize(
    ("given", "missing"), [({"architecture": "ViT-L-14"}, "weights"), ({"weights": "openai"}, "architecture")]
)
def test_architecture_and_weights_go_together(given, missing):
    settings = {"name": "mine", "participants": ["sub-01", "sub-02", "sub-03"], "simulation": {}, "backbone": given}
    with pytest.raises(ConfigurationError, match=rf"backbone: {missing} is missing: give both"):
        load_study(settings)


def test_files_are_told_from_tags():
    def file_of(weights: str) -> Path | None:
        return Backbone(architecture="ViT-L-14", weights=weights).weights_file

    tags = [tag for _, tag in open_clip.list_pretrained()]
    assert len(tags) > 100
    assert not any(file_of(tag) for tag in tags)
    assert file_of("ViT-L-14.pt") == Path("ViT-L-14.pt")
    assert file_of("weights/checkpoint") == Path("weights/checkpoint")
    assert file_of("~/ViT-L-14.pt") == Path.home() / "ViT-L-14.pt"
    assert Backbone().weights_file is None


@pytest.mark.workflow
def test_a_study_with_a_backbone_imports_it_and_trains_none(tmp_path):
    settings = yaml.safe_load((ROOT / "config/studies/tiny.yaml").read_text())
    weights = tmp_path / "weights.pt"
    weights.touch()
    settings |= {"name": "imported", "backbone": {"architecture": "ViT-B-32", "weights": str(weights)}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(settings))
    found = run("snakemake", "--cores", "1", "all", "-n", "--configfile", str(tmp_path / "study.yaml"))
    assert found.returncode == 0, found.stdout + found.stderr
    assert "import_backbone" in found.stdout
    assert "pretrain_backbone" not in found.stdout
    assert "draw_captioned_pictures" not in found.stdout
    weights.unlink()
    found = run("snakemake", "--cores", "1", "all", "-n", "--configfile", str(tmp_path / "study.yaml"))
    assert "MissingInputException" in found.stdout + found.stderr
    assert str(weights) in found.stdout + found.stderr


def stock_folder(folder: Path, name: str = "small") -> Path:
    """A folder as open_clip writes it, with its own blocks."""
    folder.mkdir()
    save_file(weights_of(name), folder / WEIGHTS_FILE)
    described = {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": PREPARED}
    (folder / CONFIG_FILE).write_text(json.dumps(described))
    return folder


def test_a_backbone_is_copied_byte_by_byte(backbone_folder, tmp_path):
    copy_backbone(backbone_folder, tmp_path / "another")
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        assert (tmp_path / "another" / name).read_bytes() == (backbone_folder / name).read_bytes()


def test_a_folder_of_stock_open_clip_becomes_a_backbone_with_the_same_weights(tmp_path):
    source = stock_folder(tmp_path / "stock")
    copy_backbone(source, tmp_path / "backbone")
    assert (tmp_path / "backbone" / WEIGHTS_FILE).read_bytes() == (source / WEIGHTS_FILE).read_bytes()
    described = json.loads((tmp_path / "backbone" / CONFIG_FILE).read_text())
    assert {described["model_cfg"][tower].pop("block_type") for tower in ("vision_cfg", "text_cfg")} == {"custom"}
    assert described == json.loads((source / CONFIG_FILE).read_text())
    found = load_backbone(tmp_path / "backbone", "cpu")
    stock, _, transform = open_clip.create_model_and_transforms(f"local-dir:{source}")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8))
    assert torch.equal(found.transform(image), transform(image))
    with torch.no_grad():
        expected = stock.eval().encode_image(transform(image)[None], normalize=True)
        torch.testing.assert_close(found.image_features(transform(image)[None]), expected)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / CONFIG_FILE).unlink(), f"has no {CONFIG_FILE}"),
        (lambda folder: (folder / WEIGHTS_FILE).unlink(), f"has no {WEIGHTS_FILE}"),
        (lambda folder: (folder / CONFIG_FILE).write_text("{}"), "not a description of a model"),
        (lambda folder: (folder / WEIGHTS_FILE).write_bytes(b"half"), "not a file of weights"),
        (lambda folder: save_file(weights_of("larger"), folder / WEIGHTS_FILE), "tensors of .* do not fit"),
        (
            lambda folder: (folder / CONFIG_FILE).write_text(
                json.dumps({"model_cfg": open_clip.get_model_config("RN50"), "preprocess_cfg": {}})
            ),
            "its vision tower is a CNN",
        ),
    ],
)
def test_folders_that_do_not_fit_are_refused_and_leave_nothing(damage, message, tmp_path):
    damage(stock_folder(tmp_path / "stock"))
    with pytest.raises(ValueError, match=message):
        copy_backbone(tmp_path / "stock", tmp_path / "backbone")
    assert not (tmp_path / "backbone").exists()
