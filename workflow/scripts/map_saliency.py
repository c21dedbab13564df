"""Map what the group's and every personal model's embedding of a few test images hangs on, over time."""

from pathlib import Path

import pandas as pd
import torch

from cliphba import progress, tables
from cliphba.clip.backbone import load_backbone
from cliphba.clip.images import as_png, prepare_images
from cliphba.evaluate import saliency
from cliphba.models.checkpoint import build_model, read_checkpoint

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
torch.set_num_threads(params.compute["threads"])

backbone = prepare_images(load_backbone(Path(inputs.backbone[0]).parent, params.compute["device"]), params.images)
stimuli = tables.read(inputs.stimuli, "stimuli")
chosen = saliency.choose(tables.recorded(stimuli, "test"), params.saliency["images"])
images = backbone.read_images(list(stimuli.set_index("stimulus").loc[chosen, "path"]))
shown = dict(zip(chosen, images.cpu().numpy(), strict=True))
masks = saliency.draw_masks(params.saliency["masks"], cells=params.saliency["cells"], seed=params.seed)

maps = []
for path in progress.track([Path(path) for path in inputs.models], "saliency", unit="model"):
    model = build_model(read_checkpoint(path), backbone)
    maps.append(saliency.describe(path.stem, model.times_ms, model.respond, shown, masks))
made_by = tables.provenance(
    settings={"saliency": params.saliency, "compute": params.compute, "images": params.images, "seed": params.seed},
    inputs={Path(path).stem: Path(path) for path in [inputs.stimuli, *inputs.models]},
)
pictures = pd.DataFrame({"stimulus": chosen, "png": [as_png(backbone, image) for image in images]})
tables.write(pd.concat(maps), snakemake.output.saliency, "saliency", **made_by)
tables.write(pictures, snakemake.output.pictures, "pictures", **made_by)
