"""Download a file of the study, or an archive that is unpacked."""

import sys

from cliphba import progress
from cliphba.download.archive import ArchiveError
from cliphba.download.entries import obtain
from cliphba.download.transfer import DownloadError
from cliphba.sources import Download

progress.log_to(snakemake.log[0])
try:
    obtain(Download.model_validate(snakemake.params.entry))
except (DownloadError, ArchiveError) as error:
    # whoever sits at the terminal is told, too: the remedy lies outside the workflow
    sys.__stderr__.write(f"{error}\n")
    raise SystemExit(str(error)) from None
