"""A row of the call log: which columns it has, and how an Entry becomes one and comes back.

Pure. A request's id is kept as two numbers, `at_ms` and `tail`: they are the primary key and part of every
index, and take half the room of the text. Users, tokens and channels are kept as numbers, never as names: a
row outlives what it names, and a name may change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from ..ledger.entry import Charge, Counts, Entry, Try

_ID = re.compile(r"[0-9a-f]{24}")
_NAME, _WORD, _PROBLEM = 191, 64, 500
"""Most characters of a text: a name, a word of ours, what went wrong."""

NUMBERS = (
    "at_ms", "tail", "user_id", "token_id", "channel_id", "failed", "status", "streamed", "prompt_tokens",
    "completion_tokens", "cached_tokens", "cost", "charged", "first_byte_ms", "total_ms", "attempts",
)  # fmt: skip
TEXTS: Mapping[str, int] = {
    "model": _NAME, "upstream_model": _NAME, "user_group": _NAME, "endpoint": _NAME, "price": _NAME,
    "usage_source": _WORD, "address": _WORD, "error_type": _WORD, "answered_by": _WORD, "problem": _PROBLEM,
}  # fmt: skip
"""Texts, and how many characters of each are kept."""

COLUMNS = (*NUMBERS, *TEXTS, "details")
MAY_BE_NULL = frozenset({"channel_id", "first_byte_ms"})


class _Details(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What is shown of one request and never searched for."""

    counts: Counts
    group_ratio: int
    channel_ratio: int
    flags: tuple[str, ...] = ()
    charges: tuple[Charge, ...] = ()
    tries: tuple[Try, ...] = ()
    queue_ms: int = 0


_encode = msgspec.json.Encoder().encode
_details = msgspec.json.Decoder(_Details).decode


def split_id(request_id: str) -> tuple[int, int] | None:
    """Return `at_ms` and `tail` of a request's id, None for what is none."""
    if not _ID.fullmatch(request_id):
        return None
    return int(request_id[:12], 16), int(request_id[12:], 16)


def join_id(at_ms: int, tail: int) -> str:
    """Return the id that was split."""
    return f"{at_ms:012x}{tail:012x}"


_SHORT_BITS, _TAIL_BITS = 12, 48


def short_number(request_id: str) -> int:
    """Return a request's id as a number that JavaScript can hold: all of its time, and the head of the rest.

    Two requests of one millisecond share it once in 4096 times. Good until the year 2039.
    """
    at_ms, tail = int(request_id[:12], 16), int(request_id[12:], 16)
    return at_ms << _SHORT_BITS | tail >> (_TAIL_BITS - _SHORT_BITS)


def of_short_number(number: int) -> tuple[int, int, int]:
    """Return `at_ms`, and the least and greatest `tail`, of the requests with a short number."""
    below = _TAIL_BITS - _SHORT_BITS
    head = number & (1 << _SHORT_BITS) - 1
    return number >> _SHORT_BITS, head << below, (head + 1 << below) - 1


def has_failed(entry: Entry) -> bool:
    """Whether the request counts among the failures."""
    return entry.status >= 400 or bool(entry.error_type or entry.problem)


def values(entry: Entry) -> tuple[Any, ...]:
    """Return the values of COLUMNS, in their order. Raises ValueError for an id that is none."""
    key, counts = split_id(entry.request_id), entry.counts
    if key is None:
        raise ValueError(f"not a request's id: {entry.request_id[:100]!r}")
    flags = tuple([storable(flag, _WORD) for flag in entry.flags])
    ratios = entry.group_ratio, entry.channel_ratio
    details = _Details(counts, *ratios, flags, entry.charges, entry.tries, entry.queue_ms)
    return (
        *key,
        entry.user_id,
        entry.token_id,
        entry.channel_id,
        int(has_failed(entry)),
        entry.status,
        int(entry.stream),
        counts.prompt_tokens,
        counts.completion_tokens,
        counts.cached_tokens,
        entry.cost,
        entry.charged,
        entry.first_byte_ms,
        entry.total_ms,
        entry.attempts,
        storable(entry.model, _NAME),
        storable(entry.upstream_model, _NAME),
        storable(entry.group, _NAME),
        storable(entry.endpoint, _NAME),
        storable(entry.price, _NAME),
        entry.usage_source,
        storable(entry.address, _WORD),
        storable(entry.error_type, _WORD),
        storable(entry.answered_by, _WORD),
        storable(entry.problem, _PROBLEM),
        _encode(details).decode(),
    )


@lru_cache(maxsize=4096)
def storable(text: str, most: int) -> str:
    """Return a text as every database takes it: cut, without NUL and halves of characters."""
    if text.isascii() and "\0" not in text:
        return text[:most]
    return text[:most].replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def entry(row: Mapping[str, Any]) -> Entry:
    """Return the entry of a row."""
    details = _details(row["details"])
    return Entry(
        request_id=join_id(row["at_ms"], row["tail"]),
        at_ms=row["at_ms"],
        user_id=row["user_id"],
        token_id=row["token_id"],
        group=row["user_group"],
        channel_id=row["channel_id"],
        endpoint=row["endpoint"],
        model=row["model"],
        upstream_model=row["upstream_model"],
        stream=bool(row["streamed"]),
        status=row["status"],
        counts=details.counts,
        usage_source=row["usage_source"],
        cost=row["cost"],
        charged=row["charged"],
        price=row["price"],
        first_byte_ms=row["first_byte_ms"],
        total_ms=row["total_ms"],
        attempts=row["attempts"],
        address=row["address"],
        error_type=row["error_type"],
        problem=row["problem"],
        answered_by=row["answered_by"],
        flags=details.flags,
        charges=details.charges,
        group_ratio=details.group_ratio,
        channel_ratio=details.channel_ratio,
        tries=details.tries,
        queue_ms=details.queue_ms,
    )
