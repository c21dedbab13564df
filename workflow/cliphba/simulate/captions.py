"""What people say of a picture of the demo study: short captions in the words of the 66 labels."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from cliphba.simulate.factors import PROMPTS

PRESENT = 0.3  # a factor weaker than this is not noticed
OMITTED = 0.03  # share of what is noticed that a person leaves unsaid who was asked to name everything
# Share of what is said in all the words of the label: with more, long captions are cut and a sixth goes unsaid.
WHOLE_LABEL = 0.35
LONGEST = 16  # words and punctuation marks: about 20 tokens of CLIP's byte-pair encoding

PHRASES: tuple[tuple[str, str], ...] = (
    ("{}", ", "),
    ("{}", " "),
    ("a {} thing", " "),
    ("something {}", " and "),
)


def describe_picture(factors: pd.Series | Mapping[str, float], *, generator: np.random.Generator) -> str:
    """Describe a picture as one person might.

    Each factor that is clearly present is named by its whole label or by one word of it, or left out.
    Order and phrasing vary; at least one factor is always named.

    Parameters
    ----------
    factors : pandas.Series or mapping of str to float
        Value in [0, 1] of each of ``FACTORS``.
    generator : numpy.random.Generator
        Source of all choices; it is advanced.

    Returns
    -------
    str
        Caption of at most about 20 tokens of CLIP's byte-pair encoding.

    Raises
    ------
    ValueError
        If no nameable factor is present.
    """
    present = [name for name in PROMPTS if factors[name] >= PRESENT]
    if not present:
        raise ValueError("factors: nothing nameable to describe; give at least one of NAMEABLE a value")
    said = [name for name in generator.permutation(present) if generator.uniform() >= OMITTED]
    words = [_word_label(PROMPTS[name], generator=generator) for name in said or present[:1]]
    phrase, joint = PHRASES[generator.integers(len(PHRASES))]
    while len(words) > 1 and _length(phrase.format(joint.join(words))) > LONGEST:
        words.pop()
    return phrase.format(joint.join(words))


def _word_label(prompt: str, *, generator: np.random.Generator) -> str:
    """Say a label: all of it, or one of its alternatives."""
    if generator.uniform() < WHOLE_LABEL:
        return prompt
    return str(generator.choice(prompt.split("; ")))


def _length(caption: str) -> int:
    """Count the words and punctuation marks of a caption."""
    return len(re.findall(r"\w+|[^\w\s]", caption))
