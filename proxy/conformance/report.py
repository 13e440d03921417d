"""What the kit found: checks in sections, each check with what is wrong in words."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...plugins import UpstreamError


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. It passed if there are no problems."""

    name: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """Checks of one kind."""

    name: str
    checks: tuple[Check, ...]

    @property
    def total(self) -> int:
        """How many checks there were."""
        return len(self.checks)

    @property
    def passed(self) -> int:
        """How many of them found nothing wrong."""
        return sum(not check.problems for check in self.checks)

    @property
    def failures(self) -> tuple[str, ...]:
        """What is wrong, each problem once, with the first check that found it."""
        found: dict[str, str] = {}
        for check in self.checks:
            for problem in check.problems:
                found.setdefault(problem, check.name)
        return tuple(f"{name}: {problem}" for problem, name in found.items())


@dataclass(frozen=True, slots=True)
class Report:
    """Everything about one adapter. `wire` says what traffic it was given."""

    adapter: str
    wire: str
    sections: tuple[Section, ...]

    @property
    def passed(self) -> int:
        """How many checks found nothing wrong."""
        return sum(section.passed for section in self.sections)

    @property
    def total(self) -> int:
        """How many checks there were."""
        return sum(section.total for section in self.sections)


def check(name: str, problems: Callable[[], Iterable[str]]) -> Check:
    """Run one check. Whatever the adapter raises is a problem like any other."""
    found: list[str] = []
    try:
        found.extend(problems())
    except Exception as exc:  # the border to foreign code
        found.append(raised(exc))
    return Check(name, tuple(found))


def raised(exc: Exception) -> str:
    """Say in words what was raised and where."""
    if isinstance(exc, UpstreamError):
        return f"raised UpstreamError {exc.kind.name}: {exc.message!r}"
    at = traceback.extract_tb(exc.__traceback__)[-1]
    return f"raised {type(exc).__name__}: {exc} ({at.filename.rpartition('/')[2]} line {at.lineno})"
