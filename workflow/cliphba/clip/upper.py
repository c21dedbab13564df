"""The upper part of a CLIP tower: all of it that adapters in its last blocks can change.

What enters the first adapted block is the same throughout a training: it is computed once and kept. Of the last block
only one token is read, the class token of an image or the end token of a text; the others matter there as keys and
values alone. Adapters sit on output projections, so that if no other block is adapted, attention is over before them,
and what is kept shrinks to the tokens that are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import open_clip
import torch
from open_clip.transformer import text_global_pool
from torch import Tensor, nn

from cliphba.clip.economy import exact_convolutions

# What is on its way through a tower: the place of the token that is read, of every item (items,); the tokens (items,
# tokens, width); and, within a block, what its attention hands to its output projection, shaped like the tokens.
Stream = tuple[Tensor, ...]


@dataclass(frozen=True)
class Tower:
    """What the two towers of a CLIP have in common.

    Attributes
    ----------
    embed
        From images or tokenised texts to the stream that enters the first block.
    blocks
        open_clip's custom residual attention blocks, adapted or not.
    mask
        Added to the attention scores (tokens, tokens), or none.
    project
        From read tokens (items, width) to features (items, shared dimensions).

    Raises
    ------
    ValueError
        If a block's attention is not that of CLIP.
    """

    embed: Callable[[Tensor], Stream]
    blocks: Sequence[Any]
    mask: Tensor | None
    project: Callable[[Tensor], Tensor]

    def __post_init__(self) -> None:
        if any(block.attn.logit_scale is not None or block.attn.head_scale is not None for block in self.blocks):
            raise ValueError(
                "vision_cfg, text_cfg: Behavior trains CLIP's own attention; take a backbone without "
                "scaled_cosine_attn and scale_heads"
            )

    @property
    def last(self) -> int:
        """Index of the last block."""
        return len(self.blocks) - 1

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = next(self.blocks[0].parameters()).device
        return device

    def attend(self, index: int, stream: Stream) -> Stream:
        """Run a block up to its output projection; the last one for the tokens that are read."""
        place, tokens = stream
        block, mask = self.blocks[index], self.mask
        seen = asking = block.ln_1(tokens)
        if index == self.last:
            tokens, asking = _read(tokens, place), _read(seen, place)
            mask = None if mask is None else mask[place][:, None, None]
        return place, tokens, _attended(block.attn, asking, seen, mask)

    def finish(self, index: int, stream: Stream) -> Stream:
        """Run a block from its output projection on."""
        place, tokens, attended = stream
        block = self.blocks[index]
        tokens = tokens + block.ls_1(block.ln_attn(block.attn.out_proj(attended)))
        return place, tokens + block.ls_2(block.mlp(block.ln_2(tokens)))


def vision_tower(clip: open_clip.CLIP) -> Tower:
    """Give the vision tower of a CLIP; its inputs are images (images, 3, height, width)."""
    visual = clip.visual

    def embed(images: Tensor) -> Stream:
        with exact_convolutions():
            tokens = visual._embeds(images)
        return torch.zeros(len(images), dtype=torch.long, device=images.device), tokens

    return Tower(embed, visual.transformer.resblocks, None, lambda read: visual.ln_post(read) @ visual.proj)


def text_tower(clip: open_clip.CLIP) -> Tower:
    """Give the text tower of a CLIP; its inputs are tokenised texts (texts, context length).

    Raises
    ------
    ValueError
        If the tower gives anything but the projection of one token, or attends otherwise than CLIP.
    """
    if clip.text_pool_type == "none" or not isinstance(clip.text_projection, nn.Parameter):
        raise ValueError(
            "text_cfg: Behavior reads the projection of one token; take a backbone with pool_type = 'argmax', "
            "proj_type = 'linear' and no proj_bias"
        )

    def embed(texts: Tensor) -> Stream:
        places = torch.arange(texts.shape[1], device=texts.device).expand_as(texts)
        read = text_global_pool(places, texts, clip.text_pool_type, clip.text_eos_id)
        return read, clip.token_embedding(texts) + clip.positional_embedding

    blocks = clip.transformer.resblocks
    return Tower(embed, blocks, clip.attn_mask, lambda read: clip.ln_final(read) @ clip.text_projection)


@dataclass(frozen=True)
class UpperTower:
    """A tower from some block on.

    Attributes
    ----------
    tower
        With adapters in none of its blocks before `first`.
    first
        Index of the first adapted block; the number of blocks if none is adapted.
    """

    tower: Tower
    first: int

    @torch.no_grad()
    def enter(self, inputs: Tensor, batch: int) -> Stream:
        """Run the lower part on images or texts, some at once.

        Returns
        -------
        Stream
            On the CPU, whatever the device of the tower, for want of room there. A row of every part belongs to an
            input; `features` takes any rows.
        """
        device = self.tower.device
        return _gather((self._lower(part.to(device)) for part in inputs.split(batch)), len(inputs))

    def features(self, stream: Stream) -> Tensor:
        """Features of unit length (items, shared dimensions), on the device of the tower."""
        stream = tuple(part.to(self.tower.device) for part in stream)
        for index in range(self.first, len(self.tower.blocks)):
            attended = stream if self._attention_is_over else self.tower.attend(index, stream)
            stream = self.tower.finish(index, attended)
        _, tokens = stream
        return nn.functional.normalize(self.tower.project(tokens[:, 0]), dim=-1)

    @property
    def _attention_is_over(self) -> bool:
        return self.first == self.tower.last

    def _lower(self, inputs: Tensor) -> Stream:
        stream = self.tower.embed(inputs)
        for index in range(self.first):
            stream = self.tower.finish(index, self.tower.attend(index, stream))
        return self.tower.attend(self.first, stream) if self._attention_is_over else stream


def _attended(attention: Any, asking: Tensor, seen: Tensor, mask: Tensor | None) -> Tensor:
    """Let some tokens ask all tokens, up to the output projection; both are (items, tokens, width)."""
    weights = attention.in_proj_weight.chunk(3)
    biases = (None,) * 3 if attention.in_proj_bias is None else attention.in_proj_bias.chunk(3)
    query, key, value = (
        nn.functional.linear(tokens, weight, bias).unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
        for tokens, weight, bias in zip((asking, seen, seen), weights, biases, strict=True)
    )
    heads = nn.functional.scaled_dot_product_attention(
        attention.ln_q(query), attention.ln_k(key), value, attn_mask=mask
    )
    attended: Tensor = attention.ln_inner(heads.transpose(1, 2).flatten(2))
    return attended


def _read(tokens: Tensor, place: Tensor) -> Tensor:
    """Take one token of every item: (items, tokens, width) to (items, 1, width)."""
    return tokens[torch.arange(len(tokens), device=tokens.device), place][:, None]


def _gather(parts: Iterator[Stream], items: int) -> Stream:
    """Join the streams of batches on the CPU without ever holding them twice."""
    joined: Stream = ()
    done = 0
    for part in parts:
        joined = joined or tuple(torch.empty((items, *tensor.shape[1:]), dtype=tensor.dtype) for tensor in part)
        for whole, tensor in zip(joined, part, strict=True):
            whole[done : done + len(tensor)] = tensor
        done += len(part[0])
    return joined
