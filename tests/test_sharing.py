"""Models given away: every part opens in the software it is for, and the card says what is known and nothing else."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from peft import PeftModel
from PIL import Image
from rsatoolbox.rdm import load_rdm

import cliphba
from cliphba import cli
from cliphba.clip.adapters import AdapterPlan
from cliphba.clip.backbone import load_backbone
from cliphba.config import Adapter
from cliphba.models.checkpoint import save_checkpoint
from cliphba.sharing import card
from cliphba.sharing.facts import gather, losses_by_stage, without_names
from cliphba.sharing.folder import share
from tests.finished_study import SEED, checkpoints, copy_study, draw_pictures, losses, make_study
from tests.small_clip import SIZE, make_backbone, pictures, trained_adapter

MODELS = ("behavior", "group", "sub-01")
# Measured differences are below 4e-7, of features of length one.
TOLERANCE = {"atol": 1e-5, "rtol": 0}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A CLIP of which images are similar to some prompts: the head cuts what is negative."""
    return load_backbone(make_backbone(tmp_path_factory.mktemp("clip") / "backbone", seed=SEED), "cpu")


@pytest.fixture(scope="module")
def study(tmp_path_factory, backbone):
    return make_study(tmp_path_factory.mktemp("sharing") / "mine", backbone)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = draw_pictures(tmp_path_factory.mktemp("images"), ("one", "two", "three"))
    # what is transparent is to be seen alike, whoever prepares it
    picture = Image.open(folder / "two.png").convert("RGBA").resize((3 * SIZE, 2 * SIZE))
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    picture.save(folder / "two.png")
    return folder


@pytest.fixture(scope="module")
def shared(study, images, tmp_path_factory):
    """What the command writes of every model."""
    folders = {name: tmp_path_factory.mktemp("shared") / name for name in MODELS}
    for name, folder in folders.items():
        model = study / f"models/{name}.safetensors"
        assert cli.main(["export", str(model), "--to", str(folder), "--images", str(images), "--device", "cpu"]) == 0
    return folders


each = pytest.mark.parametrize("name", MODELS)


def read_card(folder):
    return (folder / "README.md").read_text()


def code_of(text):
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


@each
def test_everything_a_recipient_needs_is_there(shared, name):
    found = {path.name for path in shared[name].iterdir()}
    head = {"head.safetensors"} if name != "behavior" else set()
    expected = {"README.md", "merged", "peft", "dimensions.json", "checkpoint.safetensors", "backbone", "rdms.h5"}
    assert found == expected | head
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in shared[name].rglob("*.*"))


@each
def test_code_of_the_card_runs_and_gives_the_model(study, shared, images, name, monkeypatch, tmp_path):
    """Block after block, as a recipient would who has nothing but the folder and pictures of their own."""
    for part in [*shared[name].iterdir(), *images.iterdir()]:
        (tmp_path / part.name).symlink_to(part)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in code_of(read_card(shared[name])):
        exec(block, names)
    model = cliphba.load(study / f"models/{name}.safetensors", device="cpu")
    files = [f"{picture}.png" for picture in ("one", "two", "three")]
    expected = model.embed(files).values
    assert (expected.std(axis=2) > 0).all()
    np.testing.assert_allclose(names["embedding"], expected, atol=1e-5 * np.abs(expected).max())
    rdms = names["rdms"][:, *np.triu_indices(3, k=1)]
    np.testing.assert_allclose(rdms, model.rdms(files).values, atol=1e-4)
    clip, decoded = model.backbone.clip, model.backbone.read_images([Path(file) for file in files])
    with torch.no_grad():
        whole = clip.encode_image(decoded, normalize=True)
        torch.testing.assert_close(names["features"], whole, **TOLERANCE)
        torch.testing.assert_close(names["adapted"].encode_image(decoded, normalize=True), whole, **TOLERANCE)
    assert names["model"].metadata == model.metadata


def test_adapters_belong_on_the_stock_model_as_well(study, shared, tmp_path):
    """Without the blocks that training needs, as whoever has the backbone from open_clip would load them."""
    described = json.loads((shared["sub-01"] / "backbone/open_clip_config.json").read_text())
    for tower in ("vision_cfg", "text_cfg"):
        del described["model_cfg"][tower]["block_type"]
    (tmp_path / "open_clip_config.json").write_text(json.dumps(described))
    (tmp_path / "open_clip_model.safetensors").symlink_to(shared["sub-01"] / "backbone/open_clip_model.safetensors")
    clip, _ = open_clip.create_model_from_pretrained(f"local-dir:{tmp_path}")
    assert type(clip.visual.transformer.resblocks[0].attn) is torch.nn.MultiheadAttention
    for number in ("1", "2", "3"):
        clip = PeftModel.from_pretrained(clip, shared["sub-01"] / "peft" / number).merge_and_unload()
    model = cliphba.load(study / "models/sub-01.safetensors", device="cpu").backbone.clip
    with torch.no_grad():
        seen = pictures(4)
        torch.testing.assert_close(clip.eval().encode_image(seen), model.encode_image(seen), **TOLERANCE)


@each
def test_rsatoolbox_reads_the_rdms(study, shared, images, name):
    found = load_rdm(str(shared[name] / "rdms.h5"))
    model = cliphba.load(study / f"models/{name}.safetensors", device="cpu")
    expected = model.rdms(sorted(images.iterdir()))
    np.testing.assert_allclose(found.dissimilarities, expected.values, atol=1e-6)
    np.testing.assert_array_equal(found.rdm_descriptors["time_ms"], expected.times_ms)
    assert list(found.pattern_descriptors["stimulus"]) == ["one", "three", "two"]
    assert set(found.rdm_descriptors["participant"]) == {name}


@each
def test_metadata_are_those_of_hugging_face(shared, name):
    text = read_card(shared[name])
    data = ModelCard(text).data.to_dict()
    assert data["library_name"] == "open_clip"
    assert data["license"] == "unknown"
    assert {"clip", "cliphba"} <= set(data["tags"])
    assert ("meg" in data["tags"]) == (name != "behavior")
    assert yaml.safe_load(text.split("---")[1]) == data


def test_cards_say_what_the_models_are(shared):
    titles = [re.search("^# (.*)", read_card(shared[name]), flags=re.MULTILINE)[1] for name in MODELS]
    assert titles == [
        "CLIP aligned with human similarity judgements: study mine",
        "CLIP aligned with the brain responses of a group of people, over time: study mine",
        "CLIP aligned with the brain responses of one person, over time: sub-01, study mine",
    ]
    personal = read_card(shared["sub-01"])
    assert "10 times from 20 to 200 ms" in personal
    assert "Recordings of 1 person (sub-01)." in personal
    assert "Recordings of 3 people (sub-01, sub-02, sub-03)." in read_card(shared["group"])
    assert "Images: 3 trained on, 2 that decided when training stopped, 1 held out." in personal
    assert "- 1: dora of rank 3, alpha 16, on vision blocks 2, 3 and text blocks 2" in personal
    assert "It does not show that two people perceive differently" in personal
    assert "It does not show" not in read_card(shared["group"])
    assert "The study is simulated" in personal


def test_scores_are_those_of_the_model_and_what_they_are_read_beside(shared):
    """Neither other people's nor other models'."""
    rows = {name: read_card(shared[name]).split("## Scores")[1].split("## What")[0] for name in MODELS}
    assert "Agreement with human judgements" in rows["behavior"]
    assert "Alignment with MEG, area (ρ × ms)" in rows["group"]
    assert "| CLIP " in rows["group"]
    assert "Alignment of own models" in rows["sub-01"]
    assert "Model-free" in rows["sub-01"]
    assert "sub-02" not in rows["sub-01"]
    assert "Participants identified" not in rows["group"]
    assert "0.50 [0." in rows["behavior"]
    assert "images, data" in rows["group"]


def test_losses_by_hand():
    table = losses_by_stage(losses(2), ("block weights", "adapters"))
    assert table.to_dict("records")[1] == {
        "stage": "adapters",
        "epochs": 5,
        "loss before": 20.0,
        "best loss": 17.0,
        "at epoch": 3,
        "loss at the end": 19.0,
    }


def test_losses_are_in_the_card(shared):
    assert re.search(r"\| adapters +\| 5 +\| 20 +\| 17 +\| 3 +\| 19", read_card(shared["group"]))
    assert re.search(r"\| adapters +\| 5 +\| 10 +\| 7 ", read_card(shared["behavior"]))


def test_scores_losses_and_images_of_another_training_are_not_taken(study, backbone, tmp_path):
    """What lies beside the model was made before it was trained again."""
    folder = copy_study(study, tmp_path / "other")
    model = folder / "models/group.safetensors"
    again = checkpoints(backbone, study)["group"]
    save_checkpoint(replace(again, metadata={**again.metadata, "inputs": {}}), model)
    facts = gather(model)
    assert (facts.scores, facts.losses, facts.images, facts.simulated) == (None, None, None, False)
    text = card.write(facts, ("merged",))
    assert "None that are known to be about this model came with it." in text
    assert "their number is not recorded here" in text
    with pytest.raises(ValueError, match=r"has the scores of another group.safetensors"):
        gather(model, summary=folder / "summary.parquet")


def test_scores_may_be_named(study, tmp_path):
    """Where nothing else of the study is."""
    (tmp_path / "model.safetensors").write_bytes((study / "models/group.safetensors").read_bytes())
    facts = gather(tmp_path / "model.safetensors", backbone=study / "backbone", summary=study / "summary.parquet")
    assert (facts.study, facts.role, len(facts.scores)) == (None, "group", 3)
    with pytest.raises(FileNotFoundError):
        gather(tmp_path / "model.safetensors", backbone=study / "backbone", summary=study / "lost.parquet")


def test_names_of_people_stay_at_home(study, backbone, tmp_path):
    """A label that may be a name is in no part, and what is written works all the same."""
    checkpoint = checkpoints(backbone, study)["sub-01"]
    inputs = {**checkpoint.metadata["inputs"], "sub-anna_train": "0"}
    named = replace(checkpoint, metadata={**checkpoint.metadata, "participants": ["sub-anna"], "inputs": inputs})
    model = tmp_path / "models/sub-anna.safetensors"
    save_checkpoint(named, model)
    share(gather(model, backbone=study / "backbone"), tmp_path / "shared")
    for path in (tmp_path / "shared").rglob("*.*"):
        assert b"anna" not in path.read_bytes(), path
    assert ": participant 1" in read_card(tmp_path / "shared")
    found = cliphba.load(tmp_path / "shared/checkpoint.safetensors", backbone=study / "backbone")
    assert found.metadata["participants"] == ["participant 1"]
    assert without_names(checkpoint) == checkpoint


@pytest.mark.parametrize(
    ("given", "metadata", "said"),
    [
        ("CC BY 4.0", {"license": "cc-by-4.0"}, "judgements of the study: CC BY 4.0."),
        ("CC0", {"license": "cc0-1.0"}, "judgements of the study: CC0."),
        ("only for friends", {"license": "other", "license_name": "terms-of-the-study"}, "only for friends."),
    ],
)
def test_licence_of_the_inputs(study, given, metadata, said):
    text = card.write(gather(study / "models/group.safetensors", licence=given), ("merged",))
    assert metadata.items() <= ModelCard(text).data.to_dict().items()
    assert said in text


def test_what_is_not_known_of_licences_is_said(study):
    facts = replace(gather(study / "models/group.safetensors"), simulated=False)
    text = card.write(facts, ())
    assert "judgements of the study: not recorded: ask the study's owner." in text
    assert "Backbone: not recorded: ask the study's owner." in text
    openai = replace(facts, source={"architecture": "ViT-B-32-quickgelu", "weights": "openai", "sha256": "0"})
    assert "Backbone: OpenAI CLIP, MIT licence." in card.write(openai, ())


def test_a_backbone_that_open_clip_has_is_named_and_not_copied(study, tmp_path):
    source = {"architecture": "ViT-B-32-quickgelu", "weights": "openai", "sha256": "0"}
    facts = replace(gather(study / "models/sub-01.safetensors"), source=source)
    assert share(facts, tmp_path / "shared") == ("merged", "peft", "head", "checkpoint")
    text = read_card(tmp_path / "shared")
    assert 'create_model_from_pretrained("ViT-B-32-quickgelu", pretrained="openai")' in text
    assert 'import_backbone("ViT-B-32-quickgelu", "openai", Path("backbone"))' in text
    for block in code_of(text):
        compile(block, "card", "exec")
    of_a_file = replace(facts, source={**source, "weights": "mine.pt"})
    assert not of_a_file.fetched


def test_what_the_published_protocol_does_otherwise_is_said(study):
    facts = gather(study / "models/group.safetensors")
    noisy = replace(facts.checkpoint.dynamic, evaluation_noise=(0.3, 1))
    published = replace(facts, checkpoint=replace(facts.checkpoint, images="published", dynamic=noisy))
    for said in ("it adds noise to every embedding", "made ready as for the published model"):
        assert said in card.write(published, ())
        assert said not in card.write(facts, ())


def test_what_was_not_trained_is_not_called_so(study):
    facts = gather(study / "models/behavior.safetensors")
    text = card.write(replace(facts, checkpoint=replace(facts.checkpoint, adapters=[])), ())
    assert "# CLIP read by named dimensions: study mine" in text
    assert "nothing was fine-tuned" in text


@pytest.mark.parametrize("part", ["merged", "peft", "head", "checkpoint", "backbone"])
def test_parts_can_be_had_alone(study, tmp_path, part):
    facts = gather(study / "models/sub-01.safetensors")
    assert share(facts, tmp_path / "shared", [part]) == (part,)
    names = {path.name for path in (tmp_path / "shared").iterdir()}
    expected = {"head": {"dimensions.json", "head.safetensors"}, "checkpoint": {"checkpoint.safetensors"}}
    assert names == {"README.md", *expected.get(part, {part})}


def test_adapters_that_peft_does_not_know_are_left_out_or_refused(study, backbone, tmp_path):
    checkpoint = checkpoints(backbone, study)["behavior"]
    plan = AdapterPlan.of(Adapter(method="published_dora", rank=3), vision=(1,))
    adapter = trained_adapter(backbone.copy().clip, plan, seed=1)
    save_checkpoint(replace(checkpoint, adapters=[adapter]), tmp_path / "models/behavior.safetensors")
    facts = gather(tmp_path / "models/behavior.safetensors", backbone=study / "backbone")
    assert "peft" not in share(facts, tmp_path / "shared")
    with pytest.raises(ValueError, match="use merged weights"):
        share(facts, tmp_path / "again", ["peft"])
    assert not (tmp_path / "again").exists()


def test_another_backbone_is_not_given_away(study, tmp_path):
    other = make_backbone(tmp_path / "other", seed=1)
    facts = gather(study / "models/sub-01.safetensors", backbone=other)
    for part in ("merged", "backbone"):
        with pytest.raises(ValueError, match="but this model was trained on"):
            share(facts, tmp_path / "shared", [part])
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def export(capsys, *arguments):
    code = cli.main(["export", *map(str, arguments)])
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "models"), "models holds something already"),
        (("--to", "new", "--images", "lost.png"), "lost.png: there is no such image"),
        (("--to", "new", "--what", "rdms"), "rdms are made of images"),
        (("--to", "new", "--what", "merged", "--images", "ä.png"), "rdms are made of images"),
        (("--to", "new", "--images", "ä.png"), "rsatoolbox reads ASCII names only, not 'ä'"),
        (("--to", "new", "--summary", "source/stimuli.parquet"), "is a table of kind 'stimuli'"),
        (("--to", "new", "--study", "tiny.yaml"), "data.licence says nothing"),
        (("--to", "new", "--study", "summary.parquet"), "no study file"),
    ],
)
def test_an_error_is_told_and_leaves_nothing(study, tmp_path, capsys, monkeypatch, arguments, message):
    folder = copy_study(study, tmp_path / "mine")
    Image.new("RGB", (SIZE, SIZE)).save(folder / "ä.png")
    (folder / "tiny.yaml").write_text((Path(__file__).parent.parent / "config/studies/tiny.yaml").read_text())
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    code, said = export(capsys, "models/group.safetensors", *arguments)
    assert (code, said.count("\n")) == (2, 1)
    assert message in said
    assert sorted(folder.rglob("*")) == before


def test_what_is_no_model_is_told(study, tmp_path, capsys):
    code, said = export(capsys, study / "summary.parquet", "--to", tmp_path / "new")
    assert code == 2
    assert "summary.parquet is no checkpoint of this package" in said


def test_a_study_says_the_licence(study, tmp_path, capsys):
    text = (Path(__file__).parent.parent / "config/studies/template.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("licence: null", "licence: CC BY-SA 4.0"))
    arguments = ("--to", tmp_path / "new", "--what", "head", "--study", tmp_path / "mine.yaml")
    assert export(capsys, study / "models/group.safetensors", *arguments) == (0, "")
    assert "license: cc-by-sa-4.0" in read_card(tmp_path / "new")
