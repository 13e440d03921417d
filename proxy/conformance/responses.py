"""What a client gets out of an answer of the Responses interface, whole or streamed.

Shapes: OpenAI's API reference, "Responses" and "Streaming events". A stream that ended is read from the
whole response its last event carries; one that broke off from the pieces of text it had.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from ...plugins import Json, Usage
from .outcome import Choice, Outcome, ToolCall, payloads

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})

_INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}


def read_response(body: bytes) -> Outcome:
    """Read a whole response."""
    try:
        response = orjson.loads(body)
    except orjson.JSONDecodeError:
        response = None
    if not isinstance(response, dict):
        return Outcome(complete=False, oddities=(f"the answer is no JSON object: {body[:60]!r}",))
    return _outcome(response)


def read_response_stream(data: bytes) -> Outcome:
    """Read the events of a streamed response, as far as they came."""
    text = ""
    error: Any = None
    last: Outcome | None = None
    for event in _objects(data):
        kind = event.get("type")
        if kind in _ENDS:
            last = _outcome(event.get("response") or {})
        elif kind == "error" or event.get("error"):
            error = event.get("error") or event
        elif kind == "response.output_text.delta":
            text += event.get("delta") or ""
    if last is not None:
        return last
    return Outcome((Choice(0, text),), complete=False, error=error)


def _objects(data: bytes) -> Iterator[Json]:
    for text in payloads(data):
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        if isinstance(value, dict):
            yield value


def _outcome(response: Json) -> Outcome:
    text = reasoning = ""
    calls: list[ToolCall] = []
    for item in response.get("output") or ():
        if item.get("type") == "message":
            text += _text(item.get("content"))
        elif item.get("type") == "reasoning":
            reasoning += _text(item.get("summary")) + _text(item.get("content"))
        elif item.get("type") == "function_call":
            calls.append(ToolCall(item.get("call_id"), item.get("name") or "", item.get("arguments") or ""))
    failed = response.get("status") == "failed" or bool(response.get("error"))
    choice = Choice(0, text, reasoning, tuple(calls), None if failed else _finish(response, bool(calls)))
    error = response.get("error") or ("the response failed" if failed else None)
    return Outcome((choice,), _usage(response.get("usage")), not failed, error)


def _text(parts: object) -> str:
    return "".join(part.get("text") or "" for part in parts) if isinstance(parts, list) else ""


def _finish(response: Json, has_calls: bool) -> str:
    details = response.get("incomplete_details") or {}
    if response.get("status") == "incomplete":
        return _INCOMPLETE.get(str(details.get("reason")), "length")
    return "tool_calls" if has_calls else "stop"


def _usage(usage: object) -> Usage | None:
    if not isinstance(usage, Mapping):
        return None
    read = usage.get("input_tokens_details") or {}
    written = usage.get("output_tokens_details") or {}
    return Usage(
        prompt_tokens=usage.get("input_tokens") or 0,
        completion_tokens=usage.get("output_tokens") or 0,
        cached_tokens=read.get("cached_tokens") or 0,
        reasoning_tokens=written.get("reasoning_tokens") or 0,
    )


__all__ = ["read_response", "read_response_stream"]
