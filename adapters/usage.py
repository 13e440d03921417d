"""Usage in OpenAI-shaped answers: read it from the last bytes, or take its event out of a stream.

Nothing here parses an answer as a whole. A quote inside JSON text is escaped, so the bytes
`"usage":{` can only be a key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from json import JSONDecoder
from typing import Any

import orjson

from ..plugins import StreamTranslator, Usage

_USAGE_KEY = re.compile(rb'"usage"\s*:\s*\{')
_LINE_END = re.compile(rb"[\r\n]")
_decoder = JSONDecoder()

_MAX_LINE = 64 * 1024
"""An unfinished line longer than this is no usage event and is passed on at once."""


def read_usage(usage: object) -> Usage | None:
    """Read a usage object of OpenAI's or a near relative; None where it holds no sensible number.

    Cached tokens: `prompt_tokens_details.cached_tokens`, DeepSeek's `prompt_cache_hit_tokens`, Moonshot's
    `cached_tokens`; never more than the prompt. Where the total exceeds the sum, the rest is reasoning kept
    out of `completion_tokens` (xAI, Gemini's OpenAI surface) and counts as completion.
    """
    if not isinstance(usage, Mapping):
        return None
    prompt = count(usage, "prompt_tokens", "input_tokens")
    completion = count(usage, "completion_tokens", "output_tokens")
    total = count(usage, "total_tokens")
    if prompt is None and completion is None and total is None:
        return None
    prompt = prompt or 0
    completion = completion or 0
    if total is not None and total > prompt + completion:
        if "completion_tokens" in usage or "output_tokens" in usage:
            completion = total - prompt
        else:
            prompt = total - completion
    prompt_details = _mapping(usage, "prompt_tokens_details", "input_tokens_details")
    completion_details = _mapping(usage, "completion_tokens_details", "output_tokens_details")
    cached = count(prompt_details, "cached_tokens")
    if cached is None:
        cached = count(usage, "prompt_cache_hit_tokens", "cached_tokens")
    reasoning = count(completion_details, "reasoning_tokens")
    return Usage(prompt, completion, min(cached or 0, prompt), min(reasoning or 0, completion))


def last_usage(tail: bytes) -> Usage | None:
    """Return the last usage object in these bytes, which may be the end of a stream or of a JSON body."""
    for match in reversed(list(_USAGE_KEY.finditer(tail))):
        text = tail[match.end() - 1 :].decode("utf-8", "replace")
        try:
            value, _ = _decoder.raw_decode(text)
        except (ValueError, RecursionError):  # half an object, a number of 5000 digits, 1000 levels
            continue
        usage = read_usage(value)
        if usage is not None:
            return usage
    return None


class UsageFilter(StreamTranslator):
    """Passes a stream on byte for byte but for the usage event that only we asked for.

    That event has usage and no choices. Lines are held until they end, so that no part of it escapes.
    """

    def __init__(self) -> None:
        self._line = b""
        self._skip_blank = False

    def feed(self, data: bytes) -> bytes:
        if not self._line and not self._skip_blank and data.endswith(b"\n") and not _USAGE_KEY.search(data):
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


def count(values: Mapping[str, Any], *names: str) -> int | None:
    """Return the first of these that is a count; hosts send null, floats and text here."""
    for name in names:
        value = values.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**53:
            return int(value)
    return None


def _mapping(values: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next((value for name in names if isinstance(value := values.get(name), Mapping)), {})
