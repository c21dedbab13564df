"""The typed study: every setting, its meaning, its range and its default.

Defaults are the published hyperparameters of CLIP-HBA (arXiv 2502.04658) where it has them. What a particular
study sets differently stands in its own file; `cliphba.studies` holds the simulated ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import Field, ValidationError, model_validator

from cliphba import consistency
from cliphba.architectures import CONFIG_FILE, WEIGHTS_FILE
from cliphba.section import Count, NotNegative, OpenShare, Participant, Positive, Section, overlay
from cliphba.sources import (
    BIDSRecordings,
    Data,
    Download,
    EpochsRecordings,
    EvaluationSet,
    HalvesOf,
    ModelBehavior,
    RDMRecordings,
    path_of,
)


def derive_seed(seed: int, *purpose: str) -> int:
    """Give another seed for every purpose, the same in every run."""
    text = "/".join([str(seed), *purpose])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % 2**31


def _session_names(count: int) -> list[str]:
    """Name sessions in BIDS spelling."""
    return [f"ses-{number:02d}" for number in range(1, count + 1)]


class TimeGrid(Section):
    """Sample times of RDMs and models, relative to picture onset."""

    start_ms: Annotated[float, Field(lt=0)] = Field(-100, description="First sample; before picture onset.")
    stop_ms: Positive = Field(1300, description="Last sample.")
    step_ms: Positive = Field(5, description="Distance of samples; recordings are decimated to it.")

    @model_validator(mode="after")
    def _whole_steps(self) -> TimeGrid:
        steps = [(self.stop_ms - self.start_ms) / self.step_ms, self.start_ms / self.step_ms]
        if any(abs(value - round(value)) > 1e-9 for value in steps):
            raise ValueError("start_ms and stop_ms must be whole multiples of step_ms")
        return self

    @property
    def times_ms(self) -> list[float]:
        """Every sample time in ms."""
        count = round((self.stop_ms - self.start_ms) / self.step_ms) + 1
        return [self.start_ms + index * self.step_ms for index in range(count)]


class SimulatedBackbone(Section):
    """The small CLIP that the simulated study pre-trains contrastively on captioned pictures."""

    pictures: Count = Field(18000, description="Captioned pictures it is trained on.")
    held_out_pictures: Annotated[int, Field(ge=2)] = Field(
        500, description="Pictures kept back to measure image-to-caption retrieval."
    )
    image_size: Count = Field(48, description="Side of the model's input in pixels.")
    patch_size: Count = Field(12, description="Side of a patch in pixels.")
    width: Annotated[int, Field(ge=16, multiple_of=16)] = Field(64, description="Width of both towers.")
    vision_layers: Annotated[int, Field(ge=2)] = Field(6, description="Blocks of the vision tower.")
    text_layers: Count = Field(1, description="Blocks of the text tower.")
    embedding_dimensions: Count = Field(64, description="Dimensions shared by images and captions.")
    epochs: Count = Field(15, description="Passes over the pictures; more pictures help more than more passes.")
    batch_size: Annotated[int, Field(ge=2)] = Field(128, description="Pictures in a contrastive batch.")
    learning_rate: Positive = Field(
        2e-3, description="Peak learning rate of AdamW, warmed up, then cosine; Muon takes six times it."
    )


Rendering = Literal["full", "degraded", "without_background"]


class ExternalSet(Section):
    """Pictures that no model was trained on, shown to people whom no model was trained on."""

    name: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]+$")] = Field(
        description="Name of the set in paths and tables."
    )
    rendering: Rendering = Field(
        description="How its pictures are shown: `full` as the study's own, `degraded` blurred and monochrome, "
        "`without_background` on an even grey. The brain responds to what can be seen then.",
    )
    images: Annotated[int, Field(ge=4)] = Field(48, description="New pictures of the same kind as the study's.")
    participants: Annotated[list[Participant], Field(min_length=2)] = Field(
        description="People who look at them, in BIDS spelling; none of them is of the study or of another set."
    )
    trials: Count = Field(6, description="Trials of every picture in each of two sessions.")


class Simulation(Section):
    """A study made by simulation: pictures, captions, judgements and raw MEG with a known truth."""

    training_images: Annotated[int, Field(ge=4)] = Field(
        184, description="Pictures with MEG that models are trained on."
    )
    validation_images: Annotated[int, Field(ge=4)] = Field(
        40, description="Pictures with MEG that decide when training stops."
    )
    test_images: Annotated[int, Field(ge=4)] = Field(
        80, description="Pictures that no training ever sees; all triplets of them are judged."
    )
    behavior_images: Annotated[int, Field(ge=0)] = Field(
        1500, description="Further pictures with a behavioural embedding but without MEG."
    )
    picture_size: Count = Field(96, description="Side of the rendered pictures in pixels.")
    judgement_repetitions: Count = Field(2, description="Judgements of every triplet of test pictures.")
    judges: Count = Field(20, description="People among whom the judgements are spread.")
    embedding_noise: NotNegative = Field(
        0.25,
        description="Estimation noise (SD) of the behavioural embedding, which is itself learnt from judgements; "
        "with 0.25 it agrees with people's RDM at 0.91, as SPoSE does at 0.86 on THINGS.",
    )
    sessions: Annotated[int, Field(ge=4, multiple_of=2)] = Field(
        8, description="Recording sessions of each participant; odd ones train, even ones test."
    )
    training_trials: Count = Field(2, description="Trials of every training picture in a session.")
    held_out_trials: Count = Field(
        3,
        description="Trials of every validation and test picture in a session (THINGS-MEG repeats those, too).",
    )
    sensors: Annotated[int, Field(ge=8)] = Field(64, description="Radial magnetometers on the helmet.")
    sampling_rate_hz: Positive = Field(150, description="Sampling rate of the raw recording.")
    gain_sd: NotNegative = Field(
        0.5, description="SD over participants of the log gain of each factor; 0 makes everybody perceive alike."
    )
    latency_sd_ms: NotNegative = Field(
        15, description="SD over participants of each factor's latency; 0 makes everybody respond alike."
    )
    anatomy: bool = Field(False, description="Whether source positions and orientations differ between participants.")
    signal: NotNegative = Field(1, description="Scale of all evoked responses; 0 leaves nothing but noise.")
    backbone: SimulatedBackbone = Field(
        default_factory=SimulatedBackbone, description="The small CLIP pre-trained on pictures of the same kind."
    )
    external_sets: list[ExternalSet] = Field(
        [],
        description="Further pictures that other people saw, on which CLIP, Behavior and the group model are tested.",
    )


class Backbone(Section):
    """The CLIP under everything, if the study does not pre-train its own."""

    architecture: str | None = Field(
        None,
        description="A model of open_clip with a vision transformer, such as ViT-L-14-quickgelu; null: the simulated "
        "study trains a small one of its own.",
    )
    weights: str | None = Field(
        None,
        description="Its weights: a tag of open_clip (openai, laion2b_s32b_b82k), which is downloaded, or a local "
        "file (.pt, .bin, .safetensors); see docs/backbones.md.",
    )
    folder: str | None = Field(
        None,
        description="Instead of both, a folder in open_clip's own local format, such as another study's backbone "
        "(results/demo/backbone).",
    )

    @model_validator(mode="after")
    def _both_or_neither(self) -> Backbone:
        if (self.architecture is None) != (self.weights is None):
            missing = "architecture" if self.architecture is None else "weights"
            raise ValueError(f"{missing} is missing: give both of architecture and weights, or neither")
        if self.folder is not None and self.architecture is not None:
            raise ValueError("folder: give it without architecture and weights, which are what it holds")
        return self

    @property
    def given(self) -> bool:
        """Whether it is a pretrained one."""
        return self.architecture is not None or self.folder is not None

    @property
    def files(self) -> list[Path]:
        """Files that must be there, nothing being downloaded then."""
        if self.folder is not None:
            folder = path_of(self.folder)
            return [folder / CONFIG_FILE, folder / WEIGHTS_FILE]
        return [] if self.weights_file is None else [self.weights_file]

    @property
    def weights_file(self) -> Path | None:
        """The local file, if weights are not a tag: tags have neither dots nor slashes."""
        if self.weights is None or not {".", "/"} & set(self.weights):
            return None
        return path_of(self.weights)


class IndependentComponents(Section):
    """Artefacts of eyes and heart, found by independent component analysis in each recording and taken out."""

    components: Annotated[int, Field(ge=2)] | OpenShare | None = Field(
        None,
        description="How many components, or the share of variance that they explain (0.99); eyes are found among 11 "
        "or more only; null: no such analysis.",
    )
    method: Literal["fastica", "infomax"] = Field("fastica", description="Algorithm; `infomax` is the extended one.")
    eog: Literal["auto"] | list[str] | None = Field(
        "auto",
        description="Channels that see the eyes: those of type EOG, or names, such as frontal EEG; null: eyes stay.",
    )
    ecg: Literal["auto"] | str | None = Field(
        "auto",
        description="Channel that sees the heart: that of type ECG or, if there is none, what all MEG sensors have "
        "in common; or its name; null: the heart stays.",
    )


class Preprocessing(Section):
    """From raw recordings to epochs, in this order but for the bad channels."""

    bad_channels: list[str] = Field(
        [], description="Channels not to be used of anybody, besides those that the recordings themselves call bad."
    )
    bad_channels_of: dict[Participant, list[str]] = Field(
        {}, description="Further ones of single participants: {sub-01: [MRO11-1609]}."
    )
    interpolate_bad_channels: bool = Field(
        False,
        description="Whether a channel that is bad in some recordings of a participant is estimated there from its "
        "neighbours; or else it is left out of all of them, since patterns of all sessions need the same channels.",
    )
    gradient_compensation: Literal[0, 1, 2, 3] | None = Field(
        None,
        description="Of CTF systems: grade of compensation by the reference sensors (0 takes it back, 3 is usual); "
        "null: as recorded.",
    )
    high_pass_hz: Positive = Field(0.1, description="Lower edge of the band-pass.")
    low_pass_hz: Positive = Field(
        40, description="Upper edge of the band-pass; below half the rate that `grid.step_ms` implies."
    )
    line_hz: Positive | None = Field(
        50, description="Line frequency; it and its harmonics are notched, as far as they pass; null: nothing is."
    )
    ica: IndependentComponents = Field(
        default_factory=IndependentComponents, description="Artefacts of eyes and heart, taken out."
    )
    reference: Literal["average"] | Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="Of EEG: the mean of all good electrodes, or of those named; null: as recorded."
    )
    baseline: Literal["mean", "z_score"] = Field(
        "mean",
        description="Of each trial and channel: the mean of the baseline is subtracted; `z_score` then divides by "
        "its standard deviation, too (THINGS-MEG).",
    )
    baseline_ms: tuple[float, float] | None = Field(
        None, description="From when to when the baseline lasts; null: from the first sample to picture onset."
    )
    rejection_deviations: Positive | None = Field(
        8,
        description="A trial is dropped if its peak-to-peak amplitude lies this many robust standard deviations "
        "above the median over trials; null: whatever its amplitude.",
    )
    rejection_peak_to_peak: dict[Literal["mag", "grad", "eeg"], Positive] = Field(
        {},
        description="A trial is dropped, too, if any channel of a type exceeds this peak-to-peak amplitude in T, T/m "
        "or V: {mag: 4.0e-12, grad: 4.0e-10, eeg: 1.5e-4}; sensors of CTF are of type mag.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Preprocessing:
        if self.high_pass_hz >= self.low_pass_hz:
            raise ValueError(f"high_pass_hz must be below low_pass_hz ({self.low_pass_hz:g})")
        if self.baseline_ms and not self.baseline_ms[0] < self.baseline_ms[1] <= 0:
            raise ValueError("baseline_ms: must begin before it ends, and end before picture onset (0) or there")
        return self

    def of(self, participant: str) -> Preprocessing:
        """Leave out what concerns other participants only: nothing of this one hangs on it."""
        own = {name: channels for name, channels in self.bad_channels_of.items() if name == participant}
        return self.model_copy(update={"bad_channels_of": own})

    def bad_channels_for(self, participant: str) -> list[str]:
        """Bad channels of everybody and of one participant."""
        return [*self.bad_channels, *self.bad_channels_of.get(participant, [])]


class Decoding(Section):
    """Dissimilarity of the patterns of every pair of stimuli at every time point."""

    measure: Literal["lda", "svm", "euclidean", "correlation"] = Field(
        "lda",
        description="Linear discriminant analysis, linear support vector machine, cross-validated squared Euclidean "
        "distance (with `whitening`: crossnobis), or cross-validated correlation distance.",
    )
    value: Literal["accuracy", "decision"] = Field(
        "accuracy", description="What classifiers give: share of test trials that are right, or mean decision value."
    )
    shrinkage: OpenShare | Literal["ledoit_wolf"] = Field(
        0.01 / 1.01,
        description="Of lda: shrinkage of the covariance towards the identity; 0.01 / 1.01 is CoSMoMVPA's "
        "regularisation of 0.01; `ledoit_wolf` is scikit-learn's `auto`, some ten times slower.",
    )
    cost: Positive = Field(1, description="Of svm: cost of a trial on the wrong side of its margin (C).")
    folds: Literal["session"] | Annotated[int, Field(ge=2)] = Field(
        "session", description="Leave one session out, or as many folds over single trials."
    )
    averaged_trials: Count = Field(
        1, description="Trials of a stimulus and fold that are averaged into one pseudo-trial; 1 averages none."
    )
    average_repetitions: Count = Field(
        1, description="Random ways of averaging trials that the result is averaged over."
    )
    whitening: Literal["none", "ledoit_wolf"] | OpenShare = Field(
        "none",
        description="Multivariate noise normalisation by the training trials of each fold: its covariance shrunk by "
        "Ledoit-Wolf, or by a share.",
    )
    device: Literal["cpu", "cuda"] = Field("cpu", description="Of lda with a given shrinkage: where it is computed.")

    @property
    def quantity(self) -> str:
        """What the dissimilarities are."""
        if self.measure in ("lda", "svm"):
            return "decoding accuracy" if self.value == "accuracy" else "decision value"
        whitened = self.measure == "euclidean" and self.whitening != "none"
        return "crossnobis distance" if whitened else f"{self.measure} distance"

    @property
    def chance(self) -> float:
        """What they are on average where there is nothing to be found."""
        return 0.5 if self.quantity == "decoding accuracy" else 0.0


AdapterMethod = Literal["dora", "lora", "published_dora"]


class Adapter(Section):
    """Low-rank updates of the attention output projections."""

    method: AdapterMethod = Field(
        "dora",
        description="`dora` and `lora` start as the identity; `published_dora` updates row directions from random "
        "factors.",
    )

    rank: Count = Field(32, description="Rank of the update.")
    alpha: Count = Field(16, description="The update is scaled by alpha / rank.")
    magnitude: bool = Field(True, description="Whether the length of each row of the weights is trained, too.")


class BehaviorTraining(Section):
    """Fine-tuning CLIP to behavioural dimensions (Behavior model)."""

    adapter: Adapter = Field(default_factory=Adapter, description="What is trained.")
    vision_blocks: Count = Field(2, description="Adapted blocks of the vision tower, counted from the last.")
    text_blocks: Count = Field(1, description="Adapted blocks of the text tower, counted from the last.")
    learning_rate: Positive = Field(3e-4, description="Learning rate of AdamW.")
    weight_decay: NotNegative = Field(0.01, description="Weight decay of AdamW.")
    batch_size: Annotated[int, Field(ge=2)] = Field(64, description="Images in a batch.")
    epochs: Count = Field(500, description="Passes over the training images at most.")
    patience: Count = Field(20, description="Epochs without a better validation loss before training stops.")
    images: Annotated[int, Field(ge=2)] | None = Field(
        None, description="Only the first so many training images, in the order of the table of stimuli; null: all."
    )


class LossWeights(Section):
    """Weights of the three parts of the MEG loss, each relative to its value before training."""

    pattern: NotNegative = Field(1, description="1 - Pearson of predicted and target RDMs over times and pairs.")
    magnitude: NotNegative = Field(0.1, description="Mean squared error of the RDMs.")
    generalisation: NotNegative = Field(0.15, description="1 - Pearson of the mean time generalisations.")


class DynamicTraining(Section):
    """Fine-tuning to MEG, in two stages: the reweighting alone, then reweighting and vision adapters."""

    adapter: Adapter = Field(
        default_factory=lambda: Adapter(magnitude=False), description="What stage 2 trains in every vision block."
    )
    loss: LossWeights = Field(default_factory=LossWeights, description="Weights of the parts of the loss.")
    reweighting_learning_rate: Positive = Field(3e-3, description="Learning rate of the reweighting.")
    adapter_learning_rate: Positive = Field(3e-5, description="Learning rate of the adapters.")
    weight_decay: NotNegative = Field(0.01, description="Weight decay of AdamW.")
    batch_size: Annotated[int, Field(ge=4)] = Field(50, description="Images in a batch of stage 2.")
    stage_1_epochs: Count = Field(
        500,
        description="Epochs of stage 1 at most; with `protocol.batches: reshuffled` each is one step over all pairs "
        "of training images at once.",
    )
    stage_1_patience: Count = Field(20, description="Epochs without improvement before stage 1 stops.")
    stage_2_epochs: Annotated[int, Field(ge=0)] = Field(50, description="Epochs of stage 2 at most.")
    stage_2_patience: Count = Field(5, description="Epochs without improvement before stage 2 stops.")
    images: Annotated[int, Field(ge=4)] | None = Field(
        None, description="Only the first so many training images, in the order of the table of stimuli; null: all."
    )
    sessions: Count | None = Field(
        None,
        description="Only the first so many sessions of the training half, without stimuli that lost too many trials "
        "in them; null: all.",
    )


def individual_training_defaults() -> DynamicTraining:
    """Give the published hyperparameters of personal models."""
    return DynamicTraining(
        adapter=Adapter(rank=6, magnitude=False),
        loss=LossWeights(pattern=1, magnitude=0.15, generalisation=0.1),
        batch_size=40,
        stage_2_epochs=40,
        stage_2_patience=10,
    )


BlockWeights = Literal["softmax", "min_max"]
ImagePreparation = Literal["backbone", "published"]
Times = Literal["after_onset", "all"]


class Protocol(Section):
    """How the method is run: `corrected`, or as it was published, faults included, to be compared.

    The name chooses the defaults of the rest; each can also be set alone. docs/method.md has the faults by number.
    """

    name: Literal["corrected", "published"] = Field(
        "corrected",
        description="The set of choices that everything below and the adapters' method take their defaults from.",
    )
    group_starts_from: Literal["clip", "behavior"] = Field(
        "behavior",
        description="Vision tower the group model starts from; its text tower is always Behavior's. Published: clip.",
    )
    individual_starts_from: Literal["clip", "behavior", "group"] = Field(
        "group",
        description="Model that each personal model starts from. Published: clip, with Behavior's text tower.",
    )
    images: ImagePreparation = Field(
        "backbone",
        description="How images are made ready: as the backbone wants them, or squashed to a square and normalised "
        "by the mean and deviation of THINGS (published).",
    )
    initial_reweighting: Literal["optimised", "last_block"] = Field(
        "optimised", description="Weights of the blocks before training: pre-optimised, or all on the last block."
    )
    block_weights: BlockWeights = Field(
        "softmax",
        description="From trainable numbers to weights of blocks: softmax, or min-max scaling over blocks, which "
        "gives the weakest block no gradient (published; fault 9).",
    )
    times: Times = Field(
        "after_onset",
        description="Times the MEG models have: those after picture onset, or all, so that windows let signal in "
        "before onset (published; fault 5).",
    )
    noise_scale: NotNegative = Field(1, description="Scale of the temporal noise added to embeddings in training.")
    noise_at_evaluation: bool = Field(
        False,
        description="Whether noise and jitter are added after training, too, so that an embedding depends on the "
        "other images beside it (published; fault 3).",
    )
    window_ms: NotNegative = Field(15, description="Reweighting and curves are averaged over this time either way.")
    statistics_from: Literal["training", "everything"] = Field(
        "training",
        description="What the scaling of the behavioural target and the temporal curves are measured on: training "
        "images and the participants a model is for, or all images and participants (published; fault 6).",
    )
    batches: Literal["reshuffled", "frozen"] = Field(
        "reshuffled",
        description="Batches of MEG training: new ones every epoch, with all pairs at once in stage 1, or the same "
        "throughout, in both stages, so that most pairs are never seen (published; fault 8).",
    )
    evaluated_on: Literal["held_out", "training"] = Field(
        "held_out",
        description="Alignment with MEG is reported for test images in the test half of the sessions, or for "
        "training images in the training half (published; fault 7).",
    )


# What `protocol.name: published` sets wherever a study says nothing else.
PUBLISHED: dict[str, Any] = {
    "protocol": {
        "group_starts_from": "clip",
        "individual_starts_from": "clip",
        "images": "published",
        "block_weights": "min_max",
        "times": "all",
        "noise_scale": 1,
        "noise_at_evaluation": True,
        "statistics_from": "everything",
        "batches": "frozen",
        "evaluated_on": "training",
    },
    "behavior_training": {"adapter": {"method": "published_dora"}},
    "group_training": {"adapter": {"method": "published_dora"}, "stage_1_patience": 5},
    "individual_training": {"adapter": {"method": "published_dora"}, "stage_1_epochs": 10},
}


class Reweighting(Section):
    """Pre-optimised weights of the vision blocks at each time, before any training."""

    outer_folds: Annotated[int, Field(ge=2)] = Field(5, description="Folds over images that estimate the fit.")
    inner_folds: Annotated[int, Field(ge=2)] = Field(5, description="Folds over images within each of them.")

    def smallest_fold(self, images: int) -> int:
        """Give the number of images in the smallest fold of all; fewer than three have no RDM to be correlated."""
        kept = images - -(-images // self.outer_folds)
        return min(images // self.outer_folds, kept // self.inner_folds)


class Evaluation(Section):
    """Statistics on held-out images and sessions."""

    comparison: Literal["spearman", "pearson", "cosine"] = Field("spearman", description="How RDMs are compared.")
    resamples: Annotated[int, Field(ge=20)] = Field(1000, description="Bootstrap resamples behind every interval.")
    permutations: Annotated[int, Field(ge=20)] = Field(
        2000, description="Random relabellings behind each permutation p; where fewer exist all are used."
    )


class Saliency(Section):
    """Which parts of a picture the group's and every personal model's embedding hangs on, at each time."""

    images: Count = Field(4, description="Test images that are mapped, chosen evenly from first to last.")
    masks: Count = Field(1000, description="Random masks that each image is hidden behind.")
    cells: Annotated[int, Field(ge=2)] = Field(
        8, description="Cells along a side of the grid of a mask; half of them are hidden."
    )


Precision = Literal["float32", "bfloat16"]


class Compute(Section):
    """Where and with how many threads models are trained."""

    threads: Count = Field(1, description="Threads of a training job; results depend on it in the last digits.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="`auto` takes a GPU where there is one.")
    precision: Precision = Field(
        "float32",
        description="Arithmetic of the towers in training; bfloat16 is several times faster on a GPU. Heads, losses "
        "and finished models are in float32 either way.",
    )
    gradient_checkpointing: bool = Field(
        False,
        description="Compute the vision tower's activations again for the gradient rather than keep them: a third "
        "slower, several times less memory.",
    )


class Images(NamedTuple):
    """How many pictures a study has.

    Attributes
    ----------
    training, validation, test
        With recordings: trained on, deciding when training stops, held out.
    behavior
        Further ones, without recordings, of which people judged.
    """

    training: int
    validation: int
    test: int
    behavior: int


class Study(Section):
    """A whole study: its data, its models, its evaluation."""

    name: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]+$")] = Field(description="Results go to results/<name>/.")
    seed: Annotated[int, Field(ge=0)] = Field(1, description="Seed that every other seed is derived from.")
    replicate: Annotated[int, Field(ge=0)] = Field(
        0,
        description="Which of several equal trainings: changes the seeds of training (behaviour, reweighting, group, "
        "individual) and nothing else.",
    )
    participants: Annotated[list[Participant], Field(min_length=3)] = Field(
        description="People whose recordings are used, in BIDS spelling."
    )
    held_out_participants: list[Participant] = Field(
        [],
        description="Those of them whose recordings enter nothing of the group model: neither its target nor its "
        "curves nor the weights it starts from. Each still gets a personal model.",
    )
    grid: TimeGrid = Field(default_factory=TimeGrid, description="Sample times of RDMs and models.")
    simulation: Simulation | None = Field(None, description="How the study's data are simulated; null: it has data.")
    data: Data | None = Field(
        None, description="Where the study's pictures, recordings and judgements are; null: they are simulated."
    )
    downloads: list[Download] = Field([], description="Files of the study that are fetched before anything else.")
    evaluation_sets: list[EvaluationSet] = Field(
        [], description="Pictures and RDMs of other studies, on which CLIP, Behavior and the group model are tested."
    )
    backbone: Backbone = Field(default_factory=Backbone, description="The CLIP that all models start from.")
    preprocessing: Preprocessing = Field(default_factory=Preprocessing, description="From raw data to epochs.")
    decoding: Decoding = Field(default_factory=Decoding, description="From epochs to RDMs.")
    protocol: Protocol = Field(default_factory=Protocol, description="How the method is run.")
    behavior_training: BehaviorTraining = Field(
        default_factory=BehaviorTraining, description="Fine-tuning to behaviour."
    )
    reweighting: Reweighting = Field(default_factory=Reweighting, description="Initial weights of the blocks.")
    group_training: DynamicTraining = Field(
        default_factory=DynamicTraining, description="Fine-tuning to the group's MEG."
    )
    individual_training: DynamicTraining = Field(
        default_factory=individual_training_defaults, description="Fine-tuning to one person's MEG."
    )
    evaluation: Evaluation = Field(default_factory=Evaluation, description="Statistics on held-out data.")
    saliency: Saliency = Field(default_factory=Saliency, description="Maps of what models look at over time.")
    compute: Compute = Field(default_factory=Compute, description="Threads and device.")

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        if (self.simulation is None) == (self.data is None):
            raise ValueError("give either data (a real study) or simulation, and not both")
        faults = list(consistency.faults(self))
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def seed_of(self, *purpose: str) -> int:
        """Derive the seed of a step from the study's; see `derive_seed`."""
        return derive_seed(self.seed, *purpose)

    def training_seed_of(self, purpose: str) -> int:
        """Derive the seed of a training, another one in every replicate."""
        return self.seed_of(purpose, *([f"replicate {self.replicate}"] if self.replicate else []))

    @property
    def group_participants(self) -> list[str]:
        """Those whose recordings the group model is made from."""
        return [name for name in self.participants if name not in self.held_out_participants]

    @property
    def images(self) -> Images:
        """How many pictures there are of each kind."""
        if self.data is not None:
            known = self.data.stimuli
            return Images(known.training_images, known.validation_images, known.test_images, 0)
        made = self.simulated
        return Images(made.training_images, made.validation_images, made.test_images, made.behavior_images)

    @property
    def simulated(self) -> Simulation:
        """How the data are simulated, of a study that is known to be.

        Raises
        ------
        ValueError
            If it has real data.
        """
        if self.simulation is None:
            raise ValueError(f"the study {self.name!r} is not simulated")
        return self.simulation

    @property
    def recordings(self) -> BIDSRecordings | EpochsRecordings | None:
        """A real study's own recordings; none where they are simulated, or RDMs stand in their place."""
        found = None if self.data is None else self.data.recordings
        return None if isinstance(found, RDMRecordings) else found

    @property
    def adopted_from(self) -> ModelBehavior | None:
        """Behavior model of another study that is this one's, too, if there is one."""
        behavior = None if self.data is None else self.data.behavior
        return behavior if isinstance(behavior, ModelBehavior) else None

    @property
    def sessions(self) -> list[str]:
        """Names of the parts of everybody's data that halves are made of, in BIDS spelling: most often sessions."""
        if self.data is None:
            return _session_names(self.simulated.sessions)
        return [] if self.recordings is None else self.recordings.parts

    @property
    def halves_of(self) -> HalvesOf | None:
        """What the halves of the data are made of; None: published RDMs have no halves."""
        if self.data is None:
            return "sessions"
        return None if self.recordings is None else self.recordings.halves_of

    @property
    def has_halves(self) -> bool:
        """Whether models can be tested on data that are not those that they were trained on."""
        return self.halves_of is not None

    @property
    def learns_behavior(self) -> bool:
        """Whether there is a behavioural embedding that CLIP is fine-tuned to."""
        return self.data is None or self.data.behavior.kind in ("tables", "things")

    @property
    def has_triplets(self) -> bool:
        """Whether people named the odd one out of test images."""
        return self.data is None or self.data.behavior.triplets is not None

    @property
    def judged(self) -> bool:
        """Whether there are human judgements of test images at all: triplets, or an RDM."""
        return self.data is None or self.data.behavior.judged

    @property
    def external_sessions(self) -> list[str]:
        """Sessions of people who look at external sets: the fewest of which one can be left out."""
        return _session_names(2)

    @property
    def external_sets(self) -> dict[str, ExternalSet | EvaluationSet]:
        """Sets of images and recordings apart from the study's own, by name."""
        sets: list[Any] = self.evaluation_sets if self.simulation is None else self.simulation.external_sets
        return {one.name: one for one in sets}

    @property
    def halves(self) -> dict[str, list[str]]:
        """Parts of the training and of the test half: alternating, so that slow drifts fall on both."""
        if not self.has_halves:
            return {"all": []}
        return {"train": self.sessions[0::2], "test": self.sessions[1::2]}

    @property
    def training_half(self) -> str:
        """Half that models are trained on."""
        return next(iter(self.halves))

    @property
    def test_half(self) -> str:
        """Half that models are compared with: that of training where there is no other."""
        return list(self.halves)[-1]

    def sessions_of(self, half: str) -> list[str]:
        """Parts of a half ("train", "test"), or the first few of it ("train-2")."""
        name, _, first = half.partition("-")
        return self.halves[name][: int(first) if first else None]


class Fault(NamedTuple):
    """What is wrong with a setting.

    Attributes
    ----------
    keys
        Where it stands in the file; none: several settings do not go together.
    message
        Its path, what is wrong, and what is allowed.
    """

    keys: tuple[int | str, ...]
    message: str


class ConfigurationError(ValueError):
    """A configuration that cannot be used; the message names every wrong key and what is allowed.

    Attributes
    ----------
    faults
        The same one by one.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("the configuration cannot be used\n  " + "\n  ".join(fault.message for fault in faults))
        self.faults = tuple(faults)


def _sections(annotation: Any) -> list[type[Section]]:
    """Sections that a setting may be: of lists their members', of alternatives all."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections(part)]


def _resolve(location: Sequence[int | str]) -> tuple[list[int | str], list[type[Section]]]:
    """Keys of a setting as they stand in the file, and what sections the last of them may be in."""
    keys: list[int | str] = []
    sections: list[type[Section]] = [Study]
    within = sections
    for key in location:
        if isinstance(key, int):
            keys.append(key)
            continue
        # of alternatives, pydantic adds the kind of the one
        chosen = [each for each in sections if key in get_args(_annotation(each, "kind"))]
        if len(sections) > 1 and chosen:
            sections = chosen
        elif key.isidentifier():
            within = sections
            sections = [one for each in sections for one in _sections(_annotation(each, key))]
            keys.append(key)
    return keys, within


def _annotation(section: type[Section], key: str) -> Any:
    field = section.model_fields.get(key)
    return None if field is None else field.annotation


def _faults(error: Mapping[str, Any]) -> list[Fault]:
    keys, within = _resolve(error["loc"])
    path = ".".join(str(key) for key in keys) or "study"
    if error["type"] == "extra_forbidden":
        allowed = dict.fromkeys(name for section in within for name in section.model_fields)
        return [Fault(tuple(keys), f"{path}: there is no such key; allowed here: {', '.join(allowed)}")]
    if error["type"] == "missing":
        return [Fault(tuple(keys), f"{path}: is missing and has no default")]
    given = "" if isinstance(error["input"], Mapping) else f" (given: {error['input']!r})"
    quotes = "; put it into quotes" if error["type"] == "string_type" and error["input"] is not None else ""
    # of the whole study, several at once
    said = error["msg"].removeprefix("Value error, ").split("\n")
    return [Fault(tuple(keys), f"{path}: {one}{quotes}{given}") for one in said]


def _with_protocol(settings: Any) -> Any:
    """Let what a study leaves out be as its protocol has it."""
    protocol = settings.get("protocol") if isinstance(settings, Mapping) else None
    published = isinstance(protocol, Mapping) and protocol.get("name") == "published"
    return overlay(PUBLISHED, settings) if published else settings


def changed(study: Study, changes: Mapping[str, Any]) -> Study:
    """Give a study with some settings changed, and all others as they are."""
    return type(study).model_validate(overlay(study.model_dump(), changes))


def as_published(study: Study) -> Study:
    """Give the same study with everything that the protocol decides as it was published."""
    return changed(study, overlay(PUBLISHED, {"protocol": {"name": "published"}}))


def load_study(settings: Mapping[str, Any]) -> Study:
    """Check a study's settings.

    Parameters
    ----------
    settings
        As read from the study's YAML file.

    Returns
    -------
    Study
        With every default filled in.

    Raises
    ------
    ConfigurationError
        One line for each wrong key: its path and what is allowed there.
    """
    return _load(Study, settings)


def load_draft(settings: Mapping[str, Any]) -> Study:
    """Check a study's settings one by one: what does not go together is let pass.

    Parameters
    ----------
    settings
        As for `load_study`.

    Returns
    -------
    Study
        To be looked at, not to be run.

    Raises
    ------
    ConfigurationError
        One line for each wrong key.
    """
    return _load(_Draft, settings)


class _Draft(Study):
    @model_validator(mode="after")
    def _consistent(self) -> _Draft:
        return self


def _load(kind: type[Study], settings: Mapping[str, Any]) -> Study:
    try:
        return kind.model_validate(_with_protocol(settings))
    except ValidationError as error:
        raise ConfigurationError([fault for each in error.errors() for fault in _faults(each)]) from None
