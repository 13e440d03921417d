"""Run every check on one adapter, without a socket."""

from __future__ import annotations

from collections.abc import Iterator

from . import answers, contract, endurance, failures, local, requests, rough
from .report import Report, Section
from .subject import Subject


def run(subject: Subject) -> Report:
    """Check an adapter and return what was found."""
    before = contract.state(subject.adapter)
    found = list(_sections(subject))
    return Report(subject.adapter.name, subject.wire, (contract.section(subject, before), *found))


def _sections(subject: Subject) -> Iterator[Section]:
    if subject.wire == "local":
        yield local.section(subject)
        return
    yield from requests.sections(subject)
    yield from answers.sections(subject)
    yield from failures.sections(subject)
    yield from rough.sections(subject)
    yield endurance.section(subject)
