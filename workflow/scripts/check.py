"""Look at a study before anything is computed, and fail if it cannot be run."""

import sys
from pathlib import Path

from cliphba.check.plan import Machine
from cliphba.check.study import check

results = Path("results")
report = check(snakemake.params.study, results, Machine.here(results))
Path(snakemake.log[0]).write_text(f"{report.text()}\n")
sys.stdout.write(f"{report.text()}\n")
sys.exit(report.fatal)
