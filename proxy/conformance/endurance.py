"""Check what a long stream costs: time for each piece, whether that grows, and memory that stays.

The only part of the kit that looks at a clock. Its limits are wide, so that a busy machine fails nobody;
what they find is code that reads everything again for each piece, or keeps it.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from ...plugins import StreamTranslator, UpstreamError, UpstreamResponse
from .answers import is_good
from .cases import Case
from .compose import chunk, texts
from .outcome import read_stream
from .replay import call_for
from .report import Section, check
from .splits import pieces
from .subject import Subject
from .traffic import text_stream

MAX_PIECE_US = 1000.0
"""Longest mean time for one piece of a stream, microseconds of the processor."""

MAX_GROWTH = 3.0
"""So many times as long a piece may take at the end of a long stream as at its beginning."""

MAX_KEPT = 0.1
"""Share of a stream that may still be in memory when it has gone by."""

_CHEAP_US = 15.0
_WINDOW, _WINDOWS = 100, 40
_KEPT_OF = 600
_FREE_BYTES = 32 * 1024
_TRIES = 3
_PATIENCE_S = 0.4


@dataclass(frozen=True, slots=True)
class Flow:
    """A stream of any length: its beginning, then the same event again and again."""

    case: Case
    beginning: tuple[bytes, ...]
    again: bytes


def section(subject: Subject) -> Section:
    """Return the section about long streams."""
    flow = _flow(subject)
    if flow is None:
        return Section("long streams", ())
    checks = (
        check("pieces come out as they come in", partial(_promptness_problems, subject, flow)),
        check("time for each piece", partial(_time_problems, subject, flow)),
        check("memory", partial(_memory_problems, subject, flow)),
    )
    return Section("long streams", checks)


def _flow(subject: Subject) -> Flow | None:
    if subject.wire == "openai":
        return Flow(text_stream(), (texts(()),), chunk({"content": "some more text, 世界. "}))
    streams = [case for case in subject.cases if is_good(case) and case.form != "json"]
    return next((flow for case in streams if (flow := _repeatable(subject, case))), None)


def _repeatable(subject: Subject, case: Case) -> Flow | None:
    """Find an event that gives text each time it comes."""
    events = pieces(case.body, "events", case.form)
    for number, event in enumerate(events):
        try:
            translator = _translator(subject, case)
            assert translator is not None
            for before in events[:number]:
                translator.feed(before)
            if all(_text(translator.feed(event)) for _ in range(3)):
                return Flow(case, tuple(events[:number]), event)
        except UpstreamError:
            continue
    return None


def _text(sent: bytes) -> str:
    return "".join(choice.text for choice in read_stream(sent).choices)


def _translator(subject: Subject, case: Case) -> StreamTranslator | None:
    call = call_for(subject.adapter, case, subject.channel, include_usage=False)
    return subject.adapter.stream(call, UpstreamResponse(case.status, case.headers))


def _started(subject: Subject, flow: Flow) -> StreamTranslator | None:
    translator = _translator(subject, flow.case)
    if translator is not None:
        for data in flow.beginning:
            translator.feed(data)
    return translator


def _promptness_problems(subject: Subject, flow: Flow) -> Iterator[str]:
    translator = _started(subject, flow)
    if translator is not None and not any(_text(translator.feed(flow.again)) for _ in range(5)):
        yield "the text is held back while the stream goes on"


def _time_problems(subject: Subject, flow: Flow) -> Iterator[str]:
    for _ in range(_TRIES):  # the machine may have been busy with something else
        times = _window_us(subject, flow)
        first, last = min(times[:2]), min(times[-2:])
        grows = last > max(_CHEAP_US, MAX_GROWTH * first)
        if last <= MAX_PIECE_US and not grows:
            return
    if grows:
        yield f"a piece takes longer the longer the stream is: {first:.0f} us at first, {last:.0f} us later"
    if last > MAX_PIECE_US:
        yield f"a piece takes {last:.0f} us, more than {MAX_PIECE_US:.0f}"


def _window_us(subject: Subject, flow: Flow) -> list[float]:
    """Mean time for a piece in each window of a long stream, which is given up if it takes too long."""
    translator = _started(subject, flow)
    if translator is None:
        return [0.0]
    feed, data = translator.feed, flow.again
    begun = before = time.process_time()
    times: list[float] = []
    while len(times) < 4 or (len(times) < _WINDOWS and before - begun < _PATIENCE_S):
        for _ in range(_WINDOW):
            feed(data)
        now = time.process_time()
        times.append((now - before) / _WINDOW * 1e6)
        before = now
    return times


def _memory_problems(subject: Subject, flow: Flow) -> Iterator[str]:
    translator = _started(subject, flow)
    if translator is None:
        return
    for _ in range(_KEPT_OF // 4):
        translator.feed(flow.again)
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    gc.freeze()  # what is there already may be much, and need not be looked at for what is new
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(_KEPT_OF):
        translator.feed(flow.again)
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0] - before
    if not was_tracing:
        tracemalloc.stop()
    fed = _KEPT_OF * len(flow.again)
    if kept > max(_FREE_BYTES, MAX_KEPT * fed):
        yield f"memory grows with the stream: {kept // 1024} KiB of {fed // 1024} KiB are kept"
