"""Where balances come from: every change of one that was no request."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ...manage import users
from ...store.rows import user_account
from ..fields import Given, Id, Page, Rows, Shown, paged
from ..operations import Call, Operations
from .account import own

operations = Operations("users")


class CreditQuery(Given, frozen=True, kw_only=True):
    """Which page."""

    after: Annotated[int, Meta(ge=1, le=2**62)] | None = None
    limit: Rows = 100


class CreditShown(Shown, frozen=True, kw_only=True):
    """A change of a balance in quota, below zero where it was taken away. `kind` is `topup`, `code`, `gift`,
    `set` or what else there is; `actor` is who did it.
    """

    id: int
    at: int
    kind: str
    amount: int
    note: str
    actor: str


@operations.get("/me/credits", "user")
async def list_own_credits(call: Call, query: CreditQuery) -> Page[CreditShown]:
    """List what was added to one's own balance, newest first."""
    return await _page(call, (await own(call)).id, query)


@operations.get("/users/{id}/credits", "admin")
async def list_user_credits(call: Call, id: Id, query: CreditQuery) -> Page[CreditShown]:
    """List what was added to a user's balance, newest first."""
    return await _page(call, (await users.find(call.desk.store, id)).id, query)


async def _page(call: Call, user_id: int, query: CreditQuery) -> Page[CreditShown]:
    accounts = call.desk.store.accounts
    found = await accounts.credits(user_account(user_id), query.limit + 1, query.after)
    rows = [
        CreditShown(
            id=one.id, at=one.at, kind=one.kind, amount=one.amount, note=one.note, actor=one.actor
        )
        for one in found
    ]  # fmt: skip
    return paged(rows, [row.id for row in rows], query.limit)
