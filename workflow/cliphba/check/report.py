"""What was found and what is wrong, as people read it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cliphba.check.findings import Chapter, Finding, Problem

WIDTH = 110
INDENT = "  "
# So many problems are written down that are alike but for these: paths, numbers.
ALIKE, DIFFERING = 3, re.compile(r"\S*/\S*|\d+")


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
        """Each of them once, the fatal ones first."""
        found = dict.fromkeys(problem for chapter in self.chapters for problem in chapter.problems)
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
    """Write down problems; of many that are alike the first ones."""
    alike: dict[object, list[Problem]] = {}
    for problem in problems:
        alike.setdefault(_kind(problem), []).append(problem)
    for group in alike.values():
        label = f"{'PROBLEM' if group[0].fatal else 'warning'}{INDENT}"
        for problem in group[:ALIKE]:
            said = "; ".join(part for part in (problem.what, problem.remedy) if part)
            yield _wrapped(f"{problem.where}: {said}", label)
        if len(group) > ALIKE:
            yield f"{' ' * len(label)}... and {len(group) - ALIKE} more like this"


def _kind(problem: Problem) -> object:
    """Say what a problem has in common with those that differ in numbers and paths only."""
    where, what = (DIFFERING.sub("", text) for text in (problem.where, problem.what))
    return where, what, problem.remedy, problem.fatal


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
