"""How models are served where that is set: by which mode, and what stands in for them."""

from __future__ import annotations

import orjson

from ..records import ModelRoute
from .changes import StoreError, bump
from .database import Database


class Routes:
    """What is set in a database, by model."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> dict[str, ModelRoute]:
        """Return all that is set."""
        rows = await self._database.all("SELECT * FROM model_routes ORDER BY model")
        return {
            row["model"]: ModelRoute(row["model"], row["mode"], tuple(orjson.loads(row["fallbacks"])))
            for row in rows
        }

    async def set(self, route: ModelRoute) -> None:
        """Set how a model is served."""
        statement = self._database.dialect.upsert("model_routes", ["model"], replace=["mode", "fallbacks"])
        fallbacks = orjson.dumps(route.fallbacks).decode()
        async with self._database.transaction() as transaction:
            await bump(transaction)
            await transaction.run(
                statement, {"model": route.model, "mode": route.mode, "fallbacks": fallbacks}
            )

    async def unset(self, model: str) -> None:
        """Serve a model as any other."""
        async with self._database.transaction() as transaction:
            await bump(transaction)
            if not await transaction.run("DELETE FROM model_routes WHERE model = :model", {"model": model}):
                raise StoreError(f"nothing is set for the model {model!r}")
