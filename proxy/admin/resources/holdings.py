"""What is left of the account behind a channel, as the admin API shows it."""

from __future__ import annotations

from collections.abc import Mapping

from ...billing.receipts import decimal
from ...records import ChannelBalance, ChannelRow
from ...relaying.holdings import MICROS, known
from ..desk import Desk
from ..fields import Shown

Kept = Mapping[int, ChannelBalance]
"""What is known, by channel."""


class Amount(Shown, frozen=True, kw_only=True):
    """So much of a currency (ISO 4217), below zero for debts: as decimal text, and in millionths."""

    currency: str
    amount: str
    micros: int


class Holding(Shown, frozen=True, kw_only=True):
    """What the provider said at `at` (unix seconds), an amount for each currency of the account."""

    at: int
    amounts: list[Amount]


def holding_of(desk: Desk, row: ChannelRow, kept: Kept) -> Holding | None:
    """Return what is known of the account behind a channel."""
    found = known(desk.vault, row, kept)
    return shown(found) if found is not None else None


def shown(balance: ChannelBalance) -> Holding:
    """Return a balance as it is shown."""
    return Holding(
        at=balance.at,
        amounts=[
            Amount(currency=currency, amount=decimal(micros, MICROS), micros=micros)
            for currency, micros in balance.micros.items()
        ],
    )
