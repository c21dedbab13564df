"""Several participants trained at once."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from cliphba.train.dynamic import Setup


def of_members(setup: Setup, rdms: Sequence[Tensor]) -> Setup:
    """Give the same with other RDMs of training and validation images, each (members, times, pairs)."""
    training, validation = (
        replace(part, rdms=values) for part, values in zip((setup.training, setup.validation), rdms, strict=True)
    )
    return replace(setup, training=training, validation=validation)
