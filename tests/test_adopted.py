"""Behavior models that were not trained here: of another study, or CLIP itself; every step goes on from them."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from cliphba.clip.adapters import AdapterPlan
from cliphba.clip.backbone import load_backbone
from cliphba.config import Adapter
from cliphba.models.adopted import adopt_model, check_unseen, clip_itself
from cliphba.models.checkpoint import Checkpoint, build_model, read_checkpoint, save_checkpoint
from cliphba.models.export import export_adapters, export_merged
from tests.small_clip import PROMPTS, pictures, trained_adapter


@pytest.fixture(scope="module")
def trained(backbone, backbone_folder):
    """Behavior model of another study."""
    plan = AdapterPlan.of(Adapter(rank=4), vision=(1, 2), text=(1,))
    return Checkpoint(
        kind="behavior",
        dimensions=[f"d{number}" for number in range(len(PROMPTS))],
        prompts=list(PROMPTS),
        adapters=[trained_adapter(backbone.copy().clip, plan, seed=1)],
        backbone="results/other/backbone",
        backbone_sha256=backbone.weights_sha256,
        metadata={"settings": {"seed": 7}},
    )


@pytest.fixture(scope="module")
def here(backbone, backbone_folder):
    return {"backbone": backbone_folder, "weights_sha256": backbone.weights_sha256, "images": "backbone"}


@pytest.fixture(scope="module")
def clip(here):
    return clip_itself(PROMPTS, **here)


def test_adopted_model_is_the_same_model(trained, here, backbone, tmp_path):
    found = adopt_model(trained, Path("other.safetensors"), **here)
    save_checkpoint(found, tmp_path / "behavior.safetensors")
    found = read_checkpoint(tmp_path / "behavior.safetensors")
    assert found.backbone == str(here["backbone"])
    assert found.metadata["adopted"] == trained.metadata
    images = pictures(3)
    before, after = (build_model(one, backbone).embed_decoded(images, list("abc")) for one in (trained, found))
    assert (before.values == after.values).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "dynamic"}, "must be a Behavior model"),
        (
            {"backbone_sha256": "0" * 64},
            r"hash 000000000000\.\.\. \(results/other/backbone\).*let backbone.folder name",
        ),
        ({"images": "published"}, "made ready as `published`, but protocol.images of this study is `backbone`"),
    ],
)
def test_models_that_do_not_fit_are_refused(trained, here, changes, message):
    with pytest.raises(ValueError, match=message):
        adopt_model(replace(trained, **changes), Path("other.safetensors"), **here)


def test_clip_itself_compares_images_with_prompts(clip, backbone, tmp_path):
    save_checkpoint(clip, tmp_path / "behavior.safetensors")
    found = read_checkpoint(tmp_path / "behavior.safetensors")
    assert (found.kind, found.dimensions, list(found.adapters)) == ("behavior", list(PROMPTS), [])
    images = pictures(3)
    embedding = build_model(found, backbone).embed_decoded(images, list("abc"))
    with torch.no_grad():
        similarity = backbone.image_features(images) @ backbone.text_features(PROMPTS).T
        expected = backbone.scale * similarity
    torch.testing.assert_close(torch.from_numpy(embedding.values[0]), expected)


def test_clip_itself_is_a_start_of_training(clip, backbone):
    for start in ("behavior", "clip"):
        state = clip.starting_from(start).onto(backbone).clip.state_dict()
        assert all(torch.equal(tensor, state[name]) for name, tensor in backbone.clip.state_dict().items())


def test_clip_itself_is_exported_merged_but_has_no_adapters(clip, backbone, backbone_folder, tmp_path):
    export_merged(clip, backbone_folder, tmp_path / "merged")
    with pytest.raises(ValueError, match="no adapters, for it is CLIP itself; export it merged"):
        export_adapters(clip, tmp_path / "adapters")
    assert not (tmp_path / "adapters").exists()
    with pytest.raises(ValueError, match="block_type"):
        load_backbone(tmp_path / "merged")


def test_what_was_adopted_itself_is_refused(trained, here):
    again = adopt_model(trained, Path("other.safetensors"), **here)
    with pytest.raises(ValueError, match=r"other.safetensors was itself adopted.*name the model of the study that"):
        adopt_model(again, Path("other.safetensors"), **here)


def named(*hashes, split):
    names = [f"{split}-{number}" for number in range(len(hashes))]
    return pd.DataFrame({"stimulus": names, "split": split, "sha256": hashes})


def test_pictures_that_a_model_was_trained_on_cannot_be_held_out():
    elsewhere = pd.concat(
        [named("a", "b", split="train"), named("c", split="validation"), named("d", split="test")], ignore_index=True
    )
    # what is trained on here may have been trained on there, and what was held out there may be held out here
    check_unseen(pd.concat([named("a", "c", split="train"), named("d", "e", split="test")]), elsewhere, Path("there"))
    for seen in "abc":
        told = "there: 1 test pictures of this study, such as test-1, are among those that the Behavior model adopted"
        with pytest.raises(ValueError, match=told):
            check_unseen(named("e", seen, split="test"), elsewhere, Path("there"))
