"""Animate the saliency of a few test images to the group model, as GIF, and as a page that shows it."""

from cliphba import progress, tables
from cliphba.figures import saliency_animation
from cliphba.figures.save import save_animation, save_page

progress.log_to(snakemake.log[0])
shown = {kind: tables.read(snakemake.input[kind], kind) for kind in ("saliency", "pictures")}
save_animation(saliency_animation.draw(**shown, note=snakemake.params.note), snakemake.output.gif)
save_page(snakemake.output.gif, snakemake.output.page)
