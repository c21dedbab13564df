"""Tables as people give them: read as text, whatever program wrote them, and checked for what they must have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

#: Ending to what separates columns; a Parquet table needs nothing.
SEPARATORS = {".tsv": "\t", ".csv": ","}
ENDINGS = (*SEPARATORS, ".parquet")
#: Cells that hold nothing; BIDS writes n/a. Others, such as null, may be names.
EMPTY = ("", "n/a")


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table that has some columns at least.

    Parameters
    ----------
    path
        File ending in .tsv, .csv or .parquet.
    columns
        Names of columns whose cells must all be filled.

    Returns
    -------
    DataFrame
        All columns, those asked for as text; of a text file all are text.

    Raises
    ------
    ValueError
        If the file is missing or not readable, or lacks a column or a cell.
    """
    frame = _read(path)
    for column in columns:
        if column not in frame:
            found = ", ".join(map(str, frame.columns)) or "none"
            raise ValueError(
                f"{path} has no column {column!r}, only {found}: rename one, or check what separates them"
            )
        if empty := int(frame[column].isna().sum()):
            raise ValueError(f"{path}: {empty} of {len(frame)} rows have nothing in the column {column!r}: fill them")
    return frame.astype(dict.fromkeys(columns, str))


def _read(path: Path) -> pd.DataFrame:
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(f"{path} is no table that can be read: write it as {', '.join(ENDINGS)}")
    if not path.is_file():
        raise ValueError(f"there is no file {path}: check its path in the study's file")
    try:
        if ending == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(
            path,
            sep=SEPARATORS[ending],
            dtype=str,
            keep_default_na=False,
            na_values=EMPTY,
            # spreadsheets begin their files with a byte order mark
            encoding="utf-8-sig",
        )
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        raise ValueError(f"{path} is no readable table ({error}): write it again, in UTF-8 if it is text") from error
