"""Whether what an adapter wrote itself has OpenAI's shape, to the letter.

Only for translated answers: what passes through is the provider's. Shapes: OpenAI's API reference, "The chat
completion object" and "The chat completion chunk object".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from ...plugins import Call, Json

_FINISH = frozenset({"stop", "length", "content_filter", "tool_calls", "function_call"})


def whole_problems(call: Call, body: bytes) -> Iterator[str]:
    """Yield what is wrong with a whole chat answer."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        yield "the answer is not JSON"
        return
    yield from _frame_problems(call, answer, "chat.completion")
    for choice in answer.get("choices") or ():
        message = choice.get("message") or {}
        if message.get("role") != "assistant":
            yield "a message has not the role assistant"
        if choice.get("finish_reason") not in _FINISH:
            yield f"finish_reason {choice.get('finish_reason')!r} is none of OpenAI's"
        for tool_call in message.get("tool_calls") or ():
            yield from _tool_call_problems(tool_call)


def stream_problems(call: Call, sent: bytes) -> Iterator[str]:
    """Yield what is wrong with a chat stream that has its proper end."""
    check = _StreamCheck(call)
    if not sent.endswith(b"data: [DONE]\n\n"):
        yield "the stream does not end with data: [DONE] and a blank line"
    for event in sent.removesuffix(b"\n\n").split(b"\n\n"):
        yield from check.event(event)


class _StreamCheck:
    """Follows a stream from event to event."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._ids: set[Any] = set()
        self._begun: set[int] = set()
        self._finished: set[int] = set()
        self._called: set[tuple[int, int]] = set()
        self._done = False

    def event(self, event: bytes) -> Iterator[str]:
        if self._done:
            yield "there is an event after [DONE]"
        if not event.startswith(b"data: ") or b"\n" in event or b"\r" in event:
            yield f"an event is not one line of data: {event[:40]!r}"
            return
        if event == b"data: [DONE]":
            self._done = True
            return
        try:
            chunk = orjson.loads(event[6:])
        except orjson.JSONDecodeError:
            yield f"an event is not JSON: {event[:40]!r}"
            return
        yield from self._chunk(chunk)

    def _chunk(self, chunk: Json) -> Iterator[str]:
        yield from _frame_problems(self._call, chunk, "chat.completion.chunk")
        self._ids.add(chunk.get("id"))
        if len(self._ids) == 2:
            yield "the id changes from chunk to chunk"
        if not isinstance(chunk.get("choices"), list):
            yield "a chunk has no list of choices"
            return
        for choice in chunk["choices"]:
            yield from self._choice(choice)

    def _choice(self, choice: Json) -> Iterator[str]:
        index, delta = choice.get("index"), choice.get("delta")
        if not isinstance(index, int) or not isinstance(delta, dict):
            yield "a choice has no index or no delta"
            return
        if index not in self._begun and delta.get("role") != "assistant":
            yield "the first delta of a choice has not the role assistant"
        self._begun.add(index)
        if index in self._finished:
            yield "a choice goes on after its finish_reason"
        finish = choice.get("finish_reason")
        if finish is not None:
            self._finished.add(index)
            if finish not in _FINISH:
                yield f"finish_reason {finish!r} is none of OpenAI's"
        for tool_call in delta.get("tool_calls") or ():
            yield from self._tool_call(index, tool_call)

    def _tool_call(self, index: int, tool_call: Json) -> Iterator[str]:
        number = tool_call.get("index")
        if not isinstance(number, int):
            yield "a piece of a tool call has no index"
        elif (index, number) not in self._called:
            self._called.add((index, number))
            yield from _tool_call_problems(tool_call)


def _frame_problems(call: Call, answer: Json, kind: str) -> Iterator[str]:
    if not isinstance(answer.get("id"), str) or not answer["id"]:
        yield "there is no id"
    if answer.get("object") != kind:
        yield f"object is {answer.get('object')!r}, not {kind!r}"
    if not isinstance(answer.get("created"), int):
        yield "created is not a number of seconds"
    if answer.get("model") != call.model:
        yield f"model is {answer.get('model')!r}, not {call.model!r}, by which the client asked"


def _tool_call_problems(tool_call: Mapping[str, Any]) -> Iterator[str]:
    function = tool_call.get("function") or {}
    if not isinstance(tool_call.get("id"), str) or not tool_call["id"]:
        yield "a tool call has no id"
    if tool_call.get("type") != "function":
        yield "a tool call has not the type function"
    if not function.get("name"):
        yield "a tool call has no name"
    if not isinstance(function.get("arguments", ""), str):
        yield "the arguments of a tool call are no text"


__all__ = ["stream_problems", "whole_problems"]
