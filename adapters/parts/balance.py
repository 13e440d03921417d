"""What is left of an account at a provider, as data: where to ask, and where the answer says it.

Sums are decimals all the way, never binary fractions, and end as whole millionths, rounded down: nothing is
shown that is not there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any

from ...plugins import Balance, ErrorKind, UpstreamError
from ..failures import failure_in

UNIT = 1_000_000
"""Millionths in a unit of a currency."""

_MOST = Decimal(10**12)
"""No account has so many units; what says so is no balance."""

_CURRENCY = re.compile("[A-Z]{3}")
_DAYS = timedelta(days=99)


@dataclass(frozen=True, slots=True)
class BalanceCall:
    """How a host tells what is left of an account.

    `paths` are seen from the base URL, and all are asked; `{since}` and `{until}` are days, the last hundred
    between them. `sums` are the numbers in the answers that make the balance (`data.total`: one inside
    another) and the millionths that one of each is worth: below zero for what is spent. With `rows` they are
    in each row of the list of that name, beside the row's `currency`; otherwise the currency is this one, or
    that of `elsewhere` where the base URL has that host.
    """

    paths: tuple[str, ...]
    sums: Mapping[str, int]
    currency: str = "USD"
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    rows: str = ""


DASHBOARD = BalanceCall(
    ("dashboard/billing/subscription", "dashboard/billing/usage?start_date={since}&end_date={until}"),
    {"hard_limit_usd": UNIT, "total_usage": -UNIT // 100},
)
"""As OpenAI's dashboard once had it, and One API, New API and canalgate have it now; used are cents."""


def paths_of(call: BalanceCall, now: float) -> Iterator[str]:
    """Yield the paths to ask for."""
    today = datetime.fromtimestamp(now, UTC).date()
    for path in call.paths:
        yield path.format(since=today - _DAYS, until=today + timedelta(days=1))


def balances_in(call: BalanceCall, host: str, bodies: Iterable[bytes]) -> tuple[Balance, ...]:
    """Return what the answers of a host say. Raises UpstreamError where they do not."""
    answer: dict[str, Any] = {}
    try:
        for body in bodies:
            answer |= _parsed(body)
        found = dict(_found(call, host, answer))
    except (ValueError, RecursionError) as exc:
        failure = failure_in(answer)
        told = f": {failure.message}" if failure is not None and failure.message else ""
        problem = f"the answer does not say what is left of the account{told}"
        raise UpstreamError(ErrorKind.FAULT, problem) from exc
    return tuple(Balance(currency, found[currency]) for currency in sorted(found))


def _found(call: BalanceCall, host: str, answer: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    if not call.rows:
        yield call.elsewhere.get(host, call.currency), _micros(call, answer)
        return
    rows = answer.get(call.rows)
    if not isinstance(rows, list) or not rows:
        raise ValueError("no rows")
    for row in rows:
        if not isinstance(row, dict) or not _CURRENCY.fullmatch(str(row.get("currency"))):
            raise ValueError("a row without a currency")
        yield row["currency"], _micros(call, row)


def _micros(call: BalanceCall, row: Mapping[str, Any]) -> int:
    total = sum((_number(row, name) * worth for name, worth in call.sums.items()), Decimal(0))
    return int(total.to_integral_value(ROUND_FLOOR))


def _number(row: Mapping[str, Any], name: str) -> Decimal:
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, str):
        value = _decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite() or not -_MOST < value < _MOST:
        raise ValueError(f"{name} is no sum")
    return value


def _parsed(body: bytes) -> dict[str, Any]:
    value = json.loads(body, parse_float=_decimal, parse_int=_decimal, parse_constant=_decimal)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as exc:
        raise ValueError("no number") from exc
