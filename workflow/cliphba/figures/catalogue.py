"""Every figure and main table: where it stands in the report, what it shows, what a figure is drawn from.

Plain data, so that the workflow can read it without importing matplotlib. A figure's name is that of the module that
draws it: ``cliphba.figures.<name>.draw`` takes the tables named here and a note. Captions are templates, which
`cliphba.figures.wording` fills in for a study.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

#: What some figures need, and a study may lack.
Need = Literal["simulation", "halves", "judgements", "triplets", "external sets"]
Section = Literal["Summary", "Data quality", "Behaviour", "Group", "Individuals", "Controls"]
#: Those of the report, in order: of figures, then of tables.
SECTIONS = (*get_args(Section), "Tables")


@dataclass(frozen=True)
class Entry:
    """What is known of a figure.

    Attributes
    ----------
    section
        Of the report.
    title
        Short name.
    caption
        What is seen, on what data: two to five sentences, as a template. The tables are named below it by the report
        itself.
    reading
        One sentence on how to read it, for the gallery.
    tables
        Argument of its ``draw`` to the kind of table. Several tables of a kind come as a mapping, by the names of
        their files less the kind: ``sub-01`` to what stands in ``sub-01_training.parquet``.
    moving
        Whether it is an animation: a GIF rather than SVG and PNG.
    target
        Of the workflow, which has the figure made.
    needs
        Without which a study has no such figure.
    """

    section: Section
    title: str
    caption: str
    reading: str
    tables: Mapping[str, str]
    moving: bool = False
    target: str = "all"
    needs: tuple[Need, ...] = ()

    @property
    def picture(self) -> str:
        """Ending of the file that documents show."""
        return "gif" if self.moving else "png"


@dataclass(frozen=True)
class MainTable:
    """What is known of a table that people read.

    Attributes
    ----------
    title
        Short name.
    caption
        What stands in it.
    """

    title: str
    caption: str


def heading(section: str) -> str:
    """Write a section with its number, as the report sorts them by name."""
    return f"{SECTIONS.index(section) + 1} {section}"


#: By kind, which is also the name of the file.
MAIN_TABLES: dict[str, MainTable] = {
    "summary": MainTable(
        title="Summary",
        caption="""\
Everything that is claimed of the models: each number with its interval, its p, and what it is independent of.""",
    ),
    "external_summary": MainTable(
        title="External image sets",
        caption="""\
Models on image sets apart from the study's own: other images, seen by people whom no model was trained on.""",
    ),
    "ablation": MainTable(
        title="What each ingredient is worth",
        caption="""\
The study as configured, and by how much it exceeds the same study with one ingredient left out or exchanged.""",
    ),
    "data_efficiency": MainTable(
        title="How results grow with data",
        caption="""\
Personal models from fewer sessions or images, and Behavior from fewer images: one training of each.""",
    ),
    "held_out_participants": MainTable(
        title="People never seen",
        caption="""\
For each participant a group model that was trained without them, beside the models of the study.""",
    ),
}

CATALOGUE: dict[str, Entry] = {
    "summary": Entry(
        section="Summary",
        title="What was found",
        caption="""\
The headline findings, each kind on a scale of its own, on {{ data }} that {{ no_training }} saw (published protocol:
alignment and identification on those of training). Lines are 95 % intervals; grey bands noise ceilings of the same
quantity; thin vertical lines mark zero or chance. p over images says that a finding holds for these people and other
images, p over people that it holds for other people and these images: a claim about people in general needs
both.{% if halves %} Model-free are the same people's recordings of the other half of the {{ parts }} in place of a
model.{% endif %}""",
        reading="""\
A finding to rely on has a line that keeps clear of the thin one, and a small p in each column that it has.""",
        tables={"summary": "summary"},
    ),
    "data_quality": Entry(
        section="Data quality",
        title="Each participant's recordings",
        caption="""\
For each participant, from left to right: share of trials kept in each {{ part }}; the highest mean dissimilarity
(decoding accuracy, unless the axis says otherwise) of all times, mean of both halves of the {{ parts }}; rank
correlation of the RDMs of the two halves at each time. The last two are about the {{ training_images }}.""",
        reading="""\
A participant with few trials, a peak near the line of chance, or a dark row teaches models little.""",
        tables={"trials": "trials", "decoding": "decoding", "reliability": "reliability"},
        needs=("halves",),
    ),
    "decoding": Entry(
        section="Data quality",
        title="Pairwise decoding",
        caption="""\
Mean dissimilarity (pairwise decoding accuracy, unless the axis says otherwise) over time of the
{{ training_images }}: thin for each participant, thick for their mean. {% if halves %}Decoders are tested on
{{ left_out }} that they were not trained on.{% else %}The RDMs are as they were published.{% endif %} Below, onset
and peak of the mean with 95 % intervals over images and participants, from the {{ data }} that models are compared
on; an interval without an end says that in some resamples there is no onset.""",
        reading="""\
Without a rise above chance after onset there is nothing in the recordings to be modelled.""",
        tables={"decoding": "decoding", "latency": "latency"},
    ),
    "training": Entry(
        section="Controls",
        title="Training",
        caption="""\
Loss of every training by epoch on training and on validation images; of each stage the epoch with the lowest
validation loss is kept (circles), and the next stage starts there. Training losses of MEG models include temporal
noise, those of stage 2 are means over batches, so that they may lie above validation. Losses of MEG models, and the
three parts of their validation loss (logarithmic), are divided by the validation loss before the first epoch. Test
images play no role.""",
        reading="""\
Every training should have come to rest; a circle at the last epoch says that it was cut short.""",
        tables={"logs": "training"},
    ),
    "behavior": Entry(
        section="Behaviour",
        title="RDMs of people and models",
        caption="""\
Dissimilarity of the test images for people{{ by_triplets }}, for CLIP, and for the Behavior model, with the Spearman
correlation to the human RDM and its 95 % bootstrap interval over images. {{ unseen }}""",
        reading="""\
The more the pattern on the right resembles that on the left, the more the model judges as people do.""",
        tables={"rdms": "behavior_rdm", "summary": "summary"},
        needs=("judgements",),
    ),
    "dynamic_behavior": Entry(
        section="Behaviour",
        title="MEG models and human judgements",
        caption="""\
Spearman correlation of each model's RDM of the test images with the human RDM{{ by_triplets }}: the group MEG model
(thick) and personal models (thin) at each time after onset; CLIP and the Behavior model, which have no time course,
as horizontal lines. Shades: 95 % bootstrap intervals over images{% if triplets %}; grey band: noise ceiling of the
human RDM{% endif %}. {{ unseen }}""",
        reading="""\
Where a curve of an MEG model rises, what it takes from the brain at that time is also what people judge by.""",
        tables={"course": "behavior_course", "summary": "summary"},
        needs=("judgements",),
    ),
    "odd_one_out": Entry(
        section="Behaviour",
        title="Odd one out",
        caption="""\
Share of single odd-one-out judgements of test images that each model predicts, by the least dissimilar pair of the
three; MEG models by the mean of their RDMs after onset. Large dots: all judgements, with 95 % intervals over images
and judges; small dots: each judge. The line is chance; the grey band the human ceiling, what other people say of the
same triplets.""",
        reading="""\
A model is as good as people allow where its dot reaches the grey band.""",
        tables={"accuracies": "odd_one_out"},
        needs=("triplets",),
    ),
    "alignment": Entry(
        section="Group",
        title="Alignment over time",
        caption="""\
Spearman correlation of each model's RDM with the participants' MEG RDMs at each time, averaged over participants, on
{{ held_out }}. Shades: 95 % bootstrap intervals over images and participants; grey band: noise ceiling of the same
quantity; bars: p < 0.05 by permutation of the images, corrected for the number of times. Models of MEG have no
values up to onset.""",
        reading="""\
A model is as good as the data allow where its line reaches the grey band.""",
        tables={"alignment": "alignment", "ceiling": "ceiling"},
    ),
    "latencies": Entry(
        section="Group",
        title="Onsets and peaks",
        caption="""\
When decoding, and the alignment of each model with MEG, set in and peak, on the {{ data }} that models are compared
on. Large: mean over participants, with a 95 % interval over images and participants; small: each participant in the
order of their names, over images. An onset lies five standard deviations of the baseline above it; models of MEG
have no baseline. An arrow says that there is none, in the measurement (no dot) or in so many resamples that the
interval has no end.""",
        reading="""\
A long line says that the data do not tell which of two maxima is the higher one, or when a slow rise begins.""",
        tables={"latency": "latency", "personal": "latency"},
    ),
    "external": Entry(
        section="Group",
        title="Alignment on external sets",
        caption="""\
Spearman correlation of each model's RDM with MEG RDMs at each time, averaged over participants, on image sets apart
from the study's own: new images, a few of which are shown above, seen by people whom no model was trained
on.{% if simulated %} Degraded images are blurred and monochrome.{% endif %} Shades: 95 % bootstrap intervals over
images and participants; grey band: noise ceiling of the same quantity; bars: p < 0.05 by permutation of the images,
corrected for the number of times.""",
        reading="""\
What a model has learnt holds for other people and other kinds of images where its line lies above that of CLIP.""",
        tables={"alignment": "alignment", "ceiling": "ceiling", "pictures": "pictures"},
        needs=("external sets",),
    ),
    "reweighting": Entry(
        section="Group",
        title="Weights of the vision blocks",
        caption="""\
Weight of each vision block at each time after picture onset: pre-optimised on training images, and as learnt by the
group model.""",
        reading="""\
Bright cells say which block of the vision tower speaks at which time.""",
        tables={"reweighting": "reweighting"},
    ),
    "saliency": Entry(
        section="Group",
        title="Saliency over time",
        caption="""\
What the group model's embedding of some test images hangs on at each time. Each image (left, as the model sees it)
was hidden behind random masks; a place is salient if the embedding turns when it is hidden (1 - cosine, mean over
masks). Shown is what lies above the mean over the image, in one colour scale. {{ unseen }}""",
        reading="""\
The redder a place, the more the model's response at that time hangs on it rather than on the rest of the image.""",
        tables={"saliency": "saliency", "pictures": "pictures"},
    ),
    "saliency_animation": Entry(
        section="Group",
        title="Saliency, animated",
        caption="""\
The same as the strips of saliency over time, a frame for each time after picture onset: test images above, below what
the group model's embedding of them hangs on.""",
        reading="""\
Watch which part of each image the model's response hangs on as time goes by.""",
        tables={"saliency": "saliency", "pictures": "pictures"},
        moving=True,
    ),
    "personal_saliency": Entry(
        section="Individuals",
        title="Saliency in personal models",
        caption="""\
What each personal model's embedding of one test image hangs on at each time, by the same random masks and in one
colour scale: the embedding turns (1 - cosine) when salient places are hidden; shown is what lies above the mean over
the image. That two models differ does not by itself say that two people do.""",
        reading="""\
Rows that differ show where, and when, one person's model hangs on other parts of the image than another's.""",
        tables={"saliency": "saliency", "pictures": "pictures"},
    ),
    "individuals": Entry(
        section="Individuals",
        title="Own models over time",
        caption="""\
Above: Spearman correlation of each participant's own model, and of the group model, with the participant's MEG at
each time, on {{ held_out }}. Shades: 95 % bootstrap intervals over images;{% if halves %} grey: the participant's
own noise ceiling, from the other half of the {{ parts }};{% endif %} bars: own model above zero at p < 0.05 by
permutation of the images, corrected for the number of times. Below: the mean gain of own models over the group model
(interval over images and participants), and the gain in area of each participant, q corrected for the number of
participants.""",
        reading="""\
What a personal model is worth to a person is the distance between the two lines, and where zero lies in the interval
of the gain.""",
        tables={
            "alignment": "alignment",
            "group": "alignment",
            "ceiling": "ceiling",
            "contrast": "contrast",
            "summary": "summary",
        },
    ),
    "identification": Entry(
        section="Individuals",
        title="Identification",
        caption="""\
Alignment of each personal model (rows) with the MEG of every participant (columns), on the {{ data }} that the
figure names, double-centred; own cells outlined.{% if halves %} Right: the same with the participant's RDMs from the
other half of the {{ parts }} in place of a model.{% else %} The models were trained on the same recordings, with
other images.{% endif %} It shows that a model is personal, not why: anatomy alone suffices.""",
        reading="""\
A dot inside an outline is a person whose own model (left) or own recordings (right) fit best.""",
        tables={"identification": "identification", "summary": "summary"},
    ),
    "generalisation": Entry(
        section="Group",
        title="Time generalisation",
        caption="""\
Correlation of the RDM at one time with that at another, on the images that the figure names. Left: of the group
model with itself. Middle: of {% if halves %}one half of each participant's {{ parts }} with the other half, mean
over participants; noise that lasts is in one half only, so that the diagonal is the reliability of each time and not
1.{% else %}each participant's MEG with itself, mean over participants; what lasts in it may be noise, too, and the
diagonal is 1.{% endif %} Right: of the model with the MEG that models are compared with; its diagonal is alignment
over time. Each map has a scale of its own. The likeness above is the correlation of the first two over pairs of
different times, freed of what closeness in time explains, with its 95 % interval over images and participants and
its noise ceiling.""",
        reading="""\
A bright square off the diagonal is a geometry that lasts or comes back, and the model should have it where MEG
does.""",
        tables={"generalisation": "generalisation", "summary": "summary"},
    ),
    "dimensions": Entry(
        section="Group",
        title="Dimensions over time",
        caption="""\
Part of each dimension in the group model's embedding of the images that the figure names at each time: of the mean
activation (left) and of the standard deviation over images (right), which is what tells images apart. Numbers are
ranks among the dimensions, 1 the largest; dimensions are ordered by the centre in time of their part in the spread,
the earliest at the top. Where recordings carry no information (see the decoding) the model is arbitrary. Intervals
over images, and personal models, are in the table.""",
        reading="""\
A row that is bright early and dark late is a dimension that the model uses early.""",
        tables={"courses": "dimension_course"},
    ),
    "layers": Entry(
        section="Group",
        title="Layers",
        caption="""\
Spearman correlation of the RDM of each vision block's class token (1 - cosine) with the participants' MEG RDMs at
each time, averaged over participants, on {{ held_out }}: of plain CLIP and of the tower under the group model.
Underlined: p < 0.05 by permutation of the images, corrected for the number of times. Dots and bars: peak of each
block with its 95 % interval over images and participants; in the titles the rank correlation of peaks with depth.""",
        reading="""\
If later blocks spoke for later moments the dots would climb to the right.""",
        tables={"alignment": "layer_alignment", "latency": "layer_latency", "summary": "summary"},
    ),
    "personal_reweighting": Entry(
        section="Individuals",
        title="Weights of the vision blocks, personal minus group",
        caption="""\
Weight of each vision block at each time in the group model, and by how much the weights of each personal model
differ from it, on one scale. Personal models start from the group model and are trained on a participant's own MEG
(training images{% if halves %}, training half of the {{ parts }}{% endif %}). Where recordings carry no information
(see the decoding) weights are arbitrary.""",
        reading="""\
Orange blocks speak more in the person's model than in the group's, purple ones less.""",
        tables={"reweighting": "reweighting"},
    ),
    "complexity": Entry(
        section="Controls",
        title="Complexity of pictures",
        caption="""\
Left: Spearman correlation of RDMs of visual complexity with the participants' MEG RDMs at each time, averaged over
participants, on {{ held_out }}: five measures (thin) and all of them together (thick, with its 95 % interval over
images and participants). Right: the group model as it is (dashed), and its partial correlation with all five
measures taken out of model and MEG; grey band: noise ceiling of the model as it is. Bars: p < 0.05 by permutation of
the images, corrected for the number of times.""",
        reading="""\
As far as the two lines on the right lie apart, the model knows no more than how complex pictures are.""",
        tables={"complexity": "alignment", "alignment": "alignment", "ceiling": "ceiling"},
    ),
    "second_order": Entry(
        section="Individuals",
        title="People compared with each other",
        caption="""\
RDMs of participants, from the recordings that models are compared with and from personal models{% if halves %},
beside those from the other half of the {{ parts }}{% endif %}. Above: 1 minus the mean correlation, after onset, of
two participants' RDMs of images. Below: what each participant has in common with all others taken out (noisy data
are far from everybody's), as percentiles, with the Spearman correlation to the first, its 95 % interval over images,
and p by permutation of the participants. With fewer than five participants nothing is compared.""",
        reading="""\
The more the lower patterns resemble each other, the more do people who differ in their models differ in brains.""",
        tables={"second_order": "second_order", "summary": "summary"},
    ),
    "differences": Entry(
        section="Individuals",
        title="Where people differ",
        caption="""\
Above: by how much own models fit better than those of others (identification margin) at each time; shade: 95 %
interval over images; bars: p < 0.05 by assignment of participants to models, corrected for the number of times.
Below left: how much of the margin is lost if a dimension is made the same in all models. Below right: how much the
weights of each block of the vision tower differ between people, and whether they do so as the recordings do that
models are compared with. Filled dots: q < 0.05, corrected for the number of dimensions or blocks.""",
        reading="""\
Weights that differ between people without agreeing with recordings say nothing of people.""",
        tables={"differences": "differences"},
    ),
    "data_efficiency": Entry(
        section="Individuals",
        title="How results grow with data",
        caption="""\
Personal models from fewer sessions (minutes of recording, mean over participants) and from fewer images: their gain
over the group model in area under own alignment, the margin of identification, the share of participants identified,
on test images and sessions. Last panel: agreement of the Behavior model with human judgements, from fewer images.
Bars: 95 % intervals over images, those of the gain over participants, too. Each amount is one training; all personal
models start from the study's group model, which has seen everything.""",
        reading="""\
A curve that still rises at its right end says that more data would make better models.""",
        tables={"efficiency": "data_efficiency"},
        target="data_efficiency",
        needs=("simulation",),
    ),
    "ablation": Entry(
        section="Controls",
        title="What each ingredient is worth",
        caption="""\
The study as it is configured minus the same study with one ingredient left out or exchanged, on test {{ data }};
values of the study itself in the titles. Metrics that a change does not reach are left out. Lines: 95 % intervals
over images, and of areas over participants; they do not vary the seed of training, for which the grey bands stand:
they reach as far as the study trained again with other seeds.""",
        reading="""\
An ingredient helps where its line lies right of zero and of the grey band.""",
        tables={"ablation": "ablation"},
        target="ablations",
    ),
    "held_out_participants": Entry(
        section="Controls",
        title="People never seen",
        caption="""\
Left: area under the alignment with each participant's test {{ data }}, of a group model that was trained without the
participant, of the study's own group model, of Behavior and of CLIP. Right: by how much the first exceeds the
others. Large dots: means, with 95 % intervals over images and participants; small dots: participants.""",
        reading="""\
The model holds for people in general if it stays above Behavior and CLIP without having seen the person.""",
        tables={"areas": "held_out_participants"},
        target="held_out_participants",
    ),
}
