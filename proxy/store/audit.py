"""Whether accounts and sums of requests agree. One statement reads all, so a live database is no excuse."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from .database import Database
from .rollups import SPANS, fold, pending
from .store import Store

_READ = (
    "SELECT name, 0 AS user_id, used AS amount, '' AS sums FROM accounts"
    " UNION ALL SELECT '', user_id, SUM(charged), '' FROM usage_by_token WHERE span = :span GROUP BY user_id"
    " UNION ALL SELECT '', 0, 0, sums FROM usage_pending"
)


async def lasting(store: Store, again_s: float = 0.5) -> list[str]:
    """Return what is wrong with any account, a line for each, if it is still so a moment later: a gateway may
    be at work."""
    first = {_account(line) for line in await _violations(store)}
    if not first:
        return []
    await asyncio.sleep(again_s)
    return [line for line in await _violations(store) if _account(line) in first]


async def disagreements(database: Database) -> list[str]:
    """Return one line for each user whose account used something else than requests were charged."""
    await fold(database)
    used: dict[int, int] = {}
    charged: dict[int, int] = {}
    for row in await database.all(_READ, {"span": SPANS["day"]}):
        kind, _, number = row["name"].partition(":")
        if kind == "user":
            used[int(number)] = int(row["amount"])
        elif row["sums"]:
            for user_id, amount in pending(row["sums"]):
                charged[user_id] = charged.get(user_id, 0) + amount
        elif not kind:
            charged[row["user_id"]] = charged.get(row["user_id"], 0) + int(row["amount"])
    return list(_lines(used, charged))


def _lines(used: dict[int, int], charged: dict[int, int]) -> Iterator[str]:
    for user_id in sorted({*used, *charged}):
        spent, asked = used.get(user_id, 0), charged.get(user_id, 0)
        if spent != asked:
            yield f"user:{user_id}: used {spent} is not what its requests were charged, {asked}"


async def _violations(store: Store) -> list[str]:
    return [*await store.accounts.violations(), *await disagreements(store.database)]


def _account(line: str) -> str:
    # Its numbers may have moved, and it is the same violation.
    return line.partition(": ")[0]
