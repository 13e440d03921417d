"""Usage in OpenAI-shaped answers: read it from the last bytes, or take its event out of a stream.

Every adapter's counts pass through CountReader, so that no report of a provider, whatever it is, credits
anybody or costs a fortune. Nothing here parses an answer as a whole. A quote inside JSON text is escaped,
so the bytes `"usage":{` can only be a key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from json import JSONDecoder
from math import ceil
from typing import Any

import msgspec
import orjson

from ...plugins import Json, StreamTranslator, Usage

_USAGE_KEY = re.compile(rb'"usage"\s*:\s*\{')
_LINE_END = re.compile(rb"[\r\n]")
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_decoder = JSONDecoder()

MOST = 2**40
"""A number of tokens from here on is none; no model has a millionth of it."""

_MAIN = frozenset({"prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens"})
_PLAIN = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})
_PROMPT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_COMPLETION_DETAILS = ("completion_tokens_details", "output_tokens_details", "output_token_details")
"""Names for how a count divides: of chat, of responses and images, of transcriptions."""

_WRITTEN = ("cache_write_tokens", "cache_creation_input_tokens", "cache_creation_tokens")
"""What was put into the prompt cache, at OpenRouter, at DashScope, and at proxies for Anthropic."""

_CACHE = frozenset(
    {
        *("prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens"),
        "cache_creation_input_tokens",
    }
)
"""What was read from the cache and put into it where it stands beside the counts: DeepSeek's, Moonshot's and
Anthropic's names."""

_NOTHING: Json = {}

_MAX_LINE = 64 * 1024
"""An unfinished line longer than this is no usage event and is passed on at once."""

_MOST_LOOKS = 64
"""Objects of that name that are looked at: each costs as much as all that follows it."""

_LOOK_BACK = 2048
"""Bytes before the last usage object in which another one is looked for."""


def read_usage(usage: object) -> Usage | None:
    """Read a usage object of OpenAI's or a near relative; None where it says nothing about usage.

    What no count can be is left out and named in `odd`. Where the total exceeds the sum, the rest is
    reasoning kept out of `completion_tokens` (xAI, Gemini's OpenAI surface) and counts as completion.
    Seconds of audio are those of `{"type": "duration", "seconds": 9}`.
    """
    if type(usage) is not dict:
        return None
    if usage.keys() == _PLAIN:  # as most hosts write it
        prompt, completion, total = usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]
        is_sound = type(prompt) is int is type(completion) is type(total) and prompt + completion == total
        if is_sound and 0 <= prompt < MOST and 0 <= completion < MOST:
            return Usage(prompt, completion)
    read = CountReader()
    prompt = read.count(usage, "prompt_tokens", "input_tokens")
    completion = read.count(usage, "completion_tokens", "output_tokens")
    total = read.count(usage, "total_tokens")
    milliseconds = read.milliseconds(usage) if usage.get("type") == "duration" else 0
    if prompt is None and completion is None and total is None and not milliseconds:
        is_empty = not read.odd and _MAIN.isdisjoint(usage)
        return None if is_empty else Usage(odd=read.odd or ("null_usage",))
    prompt, completion = prompt or 0, completion or 0
    if total is not None and total > prompt + completion:
        if "completion_tokens" in usage or "output_tokens" in usage:
            completion = total - prompt
        else:
            prompt = total - completion
    elif total and total < prompt + completion:
        read.note("total_usage")
    if _MAIN.issuperset(usage):
        return Usage(prompt, completion, odd=read.odd)
    asked, made = _details(usage, _PROMPT_DETAILS), _details(usage, _COMPLETION_DETAILS)
    if milliseconds or any(asked.values()) or any(made.values()) or not _CACHE.isdisjoint(usage):
        return _parted(read, usage, prompt, completion, asked, made, milliseconds)
    return Usage(prompt, completion, odd=read.odd)


def _parted(
    read: CountReader, usage: Json, prompt: int, completion: int, asked: Json, made: Json, milliseconds: int
) -> Usage:
    """Usage with its parts: `asked` are those of the prompt, `made` those of the completion."""
    cached = read.count(asked, "cached_tokens")
    if cached is None:
        cached = read.count(usage, "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens")
    written = read.count(asked, *_WRITTEN)
    if written is None:
        written = read.count(usage, "cache_creation_input_tokens")
    return read.usage(
        prompt,
        completion,
        cached=cached or 0,
        written=written or 0,
        reasoning=read.count(made, "reasoning_tokens") or 0,
        audio_prompt=read.count(asked, "audio_tokens") or 0,
        image_prompt=read.count(asked, "image_tokens") or 0,
        audio_completion=read.count(made, "audio_tokens") or 0,
        image_completion=read.count(made, "image_tokens") or 0,
        milliseconds=milliseconds,
    )


def read_renamed(values: object, names: Mapping[str, str]) -> Usage | None:
    """Read a provider's own usage object; `names` has its names for OpenAI's."""
    if not isinstance(values, dict):
        return None
    return read_usage({ours: values[theirs] for ours, theirs in names.items() if theirs in values})


def latest(before: Usage | None, after: Usage | None) -> Usage | None:
    """Return what two reports about one answer say together, the later one last.

    Counts grow while an answer does. One that becomes less, or another prompt, is a contradiction: the larger
    count stays and `usage_twice` is noted. 0 is no contradiction, many hosts say it before they know.
    """
    if before is None or after is None:
        return after if before is None else before
    prompt, completion = after.prompt_tokens, after.completion_tokens
    if prompt == before.prompt_tokens and completion >= before.completion_tokens and before.odd == after.odd:
        return after
    shrinks = 0 < completion < before.completion_tokens
    differs = 0 < prompt != before.prompt_tokens > 0
    *some, odd = msgspec.structs.astuple(before)
    *others, more = msgspec.structs.astuple(after)
    words = dict.fromkeys((*odd, *more, *(("usage_twice",) if shrinks or differs else ())))
    values: list[Any] = [*map(max, some, others), tuple(words)]
    return Usage(*values)


def last_usage(tail: bytes) -> Usage | None:
    """Return the last usage object in these bytes, which may be the end of a stream or of a JSON body.

    One shortly before it may contradict it: see `latest`.
    """
    last: Usage | None = None
    last_at, start, end, looks = 0, 0, len(tail), 0
    while looks < _MOST_LOOKS and (at := tail.rfind(b'"usage"', start, end)) >= 0:
        end = at
        match = _USAGE_KEY.match(tail, at)
        if match is None:
            continue
        looks += 1
        usage = read_usage(_object_at(tail, match.end() - 1))
        if usage is None:
            continue
        if last is not None:
            both = latest(usage, last)
            assert both is not None
            if usage != last and _is_apart(tail, at) and _is_apart(tail, last_at):
                return msgspec.structs.replace(both, odd=tuple(dict.fromkeys((*both.odd, "usage_twice"))))
            return both
        last, last_at, start = usage, at, max(0, at - _LOOK_BACK)
    return last


def _is_apart(tail: bytes, at: int) -> bool:
    """Whether the usage here is an event of its own, of which a stream has one."""
    start = max(tail.rfind(b"\n", 0, at), tail.rfind(b"\r", 0, at), 0)
    return _NO_CHOICES.search(tail, start, at) is not None


class CountReader:
    """Reads the counts in one report. What no count can be is left out, and `odd` names why."""

    __slots__ = ("odd",)

    def __init__(self) -> None:
        self.odd: tuple[str, ...] = ()

    def note(self, word: str) -> None:
        """Add a word to `odd`, once."""
        if word not in self.odd:
            self.odd += (word,)

    def count(self, values: Mapping[str, Any], *names: str) -> int | None:
        """Return the first of these that is a count, None where none is; null counts as absent."""
        for name in names:
            value = values.get(name)
            if type(value) is int and 0 <= value < MOST:
                return value
            if value is not None and (number := self._doubtful(value)) is not None:
                return number
        return None

    def milliseconds(self, values: Mapping[str, Any], name: str = "seconds") -> int:
        """Return a number of seconds as milliseconds, rounded up; 0 where it is none."""
        value = values.get(name)
        is_number = type(value) in (int, float)
        return (self._doubtful(value * 1000 if is_number else value) or 0) if value is not None else 0

    def usage(
        self,
        prompt: int,
        completion: int,
        *,
        cached: int = 0,
        written: int = 0,
        reasoning: int = 0,
        audio_prompt: int = 0,
        image_prompt: int = 0,
        audio_completion: int = 0,
        image_completion: int = 0,
        milliseconds: int = 0,
        images: int = 0,
    ) -> Usage:
        """Put counts together; parts that are larger than their whole are cut to it."""
        if cached or written or audio_prompt or image_prompt:
            cached, written = self._within(prompt, cached, written)
            audio_prompt, image_prompt = self._within(prompt, audio_prompt, image_prompt)
        if reasoning or audio_completion or image_completion:
            reasoning, _ = self._within(completion, reasoning)
            audio_completion, image_completion = self._within(completion, audio_completion, image_completion)
        return Usage(
            prompt,
            completion,
            cached,
            reasoning,
            written,
            audio_prompt,
            audio_completion,
            image_prompt,
            image_completion,
            milliseconds,
            images,
            self.odd,
        )

    def _within(self, whole: int, part: int, other: int = 0) -> tuple[int, int]:
        if part + other <= whole:
            return part, other
        self.note("part_usage")
        part = min(part, whole)
        return part, min(other, whole - part)

    def _doubtful(self, value: object) -> int | None:
        """A value that is no plain count: a whole number written as a float is one, the rest is odd."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.note("text_usage")
        elif value != value:
            self.note("nan_usage")
        elif value < 0:
            self.note("negative_usage")
        elif value >= MOST:
            self.note("huge_usage")
        else:
            return ceil(value)
        return None


def _object_at(data: bytes, start: int) -> object:
    """Parse the object that begins here; None if it is none."""
    try:
        return orjson.loads(data[start : data.rindex(b"}")])  # it is the last field of the object around it
    except ValueError:
        pass
    try:
        return _decoder.raw_decode(data[start:].decode("utf-8", "replace"))[0]
    except (ValueError, RecursionError):  # half an object, a number of 5000 digits, 1000 levels
        return None


class UsageFilter(StreamTranslator):
    """Passes a stream on byte for byte but for the usage event that only we asked for.

    That event has usage and no choices. Lines are held until they end, so that no part of it escapes.
    """

    needs_body = False
    key = b'"usage"'

    def __init__(self) -> None:
        self._line = b""
        self._skip_blank = False

    def feed(self, data: bytes) -> bytes:
        if not self._line and not self._skip_blank and data.endswith(b"\n"):
            at = data.find(self.key)
            if at < 0 or not _USAGE_KEY.search(data, at):
                return data
        data = self._line + data
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        self._line = data[end:]
        if len(self._line) > _MAX_LINE:
            end, self._line = len(data), b""
        return self._without_usage(data[:end])

    def close(self) -> bytes:
        line, self._line = self._line, b""
        return self._without_usage(line)

    def _without_usage(self, lines: bytes) -> bytes:
        if self._skip_blank:
            lines = self._after_blank(lines)
        kept: list[bytes] = []
        seen = 0
        while match := _USAGE_KEY.search(lines, seen):
            last_end = max(lines.rfind(b"\n", seen, match.start()), lines.rfind(b"\r", seen, match.start()))
            start = max(seen, last_end + 1)
            line_end = _LINE_END.search(lines, match.end())
            seen = line_end.start() if line_end else len(lines)
            if self._is_ours(lines[start:seen]):
                kept.append(lines[:start])
                self._skip_blank = True
                lines, seen = self._after_blank(lines[seen:]), 0
        kept.append(lines)
        return b"".join(kept)

    def _after_blank(self, lines: bytes) -> bytes:
        """Drop the line ends that belonged to the event just taken out."""
        rest = lines.lstrip(b"\r\n")
        if rest:
            self._skip_blank = False
        return rest

    def _is_ours(self, line: bytes) -> bool:
        try:
            chunk = orjson.loads(line.lstrip(b"\xef\xbb\xbf").removeprefix(b"data:"))
        except orjson.JSONDecodeError:
            return False
        if not isinstance(chunk, dict):
            return False
        self.usage = latest(self.usage, read_usage(chunk.get("usage")))
        return not chunk.get("choices") and isinstance(chunk.get("usage"), dict) and not chunk.get("error")


def _details(usage: Json, names: tuple[str, ...]) -> Json:
    """The first of these objects that is there."""
    for name in names:
        details: object = usage.get(name)
        if type(details) is dict:
            return details
    return _NOTHING
