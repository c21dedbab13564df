"""Studies of real data whose models and recordings are arrays: their evaluation runs without any training."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from cliphba import rdm, tables
from cliphba.config import Study, load_study
from cliphba.evaluate.saliency import choose
from tests.conftest import ROOT

DIMENSIONS = [f"dimension {number}" for number in range(1, 6)]
BLOCKS = (1, 2, 3)
#: What a plan has to know of a CLIP.
TOWERS = {
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 32, "layers": 3},
    "text_cfg": {"context_length": 12, "vocab_size": 100, "width": 24, "layers": 2},
}
#: Photographs are of any shape and mode; none is as the simulated ones are.
SHAPES = ((60, 40), (40, 60), (50, 50), (64, 32))
MODES = ("RGB", "L", "RGBA", "P")
ENDINGS = ("webp", "png", "png", "gif")

NO_HALVES: dict[str, Any] = {"kind": "rdms", "file": "rdms.npy", "format": "numpy", "start_ms": -40, "step_ms": 20,
                             "samples": 9}  # fmt: skip
EPOCHS: dict[str, Any] = {"kind": "epochs", "files": "{participant}_epo.fif"}
BIDS: dict[str, Any] = {"kind": "bids", "root": "bids", "task": "pictures", "sessions": ["01"],
                        "runs": ["1", "2", "3", "4"]}  # fmt: skip


def settings(name: str, *, people: int, test_images: int, **data: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a study of so many people and test images with these recordings and judgements."""
    return {
        "name": name,
        "participants": [f"sub-{number:02d}" for number in range(1, people + 1)],
        "grid": {"start_ms": -40, "stop_ms": 120, "step_ms": 20},
        "preprocessing": {"low_pass_hz": 20},
        "data": {
            "stimuli": {"images": "images", "training_images": 8, "validation_images": 4, "test_images": test_images},
            **data,
        },
        "backbone": {"folder": "backbone"},
        "evaluation": {"resamples": 40, "permutations": 40},
        "saliency": {"images": 2},
        "compute": {"device": "cpu"},
    }


@dataclass(frozen=True)
class ArrayStudy:
    """A study in a folder of its own.

    Attributes
    ----------
    folder
        Where Snakemake runs.
    study
        Its settings.
    """

    folder: Path
    study: Study

    @property
    def results(self) -> Path:
        """Where its results are."""
        return self.folder / "results" / self.study.name

    def run(self, *targets: str, rules: Iterable[str]) -> str:
        """Make targets by these rules alone, and give what Snakemake said."""
        made = [f"results/{self.study.name}/{target}" for target in targets]
        return self.snakemake("--cores", "2", "--allowed-rules", *rules, "--", *made)

    def snakemake(self, *words: str) -> str:
        """Call Snakemake with the repository's rules in the study's folder."""
        call = ("--snakefile", ROOT / "Snakefile", "--directory", self.folder, "--workflow-profile", "none",
                "--configfile", self.folder / "study.yaml")  # fmt: skip
        found = subprocess.run(
            [sys.executable, "-m", "snakemake", *map(str, call), *words], capture_output=True, text=True, check=False
        )
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout + found.stderr


def make(folder: Path, given: dict[str, Any]) -> ArrayStudy:
    """Write a study's settings, and all that its evaluation reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(given))
    made = ArrayStudy(folder, load_study(given))
    random = np.random.default_rng(1)
    stimuli = _write_stimuli(made)
    positions = np.abs(random.normal(size=(len(stimuli), len(DIMENSIONS))))
    _write_models(made, stimuli, positions, random)
    _write_recordings(made, stimuli, positions, random)
    test = tables.recorded(tables.read(made.results / "source/stimuli.parquet", "stimuli"), "test")
    _write_judgements(made, test, positions[-len(test) :])
    _write_saliency(made, test)
    return made


def _write_stimuli(made: ArrayStudy) -> list[str]:
    images = made.study.images
    splits = ["train"] * images.training + ["validation"] * images.validation + ["test"] * images.test
    names = [f"picture-{number:02d}" for number in range(len(splits))]
    (made.folder / "images").mkdir()
    paths = [_draw(made.folder / "images", name, number) for number, name in enumerate(names)]
    frame = pd.DataFrame({"stimulus": names, "concept": names, "image_set": "recorded", "split": splits})
    frame = frame.assign(path=[f"images/{path.name}" for path in paths], sha256="0", caption=None)
    tables.write(frame, made.results / "source/stimuli.parquet", "stimuli")
    return names


def _draw(folder: Path, name: str, number: int) -> Path:
    """Draw a picture that is the more detailed the later it comes."""
    kind = number % len(MODES)
    width, height = SHAPES[kind]
    noise = np.random.default_rng(number).normal(128, 3 + 4 * number, size=(height, width, 3))
    path = folder / f"{name}.{ENDINGS[kind]}"
    Image.fromarray(noise.clip(0, 255).astype(np.uint8)).convert(MODES[kind]).save(path)
    return path


def _write_models(made: ArrayStudy, stimuli: list[str], positions: Any, random: np.random.Generator) -> None:
    times_ms = np.array([time for time in made.study.grid.times_ms if time > 0])
    for model in ("clip", "behavior", "group", *made.study.participants):
        static = model in ("clip", "behavior")
        times = np.array([np.nan]) if static else times_ms
        values = positions + 0.3 * random.normal(size=(len(times), *positions.shape))
        embedding = tables.Embedding(times, values.astype(np.float32), tuple(stimuli), {"dimensions": DIMENSIONS})
        tables.write_embedding(embedding, made.results / f"embeddings/{model}.parquet")
        if not static:
            weights = random.dirichlet(np.ones(len(BLOCKS)), len(times_ms))
            rows = pd.DataFrame(
                list(itertools.product([model], times_ms, BLOCKS)), columns=["model", "time_ms", "block"]
            )
            tables.write(rows.assign(weight=weights.ravel()), made.results / f"models/{model}_reweighting.parquet",
                         "reweighting")  # fmt: skip
    shown = made.study.images.test
    for tower in ("clip", "group"):
        tokens = positions[-shown:] + 0.3 * random.normal(size=(len(BLOCKS), shown, positions.shape[1]))
        tables.write_class_tokens(
            tables.ClassTokens(tokens.astype(np.float32), tuple(stimuli[-shown:]), {}),
            made.results / f"embeddings/blocks/{tower}.parquet",
        )


def _write_recordings(made: ArrayStudy, stimuli: list[str], positions: Any, random: np.random.Generator) -> None:
    times_ms = np.array(made.study.grid.times_ms)
    for name in made.study.participants:
        own = rdm.correlation_distance(positions * np.exp(0.5 * random.normal(size=positions.shape[1])))
        for half in made.study.halves:
            values = 0.5 + 0.1 * (times_ms > 0)[:, None] * own + 0.01 * random.normal(size=(len(times_ms), len(own)))
            tables.write_rdms(
                tables.RDMs(times_ms, values.astype(np.float32), tuple(stimuli)),
                made.results / f"rdm/{name}_{half}.parquet",
                participant=name, half=half, quantity="decoding accuracy", chance=0.5,
            )  # fmt: skip
        parts = {"participant": name, "session": made.study.sessions, "recorded": 40, "kept": 38}
        rest = {column: 0 for column in tables.COLUMNS["trials"] if column not in parts}
        if made.study.sessions:
            tables.write(
                pd.DataFrame({**parts, **rest}), made.results / f"epochs/{name}/{name}_trials.parquet", "trials"
            )


def _write_judgements(made: ArrayStudy, test: list[str], positions: Any) -> None:
    source = made.results / "source"
    if made.study.learns_behavior:
        rows = pd.DataFrame(positions, index=pd.Index(test, name="stimulus"), columns=DIMENSIONS).reset_index()
        tables.write(rows.melt("stimulus", var_name="dimension"), source / "behavior_embedding.parquet",
                     "behavior_embedding")  # fmt: skip
    square = rdm.to_square(rdm.correlation_distance(positions))
    if made.study.has_triplets:
        rows = []
        for three in itertools.combinations(range(len(test)), 3):
            first, second = min(itertools.combinations(three, 2), key=lambda pair: square[pair])
            (odd,) = set(three) - {first, second}
            rows.append((test[first], test[second], test[odd]))
        triplets = pd.DataFrame(rows, columns=["first", "second", "odd"]).assign(participant=None)
        tables.write(triplets, source / "triplets.parquet", "triplets")
    elif made.study.judged:
        rows = [("human", test[one], test[other], square[one, other])
                for one, other in itertools.combinations(range(len(test)), 2)]  # fmt: skip
        independent = dict.fromkeys(tables.INDEPENDENCE, False)
        frame = pd.DataFrame(rows, columns=["source", "first", "second", "value"]).assign(**independent)
        tables.write(frame, source / "human_rdm.parquet", "behavior_rdm")


def _write_saliency(made: ArrayStudy, test: list[str]) -> None:
    chosen = choose(test, made.study.saliency.images)
    times_ms = [time for time in made.study.grid.times_ms if time > 0]
    rows = pd.DataFrame(
        list(itertools.product(["group", *made.study.participants], chosen, times_ms)),
        columns=["model", "stimulus", "time_ms"],
    )
    maps = np.random.default_rng(0).random((len(rows), 16)).astype(np.float32)
    folder = made.results / "evaluation/saliency"
    tables.write(rows.assign(saliency=list(maps)), folder / "saliency.parquet", "saliency")


def lay_out(folder: Path, given: dict[str, Any]) -> ArrayStudy:
    """Write a study's settings beside empty files in place of its data, of which its plan knows no more."""
    (folder / "study.yaml").write_text(yaml.safe_dump(given))
    made = ArrayStudy(folder, load_study(given))
    for name in ("images", "bids"):
        (folder / name).mkdir()
    numbers = [name.removeprefix("sub-") for name in made.study.participants]
    files = ["rdms.npy", "rdm.tsv", "embedding.tsv", "triplets.tsv", "other/behavior.safetensors"]
    files += [f"{number}_epo.fif" for number in numbers]
    files += [
        f"bids/sub-{number}/ses-01/meg/sub-{number}_ses-01_task-pictures_run-{run}_{ending}"
        for number in numbers
        for run in BIDS["runs"]
        for ending in ("meg.fif", "events.tsv")
    ]
    files += [f"backbone/open_clip_{name}" for name in ("config.json", "model.safetensors")]
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "backbone/open_clip_config.json").write_text(json.dumps({"model_cfg": TOWERS}))
    return made
