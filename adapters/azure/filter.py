"""What Azure's content filter adds to chat answers, and the gaps it leaves in them.

Wire: learn.microsoft.com/azure/ai-services/openai, pages "Content filtering" and "Content streaming"
(asynchronous filter). Results stand beside the text; some chunks hold nothing else and have no delta,
and a choice whose text was filtered may have no message.
"""

from __future__ import annotations

import re

import msgspec
import orjson

from ...plugins import Json, Reply, StreamTranslator
from .. import chat

_RESULTS = frozenset(
    {"prompt_filter_results", "content_filter_results", "content_filter_result", "content_filter_offsets"}
)
_DELTA = re.compile(rb'"delta"\s*:\s*\{')
_FILTERED = re.compile(rb'"finish_reason"\s*:\s*"content_filter"')


class FilterResults(StreamTranslator):
    """Gives each choice of a chat stream a delta, which clients read unasked. Takes whole lines.

    With `strip` the filter's results are taken out, and chunks that hold nothing else are left out.
    `after` takes what this one returns.
    """

    needs_body = False

    def __init__(self, strip: bool, after: StreamTranslator | None = None) -> None:
        self._strip = strip
        self._after = after
        self._skip_blank = False

    def feed(self, data: bytes) -> bytes:
        made = b"".join(map(self._line, data.splitlines(keepends=True)))
        return self._after.feed(made) if self._after and made else made

    def close(self) -> bytes:
        return self._after.close() if self._after else b""

    def _line(self, line: bytes) -> bytes:
        data = line.rstrip(b"\r\n")
        if not data:
            return b"" if self._skip_blank else line
        self._skip_blank = False
        if not self._strip and _has_deltas(data):
            return line
        try:
            chunk = orjson.loads(data.lstrip(b"\xef\xbb\xbf").removeprefix(b"data:"))
        except orjson.JSONDecodeError:
            return line
        if not isinstance(chunk, dict):
            return line
        made = _without_results(chunk) if self._strip else chunk
        if made is None:
            self._skip_blank = True
            return b""
        made = _with_deltas(made)
        return line if made is chunk else b"data: " + orjson.dumps(made) + line[len(data) :]


def whole(reply: Reply, strip: bool) -> Reply:
    """Return a whole chat answer in which each choice has a message, without filter results on `strip`."""
    if not strip and not _FILTERED.search(reply.body):
        return reply
    try:
        answer = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return reply
    if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
        return reply
    choices = [choice for choice in answer["choices"] if isinstance(choice, dict)]
    made = {**answer, "choices": [{"message": chat.message(""), **choice} for choice in choices]}
    if strip:
        made = _bare({**made, "choices": [_bare(choice) for choice in made["choices"]]})
    return reply if made == answer else msgspec.structs.replace(reply, body=orjson.dumps(made))


def _has_deltas(line: bytes) -> bool:
    """Whether a line shows a delta for each of its choices, seen from its keys alone."""
    reasons = line.count(b'"finish_reason"')
    if reasons < 2 and b'"delta":{' in line:
        return True
    deltas = len(_DELTA.findall(line))
    return deltas > 0 and deltas >= reasons


def _without_results(chunk: Json) -> Json | None:
    """A chunk without filter results; None if nothing is left."""
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        return chunk
    bare = [_bare(choice) for choice in choices if isinstance(choice, dict) and not _is_note(choice)]
    if not bare and not chunk.get("usage") and (choices or "prompt_filter_results" in chunk):
        return None
    return _bare({**chunk, "choices": bare})


def _is_note(choice: Json) -> bool:
    """Whether a choice only tells the filter's results."""
    says = choice.get("delta") or choice.get("finish_reason") or choice.get("message") or "text" in choice
    return not says and not _RESULTS.isdisjoint(choice)


def _bare(value: Json) -> Json:
    return {name: part for name, part in value.items() if name not in _RESULTS}


def _with_deltas(chunk: Json) -> Json:
    """A chunk in which each choice has a delta; the same object where that is so."""
    choices = chunk.get("choices")
    if not isinstance(choices, list) or all(_has_delta(choice) for choice in choices):
        return chunk
    return {**chunk, "choices": [c if _has_delta(c) else {**c, "delta": {}} for c in choices]}


def _has_delta(choice: object) -> bool:
    return not isinstance(choice, dict) or isinstance(choice.get("delta"), dict)
