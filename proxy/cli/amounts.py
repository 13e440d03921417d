"""How commands read amounts, counts and lengths of time, and show money."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from ..billing.money import parse_balance, parse_change, parse_quota, parse_ratio, show_quota
from ..store import StoreError
from ..store.accounts import State

T = TypeVar("T")

ACTOR = "command line"
"""Who changes balances here, in the history of an account."""

_UNITS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}
_MOST_COUNT = 2**31 - 1


def said(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Return a reader for argparse, which then says what the error of `parse` says."""

    def read(text: str) -> T:
        try:
            return parse(text)
        except ValueError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from exc

    return read


quota = said(parse_quota)
signed = said(parse_change)
balance = said(parse_balance)
ratio = said(parse_ratio)


def count(text: str) -> int:
    """Read a whole number of 0 or more. Raises ValueError for what is none."""
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > _MOST_COUNT:
        raise ValueError
    return int(text)


count.__name__ = "number"  # argparse says "invalid number value: 'x'"


def allow_negative(parser: argparse.ArgumentParser) -> None:
    """Let a parser take `-5usd` as an amount: it would only know -5."""
    parser._negative_number_matcher = re.compile(r"-\$?[0-9]")


def add_idempotency_option(parser: argparse.ArgumentParser) -> None:
    """Give a command `--idempotency-key`."""
    parser.add_argument(
        "--idempotency-key",
        default="",
        metavar="KEY",
        help="with the same key again in a day nothing is done twice",
    )


def money(amount: int | None, as_json: bool) -> int | str | None:
    """Show an amount: quota for programs, dollars for people; None is unlimited."""
    if as_json:
        return amount
    return "unlimited" if amount is None else show_quota(amount)


def standing(state: State | None, as_json: bool) -> dict[str, object]:
    """Return the columns that say how an account stands."""
    if state is None:
        return {"remaining": None, "used": None}
    return {"remaining": money(state.remaining, as_json), "used": money(state.used, as_json)}


def expiry(text: str | None, now: int) -> int | None:
    """Read an end like 30d or a date (UTC) and return unix seconds. Raises StoreError for what is none."""
    if text is None:
        return None
    if span := re.fullmatch(r"(\d{1,4})([hdw])", text, re.ASCII):
        return now + int(span[1]) * _UNITS[span[2]]
    try:
        end = int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError as exc:
        raise StoreError(f"--expires {text!r}: expected 12h, 30d, 8w or a date like 2027-01-31") from exc
    if end <= now:
        raise StoreError(f"--expires {text!r}: that is in the past")
    return end


def date(seconds: int | None) -> str:
    """Return a time (UTC) for people, `never` for None."""
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
