"""Judgements of a real study: as tables, as THINGS publishes them, restricted to the pictures that there are."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

from cliphba import behavior, rdm, tables
from cliphba.collect import judgements, names
from cliphba.collect.judgements import Told, read_judgements
from cliphba.labels import THINGS_LABELS
from cliphba.sources import CLIPBehavior, TablesBehavior, THINGSBehavior
from tests.conftest import real_data

STIMULI = pd.DataFrame(
    {
        "stimulus": ["ant", "bat", "cat", "dog", "eel", "fox", "gnu"],
        "concept": ["ant", "bat", "cat", "dog", "eel", "fox", "gnu"],
        "split": ["train", "validation", "test", "test", "test", "test", "test"],
    }
)
EXEMPLARS = STIMULI.assign(stimulus=STIMULI["stimulus"] + "_01b")


def all_triplets(stimuli: str | list[str]) -> pd.DataFrame:
    rows = [(*three, "p1") for three in itertools.combinations(stimuli, 3)]
    return pd.DataFrame(rows, columns=["first", "second", "odd", "participant"])


def write(folder, name, text):
    (folder / name).write_text(text)
    return folder / name


def test_names_are_stimuli_or_else_concepts():
    table = pd.DataFrame({"stimulus": ["a1", "a2", "b1", "c1"], "concept": ["a", "a", "b", "c"]})
    assert names.names_of(table, ["a", "b1", "b"]).to_dict() == {"a1": "a", "a2": "a", "b1": "b1"}
    assert names.stimuli_of(table, ["b", "c1", "other"], origin="here") == {"b": "b1", "c1": "c1"}
    with pytest.raises(ValueError, match=r"here names the concept 'a', which several pictures show \(a1, a2\)"):
        names.stimuli_of(table, ["a"], origin="here")


def test_embedding_and_its_dimensions_are_read(tmp_path):
    path = write(tmp_path, "embedding.csv", "stimulus,round,red,note\nant,1,0.5,x\nbat,0,2,y\n")
    dimensions = write(
        tmp_path, "dimensions.tsv", "dimension\tlabel\tprompt\nred\tRed\tred things\nround\tR\tround\n"
    )
    told = judgements.read_embedding(path, dimensions)
    assert told.embedding.to_dict("list") == {"red": [0.5, 2.0], "round": [1.0, 0.0]}
    assert told.dimensions.to_dict("list") == {
        "dimension": ["red", "round"],
        "label": ["Red", "R"],
        "prompt": ["red things", "round"],
    }
    plain = judgements.read_embedding(write(tmp_path, "plain.csv", "stimulus,red\nant,1\n"), None)
    assert plain.dimensions.to_numpy().tolist() == [["red", "red", "red"]]


@pytest.mark.parametrize(
    ("text", "dimensions", "message"),
    [
        ("stimulus,red\nant,1\nant,2\n", None, "'ant' stands there twice"),
        ("stimulus,red\nant,much\n", None, "1 cells are no numbers, the first is 'much' in row 1 under 'red'"),
        ("stimulus,red\nant,\n", None, "1 cells are no numbers"),
        ("stimulus,red\nant,1\n", "dimension,label,prompt\nblue,b,b\n", "it lacks blue"),
        ("stimulus,red\nant,1\n", "dimension,label\nred,r\n", "no column 'prompt'"),
    ],
)
def test_faulty_embeddings_are_refused(text, dimensions, message, tmp_path):
    path = write(tmp_path, "embedding.csv", text)
    described = None if dimensions is None else write(tmp_path, "dimensions.csv", dimensions)
    with pytest.raises(ValueError, match=message):
        judgements.read_embedding(path, described)


@pytest.mark.parametrize("stimuli", [STIMULI, EXEMPLARS], ids=["pictures", "concepts"])
def test_embedding_of_what_was_shown(stimuli):
    told = pd.DataFrame({"red": [1.0, 2.0, 3.0], "round": [4.0, 5.0, 6.0]}, index=["bat", "yak", "ant"])
    found = judgements.embedding_of(told, stimuli).pivot(index="stimulus", columns="dimension", values="value")
    ant, bat = stimuli["stimulus"].iloc[:2]
    assert found.loc[ant].to_dict() == {"red": 3.0, "round": 6.0}
    assert found.loc[bat].to_dict() == {"red": 1.0, "round": 4.0}
    assert len(found) == 2


def test_training_images_without_embedding_are_named():
    told = pd.DataFrame({"red": [1.0]}, index=["ant"])
    with pytest.raises(ValueError, match=r"1 of 2 training and validation images have no embedding, such as bat"):
        judgements.embedding_of(told, STIMULI)


def test_triplets_of_test_images_are_kept(tmp_path):
    given = all_triplets(["cat", "dog", "eel", "fox", "ant", "yak"])
    given.to_csv(tmp_path / "triplets.tsv", sep="\t", index=False)
    found = judgements.triplets_of(judgements.read_triplets(tmp_path / "triplets.tsv"), EXEMPLARS)
    expected = all_triplets(["cat_01b", "dog_01b", "eel_01b", "fox_01b"])
    assert found.to_numpy().tolist() == expected.to_numpy().tolist()
    tables.write(found, tmp_path / "triplets.parquet", "triplets")


def test_judges_need_not_be_known(tmp_path):
    all_triplets("abcd").drop(columns="participant").to_csv(tmp_path / "triplets.csv", index=False)
    found = judgements.read_triplets(tmp_path / "triplets.csv")
    assert found["participant"].isna().all()
    tables.write(found, tmp_path / "triplets.parquet", "triplets")
    assert tables.read(tmp_path / "triplets.parquet", "triplets")["participant"].isna().all()


def test_triplets_that_say_too_little_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"people judged 3 of the 5 test images, .*split: judged"):
        judgements.triplets_of(all_triplets(["cat", "dog", "eel"]), STIMULI)
    with pytest.raises(ValueError, match="1 of 6 pairs of stimuli occur in no triplet"):
        four = all_triplets(["cat", "dog", "eel", "fox"])
        judgements.triplets_of(four[~(four == "fox").any(axis=1) | ~(four == "eel").any(axis=1)], STIMULI)
    path = write(tmp_path, "triplets.csv", "first,second,odd\ncat,dog,cat\n")
    with pytest.raises(ValueError, match="names a stimulus twice"):
        judgements.read_triplets(path)


def test_published_numbers_are_named_by_concepts(tmp_path):
    path = write(tmp_path, "triplets.txt", "2 0 1 7\n")
    found = judgements.read_triplets(path, ["ant", "bat", "cat"])
    assert found.to_numpy().tolist() == [["cat", "ant", "bat", "7"]]


def test_human_rdm_of_test_images(tmp_path):
    pairs = list(itertools.combinations(["yak", "fox", "eel", "dog", "cat"], 2))
    lines = [f"{first},{second},{number / 10}" for number, (first, second) in enumerate(pairs)]
    path = write(tmp_path, "rdm.csv", "\n".join(["first,second,value", *lines]))
    found = judgements.pairs_of(judgements.read_pairs(path), STIMULI)
    tables.write(found, tmp_path / "human_rdm.parquet", "behavior_rdm")
    assert set(found["source"]) == {"human"}
    assert not found.filter(like="independent").any(axis=None)
    order = ["cat", "dog", "eel", "fox"]
    # pairs of four, the last first: 9 is dog-cat, 8 eel-cat, ...
    np.testing.assert_allclose(behavior.pair_dissimilarity(found, order), [0.9, 0.8, 0.6, 0.7, 0.5, 0.4])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["cat,dog,1", "dog,cat,1"], "every pair of two stimuli once"),
        (["cat,cat,0"], "no stimulus with itself"),
        (["cat,dog,large"], "no numbers"),
    ],
)
def test_faulty_human_rdms_are_refused(rows, message, tmp_path):
    path = write(tmp_path, "rdm.csv", "\n".join(["first,second,value", *rows]))
    with pytest.raises(ValueError, match=message):
        judgements.read_pairs(path)


def test_human_rdm_that_lacks_a_pair_is_refused():
    pairs = pd.DataFrame(itertools.combinations(["cat", "dog", "eel", "fox"], 2), columns=["first", "second"])
    with pytest.raises(ValueError, match="lacks 1 of the 6 pairs"):
        judgements.pairs_of(pairs.assign(value=1.0).iloc[:-1], STIMULI)


def test_stimuli_are_judged_by_triplets_before_the_rdm():
    triplets, pairs = all_triplets(["cat", "dog", "yak"]), pd.DataFrame({"first": ["ant"], "second": ["bat"]})
    assert Told(triplets=triplets, pairs=pairs).judged(STIMULI) == ["cat", "dog"]
    assert Told(pairs=pairs).judged(EXEMPLARS) == ["ant_01b", "bat_01b"]
    assert Told().judged(STIMULI) == []


def test_every_kind_of_judgements_is_read(tmp_path):
    write(tmp_path, "embedding.csv", "stimulus,red\nant,1\n")
    all_triplets("abcd").to_csv(tmp_path / "triplets.csv", index=False)
    files = {"embedding": f"{tmp_path}/embedding.csv", "triplets": f"{tmp_path}/triplets.csv"}
    told = read_judgements(TablesBehavior(kind="tables", **files))
    assert (len(told.embedding), len(told.triplets), told.pairs) == (1, 4, None)
    only = read_judgements(CLIPBehavior(kind="clip", triplets=files["triplets"]))
    assert (only.embedding, len(only.triplets)) == (None, 4)
    assert read_judgements(CLIPBehavior(kind="clip")) == Told()


def test_labels_are_those_of_the_published_dimensions():
    published = (real_data("things") / "labels66.txt").read_text().splitlines()
    assert len(set(THINGS_LABELS)) == len(published) == 66
    # the published file spells them otherwise: "metallic/artificial", "fine-grained pattern"
    first = [[re.split(r"\W", text)[0] for text in labels] for labels in (THINGS_LABELS, published)]
    assert first[0] == first[1]


def test_real_judgements_of_things():
    told = read_judgements(THINGSBehavior(kind="things", folder=str(real_data("things"))))
    concepts = pd.Series(told.embedding.index)
    stimuli = pd.DataFrame({"stimulus": concepts + "_01b", "concept": concepts})
    judged = told.judged(stimuli)
    assert len(judged) == 48
    assert {"camera1_01b", "file1_01b"} <= set(judged)
    stimuli["split"] = np.where(stimuli["stimulus"].isin(judged), "test", "train")
    embedding = judgements.embedding_of(told.embedding, stimuli).pivot(
        index="stimulus", columns="dimension", values="value"
    )[list(told.dimensions["dimension"])]
    pairs = judgements.pairs_of(told.pairs, stimuli)
    # the published agreement of the two, which any wrong order would spoil
    human = behavior.pair_dissimilarity(pairs, judged)
    modelled = rdm.correlation_distance(embedding.loc[judged].to_numpy())
    assert round(float(rdm.spearman(modelled, human)), 4) == 0.8648
    assert behavior.Scaling.fit(embedding.to_numpy()).high == pytest.approx(2.741537094)
