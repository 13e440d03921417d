"""What a request may use at most, from its top level alone: for every request whose money is limited."""

from __future__ import annotations

from ...plugins import BodyError, Endpoint, JsonBody
from ..ledger.entry import Counts
from ..pricing import Price

_BYTES_PER_TOKEN = 2
"""Text has more, in every language and in code: 3 to 5. Fewer only where it is noise, such as base64."""

_OVERHEAD_TOKENS = 16
_IMAGE_TOKENS = 1600
_LARGE_BYTES = 16 * 1024
_DATA = b";base64,"
_MOST_TOKENS = 2**31
_MOST_N = 1024
_AUDIO_BYTES_PER_SECOND = 2000
"""The least that speech is compressed to."""

_WORDS: frozenset[Endpoint] = frozenset({"chat/completions", "completions", "responses"})


def estimate(
    endpoint: Endpoint, body: JsonBody | None, form_bytes: int | None, price: Price, completion_tokens: int
) -> Counts:
    """Return the most that a request should use. Raises BodyError for a bound that no provider takes.

    `completion_tokens` are assumed where neither the request nor its model has a bound.
    """
    if body is None:
        return _form(endpoint, form_bytes or 0)
    if endpoint == "audio/speech":
        spoken = body.get("input", str) or ""
        return Counts(characters=len(spoken))
    prompt = _prompt_tokens(body.raw, price.context)
    if endpoint in _WORDS:
        choices = _count(body, "n", _MOST_N) or 1
        if endpoint == "completions":
            choices = max(choices, _count(body, "best_of", _MOST_N) or 1)
        return Counts(prompt, choices * (_bound(body) or price.output or completion_tokens))
    if endpoint.startswith("images/"):
        return Counts(prompt, images=_count(body, "n", _MOST_N) or 1)
    return Counts(prompt)


def _bound(body: JsonBody) -> int | None:
    """The most tokens of an answer that the request allows."""
    for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"):
        bound = _count(body, name, _MOST_TOKENS)
        if bound:
            return bound
    return None


def _count(body: JsonBody, name: str, most: int) -> int | None:
    raw = body.raw_field(name)
    if raw is None or raw == b"null":
        return None
    digits = raw.removesuffix(b".0")
    if not digits.isdigit() or len(digits) > 12 or int(digits) > most:
        raise BodyError(f"invalid value for {name!r}: expected a whole number from 0 to {most}", name)
    return int(digits)


def _prompt_tokens(raw: bytes, context: int) -> int:
    size, pictures = len(raw), 0
    if size > _LARGE_BYTES:
        size, pictures = _without_data(raw)
    tokens = size // _BYTES_PER_TOKEN + _OVERHEAD_TOKENS + pictures * _IMAGE_TOKENS
    return min(tokens, context) if context else tokens


def _without_data(raw: bytes) -> tuple[int, int]:
    """Size of a body without the files in its data: addresses, and how many there are."""
    size, found, at = len(raw), 0, raw.find(_DATA)
    while at >= 0:
        end = raw.find(b'"', at)
        if end < 0:
            break
        size -= end - at
        found += 1
        at = raw.find(_DATA, end)
    return size, found


def _form(endpoint: Endpoint, size: int) -> Counts:
    if endpoint.startswith("audio/"):
        seconds = size // _AUDIO_BYTES_PER_SECOND + 1
        return Counts(seconds * 10, seconds * 5, milliseconds=seconds * 1000)
    return Counts(_IMAGE_TOKENS * 4, _IMAGE_TOKENS * 4, images=4)
