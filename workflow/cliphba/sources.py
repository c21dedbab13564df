"""Where a real study's data are, and what is known of them: settings of pictures, recordings and judgements."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from cliphba.section import Count, Participant, Positive, Section


def _one_group(pattern: str) -> str:
    """Refuse what is no regular expression, or one without a group."""
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    if groups < 1:
        raise ValueError("needs a group: put what names the stimulus into parentheses")
    return pattern


Label = Annotated[str, Field(pattern=r"^[0-9A-Za-z]+$")]
Pattern = Annotated[str, AfterValidator(_one_group)]
HalvesOf = Literal["sessions", "runs", "trials"]
Split = Literal["random", "in_order", "judged", "table"]

# Parts that the trials of a single run are dealt out to: two for each half, so that one can be left out.
PARTS_OF_TRIALS = 4
# Published judgements of THINGS: the behavioural embedding, names of its rows, the RDM of 48 objects, their names.
THINGS_FILES = ("spose_embedding_66d_sorted.txt", "unique_id.txt", "RDM48_triplet.mat", "words48.mat")


class Stimuli(Section):
    """Pictures, and which of them are held out."""

    images: str = Field(
        description="Folder of the pictures, searched with its subfolders. The stimulus that a picture shows is the "
        "name of its file without ending, unless there is a table."
    )
    table: str | None = Field(
        None,
        description="Table of the stimuli (.tsv, .csv, .parquet) with the column `stimulus`; if wanted also `path` "
        "(within images), `concept`, `split` (train, validation, test), `caption`. Pictures that do not stand in it "
        "are left alone.",
    )
    pattern: Pattern | None = Field(
        None,
        description="Without a table: regular expression whose first group, searched for in the path of each picture "
        "within images, is its stimulus; pictures without it are left alone. `([^/]+)_01b\\.jpg$` takes one picture "
        "of each concept of THINGS and names it by the concept. null: the name of the file without ending.",
    )
    split: Split = Field(
        "random",
        description="Which stimuli are trained on, decide when training stops, are held out: drawn at random; the "
        "last ones in the order of the table (of names, if there is none, image9 before image10); those that people "
        "judged held out, the others at random; or as the table's column `split` says.",
    )
    training_images: Annotated[int, Field(ge=4)] = Field(description="Pictures that models are trained on.")
    validation_images: Annotated[int, Field(ge=4)] = Field(description="Pictures that decide when training stops.")
    test_images: Annotated[int, Field(ge=4)] = Field(description="Pictures that no training ever sees.")

    @model_validator(mode="after")
    def _split_has_table(self) -> Stimuli:
        if self.split == "table" and self.table is None:
            raise ValueError("split is `table`, but there is none: name the table, or let split be random")
        if self.pattern is not None and self.table is not None:
            raise ValueError("pattern and table are both given: the table names the stimuli; keep one of them")
        return self

    @property
    def table_files(self) -> list[str]:
        """File of the table, if there is one."""
        return _files(self.table)

    @property
    def counts(self) -> dict[str, int]:
        """Number of pictures of each split."""
        return {"train": self.training_images, "validation": self.validation_images, "test": self.test_images}


class Events(Section):
    """Which events are trials, and what was shown when."""

    stimulus: str = Field("stimulus", description="Column that names the stimulus.")
    pattern: Pattern | None = Field(
        None,
        description="Regular expression whose first group, searched for in that column, is the stimulus; null: all "
        "of it. Of the path of a picture, `([^/]+)\\.jpg$` is its name.",
    )
    names: str | None = Field(
        None,
        description="Text file of names, one a line, where that column holds numbers: of the first line, 1; null: it "
        "holds names.",
    )
    where: dict[str, list[str]] = Field(
        {}, description="Only events with one of these values in that column are trials, such as trial_type: [exp]."
    )
    onset: str = Field(
        "onset", description="Column of the onset in seconds; that of an optical sensor, if there is one."
    )
    delay_ms: float = Field(
        0, description="Constant delay of the screen, which is added to every onset; 0 for an optical sensor."
    )

    @property
    def names_files(self) -> list[str]:
        """File of names, if there is one."""
        return _files(self.names)


class Size(Section):
    """About how large a recording is: memory and time that are asked for depend on it, results do not."""

    sensors: Count = Field(306, description="Sensors.")
    sampling_rate_hz: Positive = Field(1000, description="Sampling rate of the raw recording.")
    trials: Count = Field(1000, description="Trials of a session (of a run, where there is one session).")


class Download(Section):
    """A file, or an archive of files, that real studies take from somewhere."""

    url: Annotated[str, Field(pattern=r"^https?://")] | None = Field(
        None, description="Where it is downloaded from; null: whoever runs the study puts it there by hand."
    )
    to: Annotated[str, Field(min_length=1)] = Field(
        description="File that it becomes, or folder an archive is unpacked to: the path that other settings name."
    )
    checksum: Annotated[str, Field(pattern=r"^(md5|sha1|sha256):[0-9a-f]+$")] | None = Field(
        None,
        description="As published, such as md5:0123456789abcdef...; null: the first download is recorded beside the "
        "file, and others must be like it.",
    )
    members: Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="Which files of a zip archive are unpacked, as patterns such as */*_01b.jpg; null: it is no "
        "archive, or stays one.",
    )
    password_variable: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = Field(
        None, description="Variable of the environment that holds the archive's password, which is stored nowhere."
    )
    by_hand: str = Field("", description="What to do by hand if it cannot be downloaded: said with the error.")

    @property
    def archive(self) -> Path:
        """Where an archive is kept, and may be put by hand."""
        target = path_of(self.to)
        return target.with_name(f"{target.name}.zip")

    @model_validator(mode="after")
    def _sensible(self) -> Download:
        if self.url is None and not self.by_hand:
            raise ValueError("by_hand is missing: without url it must say where the file is to be got")
        if self.password_variable and self.members is None:
            raise ValueError('members is missing: passwords are for archives that are unpacked, all of one by ["*"]')
        return self


class OpenNeuro(Section):
    """Recordings that are downloaded from OpenNeuro, a participant's session at a time."""

    dataset: Annotated[str, Field(pattern=r"^ds[0-9]{6}$")] = Field(description="Accession number, such as ds004212.")
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")] = Field(
        description="Snapshot, such as 3.0.0: its files and no others, each checked by its published checksum."
    )
    to: Annotated[str, Field(min_length=1)] = Field(
        description="Folder they are put to, under their paths in the data set; of a BIDS folder its root."
    )
    files: Annotated[list[str], Field(min_length=1)] = Field(
        ["*", "sub-{participant}/ses-{session}/**"],
        description="Which files: patterns of paths in the data set, ** at the end for all below a folder; "
        "{participant} and {session} stand for their labels, without sub- and ses-. Those in which {participant} "
        "does not stand are fetched once.",
    )
    server: Annotated[str, Field(pattern=r"^https?://")] = Field(
        "https://openneuro.org/crn/graphql", description="Interface that lists the files."
    )

    @model_validator(mode="after")
    def _sessions_apart(self) -> OpenNeuro:
        of_people = [pattern for pattern in self.files if "{participant}" in pattern]
        if self.by_session and (whole := [pattern for pattern in of_people if "{session}" not in pattern]):
            raise ValueError(
                f"files: sessions are fetched side by side, and all of them would fetch {whole[0]}; let {{session}} "
                "stand in all patterns in which {participant} does, or in none"
            )
        return self

    @property
    def shared_files(self) -> list[str]:
        """Patterns of files that belong to no participant."""
        return [pattern for pattern in self.files if "{participant}" not in pattern]

    @property
    def by_session(self) -> bool:
        """Whether each session is fetched by itself, or a participant as a whole."""
        return any("{session}" in pattern for pattern in self.files)

    def records(self, participant: str, sessions: list[str]) -> list[Path]:
        """Files that say what was fetched of a participant: one a session, or one of all."""
        sittings = [f"_ses-{session}" for session in sessions] if self.by_session and sessions else [""]
        return [self.record(f"{participant}{sitting}") for sitting in sittings]

    def record(self, unit: str) -> Path:
        """File that says what was fetched of a unit."""
        return path_of(self.to) / "fetched" / f"{unit}.json"

    def files_of(self, participant: str, session: str | None) -> list[str]:
        """Patterns of a participant's files, of one session or of all; both in BIDS spelling."""
        person, sitting = participant.removeprefix("sub-"), (session or "").removeprefix("ses-")
        own = [pattern for pattern in self.files if "{participant}" in pattern]
        return [pattern.replace("{participant}", person).replace("{session}", sitting) for pattern in own]


class BIDSRecordings(Section):
    """Raw recordings in BIDS."""

    kind: Literal["bids"] = Field(description="Raw recordings in BIDS.")
    root: str = Field(description="Folder of the data set.")
    datatype: Literal["meg", "eeg"] = Field("meg", description="What was recorded.")
    task: Label = Field(description="Name of the task, without task-.")
    sessions: list[Label] = Field([], description="Names of sessions, without ses-; empty if the data set has none.")
    runs: list[Label] = Field([], description="Names of the runs of a session, without run-; empty if it has none.")
    openneuro: OpenNeuro | None = Field(
        None, description="Where recordings are downloaded from; null: they are there."
    )
    events: Events = Field(default_factory=Events, description="Which events are trials.")
    size: Size = Field(default_factory=Size, description="For planning only.")

    @model_validator(mode="after")
    def _downloaded_to_root(self) -> BIDSRecordings:
        if self.openneuro is not None:
            if self.openneuro.to != self.root:
                raise ValueError(f"openneuro.to: must be the root, {self.root}, of a data set in BIDS")
            if self.openneuro.by_session and not self.sessions:
                raise ValueError(
                    'openneuro.files: there are no sessions; put ["*", "sub-{participant}/**"], whole participants'
                )
        return self

    @property
    def halves_of(self) -> HalvesOf:
        """What the halves of the data are made of."""
        return _halves_of(self.sessions, self.runs)

    @property
    def parts(self) -> list[str]:
        """Names of the parts that halves are made of."""
        return _parts(self.sessions, self.runs)


class EpochsRecordings(Section):
    """Epochs of MNE with a table of trials."""

    kind: Literal["epochs"] = Field(description="Epochs of MNE (FIF) with a table of trials as their metadata.")
    files: str = Field(
        description="Path of a participant's file, in which {participant} stands for the name without sub-, and "
        "{session}, if there is one file a session, for the name of the session."
    )
    sessions: list[Label] = Field(
        [], description="Names of sessions: values of session_column, or what {session} stands for; empty: one."
    )
    session_column: str | None = Field(None, description="Column of the metadata that names the session.")
    datatype: Literal["meg", "eeg"] = Field("meg", description="Which of the channels are patterns.")
    openneuro: OpenNeuro | None = Field(
        None, description="Where recordings are downloaded from; null: they are there."
    )
    events: Events = Field(
        default_factory=Events, description="Which epochs are trials; onset and delay play no part."
    )
    size: Size = Field(default_factory=Size, description="For planning only.")

    @model_validator(mode="after")
    def _names(self) -> EpochsRecordings:
        if "{participant}" not in self.files:
            raise ValueError("files: {participant} must stand in it, or all participants would have the same file")
        if "{session}" in self.files and not self.sessions:
            raise ValueError("sessions: name them, since {session} stands in files for each")
        if self.sessions and ("{session}" in self.files) == (self.session_column is not None):
            raise ValueError(
                "sessions: give either session_column, the column that names the session, or put {session} into files"
            )
        return self

    @property
    def halves_of(self) -> HalvesOf:
        """What the halves of the data are made of."""
        return _halves_of(self.sessions, [])

    @property
    def parts(self) -> list[str]:
        """Names of the parts that halves are made of."""
        return _parts(self.sessions, [])

    def paths(self, participant: str) -> list[str]:
        """Files of a participant, one a session or one of all."""
        sessions = self.sessions if "{session}" in self.files else [""]
        name = participant.removeprefix("sub-")
        pattern = str(path_of(self.files))
        return [pattern.replace("{participant}", name).replace("{session}", each) for each in sessions]


class RDMFile(Section):
    """RDMs of several people over time in one published file."""

    file: str = Field(
        description="The file; {participant} in it stands for the name without sub-, if everybody has their own."
    )
    format: Literal["hdf5", "matlab", "numpy", "rsatoolbox"] = Field(
        description="hdf5 (also MATLAB v7.3), matlab (before v7.3), numpy (.npy) or rsatoolbox (.h5)."
    )
    variable: str | None = Field(None, description="Name of the array, of hdf5 and matlab.")
    stimuli: str | None = Field(
        None,
        description="Text file that names the stimuli in the order of the matrices, one a line; null: the order of "
        "the table of stimuli, or of their names; of rsatoolbox the names that stand in it.",
    )
    axes: list[Literal["participant", "time", "stimulus"]] | None = Field(
        None,
        description="What the axes of the array are, as Python sees them (of MATLAB v7.3 the other way round); null: "
        "its shape tells.",
    )
    start_ms: float = Field(description="Time of the first sample.")
    step_ms: Positive = Field(description="From one sample to the next, before any averaging.")
    samples: Annotated[int, Field(ge=2)] = Field(description="Number of samples, before any averaging.")
    averaged_samples: Count = Field(
        1, description="So many samples each are averaged, all but the first, and stand at the time of their last."
    )
    positions: list[Annotated[int, Field(ge=0)]] | None = Field(
        None, description="Where the participants stand in the file, counted from 0; null: in their order."
    )
    quantity: str = Field("decoding accuracy", description="What the dissimilarities are.")
    chance: float = Field(0.5, description="What they are where there is nothing to be found.")

    @model_validator(mode="after")
    def _named_array(self) -> RDMFile:
        if (self.variable is not None) != (self.format in ("hdf5", "matlab")):
            raise ValueError("variable: name the array of an hdf5 or matlab file, and of no other")
        if self.averaged_samples > 1 and self.format == "rsatoolbox":
            raise ValueError("averaged_samples: files of rsatoolbox are not averaged")
        if self.axes is not None and self.format == "rsatoolbox":
            raise ValueError("axes: files of rsatoolbox say themselves what their axes are")
        return self

    @property
    def file_times_ms(self) -> list[float]:
        """Time of every sample in the file, without the tiny errors of sums."""
        return [round(self.start_ms + index * self.step_ms, 6) for index in range(self.samples)]

    @property
    def times_ms(self) -> list[float]:
        """Time of every sample after averaging."""
        return self.file_times_ms[:: self.averaged_samples]

    @property
    def order_files(self) -> list[str]:
        """File that names the stimuli in order, if there is one."""
        return _files(self.stimuli)

    def position(self, participants: list[str], participant: str) -> int:
        """Where a participant stands in the file, counted from 0."""
        if self.positions is not None:
            return self.positions[participants.index(participant)]
        return 0 if "{participant}" in self.file else participants.index(participant)

    def path(self, participant: str) -> str:
        """File of a participant."""
        return str(path_of(self.file.replace("{participant}", participant.removeprefix("sub-"))))


class RDMRecordings(RDMFile):
    """Published RDMs in place of recordings: there are no halves of the data then."""

    kind: Literal["rdms"] = Field(description="Published RDMs; models are then tested on other images only.")


Recordings = Annotated[BIDSRecordings | EpochsRecordings | RDMRecordings, Field(discriminator="kind")]


class Judgements(Section):
    """What people say of test images, for evaluation."""

    triplets: str | None = Field(
        None,
        description="Odd-one-out judgements of test images (.tsv, .csv, .parquet): columns first, second (the pair "
        "kept together), odd and, if known, participant.",
    )
    rdm: str | None = Field(
        None,
        description="Or an RDM of test images instead (.tsv, .csv, .parquet): columns first, second, value, a row "
        "each pair.",
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Judgements:
        if self.triplets is not None and self.rdm is not None:
            raise ValueError("triplets and rdm are both given: keep the triplets, an RDM is made of them")
        return self

    @property
    def files(self) -> list[str]:
        """Files with judgements."""
        return _files(self.triplets, self.rdm)

    @property
    def judged(self) -> bool:
        """Whether there are judgements of test images."""
        return self.triplets is not None or self.rdm is not None


class TablesBehavior(Judgements):
    """A behavioural embedding as a table."""

    kind: Literal["tables"] = Field(description="A behavioural embedding of the study's pictures, as a table.")
    embedding: str = Field(
        description="Table (.tsv, .csv, .parquet) with the column `stimulus` and one column for each dimension, of "
        "values from 0 on; of all training and validation images at least."
    )
    dimensions: str | None = Field(
        None,
        description="Table with the columns `dimension`, `label` and `prompt` (what the text tower reads); null: the "
        "names of the dimensions are all of them.",
    )

    @property
    def files(self) -> list[str]:
        """Files with judgements, the embedding first."""
        return [*_files(self.embedding, self.dimensions), *super().files]


class THINGSBehavior(Judgements):
    """Published judgements of THINGS."""

    kind: Literal["things"] = Field(description="The published files of THINGS; stimuli are named by its concepts.")
    folder: str = Field(
        description="Folder with spose_embedding_66d_sorted.txt, unique_id.txt, RDM48_triplet.mat, words48.mat."
    )

    @property
    def files(self) -> list[str]:
        """Files with judgements."""
        return [*_files(*(f"{self.folder}/{name}" for name in THINGS_FILES)), *super().files]

    @property
    def judged(self) -> bool:
        """Whether there are judgements of test images: 48 objects were judged whatever else there is."""
        return True


class ModelBehavior(Judgements):
    """The Behavior model of another study."""

    kind: Literal["model"] = Field(description="The Behavior model of another study with the same backbone.")
    model: str = Field(description="Its checkpoint, such as results/things-meg/models/behavior.safetensors.")

    @property
    def models(self) -> list[str]:
        """Checkpoints that it is made from."""
        return _files(self.model)

    @property
    def stimuli(self) -> Path:
        """Table of the other study's stimuli, which tells what the model was trained on: beside its models."""
        return path_of(self.model).parent.parent / "source" / "stimuli.parquet"


class CLIPBehavior(Judgements):
    """CLIP itself, no judgements having been learnt."""

    kind: Literal["clip"] = Field(description="No fine-tuning to judgements: CLIP itself, read by prompts.")
    prompts: Annotated[list[str], Field(min_length=3)] | None = Field(
        None,
        description="What the text tower reads, three or more different texts; null: the 66 labels of THINGS.",
    )

    @model_validator(mode="after")
    def _different(self) -> CLIPBehavior:
        if self.prompts is not None and len(set(self.prompts)) < len(self.prompts):
            raise ValueError("prompts: a text stands there twice; keep it once")
        return self

    @property
    def models(self) -> list[str]:
        """Checkpoints that it is made from: none."""
        return []


Behavior = Annotated[TablesBehavior | THINGSBehavior | ModelBehavior | CLIPBehavior, Field(discriminator="kind")]


class Data(Section):
    """The data of a real study."""

    stimuli: Stimuli = Field(description="Pictures.")
    recordings: Recordings = Field(description="MEG or EEG of people who looked at them.")
    behavior: Behavior = Field(CLIPBehavior(kind="clip"), description="Human judgements, where there are any.")
    licence: str | None = Field(
        None, description="Terms of the recordings, pictures and judgements, for the model cards."
    )

    @model_validator(mode="after")
    def _judged_is_known(self) -> Data:
        if self.stimuli.split == "judged" and not self.behavior.judged:
            raise ValueError(
                "stimuli.split is `judged`, but behavior has no judgements of test images: give triplets or rdm, or "
                "choose another split"
            )
        return self


class EvaluationSet(Section):
    """Pictures and RDMs of another study, on which finished models are tested."""

    name: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]+$")] = Field(description="Its name in paths and tables.")
    images: str = Field(description="Folder of the pictures, as data.stimuli.images.")
    table: str | None = Field(None, description="Table of the stimuli, as data.stimuli.table.")
    pattern: Pattern | None = Field(None, description="What names the stimuli, as data.stimuli.pattern.")
    count: Annotated[int, Field(ge=4)] = Field(description="Number of the pictures.")
    participants: Annotated[list[Participant], Field(min_length=2)] = Field(
        description="People who looked at them; none of them is of the study or of another set."
    )
    rdms: RDMFile = Field(description="Their RDMs.")

    @property
    def table_files(self) -> list[str]:
        """File of the table, if there is one."""
        return _files(self.table)


def path_of(text: str) -> Path:
    """Path that a setting names; ~ is the home folder."""
    return Path(text).expanduser()


def _files(*paths: str | None) -> list[str]:
    """Paths of files, as far as there are any."""
    return [str(path_of(path)) for path in paths if path is not None]


def _halves_of(sessions: list[str], runs: list[str]) -> HalvesOf:
    if len(sessions) > 1:
        return "sessions"
    return "runs" if len(runs) > 1 else "trials"


def _parts(sessions: list[str], runs: list[str]) -> list[str]:
    of = _halves_of(sessions, runs)
    if of == "sessions":
        return [f"ses-{name}" for name in sessions]
    if of == "runs":
        return [f"run-{name}" for name in runs]
    return [f"trials-{number}" for number in range(1, PARTS_OF_TRIALS + 1)]
