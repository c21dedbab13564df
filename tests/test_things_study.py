"""THINGS-MEG made small: from its raw data, its published epochs and its published RDMs, through the whole chain."""

from __future__ import annotations

from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from cliphba import rdm, tables
from cliphba.meg.engine import decode_rdm
from tests import real_studies
from tests.things_oracle import SHRINKAGE, decode, published_epochs, published_rdms
from tests.things_runs import DATA_SET, FROM_EPOCHS, FROM_RDMS, NUMBERED, THINGS, publish
from tests.things_study import CONCEPTS, DELAY_S, JUDGED, TRIGGER

pytestmark = pytest.mark.workflow

RAW, EPOCHS, RDMS = (Path("results") / name for name in ("things-meg", "things-meg-epochs", "things-meg-rdms"))
HALVES = ("train", "test")
ONE = THINGS.people[0]
# in the published study the fourth is held out
HELD_OUT = THINGS.names[-1]
# Correlation of RDMs, averaged over the response, that are the same but for what was left out to test on. Found are
# 0.74 to 0.78; 0.15 to 0.21 between people, 0.25 where onsets are those of the trigger.
CONSISTENT = 0.6
RESPONSE_MS = (90, 310)


@pytest.fixture(scope="module")
def published(things: Path) -> Path:
    """The same repository, with the published epochs and RDMs and what the studies of them make of these."""
    publish(things)
    # of one person: they cost as much as raw data, and go the same way from there on
    targets = [f"{EPOCHS}/rdm/sub-P{ONE}_{half}.parquet" for half in HALVES]
    real_studies.run(things, "things-meg-epochs", FROM_EPOCHS, *targets)
    targets = [f"{RDMS}/evaluation/{level}/summary.parquet" for level in ("group", "individuals")]
    real_studies.run(things, "things-meg-rdms", FROM_RDMS, "personalized_models", *targets)
    return things


def rdms(folder: Path, participant: str, half: str) -> tables.RDMs:
    return tables.read_rdms(folder / f"rdm/{participant}_{half}.parquet")


def of_response(values: NDArray[np.floating], times_ms: NDArray[np.floating]) -> NDArray[np.floating]:
    """Average RDMs (times, pairs) over the response."""
    averaged: NDArray[np.floating] = values[(times_ms >= RESPONSE_MS[0]) & (times_ms <= RESPONSE_MS[1])].mean(axis=0)
    return averaged


def alike(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Correlate two RDMs (pairs,)."""
    return float(np.corrcoef(one, other)[0, 1])


# ---- from raw data


def test_judged_objects_are_held_out(things: Path) -> None:
    stimuli = tables.read(things / RAW / "source/stimuli.parquet", "stimuli").set_index("stimulus")
    assert set(stimuli.index) == set(CONCEPTS)
    assert set(stimuli.index[stimuli["split"] == "test"]) == set(JUDGED.values())
    assert stimuli.loc["camera_lens", "split"] != "test"
    assert stimuli.loc["tuba", "path"].endswith("tuba/tuba_01n.jpg")


def test_every_trial_of_a_concept_is_kept_and_no_other(things: Path) -> None:
    kept = mne.read_epochs(next((things / RAW / "epochs" / HELD_OUT).glob("*ses-03*_epo.fif")), verbose="error")
    counts = kept.metadata["stimulus"].value_counts()
    assert counts.to_dict() == dict.fromkeys(CONCEPTS, THINGS.runs * THINGS.exemplars)
    assert len(kept.ch_names) == THINGS.sensors - 1
    assert {name[:3] for name in kept.ch_names} <= {
        "MLC",
        "MRC",
        "MLF",
        "MRF",
        "MLO",
        "MRO",
        "MLP",
        "MRP",
        "MLT",
        "MRT",
    }


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("participant", THINGS.names)
def test_concepts_are_decoded_when_responses_are(things: Path, participant: str, half: str) -> None:
    found = rdms(things / RAW, participant, half)
    assert set(found.stimuli) == set(CONCEPTS)
    mean = pd.Series(found.values.mean(axis=1), index=found.times_ms)
    # filtered at 40 Hz, a response that begins at 75 ms leaks some way back
    assert mean.loc[:40].mean() == pytest.approx(0.5, abs=0.02)
    assert mean.loc[:170].idxmax() == pytest.approx(120, abs=10)
    assert mean.loc[180:].idxmax() == pytest.approx(260, abs=20)
    assert mean.loc[120] > 0.65


def test_findings_say_what_they_are_independent_of(things: Path) -> None:
    found = real_studies.summary(things, "things-meg").set_index(["metric", "model"])
    for row in [("alignment_auc", "group"), ("own_alignment_auc", HELD_OUT), ("identification_accuracy", "personal")]:
        assert found.loc[row, ["independent_images", "independent_data"]].all(axis=None), row
    # of ceilings and human judgements alone, all or some were seen
    dependent = found[~found["independent_data"]].index
    assert set(dependent) == {
        ("behavior_rho", "ceiling"), ("alignment_auc", "upper ceiling"), ("generalisation_likeness", "upper ceiling")
    }  # fmt: skip
    assert found[["value", "low", "high"]].notna().all(axis=None)
    real_studies.check_figures(things, "things-meg")


def test_people_differ_in_their_recordings(things: Path) -> None:
    found = real_studies.summary(things, "things-meg").set_index(["metric", "model"])
    assert found.loc[("identification_accuracy", "model-free"), "value"].item() > 1 / len(THINGS.names)


def test_the_fourth_has_a_model_and_is_in_nothing_of_the_group(things: Path) -> None:
    assert (things / RAW / f"models/{HELD_OUT}.safetensors").exists()
    found = tables.read(things / RAW / "evaluation/group/alignment.parquet", "alignment")
    of_group = found[(found["model"] == "group") & found["participant"].notna()]
    independent = of_group.groupby("participant")["independent_people"].agg(["all", "any"])
    assert independent.loc[HELD_OUT].all()
    assert not independent.drop(HELD_OUT).any(axis=None)


# ---- three ways to the same RDMs


def test_reference_decoder_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    stimulus, session = np.tile(np.arange(4), 12), np.repeat(np.arange(4), 12)
    patterns = random.normal(size=(48, 7)) + random.normal(size=(4, 7))[stimulus]
    found = []
    for first, second in zip(*np.triu_indices(4, 1), strict=True):
        chosen = np.isin(stimulus, [first, second])
        scores = []
        for left_out in range(4):
            test, training = chosen & (session == left_out), chosen & (session != left_out)
            classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE)
            classifier.fit(patterns[training], stimulus[training])
            scores.append(classifier.score(patterns[test], stimulus[test]))
        found.append(np.mean(scores))
    np.testing.assert_allclose(decode(patterns, stimulus, session), found)


def published_trials(repository: Path, number: int) -> mne.BaseEpochs:
    """Epochs of concepts, as published."""
    path = repository / DATA_SET / f"derivatives/preprocessed/preprocessed_P{number}-epo.fif"
    epochs = mne.read_epochs(path, verbose="error")
    return epochs[np.flatnonzero(epochs.metadata["trial_type"] == "exp")]


def preprocessed(folder: Path, participant: str) -> list[mne.BaseEpochs]:
    """Epochs of a study, session after session."""
    paths = sorted((folder / "epochs" / participant).glob("*_epo.fif"))
    assert len(paths) == THINGS.sessions
    return [mne.read_epochs(path, verbose="error") for path in paths]


@pytest.mark.parametrize(
    ("study", "participant", "number"),
    [*((RAW, f"sub-BIGMEG{number}", number) for number in THINGS.people), (EPOCHS, f"sub-P{ONE}", ONE)],
)
def test_epochs_of_a_study_are_the_published_ones_sample_by_sample(
    published: Path, study: Path, participant: str, number: int
) -> None:
    """Preprocessed from raw data, or imported."""
    expected = published_trials(published, number)
    sessions = preprocessed(published / study, participant)
    assert all(session.ch_names == expected.ch_names for session in sessions)
    # files hold seven digits
    found = np.concatenate([session.get_data() for session in sessions])
    np.testing.assert_allclose(found, expected.get_data(), atol=1e-5)
    shown = pd.concat([session.metadata for session in sessions])["stimulus"]
    assert shown.tolist() == expected.metadata["image_path"].str.split("/").str[1].tolist()


@pytest.mark.parametrize("half", HALVES)
def test_rdms_from_raw_data_are_those_from_published_epochs(published: Path, half: str) -> None:
    raw, imported = rdms(published / RAW, f"sub-BIGMEG{ONE}", half), rdms(published / EPOCHS, f"sub-P{ONE}", half)
    assert raw.stimuli == imported.stimuli
    np.testing.assert_array_equal(raw.times_ms, imported.times_ms)
    # single trials may fall on the other side where a decision is close
    assert np.abs(raw.values - imported.values).max() <= 1 / 8
    assert (raw.values == imported.values).mean() > 0.995


@pytest.mark.parametrize("number", THINGS.people)
def test_decoding_all_sessions_of_published_epochs_gives_the_published_rdms(published: Path, number: int) -> None:
    epochs = published_trials(published, number)
    stimulus = epochs.metadata["things_category_nr"].to_numpy().astype(int) - 1
    found = decode_rdm(epochs.get_data(), stimulus=stimulus, session=epochs.metadata["session_nr"].to_numpy())
    imported = rdms(published / RDMS, f"sub-P{number}", "all").of(CONCEPTS)
    np.testing.assert_allclose(found, imported.values, atol=1e-6)


def from_halves(folder: Path, participant: str) -> NDArray[np.floating]:
    """RDM of the response, averaged over the halves: (pairs,)."""
    halves = [rdms(folder, participant, half).of(CONCEPTS) for half in HALVES]
    return np.mean([of_response(half.values, half.times_ms) for half in halves], axis=0)


def from_file(folder: Path, participant: str) -> NDArray[np.floating]:
    """RDM of the response as it was imported: (pairs,)."""
    imported = rdms(folder, participant, "all").of(CONCEPTS)
    return of_response(imported.values, imported.times_ms)


@pytest.mark.parametrize(
    ("study", "participant", "number"),
    [*((RAW, f"sub-BIGMEG{number}", number) for number in THINGS.people), (EPOCHS, f"sub-P{ONE}", ONE)],
)
def test_sources_are_consistent(published: Path, study: Path, participant: str, number: int) -> None:
    """A half trains on one session at a time, the published RDMs on three: they are alike, and not the same."""
    found = from_halves(published / study, participant)
    for person in THINGS.people:
        likeness = alike(found, from_file(published / RDMS, f"sub-P{person}"))
        assert (likeness > CONSISTENT) == (person == number)


def test_counted_from_the_trigger_nothing_is_consistent(published: Path, tmp_path: Path) -> None:
    participant = f"sub-BIGMEG{ONE}"
    for path in (published / DATA_SET / participant).rglob("*_meg.fif"):
        copy = tmp_path / path.relative_to(published / DATA_SET)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(path)
        events = pd.read_csv(str(path).replace("_meg.fif", "_events.tsv"), sep="\t")
        trigger = mne.find_events(mne.io.read_raw_fif(path, verbose="error"), TRIGGER, verbose="error")[:, 0]
        delay = (events["sample"] - trigger) / THINGS.rate_hz
        assert delay.between(DELAY_S[0] - 0.003, DELAY_S[1] + 0.003).all()
        events.assign(sample=trigger).to_csv(str(copy).replace("_meg.fif", "_events.tsv"), sep="\t", index=False)
    epochs = published_epochs(THINGS, tmp_path, participant, stop_s=0.4, step_s=0.01)
    wrong = rdm.to_triangle(np.nan_to_num(published_rdms(epochs)))
    wrong = of_response(wrong, 1000 * epochs.times)
    assert alike(from_halves(published / RAW, participant), wrong) < CONSISTENT
    assert alike(from_file(published / RDMS, f"sub-P{ONE}"), wrong) < CONSISTENT


# ---- from published RDMs


def test_published_rdms_give_personal_models_tested_on_other_images_only(published: Path) -> None:
    for participant in NUMBERED:
        assert (published / RDMS / f"models/{participant}.safetensors").exists()
    found = pd.concat(
        tables.read(published / RDMS / f"evaluation/{level}/summary.parquet", "summary")
        for level in ("group", "individuals")
    )
    of_models = found[~found["model"].str.contains("ceiling")]
    assert set(of_models["participant"].dropna()) == set(NUMBERED)
    assert of_models["independent_images"].all()
    assert not found["independent_data"].any()
    # the rest goes the way of cichy-118, which is run to its end
    assert "draw_figure" in real_studies.run(published, "things-meg-rdms", FROM_RDMS, "all", "-n")
