"""What stands in columns of other programs' databases, read as leniently as those programs do. Pure.

A column that is not there, NULL, padded, or JSON that is none must not keep the rest from moving.
"""

from __future__ import annotations

import ipaddress
import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from ..billing.money import MOST_QUOTA, QUOTA_PER_DOLLAR

_LAST_S = 253_402_300_799
"""The end of the year 9999, in unix seconds."""


def whole(value: object, default: int = 0) -> int:
    """Return a whole number; what is none is the default, what is too large the largest amount of money."""
    number = decimal(value)
    return default if number is None else max(-MOST_QUOTA, min(MOST_QUOTA, int(number)))


def decimal(value: object) -> Decimal | None:
    """Return a number exactly as it is written, None for what is none."""
    try:
        number = Decimal(str(int(value) if isinstance(value, bool) else value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and -30 < number.adjusted() < 30 else None


def quota_of(dollars: object) -> int:
    """Return an amount of dollars, a float or text, as quota, rounded up."""
    number = decimal(dollars) or Decimal(0)
    return max(-MOST_QUOTA, min(MOST_QUOTA, math.ceil(number * QUOTA_PER_DOLLAR)))


def text(value: object) -> str:
    """Return a text without the blanks that a column of fixed width adds, and without NUL."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = bytes(value).decode("utf-8", "replace")
    return "" if value is None else str(value).replace("\0", "").strip()


def names(value: object) -> tuple[str, ...]:
    """Return the names of a JSON list, of a list with commas or one a line; each once, in their order."""
    found: Iterable[object] | None = value if isinstance(value, (list, tuple)) else None
    if found is None and text(value) == "null":
        found = ()
    if found is None:
        listed = json_of(value) if text(value).startswith("[") else None
        found = listed if isinstance(listed, list) else text(value).replace("\n", ",").split(",")
    return tuple(dict.fromkeys(name for name in map(text, found) if name))


def json_of(value: object) -> Any:
    """Return what a text says as JSON, None for what is none."""
    if isinstance(value, (dict, list)):
        return value
    try:
        return json.loads(text(value), parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError, InvalidOperation):
        return None


def table(value: object) -> dict[str, Any]:
    """Return a JSON object; empty for what is none."""
    found = json_of(value)
    return found if isinstance(found, dict) else {}


def mapping(value: object) -> dict[str, str]:
    """Return the pairs of names of a JSON object."""
    pairs = {text(name): text(other) for name, other in table(value).items() if isinstance(other, str)}
    return {name: other for name, other in pairs.items() if name and other and name != other}


def seconds(value: object) -> int:
    """Return a time in unix seconds, of a number, a timestamp or the text of one; 0 for what is none."""
    return milliseconds(value) // 1000 if isinstance(value, (datetime, str)) else max(0, whole(value))


def milliseconds(value: object) -> int:
    """The same in milliseconds."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return max(0, whole(value)) * 1000
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return max(0, int(aware.timestamp() * 1000))
    return max(0, whole(value)) * 1000


def expiry(value: object) -> int | None:
    """Return when something ends, None for never: -1 and NULL, and times after the year 9999."""
    number = whole(value, -1)
    return None if number == -1 or number > _LAST_S else max(0, number)


def networks(value: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the networks of a list, and what in it is none."""
    good, bad = [], []
    for name in names(value):
        try:
            good.append(str(ipaddress.ip_network(name, strict=False)))
        except ValueError:
            bad.append(name)
    return tuple(good), tuple(bad)
