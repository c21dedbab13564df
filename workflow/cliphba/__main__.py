"""``python -m cliphba``: the command line."""

import sys

from cliphba.cli import main

sys.exit(main())
