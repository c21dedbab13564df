"""What is said of a study's data beside its figures and tables: notes, captions, the report's introduction.

Captions are templates: what a study does not have is not spoken of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from jinja2 import Environment, StrictUndefined

from cliphba.config import Study
from cliphba.figures.catalogue import Entry, Need

#: How the data that models are trained and tested on are told apart, by what the halves are made of.
HALVES = {
    "sessions": "Trained on odd, tested on even sessions",
    "runs": "Trained on odd, tested on even runs of one session",
    "trials": "Trained and tested on alternate quarters of the trials of one recording",
    None: "Independent in images only: tested on the recordings of training",
}
HELD_OUT = "test images in the test half of the {} (published protocol: those of training, as the figure then says)"
HELD_OUT_IMAGES = "test images of the very recordings whose other images models were trained on"
#: One of what halves are made of.
PART = {"sessions": "session", "runs": "run", "trials": "quarter"}
BEHAVIOR = {
    "learnt": "",
    "adopted": "Behavior model of another study",
    "clip": "Behavior model: CLIP as it is, read by prompts",
}
EEG = "what is called MEG is EEG"
#: What a study's models are, as its report begins; before that of the group model and of personal ones.
BEGUN = {
    "learnt": "CLIP fine-tuned to human similarity judgements (the Behavior model),",
    "adopted": "CLIP fine-tuned to human similarity judgements in another study (the Behavior model),",
    "clip": "CLIP as it is, read by prompts (the Behavior model), and fine-tuned",
}
SIMULATED = "The data are simulated: numbers say that the software finds what was put in, and nothing about people."
_TEMPLATES = Environment(undefined=StrictUndefined, autoescape=False)


@dataclass(frozen=True)
class Facts:
    """What captions and notes have to know of a study; by default, what the simulated ones are.

    Attributes
    ----------
    simulated
        Whether its data are.
    parts
        What the halves of its data are made of; None: it has none.
    folds
        What decoders leave out; None: those parts.
    judgements
        Human judgements of test images: single ones, or their RDM alone; None: there are none.
    behavior
        Whether the Behavior model was learnt in this study, adopted from another one, or is CLIP itself.
    evaluated_on
        Whether models are compared with held-out data, or with those of training (published protocol).
    external_sets
        Whether there are any.
    eeg
        Whether EEG was recorded, which figures call MEG.
    """

    simulated: bool = True
    parts: Literal["sessions", "runs", "trials"] | None = "sessions"
    folds: str | None = None
    judgements: Literal["triplets", "rdm"] | None = "triplets"
    behavior: Literal["learnt", "adopted", "clip"] = "learnt"
    evaluated_on: Literal["held_out", "training"] = "held_out"
    external_sets: bool = True
    eeg: bool = False

    @classmethod
    def of(cls, study: Study) -> Facts:
        """Find them in a study's settings."""
        adopted = study.adopted_from is not None
        return cls(
            simulated=study.data is None,
            parts=study.halves_of,
            folds=None if study.decoding.folds == "session" else "trials",
            judgements="triplets" if study.has_triplets else "rdm" if study.judged else None,
            behavior="learnt" if study.learns_behavior else "adopted" if adopted else "clip",
            evaluated_on=study.protocol.evaluated_on,
            external_sets=bool(study.external_sets),
            eeg=study.recordings is not None and study.recordings.datatype == "eeg",
        )

    def have(self, entry: Entry) -> bool:
        """Tell whether a study has what a figure needs."""
        had: dict[Need, bool] = {
            "simulation": self.simulated,
            "halves": self.parts is not None,
            "judgements": self.judgements is not None,
            "triplets": self.judgements == "triplets",
            "external sets": self.external_sets,
        }
        return all(had[need] for need in entry.needs)

    def caption(self, template: str) -> str:
        """Fill in a caption."""
        return _TEMPLATES.from_string(template).render(self._phrases())

    def introduction(self, participants: int) -> str:
        """Begin the report of a study of so many people."""
        signal = "EEG, which is called MEG here," if self.eeg else "MEG"
        return " ".join(
            [
                f"Vision models that see as people do: {BEGUN[self.behavior]} to the time course of the {signal} of "
                f"{participants} participants (the group model), and to each single person's (personal models).",
                self._measured(),
                *([SIMULATED] if self.simulated else []),
                *([] if self.judgements else ["Nobody judged the similarity of the test images."]),
            ]
        )

    def _measured(self) -> str:
        """Say what models are measured on."""
        if self.evaluated_on == "training":
            data = self._phrases()["data"]
            return f"By the published protocol: alignment with MEG is that with the {data} of training."
        if self.parts is None:
            return (
                f"Every model is measured on images that {self._no_training} saw, but in the recordings that models "
                "of MEG were trained on: claims are independent in images only."
            )
        recorded = "recording sessions" if self.parts == "sessions" else self.parts
        return f"Every model is measured on images and {recorded} that {self._no_training} saw."

    @property
    def _no_training(self) -> str:
        return "no training of this study" if self.behavior == "adopted" else "no training"

    def note(self) -> str:
        """Say what the data of a figure or table are."""
        origin = "Simulated data" if self.simulated else HALVES[self.parts]
        published = "alignment with data of training (published protocol)"
        training = published if self.evaluated_on == "training" else ""
        return _joined(origin, EEG if self.eeg else "", BEHAVIOR[self.behavior], training)

    def note_of_external_sets(self) -> str:
        """Say it of external sets: nothing of them is data of training, whatever the protocol."""
        origin = "Simulated data" if self.simulated else "Published RDMs of other people"
        return _joined(origin, BEHAVIOR[self.behavior])

    def _phrases(self) -> dict[str, Any]:
        halves, triplets = self.parts is not None, self.judgements == "triplets"
        return {
            "simulated": self.simulated,
            "halves": halves,
            "triplets": triplets,
            "parts": self.parts,
            "part": PART[self.parts] if self.parts else None,
            "left_out": self.folds or self.parts,
            "data": f"images and {self.parts}" if halves else "images",
            "held_out": HELD_OUT.format(self.parts) if halves else HELD_OUT_IMAGES,
            "training_images": "training images" + (", all shown equally often" if self.simulated else ""),
            "by_triplets": " (odd-one-out judgements)" if triplets else "",
            "no_training": self._no_training,
            "unseen": f"{self._no_training.capitalize()} saw these images.",
        }


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
