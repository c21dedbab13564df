"""Tables: what is written comes back, what is wrong is refused by name, a failure leaves nothing behind."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cliphba import tables
from cliphba.tables import Embedding, RDMs

STIMULI = ("cat", "dog", "axe", "bed")
VALUES = np.arange(12, dtype=np.float32).reshape(2, 6)  # pairs cat-dog cat-axe cat-bed dog-axe dog-bed axe-bed
MEASURED = RDMs(np.array([0.0, 20.0]), VALUES, STIMULI, {"participant": "sub-01"})


@pytest.fixture
def curves():
    columns = tables.COLUMNS["curves"]
    return pd.DataFrame({name: [0.5 * index, np.nan] for index, name in enumerate(columns)})


def test_tidy_table_comes_back_with_its_metadata(tmp_path, curves):
    tables.write(curves, tmp_path / "new" / "curves.parquet", "curves", seed=7, inputs={"a": "b"})
    found = tables.read(tmp_path / "new" / "curves.parquet", "curves")
    pd.testing.assert_frame_equal(found, curves, check_flags=False)
    assert found.attrs == {"kind": "curves", "seed": 7, "inputs": {"a": "b"}}


def test_columns_are_stored_in_one_order(tmp_path, curves):
    tables.write(curves[curves.columns[::-1]], tmp_path / "curves.parquet", "curves")
    assert list(tables.read(tmp_path / "curves.parquet", "curves").columns) == list(curves.columns)


def test_rdms_come_back(tmp_path):
    values = VALUES.copy()
    values[0] = np.nan
    tables.write_rdms(RDMs(MEASURED.times_ms, values, STIMULI), tmp_path / "rdm.parquet", half="test")
    found = tables.read_rdms(tmp_path / "rdm.parquet")
    np.testing.assert_array_equal(found.values, values)
    np.testing.assert_array_equal(found.times_ms, MEASURED.times_ms)
    assert (found.values.dtype, found.stimuli, found.metadata["half"]) == (np.float32, STIMULI, "test")


def test_static_rdms_come_back_without_a_time(tmp_path):
    tables.write_rdms(RDMs(np.array([np.nan]), VALUES[:1], STIMULI), tmp_path / "rdm.parquet")
    assert np.isnan(tables.read_rdms(tmp_path / "rdm.parquet").times_ms).all()


def test_embedding_comes_back(tmp_path):
    values = np.random.default_rng(0).random((2, 4, 3)).astype(np.float32)
    tables.write_embedding(Embedding(MEASURED.times_ms, values, STIMULI, {"model": "clip"}), tmp_path / "e.parquet")
    found = tables.read_embedding(tmp_path / "e.parquet")
    np.testing.assert_array_equal(found.values, values)
    np.testing.assert_array_equal(found.times_ms, MEASURED.times_ms)
    assert (found.stimuli, found.metadata["model"]) == (STIMULI, "clip")


@pytest.fixture(params=["one row group a time", "all in one", "uneven"])
def course(tmp_path, request):
    """Five time points on disk, the first undefined."""
    values = np.random.default_rng(1).random((5, 6)).astype(np.float32)
    values[0] = np.nan
    path = tmp_path / "rdm.parquet"
    tables.write_rdms(RDMs(10.0 * np.arange(5), values, STIMULI, {"participant": "sub-01"}), path)
    if request.param != "one row group a time":
        pq.write_table(pq.read_table(path), path, row_group_size=5 if request.param == "all in one" else 2)
    return path


def test_opened_rdms_are_those_read(course):
    opened, read = tables.open_rdms(course), tables.read_rdms(course)
    assert (opened.stimuli, opened.metadata) == (read.stimuli, read.metadata)
    np.testing.assert_array_equal(opened.times_ms, read.times_ms)
    for index in (0, 4, 2, 3, 1):
        np.testing.assert_array_equal(opened.row(index), read.row(index))


def test_opened_rdms_of_some_stimuli_on_a_grid_are_those_read(course):
    chosen, grid = ["bed", "cat", "axe"], np.arange(-10.0, 60, 5)
    opened = tables.open_rdms(course).of(chosen).at(grid)
    expected = tables.read_rdms(course, of=chosen).at(grid)
    np.testing.assert_array_equal(expected.values, tables.read_rdms(course).of(chosen).at(grid).values)
    loaded = opened.load()
    np.testing.assert_array_equal(loaded.values, expected.values)
    np.testing.assert_array_equal(loaded.times_ms, grid)
    assert (loaded.stimuli, loaded.metadata["participant"]) == (tuple(chosen), "sub-01")


def test_opened_rdms_refuse_what_those_read_refuse(course):
    opened = tables.open_rdms(course)
    with pytest.raises(ValueError, match=r"'cow' \(1 of 2"):
        opened.of(["cat", "cow"])
    with pytest.raises(ValueError, match="grid"):
        opened.at(np.array([0.0, 15.0, 30.0]))
    with pytest.raises(ValueError, match="'cow'"):
        tables.read_rdms(course, of=["cow", "cat"])


def test_opened_rdms_hold_one_time_point(tmp_path):
    names = [f"image-{index}" for index in range(300)]
    pairs = 300 * 299 // 2
    random = np.random.default_rng(2)
    rows = (random.random(pairs).astype(np.float32) for _ in range(60))
    tables.write_rdm_rows(rows, tmp_path / "rdm.parquet", times_ms=np.arange(60.0), stimuli=names)
    opened, before = tables.open_rdms(tmp_path / "rdm.parquet"), pa.total_allocated_bytes()
    held = []
    for index in range(60):
        opened.row(index)
        held.append(pa.total_allocated_bytes() - before)
    # pyarrow frees what it decompressed a little later
    assert max(held) < 60 * 4 * pairs / 4


def test_rdms_of_an_embedding_can_be_made_one_by_one():
    values = np.random.default_rng(3).random((3, 4, 5)).astype(np.float32)
    values[0] = np.nan
    embedding = Embedding(np.array([0.0, 10.0, 20.0]), values, STIMULI, {"model": "group"})
    series, expected = embedding.series(["bed", "cat", "dog"]), embedding.rdms(["bed", "cat", "dog"])
    assert (series.stimuli, series.metadata["model"]) == (("bed", "cat", "dog"), "group")
    assert np.isnan(series.row(0)).all()
    np.testing.assert_allclose(series.row(2)[0], 1 - np.corrcoef(values[2, 3], values[2, 0])[0, 1], atol=1e-6)
    np.testing.assert_array_equal(series.load().values, expected.values)


def test_a_static_series_stays_as_it_is_on_a_grid():
    static = Embedding(np.array([np.nan]), np.ones((1, 4, 3), np.float32), STIMULI).series(STIMULI)
    assert static.at(np.array([0.0, 20.0])) is static


def test_reordered_rdms_keep_their_new_order_through_a_file(tmp_path):
    tables.write_rdms(MEASURED, tmp_path / "rdm.parquet")
    turned = tables.read_rdms(tmp_path / "rdm.parquet").of(STIMULI[::-1])
    tables.write_rdms(turned, tmp_path / "turned.parquet")
    found = tables.read_rdms(tmp_path / "turned.parquet")
    assert found.stimuli == STIMULI[::-1]
    np.testing.assert_array_equal(found.of(STIMULI).values, VALUES)


def test_rdms_of_a_read_embedding_can_be_written(tmp_path):
    values = np.random.default_rng(0).random((2, 4, 3)).astype(np.float32)
    tables.write_embedding(Embedding(MEASURED.times_ms, values, STIMULI), tmp_path / "e.parquet")
    made = tables.read_embedding(tmp_path / "e.parquet").rdms(["bed", "cat", "dog"])
    tables.write_rdms(made, tmp_path / "rdm.parquet")
    assert tables.read_rdms(tmp_path / "rdm.parquet").stimuli == ("bed", "cat", "dog")


def test_rdms_of_an_embedding_by_hand():
    embedding = Embedding(
        np.array([20.0]), np.array([[[1, 2, 3], [3, 2, 1], [0, 1, 0]]], np.float32), ("a", "b", "c")
    )
    np.testing.assert_allclose(embedding.rdms(["c", "a", "b"]).values, [[1, 1, 2]], atol=1e-6)


def test_of_takes_stimuli_in_the_order_given():
    chosen = MEASURED.of(["bed", "cat", "axe"])  # bed-cat bed-axe cat-axe
    np.testing.assert_array_equal(chosen.values, [[2, 5, 1], [8, 11, 7]])
    assert chosen.stimuli == ("bed", "cat", "axe")


def test_of_names_a_stimulus_that_is_not_there():
    with pytest.raises(ValueError, match=r"'cow' \(1 of 2"):
        MEASURED.of(["cat", "cow"])
    with pytest.raises(ValueError, match="'cow'"):
        Embedding(np.array([0.0]), np.ones((1, 4, 3), np.float32), STIMULI).rdms(["cow"])


def test_at_lays_rdms_on_a_grid_and_leaves_the_rest_undefined():
    laid = MEASURED.at(np.array([-20.0, 0.0, 20.0]))
    assert np.isnan(laid.values[0]).all()
    np.testing.assert_array_equal(laid.values[1:], VALUES)


def test_at_bears_times_in_single_precision():
    times = np.arange(1, 4) * 3.3
    laid = RDMs(times[1:].astype(np.float32).astype(float), VALUES, STIMULI).at(times)
    np.testing.assert_array_equal(laid.values[1:], VALUES)


@pytest.mark.parametrize("grid", [[0.0, 40.0], [0.0, 10.0], [0.0, 15.0, 30.0]])
def test_at_refuses_a_grid_that_lacks_a_time(grid):
    with pytest.raises(ValueError, match="grid"):
        MEASURED.at(np.array(grid))


def test_at_leaves_static_rdms_as_they_are():
    static = RDMs(np.array([np.nan]), VALUES[:1], STIMULI)
    assert static.at(np.array([0.0, 20.0])) is static


def test_tidy_form_names_times_and_pairs():
    tidy = MEASURED.to_tidy()
    assert len(tidy) == 12
    assert tuple(tidy.iloc[7]) == (20.0, "cat", "axe", 7.0)


def test_wrong_kind_is_refused_by_the_files_name(tmp_path, curves):
    tables.write(curves, tmp_path / "curves.parquet", "curves")
    for read in (
        lambda path: tables.read(path, "stimuli"),
        tables.read_rdms,
        tables.open_rdms,
        tables.read_embedding,
    ):
        with pytest.raises(ValueError, match=r"curves.parquet is a table of kind 'curves'"):
            read(tmp_path / "curves.parquet")


def test_foreign_parquet_is_refused(tmp_path, curves):
    curves.to_parquet(tmp_path / "foreign.parquet")
    with pytest.raises(ValueError, match=r"foreign.parquet is a table of kind None"):
        tables.read(tmp_path / "foreign.parquet", "curves")


def test_missing_and_superfluous_columns_are_not_written(tmp_path, curves):
    for wrong in (curves.drop(columns="noise"), curves.assign(more=1)):
        with pytest.raises(ValueError, match=r"curves.parquet: a curves table has the columns"):
            tables.write(wrong, tmp_path / "curves.parquet", "curves")
    assert not list(tmp_path.iterdir())


def test_a_column_of_the_wrong_type_is_not_written(tmp_path, curves):
    with pytest.raises(ValueError, match=r"curves.parquet: a column .* wrong type"):
        tables.write(curves.assign(noise="loud"), tmp_path / "curves.parquet", "curves")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", [lambda frame: frame.drop(columns="noise"), lambda frame: frame.assign(noise="a")])
def test_missing_or_mistyped_column_is_refused_when_read(tmp_path, curves, change, monkeypatch):
    wrong = change(curves)
    older = {name: tables.TEXT if name == "noise" else tables.REAL for name in wrong}
    with monkeypatch.context() as patched:
        patched.setitem(tables.COLUMNS, "curves", older)
        tables.write(wrong, tmp_path / "curves.parquet", "curves")
    with pytest.raises(ValueError, match=r"curves.parquet lacks the columns noise \(double\)"):
        tables.read(tmp_path / "curves.parquet", "curves")


@pytest.mark.parametrize("kept", [slice(0), slice(0, -9), slice(0, 700)])
def test_truncated_file_is_refused_by_name(tmp_path, kept):
    path = tmp_path / "rdm.parquet"
    tables.write_rdms(MEASURED, path)
    path.write_bytes(path.read_bytes()[kept])
    with pytest.raises(ValueError, match=r"rdm.parquet is not a readable Parquet table"):
        tables.read_rdms(path)


def test_damaged_pages_are_refused_by_name(tmp_path):
    path = tmp_path / "rdm.parquet"
    tables.write_rdms(MEASURED, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + bytes(60) + whole[64:])
    with pytest.raises(ValueError, match=r"rdm.parquet is not a readable Parquet table"):
        tables.read_rdms(path)


def test_pages_damaged_after_opening_are_refused_by_name(tmp_path):
    path = tmp_path / "rdm.parquet"
    tables.write_rdms(MEASURED, path)
    opened, whole = tables.open_rdms(path), path.read_bytes()
    values = pq.ParquetFile(path).metadata.row_group(0).column(1)
    start = values.dictionary_page_offset or values.data_page_offset
    path.write_bytes(whole[:start] + bytes(40) + whole[start + 40 :])
    with pytest.raises(ValueError, match=r"rdm.parquet is not a readable Parquet table"):
        opened.row(0)


def test_rdms_with_too_few_stimuli_are_refused_by_name(tmp_path):
    path = tmp_path / "rdm.parquet"
    with pytest.raises(ValueError, match=r"rdm.parquet: 3 stimuli have 3 pairs, but an RDM has \(6,\)"):
        tables.write_rdms(RDMs(MEASURED.times_ms, VALUES, STIMULI[:3]), path)
    assert not list(tmp_path.iterdir())
    tables.write_rdms(MEASURED, path)
    table = pq.read_table(path)
    metadata = json.loads(table.schema.metadata[tables.METADATA_KEY]) | {"stimuli": list(STIMULI[:3])}
    pq.write_table(table.replace_schema_metadata({tables.METADATA_KEY: json.dumps(metadata)}), path)
    for read in (tables.read_rdms, tables.open_rdms):
        with pytest.raises(ValueError, match=r"rdm.parquet names 3 stimuli but holds 6 pairs"):
            read(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "rdm.parquet"
    tables.write_rdms(MEASURED, path)
    before = path.read_bytes()

    def fill_the_disk(self, table):
        raise OSError("No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fill_the_disk)
    with pytest.raises(OSError, match="No space"):
        tables.write_rdms(MEASURED, path, half="test")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_same_content_gives_same_bytes(tmp_path, curves):
    for name in ("first", "second"):
        tables.write(curves, tmp_path / name, "curves", seed=1)
        tables.write_rdms(MEASURED, tmp_path / f"{name}-rdm", half="test")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert (tmp_path / "first-rdm").read_bytes() == (tmp_path / "second-rdm").read_bytes()


def test_files_are_named_by_their_folder_and_rdms_by_their_participant():
    assert tables.by_folder(["results/tiny/models/group.safetensors", Path("rdm/group.safetensors")]) == {
        "models/group.safetensors": Path("results/tiny/models/group.safetensors"),
        "rdm/group.safetensors": Path("rdm/group.safetensors"),
    }
    mine, yours = (replace(MEASURED, metadata={"participant": name}) for name in ("sub-02", "sub-01"))
    assert list(tables.by_participant([mine, yours]).items()) == [("sub-02", mine), ("sub-01", yours)]


def test_provenance_hashes_files(tmp_path):
    (tmp_path / "input").write_bytes(b"abc")
    made_by = tables.provenance(settings={"seed": 1}, inputs={"file": tmp_path / "input", "epochs": "5ca1ab1e"})
    assert made_by["inputs"]["file"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert made_by["inputs"]["epochs"] == "5ca1ab1e"
    assert made_by["settings"] == {"seed": 1}
