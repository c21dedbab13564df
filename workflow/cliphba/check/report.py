"""What was found and what is wrong, as people read it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cliphba.check.findings import Chapter, Finding, Problem

WIDTH = 110
INDENT = "  "


@dataclass(frozen=True)
class Report:
    """All that a check has to say.

    Attributes
    ----------
    study
        Name of the study; empty if its settings do not tell.
    chapters
        What was found, by topic.
    table
        Lines that stand below them as they are.
    """

    study: str
    chapters: Sequence[Chapter]
    table: str = ""

    @property
    def problems(self) -> list[Problem]:
        """All of them, the fatal ones first."""
        found = [problem for chapter in self.chapters for problem in chapter.problems]
        return sorted(found, key=lambda problem: not problem.fatal)

    @property
    def fatal(self) -> bool:
        """Whether the study cannot be run."""
        return any(problem.fatal for problem in self.problems)

    def text(self) -> str:
        """Write it down."""
        told = [list(_findings(chapter)) for chapter in self.chapters]
        blocks = [f"study {self.study}" if self.study else "", *("\n".join(lines) for lines in told)]
        blocks += [self.table, "\n".join(_problems(self.problems)), _verdict(self.problems)]
        return "\n\n".join(block for block in blocks if block)


def _findings(chapter: Chapter) -> Iterator[str]:
    findings = [one for one in chapter.found if isinstance(one, Finding)]
    if not findings:
        return
    width = max(len(one.what) for one in findings)
    yield chapter.title
    for one in findings:
        label = f"{INDENT}{one.what:<{width}}{INDENT}"
        yield _wrapped(one.value, label)


def _problems(problems: Sequence[Problem]) -> Iterator[str]:
    for problem in problems:
        said = "; ".join(part for part in (problem.what, problem.remedy) if part)
        kind = "PROBLEM" if problem.fatal else "warning"
        yield _wrapped(f"{problem.where}: {said}", f"{kind}{INDENT}")


def _wrapped(text: str, label: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _verdict(problems: Sequence[Problem]) -> str:
    fatal = sum(problem.fatal for problem in problems)
    warnings = len(problems) - fatal
    counted = [_count(fatal, "problem"), _count(warnings, "warning")]
    if not fatal:
        return f"no problem, {counted[1]}: the study can be run" if warnings else "no problem: the study can be run"
    return f"{' and '.join(counted) if warnings else counted[0]}: the study cannot be run as it is"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
