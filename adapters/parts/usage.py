"""Usage in OpenAI-shaped answers: read it from the last bytes, or take its event out of a stream.

Nothing here parses an answer as a whole. A quote inside JSON text is escaped, so the bytes
`"usage":{` can only be a key.
"""

from __future__ import annotations

import re
from json import JSONDecoder
from typing import Any

import orjson

from ...plugins import StreamTranslator, Usage

_USAGE_KEY = re.compile(rb'"usage"\s*:\s*\{')
_LINE_END = re.compile(rb"[\r\n]")
_decoder = JSONDecoder()

_MOST = 2**53
_MAX_LINE = 64 * 1024
"""An unfinished line longer than this is no usage event and is passed on at once."""


def read_usage(usage: object) -> Usage | None:
    """Read a usage object of OpenAI's or a near relative; None where it holds no sensible number.

    Cached tokens: `prompt_tokens_details.cached_tokens`, DeepSeek's `prompt_cache_hit_tokens`, Moonshot's
    `cached_tokens`; never more than the prompt. Where the total exceeds the sum, the rest is reasoning kept
    out of `completion_tokens` (xAI, Gemini's OpenAI surface) and counts as completion.
    """
    if type(usage) is not dict:
        return None
    prompt = _count(usage, "prompt_tokens", "input_tokens")
    completion = _count(usage, "completion_tokens", "output_tokens")
    total = _count(usage, "total_tokens")
    if prompt is None and completion is None and total is None:
        return None
    prompt = prompt or 0
    completion = completion or 0
    if total is not None and total > prompt + completion:
        if "completion_tokens" in usage or "output_tokens" in usage:
            completion = total - prompt
        else:
            prompt = total - completion
    cached = _detail(usage, "prompt_tokens_details", "input_tokens_details", "cached_tokens")
    if cached is None:
        cached = _count(usage, "prompt_cache_hit_tokens", "cached_tokens")
    reasoning = _detail(usage, "completion_tokens_details", "output_tokens_details", "reasoning_tokens")
    return Usage(prompt, completion, min(cached or 0, prompt), min(reasoning or 0, completion))


def last_usage(tail: bytes) -> Usage | None:
    """Return the last usage object in these bytes, which may be the end of a stream or of a JSON body."""
    end = len(tail)
    while (at := tail.rfind(b'"usage"', 0, end)) >= 0:
        end = at
        match = _USAGE_KEY.match(tail, at)
        if match is None:
            continue
        usage = read_usage(_object_at(tail, match.end() - 1))
        if usage is not None:
            return usage
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

    def __init__(self) -> None:
        self._line = b""
        self._skip_blank = False

    def feed(self, data: bytes) -> bytes:
        if not self._line and not self._skip_blank and data.endswith(b"\n"):
            at = data.find(b'"usage"')
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
        usage = read_usage(chunk.get("usage"))
        if usage is not None:
            self.usage = usage
        return not chunk.get("choices") and isinstance(chunk.get("usage"), dict) and not chunk.get("error")


def _count(values: dict[str, Any], name: str, other: str = "") -> int | None:
    """The first of these that is a count; hosts send null, floats and text here."""
    value = values.get(name)
    if type(value) is int and 0 <= value < _MOST:
        return value
    if type(value) is float and 0 <= value < _MOST:
        return int(value)
    return _count(values, other) if other else None


def _detail(values: dict[str, Any], name: str, other: str, count: str) -> int | None:
    """A count inside the first of two objects that is there."""
    details = values.get(name)
    if type(details) is not dict:
        details = values.get(other)
    return _count(details, count) if type(details) is dict else None
