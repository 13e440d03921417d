"""Users, for administrators."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

from ...billing.money import parse_balance
from ...manage import groups, users
from ...manage.refused import Refused
from ...manage.users import check_rank, checked_password, set_password
from ...manage.words import checked_name
from ...records import DEFAULT_GROUP, DISABLED, ENABLED, ROLE_ADMIN, ROLE_ROOT, ROLE_USER, User
from ...store import StoreError
from ...store.gifts import Invitation
from ...store.rows import user_account
from .fields import Fields
from .people import NO_LIMIT, shown_quota, usage_of, usages, user_json
from .visit import Visit

_ORDERS = ("quota", "used_quota", "request_count")


async def list_page(visit: Visit) -> object:
    """`GET /api/user/`: ten users, newest first, or by `order`, most first."""
    shown, order = await _all(visit), visit.query("order")
    if order and order not in _ORDERS:
        raise Refused("order", f"expected one of {', '.join(_ORDERS)}")
    key = order or "id"
    return visit.paged(sorted(shown, key=lambda user: user[key], reverse=True))  # type: ignore[arg-type, return-value]  # a number


async def search(visit: Visit) -> object:
    """`GET /api/user/search`: users whose id is the keyword, or whose name begins with it."""
    word = visit.query("keyword")
    return [
        user
        for user in reversed(await _all(visit))
        if str(user["id"]) == word or str(user["username"]).startswith(word)
    ]


async def get(visit: Visit) -> object:
    """`GET /api/user/{id}`."""
    user = await _found(visit, visit.id)
    check_rank(visit.actor.role, user)
    state = await visit.desk.store.accounts.state(user_account(user.id))
    return user_json(user, state, await usage_of(visit.desk.store, user.id))


async def create(visit: Visit) -> object:
    """`POST /api/user/`: a user with a password; `aff_code` is the name of who has invited them."""
    fields, desk = await visit.fields(), visit.desk
    name = checked_name("username", fields.text("username"))
    role, group = fields.whole("role") or ROLE_USER, fields.text("group") or DEFAULT_GROUP
    default = parse_balance(desk.settings.config.quota.new_user)
    quota = _limit(_quota(fields, 0)) if fields.whole("quota") else default
    invitation = await _invitation(visit, fields)
    hashed = await desk.door.hashed(checked_password(fields.secret("password")))
    user = User(0, name, role, group, ENABLED, int(time.time()), hashed)
    user = await users.create(desk.store, user, quota, invitation, visit.actor.role)
    await visit.did("create user", f"user:{user.id}", name=name)
    return None


async def update(visit: Visit) -> object:
    """`PUT /api/user/`: change what is sent, a quota of 0 too."""
    fields, store = await visit.fields(), visit.desk.store
    user = await _found(visit, fields.whole("id"))
    check_rank(visit.actor.role, user)
    if fields.text("username", user.name) not in ("", user.name):
        raise Refused("username", "a user keeps the name")
    password = fields.secret("password")
    hashed = await visit.desk.door.hashed(checked_password(password)) if password else ""
    name = user_account(user.id)
    shown = shown_quota(await store.accounts.state(name))
    quota = _quota(fields, shown)
    _check(user, users.checked(_changed(fields, user)), visit.actor.role)
    if quota != shown:
        await store.accounts.set_balance(name, _limit(quota), visit.actor.name, int(time.time()))
    await users.edit(store, user.id, partial(_changed, fields), visit.actor.role)
    if hashed:
        await set_password(store, user, hashed)
    await visit.did("change user", f"user:{user.id}", name=user.name, password=bool(hashed))
    return None


async def remove(visit: Visit) -> object:
    """`DELETE /api/user/{id}`."""
    await _remove(visit, await _found(visit, visit.id))
    return None


async def manage(visit: Visit) -> object:
    """`POST /api/user/manage`: disable, enable, delete, promote or demote a user by name."""
    fields, store = await visit.fields(), visit.desk.store
    user, action = await store.user(fields.text("username")), fields.text("action")
    if user is None:
        raise StoreError("there is no such user")
    if action == "delete":
        await _remove(visit, user)
        return {"role": user.role, "status": 3}
    _, changed = await users.edit(store, user.id, partial(_managed, action), visit.actor.role)
    await visit.did(f"{action} user", f"user:{user.id}", name=user.name)
    return {"role": changed.role, "status": 1 if changed.status == ENABLED else 2}


async def top_up(visit: Visit) -> object:
    """`POST /api/topup`: add to what a user may spend."""
    fields, store = await visit.fields(), visit.desk.store
    user, quota = await _found(visit, fields.whole("user_id")), fields.whole("quota")
    if quota < 0:
        raise Refused("quota", "expected 0 or more")
    if not user.limited:
        raise StoreError("this user has no limit")
    note = fields.text("remark")
    await store.accounts.credit(
        user_account(user.id), quota, "topup", note, visit.actor.name, int(time.time())
    )
    await visit.did("top up user", f"user:{user.id}", quota=quota)
    return None


async def group_names(visit: Visit) -> object:
    """`GET /api/group/`: names of the groups."""
    return sorted({DEFAULT_GROUP, *(group.name for group in await groups.overview(visit.desk.store))})


async def _all(visit: Visit) -> list[dict[str, object]]:
    store = visit.desk.store
    states, used = await store.accounts.states(), await usages(store)
    nothing = await usage_of(store, 0)
    return [
        user_json(user, states.get(user_account(user.id)), used.get(user.id, nothing))
        for user in await store.users()
    ]


async def _found(visit: Visit, number: int) -> User:
    return await users.find(visit.desk.store, number)


async def _invitation(visit: Visit, fields: Fields) -> Invitation | None:
    try:
        return await users.invitation(
            visit.desk.store, fields.text("aff_code"), visit.desk.settings.config.quota
        )
    except Refused as exc:
        raise Refused("aff_code", "nobody has this code") from exc


async def _remove(visit: Visit, user: User) -> None:
    await users.remove(visit.desk.store, user, visit.actor.role)
    await visit.did("delete user", f"user:{user.id}", name=user.name)


def _check(user: User, after: User, by: int) -> None:
    """Refuse what `users.edit` would, before anything else of the same change is kept."""
    check_rank(by, after)
    is_root = ROLE_ROOT in (user.role, after.role)
    if is_root and (user.role, user.status) != (after.role, after.status):
        raise StoreError("the root user stays as it is")


def _changed(fields: Fields, user: User) -> User:
    status = {0: user.status, 1: ENABLED, 2: DISABLED}.get(fields.whole("status"))
    if status is None:
        raise Refused("status", "expected 1 (enabled) or 2 (disabled)")
    role, group = fields.whole("role") or user.role, fields.text("group") or user.group
    return replace(user, role=role, group=group, status=status)


def _managed(action: str, user: User) -> User:
    if user.role == ROLE_ROOT:
        raise StoreError("the root user stays as it is")
    if action == "promote":
        return replace(user, role=ROLE_ADMIN)
    if action == "demote":
        return replace(user, role=ROLE_USER)
    if action in ("enable", "disable"):
        return replace(user, status=ENABLED if action == "enable" else DISABLED)
    raise Refused("action", "expected disable, enable, delete, promote or demote")


def _quota(fields: Fields, default: int) -> int:
    quota = fields.whole("quota", default)
    if quota < 0:
        raise Refused("quota", "expected 0 or more")
    return quota


def _limit(quota: int) -> int | None:
    return None if quota == NO_LIMIT else quota
