"""Accounts as administrators set them, checked and then kept: who may change whom, names, passwords."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..billing.money import parse_quota
from ..config import Quota
from ..errors import GatewayError, forbidden
from ..keys.vault import is_hash
from ..records import DISABLED, ENABLED, ROLE_ROOT, ROLES, User
from ..store import Store, StoreError
from ..store.changes import Missing
from ..store.gifts import Invitation
from .edits import edited
from .refused import Refused
from .words import checked_name

Change = Callable[[User], User]

ROOT_NAME = "root"

_LEAST_PASSWORD, _MOST_PASSWORD = 8, 200


async def create(
    store: Store, user: User, quota: int | None, invitation: Invitation | None, by: int = ROLE_ROOT
) -> User:
    """Add a user who may spend so much; `by` is the role of who does it. Raises Refused or GatewayError."""
    user = checked(user)
    if user.role == ROLE_ROOT:
        raise Refused("role", "there is one root user, from the first start")
    check_rank(by, user)
    return await store.add_user(user, quota, invitation)


async def invitation(store: Store, by: str, gifts: Quota) -> Invitation | None:
    """Return what an invitation by the user of this name gives; None for no name. Raises Refused."""
    if not by:
        return None
    inviter = await store.user(by)
    if inviter is None:
        raise Refused("invited_by", "there is no user of this name")
    return Invitation(inviter, parse_quota(gifts.invited), parse_quota(gifts.inviter))


async def remove(store: Store, user: User, by: int = ROLE_ROOT) -> None:
    """Delete a user with their tokens and sessions; what they spent stays in the log. Raises Refused."""
    check_rank(by, user)
    if user.role == ROLE_ROOT:
        raise Refused("id", "the root user stays")
    await store.remove_user(user.id)


async def edit(store: Store, user_id: int, change: Change, by: int = ROLE_ROOT) -> tuple[User, User]:
    """Change a user's role, group or status; returns what they were and are.

    `by` is the role of who does it. Raises Refused, Missing or GatewayError 403.
    """

    read = partial(store.user_by_id, user_id)
    return await edited(
        store, f"user {user_id}", read, lambda user: permitted(user, change(user), by), store.change_user
    )


def permitted(user: User, after: User, by: int) -> User:
    """Return a changed user as they are kept, if this role may do so. Raises Refused or GatewayError 403."""
    check_rank(by, user)
    after = checked(after)
    if user.role == ROLE_ROOT and (after.role, after.status) != (user.role, user.status):
        raise Refused("role" if after.role != user.role else "status", "the root user stays as it is")
    if after.role == ROLE_ROOT != user.role:
        raise Refused("role", "there is one root user, from the first start")
    check_rank(by, after)
    return after


async def find(store: Store, user_id: int) -> User:
    """Return a user. Raises Missing."""
    user = await store.user_by_id(user_id)
    if user is None:
        raise Missing(f"there is no user {user_id}")
    return user


async def set_password(store: Store, user: User, password_hash: str) -> None:
    """Give a user another password and end their sessions. Raises StoreError if it has changed meanwhile."""
    if not await store.set_password(user, password_hash):
        raise StoreError(f"the password of {user.name} has just been changed; try again")


def has_password(user: User) -> bool:
    """Whether a user can log in with a password."""
    return is_hash(user.password_hash)


def checked(user: User) -> User:
    """Return a user as they are kept. Raises Refused naming what is wrong."""
    if user.role not in ROLES.values():
        raise Refused("role", f"expected one of {', '.join(ROLES)}")
    if user.status not in (ENABLED, DISABLED):
        raise Refused("status", f"expected {ENABLED} or {DISABLED}")
    return replace(user, name=checked_name("name", user.name), group=checked_name("group", user.group))


def checked_password(password: str) -> str:
    """Return a password that may be set. Raises Refused for one that is too short, or far too long."""
    if not _LEAST_PASSWORD <= len(password) <= _MOST_PASSWORD:
        raise Refused("password", f"expected {_LEAST_PASSWORD} to {_MOST_PASSWORD} characters")
    return password


def check_rank(by: int, user: User) -> None:
    """Refuse to let an administrator change one of their own rank or above. Raises GatewayError 403."""
    if by < ROLE_ROOT and user.role >= by:
        raise not_of_your_rank()


def not_of_your_rank() -> GatewayError:
    """Somebody would change who is not below them."""
    return forbidden("only accounts below your own role can be changed", "role_too_low")
