"""Published RDMs as a study's: every format, in the study's order, on its grid, a few times at once."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat
from scipy.spatial.distance import squareform

from cliphba import rdm, tables
from cliphba.collect import rdms as collect
from cliphba.collect.rdms import open_published
from cliphba.meg.exchange import write_rsatoolbox_rdms
from cliphba.sources import RDMFile
from cliphba.tables import RDMs

ORDER = ["dog", "ant", "cat", "eel", "bat"]
STIMULI = pd.DataFrame({"stimulus": ["ant", "bat", "cat", "dog"], "concept": ["ant", "bat", "cat", "dog"]})
SAMPLES = 41
TIMES_MS = np.arange(-100, 301, 10)
VALUES = np.random.default_rng(0).uniform(0.4, 0.9, (3, SAMPLES, 10)).astype(np.float32)
SQUARES = np.array([[squareform(triangle) for triangle in course] for course in VALUES.astype(float)])


def expected(values: np.ndarray, stimuli: list[str]) -> np.ndarray:
    """Look every pair up in the file's own order."""
    square = np.array([squareform(row) for row in values.astype(float)])
    chosen = [ORDER.index(name) for name in stimuli]
    return np.array([squareform(one[np.ix_(chosen, chosen)], checks=False) for one in square]).astype(np.float32)


def described(kind: str, **changes: object) -> RDMFile:
    named = {"variable": "mat"} if kind in ("hdf5", "matlab") else {}
    settings = {"file": "x", "format": kind, "start_ms": -100, "step_ms": 10, "samples": SAMPLES, **named, **changes}
    return RDMFile.model_validate(settings)


def write(kind: str, folder: Path, array: np.ndarray = SQUARES) -> Path:
    path = folder / f"published.{kind}"
    if kind == "hdf5":
        with h5py.File(path, "w") as file:
            file.create_dataset("mat", data=array, chunks=(1, 3, 2, 2), compression="gzip")
    elif kind == "matlab":
        savemat(path, {"mat": array})
    elif kind == "numpy":
        with path.open("wb") as stream:
            np.save(stream, array)
    else:
        people = [
            RDMs(TIMES_MS.astype(float), values, tuple(ORDER), {"participant": f"p{number}"})
            for number, values in enumerate(VALUES)
        ]
        write_rsatoolbox_rdms(people, path)
    return path


@pytest.mark.parametrize("kind", ["hdf5", "matlab", "numpy", "rsatoolbox"])
@pytest.mark.parametrize("block", [1, 4, 100])
def test_every_format_gives_the_study_its_order_and_grid(kind, block, tmp_path, monkeypatch):
    monkeypatch.setattr(collect, "BLOCK", block)
    series = open_published(
        write(kind, tmp_path), described(kind), position=1, stimuli=STIMULI, grid_ms=range(-100, 301, 20), order=ORDER
    )
    found = series.load()
    assert found.stimuli == ("ant", "bat", "cat", "dog")
    np.testing.assert_array_equal(found.times_ms, np.arange(-100, 301, 20))
    np.testing.assert_array_equal(found.values, expected(VALUES[1, ::2], list(found.stimuli)))
    assert found.metadata["source"]["participant"] == 1


def test_names_of_concepts_and_of_rsatoolbox_itself(tmp_path):
    exemplars = STIMULI.assign(stimulus=STIMULI["stimulus"] + "_01b")
    found = open_published(
        write("rsatoolbox", tmp_path), described("rsatoolbox"), position=0, stimuli=exemplars, grid_ms=TIMES_MS
    )
    assert found.stimuli == ("ant_01b", "bat_01b", "cat_01b", "dog_01b")
    np.testing.assert_array_equal(found.row(3), expected(VALUES[0, 3:4], ["ant", "bat", "cat", "dog"])[0])


def test_without_order_it_is_that_of_the_table(tmp_path):
    table = pd.DataFrame({"stimulus": ORDER, "concept": ORDER})
    found = open_published(
        write("numpy", tmp_path), described("numpy"), position=2, stimuli=table, grid_ms=TIMES_MS
    ).load()
    np.testing.assert_array_equal(found.values, VALUES[2])


def test_samples_are_averaged_as_those_of_the_118_images(tmp_path):
    """The first is kept; after it, five each stand at the time of the last."""
    table = pd.DataFrame({"stimulus": ORDER, "concept": ORDER})
    found = open_published(
        write("numpy", tmp_path),
        described("numpy", averaged_samples=5),
        position=0,
        stimuli=table,
        grid_ms=[-100, -50, 0, 300],
    ).load()
    np.testing.assert_array_equal(found.times_ms, [-100, -50, 0, 300])
    means = [VALUES[0, :1], VALUES[0, 1:6], VALUES[0, 6:11], VALUES[0, 36:41]]
    np.testing.assert_allclose(found.values, [part.mean(axis=0) for part in means], rtol=1e-6)


def test_external_sets_fill_the_upper_triangle_only(tmp_path):
    """(participants, n, n, times), and times that only in part are those of the grid."""
    path = tmp_path / "set.mat"
    savemat(path, {"result_dsm": np.triu(SQUARES, 1).transpose(0, 2, 3, 1)})
    table = pd.DataFrame({"stimulus": ORDER, "concept": ORDER})
    file = described("matlab", variable="result_dsm")
    found = open_published(path, file, position=1, stimuli=table, grid_ms=range(-200, 1000, 15)).load()
    np.testing.assert_array_equal(found.times_ms, np.arange(-80, 301, 30))
    np.testing.assert_array_equal(found.values, VALUES[1, 2::3])


def test_as_many_samples_as_stimuli_need_axes(tmp_path):
    path = tmp_path / "square.npy"
    np.save(path, SQUARES[:, :5])
    table = pd.DataFrame({"stimulus": ORDER, "concept": ORDER})
    options = {"position": 0, "stimuli": table, "grid_ms": [-100, -90]}
    with pytest.raises(ValueError, match="give axes"):
        open_published(path, described("numpy", samples=5), **options)
    axes = ["participant", "time", "stimulus", "stimulus"]
    found = open_published(path, described("numpy", samples=5, axes=axes), **options).load()
    np.testing.assert_array_equal(found.values, VALUES[0, :2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"stimuli": STIMULI.replace("ant", "fly")},
            r"1 of the 4 pictures \(fly\) have no RDM; those of .* dog, ant",
        ),
        ({"order": ORDER[:4]}, "does not fit 4 stimuli"),
        ({"position": 3}, "holds 3 participants"),
        ({"grid_ms": [-105, 1000]}, "no RDM at a time of the grid"),
    ],
)
def test_files_that_do_not_fit_are_refused(changes, message, tmp_path):
    options = {"position": 0, "stimuli": STIMULI, "grid_ms": TIMES_MS, "order": ORDER, **changes}
    with pytest.raises(ValueError, match=message):
        open_published(write("hdf5", tmp_path), described("hdf5"), **options)


def test_everybody_may_have_a_file(tmp_path):
    file = described("numpy", file=f"{tmp_path}/{{participant}}_rdms.npy")
    assert file.path("sub-02") == f"{tmp_path}/02_rdms.npy"
    assert [file.position(["sub-01", "sub-02"], name) for name in ("sub-01", "sub-02")] == [0, 0]
    shared = described("numpy", positions=[5, 3])
    assert shared.path("sub-01") == shared.path("sub-02") == "x"
    assert [shared.position(["sub-01", "sub-02"], name) for name in ("sub-01", "sub-02")] == [5, 3]
    np.save(tmp_path / "02_rdms.npy", SQUARES[1])
    table = pd.DataFrame({"stimulus": ORDER, "concept": ORDER})
    found = open_published(Path(file.path("sub-02")), file, position=0, stimuli=table, grid_ms=TIMES_MS).load()
    np.testing.assert_array_equal(found.values, VALUES[1])


def test_never_more_than_a_block_is_read(tmp_path, monkeypatch):
    read = collect.exchange.read_hdf5_rdms
    asked = []

    def watch(*arguments: object, **options: object) -> RDMs:
        asked.append(options["times"])
        return read(*arguments, **options)

    monkeypatch.setattr(collect.exchange, "read_hdf5_rdms", watch)
    series = open_published(
        write("hdf5", tmp_path), described("hdf5"), position=0, stimuli=STIMULI, grid_ms=TIMES_MS, order=ORDER
    )
    tables.write_rdm_rows(
        (series.row(index) for index in range(SAMPLES)),
        tmp_path / "rdm.parquet",
        times_ms=series.times_ms,
        stimuli=series.stimuli,
    )
    assert asked == [list(range(0, 16)), list(range(16, 32)), list(range(32, 41))]
    found = tables.read_rdms(tmp_path / "rdm.parquet")
    np.testing.assert_array_equal(found.values, expected(VALUES[0], list(STIMULI["stimulus"])))
    assert rdm.stimulus_count(found.values.shape[1]) == 4
