"""How the admin API shows what an account may still spend, and what roles are called."""

from __future__ import annotations

from ...records import ROLES, User
from ...store import Store
from ...store.accounts import State
from ...store.rows import user_account
from ..fields import Shown

_ROLES = {number: name for name, number in ROLES.items()}


class Balance(Shown, frozen=True, kw_only=True):
    """An account in quota. `remaining` is null where it is unlimited."""

    remaining: int | None
    used: int


def shown_balance(state: State | None) -> Balance:
    """Return an account as it is shown."""
    if state is None:
        return Balance(remaining=None, used=0)
    return Balance(remaining=state.remaining, used=state.used)


async def balance_of(store: Store, user: User) -> Balance:
    """Return how a user's account stands."""
    return shown_balance(await store.accounts.state(user_account(user.id)))


def role_name(role: int) -> str:
    """Return what a role is called; one that nobody knows by its number."""
    return _ROLES.get(role, str(role))
