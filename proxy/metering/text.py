"""The text in a request and in an answer, whose tokens are counted where a provider reports none.

Bodies are OpenAI's, or what clients and hosts make of them: what is not as it should be is passed over.
Nothing here raises, and nobody calls it for a request whose provider reports usage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson

from ...plugins import Endpoint, Json

PER_MESSAGE, PER_NAME, PER_REQUEST = 3, 1, 3
"""Tokens that hold a chat together: OpenAI's cookbook, "How to count tokens with tiktoken"."""

_MOST_PIECES = 512

_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Names for thoughts; hosts that send two of them send the same text twice."""


class Prompt:
    """What a request asks with: texts, pictures (URL and detail), tokens that are ids or hold it together."""

    __slots__ = ("audio", "pictures", "texts", "tokens")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.pictures: list[tuple[str, str]] = []
        self.audio: list[str] = []
        self.tokens = 0

    def add(self, value: object) -> None:
        """Take a text; anything else is passed over."""
        if isinstance(value, str):
            self.texts.append(value)


class Said:
    """What an answer says: its text, its thoughts, the tools it calls with their arguments."""

    __slots__ = ("calls", "content", "thoughts")

    def __init__(self) -> None:
        self.content: list[str] = []
        self.thoughts: list[str] = []
        self.calls: list[str] = []

    def pieces(self) -> int:
        """Return how many pieces it is in."""
        return len(self.content) + len(self.thoughts) + len(self.calls)

    def join(self) -> None:
        """Join what has come in many pieces."""
        for pieces in (self.content, self.thoughts, self.calls):
            if len(pieces) > _MOST_PIECES:
                pieces[:] = ["".join(pieces)]

    def texts(self) -> list[str]:
        """Return what was said, without the thoughts, as few texts."""
        return [text for text in ("".join(self.content), "".join(self.calls)) if text]

    def size(self) -> int:
        """Return how many characters there are."""
        return sum(map(len, self.content)) + sum(map(len, self.thoughts)) + sum(map(len, self.calls))


def prompt_of(endpoint: Endpoint, body: bytes) -> Prompt:
    """Return what a request of this endpoint asks with."""
    prompt, tree = Prompt(), parsed(body)
    if endpoint == "chat/completions":
        _chat(prompt, tree)
    elif endpoint == "responses":
        _responses(prompt, tree)
    elif endpoint == "rerank":
        _rerank(prompt, tree)
    elif endpoint == "audio/speech":
        prompt.add(tree.get("input"))
        prompt.add(tree.get("instructions"))
    else:
        _inputs(prompt, tree.get("prompt" if "prompt" in tree else "input"))
        prompt.add(tree.get("suffix"))
    return prompt


def said_in(body: bytes) -> Said:
    """Return what a whole answer says, be it JSON or an event stream."""
    said = Said()
    if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"data:", b"event:", b":")):
        for line in body.splitlines():
            if line.startswith(b"data:"):
                take_event(said, parsed(line[5:]))
    else:
        take_answer(said, parsed(body))
    return said


def take_event(said: Said, value: Json) -> None:
    """Add what one event of a stream says. Events that repeat what was said before add nothing."""
    kind = value.get("type")
    if not isinstance(kind, str) or "choices" in value:
        take_answer(said, value)
    elif kind.endswith(".delta"):
        delta = value.get("delta")
        if isinstance(delta, str):
            into = (
                said.calls if "arguments" in kind else said.thoughts if "reasoning" in kind else said.content
            )
            into.append(delta)
    elif kind == "response.output_item.added":
        _text(said.calls, _at(value, "item", "name"))


def take_answer(said: Said, value: Json) -> None:
    """Add what a whole JSON answer says."""
    for choice in _objects(value.get("choices")):
        _text(said.content, choice.get("text"))
        for name in ("message", "delta"):
            if isinstance(one := choice.get(name), dict):
                _message(said, one)
    for item in _objects(value.get("output")):
        _item(said, item)
    _text(said.content, value.get("text"))


def parsed(body: bytes) -> Json:
    """Return a JSON object; an empty one for anything else."""
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:  # half a surrogate pair, or a number beyond 64 bits: this one takes them
            value = json.loads(body)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


# What a request says.


def _chat(prompt: Prompt, tree: Json) -> None:
    prompt.tokens += PER_REQUEST
    for message in _objects(tree.get("messages")):
        prompt.tokens += PER_MESSAGE
        prompt.add(message.get("role"))
        if "name" in message:
            prompt.tokens += PER_NAME
            prompt.add(message.get("name"))
        _content(prompt, message.get("content"))
        said = Said()
        _message(said, {name: value for name, value in message.items() if name != "content"})
        prompt.texts += said.calls
    _definitions(prompt, tree, "tools", "functions", "response_format")


def _responses(prompt: Prompt, tree: Json) -> None:
    prompt.tokens += PER_REQUEST
    prompt.add(tree.get("instructions"))
    prompt.add(tree.get("input"))
    for item in _objects(tree.get("input")):
        prompt.tokens += PER_MESSAGE
        for name in ("role", "name", "arguments"):
            prompt.add(item.get(name))
        _content(prompt, item.get("content"))
        _content(prompt, item.get("output"))
    _definitions(prompt, tree, "tools", "text")


def _definitions(prompt: Prompt, tree: Json, *names: str) -> None:
    """Tools and shapes of answers, as they stand in the request: models see a form of their own."""
    for name in names:
        if value := tree.get(name):
            prompt.add(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _rerank(prompt: Prompt, tree: Json) -> None:
    """A model reads the query again with each document."""
    documents = tree.get("documents")
    for document in documents if isinstance(documents, list) else ():
        prompt.add(document.get("text") if isinstance(document, dict) else document)
        prompt.add(tree.get("query"))


def _inputs(prompt: Prompt, value: object) -> None:
    """A text, a list of texts or of parts, token ids, or a list of lists of them."""
    prompt.add(value)
    for one in value if isinstance(value, list) else ():
        if isinstance(one, (int, list)):
            prompt.tokens += 1 if isinstance(one, int) else len(one)
        else:
            _content(prompt, one if isinstance(one, str) else [one])


def _content(prompt: Prompt, content: object) -> None:
    if isinstance(content, str):
        prompt.add(content)
        return
    for part in _objects(content):
        prompt.add(part.get("text"))
        prompt.add(part.get("refusal"))
        picture = part.get("image_url")
        url, detail = (picture, part.get("detail"))
        if isinstance(picture, dict):
            url, detail = picture.get("url"), picture.get("detail")
        if isinstance(url, str):
            prompt.pictures.append((url, str(detail)))
        if isinstance(data := _at(part, "input_audio", "data"), str):
            prompt.audio.append(data)


# What an answer says.


def _message(said: Said, message: Json) -> None:
    """A message or a delta of one."""
    content = message.get("content")
    _text(said.content, content)
    for part in _objects(content):
        _text(said.content, part.get("text"))
        _text(said.thoughts, part.get("thinking"))
    _text(said.content, message.get("refusal"))
    _text(said.content, _at(message, "audio", "transcript"))
    for name in _THOUGHTS:
        if isinstance(thought := message.get(name), str) and thought:
            said.thoughts.append(thought)
            break
    for function in _functions(message):
        _text(said.calls, function.get("name"))
        arguments = function.get("arguments")
        _text(said.calls, arguments if not isinstance(arguments, dict) else json.dumps(arguments))


def _functions(message: Json) -> Iterator[Json]:
    for call in _objects(message.get("tool_calls")):
        if isinstance(function := call.get("function"), dict):
            yield function
    if isinstance(function := message.get("function_call"), dict):
        yield function


def _item(said: Said, item: Json) -> None:
    """An item of a response's output."""
    into = said.thoughts if item.get("type") == "reasoning" else said.content
    for name in ("content", "summary"):
        for part in _objects(item.get(name)):
            _text(into, part.get("text"))
            _text(into, part.get("refusal"))
    _text(said.calls, item.get("name"))
    _text(said.calls, item.get("arguments"))


def _text(into: list[str], value: object) -> None:
    if isinstance(value, str) and value:
        into.append(value)


def _objects(value: object) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _at(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
