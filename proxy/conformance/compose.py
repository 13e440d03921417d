"""Make cases of an OpenAI-shaped host: chunks, streams, whole answers, errors.

Shapes: OpenAI's API reference, "Chat", "The chat completion object" and "chunk object".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from ...plugins import Json, Usage
from .cases import Case, Expected
from .outcome import Choice, ToolCall

COMPOSED = "composed"
"""What a composed case has for its provider."""

DONE = b"data: [DONE]\n\n"

PIECES = ("Hello", ", 世界", "! 🎉 ", 'é "quoted"\\\n', "\u2028end")
"""A text in pieces: characters of two, three and four bytes, escapes, a line separator of Unicode."""

TEXT = "".join(PIECES)

USAGE = Usage(prompt_tokens=31, completion_tokens=17, cached_tokens=12, reasoning_tokens=5)
"""What every composed answer cost that says anything about it."""

_CONTENT_TYPES = {"sse": "text/event-stream", "json": "application/json", "text": "text/html"}

_REQUESTS: Mapping[str, Json] = {
    "chat.completions": {"messages": [{"role": "user", "content": "hi"}]},
    "completions": {"prompt": "hi"},
    "embeddings": {"input": "hi"},
}


def case(
    name: str,
    body: bytes,
    expected: Expected | None,
    *,
    form: str = "json",
    api: str = "chat.completions",
    status: int = 200,
    stream: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Case:
    """Return a case with this answer to the simplest request of its interface."""
    fields = {"content-type": _CONTENT_TYPES[form], **(headers or {})}
    return Case(
        "composed", name, api, "", status, fields, stream, "model", form, _REQUESTS[api], body, expected
    )


def stream(name: str, body: bytes, *choices: Choice, usage: Usage | None = USAGE) -> Case:
    """Return a case of a stream that says this."""
    expected = Expected(choices, {}, usage, usage)
    return case(name, body, expected, form="sse", stream=True)


def whole(name: str, said: Iterable[Json], *choices: Choice, **more: Any) -> Case:
    """Return a case of an answer in one piece; `said` are its choices, `more` are further fields of it."""
    answer = {**frame("chat.completion"), "choices": list(said), "usage": usage_json(), **more}
    usage = USAGE if answer["usage"] else None
    return case(name, orjson.dumps(answer), Expected(choices, {}, usage, usage))


def asking(made: Case, **fields: Any) -> Case:
    """Return a case whose request has these fields besides its own."""
    return replace(made, request={**made.request, **fields})


def frame(kind: str) -> Json:
    """Return the fields that every answer or chunk begins with."""
    return {"id": "chatcmpl-composed", "object": kind, "created": 1_750_000_000, "model": "model"}


def event(value: object) -> bytes:
    """Return one event with this JSON."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


def chunk(delta: Json | None, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    """Return one event of a chat stream; `more` are further fields of the chunk."""
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return event({**frame("chat.completion.chunk"), "choices": [choice], **more})


def bare_chunk(**more: Any) -> bytes:
    """Return a chunk without choices."""
    return event({**frame("chat.completion.chunk"), "choices": [], **more})


def texts(pieces: Iterable[str] = PIECES) -> bytes:
    """Return the events of a text, without its end."""
    return chunk({"role": "assistant", "content": ""}) + b"".join(
        chunk({"content": piece}) for piece in pieces
    )


def end(finish: str = "stop") -> bytes:
    """Return the last events of a stream: the finish reason, the usage, DONE."""
    return chunk({}, finish) + bare_chunk(usage=usage_json()) + DONE


def message(content: str | None = TEXT, finish: str = "stop", index: int = 0, **more: Any) -> Json:
    """Return one choice of an answer in one piece; `more` are further fields of the message."""
    said = {"role": "assistant", "content": content, **more}
    return {"index": index, "message": said, "logprobs": None, "finish_reason": finish}


def tool_call(call: ToolCall) -> Json:
    """Return a tool call as OpenAI writes it."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def tool_call_pieces(index: int, call: ToolCall) -> list[bytes]:
    """Return the events of a tool call: its name, then its arguments in three pieces."""
    begun = {"index": index, **tool_call(replace(call, arguments=""))}
    deltas = [begun, *({"index": index, "function": {"arguments": text}} for text in thirds(call.arguments))]
    return [chunk({"tool_calls": [delta]}) for delta in deltas]


def thirds(text: str) -> tuple[str, str, str]:
    """Cut a text into three pieces."""
    one, two = len(text) // 3, 2 * len(text) // 3
    return text[:one], text[one:two], text[two:]


def usage_json(usage: Usage = USAGE, outside: int = 0) -> Json:
    """Return OpenAI's usage object; `outside` completion tokens are left out of all but the total."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens - outside,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
