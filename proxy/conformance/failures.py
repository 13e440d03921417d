"""Check what an adapter makes of failures: error statuses, errors under 200, errors in mid-stream."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ...plugins import ErrorKind, UpstreamError, UpstreamResponse
from . import mishaps
from .answers import case_checks, composed
from .cases import Case
from .mishaps import BY_STATUS, RETRY_AFTER_S, UNREADABLE
from .replay import NOW, answered
from .report import Check, Section, check
from .subject import Subject

_NONSENSE = frozenset({ErrorKind.FAULT, ErrorKind.BUSY, ErrorKind.MODEL})
"""What an unreadable answer under 200 may be: the provider's fault, or a base URL that leads elsewhere."""

_PASSED_THROUGH = frozenset({"half of a JSON body", "a JSON list", "a body that is no UTF-8"})
"""Unreadable answers that only an adapter that reads them can notice."""


def sections(subject: Subject) -> Iterator[Section]:
    """Yield the sections about failures."""
    failed = [case for case in subject.cases if case.expected and not _is_complete(case)]
    by_status = [case for case in failed if not _is_2xx(case)]
    inside = [case for case in failed if _is_2xx(case) and case.expected and case.expected.choices is None]
    midway = [case for case in failed if case.expected and case.expected.choices is not None]
    yield Section(
        "error classes",
        (
            *case_checks(subject, [*composed(subject, mishaps.errors), *by_status], ("whole",)),
            *_status_checks(subject),
            *_retry_checks(subject),
        ),
    )
    yield Section(
        "errors inside a 200",
        (
            *case_checks(subject, [*composed(subject, mishaps.errors_in_200), *inside]),
            *_unreadable_checks(subject),
        ),
    )
    broken = [*composed(subject, mishaps.errors_in_midstream), *midway]
    yield Section("errors in mid-stream", (*case_checks(subject, broken), *_raise_checks(subject, midway)))
    yield Section("credentials", tuple(_credential_checks(subject)))


def _is_2xx(case: Case) -> bool:
    return 200 <= case.status < 300


def _is_complete(case: Case) -> bool:
    return case.expected is not None and case.expected.complete and case.expected.error_class is None


# Statuses.


def _status_checks(subject: Subject) -> Iterator[Check]:
    for status, kinds in BY_STATUS:
        for name, content_type, body in UNREADABLE:
            response = UpstreamResponse(status, {"content-type": content_type}, body)
            yield check(f"{status} with {name}", partial(_status_problems, subject, response, kinds))


def _status_problems(
    subject: Subject, response: UpstreamResponse, kinds: frozenset[ErrorKind]
) -> Iterator[str]:
    error = subject.adapter.error(subject.chat(), response)
    yield from _kind_problems(error, kinds, f"status {response.status}")
    if isinstance(error, UpstreamError) and error.status < 400:
        yield f"the error's status is {error.status}, which is no error"


def _kind_problems(error: object, kinds: frozenset[ErrorKind], what: str) -> Iterator[str]:
    if not isinstance(error, UpstreamError):
        yield f"error() returned {type(error).__name__}, no UpstreamError"
    elif error.kind not in kinds:
        wanted = " or ".join(sorted(kind.name for kind in kinds))
        yield f"{what} must be {wanted}, it is {error.kind.name}"


def _retry_checks(subject: Subject) -> Iterator[Check]:
    for name, value in (("seconds", f"{RETRY_AFTER_S:.0f}"), ("a date", "Sun, 15 Jun 2025 15:06:57 GMT")):
        fields = {"content-type": "application/json", "retry-after": value}
        response = UpstreamResponse(429, fields, b"{}")
        yield check(f"Retry-After in {name}", partial(_retry_problems, subject, response))


def _retry_problems(subject: Subject, response: UpstreamResponse) -> Iterator[str]:
    error = subject.adapter.error(subject.chat(), response)
    if error.retry_after is None or abs(error.retry_after - RETRY_AFTER_S) > 1:
        yield f"Retry-After of {RETRY_AFTER_S:.0f} s came out as {error.retry_after}"


# Under 200.


def _unreadable_checks(subject: Subject) -> Iterator[Check]:
    for name, content_type, body in UNREADABLE:
        if subject.wire == "openai" and name in _PASSED_THROUGH:
            continue
        for stream in (False, True):
            response = UpstreamResponse(200, {"content-type": content_type}, body)
            title = f"{name} for a stream" if stream else name
            yield check(title, partial(_unreadable_problems, subject, response, stream))


def _unreadable_problems(subject: Subject, response: UpstreamResponse, stream: bool) -> Iterator[str]:
    replayed = answered(subject.adapter, subject.chat(stream), response, [response.body])
    if replayed.error is None:
        yield "a 200 that nobody can read was passed on as an answer"
    else:
        yield from _kind_problems(replayed.error, _NONSENSE, "a 200 that nobody can read")


# In mid-stream.


def _raise_checks(subject: Subject, cases: list[Case]) -> Iterator[Check]:
    """A translator has to raise: only so does the gateway know that the stream failed."""
    if subject.wire == "own":
        for case in cases:
            yield check(f"{case.name}, raised", partial(_raise_problems, subject, case))


def _raise_problems(subject: Subject, case: Case) -> Iterator[str]:
    if subject.replay(case, "events").error is None:
        yield "the translator did not raise the error in its stream"


# Credentials.


def _credential_checks(subject: Subject) -> Iterator[Check]:
    adapter = subject.adapter
    request = adapter.credential_request(subject.channel, NOW)
    if request is None:
        if adapter.key_help:
            yield check("the key", partial(_key_problems, subject))
        return
    if not request.url.startswith(("http://", "https://")):
        yield Check("the request for a credential", (f"its url is not absolute: {request.url!r}",))
    for status in (200, 401, 500):
        for name, content_type, body in UNREADABLE:
            response = UpstreamResponse(status, {"content-type": content_type}, body)
            yield check(f"{status} with {name}", partial(_no_credential_problems, subject, response))


def _key_problems(subject: Subject) -> Iterator[str]:
    if not subject.adapter.credential(subject.channel, None, NOW).value:
        yield "credential() made nothing of the channel's key"


def _no_credential_problems(subject: Subject, response: UpstreamResponse) -> Iterator[str]:
    channel = subject.channel
    try:
        made = subject.adapter.credential(channel, response, NOW)
    except UpstreamError:
        return
    yield f"a credential was made of an answer that has none: expires at {made.expires_at}"
