"""Prices as people write them, in dollars: per million tokens or characters, per call, second, image."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from types import MappingProxyType

from ..pricing import Price

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

_MOST = 2**62


def read_amount(part: str, value: object) -> int:
    """Return the pico-dollars of an amount in dollars, rounded up. Raises ValueError for what is no price."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise ValueError(f"{part} = {value!r}: expected an amount in dollars, such as 2.5")
    try:
        dollars = Decimal(str(value).strip().removeprefix("$"))
    except InvalidOperation:
        raise ValueError(f"{part} = {value!r}: expected an amount in dollars, such as 2.5") from None
    if not dollars.is_finite() or dollars < 0:
        raise ValueError(f"{part} = {value!r}: expected an amount of 0 or more")
    if dollars.adjusted() > 18 or dollars * EACH[part] > _MOST:
        raise ValueError(f"{part} = {value!r}: no model costs so much")
    return int((dollars * EACH[part]).to_integral_value(ROUND_CEILING))


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
        elif part not in BOUNDS:
            raise ValueError(f"unknown field {part!r}: expected one of {', '.join((*EACH, *BOUNDS))}")
        elif type(value) is not int or not 0 <= value < 2**31:
            raise ValueError(f"{part} = {value!r}: expected a whole number of tokens")
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
