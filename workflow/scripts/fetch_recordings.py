"""Download recordings from OpenNeuro, and write down which files at which version."""

import sys
from pathlib import Path

from cliphba import progress
from cliphba.download.entries import fetch_recordings
from cliphba.download.transfer import DownloadError
from cliphba.sources import OpenNeuro

progress.log_to(snakemake.log[0])
try:
    fetch_recordings(
        OpenNeuro.model_validate(snakemake.params.openneuro), snakemake.params.files, Path(snakemake.output[0])
    )
except DownloadError as error:
    # whoever sits at the terminal is told, too: the remedy lies outside the workflow
    sys.__stderr__.write(f"{error}\n")
    raise SystemExit(str(error)) from None
