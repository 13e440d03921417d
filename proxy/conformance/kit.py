"""Run every check on one adapter, without a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from . import answers, contract, endurance, failures, local, requests, rough
from .report import Report, Section
from .subject import Subject

_Step: TypeAlias = Callable[[Subject], Iterable[Section]]


def run(subject: Subject, progress: Callable[[int, int], None] | None = None) -> Report:
    """Check an adapter and return what was found; `progress` is told how many steps are done, of how many."""
    before = contract.state(subject.adapter)
    found: list[Section] = []
    steps = _LOCAL if subject.wire == "local" else _STEPS
    for done, step in enumerate(steps, 1):
        found += step(subject)
        if progress is not None:
            progress(done, len(steps))
    return Report(subject.adapter.name, subject.wire, (contract.section(subject, before), *found))


_LOCAL: tuple[_Step, ...] = (lambda subject: [local.section(subject)],)
_STEPS: tuple[_Step, ...] = (
    requests.sections,
    answers.sections,
    failures.sections,
    rough.sections,
    lambda subject: [endurance.section(subject)],
)
