"""The one way in which a secret that was entered comes out again: by the password, and with a row of its own
in the audit trail.
"""

from __future__ import annotations

from ..fields import Given, Id, Shown, Word
from ..operations import Call, Operations
from .account import confirm, own
from .channels import find

operations = Operations("channels")


class Confirmed(Given, frozen=True, kw_only=True):
    """One's own password, again."""

    password: Word


class Revealed(Shown, frozen=True, kw_only=True):
    """A channel's keys."""

    keys: list[str]


@operations.post("/channels/{id}/reveal", "admin", status=200, once=False)
async def reveal_channel_key(call: Call, id: Id, body: Confirmed) -> Revealed:
    """Show a channel's keys to who gives their own password again. The admin key has none, and sees none."""
    user = await own(call)
    await confirm(call, user, body.password, "password")
    row = await find(call, id)
    call.note(f"channel:{id}", name=row.name)
    return Revealed(keys=[key for key in row.keys if key])
