"""The CLIP model under everything: loaded from a folder, read out at every block.

A backbone is a folder in open_clip's own local format: ``open_clip_config.json`` and
``open_clip_model.safetensors``. Whoever has open_clip can load it without this package.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save
from torch import Tensor

from cliphba import architectures
from cliphba.architectures import CONFIG_FILE, WEIGHTS_FILE
from cliphba.clip.economy import exact_convolutions
from cliphba.pictures import open_picture
from cliphba.tables import digest, write_atomically


def choose_device(device: str) -> torch.device:
    """Turn ``auto``, ``cpu`` or ``cuda`` into a device; ``auto`` is the GPU where there is one.

    Raises
    ------
    ValueError
        If the GPU is asked for where there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("compute.device: 'cuda', but torch finds no GPU here; set it to 'auto' or 'cpu'")
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


@dataclass(frozen=True)
class Backbone:
    """A CLIP with its image transform and its tokenizer.

    Attributes
    ----------
    clip
        The open_clip model.
    transform
        From a PIL image to the tensor the model wants: the backbone's own resize, crop and normalisation.
    tokenize
        From texts to tokens (texts, context length).
    weights_sha256
        Hash of the weights file.
    """

    clip: open_clip.CLIP
    transform: Any
    tokenize: Any
    weights_sha256: str

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = next(self.clip.parameters()).device
        return device

    @property
    def vision_blocks(self) -> int:
        """Number of blocks of the vision tower."""
        return len(self.clip.visual.transformer.resblocks)

    @property
    def text_blocks(self) -> int:
        """Number of blocks of the text tower."""
        return len(self.clip.transformer.resblocks)

    @property
    def scale(self) -> Tensor:
        """The learnt factor exp(s) between cosine similarity and logit, frozen."""
        scale: Tensor = self.clip.logit_scale.exp().detach()
        return scale

    def with_clip(self, clip: open_clip.CLIP) -> Backbone:
        """Give the same backbone around other (adapted, merged) weights."""
        return Backbone(clip, self.transform, self.tokenize, self.weights_sha256)

    def copy(self) -> Backbone:
        """Give an independent copy whose weights may be changed."""
        return self.with_clip(copy.deepcopy(self.clip))

    def image_features(self, images: Tensor) -> Tensor:
        """Normalised image features: (images, 3, height, width) to (images, shared dimensions)."""
        with exact_convolutions():
            features: Tensor = self.clip.encode_image(images, normalize=True)
        return features

    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """Normalised text features of whole prompts, verbatim: (prompts, shared dimensions).

        Raises
        ------
        ValueError
            If a prompt is longer than the text tower's context.
        """
        tokens = self.tokenize(list(prompts)).to(self.device)
        # the tokenizer cuts long texts silently and puts the end mark, its highest token, over a word
        context = tokens.shape[1]
        ends = self.tokenize(list(prompts), context_length=2 * context).argmax(dim=1)
        if int(ends.max()) >= context:
            prompt = prompts[int(ends.argmax())]
            raise ValueError(f"the prompt {prompt!r} has more than the {context} tokens this CLIP can read")
        features: Tensor = self.clip.encode_text(tokens, normalize=True)
        return features

    def block_features(self, images: Tensor) -> Tensor:
        """CLS token after every vision block, in CLIP's shared space, from one pass.

        No final layer norm and no normalisation to unit length (CLIP-HBA, arXiv 2502.04658, Methods).

        Parameters
        ----------
        images
            (images, 3, height, width).

        Returns
        -------
        Tensor
            (blocks, images, shared dimensions).
        """
        features: Tensor = self.class_tokens(images) @ self.clip.visual.proj
        return features

    def class_tokens(self, images: Tensor) -> Tensor:
        """CLS token after every vision block, unprojected: (blocks, images, width)."""
        with exact_convolutions():
            outputs = self.clip.visual.forward_intermediates(
                images, intermediates_only=True, output_fmt="NLC", output_extra_tokens=True
            )
        return torch.stack([token[:, 0] for token in outputs["image_intermediates_prefix"]])

    def read_images(self, paths: Sequence[Path]) -> Tensor:
        """Decode and transform image files: (images, 3, height, width), on the backbone's device.

        Raises
        ------
        ValueError
            If a file is missing or no image.
        """
        return torch.stack([self.transform(open_picture(Path(path))) for path in paths]).to(self.device)


def check_architecture(architecture: Mapping[str, Any], origin: str) -> None:
    """Refuse a CLIP without a class token after every block, or whose attention cannot be adapted.

    Parameters
    ----------
    architecture
        Model configuration in open_clip's terms.
    origin
        Where it comes from, for the message.

    Raises
    ------
    ValueError
        If one of the towers is not a plain transformer of open_clip's, or image features are not pooled as the
        normalised, projected class token.
    """
    misfit = architectures.misfit(architecture)
    if misfit:
        raise ValueError(
            f"{origin}: {misfit}; class tokens and adapters need both of open_clip's own transformers, so take a "
            "model such as ViT-B-32-quickgelu, ViT-B-16 or ViT-L-14"
        )
    if any(architecture.get(tower, {}).get("block_type") != "custom" for tower in ("vision_cfg", "text_cfg")):
        raise ValueError(
            f"{origin}: vision_cfg and text_cfg need block_type = 'custom'; without it torch's attention ignores "
            "adapters on its output projection silently"
        )


def load_backbone(folder: Path, device: str = "auto") -> Backbone:
    """Load a backbone from its folder, frozen, in evaluation mode.

    Parameters
    ----------
    folder
        In open_clip's local format.
    device
        ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    ValueError
        If the folder lacks a file or the architecture does not fit.
    """
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} has no {name}: run the rule that makes the backbone, or name its folder")
    check_architecture(json.loads((folder / CONFIG_FILE).read_text())["model_cfg"], str(folder / CONFIG_FILE))
    source = f"local-dir:{folder}"
    clip, _, transform = open_clip.create_model_and_transforms(source)
    clip = clip.eval().requires_grad_(False).to(choose_device(device))
    return Backbone(clip, transform, open_clip.get_tokenizer(source), digest(folder / WEIGHTS_FILE))


def save_backbone(
    clip: open_clip.CLIP,
    architecture: Mapping[str, Any],
    preprocessing: Mapping[str, Any],
    folder: Path,
    source: Mapping[str, str] | None = None,
) -> None:
    """Write a CLIP as a backbone folder in open_clip's local format.

    Parameters
    ----------
    clip
        The weights.
    architecture, preprocessing
        Model and image preprocessing in open_clip's terms.
    folder
        Where to; it is made.
    source
        Where the weights come from, kept beside the architecture; open_clip passes over it.

    Raises
    ------
    ValueError
        If the architecture does not fit.
    """
    check_architecture(architecture, "the architecture")
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in clip.state_dict().items()}
    write_atomically(folder / WEIGHTS_FILE, save(weights))
    described = {"model_cfg": architecture, "preprocess_cfg": preprocessing}
    if source is not None:
        described["source"] = source
    write_atomically(folder / CONFIG_FILE, json.dumps(described, indent=2, sort_keys=True).encode())
