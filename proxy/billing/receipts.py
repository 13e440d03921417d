"""What a request cost, shown: as a client's receipt, and as a sum that people can follow.

Pure. Money is shown as decimal text made of integers, exact to the last place.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ..ledger.entry import Counts, Entry
from .money import QUOTA_PER_DOLLAR
from .pricing import PICO_PER_QUOTA, RATIO_ONE, Price

_PICO_PER_DOLLAR = PICO_PER_QUOTA * QUOTA_PER_DOLLAR


def dollars(quota: int) -> str:
    """Return quota as dollars: `0.00123`."""
    return decimal(quota, QUOTA_PER_DOLLAR)


def decimal(amount: int, one: int) -> str:
    """Return `amount / one` in decimals, exactly; `one` is a product of twos and fives."""
    sign, amount = "-" if amount < 0 else "", abs(amount)
    whole, rest = divmod(amount, one)
    digits = ""
    while rest:
        digit, rest = divmod(rest * 10, one)
        digits += str(digit)
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def receipt(entry: Entry, *, is_booked: bool, for_admin: bool) -> dict[str, object]:
    """Return the receipt of a request: its row of the ledger, in clear names.

    Only administrators are shown what went wrong in words, which are written for operators, and where.
    """
    shown: dict[str, object] = {
        "object": "usage.receipt",
        "request_id": entry.request_id,
        "at_ms": entry.at_ms,
        "booked": is_booked,
        "user_id": entry.user_id,
        "token_id": entry.token_id,
        "group": entry.group,
        "channel_id": entry.channel_id,
        "endpoint": entry.endpoint,
        "model": entry.model,
        "upstream_model": entry.upstream_model,
        "stream": entry.stream,
        "status": entry.status,
        "error_type": entry.error_type,
        "answered_by": entry.answered_by,
        "attempts": entry.attempts,
        "address": entry.address,
        "usage": msgspec.structs.asdict(entry.counts),
        "usage_source": entry.usage_source,
        "price": entry.price,
        "group_ratio": decimal(entry.group_ratio, RATIO_ONE),
        "channel_ratio": decimal(entry.channel_ratio, RATIO_ONE),
        "cost": _money(entry.cost),
        "charged": _money(entry.charged),
        "charges": [{"account": charge.account, **_money(charge.amount)} for charge in entry.charges],
        "timing": {
            "queue_ms": entry.queue_ms,
            "first_byte_ms": entry.first_byte_ms,
            "total_ms": entry.total_ms,
        },
        "flags": list(entry.flags),
    }
    if not for_admin:
        return shown
    return {**shown, "problem": entry.problem, "tries": [msgspec.structs.asdict(one) for one in entry.tries]}


def _money(quota: int) -> dict[str, object]:
    return {"quota": quota, "dollars": dollars(quota)}


_APART = {
    "prompt": (
        ("cached_tokens", "cached"), ("cache_write_tokens", "cache_write"),
        ("audio_prompt_tokens", "audio_prompt"), ("image_prompt_tokens", "image_prompt"),
    ),
    "completion": (
        ("reasoning_tokens", "reasoning"), ("audio_completion_tokens", "audio_completion"),
        ("image_completion_tokens", "image_completion"),
    ),
}  # fmt: skip
"""Counts that are part of prompt or completion tokens, and the prices they may have for themselves."""


def explain(entry: Entry, price: Price | None) -> list[str]:
    """Return the lines of the sum that makes the cost: counts times prices, times ratios, rounded up.

    `price` is the one the entry names, None where it is not at hand: then the counts stand alone.
    """
    lines = []
    if price is None:
        lines += [f"{name} {count}" for name, count in msgspec.structs.asdict(entry.counts).items() if count]
        lines.append(f"price {entry.price or '-'}: not at hand, so the sum cannot be shown")
    else:
        thousandths = 0
        for name, count, pico, one in _terms(entry.counts, price):
            product = count * pico * 1000 // one
            thousandths += product
            lines.append(f"{name} {decimal(count, one)} x ${_pico(1000 * pico)} = ${_pico(product)}")
        lines.append(f"together ${_pico(thousandths)}")
    for name, ratio in (("group", entry.group_ratio), ("channel", entry.channel_ratio)):
        if ratio != RATIO_ONE:
            lines.append(f"x ratio of the {name} {decimal(ratio, RATIO_ONE)}")
    lines.append(f"cost, rounded up: {entry.cost} quota = ${dollars(entry.cost)}")
    if entry.charged != entry.cost:
        lines.append(f"charged: {entry.charged} quota = ${dollars(entry.charged)}")
    return lines


def _pico(thousandths: int) -> str:
    return decimal(thousandths, 1000 * _PICO_PER_DOLLAR)


def _terms(counts: Counts, price: Price) -> Iterator[tuple[str, int, int, int]]:
    """Yield what is multiplied: name, count, price in pico-dollars of `one` of it, and how many that is."""
    for kind, parts in _APART.items():
        rest = getattr(counts, f"{kind}_tokens")
        for count_name, price_name in parts:
            count, own = getattr(counts, count_name), getattr(price, price_name)
            count = min(count, rest)
            if own is not None and count:
                rest -= count
                yield count_name, count, own, 1
        if rest > 0:
            yield f"{kind}_tokens", rest, getattr(price, kind), 1
    if price.call:
        yield "call", 1, price.call, 1
    for name, count, pico, one in (
        ("images", counts.images, price.image, 1),
        ("characters", counts.characters, price.character, 1),
        ("seconds", counts.milliseconds, price.second, 1000),
    ):
        if count:
            yield name, count, pico, one
