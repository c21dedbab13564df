"""Draw one figure from its tables, as SVG and PNG."""

import pandas as pd
from matplotlib.figure import Figure

from cliphba import progress, tables
from cliphba.figures import alignment, behavior, decoding, identification, reweighting, training
from cliphba.figures.save import save

progress.log_to(snakemake.log[0])
note = snakemake.params.note


def table(name: str, kind: str) -> pd.DataFrame:
    """Read one of the figure's tables."""
    return tables.read(snakemake.input[name], kind)


def draw_alignment() -> Figure:
    """Draw alignment over time; n is the number of images that models and brains were compared on."""
    stimuli, found = table("stimuli", "stimuli"), table("alignment", "alignment")
    held_out = found.attrs["settings"]["evaluated_on"] == "held_out"
    count = ((stimuli["image_set"] == "recorded") & (stimuli["split"] == ("test" if held_out else "train"))).sum()
    return alignment.draw(found, table("ceiling", "ceiling"), stimuli=int(count), held_out=held_out, note=note)


DRAW = {
    "behavior": lambda: behavior.draw(table("rdms", "behavior_rdm"), table("summary", "summary"), note=note),
    "alignment": draw_alignment,
    "reweighting": lambda: reweighting.draw(
        pd.concat([table(name, "reweighting") for name in ("initial", "group")]), note=note
    ),
    "identification": lambda: identification.draw(
        table("identification", "identification"), table("summary", "summary"), note=note
    ),
    "decoding": lambda: decoding.draw(table("decoding", "decoding"), note=note),
    "training": lambda: training.draw(
        {model: table(model, "training") for model, _ in snakemake.input.items()}, note=note
    ),
}
figure = DRAW[snakemake.wildcards.figure]()
save(figure, snakemake.output.svg)
save(figure, snakemake.output.png)
