"""Prices and ratios that an operator has set."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

import msgspec

from ..billing.pricing import Price
from .changes import Missing, StoreError, bump
from .database import Database

MOST_NAME = 191


class Prices:
    """What is set in a database, over the file and the shipped table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> dict[str, Price]:
        """Return the prices set, by model."""
        rows = await self._database.all("SELECT model, price FROM model_prices ORDER BY model")
        return {row["model"]: msgspec.json.decode(row["price"], type=Price) for row in rows}

    async def set(self, model: str, price: Price) -> None:
        """Set a model's price; its name becomes that of this change."""
        await self.set_all({model: price}, {})

    async def set_all(
        self, prices: Mapping[str, Price], group_ratios: Mapping[str, int], unset: Iterable[str] = ()
    ) -> None:
        """Set prices of models and ratios of groups and forget some prices, all or none."""
        if not all(_is_name(model) for model in prices):
            raise StoreError(f"a model's name has 1 to {MOST_NAME} characters")
        if not all(_is_name(name) and 0 <= ratio < 2**40 for name, ratio in group_ratios.items()):
            raise StoreError("a group has a name, and a ratio from 0 to a million")
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        upsert = self._database.dialect.upsert
        async with self._database.transaction() as transaction:
            await bump(transaction)
            for model, price in prices.items():
                named = msgspec.structs.replace(price, name=f"set {at} {model}")
                row: dict[str, object] = {"model": model, "price": msgspec.json.encode(named).decode()}
                await transaction.run(upsert("model_prices", ["model"], replace=["price"]), row)
            for model in unset:
                await transaction.run("DELETE FROM model_prices WHERE model = :model", {"model": model})
            for name, ratio in group_ratios.items():
                row = {"name": name, "ratio": ratio}
                await transaction.run(upsert("user_groups", ["name"], replace=["ratio"]), row)

    async def unset(self, model: str) -> None:
        """Forget a model's price; the file's or the table's is valid again."""
        async with self._database.transaction() as transaction:
            await bump(transaction)
            if not await transaction.run("DELETE FROM model_prices WHERE model = :model", {"model": model}):
                raise Missing(f"no price is set for {model!r}")

    async def group_ratios(self) -> dict[str, int]:
        """Return the groups whose ratio is not 1, in millionths."""
        rows = await self._database.all("SELECT name, ratio FROM user_groups ORDER BY name")
        return {row["name"]: int(row["ratio"]) for row in rows}

    async def set_group_ratio(self, name: str, ratio: int) -> None:
        """Set a group's ratio."""
        await self.set_all({}, {name: ratio})


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MOST_NAME and text.isprintable()
