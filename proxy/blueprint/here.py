"""What an installation holds of all that its file can say, read at one generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..limits import Limit
from ..pricing import Price
from ..records import ChannelRow, ModelRoute, Token, User
from ..store import Store
from ..store.accounts import State
from ..vault import Vault


@dataclass(frozen=True, slots=True)
class Here:
    """An installation, its things by number. `hash_keys` are those of tokens, its own first."""

    generation: int
    groups: Mapping[str, int]
    prices: Mapping[str, Price]
    routes: Mapping[str, ModelRoute]
    channels: Mapping[int, ChannelRow]
    users: Mapping[int, User]
    tokens: Mapping[int, Token]
    limits: Mapping[str, Limit]
    states: Mapping[str, State]
    hash_keys: tuple[bytes, ...]


async def read(store: Store, vault: Vault) -> Here:
    """Read an installation. Who writes at this generation knows that nothing has changed since."""
    generation = await store.generation()
    return Here(
        generation,
        await store.prices.group_ratios(),
        await store.prices.all(),
        await store.routes.all(),
        {row.id: row for row in await store.channels()},
        {user.id: user for user in await store.users()},
        {token.id: token for token in await store.tokens()},
        await store.limits.all(),
        await store.accounts.states(),
        (vault.hash_key, *await store.hash_keys.all()),
    )
