"""What a check has to say: things that were found, and problems, each with its remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

# How an error begins that names a setting.
SETTING = re.compile(r"((?:data|preprocessing|decoding|grid|backbone|evaluation_sets)(?:\.\w+)*): ")


@dataclass(frozen=True)
class Finding:
    """Something that was found and is as it should be.

    Attributes
    ----------
    what, value
        Such as ``pictures`` and ``118, 500 x 500``.
    """

    what: str
    value: str


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be.

    Attributes
    ----------
    where
        Setting or file.
    what
        What is wrong there.
    remedy
        What to do; empty if `what` says so.
    fatal
        Whether the study cannot be run, or some of it tells nothing, as opposed to what only has to be known.
    """

    where: str
    what: str
    remedy: str = ""
    fatal: bool = True


Found = Finding | Problem


@dataclass
class Chapter:
    """What was found about one thing.

    Attributes
    ----------
    title
        Its name.
    found
        In the order in which it was found.
    """

    title: str
    found: list[Found] = field(default_factory=list)

    def tell(self, what: str, value: str) -> None:
        """Add a finding."""
        self.found.append(Finding(what, value))

    def refuse(self, where: str, what: str, remedy: str) -> None:
        """Add a fatal problem."""
        self.found.append(Problem(where, what, remedy))

    def warn(self, where: str, what: str, remedy: str) -> None:
        """Add a problem that is not fatal."""
        self.found.append(Problem(where, what, remedy, fatal=False))

    @contextmanager
    def reporting(self, where: str) -> Iterator[None]:
        """Turn the error of a function of the library, which says what to do, into a fatal problem.

        Parameters
        ----------
        where
            Setting or file, if the error does not begin by naming a setting.
        """
        try:
            yield
        except (ValueError, OSError) as error:
            named = SETTING.match(str(error))
            self.found.append(Problem(named[1] if named else where, str(error)[named.end() if named else 0 :]))

    @property
    def problems(self) -> list[Problem]:
        """Those among what was found."""
        return [one for one in self.found if isinstance(one, Problem)]


def spread(values: Sequence[float]) -> str:
    """Say from where to where values reach, and their median."""
    ordered = sorted(values)
    low, median, high = ordered[0], ordered[len(ordered) // 2], ordered[-1]
    return f"{low:g}" if low == high else f"{low:g} to {high:g}, median {median:g}"
