"""Client tokens as administrators and their owners set them, checked and then kept."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from ..keys.vault import TOKEN_PREFIX, Vault, new_token_key
from ..records import DISABLED, ENABLED, Token, User
from ..store import Store
from .edits import edited
from .refused import Refused
from .words import checked_name, checked_names

_MOST_PRIORITY = 1000

Change = Callable[[Token], Token]


def make_token(vault: Vault, user: User, name: str, key: str, now: int) -> Token:
    """Return a new token of a user for a key."""
    return Token(0, user.id, name, vault.token_hash(key), key[-4:], ENABLED, now)


async def create(
    store: Store, vault: Vault, user: User, change: Change, quota: int | None, now: int
) -> tuple[Token, str]:
    """Add a token as `change` makes it of an empty one; returns it and its key, which is not to be had later.

    `quota` is what it may spend, None for as much as its user. Raises Refused naming what is wrong.
    """
    key = new_token_key()
    token = checked(change(make_token(vault, user, "", key, now)))
    if token.expires_at is not None and token.expires_at <= now:
        raise Refused("expires_at", "that is in the past")
    return await store.add_token(token, quota), f"{TOKEN_PREFIX}{key}"


async def edit(store: Store, token_id: int, change: Change) -> tuple[Token, Token]:
    """Change a token; returns what it was and is. Raises Refused or Missing."""
    read = partial(store.token, token_id)
    return await edited(
        store, f"token {token_id}", read, lambda token: checked(change(token)), store.change_token
    )


def checked(token: Token) -> Token:
    """Return a token as it is kept. Raises Refused naming what is wrong."""
    if token.status not in (ENABLED, DISABLED):
        raise Refused("status", f"expected {ENABLED} or {DISABLED}")
    if abs(token.priority) > _MOST_PRIORITY:
        raise Refused("priority", f"expected -{_MOST_PRIORITY} to {_MOST_PRIORITY}")
    return replace(
        token,
        name=checked_name("name", token.name),
        models=checked_names("models", token.models),
        subnets=networks(token.subnets),
    )


def networks(texts: Iterable[str]) -> tuple[str, ...]:
    """Return networks as they are kept. Raises Refused for what is none."""
    try:
        return tuple(dict.fromkeys(str(ipaddress.ip_network(text, strict=False)) for text in texts))
    except ValueError as exc:
        raise Refused("subnets", str(exc)) from exc
