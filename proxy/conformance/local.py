"""Check an adapter that answers by itself, without a provider."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from .outcome import Outcome, read_json, read_stream
from .report import Section, check
from .subject import Subject


def section(subject: Subject) -> Section:
    """Return the section about local answers."""
    return Section(
        "local answers",
        (
            check("in one piece", partial(_problems, subject, False)),
            check("streamed", partial(_problems, subject, True)),
            check("streamed, with usage", partial(_usage_problems, subject)),
        ),
    )


def _outcome(subject: Subject, stream: bool, **fields: object) -> tuple[int, Outcome]:
    answer = subject.adapter.answer(subject.chat(stream, **fields))
    if answer is None:
        return 0, Outcome()
    body = b"".join(answer.parts)
    return answer.status, read_stream(body) if stream else read_json(body)


def _problems(subject: Subject, stream: bool) -> Iterator[str]:
    status, outcome = _outcome(subject, stream)
    if status != 200:
        yield f"the status is {status}" if status else "there is no answer"
    yield from outcome.oddities
    if not outcome.choices or not outcome.choices[0].text:
        yield "there is no text"
    if not outcome.complete or not outcome.choices or outcome.choices[0].finish_reason is None:
        yield "the answer has no proper end"


def _usage_problems(subject: Subject) -> Iterator[str]:
    _, outcome = _outcome(subject, True, stream_options={"include_usage": True})
    if outcome.usage is None:
        yield "the client does not get the usage it asked for"
