"""What is left of the accounts behind channels: asked for now, and as it was last known.

Nothing follows from it: an account that is empty is noticed when its provider refuses a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...plugins import ErrorKind, UpstreamError
from ..billing.receipts import decimal
from ..keys.vault import Vault
from ..records import ENABLED, ChannelBalance, ChannelRow
from ..routing.snapshot import Snapshot, UsableChannel
from ..store import Store
from ..tasks import Owner
from .probe import balances
from .relay import Relay

_AT_ONCE = 8

MICROS = 1_000_000
"""Millionths in a unit of a currency."""


class Untold(UpstreamError):
    """A provider has no call that says what is left; the message names it."""

    def __init__(self, title: str) -> None:
        super().__init__(ErrorKind.REQUEST, f"{title} has no call that tells a balance")


@dataclass(frozen=True, slots=True)
class Told:
    """What came of asking for one channel: its balance, or what went wrong."""

    row: ChannelRow
    balance: ChannelBalance | None = None
    error: str = ""


class Holdings:
    """Asks providers what is left, and keeps their last word."""

    def __init__(self, relay: Relay, store: Store, vault: Vault) -> None:
        self._relay = relay
        self._store = store
        self._vault = vault

    async def ask(self, chosen: UsableChannel, now: int) -> ChannelBalance:
        """Ask a channel's provider, and keep what it says.

        Raises Untold where it has no such call, UpstreamError where it refuses or says something else.
        """
        found = await balances(self._relay, chosen) if chosen.adapter.has_balance else None
        if found is None:
            raise Untold(chosen.adapter.title)
        if not found:
            raise UpstreamError(ErrorKind.FAULT, "the provider tells of no account")
        account = _account(self._vault, chosen.row, chosen.channel.key)
        balance = ChannelBalance(chosen.row.id, account, now, {one.currency: one.micros for one in found})
        await self._store.balances.put(balance)
        return balance

    async def ask_enabled(self, snapshot: Snapshot, now: int) -> list[Told]:
        """Ask for all channels that are enabled."""
        return await self.ask_each(
            [one for one in snapshot.usable.values() if one.row.status == ENABLED], now
        )

    async def ask_each(self, channels: Sequence[UsableChannel], now: int) -> list[Told]:
        """Ask for all channels whose provider can be asked, a few side by side; no failure keeps others."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(chosen: UsableChannel) -> Told:
            async with turns:
                try:
                    return Told(chosen.row, await self.ask(chosen, now))
                except UpstreamError as exc:
                    return Told(chosen.row, error=f"{exc.kind.value}: {exc.message}")

        owner = Owner()
        try:
            asked = [owner.start(one(way), "balance") for way in channels if way.adapter.has_balance]
            return [await task for task in asked]
        finally:
            await owner.close()


def known(vault: Vault, row: ChannelRow, kept: Mapping[int, ChannelBalance]) -> ChannelBalance | None:
    """Return what is known of a channel's account; None where nothing is, or it was another account."""
    found = kept.get(row.id)
    if found is None or all(_account(vault, row, key) != found.account for key in row.keys):
        return None
    return found


def first_amount(balance: ChannelBalance | None) -> str:
    """Return a balance for programs that know one currency: of the first one, as decimal text; 0 for none."""
    return decimal(next(iter(balance.micros.values()), 0) if balance is not None else 0, MICROS)


def _account(vault: Vault, row: ChannelRow, key: str) -> str:
    return vault.key_hash(f"{row.type}\0{row.base_url}\0{key}")
