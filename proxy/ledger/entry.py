"""One request as the ledger keeps it: what was asked and served, what it used, what it cost."""

from __future__ import annotations

from typing import Literal

import msgspec

UsageSource = Literal["provider", "tokenizer", "estimate", "none"]
"""How usage was obtained: the provider's own word, counted here with the model's tokenizer, estimated here,
or there was nothing to count."""


class Counts(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What one answer used, each part priced by itself where a model has a price for it.

    `cached_tokens`, `cache_write_tokens`, `audio_prompt_tokens` and `image_prompt_tokens` are part of
    `prompt_tokens`; `reasoning_tokens`, `audio_completion_tokens` and `image_completion_tokens` are part of
    `completion_tokens`. `milliseconds` of audio, `images` made, `characters` spoken.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    audio_prompt_tokens: int = 0
    audio_completion_tokens: int = 0
    image_prompt_tokens: int = 0
    image_completion_tokens: int = 0
    milliseconds: int = 0
    images: int = 0
    characters: int = 0


class Charge(msgspec.Struct, frozen=True, array_like=True):
    """What one limited account gave for a request, out of its lease."""

    account: str
    amount: int


class Try(msgspec.Struct, frozen=True, array_like=True):
    """One channel that was asked for a request, and how long it took.

    `outcome` is `ok`, a word of plugins.ErrorKind, `left` where the client did, or `slower` where another
    channel was asked beside it and was faster; `cost` is the quota which that may have cost us, and which
    nobody is charged.
    """

    channel_id: int
    outcome: str
    milliseconds: int
    cost: int = 0


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A row of the ledger and of the call log, which are the same.

    `at_ms` is unix time in milliseconds at which the request arrived, the first twelve digits of its id.
    `cost` and `charged` are quota; `charged` is less only where the caller's balance ended. `price` names the
    price and its version, the ratios are what it was multiplied by, in millionths. `flags` are words about
    what was odd (`negative_usage`, `usage_twice`, ...). `channel_id` is None where none was asked. `status`
    is what the client got, 499 where it left before. `tries` lists the attempts, if any of them failed.
    `queue_ms` is how long it waited for a place, its own or a channel's; it is part of `first_byte_ms` and of
    `total_ms`.
    """

    request_id: str
    at_ms: int
    user_id: int
    token_id: int
    group: str
    channel_id: int | None
    endpoint: str
    model: str
    upstream_model: str
    stream: bool
    status: int
    counts: Counts
    usage_source: UsageSource
    cost: int
    charged: int
    price: str
    first_byte_ms: int | None
    total_ms: int
    attempts: int
    address: str
    error_type: str = ""
    problem: str = ""
    answered_by: str = ""
    flags: tuple[str, ...] = ()
    charges: tuple[Charge, ...] = ()
    group_ratio: int = 1_000_000
    channel_ratio: int = 1_000_000
    tries: tuple[Try, ...] = ()
    queue_ms: int = 0
