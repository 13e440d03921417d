"""What may happen to a stream on its way, done to any case: other framing, things inserted, cuts.

Wire: html.spec.whatwg.org, "Server-sent events", 9.2.5 and 9.2.6. An event stream may end its lines in
three ways and hold comments, and clients must skip fields and events that they do not know.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import orjson

from .cases import Case, Expected
from .compose import TEXT
from .outcome import Choice, read_stream
from .splits import pieces

UNKNOWN = "conformance_unknown"

_MEMBER = re.compile(rb'"(\w+)"\s*:\s*("(?:[^"\\]|\\.)+")')
_NO_TEXT = frozenset({b"role", b"type", b"object", b"model", b"id", b"event", b"name", b"finish_reason"})
"""Members of an event that may read like a piece of text and are none."""

_DONE = re.compile(rb"data: ?\[DONE\]\s*$")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_DATA_LINE = re.compile(rb"(?m)^data: ?(\{.*\})(\r?)$")


def reframed(case: Case) -> Iterator[Case]:
    """Yield a stream in every other framing that means the same."""
    if case.form == "ndjson":
        yield _named(case, "CRLF", case.body.replace(b"\n", b"\r\n"))
        yield _named(case, "blank lines", case.body.replace(b"\n", b"\n\n"))
    if case.form != "sse":
        return
    for name, change in _FRAMINGS.items():
        body = change(case.body)
        if body != case.body:
            yield _named(case, name, body)
    body = _DONE.sub(b"", case.body)
    if case.is_openai_shaped and body != case.body and read_stream(body).complete:
        yield _named(case, "missing [DONE]", body)  # Spark gives no finish reason: [DONE] is all its end


def with_unknown(case: Case) -> Iterator[Case]:
    """Yield a stream with fields and with events that nobody knows."""
    if case.form == "ndjson":
        yield _named(case, "unknown fields", _each_line(case.body))
        yield _named(case, "an unknown event", _inserted(case, b'{"%s":true}\n' % UNKNOWN.encode()))
    if case.form == "eventstream":
        yield _named(case, "an unknown event", _inserted(case, _frame(UNKNOWN, b"{}")))
    if case.form != "sse":
        return
    yield _named(case, "unknown fields", _DATA_LINE.sub(_with_field, case.body))
    unknown = b'{"type":"%s"}' % UNKNOWN.encode()
    named = b"event: %s\ndata: %s\n\n" % (UNKNOWN.encode(), unknown)
    yield _named(case, "an unknown event", _inserted(case, named))
    if b"event:" not in case.body:
        yield _named(case, "an unknown event without a name", _inserted(case, b"data: %s\n\n" % unknown))


def cut(case: Case, limit: int = 12) -> Iterator[Case]:
    """Yield a stream cut after each event but the last, or after `limit` of them, and inside some."""
    events = pieces(case.body, "events", case.form)
    places = range(1, len(events))
    step = max(1, len(places) // limit)
    for number in places[::step]:
        before = b"".join(events[:number])
        yield _cut(case, f"cut after event {number} of {len(events)}", before)
        inside = events[number][: len(events[number]) // 2]
        yield _cut(case, f"cut inside event {number + 1} of {len(events)}", before + inside)


def with_text(case: Case, text: str = TEXT, name: str = "other characters") -> Case | None:
    """Return a stream in which one event's piece of text is this one; None where none can be replaced.

    The piece is one that stands in the case once, as a JSON string, so that the wire need not be known. It
    must not go on from another one, as it does where each event repeats the text so far.
    """
    choices = case.expected.choices if case.expected else None
    if case.form not in ("sse", "ndjson") or not choices or len(choices) != 1 or not choices[0].text:
        return None
    values = set(_strings(case))
    for value in sorted(values, key=lambda value: (-len(value), value)):
        quoted = orjson.dumps(value)
        if any(value != other and value.startswith(other) for other in values):
            continue
        if choices[0].text.count(value) == 1 and case.body.count(quoted) == 1:
            body = case.body.replace(quoted, orjson.dumps(text))
            changed = replace(choices[0], text=choices[0].text.replace(value, text))
            return replace(_named(case, name, body), expected=_with_choice(case, changed))
    return None


def _strings(case: Case) -> Iterator[str]:
    for key, found in _MEMBER.findall(case.body):
        if key in _NO_TEXT:
            continue
        try:
            value = orjson.loads(found)
        except orjson.JSONDecodeError:
            continue
        if isinstance(value, str) and value.strip() and orjson.dumps(value) == found:
            yield value


def _with_choice(case: Case, choice: Choice) -> Expected:
    assert case.expected is not None
    return replace(case.expected, choices=(choice,))


def _named(case: Case, what: str, body: bytes) -> Case:
    return replace(case, name=f"{case.name}: {what}", body=body)


def _cut(case: Case, what: str, body: bytes) -> Case:
    assert case.expected is not None
    return replace(_named(case, what, body), expected=replace(case.expected, complete=False))


def _lines_ended_by(end: bytes) -> Callable[[bytes], bytes]:
    return lambda body: _LINE_END.sub(end, body)


def _with_comments(body: bytes) -> bytes:
    events = pieces(_LINE_END.sub(b"\n", body), "events")
    return b": processing\n\n" + b":\n".join(events)


def _with_other_fields(body: bytes) -> bytes:
    return re.sub(rb"(?m)^data:", b"id: 7\nretry: 3000\nx-unknown\ndata:", _LINE_END.sub(b"\n", body))


_FRAMINGS: dict[str, Callable[[bytes], bytes]] = {
    "CRLF": _lines_ended_by(b"\r\n"),
    "CR": _lines_ended_by(b"\r"),
    "LF": _lines_ended_by(b"\n"),
    "comments": _with_comments,
    "blank lines": lambda body: b"\n\n" + re.sub(rb"\n\n", b"\n\n\n\n", body),
    "no space after the colon": lambda body: re.sub(rb"(?m)^(data|event): ", rb"\1:", body),
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body.removeprefix(b"\xef\xbb\xbf"),
    "id, retry and a field without a colon": _with_other_fields,
}


def _with_field(line: re.Match[bytes]) -> bytes:
    extra = b'"%s":{"a":[1,null]}' % UNKNOWN.encode()
    comma = b"" if line[1] == b"{}" else b","
    return b"data: " + line[1][:-1] + comma + extra + b"}" + line[2]


def _each_line(body: bytes) -> bytes:
    return re.sub(rb"(?m)^(\{.+)\}$", rb'\1,"%s":1}' % UNKNOWN.encode(), body)


def _inserted(case: Case, event: bytes) -> bytes:
    """Put an event after the first one and before the last one."""
    events = pieces(case.body, "events", case.form)
    if len(events) < 2:
        return case.body
    return events[0] + event + b"".join(events[1:-1]) + event + events[-1]


def _frame(kind: str, payload: bytes) -> bytes:
    """Return a frame of an AWS event stream.

    Wire: docs.aws.amazon.com, "Event stream encoding": lengths, checksum, headers, payload, checksum.
    """
    fields = {":message-type": "event", ":event-type": kind, ":content-type": "application/json"}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in fields.items()
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    frame = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return frame + struct.pack(">I", zlib.crc32(frame))
