"""What the metadata of a table say of its data, in words for titles and axes."""

from __future__ import annotations

import pandas as pd


def seen(table: pd.DataFrame) -> str:
    """Say whether models are compared with held-out images and sessions or, as published, with those of training."""
    return "held-out" if table.attrs["settings"]["evaluated_on"] == "held_out" else "training"


def meg(table: pd.DataFrame) -> str:
    """Name the recordings that models are compared with; where there are no halves, none are held out or not."""
    return f"{seen(table)} MEG" if parts(table) else "MEG"


def parts(table: pd.DataFrame) -> str | None:
    """Say what the halves of the data are made of: sessions, if the table says nothing; None: there are none."""
    found: str | None = table.attrs["settings"].get("halves_of", "sessions")
    return found


def images(table: pd.DataFrame) -> str:
    """Say how many images models are compared on, and of which kind."""
    return f"{table.attrs['images']} {seen(table)} images"
