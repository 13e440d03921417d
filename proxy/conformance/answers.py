"""Check what an adapter makes of answers that go well: whole and streamed, in every split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from . import traffic
from .cases import Case
from .compare import differences, usage_differences
from .compose import COMPOSED
from .outcome import payloads
from .replay import call_for
from .report import Check, Section, check
from .shape import stream_problems, whole_problems
from .splits import SPLITS, Split
from .subject import Subject

SEEDS = (1, 2, 3)
"""Seeds of the random splits: the same in every run, so that a failure stays one."""

_SPLIT_NAMES = {
    "whole": "in one piece",
    "events": "event by event",
    "bytes": "byte by byte",
    "random": "at random places",
}


def sections(subject: Subject) -> Iterator[Section]:
    """Yield the sections about good answers."""
    recorded = [case for case in subject.cases if is_good(case)]
    streamed = [case for case in recorded if case.form != "json"]
    plain = [*composed(subject, traffic.streams), *(case for case in streamed if not calls_tools(case))]
    called = [*composed(subject, traffic.tool_calls), *filter(calls_tools, streamed)]
    pieces = [*composed(subject, traffic.whole_answers), *(case for case in recorded if case.form == "json")]
    yield Section("whole answers", tuple(case_checks(subject, pieces, ("whole",))))
    for split in SPLITS:
        yield Section(f"streams {_SPLIT_NAMES[split]}", tuple(case_checks(subject, plain, (split,))))
    yield Section("tool calls", tuple(case_checks(subject, called)))
    usages = [*composed(subject, traffic.usages), *recorded]
    yield Section("usage", tuple(_usage_checks(subject, usages)))
    finishes = [*composed(subject, traffic.finishes), *recorded]
    yield Section("finish reasons", tuple(_finish_checks(subject, finishes)))
    if subject.wire == "own":
        yield Section("shape of what is written", tuple(_shape_checks(subject, recorded)))
    others = [*composed(subject, traffic.other_answers), *(c for c in subject.cases if c.expected is None)]
    yield Section("other endpoints", tuple(case_checks(subject, others, ("whole", "random"))))


def is_good(case: Case) -> bool:
    """Whether a case is a chat-like answer without a fault."""
    expected = case.expected
    return (
        expected is not None
        and expected.choices is not None
        and expected.complete
        and expected.error_class is None
    )


def calls_tools(case: Case) -> bool:
    """Whether tools are called in a case."""
    choices = case.expected.choices if case.expected else None
    return any(choice.tool_calls for choice in choices or ())


def composed(subject: Subject, made: Callable[[], list[Case]]) -> list[Case]:
    """Return composed cases that the adapter should serve; none where the provider's wire is its own."""
    return [case for case in made() if subject.is_served(case)] if subject.wire == "openai" else []


def case_checks(
    subject: Subject, cases: Iterable[Case], splits: Iterable[Split] = SPLITS, *, include_usage: bool = True
) -> Iterator[Check]:
    """Yield a check for each case and way to split it: what comes of it is what is expected."""
    splits = tuple(splits)
    for case in cases:
        for split in splits if case.form != "json" else splits[:1]:
            for seed in SEEDS if split == "random" else (0,):
                run = partial(_case_problems, subject, case, split, seed, include_usage)
                yield check(f"{case.name}, {_SPLIT_NAMES[split]}", run)


def _case_problems(subject: Subject, case: Case, split: Split, seed: int, include_usage: bool) -> list[str]:
    return differences(case, subject.replay(case, split, seed=seed, include_usage=include_usage))


def _usage_checks(subject: Subject, cases: Iterable[Case]) -> Iterator[Check]:
    for case in cases:
        yield check(case.name, partial(_usage_problems, subject, case, True))
        if case.form != "json":
            yield check(f"{case.name}, not asked for", partial(_usage_problems, subject, case, False))


def _usage_problems(subject: Subject, case: Case, wanted: bool) -> Iterator[str]:
    assert case.expected is not None
    for split in SPLITS if case.form != "json" else SPLITS[:1]:
        replayed = subject.replay(case, split, seed=1, include_usage=wanted)
        yield from usage_differences(case.expected.usage, replayed.usage, "the usage to be accounted")
        shown = replayed.outcome.usage if replayed.outcome is not None else None
        is_due = wanted and (case.provider == COMPOSED or not case.is_openai_shaped)
        if is_due and shown is None and case.expected.usage is not None:
            yield "the client does not get the usage it asked for"
        if not wanted and case.form != "json" and _has_usage_chunk(replayed.sent):
            yield "a client that did not ask for usage gets a chunk of it"


def _has_usage_chunk(sent: bytes) -> bool:
    return any('"choices":[]' in text and '"usage":{' in text for text in payloads(sent))


def _finish_checks(subject: Subject, cases: Iterable[Case]) -> Iterator[Check]:
    for case in cases:
        yield check(case.name, partial(_finish_problems, subject, case))


def _finish_problems(subject: Subject, case: Case) -> Iterator[str]:
    return (problem for problem in _case_problems(subject, case, "events", 0, True) if "finish" in problem)


def _shape_checks(subject: Subject, cases: Iterable[Case]) -> Iterator[Check]:
    for case in cases:
        if case.endpoint == "chat/completions":
            yield check(case.name, partial(_shape_problems, subject, case))


def _shape_problems(subject: Subject, case: Case) -> Iterator[str]:
    call = call_for(subject.adapter, case, subject.channel)
    replayed = subject.replay(case, "events")
    if replayed.error is not None:
        return iter(())
    problems = stream_problems if replayed.translated else whole_problems
    return problems(call, replayed.sent)
