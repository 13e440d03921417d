"""One JSON answer out of a translated stream, for a client that did not ask for a stream.

Some providers only stream. Their adapter asks for a stream in any case and, where the client did not,
puts its translator into a `Collected`, which gives nothing before the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from ..plugins import Call, Json, StreamTranslator
from .chat import completions, message, tool_call
from .sse import DONE, SSEDecoder


@dataclass(slots=True)
class _Choice:
    """What the deltas of one choice add up to."""

    text: str = ""
    reasoning: str = ""
    finish: str = "stop"
    calls: dict[int, Json] = field(default_factory=dict)

    def add(self, delta: Json, finish: str | None) -> None:
        self.text += delta.get("content") or ""
        self.reasoning += delta.get("reasoning_content") or ""
        self.finish = finish or self.finish
        for item in delta.get("tool_calls") or ():
            call = self.calls.setdefault(item["index"], {"id": "", "name": "", "arguments": ""})
            call["id"] = item.get("id") or call["id"]
            call["name"] = item["function"].get("name") or call["name"]
            call["arguments"] += item["function"]["arguments"]

    def whole(self) -> tuple[Json, str]:
        calls = [tool_call(place, **self.calls[place]) for place in sorted(self.calls)]
        return message(self.text, reasoning=self.reasoning, tool_calls=calls), self.finish


class Collected(StreamTranslator):
    """Holds what another translator makes until its end, then gives it as one chat completion."""

    content_type = "application/json"

    def __init__(self, call: Call, stream: StreamTranslator) -> None:
        self._call = call
        self._stream = stream
        self._sse = SSEDecoder()
        self._choices: dict[int, _Choice] = {}

    def feed(self, data: bytes) -> bytes:
        self._take(self._stream.feed(data))
        self.usage = self._stream.usage
        return b""

    def close(self) -> bytes:
        self._take(self._stream.close().removesuffix(DONE))
        self.usage = self._stream.usage
        choices = [self._choices[index].whole() for index in sorted(self._choices)]
        return completions(self._call, choices, self.usage).body

    def _take(self, chunks: bytes) -> None:
        for event in self._sse.feed(chunks):
            for choice in orjson.loads(event.data)["choices"]:
                made = self._choices.setdefault(choice["index"], _Choice())
                made.add(choice["delta"], choice["finish_reason"])
