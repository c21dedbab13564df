"""What the metadata of a table say of its data, in words for titles and axes."""

from __future__ import annotations

import pandas as pd


def seen(table: pd.DataFrame) -> str:
    """Say whether models are compared with held-out images and sessions or, as published, with those of training."""
    return "held-out" if table.attrs["settings"]["evaluated_on"] == "held_out" else "training"


def images(table: pd.DataFrame) -> str:
    """Say how many images models are compared on, and of which kind."""
    return f"{table.attrs['images']} {seen(table)} images"
