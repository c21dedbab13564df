"""Parts of a model that is given away, by the names that they are asked for."""

from typing import Literal, get_args

Part = Literal["merged", "peft", "head", "checkpoint", "backbone", "rdms"]
PARTS: tuple[Part, ...] = get_args(Part)
