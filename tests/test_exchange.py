"""RDM files of others: every layout gives the same RDMs, nothing is loaded whole, what does not fit is refused."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rsatoolbox.rdm import RDMs as ToolboxRDMs
from rsatoolbox.rdm import load_rdm
from scipy.io import savemat
from scipy.spatial.distance import squareform

from cliphba import tables
from cliphba.meg import exchange
from cliphba.tables import RDMs
from tests.conftest import ROOT

PARTICIPANTS, TIMES, STIMULI = 3, 5, ("cat", "dog", "axe", "bed")
TIMES_MS = np.arange(-10.0, 40, 10)
PAIRS = np.random.default_rng(0).uniform(0.4, 0.9, (PARTICIPANTS, TIMES, 6))
# SciPy folds the upper triangle in storage order: an oracle for which pair stands where.
SQUARES = np.array([[squareform(triangle) for triangle in course] for course in PAIRS])
NAN_DIAGONAL = SQUARES + np.where(np.eye(4), np.nan, 0)
TRANSPOSITIONS = {
    ("participant", "time", "stimulus", "stimulus"): NAN_DIAGONAL,
    ("participant", "stimulus", "stimulus", "time"): NAN_DIAGONAL.transpose(0, 2, 3, 1),
    ("time", "stimulus", "stimulus"): NAN_DIAGONAL[1],
    ("stimulus", "stimulus", "time"): NAN_DIAGONAL[1].transpose(1, 2, 0),
}


def write_hdf5(path: Path, array, variable="mat"):
    # MATLAB keeps the first 512 bytes for itself
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset(
            variable, data=array, chunks=tuple(min(2, size) for size in array.shape), compression="gzip"
        )
        file.create_group("#refs#")


def read_array(kind, folder, array, **changes):
    """Write an array as one kind of file and read it back."""
    path = folder / f"published.{kind}"
    if kind == "hdf5":
        write_hdf5(path, array)
    elif kind == "mat":
        savemat(path, {"result_dsm": array, "other": 1}, do_compression=True)
    else:
        with path.open("wb") as stream:
            np.save(stream, array)
    wanted = {"stimuli": STIMULI, "times_ms": TIMES_MS, "participant": 0, **changes}
    reader = {"hdf5": exchange.read_hdf5_rdms, "mat": exchange.read_matlab_rdms, "npy": exchange.read_numpy_rdms}[
        kind
    ]
    return reader(path, wanted.pop("stimuli"), wanted.pop("times_ms"), **wanted)


@pytest.mark.parametrize("kind", ["hdf5", "mat", "npy"])
@pytest.mark.parametrize("order", TRANSPOSITIONS, ids=" ".join)
def test_every_order_of_axes_in_every_file_gives_the_same(kind, order, tmp_path):
    participant = 1 if "participant" in order else 0
    found = read_array(kind, tmp_path, TRANSPOSITIONS[order], participant=participant)
    np.testing.assert_array_equal(found.values, PAIRS[1].astype(np.float32))
    np.testing.assert_array_equal(found.times_ms, TIMES_MS)
    assert (found.stimuli, found.values.dtype) == (STIMULI, np.float32)
    assert found.metadata["source"]["file"] == f"published.{kind}"
    assert found.metadata["source"]["participant"] == participant


def test_orders_are_all_tested():
    assert set(TRANSPOSITIONS) == set(exchange.ORDERS)


@pytest.mark.parametrize("kind", ["hdf5", "mat", "npy"])
@pytest.mark.parametrize("times", [slice(1, 4), slice(None, None, 2), [4], [0, -1]], ids=str)
def test_some_times_are_read(kind, times, tmp_path):
    found = read_array(kind, tmp_path, NAN_DIAGONAL, participant=2, times=times)
    np.testing.assert_array_equal(found.values, PAIRS[2, times].astype(np.float32))
    np.testing.assert_array_equal(found.times_ms, TIMES_MS[times])


@pytest.mark.parametrize("kind", ["hdf5", "mat", "npy"])
@pytest.mark.parametrize("empty", [0, np.nan])
@pytest.mark.parametrize("take", [np.triu, np.tril], ids=["upper", "lower"])
def test_one_filled_triangle_is_enough(kind, empty, take, tmp_path):
    filled = np.where(take(np.ones((4, 4)), 1 if take is np.triu else -1), SQUARES, empty)
    found = read_array(kind, tmp_path, filled)
    np.testing.assert_array_equal(found.values, PAIRS[0].astype(np.float32))


def test_whole_numbers_are_read(tmp_path):
    found = read_array("mat", tmp_path, np.round(100 * SQUARES).astype(np.int16))
    np.testing.assert_array_equal(found.values, np.round(100 * PAIRS[0]))


def test_axes_in_any_order_may_be_named(tmp_path):
    axes = ("stimulus", "participant", "time", "stimulus")
    found = read_array("hdf5", tmp_path, NAN_DIAGONAL.transpose(2, 0, 1, 3), participant=2, axes=axes)
    np.testing.assert_array_equal(found.values, PAIRS[2].astype(np.float32))


@pytest.mark.parametrize("kind", ["hdf5", "mat", "npy"])
def test_as_many_times_as_stimuli_need_named_axes(kind, tmp_path):
    array = SQUARES[:, :4]
    with pytest.raises(ValueError, match=r"two ways: give axes, .*participant.* or .*participant"):
        read_array(kind, tmp_path, array, times_ms=TIMES_MS[:4])
    found = read_array(kind, tmp_path, array, times_ms=TIMES_MS[:4], axes=exchange.ORDERS[0])
    np.testing.assert_array_equal(found.values, PAIRS[0, :4].astype(np.float32))


def test_trailing_averages_by_hand(tmp_path):
    course = np.zeros((7, 2, 2))
    course[:, 0, 1] = [1, 2, 3, 7, 10, 20, 60]
    found = read_array("npy", tmp_path, course, stimuli=["a", "b"], times_ms=range(7), window=3)
    np.testing.assert_array_equal(found.values, [[1], [4], [30]])
    np.testing.assert_array_equal(found.times_ms, [0, 3, 6])


@settings(max_examples=20, deadline=None, derandomize=True)
@given(window=st.integers(1, 6), count=st.integers(1, 4), seed=st.integers(0, 99))
def test_trailing_averages_are_those_of_explicit_groups(window, count, seed, tmp_path_factory):
    samples = 1 + window * count
    course = np.random.default_rng(seed).uniform(size=(samples, 6))
    squares = np.array([squareform(triangle) for triangle in course])[None]
    axes = exchange.ORDERS[0]
    found = read_array(
        "npy", tmp_path_factory.mktemp("npy"), squares, times_ms=np.arange(samples), window=window, axes=axes
    )
    groups = course[1:].reshape(count, window, 6).mean(axis=1)
    np.testing.assert_allclose(found.values, np.vstack([course[:1], groups]), rtol=1e-6)


def test_published_118_images_become_221_times(tmp_path):
    array = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", dtype=np.float32, shape=(2, 1101, 4, 4))
    array[1] = np.arange(1101)[:, None, None]
    times_ms = np.arange(-100, 1001)
    found = exchange.read_numpy_rdms(
        tmp_path / "a.npy", STIMULI, times_ms, participant=1, window=5, times=slice(1, None)
    )
    np.testing.assert_array_equal(found.times_ms, np.arange(-95, 1001, 5))
    np.testing.assert_array_equal(found.values[:, 0], np.arange(3, 1100, 5))


def test_what_was_read_can_be_kept(tmp_path):
    tables.write_rdms(read_array("hdf5", tmp_path, NAN_DIAGONAL), tmp_path / "rdm.parquet", participant="sub-01")
    found = tables.read_rdms(tmp_path / "rdm.parquet")
    np.testing.assert_array_equal(found.values, PAIRS[0].astype(np.float32))
    assert found.metadata["source"]["variable"] == "mat"


def changed(place, value):
    array = SQUARES.copy()
    array[(0, 2, *place)] = value
    return array


@pytest.mark.parametrize("kind", ["hdf5", "mat", "npy"])
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (changed((0, 1), 0.1), r"published\.\w+.*participant 0, sample 2: the triangles differ by up to"),
        (changed(([0, 1], [1, 0]), np.nan), "sample 2: 1 of 6 pairs are not finite: leave"),
        (changed((0, 1), np.inf), "sample 2: 1 of 6 pairs are not finite"),
        (changed((slice(None), slice(None)), np.nan), "sample 2: both triangles are empty .* with times"),
        (changed((slice(None), slice(None)), 0), "sample 2: both triangles are empty"),
        (SQUARES[..., :3], r"has shape \(3, 5, 4, 3\), which does not fit 4 stimuli: give"),
        (SQUARES[0, 0], r"has shape \(4, 4\), which does not fit 4 stimuli"),
        (SQUARES[:, :3], "has 3 times, times_ms 5: give the time of every sample"),
        (SQUARES + 1j, "is of type complex128: an array of real numbers is needed"),
    ],
)
def test_array_that_does_not_fit_is_refused(kind, array, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_array(kind, tmp_path, array)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stimuli": ["cat", "dog", "axe"]}, "does not fit 3 stimuli"),
        ({"stimuli": ["cat", "dog", "axe", "cat"]}, "give two or more different stimuli: there are 4, 3 different"),
        ({"stimuli": ["cat"]}, "give two or more different stimuli"),
        ({"times_ms": [0, 10, 20, 20, 30]}, "times_ms must be finite and increase"),
        ({"times_ms": [0, 10, 20, np.nan, 30]}, "times_ms must be finite and increase"),
        ({"times_ms": []}, "times_ms must be finite and increase"),
        ({"times_ms": [0, 10]}, "has 5 times, times_ms 2"),
        ({"participant": 3}, "holds 3 participants, not one of number 3: count them from 0"),
        ({"participant": -1}, "holds 3 participants, not one of number -1"),
        ({"times": [5]}, r"times asks for \[5\], but there are 5: count them from 0"),
        ({"axes": ("time", "stimulus")}, "axes must be time, twice stimulus and perhaps participant"),
        ({"axes": ("time", "participant", "stimulus", "stimulus")}, "has 3 times, times_ms 5"),
        ({"window": 3}, "window is 3, but the 4 samples after the first must be a multiple"),
        ({"window": 0}, "window is 0"),
    ],
)
def test_wrong_request_is_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_array("npy", tmp_path, SQUARES, **changes)


READERS = [
    exchange.read_hdf5_rdms,
    exchange.read_matlab_rdms,
    exchange.read_numpy_rdms,
    exchange.read_rsatoolbox_rdms,
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("content", [b"", b"no such file " * 50], ids=["empty", "text"])
def test_broken_file_is_refused_by_name(reader, content, tmp_path):
    path = tmp_path / "broken.mat"
    with pytest.raises(ValueError, match=r"there is no file .*broken\.mat"):
        reader(path, STIMULI, TIMES_MS, participant=0)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.mat (cannot be read|is not a readable).*fetch it again"):
        reader(path, STIMULI, TIMES_MS, participant=0)


@pytest.mark.parametrize("kind", ["hdf5", "mat", "npy"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_file_cut_short_is_refused_by_name(kind, share, tmp_path):
    read_array(kind, tmp_path, SQUARES)
    path = tmp_path / f"published.{kind}"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    reader = dict(zip(["hdf5", "mat", "npy"], READERS, strict=False))[kind]
    with pytest.raises(ValueError, match=rf"published\.{kind} (cannot be read|is not a readable)"):
        reader(path, STIMULI, TIMES_MS, participant=0)


def test_missing_variable_is_told_with_those_there(tmp_path):
    with pytest.raises(
        ValueError, match=r"no array 'rdm': name one of those it holds as variable \(result_dsm, other\)"
    ):
        read_array("mat", tmp_path, SQUARES, variable="rdm")
    with pytest.raises(ValueError, match=r"no array 'rdm': name one of those it holds as variable \(mat\)"):
        read_array("hdf5", tmp_path, SQUARES, variable="rdm")


@pytest.mark.parametrize("kind", ["hdf5", "mat"])
def test_samples_are_averaged_in_files_of_every_kind(kind, tmp_path):
    averaged = read_array(kind, tmp_path, NAN_DIAGONAL, window=2)
    # the first sample as it is, then means of two
    expected = [PAIRS[0, 0], PAIRS[0, 1:3].mean(axis=0), PAIRS[0, 3:5].mean(axis=0)]
    np.testing.assert_allclose(averaged.values, expected, rtol=1e-6)
    np.testing.assert_array_equal(averaged.times_ms, [-10, 10, 30])


def test_axis_of_the_only_session_is_dropped(tmp_path):
    found = read_array("mat", tmp_path, NAN_DIAGONAL[:, None], participant=2)
    np.testing.assert_allclose(found.values, PAIRS[2], rtol=1e-6)


def test_matlab_versions_are_told_apart(tmp_path):
    read_array("mat", tmp_path, SQUARES)
    with pytest.raises(ValueError, match=r"published\.mat cannot be read as HDF5 .*read_matlab_rdms"):
        exchange.read_hdf5_rdms(tmp_path / "published.mat", STIMULI, TIMES_MS, participant=0)
    path = tmp_path / "new.mat"
    write_hdf5(path, SQUARES)
    # what MATLAB puts into its 512 bytes
    header = b"MATLAB 7.3 MAT-file".ljust(124) + bytes([0, 2]) + b"IM"
    path.write_bytes(header + path.read_bytes()[128:])
    with pytest.raises(ValueError, match=r"new\.mat is a MATLAB v7.3 file: read it with read_hdf5_rdms"):
        exchange.read_matlab_rdms(path, STIMULI, TIMES_MS, participant=0)
    assert exchange.read_hdf5_rdms(path, STIMULI, TIMES_MS, participant=0).values.shape == (TIMES, 6)


# In a process that may grow by so many MB only, read two times of a file that says it holds 31 GB.
READ_TWO_TIMES = """
import resource, sys
import numpy as np, psutil
from cliphba.meg.exchange import read_hdf5_rdms
path, megabytes = sys.argv[1:]
limit = psutil.Process().memory_info().vms + 2**20 * int(megabytes)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
stimuli = [f"stimulus-{number}" for number in range(1854)]
found = read_hdf5_rdms(path, stimuli, np.arange(-100, 1301, 5), participant=2, times=[205, 206])
assert (found.values == 0.5).all() and found.times_ms.tolist() == [925, 930]
"""


@pytest.mark.parametrize(("megabytes", "enough"), [(350, True), (50, False)])
def test_file_of_31_gigabytes_is_not_loaded_whole(megabytes, enough, tmp_path):
    path = tmp_path / "sparse.mat"
    with h5py.File(path, "w") as file:
        chunks = (1, 2, 309, 309)
        array = file.create_dataset("mat", (4, 281, 1854, 1854), np.float64, chunks=chunks, compression="gzip")
        array[2, 205:207] = np.full((2, 1854, 1854), 0.5)
        assert array.nbytes > 30e9
    assert path.stat().st_size < 2e6
    command = [sys.executable, "-c", READ_TWO_TIMES, str(path), str(megabytes)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT / "workflow")
    # a matrix has 27 MB, its triangles and their indices 55 MB, the chunks of two times 55 MB; a limit does stop it
    assert (found.returncode == 0) == enough, found.stderr


@pytest.fixture
def course():
    """Two participants as we keep them."""
    return [
        RDMs(
            TIMES_MS,
            PAIRS[index].astype(np.float32),
            STIMULI,
            {"participant": f"sub-0{index}", "quantity": "accuracy"},
        )
        for index in range(2)
    ]


def test_rsatoolbox_reads_what_is_written(course, tmp_path):
    exchange.write_rsatoolbox_rdms(course, tmp_path / "new" / "rdm.h5")
    found = load_rdm(str(tmp_path / "new" / "rdm.h5"))
    # rsatoolbox builds the same from square matrices, so that the order of pairs is its own
    expected = ToolboxRDMs(
        SQUARES[:2].reshape(-1, 4, 4).astype(np.float32),
        dissimilarity_measure="accuracy",
        rdm_descriptors={"time_ms": [*TIMES_MS, *TIMES_MS], "participant": ["sub-00"] * 5 + ["sub-01"] * 5},
        pattern_descriptors={"stimulus": list(STIMULI)},
    )
    assert found == expected
    assert found.dissimilarity_measure == "accuracy"
    chosen = found.subset("participant", "sub-01").subset("time_ms", 10.0).subset_pattern("stimulus", ["dog", "bed"])
    assert chosen.dissimilarities.item() == np.float32(SQUARES[1, 2, 1, 3])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["rdm.h5"]


def test_what_rsatoolbox_writes_is_read(tmp_path):
    # the participants' rows alternate
    toolbox = ToolboxRDMs(
        SQUARES[:2].swapaxes(0, 1).reshape(-1, 4, 4),
        dissimilarity_measure="crossnobis",
        rdm_descriptors={"time_ms": np.repeat(TIMES_MS, 2), "participant": ["anna", "ben"] * TIMES},
        pattern_descriptors={"stimulus": list(STIMULI)},
    )
    toolbox.save(str(tmp_path / "rdm.hdf5"))
    found = exchange.read_rsatoolbox_rdms(tmp_path / "rdm.hdf5", participant=1, times=slice(1, 3))
    np.testing.assert_array_equal(found.values, PAIRS[1, 1:3].astype(np.float32))
    np.testing.assert_array_equal(found.times_ms, TIMES_MS[1:3])
    assert found.stimuli == STIMULI
    assert (found.metadata["participant"], found.metadata["quantity"]) == ("ben", "crossnobis")


def test_file_without_descriptors_takes_those_given(tmp_path):
    ToolboxRDMs(SQUARES[0]).save(str(tmp_path / "rdm.h5"))
    with pytest.raises(
        ValueError, match=r"no descriptor 'stimulus' in /pattern_descriptors \(only index\): give stimuli"
    ):
        exchange.read_rsatoolbox_rdms(tmp_path / "rdm.h5", participant=0)
    with pytest.raises(
        ValueError, match=r"no descriptor 'time_ms' in /rdm_descriptors \(only index\): give times_ms"
    ):
        exchange.read_rsatoolbox_rdms(tmp_path / "rdm.h5", STIMULI, participant=0)
    found = exchange.read_rsatoolbox_rdms(tmp_path / "rdm.h5", STIMULI, TIMES_MS, participant=0)
    np.testing.assert_array_equal(found.values, PAIRS[0].astype(np.float32))
    assert set(found.metadata) == {"source"}


@settings(max_examples=20, deadline=None, derandomize=True)
@given(stimuli=st.integers(2, 6), times=st.integers(1, 4), participants=st.integers(1, 3), undefined=st.booleans())
def test_rsatoolbox_file_comes_back(stimuli, times, participants, undefined, tmp_path_factory):
    path = tmp_path_factory.mktemp("toolbox") / "rdm.h5"
    values = np.random.default_rng(stimuli).random((participants, times, stimuli * (stimuli - 1) // 2), np.float32)
    values[0, 0, 0] = np.nan if undefined else 1
    names = tuple(f"image {number}" for number in range(stimuli))
    written = [RDMs(np.arange(times) / 2, each, names) for each in values]
    exchange.write_rsatoolbox_rdms(written, path)
    for index, each in enumerate(values):
        found = exchange.read_rsatoolbox_rdms(path, participant=index)
        np.testing.assert_array_equal(found.values, each)
        np.testing.assert_array_equal(found.times_ms, np.arange(times) / 2)
        assert (found.stimuli, found.metadata["participant"]) == (names, str(index))
    assert load_rdm(str(path)).dissimilarity_measure is None


def test_static_rdm_comes_back_without_a_time(tmp_path):
    static = RDMs(np.array([np.nan]), PAIRS[0, :1].astype(np.float32), STIMULI)
    exchange.write_rsatoolbox_rdms([static], tmp_path / "rdm.h5")
    found = exchange.read_rsatoolbox_rdms(tmp_path / "rdm.h5", participant=0)
    np.testing.assert_array_equal(found.values, static.values)
    assert np.isnan(found.times_ms).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"participant": 2}, "holds 2 participants, not one of number 2"),
        ({"participant": 0, "times_ms": [0, 1]}, "holds 5 RDMs of this participant but times_ms 2: give one each"),
        ({"participant": 0, "stimuli": ["a", "b"]}, "holds 6 pairs, which are not those of 2 stimuli"),
        ({"participant": 0, "times": [9]}, "count them from 0"),
    ],
)
def test_wrong_request_of_an_rsatoolbox_file_is_refused(arguments, message, course, tmp_path):
    exchange.write_rsatoolbox_rdms(course, tmp_path / "rdm.h5")
    with pytest.raises(ValueError, match=message):
        exchange.read_rsatoolbox_rdms(tmp_path / "rdm.h5", **arguments)


def test_other_hdf5_is_no_rsatoolbox_file(tmp_path):
    write_hdf5(tmp_path / "rdm.h5", SQUARES)
    with pytest.raises(ValueError, match=r"is no file of RDMs of rsatoolbox \(it holds #refs#, mat\)"):
        exchange.read_rsatoolbox_rdms(tmp_path / "rdm.h5", participant=0)


def test_rdms_that_do_not_belong_together_are_not_written(course, tmp_path):
    first, second = course
    for wrong, message in [
        ([], "give RDMs of one or more participants"),
        ([first, second.of(STIMULI[::-1])], "the same stimuli in the same order"),
        ([first, RDMs(TIMES_MS, second.values, STIMULI, {"quantity": "crossnobis"})], "accuracy, crossnobis"),
        ([first, first], "a participant comes twice"),
        ([RDMs(TIMES_MS, first.values, ("cat", "dog", "axe", "Bär"))], "ASCII names only, not 'Bär': rename it"),
    ]:
        with pytest.raises(ValueError, match=message):
            exchange.write_rsatoolbox_rdms(wrong, tmp_path / "rdm.h5")
    assert not list(tmp_path.iterdir())
