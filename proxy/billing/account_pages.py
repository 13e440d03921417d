"""What a token may see of its money: receipts, and the billing pages that One API's clients ask for.

The billing pages show one account: a limited token's own, else its user's. They differ from One API's where
those are wrong: what was used is part of the limit on every account, and both pages speak of the same one. As
there, dates are ignored: clients take what was used from the limit, so it must be all that was ever used.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from ..auth import Principal
from ..errors import GatewayError
from ..ledger.entry import Entry
from ..records import ROLE_ADMIN
from ..store.accounts import Accounts
from ..store.requests import Requests
from .money import QUOTA_PER_DOLLAR
from .receipts import decimal, dollars, receipt

_UNLIMITED_DOLLARS = "100000000"
"""What One API shows where nothing is limited."""


class AccountPages:
    """The pages. `pending` finds a request that has ended and is not in the database yet."""

    def __init__(
        self, requests: Requests, accounts: Accounts, pending: Callable[[str], Entry | None]
    ) -> None:
        self._requests = requests
        self._accounts = accounts
        self._pending = pending

    async def receipt(self, principal: Principal, request_id: str) -> dict[str, object]:
        """Return a request's receipt. Raises GatewayError 404 if there is none or it is another token's."""
        entry = self._pending(request_id)
        is_booked = entry is None
        if entry is None:
            entry = await self._requests.one(request_id)
        for_admin = principal.user.role >= ROLE_ADMIN
        if entry is None or (entry.token_id != principal.token.id and not for_admin):
            raise GatewayError(
                404, f"no request {request_id[:100]!r} of this API key is known", code="request_not_found"
            )
        return receipt(entry, is_booked=is_booked, for_admin=for_admin)

    async def subscription(self, principal: Principal) -> dict[str, object]:
        """Return the limit: what is left and what was used, in dollars."""
        left, used = await self._shown(principal)
        limit = _number(_UNLIMITED_DOLLARS if left is None else dollars(left + used))
        return {
            "object": "billing_subscription",
            "has_payment_method": True,
            "soft_limit_usd": limit,
            "hard_limit_usd": limit,
            "system_hard_limit_usd": limit,
            "access_until": principal.token.expires_at or 0,
        }

    async def usage(self, principal: Principal) -> dict[str, object]:
        """Return all that was used, in cents."""
        _, used = await self._shown(principal)
        return {"object": "list", "total_usage": _number(decimal(100 * used, QUOTA_PER_DOLLAR))}

    async def _shown(self, principal: Principal) -> tuple[int | None, int]:
        """What is left (None: no limit) and what was used, of the account that is shown."""
        used = 0
        for name in (f"token:{principal.token.id}", f"user:{principal.user.id}"):
            state = await self._accounts.state(name)
            if state is not None:
                used = state.used
                if state.remaining is not None:
                    return state.remaining, used
        return None, used


def _number(text: str) -> orjson.Fragment:
    """A JSON number, exactly as it is written: not by way of a float."""
    return orjson.Fragment(text)
