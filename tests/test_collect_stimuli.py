"""Pictures of a real study: found, named, split and checked, and one clear message for whatever is wrong."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cliphba import tables
from cliphba.collect import splits, stimuli
from cliphba.collect.splits import split_stimuli
from cliphba.collect.stimuli import read_stimuli
from tests.conftest import real_data

COUNTS = {"train": 5, "validation": 2, "test": 3}


def draw(folder: Path, *names: str) -> Path:
    """Draw pictures, each of another colour."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(path)
    return folder


def listed(count: int) -> pd.DataFrame:
    names = [f"s{number}" for number in range(count)]
    return pd.DataFrame({"stimulus": names, "concept": names, "split": None})


def test_pictures_are_found_in_subfolders_whatever_their_kind(tmp_path):
    folder = draw(tmp_path, "b.png", "animals/c.JPG", "animals/wild/a.webp", "d.tiff", ".hidden.png")
    (folder / "notes.txt").write_text("no picture")
    found = read_stimuli(folder)
    assert list(found["stimulus"]) == list("abcd")
    assert list(found["path"])[:3] == [
        str(folder / name) for name in ("animals/wild/a.webp", "b.png", "animals/c.JPG")
    ]
    assert list(found["concept"]) == list("abcd")
    assert found[["split", "caption"]].isna().all(axis=None)


def test_paths_stay_relative_to_where_they_were(tmp_path, monkeypatch):
    draw(tmp_path / "pictures", "a.png")
    monkeypatch.chdir(tmp_path)
    assert list(read_stimuli(Path("pictures"))["path"]) == ["pictures/a.png"]


def test_numbers_in_names_count_as_numbers(tmp_path):
    folder = draw(tmp_path, "im10.png", "im9.png", "im1.png", "im2_b.png", "im2.png")
    assert list(read_stimuli(folder)["stimulus"]) == ["im1", "im2", "im2_b", "im9", "im10"]


def test_two_files_of_one_name_are_both_told(tmp_path):
    folder = draw(tmp_path, "old/cat.png", "new/cat.jpg")
    with pytest.raises(ValueError, match=r"'cat' has two files, .*new/cat\.jpg and .*old/cat\.png"):
        read_stimuli(folder)


def test_pattern_chooses_and_names(tmp_path):
    folder = draw(tmp_path, "bat/bat_01b.jpg", "bat/bat_02s.jpg", "ant/ant_01b.jpg")
    found = read_stimuli(folder, pattern=r"([^/]+)_01b\.jpg$")
    assert list(found["stimulus"]) == ["ant", "bat"]
    assert [Path(path).name for path in found["path"]] == ["ant_01b.jpg", "bat_01b.jpg"]
    with pytest.raises(ValueError, match="correct `pattern`"):
        read_stimuli(folder, pattern=r"(.+)_99\.jpg$")


@pytest.mark.parametrize("ending", ["tsv", "csv", "parquet"])
def test_table_names_pictures_in_its_order(ending, tmp_path):
    folder = draw(tmp_path / "pictures", "x/007.png", "008.png", "left/alone.png")
    given = pd.DataFrame({"stimulus": ["008", "007"], "concept": [None, "spy"], "caption": ["a dog", None]})
    table = tmp_path / f"stimuli.{ending}"
    if ending == "parquet":
        given.to_parquet(table)
    else:
        given.to_csv(table, sep={"tsv": "\t", "csv": ","}[ending], index=False)
    found = read_stimuli(folder, table)
    assert list(found["stimulus"]) == ["008", "007"]
    assert list(found["concept"]) == ["008", "spy"]
    assert list(found["path"]) == [str(folder / "008.png"), str(folder / "x/007.png")]
    assert found["caption"].iloc[0] == "a dog"
    assert pd.isna(found["caption"].iloc[1])


def test_table_may_give_paths_or_names_with_endings(tmp_path):
    folder = draw(tmp_path / "pictures", "one/cat.png", "two/cat.png")
    table = tmp_path / "stimuli.csv"
    table.write_text("stimulus,path\ntabby,two/cat.png\n")
    assert list(read_stimuli(folder, table)["path"]) == [str(folder / "two/cat.png")]
    table.write_text("stimulus\ncat.png\n")
    with pytest.raises(ValueError, match="two files"):
        read_stimuli(folder, table)
    (folder / "one/cat.png").unlink()
    assert list(read_stimuli(folder, table)["stimulus"]) == ["cat.png"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("stimulus\na\na\n", "'a' stands there twice"),
        ("stimulus\na\nmissing\n", r"1 of 2 stimuli have no picture, such as .*missing.*`path`"),
        ("stimulus,path\na,nowhere/a.png\n", r"no picture, such as .*nowhere/a\.png"),
        ("stimulus,path\na,a.png\n,b.png\n", "1 of 2 rows have nothing in the column 'stimulus'"),
        ("name\na\n", "no column 'stimulus', only name"),
        ("stimulus\tpath\na\ta.png\n", "check what separates them"),
    ],
)
def test_table_that_does_not_fit_is_refused(content, message, tmp_path):
    folder = draw(tmp_path / "pictures", "a.png", "b.png")
    table = tmp_path / "stimuli.csv"
    table.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_stimuli(folder, table)


def test_missing_places_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        read_stimuli(tmp_path / "nowhere")
    folder = draw(tmp_path / "pictures", "a.png")
    with pytest.raises(ValueError, match=r"no file .*stimuli\.tsv"):
        read_stimuli(folder, tmp_path / "stimuli.tsv")
    with pytest.raises(ValueError, match=r"write it as \.tsv"):
        read_stimuli(folder, tmp_path / "stimuli.xlsx")


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "gif"])
def test_half_a_picture_is_named(ending, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    good, bad = tmp_path / f"good.{ending}", tmp_path / f"bad.{ending}"
    Image.fromarray(noise).save(good)
    bad.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    assert stimuli.check_pictures([str(good)]) == [tables.digest(good)]
    with pytest.raises(ValueError, match=rf"bad\.{ending}: not an image"):
        stimuli.check_pictures([str(good), str(bad)])


def test_the_same_picture_twice_is_told(tmp_path, caplog):
    folder = draw(tmp_path, "a.png", "b.png")
    (folder / "c.png").write_bytes((folder / "a.png").read_bytes())
    stimuli.check_pictures([str(folder / f"{name}.png") for name in "abc"])
    assert "a.png and " in caplog.text
    assert "b.png" not in caplog.text


def test_splits_in_order():
    found = split_stimuli(listed(10), "in_order", COUNTS)
    assert list(found["split"]) == ["train"] * 5 + ["validation"] * 2 + ["test"] * 3


def test_random_splits_hang_on_the_seed_and_keep_the_order():
    first, again, other = (split_stimuli(listed(10), "random", COUNTS, seed=seed) for seed in (1, 1, 2))
    assert first["split"].value_counts().to_dict() == COUNTS
    assert list(first["stimulus"]) == list(listed(10)["stimulus"])
    assert first.equals(again)
    assert not first["split"].equals(other["split"])


def test_what_was_judged_is_held_out_and_the_rest_is_random():
    judged = ["s1", "s4", "s9"]
    drawn = [split_stimuli(listed(10), "judged", COUNTS, judged=judged, seed=seed) for seed in range(4)]
    for found in drawn:
        assert list(found.loc[found["split"] == "test", "stimulus"]) == judged
        assert found["split"].value_counts().to_dict() == COUNTS
    assert len({tuple(found["split"]) for found in drawn}) > 1
    with pytest.raises(ValueError, match=r"judged 4 of the pictures.*test_images is 3: set it to 4"):
        split_stimuli(listed(10), "judged", COUNTS, judged=[*judged, "s0"])


def test_splits_of_a_table_are_kept():
    given = listed(10).assign(split=["test", "train"] * 3 + ["validation"] * 2 + ["train"] * 2)
    assert split_stimuli(given, "table", COUNTS).equals(given)
    with pytest.raises(ValueError, match=r"test_images 3, the settings .*test_images 4: make them alike"):
        split_stimuli(given, "table", {**COUNTS, "test": 4})
    with pytest.raises(ValueError, match="of 2 stimuli, such as s6, it is val"):
        split_stimuli(given.replace("validation", "val"), "table", COUNTS)


@pytest.mark.parametrize("how", ["random", "in_order", "judged"])
def test_other_numbers_of_pictures_are_refused(how):
    with pytest.raises(ValueError, match=r"there are 11 pictures, but training_images 5, .* make 10"):
        split_stimuli(listed(11), how, COUNTS)


def test_evaluation_sets_are_held_out_whole():
    assert set(splits.hold_out(listed(6), 6, name="blurry")["split"]) == {"test"}
    with pytest.raises(ValueError, match=r"evaluation_sets\.blurry: there are 6 pictures, but count is 48"):
        splits.hold_out(listed(6), 48, name="blurry")


def test_real_photographs_are_stimuli(tmp_path):
    found = read_stimuli(real_data("images"))
    assert found["stimulus"].is_unique
    assert {"acorn", "bat1", "scrambled_egg"} <= set(found["stimulus"])
    table = split_stimuli(found, "random", {"train": len(found) - 20, "validation": 10, "test": 10}, seed=1)
    table = table.assign(image_set="recorded", sha256=stimuli.check_pictures(list(found["path"])))
    tables.write(table, tmp_path / "stimuli.parquet", "stimuli")
    read = tables.read(tmp_path / "stimuli.parquet", "stimuli")
    assert len(tables.recorded(read, "test")) == 10
    assert read["caption"].isna().all()
