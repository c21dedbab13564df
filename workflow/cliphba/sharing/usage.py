"""How to use an exported model: code for people who may have open_clip and peft, but not this package."""

from __future__ import annotations

from collections.abc import Collection

from cliphba.sharing.facts import Facts
from cliphba.sharing.parts import Part

FEATURES = """\
import open_clip
import torch
from PIL import Image

pictures = ["one.png", "two.png", "three.png"]  # any pictures
clip, prepare = open_clip.create_model_from_pretrained("local-dir:merged")
clip.eval()
images = torch.stack([prepare(Image.open(picture).convert("RGB")) for picture in pictures])
with torch.no_grad():
    features = clip.encode_image(images, normalize=True)  # pictures x features"""

PROMPTS = """\
dimensions = json.loads(Path("dimensions.json").read_text())
tokenize = open_clip.get_tokenizer("local-dir:merged")
with torch.no_grad():
    prompts = clip.encode_text(tokenize([one["prompt"] for one in dimensions]), normalize=True)"""

STATIC_IMPORTS = """\
import json
from pathlib import Path"""

STATIC = """\
with torch.no_grad():
    embedding = (clip.logit_scale.exp() * features @ prompts.T)[None]  # 1 x pictures x dimensions"""

DYNAMIC_IMPORTS = f"""\
{STATIC_IMPORTS}

from safetensors.torch import load_file"""

DYNAMIC = """\
head = load_file("head.safetensors")  # times_ms; weights of the vision blocks, amplitude and gain at each time
with torch.no_grad():
    found = clip.visual.forward_intermediates(
        images, intermediates_only=True, output_fmt="NLC", output_extra_tokens=True
    )
    blocks = torch.stack([token[:, 0] for token in found["image_intermediates_prefix"]])  # class token of each block
    similarity = clip.logit_scale.exp() * blocks @ clip.visual.proj @ prompts.T
    mixed = torch.tensordot(head["weights"], similarity, dims=1)
    response = torch.relu(head["amplitude"][:, None, None] * mixed)
    embedding = torch.relu(head["gain"][:, None, None] * response)  # times x pictures x dimensions"""

RDMS = """\
rdms = torch.stack([1 - torch.corrcoef(one) for one in embedding])  # times x pictures x pictures"""

STORED_RDMS = """\
from rsatoolbox.rdm import load_rdm

stored = load_rdm("rdms.h5")
stored.dissimilarities  # times x pairs; stored.rdm_descriptors["time_ms"], stored.pattern_descriptors["stimulus"]"""

# Said where the backbone neither goes along nor can be had by name.
ELSEWHERE = " (`backbone` is the folder of the CLIP of the SHA-256 below, which is not in here)"


def blocks(facts: Facts, parts: Collection[Part]) -> list[tuple[str, str]]:
    """Give what the parts of an export are for, each with code that runs in its folder, in this order."""
    dynamic = facts.checkpoint.dynamic is not None
    told: list[tuple[str, str]] = []
    where = "" if "backbone" in parts or facts.fetched else ELSEWHERE
    if "merged" in parts:
        told.append(("Features, by stock [open_clip](https://github.com/mlfoundations/open_clip):", FEATURES))
    if {"merged", "head"} <= set(parts):
        head = (DYNAMIC_IMPORTS, PROMPTS, DYNAMIC) if dynamic else (STATIC_IMPORTS, PROMPTS, STATIC)
        embedding = "\n\n".join([*head, RDMS])
        told.append(("Embedding on the named dimensions, and RDMs (1 - Pearson):", embedding))
    if "checkpoint" in parts:
        told.append((f"By cliphba, which also does all the rest{where}:", _cliphba(facts, parts)))
    if "peft" in parts:
        told.append((f"The adapters, each on the model that the earlier ones make{where}:", _peft(facts, parts)))
    if "rdms" in parts:
        told.append(("RDMs of the images that came with the model, by rsatoolbox:", STORED_RDMS))
    return told


def _cliphba(facts: Facts, parts: Collection[Part]) -> str:
    fetch = ""
    if "backbone" not in parts and facts.fetched:
        architecture, weights = facts.source["architecture"], facts.source["weights"]
        fetch = f"""
from pathlib import Path

from cliphba.clip.imported import import_backbone

import_backbone("{architecture}", "{weights}", Path("backbone"))  # once, from the network"""
    return f"""\
import cliphba
{fetch}
model = cliphba.load("checkpoint.safetensors", backbone="backbone")
model.embed(["one.png", "two.png"]).values  # times x pictures x dimensions
model.rdms(["one.png", "two.png"]).to_tidy()  # time_ms, first, second, value"""


def _peft(facts: Facts, parts: Collection[Part]) -> str:
    numbers = ", ".join(f'"{number}"' for number, _ in enumerate(facts.checkpoint.adapters, start=1))
    source = '"local-dir:backbone"'
    if "backbone" not in parts and facts.fetched:
        source = f'"{facts.source["architecture"]}", pretrained="{facts.source["weights"]}"'
    return f"""\
import open_clip
from peft import PeftModel

adapted, prepare = open_clip.create_model_from_pretrained({source})
for number in [{numbers}]:
    adapted = PeftModel.from_pretrained(adapted, f"peft/{{number}}").merge_and_unload()
adapted.eval()"""
