"""Feature plugin: `<think>...</think>` at the beginning of an answer's text becomes `reasoning_content`.

Reasoning models behind plain servers write their thoughts into the text, between tags, which DeepSeek-R1
made common: its model card on Hugging Face, "Usage recommendations". `reasoning_content` is the field of
api-docs.deepseek.com, "Reasoning model", that clients know. The host loads it where it is enabled.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec
import orjson

from . import AnswerFilter, BodyError, Call, Host, Json, Patterns, hookimpl, settings_as
from .think_text import TaggedText

NAME = "think_split"

TagName = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z][A-Za-z0-9_.:-]*\Z")]
_DATA = re.compile(rb"(?:\xef\xbb\xbf)?data: ?")

_REASONED = ("reasoning_content", "reasoning")
_NO_TEXT = ("tool_calls", "function_call", "refusal", "audio")
"""What a message says beside its text: OpenAI's API reference, "The chat completion object"."""

_MAX_HELD = 1024 * 1024
"""More than this is not held back, be it an unfinished line or text that may become a tag."""


class ThinkFilter(AnswerFilter):
    """Splits one answer of `choices` choices; `tags` are names, as `think`.

    Lines of a stream wait, all of them and in their order, as long as a choice's text may be a tag that was
    cut. So an answer that only looked as if it began with a tag goes out with the bytes it came with.
    """

    needs_body = False

    def __init__(self, tags: tuple[str, ...], choices: int = 1) -> None:
        self._tags = tags
        self._expected = choices
        self._texts: dict[int, TaggedText] = {}
        self._line: list[bytes] = []
        self._line_bytes = 0
        self._held: list[tuple[bytes, list[Json], Json]] = []
        self._held_bytes = 0
        self._over = False

    def feed(self, data: bytes) -> bytes:
        if self._over:
            return data
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not end and self._line_bytes + len(data) < _MAX_HELD:
            self._line.append(data)
            self._line_bytes += len(data)
            return b""
        end = end or len(data)
        made = self._read(b"".join((*self._line, data[:end])))
        self._line, self._line_bytes = [], 0
        made += self._kept_back(data[end:])
        return data if made == data else made

    def close(self) -> bytes:
        last, self._line = b"".join(self._line), []
        made = self._read(last)
        self._end_texts()
        return made + self._release()

    def whole(self, body: bytes) -> bytes:
        if not _mentions(body, self._tags):
            return body
        answer = _parsed(body)
        split = [self._split_message(choice) for choice in _choices_of(answer)]
        return orjson.dumps(answer) if any(split) else body

    def _split_message(self, choice: Json) -> bool:
        message = choice.get("message")
        if not isinstance(message, dict) or _says(message, _REASONED):
            return False
        said, text = _content_of(message), TaggedText(self._tags)
        text.take(said)
        text.end()
        reasoning, content = text.give(said)
        if content == said:
            return False
        choice["message"] = _retold(message, reasoning, content)
        return True

    # Streams.

    def _kept_back(self, rest: bytes) -> bytes:
        """Keep the beginning of a line for later, unless lines do not matter any more."""
        if self._over or not rest:
            return rest
        self._line, self._line_bytes = [rest], len(rest)
        return b""

    def _read(self, lines: bytes) -> bytes:
        made: list[bytes] = []
        for line in lines.splitlines(keepends=True):
            if self._over:
                made.append(line)
                continue
            self._hear(line)
            if self._held_bytes > _MAX_HELD:
                self._end_texts()
            if not any(text.waiting for text in self._texts.values()):
                made.append(self._release())
        return b"".join(made)

    def _hear(self, line: bytes) -> None:
        """Take a line in: what its choices say is weighed, the line itself waits to be released."""
        start = _DATA.match(line)
        data = line[start.end() :].strip() if start else b""
        chunk = _parsed(data)
        choices = _choices_of(chunk)
        for choice in choices:
            self._hear_choice(choice)
        if data == b"[DONE]" or chunk.get("error"):
            self._end_texts()
        self._held.append((line, choices, chunk))
        self._held_bytes += len(line)
        if data == b"[DONE]":
            self._over = True

    def _hear_choice(self, choice: Json) -> None:
        text, delta = self._text_of(choice), _delta_of(choice)
        if _says(delta, _REASONED):
            text.end()
        text.take(_content_of(delta))
        is_foreign = bool(delta.get("content")) and not _content_of(delta)
        if is_foreign or choice.get("finish_reason") or _says(delta, _NO_TEXT):
            text.end()

    def _text_of(self, choice: Json) -> TaggedText:
        index = choice.get("index")
        return self._texts.setdefault(index if isinstance(index, int) else 0, TaggedText(self._tags))

    def _end_texts(self) -> None:
        for text in self._texts.values():
            text.end()

    def _release(self) -> bytes:
        """Return the lines that waited. Once no choice can have a tag any more, there is nothing to do."""
        made = b"".join([self._told(*held) for held in self._held])
        self._held.clear()
        self._held_bytes = 0
        texts = self._texts.values()
        self._over = self._over or (len(texts) >= self._expected and all(text.settled for text in texts))
        return made

    def _told(self, line: bytes, choices: list[Json], chunk: Json) -> bytes:
        changed = False
        for choice in choices:
            delta = _delta_of(choice)
            said = _content_of(delta)
            reasoning, content = self._text_of(choice).give(said)
            if content != said:
                choice["delta"] = _retold(delta, reasoning, content or None)
                changed = True
        if not changed:
            return line
        before, end = line.partition(b"{")[0], line[len(line.rstrip(b"\r\n")) :]
        return before + orjson.dumps(chunk) + end


def _mentions(body: bytes, tags: tuple[str, ...]) -> bool:
    """Whether one of the tags may stand in JSON, where some servers escape brackets, as Go's encoder does."""
    names = "|".join(map(re.escape, tags)).encode()
    return re.search(rb"(?:" + names + rb")(?:>|\\u003[eE])", body) is not None


def _parsed(data: bytes) -> Json:
    """Return a JSON object, an empty one for anything else."""
    try:
        value = orjson.loads(data) if data else {}
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _choices_of(value: Json) -> list[Json]:
    choices = value.get("choices")
    return [one for one in choices if isinstance(one, dict)] if isinstance(choices, list) else []


def _delta_of(choice: Json) -> Json:
    delta = choice.get("delta")
    return delta if isinstance(delta, dict) else {}


def _content_of(said: Json) -> str:
    content = said.get("content")
    return content if isinstance(content, str) else ""


def _says(said: Json, fields: tuple[str, ...]) -> bool:
    return any(said.get(field) for field in fields)


def _retold(said: Json, reasoning: str, content: str | None) -> Json:
    """Return a message or delta with its text split; without content where that is None."""
    earlier = said.get("reasoning_content")
    made: Json = {}
    for key, value in said.items():
        if key == "content":
            if reasoning:
                made["reasoning_content"] = (earlier if isinstance(earlier, str) else "") + reasoning
            if content is not None:
                made["content"] = content
        elif key != "reasoning_content" or not reasoning:
            made[key] = value
    return made


class Settings(msgspec.Struct, frozen=True):
    """The table `[plugins.think_split]`: glob patterns of models, names of tags without brackets."""

    models: Patterns = ("*",)
    tags: Annotated[tuple[TagName, ...], msgspec.Meta(min_length=1)] = ("think",)


class _Plugin:
    """The settings of the gateway that is running."""

    def __init__(self) -> None:
        self.settings = Settings()

    @asynccontextmanager
    async def running(self, settings: Settings) -> AsyncIterator[None]:
        self.settings = settings
        yield

    def filter(self, call: Call) -> ThinkFilter | None:
        if call.endpoint != "chat/completions":
            return None
        names = (call.model, call.upstream_model)
        if not any(fnmatchcase(name, pattern) for pattern in self.settings.models for name in names):
            return None
        return ThinkFilter(self.settings.tags, _choices_asked(call))


_plugin = _Plugin()


@hookimpl
def lifespan(host: Host) -> AbstractAsyncContextManager[None]:
    return _plugin.running(settings_as(Settings, NAME, host.settings(NAME)))


@hookimpl
def filter_answer(call: Call) -> AnswerFilter | None:
    return _plugin.filter(call)


def _choices_asked(call: Call) -> int:
    """Return how many choices the answer will have. A wrong `n` is the provider's to refuse."""
    try:
        return (call.body.get("n", int) if call.body is not None else None) or 1
    except BodyError:
        return 1
