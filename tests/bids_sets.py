"""Small BIDS data sets, written by mne-bids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mne
import numpy as np
import pandas as pd
from mne_bids import BIDSPath, write_raw_bids

HEADER = """Brain Vision Data Exchange Header File Version 1.0

[Common Infos]
Codepage=UTF-8
DataFile={name}.eeg
MarkerFile={name}.vmrk
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels={channels}
SamplingInterval={interval:g}

[Binary Infos]
BinaryFormat=IEEE_FLOAT_32

[Channel Infos]
{names}
"""
MARKERS = """Brain Vision Data Exchange Marker File, Version 1.0

[Common Infos]
Codepage=UTF-8
DataFile={name}.eeg

[Marker Infos]
Mk1=New Segment,,1,1,0,20200101000000000000
"""


def write(raw: mne.io.BaseRaw, events: pd.DataFrame, root: Path, **entities: Any) -> Path:
    """Write a recording with its events, all of their columns but the onset being further ones; give its path."""
    sample = np.round(events["onset"] * raw.info["sfreq"]).astype(int) + raw.first_samp
    written = write_raw_bids(
        raw,
        BIDSPath(root=root, subject="01", task="pictures", **entities),
        events=np.column_stack([sample, 0 * sample, 0 * sample + 1]),
        event_id={"picture": 1},
        event_metadata=events.drop(columns="onset"),
        extra_columns_descriptions={column: column for column in events if column != "onset"},
        allow_preload=not raw.filenames[0],
        format="FIF" if not raw.filenames[0] else "auto",
        overwrite=True,
        verbose="error",
    )
    return Path(written.fpath)


def as_brainvision(raw: mne.io.BaseRaw, folder: Path) -> mne.io.BaseRaw:
    """Write a recording of EEG in volts as BrainVision files, and read them."""
    names = "\n".join(f"Ch{number}={name},,1,µV" for number, name in enumerate(raw.ch_names, start=1))
    interval = 1e6 / raw.info["sfreq"]
    header = HEADER.format(name="original", channels=len(raw.ch_names), interval=interval, names=names)
    (folder / "original.vhdr").write_text(header)
    (folder / "original.vmrk").write_text(MARKERS.format(name="original"))
    (folder / "original.eeg").write_bytes((1e6 * raw.get_data()).T.astype("<f4").tobytes())
    return mne.io.read_raw_brainvision(folder / "original.vhdr", verbose="error")
