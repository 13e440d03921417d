"""What an invitation gives to both: as part of the transaction that makes the new user."""

from __future__ import annotations

from dataclasses import dataclass

from ..records import User
from .accounts import credit
from .database import Transaction


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who has invited, and the gifts to the new user and to them, in quota. Who has no limit gets none."""

    by: User
    invited: int
    inviter: int


async def give(
    transaction: Transaction, user_id: int, *, user: User, quota: int | None, invitation: Invitation
) -> None:
    """Give the gifts of an invitation to a new user and who invited them."""
    now, by = user.created_at, invitation.by
    if invitation.invited and quota is not None:
        note = f"invited by {by.name}"
        await credit(transaction, f"user:{user_id}", invitation.invited, "gift", note, by.name, now)
    if invitation.inviter and by.limited:
        note = f"has invited {user.name}"
        await credit(transaction, f"user:{by.id}", invitation.inviter, "gift", note, by.name, now)
