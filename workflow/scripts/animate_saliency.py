"""Animate the saliency of a few test images to the group model, as GIF."""

from cliphba import progress, tables
from cliphba.figures import saliency_animation
from cliphba.figures.save import save_animation

progress.log_to(snakemake.log[0])
shown = {kind: tables.read(snakemake.input[kind], kind) for kind in ("saliency", "pictures")}
save_animation(saliency_animation.draw(**shown, note=snakemake.params.note), snakemake.output[0])
