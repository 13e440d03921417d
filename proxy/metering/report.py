"""What a provider reported, made safe, and whether it makes sense against what was sent and seen.

Every request goes through `provided`, which is quick and counts nothing. Where it finds nothing to go by it
gives None, and `measure` counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from ...plugins import Endpoint, Usage
from ..ledger.entry import Counts, UsageSource

if TYPE_CHECKING:
    from .stream import StreamMeter

_MOST = 2**40
_HIDDEN = 50
"""Tokens for each byte seen that are too many to believe: thoughts may be hidden, but not so many."""

_HIDDEN_PROMPT = 2**18
"""Prompt tokens that hosts may add of their own, such as pages a search has found."""

CHATS = frozenset({"chat/completions", "completions", "responses"})
LISTENERS = frozenset({"audio/transcriptions", "audio/translations"})
PAINTERS = frozenset({"images/generations", "images/edits", "images/variations"})


class Sent(msgspec.Struct, frozen=True):
    """What was asked. `model` is the provider's name for it.

    `raw` is the JSON body, empty where it was not kept; of a form, `form_head` is its beginning and
    `form_length` its bytes. `estimated` is what `estimate` said of it.
    """

    endpoint: Endpoint
    model: str
    raw: bytes = b""
    form_head: bytes = b""
    form_length: int = 0
    estimated: Counts = Counts()


class Seen(msgspec.Struct, frozen=True):
    """What was seen of the answer: `size` bytes, either a whole `body` or a stream with its `meter`.

    `complete` is False for an answer that was cut, by its provider or because the client left.
    """

    size: int = 0
    body: bytes = b""
    meter: StreamMeter | None = None
    complete: bool = True


class Measured(msgspec.Struct, frozen=True):
    """What a request has used, how that is known, and words about what was odd."""

    counts: Counts
    source: UsageSource
    flags: tuple[str, ...] = ()


def provided(usage: Usage | None, sent: Sent, seen: Seen) -> Measured | None:
    """Return what the provider reported, or None where something has to be counted here.

    That is so where a number is missing that cannot be 0, and for an answer that was cut, whose report may be
    of its beginning.
    """
    if usage is None or not seen.complete:
        return None
    counts, flags = checked(usage)
    endpoint = sent.endpoint
    if endpoint in PAINTERS:
        counts = with_images(counts, sent, seen)
        is_whole = counts.prompt_tokens > 0 and counts.images > 0
    elif endpoint in LISTENERS:
        is_whole = counts.milliseconds > 0 or counts.prompt_tokens > 0
    elif endpoint == "audio/speech":
        return None
    else:
        is_whole = _is_plausible(counts, endpoint)
    return Measured(counts, "provider", with_doubts(flags, counts, sent, seen)) if is_whole else None


def checked(usage: Usage) -> tuple[Counts, tuple[str, ...]]:
    """Return a report as counts and what is odd about it. Not every adapter has checked its numbers."""
    *numbers, odd = msgspec.structs.astuple(usage)
    try:
        is_sound = min(numbers) >= 0 and max(numbers) < _MOST and set(map(type, numbers)) == {int}
    except TypeError:
        is_sound = False
    if not is_sound:
        return _repaired(usage)
    prompt, completion, cached, reasoning, written, *others = numbers
    return Counts(prompt, completion, cached, written, reasoning, *others), odd


def with_doubts(flags: tuple[str, ...], counts: Counts, sent: Sent, seen: Seen) -> tuple[str, ...]:
    """Add `implausible_usage` to the flags where a count is beyond all that can be behind it."""
    bound = sent.estimated
    made = max(_HIDDEN * seen.size, bound.completion_tokens)
    asked = max(_HIDDEN * bound.prompt_tokens, _HIDDEN_PROMPT)
    is_long = bound.completion_tokens and counts.completion_tokens > made
    if is_long or (bound.prompt_tokens and counts.prompt_tokens > asked):
        flags += ("implausible_usage",)
    return flags


def with_images(counts: Counts, sent: Sent, seen: Seen) -> Counts:
    """Add the images of an answer; what a model of images makes are tokens of images."""
    images = counts.images
    if not images and seen.body:
        images = max(_keys(seen.body, b"b64_json"), _keys(seen.body, b"url"))
    images = images or (sent.estimated.images if sent.raw else 1)
    made = counts.image_completion_tokens or counts.completion_tokens
    return msgspec.structs.replace(counts, images=images, image_completion_tokens=made)


def _keys(body: bytes, name: bytes) -> int:
    """How often a field of this name holds text. A quote inside text is escaped, so it is a field."""
    return body.count(b'"%b":"' % name) + body.count(b'"%b": "' % name)


def _is_plausible(counts: Counts, endpoint: Endpoint) -> bool:
    """Whether nothing is 0 that cannot be. What a provider says otherwise is its word."""
    return counts.prompt_tokens > 0 and (counts.completion_tokens > 0 or endpoint not in CHATS)


def _repaired(usage: Usage) -> tuple[Counts, tuple[str, ...]]:
    """The same of a report with numbers that are none; they are left out and named."""
    odd = dict.fromkeys(usage.odd)
    kept: dict[str, int] = {}
    for name in Counts.__struct_fields__:
        value = cast("object", getattr(usage, name, 0))
        if type(value) is int and 0 <= value < _MOST:
            kept[name] = value
        elif type(value) is not int:
            odd["text_usage"] = None
        else:
            odd["negative_usage" if value < 0 else "huge_usage"] = None
    return Counts(**kept), tuple(odd)
