"""THINGS-MEG made small: files named, placed and shaped as the published ones, and responses whose truth is known.

Pictures are those of the archive of THINGS (one folder a concept), judgements its published tables, recordings the
data set ds004212 of OpenNeuro. What is small: concepts, sensors, sessions, runs, and the time between trials.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import mne
import numpy as np
import pandas as pd
from mne.io.constants import FIFF
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.spatial.distance import squareform

from cliphba.behavior import choice_dissimilarity

Floats = NDArray[np.float64]

# Words as words48.mat spells them, in an order that is not alphabetical, and the concepts of THINGS that they name.
JUDGED = {
    "pizza": "pizza",
    "beaver": "beaver",
    "music box": "music_box",
    "rolling pin": "rolling_pin",
    "tuba": "tuba",
    "camera": "camera1",
    "bowler hat": "bowler_hat",
    "file": "file1",
    "bench": "bench",
    "jet": "jet",
}
# Alphabetical, as in unique_id.txt. `camera_lens` stands before `camera1` there and is none of the judged.
# fmt: off
CONCEPTS = (
    "aardvark", "accordion", "acorn", "air_conditioner", "backscratcher", "bagel", "beaver", "bench", "bowler_hat",
    "camel", "camera_lens", "camera1", "crayon", "donut", "fencepost", "file1", "fondue", "horse", "jet", "lion",
    "mouse1", "music_box", "pizza", "quill", "rolling_pin", "stick", "t-shirt", "tuba", "turtle", "vest", "violin",
    "zucchini",
)
# Columns of sample_attributes_P*.csv, which are the metadata of the published epochs.
METADATA = (
    "trial_type", "image_nr", "category_nr", "exemplar_nr", "test_image_nr", "things_category_nr", "things_image_nr",
    "things_exemplar_nr", "image_path", "image_on", "image_off", "responded", "key_id", "key_time", "RT",
    "session_nr", "run_nr",
)
# fmt: on
DIMENSIONS = 66
SYSTEM = "1609"  # serial number in every channel's name
BROKEN = f"MRO11-{SYSTEM}"
TRIGGER, TRIGGER_VALUE = "UPPT001", 64
# From trigger to light, as the optical sensor saw it: so uneven that responses counted from the trigger are smeared.
DELAY_S = (0.02, 0.14)
# Dimensions respond early or late.
PEAKS_S, WIDTHS_S = (0.12, 0.26), (0.022, 0.04)


@dataclass(frozen=True)
class SmallThings:
    """What the data set is made of.

    Attributes
    ----------
    seed
        Of everything.
    people
        Their numbers; the fourth is the one that the study holds out.
    sessions, runs
        How many.
    exemplars
        Trials of every concept in a run, each with a picture of its own.
    sensors
        Axial gradiometers, one of them broken.
    rate_hz
        Of sampling.
    asynchrony_s
        From one trial to the next, at least.
    signal
        Scale of responses.
    """

    seed: int = 0
    people: tuple[int, ...] = (1, 2, 4)
    sessions: int = 4
    runs: int = 2
    exemplars: int = 2
    sensors: int = 25
    rate_hz: int = 400
    asynchrony_s: float = 0.62
    signal: float = 1.0
    embedding: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Draw the embedding: few dimensions of a concept are large, as in SPoSE."""
        drawn = self.random("embedding").gamma(0.25, 1.0, (len(CONCEPTS), DIMENSIONS))
        object.__setattr__(self, "embedding", np.minimum(drawn, 2.7))

    def random(self, *purpose: str | int) -> np.random.Generator:
        """Give another generator for each purpose."""
        return np.random.default_rng([self.seed, *"/".join(map(str, purpose)).encode()])

    @property
    def names(self) -> list[str]:
        """Participants, in BIDS spelling."""
        return [f"sub-BIGMEG{number}" for number in self.people]


# ---- pictures and judgements


def write_pictures(things: SmallThings, folder: Path, *, side: int = 48) -> None:
    """Write the first picture of every concept, and a second one of it, as the archive of THINGS has them.

    What a picture looks like hangs on its dimensions, so that even a CLIP that learnt nothing sees some of them.
    """
    for concept, pixels in zip(CONCEPTS, paint(things.embedding, things.random("pictures"), side), strict=True):
        place = folder / "object_images" / concept
        place.mkdir(parents=True, exist_ok=True)
        # of some concepts the first is none of the pictures that people judged
        first = "01n" if concept in ("donut", "tuba") else "01b"
        Image.fromarray(pixels).save(place / f"{concept}_{first}.jpg", quality=92)
        Image.fromarray(pixels[:, ::-1]).save(place / f"{concept}_02s.jpg", quality=92)


def paint(features: Floats, random: np.random.Generator, side: int) -> NDArray[np.uint8]:
    """Paint pictures that show features (pictures, features): (pictures, side, side, 3)."""
    patterns = random.normal(size=(features.shape[1], side, side, 3))
    patterns = gaussian_filter(patterns, (0, side / 12, side / 12, 0), mode="wrap")
    patterns /= patterns.std(axis=(1, 2), keepdims=True)
    shown = np.tensordot(features - features.mean(axis=0), patterns, axes=1)
    return np.clip(127 + 18 * shown / features.std() * 0.5, 0, 255).astype(np.uint8)


def write_judgements(things: SmallThings, folder: Path) -> None:
    """Write the published tables of behaviour: the embedding, names of its rows, the human RDM and its words."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savetxt(folder / "spose_embedding_66d_sorted.txt", things.embedding, fmt="%.24f", delimiter="\t")
    (folder / "unique_id.txt").write_text("\n".join(CONCEPTS) + "\n")
    words = np.empty((len(JUDGED), 1), dtype=object)
    words[:, 0] = list(JUDGED)
    savemat(folder / "words48.mat", {"words48": words})
    rows = [CONCEPTS.index(concept) for concept in JUDGED.values()]
    noise = things.random("judgements").normal(0, 0.02, len(rows) * (len(rows) - 1) // 2)
    human = np.clip(choice_dissimilarity(things.embedding[rows]) + noise, 0, 1)
    savemat(folder / "RDM48_triplet.mat", {"RDM48_triplet": squareform(human)})


# ---- recordings


def write_recordings(things: SmallThings, root: Path) -> None:
    """Write raw MEG as ds004212 lays it out, but in FIF, since nothing writes the format of CTF."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "THINGS-MEG", "BIDSVersion": "1.21"}))
    table = pd.DataFrame({"participant_id": [*things.names, "sub-emptyroom"], "sex": "n/a"})
    table.to_csv(root / "participants.tsv", sep="\t", index=False)
    for participant, session, run in recordings(things):
        name = f"{participant}_ses-{session:02d}_task-main_run-{run:02d}"
        folder = root / participant / f"ses-{session:02d}" / "meg"
        folder.mkdir(parents=True, exist_ok=True)
        trials = draw_trials(things, participant, session, run)
        raw = record(things, trials, participant, session, run)
        raw.save(folder / f"{name}_meg.fif", verbose="error")
        _published_events(things, trials).to_csv(folder / f"{name}_events.tsv", sep="\t", index=False)
        (folder / f"{name}_coordsystem.json").write_text(
            json.dumps({"MEGCoordinateSystem": "CTF", "MEGCoordinateUnits": "cm"})
        )


def recordings(things: SmallThings) -> Iterator[tuple[str, int, int]]:
    """Give participant, session and run of each recording."""
    return product(things.names, range(1, things.sessions + 1), range(1, things.runs + 1))


def draw_trials(things: SmallThings, participant: str, session: int, run: int) -> pd.DataFrame:
    """Draw the trials of a run: every concept, some test pictures that every run repeats, and catch trials.

    Returns
    -------
    DataFrame
        In the order of time; the columns of `METADATA`, and ``trigger`` and ``optical``, samples of the onset.
    """
    random = things.random("trials", participant, session, run)
    first = ((session - 1) * things.runs + run - 1) * things.exemplars
    shown = [
        _picture("exp", concept, exemplar)
        for concept in range(1, len(CONCEPTS) + 1)
        for exemplar in range(first + 1, first + things.exemplars + 1)
    ]
    shown += [_picture("test", concept, 99) for concept in (1, 7, 18, 32)]
    shown += [_catch(number) for number in random.choice(np.arange(1, 190), 4, replace=False)]
    trials = pd.DataFrame(shown).iloc[random.permutation(len(shown))].reset_index(drop=True)
    gaps = things.asynchrony_s + random.uniform(0, 0.1, len(trials))
    trigger = np.round((2 + np.cumsum(gaps)) * things.rate_hz).astype(int)
    optical = trigger + np.round(random.uniform(*DELAY_S, len(trials)) * things.rate_hz).astype(int)
    on = trigger / things.rate_hz
    return trials.assign(
        trigger=trigger, optical=optical, image_on=on, image_off=on + 0.5, session_nr=session, run_nr=run
    )


def _picture(kind: str, concept: int, exemplar: int) -> dict[str, object]:
    name = CONCEPTS[concept - 1]
    folder = f"images_meg/{name}" if kind == "exp" else "images_test_meg"
    return {
        "trial_type": kind,
        "image_path": f"{folder}/{name}_{exemplar:02d}s.jpg",
        "category_nr": concept,
        "exemplar_nr": exemplar,
        "things_category_nr": float(concept),
        "things_exemplar_nr": float(exemplar),
        "image_nr": 100 * concept + exemplar,
        "things_image_nr": 100.0 * concept + exemplar,
        "test_image_nr": float(concept) if kind == "test" else np.nan,
        "responded": 0,
    }


def _catch(number: int) -> dict[str, object]:
    """Give a trial in which a picture of no THINGS concept asks for a key."""
    return {
        "trial_type": "catch",
        "image_path": f"images_catch_meg/catch{number:03d}.jpg",
        "category_nr": len(CONCEPTS) + 1,
        "exemplar_nr": number,
        "image_nr": 100 * (len(CONCEPTS) + 1) + number,
        "responded": 1,
        "key_id": 1.0,
        "key_time": 0.6,
        "RT": 0.6,
    }


def _published_events(things: SmallThings, trials: pd.DataFrame) -> pd.DataFrame:
    """Give the table of events as it is published: onsets of the optical sensor, concepts by row of unique_id.txt."""
    numbers = {
        column: trials[of].map(str).replace("nan", "N/A")
        for column, of in (("things_category_nr", "things_category_nr"), ("value", "things_image_nr"))
    }
    onset = trials["optical"] / things.rate_hz
    told = pd.DataFrame({"onset": onset, "duration": 0.5, "trial_type": trials["trial_type"], **numbers})
    return told.assign(sample=trials["optical"])


def record(things: SmallThings, trials: pd.DataFrame, participant: str, session: int, run: int) -> mne.io.RawArray:
    """Record a run: responses to what was shown, counted from the light, in the noise of a brain."""
    random = things.random("noise", participant, session, run)
    samples = int(trials["optical"].iloc[-1] + 2.5 * things.rate_hz)
    data = _noise(random, things.sensors, samples)
    responses = _responses(things, participant)
    for optical, concept in zip(trials["optical"], trials["things_category_nr"], strict=True):
        if not np.isnan(concept):
            data[:, optical : optical + responses.shape[2]] += responses[int(concept) - 1]
    names = sensor_names(things)
    # a malfunctioning sensor, which the data set itself does not call bad
    data[names.index(BROKEN)] *= 40
    trigger = np.zeros((1, samples))
    # a pulse lasts some samples
    for sample in range(4):
        trigger[0, trials["trigger"] + sample] = TRIGGER_VALUE
    recorded = np.concatenate([trigger, 1e-13 * _noise(random, 4, samples), 1e-13 * data])
    return mne.io.RawArray(recorded, _ctf_info(things), verbose="error")


def _noise(random: np.random.Generator, channels: int, samples: int) -> Floats:
    """Noise of sensors, and slower noise that neighbours share."""
    sources = random.normal(size=(6, samples))
    slow = gaussian_filter1d(sources, 6, axis=1) * 3
    noise: Floats = random.normal(size=(channels, samples)) + random.normal(size=(channels, 6)) @ slow
    return noise


def _responses(things: SmallThings, participant: str) -> Floats:
    """Response to each concept: (concepts, sensors, samples after light).

    People differ in how much each dimension moves them, and in where in the helmet it is seen.
    """
    random = things.random("person", participant)
    gains = np.exp(random.normal(0, 0.5, DIMENSIONS))
    topography = random.normal(size=(things.sensors, DIMENSIONS))
    seconds = np.arange(round(0.45 * things.rate_hz)) / things.rate_hz
    kind = np.arange(DIMENSIONS)[:, None] % 2
    course = np.exp(-(((seconds - np.array(PEAKS_S)[kind]) / np.array(WIDTHS_S)[kind]) ** 2) / 2)
    strength = things.signal * 0.35 * gains * (things.embedding - things.embedding.mean(axis=0))
    responses: Floats = np.einsum("id,cd,dt->ict", strength, topography, course)
    return responses


def sensor_names(things: SmallThings) -> list[str]:
    """Name axial gradiometers as CTF does: side, lobe, row, column, system."""
    names = [f"M{side}{lobe}{row}{column}" for row, lobe, side, column in product("12", "CFOPT", "LR", "123456")]
    chosen = [*names[: things.sensors - 1], "MRO11"] if "MRO11" not in names[: things.sensors] else names
    return sorted(f"{name}-{SYSTEM}" for name in chosen[: things.sensors])


def _ctf_info(things: SmallThings) -> mne.Info:
    """Describe channels as MNE does those of CTF: trigger, reference sensors, axial gradiometers."""
    sensors = sensor_names(things)
    references = [f"{name}-{SYSTEM}" for name in ("BG1", "G11", "P11", "R12")]
    info = mne.create_info(
        [TRIGGER, *references, *sensors], things.rate_hz, ["stim"] + ["ref_meg"] * 4 + ["mag"] * len(sensors)
    )
    places = np.random.default_rng(0).normal(size=(len(info["chs"]), 3))
    places[:, 2] = np.abs(places[:, 2])
    places *= 0.11 / np.linalg.norm(places, axis=1, keepdims=True)
    for channel, place in zip(info["chs"][1:], places[1:], strict=True):
        is_reference = channel["ch_name"] in references
        kind = FIFF.FIFFV_COIL_CTF_REF_GRAD if is_reference else FIFF.FIFFV_COIL_CTF_GRAD
        channel.update(coil_type=kind, loc=np.concatenate([place, np.eye(3).ravel()]))
    info["line_freq"] = 60
    return info
