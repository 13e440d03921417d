"""Codes by which users invite others: keyed hashes of the user's number, so none is kept and none guessed.

A user who is disabled or gone invites nobody. Codes stay the same when the secret key is rotated.
"""

from __future__ import annotations

import hmac
import re
from base64 import b32encode

from ..billing.money import parse_quota
from ..config import Quota
from ..keys.vault import Vault
from ..records import ENABLED
from ..store import Store
from ..store.gifts import Invitation
from .refused import Refused

_FORM = re.compile(r"([1-9]\d{0,17})-[a-z2-7]{12}", re.ASCII)


def code_of(vault: Vault, user_id: int) -> str:
    """Return the code by which a user invites others: `7-k3j9x2mq4twa`."""
    proof = b32encode(vault.token_hash(f"invitation\0{user_id}"))[:12].decode().lower()
    return f"{user_id}-{proof}"


async def accepted(store: Store, vault: Vault, code: str, gifts: Quota) -> Invitation:
    """Return what an invitation gives. Raises Refused for a code that is nobody's."""
    code = code.strip().lower()
    found = _FORM.fullmatch(code)
    if found and hmac.compare_digest(code, code_of(vault, int(found[1]))):
        inviter = await store.user_by_id(int(found[1]))
        if inviter is not None and inviter.status == ENABLED:
            return Invitation(inviter, parse_quota(gifts.invited), parse_quota(gifts.inviter))
    raise Refused("invitation", "nobody has this code")
