"""The simulated study: what is put in is there, what is switched off is not, and MNE reads the BIDS data set."""

from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest

from cliphba.meg import bids
from cliphba.meg.engine import decode_rdm
from cliphba.meg.read import gather_sessions
from cliphba.simulate.factors import FACTORS, draw_factors
from cliphba.simulate.participants import draw_participants
from cliphba.simulate.recordings import describe_dataset, simulate_session, write_session
from cliphba.sources import Events
from tests.raws import run

IMAGES = 12
TRIALS = pd.Series(2, index=[f"image-{number:03d}" for number in range(IMAGES)])
STUDY = {"seed": 3, "sensors": 20, "sampling_rate_hz": 200.0, "trials": TRIALS}


def draw_truth(**changes: object) -> pd.DataFrame:
    options: dict[str, object] = {"gain_sd": 0.5, "latency_sd_ms": 0.0, "own_anatomy": False, "seed": 7}
    return draw_participants(participants=["sub-01", "sub-02", "sub-03"], **options | changes)  # type: ignore[arg-type]


def of(truth: pd.DataFrame, participant: str) -> pd.DataFrame:
    return truth[truth["participant"] == participant]


@pytest.fixture(scope="module")
def pictures() -> pd.DataFrame:
    factors = draw_factors(count=IMAGES, seed=1)
    return factors.set_axis([f"image-{number:03d}" for number in range(IMAGES)])


def get_field(raw: mne.io.BaseRaw) -> np.ndarray:
    return raw.get_data(picks="mag")


def test_truth_has_a_row_for_each_participant_and_factor() -> None:
    truth = draw_truth()
    assert truth.columns.tolist() == ["participant", "factor", "gain", "latency_ms", "anatomy"]
    assert len(truth) == 3 * len(FACTORS)
    assert of(truth, "sub-02")["factor"].tolist() == [factor.name for factor in FACTORS]
    pd.testing.assert_frame_equal(truth, draw_truth())


def test_gains_and_latencies_have_the_spread_asked_for() -> None:
    names = [f"sub-{number:03d}" for number in range(200)]
    truth = draw_participants(participants=names, gain_sd=0.5, latency_sd_ms=20, own_anatomy=False, seed=0)
    assert np.log(truth["gain"]).std() == pytest.approx(0.5, rel=0.05)
    assert np.log(truth["gain"]).mean() == pytest.approx(0, abs=0.03)
    typical = np.tile([factor.latency_ms for factor in FACTORS], len(names))
    assert (truth["latency_ms"] - typical).std() == pytest.approx(20, rel=0.05)


def test_pictures_are_shown_as_often_as_asked_for(pictures: pd.DataFrame) -> None:
    trials = TRIALS.copy()
    trials.iloc[-3:] = 4
    truth = of(draw_truth(), "sub-01")
    _, events = simulate_session(pictures, truth, session=1, signal=1, **(STUDY | {"trials": trials}))
    pd.testing.assert_series_equal(events["stimulus"].value_counts().sort_index(), trials, check_names=False)


def test_switches_leave_no_difference_between_people() -> None:
    truth = draw_truth(gain_sd=0)
    assert (truth["gain"] == 1).all()
    assert truth.groupby("factor")[["latency_ms", "anatomy"]].nunique().eq(1).all(axis=None)
    assert draw_truth(own_anatomy=True)["anatomy"].nunique() == 3


def test_people_of_another_seed_have_other_anatomies() -> None:
    truth = pd.concat([draw_truth(own_anatomy=True, seed=seed) for seed in (1, 2)])
    assert truth["anatomy"].nunique() == 6


@pytest.mark.parametrize(
    ("change", "message"), [({"gain_sd": -1.0}, "gain_sd"), ({"participants": ["a", "a"]}, "distinct")]
)
def test_refuses_impossible_participants(change: dict[str, object], message: str) -> None:
    good = {"participants": ["a"], "gain_sd": 0.1, "latency_sd_ms": 0.0, "own_anatomy": False, "seed": 1}
    with pytest.raises(ValueError, match=message):
        draw_participants(**good | change)  # type: ignore[arg-type]


def test_same_seed_gives_the_same_bytes_and_sessions_differ(pictures: pd.DataFrame) -> None:
    truth = of(draw_truth(), "sub-01")
    fields = [get_field(simulate_session(pictures, truth, session=n, signal=1, **STUDY)[0]) for n in (1, 1, 2)]
    np.testing.assert_array_equal(fields[0], fields[1])
    shared = min(field.shape[1] for field in fields)
    assert abs(np.corrcoef(fields[0][0, :shared], fields[2][0, :shared])[0, 1]) < 0.2


def test_every_picture_is_shown_and_triggers_agree_with_events(pictures: pd.DataFrame) -> None:
    raw, events = simulate_session(pictures, of(draw_truth(), "sub-01"), session=1, signal=1, **STUDY)
    assert (events["stimulus"].value_counts().reindex(pictures.index) == 2).all()
    found = mne.find_events(raw, "STI101", min_duration=1 / 200, verbose="error")
    np.testing.assert_array_equal(found[:, 0], events["sample"])
    np.testing.assert_array_equal(pictures.index[found[:, 2] - 1], events["stimulus"])
    assert events["onset"].diff().dropna().between(0.7, 0.8).all()


def test_field_is_of_physical_size(pictures: pd.DataFrame) -> None:
    raw, _ = simulate_session(pictures, of(draw_truth(), "sub-01"), session=1, signal=1, **STUDY)
    assert 100e-15 < get_field(raw).std() < 1000e-15


def test_signal_scales_and_starts_after_the_onset(pictures: pd.DataFrame) -> None:
    """With the same noise, the difference to a session without signal is the evoked field alone."""
    truth = of(draw_truth(), "sub-01")
    silent, events = simulate_session(pictures, truth, session=1, signal=0, **STUDY)
    single, double = (
        get_field(simulate_session(pictures, truth, session=1, signal=signal, **STUDY)[0]) - get_field(silent)
        for signal in (1, 2)
    )
    np.testing.assert_allclose(double, 2 * single, atol=1e-20)
    before = events["sample"].to_numpy()[:, None] + np.arange(-5, 6)
    after = events["sample"].to_numpy()[:, None] + np.arange(20, 40)
    assert np.abs(single[:, before]).max() < 0.01 * np.abs(single[:, after]).max()


def test_anatomy_turns_the_field_and_keeps_its_time_course(pictures: pd.DataFrame) -> None:
    truth = draw_truth(gain_sd=0, own_anatomy=True)
    truth = truth.assign(participant="sub-01")  # the same name: the same noise, head position and order
    fields = []
    for anatomy in truth["anatomy"].unique()[:2]:
        person = truth[truth["anatomy"] == anatomy]
        loud, silent = (
            get_field(simulate_session(pictures, person, session=1, signal=signal, **STUDY)[0]) for signal in (1, 0)
        )
        fields.append(loud - silent)
    assert abs(np.corrcoef(fields[0].ravel(), fields[1].ravel())[0, 1]) < 0.5
    power = [np.square(field).mean(axis=0) for field in fields]
    assert np.corrcoef(power[0], power[1])[0, 1] > 0.6


def test_refuses_truth_of_two_people_and_missing_factors(pictures: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="exactly one participant"):
        simulate_session(pictures, draw_truth(), session=1, signal=1, **STUDY)
    with pytest.raises(ValueError, match="lacks the columns red"):
        simulate_session(pictures.drop(columns="red"), of(draw_truth(), "sub-01"), session=1, signal=1, **STUDY)


def test_participants_share_a_dataset_without_touching_each_other(tmp_path: Path, pictures: pd.DataFrame) -> None:
    raw, events = simulate_session(pictures, of(draw_truth(), "sub-01"), session=1, signal=1, **STUDY)
    files = [
        write_session(raw, events, root=tmp_path, participant=participant, session=session)
        for participant, session in (("sub-01", 1), ("sub-01", 2), ("sub-02", 1), ("sub-02", 1))
    ]
    assert all(file.exists() for file in files)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sub-01", "sub-02"]
    assert files[0].stat().st_size < 2.2 * raw.n_times * len(raw.ch_names) + 20_000
    describe_dataset(tmp_path, ["sub-01", "sub-02"])
    people = pd.read_csv(tmp_path / "participants.tsv", sep="\t")
    assert people["participant_id"].tolist() == ["sub-01", "sub-02"]
    read = bids.open_recording(files[-1], Events())
    np.testing.assert_allclose(read.raw.get_data(picks="mag"), get_field(raw), atol=1.1e-15)
    assert read.trials["stimulus"].tolist() == events["stimulus"].tolist()
    np.testing.assert_allclose(read.trials["onset"], events["onset"])
    assert (read.session, read.run) == ("ses-01", "run-01")


@pytest.mark.parametrize(("signal", "low", "high"), [(0.0, 0.4, 0.6), (6.0, 0.75, 1.0)])
def test_responses_are_decoded_if_and_only_if_there_are_any(
    pictures: pd.DataFrame, signal: float, low: float, high: float
) -> None:
    patterns, labels, sessions = [], [], []
    truth = of(draw_truth(), "sub-01")
    for session in (1, 2, 3):
        raw, events = simulate_session(pictures, truth, session=session, signal=signal, **STUDY)
        epochs = run(raw, events, session=str(session)).epochs
        patterns.append(gather_sessions([epochs]).patterns(0, len(epochs.times)))
        labels.append(pictures.index.get_indexer(epochs.metadata["stimulus"]))
        sessions.append(np.full(len(epochs), session))
    accuracy = decode_rdm(
        np.concatenate(patterns), stimulus=np.concatenate(labels), session=np.concatenate(sessions)
    ).mean(axis=1)
    assert low < accuracy[np.isclose(epochs.times, 0.16)] < high
    assert np.abs(accuracy[epochs.times < 0.04] - 0.5).max() < 0.1
