"""What every section of a study's settings is: its types, and how defaults are filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
Participant = Annotated[str, Field(pattern=r"^sub-[0-9A-Za-z]+$")]


class Section(BaseModel):
    """A group of settings; unknown keys are refused, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """Let what a nested section leaves out keep the default of its place, not that of its type."""
        if not isinstance(given, Mapping):
            return given
        sections = {
            name: field for name, field in cls.model_fields.items() if field.default_factory and name in given
        }
        defaults = {name: field.get_default(call_default_factory=True) for name, field in sections.items()}
        return overlay({name: default.model_dump() for name, default in defaults.items()}, given)


def overlay(default: Any, given: Any) -> Any:
    """Replace in a nested default what is given."""
    if not (isinstance(default, Mapping) and isinstance(given, Mapping)):
        return given
    return {**default, **{name: overlay(default.get(name), value) for name, value in given.items()}}
