"""Take the Behavior model of another study, or CLIP itself, for this study's."""

from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from cliphba import progress, tables
from cliphba.clip.backbone import load_backbone
from cliphba.labels import THINGS_LABELS
from cliphba.models.adopted import adopt_model, check_unseen, clip_itself
from cliphba.models.checkpoint import build_model, read_checkpoint, save_checkpoint
from cliphba.sources import Behavior, CLIPBehavior

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
behavior = TypeAdapter(Behavior).validate_python(params.behavior)

folder = Path(inputs.backbone[0]).parent
backbone = load_backbone(folder, "cpu")
here = {"backbone": folder, "weights_sha256": backbone.weights_sha256, "images": params.images}
if isinstance(behavior, CLIPBehavior):
    checkpoint = clip_itself(behavior.prompts or THINGS_LABELS, **here)
else:
    (origin,) = map(Path, inputs.model)
    checkpoint = adopt_model(read_checkpoint(origin), origin, **here)
if inputs.trained_on:
    stimuli, elsewhere = (tables.read(path, "stimuli") for path in (inputs.stimuli, inputs.trained_on[0]))
    check_unseen(stimuli, elsewhere, Path(inputs.trained_on[0]))
# before anything is trained upon it: does it fit, and can this CLIP read all of the prompts?
build_model(checkpoint, backbone)
made_by = tables.provenance(
    settings={"kind": behavior.kind, "images": params.images},
    inputs={f"{Path(path).stem} of another study": Path(path) for path in inputs.model},
)
save_checkpoint(replace(checkpoint, metadata={**checkpoint.metadata, **made_by}), Path(snakemake.output[0]))
