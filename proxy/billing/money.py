"""Money and ratios as people write them: `10usd`, `$0.5`, `5000000` quota; `0.8`.

Pure, exact, without a float. Quota is the integer unit of money; ratios are millionths.
"""

from __future__ import annotations

import re

QUOTA_PER_DOLLAR = 500_000
MOST_QUOTA = 2**62 - 1
"""Largest amount of money."""

_ONE, _MOST_RATIO = 1_000_000, 1_000_000
_NUMBER = r"(?:0|[1-9]\d{0,29})(?:\.\d{1,30})?"
_DOLLARS = re.compile(rf"\$({_NUMBER})|({_NUMBER})usd", re.ASCII | re.IGNORECASE)
_QUOTA = re.compile(r"\d{1,30}", re.ASCII)
_RATIO = re.compile(_NUMBER, re.ASCII)


def parse_quota(text: str) -> int:
    """Read an amount of 0 or more and return quota. Raises ValueError saying what is allowed."""
    if _QUOTA.fullmatch(text):
        quota, rest = int(text), 0
    elif found := _DOLLARS.fullmatch(text):
        quota, rest = _times(found[1] or found[2], QUOTA_PER_DOLLAR)
    else:
        raise ValueError(f"{text[:60]!r}: expected an amount like 10usd, $0.5, or whole quota like 5000000")
    if rest:
        raise ValueError(f"{text!r}: no whole number of quota; amounts go in steps of $0.000002")
    if quota > MOST_QUOTA:
        raise ValueError(f"{text!r}: too much; the most is {MOST_QUOTA} quota")
    return quota


def parse_change(text: str) -> int:
    """Read an amount that may be negative, `-5usd` or `-$5`, and not 0; else ValueError."""
    change = -parse_quota(text[1:]) if text.startswith("-") else parse_quota(text)
    if not change:
        raise ValueError(f"{text!r}: that changes nothing")
    return change


def parse_balance(text: str) -> int | None:
    """Read an amount, or None for `unlimited`. Raises ValueError as `parse_quota`."""
    return None if text == "unlimited" else parse_quota(text)


def show_quota(quota: int) -> str:
    """Return an amount in dollars, exactly: `$12.345678`, `-$5`."""
    whole, rest = divmod(abs(quota), QUOTA_PER_DOLLAR)
    digits = f"{rest * (_ONE // QUOTA_PER_DOLLAR):06d}".rstrip("0")
    return f"{'-' if quota < 0 else ''}${whole}{'.' if digits else ''}{digits}"


def parse_ratio(text: str) -> int:
    """Read a ratio like 0.8 and return millionths. Raises ValueError saying what is allowed."""
    ratio, rest = _times(text, _ONE) if _RATIO.fullmatch(text) else (0, 1)
    if rest or ratio > _MOST_RATIO * _ONE:
        raise ValueError(
            f"{text[:60]!r}: expected a ratio like 0.8, from 0 to {_MOST_RATIO}, of at most 6 decimals"
        )
    return ratio


def show_ratio(ratio: int) -> str:
    """Return a ratio as people write it."""
    whole, rest = divmod(ratio, _ONE)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


def _times(number: str, factor: int) -> tuple[int, int]:
    """Multiply a decimal number exactly; returns the whole result, and what is left beside it."""
    whole, _, digits = number.partition(".")
    one = int("1" + "0" * len(digits))
    return divmod(int(whole + digits) * factor, one)
