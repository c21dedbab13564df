"""The model card: what a model is, what it was made from, how it scores, what that does not show, who may use it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
import yaml

from cliphba import readable
from cliphba.sharing.facts import Facts, Role, losses_by_stage
from cliphba.sharing.parts import Part
from cliphba.sharing.usage import blocks

TITLES: dict[Role, str] = {
    "behavior": "CLIP aligned with human similarity judgements",
    "group": "CLIP aligned with the brain responses of a group of people, over time",
    "personal": "CLIP aligned with the brain responses of one person, over time",
}
WHAT: dict[Role, str] = {
    "behavior": "It gives a picture an embedding on named dimensions, fine-tuned so that it is that of human "
    "judgements of similarity (the Behavior model).",
    "group": "It gives a picture an embedding on named dimensions at every time after its onset, fine-tuned so that "
    "dissimilarities of pictures follow those of the mean MEG or EEG recordings of a group (the group model).",
    "personal": "It gives a picture an embedding on named dimensions at every time after its onset, fine-tuned so "
    "that dissimilarities of pictures follow those of one person's MEG or EEG recordings (a personal model).",
}
UNTRAINED = "It gives a picture the embedding on named dimensions that CLIP itself gives it; nothing was fine-tuned."
DESCRIBED: dict[Part, tuple[str, str]] = {
    "merged": ("merged/", "all weights, adapters folded in, in open_clip's local format"),
    "peft": ("peft/", "the adapters alone, a folder each, in the order in which they belong on the backbone"),
    "head": ("dimensions.json", "names and prompts of the dimensions, which open_clip has no place for"),
    "checkpoint": ("checkpoint.safetensors", "all that was trained, for cliphba"),
    "backbone": ("backbone/", "the CLIP that everything was trained on, in open_clip's local format"),
    "rdms": ("rdms.h5", "RDMs of some images, in the format of rsatoolbox"),
}
HEAD = ("head.safetensors", "how much each vision block counts at each time, and how strong the response is")
STAGES: dict[Role, Sequence[str]] = {
    "behavior": ("adapters",),
    "group": ("block weights", "adapters"),
    "personal": ("block weights", "adapters"),
}
SPLITS = {"train": "trained on", "validation": "that decided when training stopped", "test": "held out"}
NOT_RECORDED = "not recorded: ask the study's owner"
#: What Hugging Face knows terms of data and weights by.
KNOWN_LICENCES = {
    *("mit", "apache-2.0", "cc0-1.0", "pddl", "odbl", "odc-by", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0"),
    *("cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0"),
    *("cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
}
LIMITS = {
    "all": "- It knows pictures like those that it was trained on. How well it holds for others is not said here.",
    "dynamic": "- Amplitudes of the embedding follow curves that were measured on training data; only its "
    "dissimilarities were fitted.",
    "personal": "- Identification shows that a model is personal: that it fits its own person's other recordings, of "
    "pictures it never saw, better than those of other people. It does not show that two people perceive "
    "differently: another anatomy alone is enough to tell people apart. Nothing about the person may be concluded "
    "from it.\n"
    "- It is made from one person's recordings, which it may betray: give it away only as far as that person agreed.",
    "noise": "- Trained by the published protocol, it adds noise to every embedding when cliphba uses it; the code "
    "above does not.",
    "images": "- It expects images made ready as for the published model: `merged/` says how, the backbone does not.",
    "simulated": "- The study is simulated: scores say that the software finds what was put in, and nothing about "
    "people.",
    "intervals": "- Intervals and p say nothing about another seed of training.",
}


def write(facts: Facts, parts: Collection[Part]) -> str:
    """Write the card of a model, in Markdown, with the metadata that Hugging Face reads before it.

    Parameters
    ----------
    facts
        What is known of the model.
    parts
        What is in its folder.
    """
    sections = {
        "What is here": _contents(facts, parts),
        "How to use it": "\n\n".join(f"{told}\n\n```python\n{code}\n```" for told, code in blocks(facts, parts)),
        "What it was made from": _data(facts),
        "How it was trained": _training(facts),
        "Scores": _scores(facts),
        "What this does not show": _limits(facts),
        "Licences": _licences(facts),
        "Versions": _versions(facts),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items() if text)
    return f"---\n{_metadata(facts)}---\n\n# {_title(facts)}\n\n{_introduction(facts)}\n\n{body}\n"


def _title(facts: Facts) -> str:
    whose = [facts.name] if facts.role == "personal" else []
    study = [f"study {facts.study}"] if facts.study else []
    title = TITLES[facts.role] if facts.checkpoint.adapters else "CLIP read by named dimensions"
    return ": ".join([title, ", ".join([*whose, *study])]).removesuffix(": ")


def _introduction(facts: Facts) -> str:
    size = f"{len(facts.checkpoint.dimensions)} dimensions"
    if dynamic := facts.checkpoint.dynamic:
        times = dynamic.curves.times_ms.tolist()
        size += f", {len(times)} times from {times[0]:g} to {times[-1]:g} ms after the onset of the picture"
    what = WHAT[facts.role] if facts.checkpoint.adapters else UNTRAINED
    return f"{what} {size[0].upper()}{size[1:]}. Made by cliphba after CLIP-HBA (arXiv 2502.04658)."


def _metadata(facts: Facts) -> str:
    """Give what Hugging Face reads of a card."""
    given = "-".join(facts.licence.lower().split()) if facts.licence else ""
    given = {"cc0": "cc0-1.0"}.get(given, given)
    known = given in KNOWN_LICENCES
    named = {} if known or not given else {"license_name": "terms-of-the-study"}
    tags = ["cliphba", "clip", "human-alignment", "representational-similarity-analysis"]
    metadata: dict[str, Any] = {
        "library_name": "open_clip",
        "license": given if known else "other" if given else "unknown",
        **named,
        "pipeline_tag": "image-feature-extraction",
        "tags": [*tags, *([] if facts.role == "behavior" else ["meg", "neuroscience"])],
    }
    return str(yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True))


def _contents(facts: Facts, parts: Collection[Part]) -> str:
    rows = [named for part, named in DESCRIBED.items() if part in parts]
    if "head" in parts and facts.checkpoint.dynamic:
        rows.append(HEAD)
    return readable.to_markdown(pd.DataFrame(rows, columns=["file", "what"]))


def _data(facts: Facts) -> str:
    metadata = facts.checkpoint.metadata
    rows = [f"- Study: {facts.study or 'not recorded'}{', simulated' if facts.simulated else ''}."]
    if participants := metadata.get("participants"):
        count = "1 person" if len(participants) == 1 else f"{len(participants)} people"
        # labels that could be names stay out
        named = f" ({', '.join(participants)})" if facts.anonymous else ""
        rows.append(f"- Recordings of {count}{named}.")
    images = facts.images or {}
    counts = [f"{images[split]} {told}" for split, told in SPLITS.items() if images.get(split)]
    rows.append(f"- Images: {', '.join(counts) or 'their number is not recorded here'}.")
    return "\n".join([*rows, _backbone(facts)])


def _backbone(facts: Facts) -> str:
    sha256 = facts.checkpoint.backbone_sha256
    if facts.source:
        return (
            f"- Backbone: {facts.source['architecture']}, weights {facts.source['weights']} (SHA-256 of what was "
            f"read: {facts.source['sha256']}; of the backbone's folder: {sha256})."
        )
    origin = "a small CLIP that the study trained" if facts.simulated else "a CLIP whose origin is not recorded"
    return f"- Backbone: {origin} (SHA-256 {sha256})."


def _training(facts: Facts) -> str:
    adapters = [
        f"- {_adapter(number, one.plan.to_json())}" for number, one in enumerate(facts.checkpoint.adapters, 1)
    ]
    settings = facts.checkpoint.metadata.get("settings", {})
    told = ["Adapters, in the order of their training; the last one is this model's own:", "\n".join(adapters)]
    if facts.losses is not None:
        table = losses_by_stage(facts.losses, STAGES[facts.role])
        told += ["Validation losses (the best epoch was kept):", readable.to_markdown(table.map(_number))]
    told += ["Settings of its last stage:", f"```yaml\n{yaml.safe_dump(settings, sort_keys=True)}```"]
    return "\n\n".join(told)


def _adapter(number: int, plan: Mapping[str, Any]) -> str:
    blocks = [
        f"{tower} blocks {', '.join(str(index + 1) for index in indices)}"
        for tower in ("vision", "text")
        if (indices := plan["blocks"].get(tower))
    ]
    return f"{number}: {plan['method']} of rank {plan['rank']}, alpha {plan['alpha']}, on {' and '.join(blocks)}"


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _scores(facts: Facts) -> str:
    if facts.scores is None:
        return "None that are known to be about this model came with it."
    frame = facts.scores.copy()
    frame.attrs["kind"] = "summary"
    return (
        f"{readable.markdown(frame, rows='each')}\n\nIndependent of training: whether the images, the data "
        "(recordings or judgements) and the people that a number is about had no part in fitting or choosing the "
        "model. Models are compared by their dissimilarities of pictures."
    )


def _limits(facts: Facts) -> str:
    dynamic = facts.checkpoint.dynamic
    wanted = {
        "all": True,
        "dynamic": dynamic is not None,
        "personal": facts.role == "personal",
        "noise": dynamic is not None and dynamic.evaluation_noise is not None,
        "images": facts.checkpoint.images == "published",
        "simulated": facts.simulated,
        "intervals": facts.scores is not None,
    }
    return "\n".join(LIMITS[name] for name, holds in wanted.items() if holds)


def _licences(facts: Facts) -> str:
    if facts.source.get("weights") == "openai":
        backbone = "OpenAI CLIP, MIT licence"
    elif facts.source:
        backbone = f"{NOT_RECORDED}, or whoever published {facts.source['weights']}"
    else:
        backbone = "trained by the study, on simulated pictures" if facts.simulated else NOT_RECORDED
    data = facts.licence or ("simulated, nobody's" if facts.simulated else NOT_RECORDED)
    return "\n".join(
        [
            f"- Backbone: {backbone}.",
            f"- Images, recordings and judgements of the study: {data}.",
            "- The software that made it, cliphba: MIT licence.",
        ]
    )


def _versions(facts: Facts) -> str:
    versions = facts.checkpoint.metadata.get("versions", {})
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "not recorded"
