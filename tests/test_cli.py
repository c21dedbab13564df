"""The command line: each command does what the library does, and errors are told in one message."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import entry_points

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import cliphba
from cliphba import cli, readable, tables
from cliphba.clip.adapters import AdapterPlan
from cliphba.clip.backbone import load_backbone
from cliphba.config import Adapter
from cliphba.evaluate import comparison
from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.findings import IMAGES, Finding, Independence, tabulate
from cliphba.models import perception
from cliphba.models.checkpoint import Checkpoint, DynamicState, save_checkpoint
from cliphba.models.heads import TemporalCurves
from tests.conftest import ROOT
from tests.small_clip import LAYERS, PROMPTS, SIZE, make_backbone, trained_adapter

NOTHING = Independence(images=False, data=False, people=False)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study's folder: backbone, a static and a dynamic model, three pictures."""
    folder = tmp_path_factory.mktemp("cli")
    # a CLIP of which images are similar to some prompts: the head cuts what is negative
    backbone = load_backbone(make_backbone(folder / "backbone", seed=5), "cpu")
    plan = AdapterPlan.of(Adapter(rank=4), vision=(1, 2), text=(1,))
    static = Checkpoint(
        kind="behavior",
        dimensions=[f"d{number}" for number in range(len(PROMPTS))],
        prompts=list(PROMPTS),
        adapters=[trained_adapter(backbone.copy().clip, plan, seed=1)],
        backbone="backbone",
        backbone_sha256=backbone.weights_sha256,
        metadata={"settings": {"seed": 3}, "inputs": {}, "versions": {"torch": "0"}},
    )
    times = torch.tensor([20.0, 40.0])
    curves = TemporalCurves(times, times / 40, times / 80, 1 - times / 80)
    head = DynamicState(curves, torch.zeros(2, LAYERS), window_ms=20)
    save_checkpoint(static, folder / "models/behavior.safetensors")
    save_checkpoint(replace(static, kind="dynamic", dynamic=head), folder / "models/group.safetensors")
    generator = np.random.default_rng(0)
    for name in ("cat", "dog", "egg"):
        pixels = generator.integers(256, size=(SIZE, SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def run(capsys, *arguments):
    """Give exit code, and what was said to either stream."""
    code = cli.main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("model", ["behavior", "group"])
def test_embed_writes_what_the_library_gives(study, tmp_path, capsys, model):
    checkpoint, images = study / f"models/{model}.safetensors", [study / f"{name}.png" for name in ("egg", "cat")]
    code, out, _ = run(capsys, "embed", checkpoint, *images, "--output", tmp_path / "table.parquet")
    found = tables.read_embedding(tmp_path / "table.parquet")
    expected = cliphba.load(checkpoint).embed(images)
    assert (code, found.stimuli) == (0, ("egg", "cat"))
    assert out == f"{tmp_path / 'table.parquet'}: {1 if model == 'behavior' else 2} times, 2 images, 6 dimensions\n"
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.times_ms, expected.times_ms)
    assert found.metadata["model"] == model
    assert found.metadata["inputs"] == {"model": tables.digest(checkpoint)}


def test_embed_takes_a_backbone_from_elsewhere(study, tmp_path, capsys):
    (tmp_path / "lost").mkdir()
    model = tmp_path / "lost/model.safetensors"
    model.write_bytes((study / "models/behavior.safetensors").read_bytes())
    arguments = ("embed", model, study / "cat.png", "--output", tmp_path / "table.parquet")
    assert run(capsys, *arguments)[0] == 2
    assert run(capsys, *arguments, "--backbone", study / "backbone")[0] == 0


@pytest.mark.parametrize("model", ["behavior", "group"])
def test_embed_streams_what_the_library_holds(study, tmp_path, capsys, model, monkeypatch):
    """One time after another, and with other options: the same numbers, read by the same reader."""
    monkeypatch.setattr(perception, "NUMBERS", 1)
    assert run(capsys, "embed", study / f"models/{model}.safetensors", study, "-o", tmp_path / "t.parquet")[0] == 0
    monkeypatch.undo()
    found = tables.read_embedding(tmp_path / "t.parquet")
    pictures = [study / "cat.png", study / "dog.png", study / "egg.png"]
    expected = cliphba.load(study / f"models/{model}.safetensors").embed(pictures)
    assert found.stimuli == ("cat", "dog", "egg")
    assert (found.values.std(axis=2) > 0).all()
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5, atol=1e-6)
    tables.write_embedding(expected, tmp_path / "whole.parquet")
    assert pq.read_table(tmp_path / "t.parquet").schema.equals(pq.read_table(tmp_path / "whole.parquet").schema)


def test_embed_at_chosen_times(study, tmp_path, capsys):
    model, table = study / "models/group.safetensors", tmp_path / "table.parquet"
    assert run(capsys, "embed", model, study / "cat.png", "-o", table, "--times-ms", 40, "--device", "cpu")[0] == 0
    found, expected = tables.read_embedding(table), cliphba.load(model).embed([study / "cat.png"])
    assert found.times_ms.tolist() == [40]
    np.testing.assert_allclose(found.values, expected.values[[1]], rtol=1e-5, atol=1e-6)


def test_embed_replaces_its_own_tables_only(study, tmp_path, capsys):
    model, table = study / "models/behavior.safetensors", tmp_path / "table.parquet"
    for _ in range(2):
        assert run(capsys, "embed", model, study / "cat.png", "-o", table)[0] == 0
    tables.write_rdms(tables.RDMs(np.array([20.0]), np.ones((1, 1), np.float32), ("cat", "dog")), table)
    before = table.read_bytes()
    code, _, err = run(capsys, "embed", model, study / "cat.png", "-o", table)
    assert (code, err) == (2, f"cliphba: {table} is there already and holds something else: name another table\n")
    assert table.read_bytes() == before


def test_compare_writes_what_the_library_gives(study, tmp_path, capsys):
    """Also models of the same name from several studies, with a static one among them."""
    (tmp_path / "models").mkdir()
    models = [study / "models/group.safetensors", tmp_path / "models/group.safetensors"]
    models[1].write_bytes(models[0].read_bytes())
    images = [study / f"{name}.png" for name in ("cat", "dog", "egg")]
    options = ("--images", study, "-o", tmp_path / "t.parquet", "--pairs", tmp_path / "p.parquet")
    several = (*models, study / "models/behavior.safetensors")
    code, out, err = run(capsys, "compare", *several, *options, "--resamples", 3, "--backbone", study / "backbone")
    assert code == 0, err
    rdms = {
        str(path.with_suffix("")): cliphba.load(path, backbone=study / "backbone").rdms(images) for path in several
    }
    expected = comparison.compare(rdms, resamples=3, seed=0)
    for kind, path in {"model_agreement": tmp_path / "t.parquet", "seen_differently": tmp_path / "p.parquet"}.items():
        found = tables.read(path, kind)
        assert (found.attrs["images"], found.attrs["settings"]["resamples"]) == (["cat", "dog", "egg"], 3)
        pd.testing.assert_frame_equal(found, expected[kind], check_dtype=False)
    assert out.startswith(readable.comparison(*expected.values()))
    assert out.endswith(f"seen_differently: {tmp_path / 'p.parquet'}\n")


def test_compare_at_chosen_times(study, tmp_path, capsys):
    models = [study / f"models/{name}.safetensors" for name in ("group", "behavior")]
    table = tmp_path / "t.parquet"
    assert run(capsys, "compare", *models, "--images", study, "-o", table, "--times-ms", 40, "--resamples", 0)[0] == 0
    found = tables.read(table, "model_agreement")
    assert found["first"].tolist() == ["group"]
    assert found["time_ms"].tolist() == [40]


def test_export_of_adapters_needs_no_backbone(study, tmp_path, capsys):
    (tmp_path / "lost").mkdir()
    model = tmp_path / "lost/model.safetensors"
    model.write_bytes((study / "models/group.safetensors").read_bytes())
    code, out, _ = run(capsys, "export", model, "--to", tmp_path / "adapters", "--what", "peft")
    assert (code, out) == (0, f"{tmp_path / 'adapters'}: README.md, peft\n")
    assert (tmp_path / "adapters/peft/1/adapter_config.json").is_file()


def test_provenance_of_a_checkpoint(study, capsys):
    code, out, _ = run(capsys, "provenance", study / "models/behavior.safetensors")
    found = json.loads(out)
    assert code == 0
    assert found["metadata"] == {"settings": {"seed": 3}, "inputs": {}, "versions": {"torch": "0"}}
    assert found["adapters"][0]["rank"] == 4


def test_provenance_of_a_table_leaves_out_what_is_in_it(tmp_path, capsys):
    rdms = tables.RDMs(np.array([20.0]), np.ones((1, 1), np.float32), ("cat", "dog"))
    tables.write_rdms(rdms, tmp_path / "rdm.parquet", settings={"measure": "Pearson"}, versions={})
    code, out, _ = run(capsys, "provenance", tmp_path / "rdm.parquet")
    assert code == 0
    assert json.loads(out) == {"kind": "rdm", "settings": {"measure": "Pearson"}, "versions": {}}


def test_check_accepts_the_studies_of_the_repository(capsys):
    for path in (ROOT / "config/config.yaml", ROOT / "config/studies/tiny.yaml"):
        code, out, err = run(capsys, "check", path)
        assert (code, err) == (0, "")
        assert "the study can be run" in out


def test_markdown_is_that_of_the_library(tmp_path, capsys):
    row = Finding("alignment_auc", "group", Estimate(np.array(0.5), np.linspace(0, 1, 41)), IMAGES, NOTHING)
    frame = tabulate([row, replace(row, participant="sub-01")], images=5, people=3)
    tables.write(frame, tmp_path / "summary.parquet", "summary")
    stored = tables.read(tmp_path / "summary.parquet", "summary")
    for option, rows in ((), "means"), (("--rows", "headlines"), "headlines"), (("--rows", "each"), "each"):
        code, out, err = run(capsys, "markdown", tmp_path / "summary.parquet", *option)
        assert (code, out, err) == (0, f"{readable.markdown(stored, rows=rows)}\n", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: mine\nseeds: 3\n", "seeds: there is no such key; allowed here: name, seed,"),
        ("name: mine\nseed: -1\n", "seed: Input should be greater than or equal to 0 (given: -1)"),
    ],
)
def test_check_fails_on_problems_and_says_them(tmp_path, capsys, content, message):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    code, out, err = run(capsys, "check", path)
    assert (code, err) == (1, "")
    assert message in " ".join(out.split())


@pytest.mark.parametrize(
    ("content", "message"), [("name: [mine\n", "is no YAML"), ("", "holds no settings: a study has lines such as")]
)
def test_check_refuses_what_is_no_study_file(tmp_path, capsys, content, message):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    code, out, err = run(capsys, "check", path)
    assert (code, out) == (2, "")
    assert err.startswith(f"cliphba: {path}")
    assert message in err


def test_check_takes_later_files_for_changes_of_earlier_ones(tmp_path, capsys):
    change = tmp_path / "change.yaml"
    change.write_text("grid: {step_ms: 25}\nsaliency: {images: 2}\n")
    code, out, _ = run(capsys, "check", ROOT / "config/studies/tiny.yaml", change)
    assert code == 1
    assert "preprocessing.low_pass_hz: must be at most 16 Hz" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("provenance", "lost.parquet"), "lost.parquet: there is no such file"),
        (("provenance", "cat.png"), "cat.png is no table and no checkpoint of this package"),
        (("provenance", "backbone/open_clip_model.safetensors"), "is no table and no checkpoint of this package"),
        (("markdown", "models/behavior.safetensors"), "is none of the main tables: name one of summary, "),
        (("check", "lost.yaml"), "No such file or directory: 'lost.yaml'"),
        (("embed", "models/behavior.safetensors", "lost.png", "--output", "t.parquet"), "lost.png: there is no"),
        (("embed", "cat.png", "dog.png", "--output", "t.parquet"), "cat.png is no checkpoint of this package"),
        (("embed", "models/behavior.safetensors", "cat.png", "-o", "cat.png"), "ends with .parquet"),
        (
            ("embed", "models/behavior.safetensors", "cat.png", "-o", "a.parquet", "--times-ms", "20"),
            "no time course",
        ),
        (
            ("embed", "models/group.safetensors", "cat.png", "-o", "a.parquet", "--times-ms", "25"),
            "of its 2 times from 20 to 40 ms is 20",
        ),
        (("compare", "models/group.safetensors", "--images", ".", "-o", "a.parquet"), "two or more are needed"),
        (("compare", *["models/group.safetensors"] * 2, "--images", ".", "-o", "a.parquet"), "comes twice among"),
        (("compare", "a.png", "b.png", "--images", "lost", "-o", "a.parquet"), "lost: there is no such image"),
        (("export", "models/behavior.safetensors", "--to", "models"), "models holds something already"),
    ],
)
def test_an_error_is_one_line_without_a_traceback(study, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(study)
    code, out, err = run(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("cliphba: ")
    assert message in err


def test_commands_that_only_read_do_not_import_torch(study):
    program = (
        "import sys; from cliphba.cli import main\n"
        "codes = [main(['provenance', sys.argv[1]]), main(['check', sys.argv[2]])]\n"
        "sys.exit(any(codes) or 'torch' in sys.modules)"
    )
    files = [study / "models/behavior.safetensors", ROOT / "config/config.yaml"]
    found = subprocess.run([sys.executable, "-c", program, *files], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_the_module_and_the_command_are_the_same(study):
    (command,) = entry_points(group="console_scripts", name="cliphba")
    assert command.load() is cli.main
    arguments = [sys.executable, "-m", "cliphba", "provenance", "lost"]
    found = subprocess.run(arguments, cwd=study, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (2, "cliphba: lost: there is no such file\n")
