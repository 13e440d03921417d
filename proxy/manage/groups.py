"""Groups of users: who and what is in them, and what they pay."""

from __future__ import annotations

from dataclasses import dataclass

from ..billing.pricing import RATIO_ONE
from ..store import Store


@dataclass(frozen=True, slots=True)
class Group:
    """A group. `ratio` multiplies prices, in millionths; `users` and `channels` are how many are in it."""

    name: str
    ratio: int
    users: int
    channels: int


async def overview(store: Store) -> list[Group]:
    """Return the groups that have a ratio, a user or a channel, by name."""
    users, ratios = await store.search.group_sizes(), await store.prices.group_ratios()
    channels = [row.groups for row in await store.channels()]
    names = {*ratios, *users, *(name for groups in channels for name in groups)}
    return [
        Group(name, ratios.get(name, RATIO_ONE), users.get(name, 0), sum(name in one for one in channels))
        for name in sorted(names)
    ]
