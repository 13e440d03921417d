"""What is brought from other gateways: rows with their numbers and balances, and which of ours they are.

One transaction brings all that belongs together. Checks that need other rows are made by who calls (proxy/
importers/): where one of them has become wrong meanwhile, the whole transaction is taken back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec

from ..billing.pricing import Price
from ..ledger.entry import Entry
from .changes import StoreError, bump
from .database import Clash, Database, Row, Transaction
from .requests import Requests
from .upsert import insert
from .writing import ChannelValues, Writing

Known = Mapping[tuple[str, str], int]
"""Our number by what a thing is and its number at the source."""

_AT = "source = :source AND what = 'logs' AND source_id = 'last'"


class Imports:
    """What was brought into a database. `channel_values` seals a channel's secrets into its columns."""

    def __init__(self, database: Database, channel_values: ChannelValues, requests: Requests) -> None:
        self._database = database
        self._channel_values = channel_values
        self._requests = requests

    async def known(self, source: str) -> Known:
        """Return what was brought from a source."""
        rows = await self._database.all(
            "SELECT what, source_id, our_id FROM imports WHERE source = :source", {"source": source}
        )
        return {(row["what"], row["source_id"]): int(row["our_id"]) for row in rows}

    async def code_hashes(self) -> set[bytes]:
        """Return the hashes of all redemption codes."""
        return {bytes(row["code_hash"]) for row in await self._database.all("SELECT code_hash FROM codes")}

    @asynccontextmanager
    async def bringing(self, source: str, now: int) -> AsyncIterator[Bringing]:
        """Open the transaction that brings everything but the call log. Raises StoreError on a clash."""
        async with self._database.transaction() as transaction:
            await bump(transaction)
            bringing = Bringing(self._database, transaction, self._channel_values, source, now)
            try:
                yield bringing
                await bringing.finish()
            except Clash as exc:
                raise StoreError(f"something else was changed, and nothing was brought: {exc}") from exc

    async def begin_logs(self, source: str, now: int) -> int:
        """Return up to which number the source's call log was brought."""
        row = {"source": source, "what": "logs", "source_id": "last", "our_id": 0, "at": now}
        async with self._database.transaction() as transaction:
            there = await self._last(transaction, source)
            if there is None:
                await transaction.run(insert("imports", row), row)
            return int(there["our_id"]) if there else 0

    async def bring_logs(self, source: str, entries: Sequence[Entry], old: int, new: int) -> None:
        """Write a piece of the call log, free of charge. Raises StoreError if another does the same."""
        await self._requests.prepare(entries)
        async with self._database.transaction() as transaction:
            moved = await transaction.run(
                f"UPDATE imports SET our_id = :new WHERE {_AT} AND our_id = :old",
                {"source": source, "old": old, "new": new},
            )
            if not moved:
                raise StoreError("another import of the same source is under way")
            if entries:
                await self._requests.write(transaction, entries)

    async def _last(self, transaction: Transaction, source: str) -> Row | None:
        return await transaction.one(f"SELECT our_id FROM imports WHERE {_AT}", {"source": source})


class Bringing(Writing):
    """The transaction that brings users, tokens, channels, codes and prices."""

    def __init__(
        self,
        database: Database,
        transaction: Transaction,
        channel_values: ChannelValues,
        source: str,
        now: int,
    ) -> None:
        super().__init__(database, transaction, channel_values)
        self._source, self._now = source, now
        self._notes: list[dict[str, object]] = []

    async def free(self, table: str, ids: Sequence[int]) -> set[int]:
        """Return which of these numbers no row of a table has."""
        taken = {int(row["id"]) for row in await self.transaction.all(f"SELECT id FROM {table}")}
        return {number for number in ids if 0 < number < 2**62} - taken

    async def count_on(self, table: str) -> None:
        """Let numbers that are given from here on be none that rows have come with."""
        if sql := self._dialect.after_ids(table):
            await self.transaction.all(sql)

    async def code(self, number: int, columns: Mapping[str, object]) -> int:
        """Add a redemption code of these columns (`codes.columns`); the number 0 is replaced by a new one."""
        return await self._insert("codes", number, columns)

    async def price(self, model: str, price: Price) -> None:
        """Set a model's price."""
        row = {"model": model, "price": msgspec.json.encode(price).decode()}
        await self.transaction.run(insert("model_prices", row), row)

    async def group_ratio(self, name: str, ratio: int) -> None:
        """Set what a group's prices are multiplied by, in millionths."""
        row = {"name": name, "ratio": ratio}
        await self.transaction.run(insert("user_groups", row), row)

    def note(self, what: str, source_id: str, our_id: int) -> None:
        """Remember which of ours a thing has become."""
        self._notes.append(
            {"source": self._source, "what": what, "source_id": source_id, "our_id": our_id, "at": self._now}
        )

    async def finish(self) -> None:
        """Write what was collected."""
        await super().finish()
        if self._notes:
            await self.transaction.many(insert("imports", self._notes[0]), self._notes)
