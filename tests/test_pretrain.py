"""A small CLIP learns which caption belongs to which picture."""

import math
from types import SimpleNamespace
from typing import Any

import open_clip
import pytest
import torch

from cliphba.clip.pretrain import pretrain_clip, retrieval_accuracy

COLOURS = {"red": (1.0, -1.0, -1.0), "green": (-1.0, 1.0, -1.0), "blue": (-1.0, -1.0, 1.0), "white": (1.0, 1.0, 1.0)}
ARCHITECTURE: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {
        "image_size": 16,
        "patch_size": 8,
        "width": 32,
        "layers": 2,
        "head_width": 16,
        "block_type": "custom",
    },
    "text_cfg": {
        "context_length": 8,
        "vocab_size": 49408,
        "width": 16,
        "heads": 2,
        "layers": 1,
        "block_type": "custom",
    },
}


def coloured_pictures(count: int, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    which = torch.arange(count) % len(COLOURS)
    images = torch.tensor(list(COLOURS.values()))[which, :, None, None].expand(-1, -1, 16, 16)
    tokens = open_clip.SimpleTokenizer(context_length=8)(list(COLOURS))[which]
    return images + 0.3 * torch.randn(images.shape, generator=generator), tokens


def train(**changes: Any) -> open_clip.CLIP:
    images, tokens = coloured_pictures(64, seed=0)
    arguments: dict[str, Any] = {
        "images": images,
        "tokens": tokens,
        "architecture": ARCHITECTURE,
        "epochs": 10,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "seed": 0,
        "threads": 1,
    }
    return pretrain_clip(**(arguments | changes))


def test_unseen_pictures_find_their_captions() -> None:
    images, tokens = coloured_pictures(40, seed=1)
    model = train()
    assert not model.training
    assert retrieval_accuracy(model, images, tokens) == 1.0
    assert model.logit_scale.item() == pytest.approx(math.log(100))


def test_shuffled_captions_teach_nothing() -> None:
    images, tokens = coloured_pictures(256, seed=0)
    shuffled = tokens[torch.randperm(len(tokens), generator=torch.Generator().manual_seed(0))]
    model = train(images=images, tokens=shuffled, epochs=3)
    assert retrieval_accuracy(model, *coloured_pictures(40, seed=1)) <= 0.5


def test_same_seed_same_weights() -> None:
    model, again, other = train(epochs=1), train(epochs=1), train(epochs=1, seed=1)
    weights, same, different = (clip.visual.proj for clip in (model, again, other))
    assert torch.equal(weights, same)
    assert not torch.equal(weights, different)


def test_an_equal_caption_counts_as_the_own_one() -> None:
    oracle = SimpleNamespace(
        encode_image=lambda images, **_: images,
        encode_text=lambda tokens, **_: torch.eye(3)[tokens[:, 0]],
    )
    tokens = torch.tensor([[0], [0], [1], [2]])
    assert retrieval_accuracy(oracle, torch.eye(3)[[0, 0, 1, 2]], tokens) == 1.0
    assert retrieval_accuracy(oracle, torch.eye(3)[[0, 0, 1, 1]], tokens) == 0.75


def test_bad_input_is_named() -> None:
    images, tokens = coloured_pictures(8, seed=0)
    with pytest.raises(ValueError, match="tokens"):
        train(images=images, tokens=tokens[:4])
    with pytest.raises(ValueError, match="batch_size"):
        train(images=images, tokens=tokens, batch_size=16)
