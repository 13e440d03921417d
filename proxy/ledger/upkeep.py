"""What the ledger's tables need from time to time: months, sums, retention, and the hourly proof."""

from __future__ import annotations

import logging
import time

from ..store import Store
from ..store.audit import lasting
from ..store.idempotency import forget_old
from ..tasks import Owner

log = logging.getLogger(__name__)

_FOLD_S = 5.0
_HOUR_S = 3600.0


class Upkeep:
    """Keeps the tables. An async context manager."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owner = Owner()

    async def __aenter__(self) -> Upkeep:
        await self._store.requests.tend(time.time())
        self._owner.repeat(self._store.requests.fold, _FOLD_S, "sums of usage")
        self._owner.repeat(self._hourly, _HOUR_S, "upkeep of the ledger")
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._owner.close()

    async def _hourly(self) -> None:
        dropped = await self._store.requests.tend(time.time())
        if dropped:
            log.info("dropped months of the call log months=%s", ",".join(dropped))
        await forget_old(self._store.database, int(time.time()))
        await self._store.sessions.forget_old(int(time.time()))
        await self._store.accounts.forget_budgets(time.time())
        for violation in await lasting(self._store):
            log.error("the ledger breaks a rule: %s", violation)
