"""Composed traffic of an OpenAI-shaped host that goes wrong, and what must be made of it.

Errors: OpenAI's guide "Error codes" and the error object of its API reference. What a gateway on the way
answers (HTML, nothing at all) follows from the status alone: RFC 9110, section 15.
"""

from __future__ import annotations

import orjson

from ...plugins import ErrorKind, Json
from .cases import Case, Expected
from .compose import PIECES, case, chunk, event, texts
from .outcome import Choice

ERRORS: tuple[tuple[int, str, str, str, str], ...] = (
    (401, "auth", "invalid_request_error", "invalid_api_key", "Incorrect API key provided: sk-abc."),
    (429, "quota", "insufficient_quota", "insufficient_quota",
     "You exceeded your current quota, please check your plan and billing details."),
    (429, "rate_limit", "requests", "rate_limit_exceeded", "Rate limit reached for requests"),
    (404, "model_not_found", "invalid_request_error", "model_not_found", "The model `m` does not exist"),
    (400, "context_length", "invalid_request_error", "context_length_exceeded",
     "This model's maximum context length is 4097 tokens."),
    (400, "content_filter", "invalid_request_error", "content_filter",
     "The response was filtered due to the prompt triggering a content policy."),
    (400, "invalid_request", "invalid_request_error", "", "'temperature' must be at most 2"),
    (422, "invalid_request", "invalid_request_error", "", "'messages' is missing"),
    (500, "upstream", "server_error", "", "The server had an error while processing your request"),
    (503, "upstream", "server_error", "", "The engine is currently overloaded, please try again later"),
)  # fmt: skip
"""Status, class, type, code and message of OpenAI's errors."""

BY_STATUS: tuple[tuple[int, frozenset[ErrorKind]], ...] = (
    (401, frozenset({ErrorKind.CREDENTIAL, ErrorKind.EXPIRED})),
    (403, frozenset({ErrorKind.CREDENTIAL, ErrorKind.MODEL, ErrorKind.BALANCE})),
    (404, frozenset({ErrorKind.MODEL})),
    (429, frozenset({ErrorKind.RATE, ErrorKind.BALANCE})),
    (500, frozenset({ErrorKind.FAULT, ErrorKind.BUSY})),
    (502, frozenset({ErrorKind.FAULT, ErrorKind.BUSY})),
    (503, frozenset({ErrorKind.FAULT, ErrorKind.BUSY})),
)
"""What a status means where the body says nothing that can be read."""

UNREADABLE: tuple[tuple[str, str, bytes], ...] = (
    ("an empty body", "application/json", b""),
    ("a page of HTML", "text/html", b"<html><head><title>502 Bad Gateway</title></head></html>"),
    ("half of a JSON body", "application/json", b'{"error": {"mess'),
    ("a JSON list", "application/json", b"[1, null]"),
    ("a body that is no UTF-8", "application/json", b'{"error": "\xff\xfe"}'),
)
"""Bodies that nobody can read: a name, a content type and the bytes."""

RETRY_AFTER_S = 17.0


def errors() -> list[Case]:
    """Answers with an error status."""
    made = []
    for status, kind, type, code, text in ERRORS:
        body = orjson.dumps(_error(type, code, text))
        made.append(case(f"{status} {kind}", body, Expected(error_class=kind), status=status))
    return made


def errors_in_200() -> list[Case]:
    """Errors under status 200: in one piece, and as the first event of a stream."""
    made = []
    for _, kind, type, code, text in ERRORS:
        if not code:
            continue
        expected = Expected(error_class=kind)
        body = _error(type, code, text)
        made.append(case(f"{kind} as JSON", orjson.dumps(body), expected))
        made.append(case(f"{kind} as JSON for a stream", orjson.dumps(body), expected, stream=True))
        first = event(body)
        made.append(case(f"{kind} as the first event", first, expected, form="sse", stream=True))
    return made


def errors_in_midstream() -> list[Case]:
    """Streams that break off with an error after text."""
    error = orjson.dumps(_error("server_error", "", "The server had an error"))
    said = "".join(PIECES)
    expected = Expected((Choice(0, said),), complete=False, error_class="upstream")
    bodies = {
        "an error event": texts() + b"data: " + error + b"\n\n",
        "an error event, then DONE": texts() + b"data: " + error + b"\n\ndata: [DONE]\n\n",
        "an error event with a name": texts() + b"event: error\ndata: " + error + b"\n\n",
        "an error beside choices": texts()
        + chunk({"content": ""}, "error", error=orjson.loads(error)["error"]),
    }
    return [case(name, body, expected, form="sse", stream=True) for name, body in bodies.items()]


def _error(type: str, code: str, message: str) -> Json:
    return {"error": {"message": message, "type": type, "param": None, "code": code or None}}
