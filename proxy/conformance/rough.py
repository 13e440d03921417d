"""Check what an adapter makes of streams that arrive roughly: reframed, cut, with strangers in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import zip_longest

from ...plugins import ErrorKind, UpstreamError, UpstreamResponse
from . import mutations, traffic
from .answers import SEEDS, calls_tools, case_checks, composed, is_good
from .cases import Case
from .compare import differences
from .compose import TEXT
from .outcome import read_stream
from .replay import TAIL_BYTES, Replayed, answered, call_for
from .report import Check, Section, check
from .splits import pieces
from .subject import Subject

LONG_BYTES = 1024 * 1024
_READ_BYTES = 16 * 1024
_CUT_KINDS = frozenset({ErrorKind.FAULT, ErrorKind.BUSY})


def sections(subject: Subject) -> Iterator[Section]:
    """Yield the sections about streams that arrive roughly."""
    cases = _streams(subject)
    yield Section("framing", tuple(case_checks(subject, _each(cases, mutations.reframed))))
    unknown = _each(cases, mutations.with_unknown)
    yield Section("unknown fields and events", tuple(case_checks(subject, unknown)))
    yield Section("UTF-8 cut in the middle", tuple(_character_checks(subject, cases)))
    yield Section("long lines", tuple(_long_checks(subject, cases)))
    yield Section("cuts", tuple(_cut_checks(subject, cases)))
    yield Section("isolation", tuple(_isolation_checks(subject, cases)))


def _streams(subject: Subject) -> list[Case]:
    """Two composed streams, and of the recorded ones two without and two with tools."""
    recorded = [case for case in subject.cases if is_good(case) and case.form != "json"]
    recorded = [case for case in recorded if len(case.body) < LONG_BYTES // 16]
    called = [case for case in recorded if calls_tools(case)]
    plain = [case for case in recorded if not calls_tools(case)]
    made = composed(subject, lambda: [traffic.text_stream(), *traffic.tool_calls()[3:4]])
    return [*made, *plain[:2], *called[:2]]


def _each(cases: list[Case], change: Callable[[Case], Iterator[Case]]) -> list[Case]:
    return [changed for case in cases for changed in change(case)]


# Characters and lines.


def _character_checks(subject: Subject, cases: list[Case]) -> Iterator[Check]:
    for case in cases:
        changed = case if _WIDE.search(case.body) else mutations.with_text(case)
        if changed is not None:
            yield check(changed.name, partial(_character_problems, subject, changed))


_WIDE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")


def _character_problems(subject: Subject, case: Case) -> Iterator[str]:
    """Cut the stream in two inside each of its characters, at most forty of them."""
    found = list(_WIDE.finditer(case.body))
    for match in found[:: max(1, len(found) // 40)]:
        for place in range(match.start() + 1, match.end()):
            replayed = _arriving(subject, case, [case.body[:place], case.body[place:]])
            yield from differences(case, replayed)


def _arriving(subject: Subject, case: Case, arriving: list[bytes]) -> Replayed:
    call = call_for(subject.adapter, case, subject.channel)
    return answered(subject.adapter, call, UpstreamResponse(case.status, case.headers), arriving)


def _long_checks(subject: Subject, cases: list[Case]) -> Iterator[Check]:
    text = (TEXT * (1 + LONG_BYTES // len(TEXT.encode())))[:LONG_BYTES]
    for case in cases:
        long = mutations.with_text(case, text, f"a line of {LONG_BYTES // 1024} KiB")
        if long is not None:
            yield check(long.name, partial(_long_problems, subject, long))


def _long_problems(subject: Subject, case: Case) -> list[str]:
    body = case.body
    reads = [body[at : at + _READ_BYTES] for at in range(0, len(body), _READ_BYTES)]
    return differences(case, _arriving(subject, case, reads))


# Cuts.


def _cut_checks(subject: Subject, cases: list[Case]) -> Iterator[Check]:
    for case in cases:
        for changed in mutations.cut(case):
            yield check(changed.name, partial(_cut_problems, subject, case, changed))


def _cut_problems(subject: Subject, case: Case, changed: Case) -> Iterator[str]:
    """A cut has to be noticed, unless all of the answer was there already."""
    assert case.expected is not None
    whole = replace(case, expected=replace(case.expected, usage=None, shown_usage=None))
    for split in ("events", "bytes"):
        replayed = subject.replay(changed, split, framed=subject.wire == "own")
        if replayed.error is not None:
            if replayed.error.kind not in _CUT_KINDS:
                yield f"a cut must be FAULT, it is {replayed.error.kind.name}: {replayed.error.message!r}"
            yield from _lost_text(case, replayed)
        elif replayed.outcome is not None:
            outcome = replace(replayed.outcome, usage=None)
            if differences(whole, replace(replayed, outcome=outcome, usage=None, usage_wanted=False)):
                yield "a stream that was cut looks complete"


def _lost_text(case: Case, replayed: Replayed) -> Iterator[str]:
    """What came before the cut is the beginning of what would have come."""
    assert case.expected is not None and case.expected.choices is not None
    wanted = {choice.index: choice.text for choice in case.expected.choices}
    for choice in replayed.outcome.choices if replayed.outcome else ():
        if not wanted.get(choice.index, "").startswith(choice.text):
            yield f"the text before the cut is {choice.text[:60]!r}, which the answer does not begin with"


# Several streams at once.


def _isolation_checks(subject: Subject, cases: list[Case]) -> Iterator[Check]:
    for one, other in zip(cases, [*cases[1:], *cases[:1]], strict=True):
        for seed in SEEDS[:2]:
            run = partial(_isolation_problems, subject, one, other, seed)
            yield check(f"{one.name} beside {other.name}, seed {seed}", run)


def _isolation_problems(subject: Subject, one: Case, other: Case, seed: int) -> Iterator[str]:
    """Two streams of the same adapter, piece by piece in turn."""
    streams = [_Stream(subject, one, seed), _Stream(subject, other, seed + 1)]
    try:
        for pair in zip_longest(*(pieces(s.case.body, "random", s.case.form, s.seed) for s in streams)):
            for stream, data in zip(streams, pair, strict=True):
                stream.feed(data)
        found = [problem for stream in streams for problem in stream.problems()]
    except UpstreamError as error:
        found = [f"{error.kind.name} {error.message!r}"]
    yield from (f"streams at the same time disturb each other: {problem}" for problem in found)


class _Stream:
    """One of several streams under way."""

    def __init__(self, subject: Subject, case: Case, seed: int) -> None:
        self.case = case
        self.seed = seed
        self._adapter = subject.adapter
        self._call = call_for(subject.adapter, case, subject.channel)
        response = UpstreamResponse(case.status, case.headers)
        self._translator = subject.adapter.stream(self._call, response)
        self._sent: list[bytes] = []

    def feed(self, data: bytes | None) -> None:
        if data is not None:
            self._sent.append(data if self._translator is None else self._translator.feed(data))

    def problems(self) -> list[str]:
        if self._translator is not None:
            self._sent.append(self._translator.close())
        sent = b"".join(self._sent)
        usage = self._translator.usage if self._translator is not None else None
        usage = usage or self._adapter.usage(self._call, sent[-TAIL_BYTES:])
        return differences(self.case, Replayed(read_stream(sent), usage))
