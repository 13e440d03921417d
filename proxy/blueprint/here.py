"""What an installation holds of all that its file can say, read at one generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..billing.limits import Limit
from ..billing.pricing import Price
from ..keys.vault import Vault
from ..live import ADMIN_KEY_NAME, NO_KEY
from ..records import ROLE_ROOT, ChannelRow, ModelRoute, Token, User
from ..store import Store
from ..store.rows import State


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
    """Read an installation. Who writes at this generation knows that nothing has changed since.

    Left out is the user on whom requests with the admin key are booked: it is no person, and comes by itself.
    """
    generation = await store.generation()
    booked_on = vault.token_hash(NO_KEY)
    return Here(
        generation,
        await store.prices.group_ratios(),
        await store.prices.all(),
        await store.routes.all(),
        {row.id: row for row in await store.channels()},
        {user.id: user for user in await store.users() if not _is_admin_key(user)},
        {token.id: token for token in await store.tokens() if token.key_hash != booked_on},
        await store.limits.all(),
        await store.accounts.states(),
        (vault.hash_key, *await store.hash_keys.all()),
    )


def _is_admin_key(user: User) -> bool:
    return user.name == ADMIN_KEY_NAME and user.role == ROLE_ROOT
