"""Studies of data that somebody gives: what is planned for each kind, and what stands in the results in the end."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.spatial.distance import squareform

from cliphba import behavior, tables
from tests import given_study as given

pytestmark = pytest.mark.workflow

RESULTS = Path("results/given")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Everything that studies here are made of; no backbone, which is for those who train."""
    folder = tmp_path_factory.mktemp("given")
    given.write_data(folder)
    given.write_epochs(folder, "sub-01")
    upper = np.triu(given.published(9), 1).transpose(0, 2, 3, 1)
    savemat(folder / "data/set.mat", {"result_dsm": upper})
    for name in ("backbone/open_clip_config.json", "backbone/open_clip_model.safetensors", "other.safetensors"):
        path = folder / "data" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    for participant in given.PARTICIPANTS[1:]:
        (folder / f"data/epochs/{participant.removeprefix('sub-')}_epo.fif").touch()
    return folder


def planned(folder: Path, study: dict, *targets: str) -> list[tuple[str, str]]:
    """Rule of each job that is planned from nothing, and what Snakemake says of it."""
    found = given.snakemake(folder, study, "-n", "--forceall", *targets)
    assert found.returncode == 0, found.stdout + found.stderr
    blocks = re.split(r"^(?:local)?rule (\w+):$", found.stdout.partition("Job stats")[2], flags=re.MULTILINE)[1:]
    return list(zip(blocks[::2], blocks[1::2], strict=True))


@pytest.mark.parametrize("recordings", [given.RDMS, given.EPOCHS], ids=lambda settings: settings["kind"])
@pytest.mark.parametrize(
    ("judgements", "model", "collected"),
    [
        (given.TABLES, "tune_behavior", 1),
        ({"kind": "model", "model": "data/other.safetensors"}, "adopt_behavior", 0),
        ({"kind": "clip", "rdm": "data/human.tsv"}, "adopt_behavior", 0),
    ],
    ids=["tables", "model", "clip"],
)
def test_group_models_are_planned_from_every_kind_of_data(folder, recordings, judgements, model, collected):
    jobs = planned(folder, given.settings(recordings, judgements), f"{RESULTS}/models/group.safetensors")
    imports = {"import_rdm": 3} if recordings["kind"] == "rdms" else {"import_epochs": 3, "decode_rdm": 3}
    expected = {"collect_stimuli": 1, **imports, "import_backbone": 1, model: 1, "collect_judgements": collected}
    expected |= {"initialise_reweighting": 1, "fit_group_reweighting": 1, "tune_group": 1}
    assert Counter(rule for rule, _ in jobs) == Counter(expected)
    for rule, said in jobs:
        assert all(re.search(rf"^ +{word}: ", said, flags=re.MULTILINE) for word in ("log", "benchmark")), rule
        assert all(re.search(rf"{word}=\d+", said) for word in ("mem_mb", "runtime")), rule


def test_evaluation_sets_are_planned(folder):
    study = given.settings(given.RDMS, {"kind": "clip"}, evaluation_sets=[given.SET])
    targets = [f"{RESULTS}/rdm/external/others/{name}.parquet" for name in given.SET["participants"]]
    jobs = planned(folder, study, *targets)
    assert Counter(rule for rule, _ in jobs) == {"collect_external_stimuli": 1, "import_external_rdm": 2}
    assert all("benchmark: " in said and "mem_mb=" in said and "log: " in said for _, said in jobs)


def make(folder: Path, study: dict, *targets: str) -> None:
    found = given.snakemake(folder, study, *(str(RESULTS / target) for target in targets))
    logs = "".join(path.read_text() for path in (folder / RESULTS / "logs").rglob("*.log"))
    assert found.returncode == 0, found.stdout + found.stderr + logs


def test_published_rdms_and_judgements_become_the_study(folder):
    study = given.settings(given.RDMS, given.TABLES, evaluation_sets=[given.SET])
    study["data"]["stimuli"] |= {"split": "judged"}
    make(folder, study, "source/human_rdm.parquet", "rdm/sub-02_all.parquet", "rdm/external/others/sub-B.parquet")

    results = folder / RESULTS
    stimuli = tables.read(results / "source/stimuli.parquet", "stimuli")
    assert list(stimuli["stimulus"]) == given.NAMES
    assert tables.recorded(stimuli, "test") == given.JUDGED
    assert stimuli["path"].iloc[0] == "data/images/0/picture1.png"
    human = tables.read(results / "source/human_rdm.parquet", "behavior_rdm")
    assert len(behavior.pair_dissimilarity(human, given.JUDGED)) == 6
    embedding = tables.read(results / "source/behavior_embedding.parquet", "behavior_embedding")
    assert set(embedding["stimulus"]) == set(given.NAMES)

    found = tables.read_rdms(results / "rdm/sub-02_all.parquet")
    assert list(found.stimuli) == given.NAMES
    np.testing.assert_array_equal(found.times_ms, np.arange(-100, 301, 50))
    # the file's order is that of order.txt: backwards
    squares = given.published(12)[1, ::5, ::-1, ::-1]
    expected = [squareform(square, checks=False) for square in squares]
    np.testing.assert_array_equal(found.values, np.array(expected, dtype=np.float32))
    said = {name: found.metadata[name] for name in ("participant", "half", "quantity", "chance")}
    assert said == {"participant": "sub-02", "half": "all", "quantity": "decoding accuracy", "chance": 0.5}
    assert found.metadata["source"] == {"file": "rdms.npy", "variable": None, "participant": 1, "window": 1}
    assert str(folder) not in str(found.metadata)

    external = tables.read_rdms(results / "rdm/external/others/sub-B.parquet")
    # of a set, times that are both in the file and in the grid
    np.testing.assert_array_equal(external.times_ms, np.arange(-100, 301, 50))
    assert list(external.stimuli) == given.NAMES[:9]
    first = squareform(given.published(9)[1, 0], checks=False)
    np.testing.assert_array_equal(external.values[0], first.astype(np.float32))


def test_epochs_are_decoded(folder):
    study = given.settings(given.EPOCHS, {"kind": "clip"})
    make(folder, study, "rdm/sub-01_train.parquet", "rdm/sub-01_test.parquet")
    for half, sessions in (("train", ["ses-1", "ses-3"]), ("test", ["ses-2", "ses-4"])):
        found = tables.read_rdms(folder / RESULTS / f"rdm/sub-01_{half}.parquet")
        assert list(found.stimuli) == given.NAMES
        assert (found.metadata["half"], found.metadata["sessions"]) == (half, sessions)
        np.testing.assert_allclose(found.times_ms, np.arange(-100, 301, 50))
        late = (found.times_ms >= 100) & (found.times_ms <= 200)
        assert found.values[late].mean() > 0.95
        assert abs(found.values[~late].mean() - 0.5) < 0.05
    trials = tables.read(folder / RESULTS / "epochs/sub-01/sub-01_trials.parquet", "trials")
    assert trials.set_index("session")["kept"].to_dict() == {f"ses-{day}": 24 for day in range(1, 5)}


def test_only_pictures_are_noticed_in_their_folder(folder):
    study = given.settings(given.RDMS, {"kind": "clip"}, evaluation_sets=[given.SET])
    study["name"] = "noticed"
    targets = ["results/noticed/source/stimuli.parquet", "results/noticed/source/external/others/stimuli.parquet"]
    assert given.snakemake(folder, study, *targets).returncode == 0
    (folder / "data/images/Thumbs.db").touch()
    assert "Nothing to be done" in given.snakemake(folder, study, "-n", *targets).stdout
    replaced = next((folder / "data/images").rglob("picture2.png"))
    before = replaced.stat()
    os.utime(replaced, (0, 0))
    assert given.snakemake(folder, study, "-n", *targets).stdout.count("Params have changed") == 2
    os.utime(replaced, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_one_wrong_picture_stops_before_anything_else(folder):
    study = given.settings(given.RDMS, given.TABLES)
    study["name"] = "wrong"
    study["data"]["stimuli"] |= {"training_images": 5}
    found = given.snakemake(folder, study, "results/wrong/rdm/sub-01_all.parquet")
    assert found.returncode != 0
    log = (folder / "results/wrong/logs/collect_stimuli.log").read_text()
    assert "there are 12 pictures, but training_images 5, validation_images 4, test_images 4 make 13" in log
    assert not (folder / "results/wrong/source/stimuli.parquet").exists()
