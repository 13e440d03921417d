"""Client tokens. Whoever is no administrator has to do with their own alone."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...errors import forbidden
from ...keys.vault import TOKEN_PREFIX
from ...manage import tokens, users
from ...records import Token, User
from ...store.accounts import State
from ...store.changes import Missing
from ...store.rows import token_account
from ..fields import Given, Id, Name, Page, Pages, Quota, Seconds, Shown, Status, Tagged, Text, Word, paged
from ..operations import Call, Operations
from ..serving import tag_of
from .balances import Balance, shown_balance

operations = Operations("tokens")

Names = Annotated[list[Name], Meta(max_length=1000)]


class TokenChange(Given, frozen=True, kw_only=True):
    """What is to change; what is not given stays.

    Empty `models` or `subnets` allow any. An `expires_at` of null is never, a `quota` of null as much as the
    user has.
    """

    name: Name | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    expires_at: Seconds | UnsetType | None = UNSET
    models: Names | UnsetType = UNSET
    subnets: Names | UnsetType = UNSET
    quota: Quota | UnsetType | None = UNSET
    priority: Annotated[int, Meta(ge=-1000, le=1000)] | UnsetType = UNSET


class NewToken(TokenChange, frozen=True, kw_only=True):
    """A token to be made: see the change of one. Without `user_id` it is one's own."""

    name: Name
    user_id: Id | None = None


class TokenQuery(Pages, frozen=True, kw_only=True):
    """Which tokens: of a user, a status, whose name has a part."""

    user_id: Id | None = None
    status: Status | None = None
    search: Word = ""


class TokenShown(Shown, frozen=True, kw_only=True):
    """A token. Of its key only the end is shown."""

    id: int
    user_id: int
    name: str
    key: str
    status: str
    created_at: int
    expires_at: int | None
    models: list[str]
    subnets: list[str]
    priority: int
    balance: Balance


class MadeToken(Shown, frozen=True, kw_only=True):
    """A new token with its key, which is shown only now."""

    key: Text
    token: TokenShown


@operations.get("/tokens", "user")
async def list_tokens(call: Call, query: TokenQuery) -> Page[TokenShown]:
    """List tokens, oldest first: one's own, for administrators all."""
    found = await call.desk.store.search.tokens(
        query.after,
        query.limit + 1,
        search=query.search,
        user_id=query.user_id if call.may("admin") else call.actor.user_id,
        status=query.status,
    )
    rows = [_shown(token, state) for token, state in found]
    return paged(rows, [row.id for row in rows], query.limit)


@operations.get("/tokens/{id}", "user")
async def show_token(call: Call, id: Id) -> Tagged[TokenShown]:
    """Show a token."""
    return await _tagged(call, await _find(call, id))


@operations.post("/tokens", "user")
async def create_token(call: Call, body: NewToken) -> MadeToken:
    """Make a token. Its key is shown only now."""
    desk = call.desk
    owner = await _owner(call, body.user_id)
    quota = None if body.quota is UNSET else body.quota
    token, key = await tokens.create(
        desk.store, desk.vault, owner, lambda token: _changed(token, body), quota, int(time.time())
    )
    call.note(f"token:{token.id}", name=token.name, user_id=owner.id, quota=quota)
    state = await desk.store.accounts.state(token_account(token.id))
    return MadeToken(key=key, token=_shown(token, state))


@operations.patch("/tokens/{id}", "user")
async def change_token(call: Call, id: Id, body: TokenChange) -> Tagged[TokenShown]:
    """Change what is given of a token."""
    desk = call.desk

    def change(token: Token) -> Token:
        call.expect(tag_of(desk, token))
        return _changed(token, body)

    found = await _find(call, id, writing=True)
    tokens.checked(change(found))  # before any of it is kept
    if body.quota is not UNSET:
        now, account = int(time.time()), token_account(id)
        await desk.store.accounts.set_balance(account, body.quota, call.actor.name, now)
        call.note(f"token:{id}", quota=body.quota)
        found = await _find(call, id, writing=True)
    before, after = await tokens.edit(
        desk.store, id, change if body.quota is UNSET else lambda token: _changed(token, body)
    )
    call.note(f"token:{id}", **_differences(before, after))
    return await _tagged(call, after)


@operations.delete("/tokens/{id}", "user", matched=True)
async def remove_token(call: Call, id: Id) -> None:
    """Delete a token. What it has spent stays in the log."""
    store = call.desk.store
    generation = await store.generation()
    token = await _find(call, id, writing=True)
    call.expect(tag_of(call.desk, token))
    await store.remove_token(id, generation if "if-match" in call.request.headers else None)
    call.note(f"token:{id}", name=token.name, user_id=token.user_id)


async def _find(call: Call, token_id: int, *, writing: bool = False) -> Token:
    """Return a token that who asks may see, or change. Raises Missing or GatewayError 403."""
    token = await call.desk.store.token(token_id)
    is_own = token is not None and token.user_id == call.actor.user_id
    if token is None or not (is_own or call.may("admin")):
        raise Missing(f"there is no token {token_id}")
    if writing and not is_own:
        users.check_rank(call.actor.role, await users.find(call.desk.store, token.user_id))
    return token


async def _owner(call: Call, user_id: int | None) -> User:
    own = call.actor.user_id
    if user_id is None and own is None:
        raise forbidden("the admin key is no account: say whose the token is, as user_id", "no_account")
    if user_id not in (None, own) and not call.may("admin"):
        raise forbidden("only administrators make tokens for others", "role_too_low")
    owner = await users.find(call.desk.store, user_id or own or 0)
    if owner.id != own:
        users.check_rank(call.actor.role, owner)
    return owner


def _changed(token: Token, given: TokenChange) -> Token:
    changes: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in msgspec.structs.asdict(given).items()
        if value is not UNSET and name not in ("quota", "user_id")
    }
    return replace(token, **changes)


async def _tagged(call: Call, token: Token) -> Tagged[TokenShown]:
    state = await call.desk.store.accounts.state(token_account(token.id))
    return Tagged(_shown(token, state), tag_of(call.desk, token))


def _shown(token: Token, state: State | None) -> TokenShown:
    return TokenShown(
        id=token.id, user_id=token.user_id, name=token.name, key=f"{TOKEN_PREFIX}...{token.hint}",
        status=token.status, created_at=token.created_at, expires_at=token.expires_at,
        models=list(token.models), subnets=list(token.subnets),
        priority=token.priority, balance=shown_balance(state),
    )  # fmt: skip


def _differences(before: Token, after: Token) -> dict[str, object]:
    names = ("name", "status", "expires_at", "models", "subnets", "priority")
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in names)
    return {name: [was, now] for name, was, now in pairs if was != now}
