"""The money of one request: admitted before a provider is asked, settled once when its answer ends.

What the request may cost at most is reserved on its caller's accounts; what it used is measured, priced as
it was at admission, charged, and written down before the last bytes of the answer leave. A request that
nobody served is written down too, and costs nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from ...plugins import ErrorKind, UpstreamError, Usage
from ..access_log import Record
from ..auth import Principal
from ..errors import GatewayError, budget_spent, insufficient_quota
from ..ledger.book import Reservation
from ..ledger.entry import Charge, Counts, Entry
from ..ledger.ledger import Ledger
from ..live import Live
from ..metering import EventCount, Measured, Seen, Sent, StreamMeter, TextCount, estimate, measure, provided
from ..relaying.transfer import Transfer
from ..routing.snapshot import Snapshot, UsableChannel
from ..tasks import Owner
from ..wire.answer import Answer
from ..wire.asked import Asked
from .limits import Limits, Ticket, budget_accounts, budget_ends
from .pricing import RATIO_ONE, Price, cost

log = logging.getLogger(__name__)

_NOTHING = Measured(Counts(), "none")
_NO_STREAM = EventCount()
_NO_PRICE = Price("")

_MOST_KNOWN = 10_000
"""Channels and models that are remembered to report usage."""

_BYTES_PER_TOKEN = 2
"""Bounds a prompt that was not estimated, since nothing of its caller can run out."""

_FORM_HEAD_BYTES = 64 * 1024
"""Beginning of a form in which the length of its recording is looked for."""


class Billing:
    """Makes bills. An async context manager; leaving it waits for those that are still being settled."""

    def __init__(self, live: Live, ledger: Ledger, completion_tokens: int) -> None:
        self._live = live
        self._completion_tokens = completion_tokens
        self.ledger = ledger
        self.limits = Limits()
        self.owner = Owner()
        self.reporters: set[tuple[int, str]] = set()
        """Channels and models whose streams have ended with a usage: theirs need not be counted."""

    async def __aenter__(self) -> Billing:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.owner.join()

    def open(self, record: Record, address: str) -> Bill:
        """Begin the bill of a request whose caller is known."""
        return Bill(self, self._live.snapshot, record, address)

    async def admit(
        self, bill: Bill, asked: Asked, candidates: list[UsableChannel], form_bytes: int | None
    ) -> list[UsableChannel]:
        """Let a request in; returns the channels that may serve it, those on which its model has a price.

        Raises GatewayError: 429 over a limit, 402 where the money does not suffice, 403 without any price.
        """
        snapshot = self._live.snapshot
        principal = bill.begin(snapshot, asked, form_bytes)
        candidates, prices = bill.priced(candidates)
        limits = snapshot.limits
        if not (limits or principal.limited):
            bill.reservation = self.ledger.reserve_now((), 0)
            return candidates
        now = time.time()
        subjects = (*principal.subjects, f"model:{asked.model}")
        most = bill.estimated = estimate(
            asked.endpoint, asked.body, form_bytes, prices[0], self._completion_tokens
        )
        bill.tokens = most.prompt_tokens + most.completion_tokens
        bill.ticket = self.limits.admit(limits, subjects, bill.tokens, now)
        amount = max(
            cost(most, price, bill.group_ratio, channel.row.ratio)
            for price, channel in zip(prices, candidates, strict=True)
        )
        bill.reservation = await self._reserve(principal, budget_accounts(limits, subjects, now), amount, now)
        return candidates

    async def _reserve(
        self, principal: Principal, budgets: dict[str, int], amount: int, now: float
    ) -> Reservation:
        names = (*principal.limited, *budgets) if budgets else principal.limited
        reservation = self.ledger.reserve_now(names, amount)
        if reservation is not None:
            return reservation
        found = await self.ledger.reserve(names, amount, budgets)
        if not isinstance(found, str):
            return found
        if found in budgets:
            raise budget_spent(found.partition(":")[0], budget_ends(found) - now)
        raise insufficient_quota(
            "this API key" if found.startswith("token:") else "the account of this API key"
        )


class ChannelFull(UpstreamError):
    """A channel is at a limit of its own, for so many seconds, and was not asked: infinite is for ever."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(ErrorKind.RATE, "the channel is at its limit", status=429, retry_after=wait_s)


class Visit:
    """A request on a channel: what watches its stream, and its part of the channel's own limits."""

    __slots__ = ("budgets", "chosen", "meter", "ticket")

    def __init__(self, chosen: UsableChannel, meter: StreamMeter) -> None:
        self.chosen = chosen
        self.meter = meter
        self.ticket: Ticket | None = None
        self.budgets: tuple[str, ...] = ()


class Bill:
    """What one request owes. Exactly one of `settle` and `close` ends it."""

    __slots__ = (
        "_address", "_asked", "_billing", "_legs", "_price", "_priced", "_principal", "_record", "_size",
        "_snapshot", "_visit", "estimated", "group_ratio", "has_limits", "is_ended", "reservation", "ticket",
        "tokens",
    )  # fmt: skip

    def __init__(self, billing: Billing, snapshot: Snapshot, record: Record, address: str) -> None:
        assert record.principal is not None
        self._billing = billing
        self._snapshot = snapshot
        self._record = record
        self._principal = record.principal
        self._address = address
        self._asked: Asked | None = None
        self._size = 0
        self._visit: Visit | None = None
        self._legs: tuple[tuple[Measured, int], ...] = ()
        self._priced: UsableChannel | None = None
        self._price = _NO_PRICE
        self.reservation: Reservation | None = None
        self.ticket: Ticket | None = None
        self.tokens = 0
        self.estimated: Counts | None = None
        self.group_ratio = RATIO_ONE
        self.has_limits = False
        """Whether any limit is set, for anything."""
        self.is_ended = False

    def begin(self, snapshot: Snapshot, asked: Asked, form_bytes: int | None) -> Principal:
        """It is known what is asked; prices are those of this snapshot. Returns who asks."""
        self._snapshot = snapshot
        self.has_limits = bool(snapshot.limits)
        self._asked = asked
        self.group_ratio = snapshot.group_ratio(self._principal.user.group)
        self._size = len(asked.body.raw) if asked.body is not None else form_bytes or 0
        return self._principal

    def visit(self, chosen: UsableChannel) -> Visit:
        """A channel is about to be asked. Every visit is served by in the end, or left."""
        if not self._record.stream:
            return Visit(chosen, _NO_STREAM)
        known = (chosen.row.id, self._record.model) in self._billing.reporters
        return Visit(chosen, EventCount() if known else TextCount())

    def serve(self, visit: Visit, answer: Answer) -> None:
        """This is the visit whose answer the client gets, as far as is known now."""
        self._visit = visit
        answer.notes = self._notes(visit)

    async def enter(self, visit: Visit) -> None:
        """Take part of the channel's own limits and budgets. Raises ChannelFull where there is none left."""
        billing, limits, now = self._billing, self._snapshot.limits, time.time()
        channel_id = visit.chosen.row.id
        taken = billing.limits.may_use(limits, channel_id, self.tokens, now)
        if isinstance(taken, float):
            raise ChannelFull(taken)
        visit.ticket = taken
        budgets = budget_accounts(limits, (f"channel:{channel_id}",), now)
        if budgets:
            assert self.reservation is not None
            spent = await billing.ledger.extend(self.reservation, budgets)
            if spent is not None:
                raise ChannelFull(budget_ends(spent) - now)
            visit.budgets = tuple(budgets)

    def leave(self, visit: Visit) -> None:
        """A channel has not served the request. One whose answer is being settled has, and is left alone."""
        if self.is_ended and visit is self._visit:
            return
        if visit.ticket is not None:
            visit.ticket.close(0, time.time())
            visit.ticket = None
        if visit.budgets and self.reservation is not None and not self.is_ended:
            self._billing.ledger.shrink(self.reservation, visit.budgets)
            visit.budgets = ()

    def wasted(self, visit: Visit) -> int:
        """Return what an answer that was not waited for may have cost us: its prompt, in quota."""
        counts = Counts((self.estimated or Counts(self._size // _BYTES_PER_TOKEN)).prompt_tokens)
        return cost(counts, self.price_of(visit.chosen), self.group_ratio, visit.chosen.row.ratio)

    async def break_off(self, transfer: Transfer) -> None:
        """The answer goes on on another channel: what came of this one is owed, whatever comes of that."""
        transfer.stop()
        sent, seen = self._sent(), self._seen(transfer)
        measured = provided(transfer.usage, sent, seen) or await self._counted(transfer.usage, sent, seen)
        self._legs += ((measured, self._owed(measured)),)

    def settle(self, transfer: Transfer, answer: Answer, then: Callable[[], None]) -> None:
        """The request was served: have it measured, charged and written down, then call `then`."""
        self.is_ended = True
        sent, seen = self._sent(), self._seen(transfer)
        measured = provided(transfer.usage, sent, seen)
        if measured is not None:
            if self._record.stream and len(self._billing.reporters) < _MOST_KNOWN:
                self._billing.reporters.add(self._route())
            whole, owed = self._with_legs(measured, self._owed(measured))
            charges = self._charge_now(owed)
            if charges is not None:
                self._write(answer, whole, owed, charges, then)
                return
        work = self._settle(transfer.usage, sent, seen, measured, answer, then)
        self._billing.owner.start(work, "settlement")

    def close(self) -> None:
        """The request was not served, or not by a provider: it costs nothing but what was broken off."""
        self.is_ended = True
        if self._legs:
            self._billing.owner.start(self._settle_legs(), "settlement")
            return
        ledger = self._billing.ledger
        if self.reservation is not None:
            ledger.cancel(self.reservation)
        self._end_tickets(0)
        ledger.write(self._entry(_NOTHING, 0, ()), _nobody_waits)

    async def _settle_legs(self) -> None:
        measured, owed = self._with_legs(_NOTHING, 0)
        charges = await self._charge(owed)
        self._record.cost, self._record.usage_source = owed, measured.source
        self._end_tickets(measured.counts.prompt_tokens + measured.counts.completion_tokens)
        self._billing.ledger.write(self._entry(measured, owed, charges), _nobody_waits)

    def _with_legs(self, measured: Measured, owed: int) -> tuple[Measured, int]:
        """Add what channels delivered before they broke off."""
        for leg, leg_owed in self._legs:
            pairs = zip(
                msgspec.structs.astuple(leg.counts), msgspec.structs.astuple(measured.counts), strict=True
            )
            source = leg.source if measured is _NOTHING else measured.source
            flags = dict.fromkeys((*leg.flags, *measured.flags, "continued"))
            measured = Measured(Counts(*map(sum, pairs)), source, tuple(flags))
            owed += leg_owed
        return measured, owed

    async def _settle(
        self,
        usage: Usage | None,
        sent: Sent,
        seen: Seen,
        measured: Measured | None,
        answer: Answer,
        then: Callable[[], None],
    ) -> None:
        """The same, where something has to be counted here, or a lease to be enlarged."""
        if measured is None:
            measured = await self._counted(usage, sent, seen)
            self._record.usage = _usage(measured.counts)
        measured, owed = self._with_legs(measured, self._owed(measured))
        charges = await self._charge(owed)
        self._write(answer, measured, owed, charges, then)

    async def _charge(self, owed: int) -> tuple[Charge, ...]:
        charges = self._charge_now(owed)
        if charges is not None:
            return charges
        assert self.reservation is not None
        return await self._billing.ledger.charge(self.reservation, owed)

    async def _counted(self, usage: Usage | None, sent: Sent, seen: Seen) -> Measured:
        """Count here. The client waits for its last bytes, so a fault of ours must not keep them."""
        try:
            return await asyncio.to_thread(measure, usage, sent, seen)
        except Exception:
            log.exception("answer not counted request_id=%s", self._record.request_id)
            return Measured(sent.estimated, "estimate", ("not_counted",))

    def _owed(self, measured: Measured) -> int:
        assert self._visit is not None
        chosen = self._visit.chosen
        price = self.price_of(chosen)
        return cost(measured.counts, price, self.group_ratio, chosen.row.ratio)

    def priced(self, channels: list[UsableChannel]) -> tuple[list[UsableChannel], list[Price]]:
        """Return the channels on which the model has a price, and the prices. Raises GatewayError if none."""
        try:
            return channels, [self.price_of(channel) for channel in channels]
        except GatewayError:
            some = [channel for channel in channels if self._is_priced(channel)]
            if not some:
                raise
            return some, [self.price_of(channel) for channel in some]

    def _is_priced(self, channel: UsableChannel) -> bool:
        try:
            self.price_of(channel)
        except GatewayError:
            return False
        return True

    def price_of(self, channel: UsableChannel) -> Price:
        """Return what the model costs there, as at admission. Raises GatewayError if it has no price."""
        if channel is not self._priced:
            self._priced, self._price = channel, self._snapshot.price(self._record.model, channel)
        return self._price

    def _charge_now(self, owed: int) -> tuple[Charge, ...] | None:
        assert self.reservation is not None
        return self._billing.ledger.charge_now(self.reservation, owed)

    def _write(
        self,
        answer: Answer,
        measured: Measured,
        owed: int,
        charges: tuple[Charge, ...],
        then: Callable[[], None],
    ) -> None:
        counts = measured.counts
        self._end_tickets(counts.prompt_tokens + counts.completion_tokens)
        answer.notes += b"x-canalgate-cost: %d\r\n" % owed
        self._record.cost, self._record.usage_source = owed, measured.source
        self._billing.ledger.write(self._entry(measured, owed, charges), then)

    def _entry(self, measured: Measured, owed: int, charges: tuple[Charge, ...]) -> Entry:
        record, token = self._record, self._principal.token
        chosen = self._visit.chosen if self._visit is not None else None
        first, model = record.first_byte_at, record.model
        # In the order of Entry's fields: by their names it would take three times as long.
        return Entry(
            record.request_id,
            int(record.request_id[:12], 16),
            token.user_id,
            token.id,
            self._principal.user.group,
            chosen.row.id if chosen is not None else None,
            record.endpoint,
            model,
            chosen.upstream_model(model) if chosen is not None else "",
            record.stream,
            record.status or 499,
            measured.counts,
            measured.source,
            owed,
            charges[0].amount if charges and self._principal.user.limited else owed,
            self.price_of(chosen).name if chosen is not None else "",
            int(1000 * (first - record.received_at)) if first is not None else None,
            int(1000 * (time.monotonic() - record.received_at)),
            record.attempts,
            self._address,
            record.error_type,
            record.problem,
            record.answered_by,
            measured.flags,
            charges,
            self.group_ratio,
            chosen.row.ratio if chosen is not None else RATIO_ONE,
            record.tries,
            int(1000 * record.queued_s),
        )

    def _sent(self) -> Sent:
        asked, visit = self._asked, self._visit
        assert asked is not None and visit is not None
        estimated = self.estimated or Counts(self._size // _BYTES_PER_TOKEN)
        model = visit.chosen.upstream_model(asked.model)
        if asked.form is not None:
            head = bytes(asked.form.seen[:_FORM_HEAD_BYTES])
            return Sent(asked.endpoint, model, b"", head, self._size, estimated)
        raw = asked.body.raw if asked.body is not None else b""
        return Sent(asked.endpoint, model, raw, estimated=estimated)

    def _seen(self, transfer: Transfer) -> Seen:
        assert self._visit is not None
        meter = self._visit.meter if self._record.stream else None
        return Seen(transfer.size, transfer.reply, meter, transfer.is_whole)

    def _route(self) -> tuple[int, str]:
        assert self._visit is not None
        return self._visit.chosen.row.id, self._record.model

    def _notes(self, visit: Visit) -> bytes:
        fields = self.ticket.headers() if self.ticket is not None else ()
        lines = b"".join([b"%b: %b\r\n" % (name.encode(), value.encode()) for name, value in fields])
        return b"x-canalgate-channel: %d\r\n%b" % (visit.chosen.row.id, lines)

    def _end_tickets(self, tokens: int) -> None:
        for ticket in (self.ticket, self._visit.ticket if self._visit is not None else None):
            if ticket is not None:
                ticket.close(tokens, time.time())


def _nobody_waits() -> None:
    pass


def _usage(counts: Counts) -> Usage:
    return Usage(
        counts.prompt_tokens, counts.completion_tokens, counts.cached_tokens, counts.reasoning_tokens
    )
