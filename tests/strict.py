"""Read a chat answer as a client would that believes in OpenAI's reference to the letter."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson
from canalgate.adapters.sse import SSEDecoder

REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}


@dataclass
class Said:
    """One choice: `calls` are (id, name, arguments) by index."""

    text: str = ""
    reasoning: str = ""
    finish: str | None = None
    calls: dict[int, list[str]] = field(default_factory=dict)


def read(body: bytes) -> dict[int, Said]:
    """Read a whole answer."""
    said: dict[int, Said] = {}
    for choice in orjson.loads(body)["choices"]:
        message = choice["message"]
        for index, call in enumerate(message.get("tool_calls") or ()):
            call["index"] = index
        _take(said.setdefault(choice["index"], Said()), message, choice["finish_reason"])
    return said


def read_stream(data: bytes) -> dict[int, Said]:
    """Read a stream up to its [DONE], or to its end if there is none. Error events are left out."""
    said: dict[int, Said] = {}
    decoder = SSEDecoder()
    for event in decoder.feed(data) + decoder.flush():
        if event.data == b"[DONE]":
            break
        chunk = orjson.loads(event.data)
        for choice in chunk["choices"] if "error" not in chunk else ():
            _take(said.setdefault(choice["index"], Said()), choice["delta"], choice.get("finish_reason"))
    return said


def _take(said: Said, piece: dict, finish: str | None) -> None:
    assert not piece.get("reasoning"), "thoughts are in `reasoning_content`"
    assert finish is None or finish in REASONS, finish
    said.text += piece.get("content") or ""
    said.reasoning += piece.get("reasoning_content") or ""
    said.finish = finish or said.finish
    for call in piece.get("tool_calls") or ():
        function = call["function"]
        if call["index"] not in said.calls:
            said.calls[call["index"]] = [call["id"], "", ""]
        known = said.calls[call["index"]]
        known[0] = call.get("id", known[0])
        known[1] += function.get("name") or ""
        known[2] += function.get("arguments") or ""
    if legacy := piece.get("function_call"):
        known = said.calls.setdefault(0, ["", "", ""])
        known[1] += legacy.get("name") or ""
        known[2] += legacy.get("arguments") or ""
