"""The command line, for people who have a model or a table but no workflow.

Each command is a file: what it takes, and what it does. Nothing imports torch before a command needs it.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from cliphba.cli import check, compare, embed, export, markdown, provenance
from cliphba.cli.common import Said

COMMANDS = (embed, compare, export, provenance, markdown, check)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments
        Without the program's name; those of the process by default.

    Returns
    -------
    int
        Exit code: 0; 1 if what was looked at is not as it should be; 2 after an error, which is told in one message
        without a traceback.
    """
    given = _parser().parse_args(arguments)
    # how far a long job is: a line now and then where there is no terminal for a bar
    logging.basicConfig(format="%(message)s")
    logging.getLogger("cliphba").setLevel(logging.INFO)
    try:
        said = given.run(given)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"cliphba: {error}\n")
        return 2
    text, failed = said if isinstance(said, Said) else (said, False)
    sys.stdout.write(f"{text}\n")
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cliphba", description="Use models and tables of the workflow without it.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return parser
