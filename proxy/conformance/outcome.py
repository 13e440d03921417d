"""What a client gets out of an OpenAI-shaped answer, whole or streamed.

Reads leniently, as the common clients do, so that a host's oddities passed on unchanged are still
understood: a byte order mark, `message` instead of `delta`, events without a blank line between them.
Shapes: OpenAI's API reference, "Chat" and "Completions".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from ...plugins import Json, Usage

_LINE_END = re.compile(r"\r\n|\n|\r")

_BROKEN_OFF = frozenset({"error", "network_error"})
"""Finish reasons by which a host says that it failed: OpenRouter's page "Errors", Zhipu's chat page."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool. `id` is None where the answer gave none, `arguments` is JSON as text."""

    id: str | None
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice, its deltas joined."""

    index: int
    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer said. `complete` is False where a stream broke off or told of an error.

    `error` is the error object the client was shown inside the answer, or a finish reason that tells of
    one. `oddities` say in words what a strict reader would not have understood.
    """

    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    complete: bool = True
    error: Any = None
    oddities: tuple[str, ...] = ()


def read_json(body: bytes) -> Outcome:
    """Read a whole chat or completion answer."""
    reader = _Reader()
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        return Outcome(complete=False, oddities=(f"the answer is no JSON object: {body[:60]!r}",))
    reader.take(answer, "message", "delta")
    return reader.outcome(done=True)


def read_stream(data: bytes) -> Outcome:
    """Read the events of a streamed chat or completion answer, as far as they came."""
    reader = _Reader()
    done = False
    for text in payloads(data):
        if text.strip() == "[DONE]":
            done = True
            continue
        try:
            chunk = orjson.loads(text)
        except orjson.JSONDecodeError:
            reader.oddities.append(f"an event is not JSON: {text[:60]!r}")
            continue
        if isinstance(chunk, dict):
            reader.take(chunk, "delta", "message")
    return reader.outcome(done)


def payloads(data: bytes) -> Iterator[str]:
    """Yield the data of each event; lines that only a missing blank line joined come one by one."""
    lines: list[str] = []
    for line in [*_LINE_END.split(data.decode("utf-8-sig", "replace")), ""]:
        name, _, value = line.partition(":")
        if name == "data":
            lines.append(value.removeprefix(" "))
        elif not line and lines:
            text = "\n".join(lines)
            yield from [text] if len(lines) == 1 or _is_json(text) else lines
            lines = []


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


@dataclass(slots=True)
class _Call:
    id: str | None = None
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class _Draft:
    """A choice under way. `at` finds a call by the index its deltas state."""

    text: str = ""
    reasoning: str = ""
    finish: str | None = None
    failed: str = ""
    calls: list[_Call] = field(default_factory=list)
    at: dict[int, _Call] = field(default_factory=dict)


class _Reader:
    def __init__(self) -> None:
        self.oddities: list[str] = []
        self._drafts: dict[int, _Draft] = {}
        self._usage: Usage | None = None
        self._error: Any = None

    def take(self, chunk: Json, *names: str) -> None:
        """Take an answer or a piece of one; `names` are where a choice says something, first come first."""
        self._error = chunk.get("error") or self._error
        self._usage = usage_of(chunk.get("usage")) or self._usage
        for choice in chunk.get("choices") or ():
            index = choice.get("index")
            draft = self._drafts.setdefault(index if isinstance(index, int) else 0, _Draft())
            _take_choice(draft, choice, names)

    def outcome(self, done: bool) -> Outcome:
        drafts = sorted(self._drafts.items())
        ended = done or (bool(drafts) and all(draft.finish for _, draft in drafts))
        error = self._error or next((draft.failed for _, draft in drafts if draft.failed), None)
        choices = tuple(
            Choice(
                index,
                draft.text,
                draft.reasoning,
                tuple(ToolCall(call.id, call.name, call.arguments) for call in draft.calls),
                draft.finish,
            )
            for index, draft in drafts
        )
        return Outcome(choices, self._usage, ended and error is None, error, tuple(self.oddities))


def _take_choice(draft: _Draft, choice: Json, names: Iterable[str]) -> None:
    finish = choice.get("finish_reason")
    if finish in _BROKEN_OFF:
        draft.failed = finish
    elif finish:
        draft.finish = finish
    if isinstance(text := choice.get("text"), str):
        draft.text += text
    found = [said for name in names if (said := choice.get(name))]
    # Perplexity says everything twice in each chunk, MiniMax repeats the whole message at the end.
    said = found[0] if found and (choice.get("delta") or not draft.text) else {}
    _take_content(draft, said.get("content"))
    draft.reasoning += said.get("reasoning_content") or said.get("reasoning") or ""
    for call in said.get("tool_calls") or ():
        _take_call(draft, call)
    if legacy := said.get("function_call"):
        _take_call(draft, {"index": 0, "function": legacy})


def _take_content(draft: _Draft, content: object) -> None:
    """Take text, or Mistral's list of parts, of which those of type `thinking` are reasoning."""
    if isinstance(content, str):
        draft.text += content
    elif isinstance(content, list):
        for part in content:
            if part.get("type") == "thinking":
                draft.reasoning += "".join(piece.get("text", "") for piece in part.get("thinking") or ())
            else:
                draft.text += part.get("text") or ""


def _take_call(draft: _Draft, said: Json) -> None:
    """Take a tool call or a piece of one. Another id under the same index is another call."""
    function = said.get("function") or {}
    index = said.get("index")
    key = index if isinstance(index, int) else len(draft.calls)
    call = draft.at.get(key)
    if call is None or (said.get("id") and call.id and said["id"] != call.id):
        call = draft.at[key] = _Call()
        draft.calls.append(call)
    call.id = call.id or said.get("id")
    call.name = call.name or function.get("name") or ""
    arguments = function.get("arguments") or ""
    call.arguments += arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()


def usage_of(usage: object) -> Usage | None:
    """Read OpenAI's usage object as it stands; None where there is none."""
    if not isinstance(usage, dict):
        return None
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return Usage(
        prompt_tokens=usage.get("prompt_tokens") or 0,
        completion_tokens=usage.get("completion_tokens") or 0,
        cached_tokens=prompt.get("cached_tokens") or 0,
        reasoning_tokens=completion.get("reasoning_tokens") or 0,
    )
