"""Prices as people write them, in dollars: per million tokens or characters, per call, second, image."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

from ..billing.pricing import Price

_MILLION, _ONE = 1_000_000, 10**12

EACH: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "prompt", "completion", "cached", "cache_write", "reasoning", "audio_prompt",
                "audio_completion", "image_prompt", "image_completion", "character",
            ),
            _MILLION,
        ),
        **dict.fromkeys(("call", "second", "image"), _ONE),
    }
)  # fmt: skip
"""Pico-dollars for one of each part, of one dollar as people write it."""

BOUNDS = ("context", "output")
"""Fields of a price that are numbers of tokens."""

# Digits and exponents are bounded: the exact value of 1e-999999999 would take all memory.
_AMOUNT = re.compile(r"\$?((?:\d{1,30}|\d{0,30}\.\d{1,100})(?:[eE][+-]?\d{1,3})?)", re.ASCII)
_MOST = 2**62
_MOST_TOKENS = 2**31


def read_amount(part: str, value: object) -> int:
    """Return the pico-dollars of an amount in dollars, rounded up. Raises ValueError for what is no price."""
    found = _AMOUNT.fullmatch(value.strip() if isinstance(value, str) else _shown(value))
    if found is None:
        is_number = re.match(r"['\s$+]*(-|nan|inf)", _shown(value), re.IGNORECASE)
        expected = "an amount of 0 or more" if is_number else "an amount in dollars, such as 2.5"
        raise ValueError(f"{part} = {_shown(value)}: expected {expected}")
    pico = math.ceil(Fraction(found[1]) * EACH[part])
    if pico > _MOST:
        raise ValueError(f"{part} = {_shown(value)}: no model costs so much")
    return pico


def _shown(value: object) -> str:
    """A value as it was written, cut where it is long. The text of an int of 5000 digits is an error."""
    if isinstance(value, int) and abs(value) > _MOST:
        return "a huge number"
    text = repr(value)
    return text if len(text) < 80 else f"{text[:80]}..."


def show_amount(part: str, pico: int | None) -> str:
    """Return an amount in dollars, without zeros at its end; empty for None."""
    if pico is None:
        return ""
    text = f"{Decimal(pico) / EACH[part]:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def read_price(name: str, fields: Mapping[str, object]) -> Price:
    """Return the price of fields as people write them. Raises ValueError naming the field at fault."""
    values: dict[str, int] = {}
    for part, value in fields.items():
        if part in EACH:
            values[part] = read_amount(part, value)
        elif isinstance(value, dict):
            raise ValueError(f"{_shown(part)} is a table: write a name that has a dot in it in quotes")
        elif part not in BOUNDS:
            raise ValueError(f"unknown field {_shown(part)}: expected one of {', '.join((*EACH, *BOUNDS))}")
        elif type(value) is not int or not 0 <= value < _MOST_TOKENS:
            raise ValueError(f"{part} = {_shown(value)}: expected a whole number of tokens")
        else:
            values[part] = value
    return Price(name, **values)


def show_price(price: Price) -> dict[str, str]:
    """Return the parts of a price that it has, in dollars."""
    shown = {part: show_amount(part, getattr(price, part)) for part in EACH}
    return {
        part: text
        for part, text in shown.items()
        if text not in ("", "0") or part in ("prompt", "completion")
    }
