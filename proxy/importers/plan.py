"""What comes from another gateway, in our records: the same shape whatever it comes from.

A source module reads its own database into a Plan; `apply` brings a plan into a store. Numbers in the records
are those of the source, and are kept where they are free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from ..billing.limits import Limit
from ..billing.money import MOST_QUOTA
from ..billing.pricing import Price
from ..records import ChannelRow, Token, User
from ..store.codes import Code

What = Literal["user", "token", "channel", "price", "group", "code", "logs"]

UNLIMITED = Limit()

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done and of how much."""


def quiet(what: str, done: int, total: int) -> None:
    """Take no notice of the progress."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that does not come, or not as it was: what, and why. Never holds a secret."""

    kind: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class PlannedUser:
    """A user, what remains for them (None without limit), and what they have used, in quota."""

    source_id: str
    row: User
    balance: int | None
    used: int = 0


@dataclass(frozen=True, slots=True)
class PlannedToken:
    """A token with the key that clients hold; `user` is its user's number at the source."""

    source_id: str
    user: str
    row: Token
    key: str = field(repr=False)
    balance: int | None
    used: int = 0
    limit: Limit = UNLIMITED


@dataclass(frozen=True, slots=True)
class PlannedChannel:
    """A channel."""

    source_id: str
    row: ChannelRow


@dataclass(frozen=True, slots=True)
class PlannedCode:
    """A redemption code with its text."""

    source_id: str
    row: Code
    text: str = field(repr=False)


@dataclass(slots=True)
class Plan:
    """Everything that comes from `source` (the kind, and where its database is), and what does not.

    `routes` are the source's own decisions: which of its channels serve a model for a group. `log_rows` is
    how many requests its call log has.
    """

    source: str
    users: list[PlannedUser] = field(default_factory=list)
    tokens: list[PlannedToken] = field(default_factory=list)
    channels: list[PlannedChannel] = field(default_factory=list)
    codes: list[PlannedCode] = field(default_factory=list)
    prices: dict[str, Price] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    routes: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    log_rows: int = 0
    left_out: list[LeftOut] = field(default_factory=list)

    def leave_out(self, kind: str, what: str, why: str) -> None:
        """Say that something does not come."""
        self.left_out.append(LeftOut(kind, what, why))

    def balance(self, kind: str, what: str, amount: int) -> int:
        """Return what remains as a balance, which cannot be below zero or without end here."""
        if amount < 0:
            self.leave_out(kind, what, f"a debt of {-amount} quota: a balance here ends at 0")
        if amount >= MOST_QUOTA:
            self.leave_out(kind, what, f"a balance above {MOST_QUOTA} quota, which is the most here")
        return max(0, min(amount, MOST_QUOTA))

    def channels_only(self) -> Plan:
        """Return a plan of the channels alone."""
        kept = [one for one in self.left_out if one.kind == "channel"]
        return replace(
            self, users=[], tokens=[], codes=[], prices={}, groups={}, log_rows=0, left_out=kept
        )  # fmt: skip


def routes_of(channels: Mapping[str, ChannelRow]) -> dict[tuple[str, str], frozenset[str]]:
    """Return which channels serve a model for a group, of channels that are enabled, by their numbers."""
    found: dict[tuple[str, str], set[str]] = {}
    for number, row in channels.items():
        if row.status == "enabled":
            for group in row.groups:
                for model in row.models:
                    found.setdefault((group, model), set()).add(number)
    return {route: frozenset(numbers) for route, numbers in found.items()}
