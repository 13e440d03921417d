"""Users and their groups."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from ...billing.money import parse_balance, parse_ratio, show_ratio
from ...errors import forbidden
from ...manage import groups, users
from ...manage.refused import Refused
from ...records import DEFAULT_GROUP, ENABLED, ROLES, User
from ...store.accounts import MOST, State
from ...store.rows import user_account
from ..fields import Given, Id, Name, Page, Pages, Quota, Role, Shown, Status, Tagged, Word, paged
from ..operations import Call, Operations
from ..serving import tag_of
from .balances import Balance, balance_of, role_name, shown_balance

operations = Operations("users")
group_operations = Operations("groups")

Change = Annotated[int, Meta(gt=-MOST, lt=MOST)]


class UserChange(Given, frozen=True, kw_only=True):
    """What is to change; what is not given stays. `quota` is what remains, null for unlimited."""

    role: Role | UnsetType = UNSET
    group: Name | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    quota: Quota | UnsetType | None = UNSET


class NewUser(Given, frozen=True, kw_only=True):
    """A user to be made. Without a password nobody can log in; without `quota` it is that of new users.

    `invited_by` is the name of a user; what an invitation gives to both is a setting.
    """

    name: Name
    password: Word | None = None
    role: Role = "user"
    group: Name = DEFAULT_GROUP
    quota: Quota | UnsetType | None = UNSET
    invited_by: Word = ""


class Password(Given, frozen=True, kw_only=True):
    """A password."""

    password: Word


class TopUp(Given, frozen=True, kw_only=True):
    """What to add to a balance; below zero it is taken away."""

    amount: Change
    note: Word = ""


class UserQuery(Pages, frozen=True, kw_only=True):
    """Which users: of a group, a status, whose name has a part."""

    group: Word | None = None
    status: Status | None = None
    search: Word = ""


class UserShown(Shown, frozen=True, kw_only=True):
    """A user."""

    id: int
    name: str
    role: str
    group: str
    status: str
    created_at: int
    has_password: bool
    balance: Balance


class Ratio(Given, frozen=True, kw_only=True):
    """What multiplies the prices of a group: `0.8`."""

    ratio: Word


class GroupShown(Shown, frozen=True, kw_only=True):
    """A group: whoever is in it may use the channels that serve it, and pays prices times its ratio."""

    name: str
    ratio: str
    users: int
    channels: int


@operations.get("/users", "admin")
async def list_users(call: Call, query: UserQuery) -> Page[UserShown]:
    """List users, oldest first."""
    found = await call.desk.store.search.users(
        query.after, query.limit + 1, search=query.search, group=query.group, status=query.status
    )
    rows = [_shown(user, state) for user, state in found]
    return paged(rows, [row.id for row in rows], query.limit)


@operations.get("/users/{id}", "admin")
async def show_user(call: Call, id: Id) -> Tagged[UserShown]:
    """Show a user."""
    return await _tagged(call, await users.find(call.desk.store, id))


@operations.post("/users", "admin")
async def create_user(call: Call, body: NewUser) -> Tagged[UserShown]:
    """Make a user. Administrators are made by the root user."""
    desk = call.desk
    quota = parse_balance(desk.settings.config.quota.new_user) if body.quota is UNSET else body.quota
    password = body.password
    hashed = "" if password is None else await desk.door.hashed(users.checked_password(password))
    new = User(0, body.name, ROLES[body.role], body.group, ENABLED, int(time.time()), hashed)
    invitation = await users.invitation(desk.store, body.invited_by, desk.settings.config.quota)
    user = await users.create(desk.store, new, quota, invitation, call.actor.role)
    call.note(f"user:{user.id}", name=user.name, role=body.role, group=user.group, quota=quota)
    if body.invited_by:
        call.note(f"user:{user.id}", invited_by=body.invited_by)
    return await _tagged(call, user)


@operations.patch("/users/{id}", "admin")
async def change_user(call: Call, id: Id, body: UserChange) -> Tagged[UserShown]:
    """Change what is given of a user. Roles are the root user's to change."""
    desk = call.desk
    if body.role is not UNSET and not call.may("root"):
        raise forbidden("roles are the root user's to change", "role_too_low")
    user = await users.find(desk.store, id)
    call.expect(tag_of(desk, user))
    users.permitted(user, _changed(user, body), call.actor.role)  # before any of it is kept
    if body.quota is not UNSET:
        now, account = int(time.time()), user_account(id)
        await desk.store.accounts.set_balance(account, body.quota, call.actor.name, now)
        call.note(f"user:{id}", quota=body.quota)

    def change(row: User) -> User:
        if body.quota is UNSET:
            call.expect(tag_of(desk, row))
        return _changed(row, body)

    before, after = await users.edit(desk.store, id, change, call.actor.role)
    call.note(f"user:{id}", **_differences(before, after))
    return await _tagged(call, after)


@operations.delete("/users/{id}", "admin")
async def remove_user(call: Call, id: Id) -> None:
    """Delete a user with their tokens and sessions. What they spent stays in the log."""
    user = await users.find(call.desk.store, id)
    await users.remove(call.desk.store, user, call.actor.role)
    call.note(f"user:{id}", name=user.name, role=role_name(user.role), group=user.group)


@operations.put("/users/{id}/password", "admin")
async def set_user_password(call: Call, id: Id, body: Password) -> None:
    """Give a user another password. Their sessions end."""
    desk = call.desk
    user = await users.find(desk.store, id)
    users.check_rank(call.actor.role, user)
    hashed = await desk.door.hashed(users.checked_password(body.password))
    await users.set_password(desk.store, user, hashed)
    call.note(f"user:{id}")


@operations.post("/users/{id}/topup", "admin", status=200, once=False)
async def top_up_user(call: Call, id: Id, body: TopUp, idempotency_key: str) -> UserShown:
    """Add to what a user may spend, or take from it."""
    store = call.desk.store
    user = await users.find(store, id)
    users.check_rank(call.actor.role, user)
    if not body.amount:
        raise Refused("amount", "that changes nothing")
    now, account = int(time.time()), user_account(id)
    await store.accounts.credit(
        account, body.amount, "topup", body.note, call.actor.name, now, idempotency_key
    )
    call.note(f"user:{id}", amount=body.amount, note=body.note)
    return _shown(user, await store.accounts.state(account))


@group_operations.get("/groups", "admin")
async def list_groups(call: Call) -> Page[GroupShown]:
    """List the groups that anybody or anything is in, by name."""
    found = await groups.overview(call.desk.store)
    return Page(
        [
            GroupShown(name=one.name, ratio=show_ratio(one.ratio), users=one.users, channels=one.channels)
            for one in found
        ]
    )


@group_operations.put("/groups/{name}", "root")
async def set_group(call: Call, name: Name, body: Ratio) -> None:
    """Set what multiplies the prices of a group."""
    try:
        ratio = parse_ratio(body.ratio)
    except ValueError as exc:
        raise Refused("ratio", str(exc)) from exc
    await call.desk.store.prices.set_group_ratio(name, ratio)
    call.note(f"group:{name}", ratio=show_ratio(ratio))


def _changed(user: User, given: UserChange) -> User:
    return replace(
        user,
        role=user.role if given.role is UNSET else ROLES[given.role],
        group=user.group if given.group is UNSET else given.group,
        status=user.status if given.status is UNSET else given.status,
    )


async def _tagged(call: Call, user: User) -> Tagged[UserShown]:
    fresh = await users.find(call.desk.store, user.id)
    balance = await balance_of(call.desk.store, user)
    return Tagged(_with(fresh, balance), tag_of(call.desk, fresh))


def _shown(user: User, state: State | None) -> UserShown:
    return _with(user, shown_balance(state))


def _with(user: User, balance: Balance) -> UserShown:
    return UserShown(
        id=user.id, name=user.name, role=role_name(user.role), group=user.group, status=user.status,
        created_at=user.created_at, has_password=users.has_password(user), balance=balance,
    )  # fmt: skip


def _differences(before: User, after: User) -> dict[str, object]:
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in ("role", "group", "status"))
    return {name: [was, now] for name, was, now in pairs if was != now}
