"""The money of one request: admitted before a provider is asked, settled once when its answer ends.

What the request may cost at most is reserved on its caller's accounts; what it used is measured, priced as
it was at admission, charged, and written down before the last bytes of the answer leave. A request that
nobody served is written down too, and costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from . import metering
from .access_log import Record
from .answer import Answer
from .asked import Asked
from .auth import Principal
from .errors import GatewayError
from .ledger.book import Reservation
from .ledger.entry import Charge, Counts, Entry
from .ledger.ledger import Ledger
from .limits import Limits, Ticket
from .live import Live
from .metering import Measured, Meter
from .pricing import cost
from .snapshot import Snapshot, UsableChannel
from .tasks import Owner
from .transfer import Transfer


class Billing:
    """Makes bills. An async context manager; leaving it waits for those that are still being settled."""

    def __init__(self, live: Live, ledger: Ledger) -> None:
        self._live = live
        self.ledger = ledger
        self.limits = Limits()
        self.reporters: set[tuple[int, str]] = set()
        """Channel and model whose streams have ended with a usage."""
        self.owner = Owner()

    async def __aenter__(self) -> Billing:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.owner.join()

    async def admit(
        self, principal: Principal, asked: Asked, candidates: Sequence[UsableChannel], length: int | None
    ) -> Bill:
        """Let a request in. Raises GatewayError: 429 over a limit, 402 where the money does not suffice."""
        snapshot, now = self._live.snapshot, time.time()
        bill = Bill(self, snapshot, principal, asked)
        prices = [snapshot.price(asked.model, channel) for channel in candidates]
        estimate = bill.estimate = metering.estimate(asked.endpoint, asked.body, length, prices[0])
        ratio = snapshot.group_ratio(principal.user.group)
        most = max(
            cost(estimate, price, ratio, channel.row.ratio)
            for price, channel in zip(prices, candidates, strict=True)
        )
        tokens = estimate.prompt_tokens + estimate.completion_tokens
        subjects = (*principal.subjects, f"model:{asked.model}")
        bill.ticket = self.limits.admit(snapshot.limits, subjects, tokens, now)
        try:
            bill.reservation = await self._reserve(snapshot, principal, subjects, most, now)
        except BaseException:
            bill.ticket.close(0, now)
            raise
        return bill

    async def _reserve(
        self, snapshot: Snapshot, principal: Principal, subjects: Sequence[str], most: int, now: float
    ) -> Reservation:
        limited, budgets = principal.limited, snapshot.budgets(subjects, now)
        if budgets:
            limited = (*limited, *budgets)
        reservation = self.ledger.reserve_now(limited, principal.unlimited, most)
        if reservation is None:
            found = await self.ledger.reserve(limited, principal.unlimited, most, budgets)
            if isinstance(found, str):
                raise insufficient(found, now)
            reservation = found
        return reservation


class Bill:
    """What one request owes. `settle` or `close` ends it."""

    __slots__ = ("_asked", "_billing", "_chosen", "_principal", "_snapshot", "estimate", "is_settled", "reservation", "ticket")  # fmt: skip

    def __init__(self, billing: Billing, snapshot: Snapshot, principal: Principal, asked: Asked) -> None:
        self._billing = billing
        self._snapshot = snapshot
        self._principal = principal
        self._asked = asked
        self.is_settled = False
