"""What providers have said of the accounts of channels: the last word of each, by currency."""

from __future__ import annotations

from ..records import ChannelBalance
from .database import Database


class Balances:
    """What was left, by channel. Gateways do not load it, so it moves no generation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> dict[int, ChannelBalance]:
        """Return what is known of each channel, currencies in the order of their codes."""
        rows = await self._database.all("SELECT * FROM channel_balances ORDER BY channel_id, currency")
        found: dict[int, ChannelBalance] = {}
        for row in rows:
            one = found.setdefault(
                row["channel_id"], ChannelBalance(row["channel_id"], row["account"], row["asked_at"], {})
            )
            one.micros[row["currency"]] = row["micros"]
        return found

    async def put(self, balance: ChannelBalance) -> None:
        """Keep what a provider has said, in place of what it had said before."""
        sql = self._database.dialect.upsert(
            "channel_balances", ["channel_id", "currency"], ["account", "micros", "asked_at"]
        )
        told = {"channel_id": balance.channel_id, "account": balance.account, "asked_at": balance.at}
        async with self._database.transaction() as transaction:
            for currency, micros in sorted(balance.micros.items()):
                await transaction.run(sql, {**told, "currency": currency, "micros": micros})
            kept = {f"kept_{place}": currency for place, currency in enumerate(balance.micros)}
            others = "".join(f" AND currency <> :{name}" for name in kept)
            await transaction.run(
                f"DELETE FROM channel_balances WHERE channel_id = :channel_id{others}",
                {"channel_id": balance.channel_id, **kept},
            )

    async def clear(self, channel_id: int) -> None:
        """Forget what is known of a channel."""
        async with self._database.transaction() as transaction:
            await transaction.run(
                "DELETE FROM channel_balances WHERE channel_id = :channel_id", {"channel_id": channel_id}
            )
