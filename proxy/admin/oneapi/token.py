"""A user's own tokens. Keys are only hashed here, so a listing has stars and the key's end in their place."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

from ...keys.vault import TOKEN_PREFIX
from ...manage import tokens
from ...manage.refused import Refused
from ...records import DISABLED, ENABLED, Token
from ...store import StoreError
from ...store.accounts import State
from ...store.rows import token_account
from .fields import Fields
from .visit import Visit

_ENABLED, _DISABLED, _EXPIRED, _EXHAUSTED = 1, 2, 3, 4
_NEVER = -1
_LAST_S = 253_402_300_799
_KEY_LENGTH = 48
_ORDERS = ("remain_quota", "used_quota")


async def list_page(visit: Visit) -> object:
    """`GET /api/token/`: ten of the caller's tokens, newest first, or by `order`, most first."""
    order, shown = visit.query("order"), await _mine(visit)
    if order and order not in _ORDERS:
        raise Refused("order", f"expected one of {', '.join(_ORDERS)}")
    return visit.paged(sorted(shown, key=lambda token: token[order or "id"], reverse=True))  # type: ignore[arg-type, return-value]  # a number


async def search(visit: Visit) -> object:
    """`GET /api/token/search`: those whose name begins with the keyword."""
    word = visit.query("keyword")
    return [token for token in reversed(await _mine(visit)) if str(token["name"]).startswith(word)]


async def get(visit: Visit) -> object:
    """`GET /api/token/{id}`."""
    return await _shown(visit, await _found(visit, visit.id))


async def create(visit: Visit) -> object:
    """`POST /api/token/`: a token, whose key is in this answer and in no other."""
    fields, user, desk = await visit.fields(), await visit.me(), visit.desk
    limit, change = _limit(fields, 0, is_unlimited=False), partial(_changed, fields)
    token, key = await tokens.create(desk.store, desk.vault, user, change, limit, int(time.time()))
    await visit.did("create token", f"token:{token.id}", name=token.name)
    return {**await _shown(visit, token), "key": key.removeprefix(TOKEN_PREFIX)}


async def update(visit: Visit) -> object:
    """`PUT /api/token/`: change what is sent; with `status_only` the status, and without it all but that."""
    fields = await visit.fields()
    token = await _found(visit, fields.whole("id"))
    if visit.query("status_only"):
        return await _switch(visit, token, fields.whole("status"))
    name, store = token_account(token.id), visit.desk.store
    tokens.checked(_changed(fields, token))
    shown = _remaining(await store.accounts.state(name))
    wanted = _limit(fields, shown or 0, is_unlimited=shown is None)
    if wanted != shown:
        await store.accounts.set_balance(name, wanted, visit.actor.name, int(time.time()))
    _, changed = await tokens.edit(store, token.id, partial(_changed, fields))
    await visit.did("change token", f"token:{token.id}", name=changed.name)
    return await _shown(visit, await _found(visit, token.id))


async def remove(visit: Visit) -> object:
    """`DELETE /api/token/{id}`."""
    token = await _found(visit, visit.id)
    await visit.desk.store.remove_token(token.id)
    await visit.did("delete token", f"token:{token.id}", name=token.name)
    return None


async def _switch(visit: Visit, token: Token, status: int) -> object:
    shown = await _shown(visit, replace(token, status=ENABLED))
    if status not in (_ENABLED, _DISABLED):
        raise Refused("status", "expected 1 (enabled) or 2 (disabled)")
    if status == _ENABLED and shown["status"] == _EXPIRED:
        raise StoreError("the token has expired: give it another expired_time first")
    if status == _ENABLED and shown["status"] == _EXHAUSTED:
        raise StoreError("the token has nothing left: give it another remain_quota first")
    await visit.desk.store.set_token_status(token.id, ENABLED if status == _ENABLED else DISABLED)
    await visit.did("switch token", f"token:{token.id}", status=status)
    return await _shown(visit, await _found(visit, token.id))


async def _mine(visit: Visit) -> list[dict[str, object]]:
    store, now = visit.desk.store, int(time.time())
    mine = await store.tokens_of((await visit.me()).id)
    states = await store.accounts.states([token_account(token.id) for token in mine])
    return [token_json(token, states.get(token_account(token.id)), now) for token in mine]


async def _found(visit: Visit, number: int) -> Token:
    token = await visit.desk.store.token(number)
    if token is None or token.user_id != (await visit.me()).id:
        raise StoreError(f"there is no token {number}")
    return token


async def _shown(visit: Visit, token: Token) -> dict[str, object]:
    state = await visit.desk.store.accounts.state(token_account(token.id))
    return token_json(token, state, int(time.time()))


def token_json(token: Token, state: State | None, now: int) -> dict[str, object]:
    """Return a token in One API's words. When it was used last is not kept: it is when it was made."""
    remaining = _remaining(state)
    return {
        "id": token.id, "user_id": token.user_id, "key": token.hint.rjust(_KEY_LENGTH, "*"),
        "status": _status(token, remaining, now), "name": token.name, "created_time": token.created_at,
        "accessed_time": token.created_at, "expired_time": token.expires_at or _NEVER,
        "remain_quota": _NEVER if remaining is None else remaining, "unlimited_quota": remaining is None,
        "used_quota": state.used if state is not None else 0, "models": ",".join(token.models),
        "subnet": ",".join(token.subnets),
    }  # fmt: skip


def _status(token: Token, remaining: int | None, now: int) -> int:
    if token.status != ENABLED:
        return _DISABLED
    if token.expires_at is not None and token.expires_at <= now:
        return _EXPIRED
    return _EXHAUSTED if remaining is not None and remaining <= 0 else _ENABLED


def _remaining(state: State | None) -> int | None:
    return state.remaining if state is not None else None


def _changed(fields: Fields, token: Token) -> Token:
    expires = fields.whole("expired_time", token.expires_at or _NEVER)
    if not _NEVER <= expires <= _LAST_S:
        raise Refused("expired_time", "expected unix seconds, or -1 for never")
    return replace(
        token,
        name=fields.text("name", token.name),
        expires_at=None if expires in (_NEVER, 0) else expires,
        models=fields.names("models") if "models" in fields else token.models,
        subnets=fields.names("subnet") if "subnet" in fields else token.subnets,
    )


def _limit(fields: Fields, remaining: int, *, is_unlimited: bool) -> int | None:
    """What may remain, None without limit."""
    if fields.flag("unlimited_quota", is_unlimited):
        return None
    quota = fields.whole("remain_quota", remaining)
    if quota < 0:
        raise Refused("remain_quota", "expected 0 or more, or unlimited_quota")
    return quota
