"""The most a request may use, told before the provider is asked: what is reserved for it.

Runs for every request and reads only top-level fields; the tree is not parsed. A chat of 2 KB costs about
2 us, one of 1 MB half a millisecond. The settlement replaces the estimate, so it has to cover the answer, and
not to refuse a caller who has enough.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ...plugins import BodyError, Endpoint, JsonBody
from ..billing.pricing import Price
from ..ledger.entry import Counts

DEFAULT_COMPLETION = 4096
"""Completion tokens where neither the request nor the price bounds them."""

_MOST = 2**31
_LARGE = 8192
"""From here on a body is looked at by sample, and for pictures inside it."""

_STRIDE = 17
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_PROBE_EVERY = 2048
_PICTURE = b'"image_url":'
_LOW = b" abcdefghijklmnopqrstuvwxyz" + bytes(range(0x80, 0x100))
"""Bytes of which about two make a token at most; of others, each one may be a token."""

_PICTURE_TOKENS = 1600
_FILE_BYTES_PER_TOKEN = 8
_SOUND_BYTES_PER_TOKEN = 64
"""Base64 of a sound or a video: 32 tokens a second at 16 kbit/s."""

_IMAGE_TOKENS = 6240
"""The most gpt-image-1 makes of one image: high quality, 1024 by 1536."""

_FORM_IMAGES = 10
_FORM_BYTES = 25 * 1024 * 1024
"""OpenAI's bounds for a form, whose fields are not known when it begins."""

_FORM_BYTES_PER_MS = 2
"""16 kbit/s: hardly any recording has fewer."""

_MS_PER_HEARD_TOKEN, _MS_PER_SAID_TOKEN = 100, 125
"""A recording makes ten tokens a second for the model, whose answer has fewer than eight."""

_CHAT = ("chat/completions", "completions", "responses")


def estimate(
    endpoint: Endpoint,
    body: JsonBody | None,
    form_length: int | None,
    price: Price,
    default_completion: int = DEFAULT_COMPLETION,
) -> Counts:
    """Return an upper estimate of what a request will use.

    `body` is None for a form, of `form_length` bytes, None where only its end will tell. Prompt tokens are an
    upper bound for text as people and programs write it; strings of random rare characters may have half as
    many again. Raises BodyError for a bound that no provider takes.
    """
    if body is None:
        return _form(endpoint, _FORM_BYTES if form_length is None else form_length)
    prompt = _prompt(body.raw)
    if price.context and prompt > price.context:
        prompt = price.context
    if endpoint in _CHAT:
        return Counts(prompt, _completion(endpoint, body, price, default_completion))
    if endpoint == "audio/speech":
        return _speech(prompt, body)
    if endpoint.startswith("images/"):
        images = _whole(body, "n") or 1
        made = images * _IMAGE_TOKENS
        return Counts(prompt, made, image_completion_tokens=made, images=images)
    return Counts(prompt)


def _completion(endpoint: Endpoint, body: JsonBody, price: Price, default: int) -> int:
    if endpoint == "responses":
        bound = _whole(body, "max_output_tokens")
    else:
        bound = max(_whole(body, "max_completion_tokens"), _whole(body, "max_tokens"))
    bound = bound or price.output or default
    if price.context and bound > price.context:
        bound = price.context
    if endpoint == "responses":
        return bound
    times = _whole(body, "n") or 1
    if endpoint == "completions":
        times = max(times, _whole(body, "best_of")) * _prompts(body)
    return bound * times


def _whole(body: JsonBody, name: str) -> int:
    """A number of tokens or answers; 0 where it is absent or 0, which leave it to the provider."""
    try:
        value = body.get(name, int)
    except BodyError:
        number = body.get(name, float)  # what some languages write for a whole number
        if number is None or not number.is_integer():
            raise
        value = int(number)
    if value is None:
        return 0
    if not 0 <= value < _MOST:
        raise BodyError(f"invalid value for {name!r}: expected a number from 1 to {_MOST - 1}", name)
    return value


def _prompts(body: JsonBody) -> int:
    """How many prompts a completions request has: a list of texts, or of lists of token ids, has many."""
    given = body.part("prompt")
    if not given.startswith(b"["):
        return 1
    items = msgspec.json.decode(given, type=list[msgspec.Raw])
    return len(items) if items and bytes(items[0]).startswith((b'"', b"[")) else 1


def _prompt(raw: bytes) -> int:
    """The most tokens a body may hold."""
    size = len(raw)
    if size > _LARGE:
        return _large_prompt(raw)
    high = raw.translate(None, _LOW)
    tokens = _of_text(raw, size, len(high), high.count(b"\\"))
    if b'"_":{"":"' in high or b'"_":"' in high:  # what is left of the keys of a picture
        tokens += _PICTURE_TOKENS * raw.count(_PICTURE)
    return tokens


def _large_prompt(raw: bytes) -> int:
    """The same by sample, without the base64 in it, which is no text."""
    size = more = at = 0
    samples: list[bytes] = []
    spans = _base64_spans(raw) if _may_hold_base64(raw) else []
    for start, end in [*spans, (len(raw), len(raw))]:
        size += start - at
        samples.append(raw[at:start:_STRIDE])
        more += _PICTURE_TOKENS * raw.count(_PICTURE, at, start) + _data_tokens(raw, start, end)
        at = end
    high = b"".join(samples).translate(None, _LOW)
    return _of_text(raw, size, min(size, len(high) * _STRIDE), high.count(b"\\") * _STRIDE) + more


def _of_text(raw: bytes, size: int, high: int, backslashes: int) -> int:
    """The most tokens of `size` bytes of text with so many of the higher kind."""
    tokens = (9 * size + 7 * high) // 16 + 1
    if 24 * backslashes > size:  # a quarter of it may be escapes of six bytes, each of them one character
        tokens = min(tokens, size - min(4 * raw.count(b"\\u"), 2 * size // 3) + 1)
    return tokens


def _may_hold_base64(raw: bytes) -> bool:
    """Whether one of the places looked at does. To find out where it begins takes longer."""
    return any(not raw[at : at + 32].translate(None, _BASE64) for at in range(0, len(raw), _PROBE_EVERY))


def _base64_spans(raw: bytes) -> list[tuple[int, int]]:
    """Where base64 stands: behind `;base64,`, or in the `data` of an `input_audio`."""
    spans = list(_strings_after(raw, b";base64,", 0, len(raw)))
    sounds: list[tuple[int, int]] = []
    at = 0
    for start, end in [*spans, (len(raw), len(raw))]:
        if start - at > _LARGE:
            sounds += _strings_after(raw, b'"input_audio"', at, start)
        at = end
    return sorted(spans + sounds)


def _strings_after(raw: bytes, mark: bytes, at: int, stop: int) -> Iterator[tuple[int, int]]:
    """Where strings without a space stand behind this mark. Of an object, the string is its `data`."""
    while (at := raw.find(mark, at, stop)) >= 0:
        start = at + len(mark)
        if mark.endswith(b'"'):
            data = raw.find(b'"data"', start, stop)
            start = raw.find(b'"', data + 6, stop) + 1 if data >= 0 else 0
        at = end = raw.find(b'"', start, stop)
        if end < 0 or not start:
            return
        if raw.find(b" ", start, end) < 0:
            yield start, end


def _data_tokens(raw: bytes, start: int, end: int) -> int:
    """Tokens of base64 by what stands before it. A picture is counted by its key."""
    before = raw[max(0, start - 64) : start]
    if b"data:image/" in before:
        return 0
    is_file = b"data:" in before and b"data:audio/" not in before and b"data:video/" not in before
    return (end - start) // (_FILE_BYTES_PER_TOKEN if is_file else _SOUND_BYTES_PER_TOKEN)


def _speech(prompt: int, body: JsonBody) -> Counts:
    """A spoken character is at most two of the tokens that sound is made of."""
    characters = len(body.get("input", str) or "")
    made = 2 * characters
    return Counts(prompt, made, audio_completion_tokens=made, characters=characters)


def _form(endpoint: Endpoint, length: int) -> Counts:
    if endpoint.startswith("images/"):
        made = _FORM_IMAGES * _IMAGE_TOKENS
        return Counts(_LARGE, made, image_completion_tokens=made, images=_FORM_IMAGES)
    heard = max(0, length) // _FORM_BYTES_PER_MS
    tokens = heard // _MS_PER_HEARD_TOKEN
    return Counts(tokens, heard // _MS_PER_SAID_TOKEN, audio_prompt_tokens=tokens, milliseconds=heard)
