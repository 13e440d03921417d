"""How a user looks in One API's words."""

from __future__ import annotations

from ...records import ENABLED, User
from ...store import Store
from ...store.accounts import State
from ...store.rollups import Total

NO_LIMIT = 500_000_000_000_000
"""What is shown as the quota of a user without limit: what One API gives its root user."""

_LATE_S = 2**40


async def usage_of(store: Store, user_id: int) -> Total:
    """Return all that a user has ever used, as far as the call log goes back."""
    totals = await store.requests.totals("day", 0, _LATE_S, only={"user_id": user_id}, over_time=False)
    return totals[0] if totals else Total()


async def usages(store: Store) -> dict[int, Total]:
    """Return the same of all users, by id."""
    totals = await store.requests.totals("day", 0, _LATE_S, group_by=("user_id",), over_time=False)
    return {total.user_id or 0: total for total in totals}


def shown_quota(state: State | None) -> int:
    """Return what remains."""
    remaining = state.remaining if state is not None else None
    return NO_LIMIT if remaining is None else remaining


def user_json(user: User, state: State | None, used: Total) -> dict[str, object]:
    """Return a user. Secrets, and what nobody has here (addresses, other logins), are empty."""
    return {
        "id": user.id, "username": user.name, "password": "", "display_name": user.name, "role": user.role,
        "status": 1 if user.status == ENABLED else 2, "email": "", "github_id": "", "wechat_id": "",
        "lark_id": "", "oidc_id": "", "verification_code": "", "access_token": "",
        "quota": shown_quota(state), "used_quota": state.used if state is not None else 0,
        "request_count": used.requests - used.failures, "group": user.group, "aff_code": user.name,
        "inviter_id": 0,
    }  # fmt: skip
