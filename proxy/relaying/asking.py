"""Ask channels one after the other until one answers; beside one that is slow, behind one that broke off.

Until a byte was sent to the client nobody sees a failure but the log. Afterwards only a client that has asked
for it gets the rest from another channel: see continuing.py.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Protocol

from ...plugins import UpstreamError
from ..billing.bill import Bill, ChannelFull
from ..billing.limits import AGAIN_S
from ..routing.snapshot import UsableChannel
from ..tasks import Work
from ..upstream import StaleConnection
from ..wire.asked import Asked
from .attempt import Attempt, Request
from .attempts import Attempts
from .continuing import Continuing, can_continue, continued
from .transfer import Transfer


class Asker(Request, Protocol):
    """The request whose channels are asked: an Exchange."""

    ended: bool

    def run(self, work: Work) -> None:
        """Do work as this request's own."""

    def finished(self) -> None:
        """The client has its answer, whole or cut."""


class Asking:
    """The attempts of one request: the one that answers, and one beside it if that is slow."""

    __slots__ = (
        "_asked", "_attempts", "_beside", "_bill", "_candidates", "_hedge_timer", "_request", "_text",
        "current",
    )  # fmt: skip

    def __init__(self, request: Asker, bill: Bill, asked: Asked, candidates: list[UsableChannel]) -> None:
        self._request = request
        self._bill = bill
        self._asked = asked
        self._candidates = candidates
        self._attempts = self._begin(candidates)
        self._beside: Attempt | None = None
        self._hedge_timer: asyncio.TimerHandle | None = None
        self._text = ""
        self.current: Attempt | None = None

    def _begin(self, candidates: list[UsableChannel]) -> Attempts:
        record = self._request.record
        return self._request.relay.attempts(candidates, self._asked.model, record.received_at)

    @property
    def transfer(self) -> Transfer | None:
        """What carries the answer, as far as is known now."""
        return self.current.transfer if self.current is not None else None

    async def until_sent(self, *, fresh: bool = False) -> None:
        """Try channels until one has been asked. Raises UpstreamError when none is left."""
        while True:
            attempt = self.current = Attempt(self._request, self._bill, self._attempts.member)
            attempt.serve()
            hedge_s = attempt.chosen.row.times.hedge_s
            if hedge_s is not None and self._asked.form is None:
                self._hedge_timer = asyncio.get_running_loop().call_later(hedge_s, self._hedge)
            try:
                await self._ask(attempt, fresh=fresh)
                return
            except UpstreamError as error:
                self._close(attempt, error)
                fresh = await self._next_or_room(error)

    async def _ask(self, attempt: Attempt, *, fresh: bool = False) -> None:
        asked = continued(self._asked, attempt.chosen, self._text) if self._text else self._asked
        claim = partial(self._claimed, attempt) if self._beside is not None else None
        await attempt.ask(asked, self._over, claim, fresh=fresh, deadline=self._attempts.deadline)
        answer, transfer = self._request.answer, attempt.transfer
        if isinstance(answer, Continuing) and transfer is not None:
            transfer.rescue = partial(self._rescued, attempt)

    def end(self) -> None:
        """The request has ended."""
        self._stop_timer()
        for attempt in (self.current, self._beside):
            if attempt is not None:
                attempt.end()

    # After a failure.

    def _over(self, attempt: Attempt, error: UpstreamError | None) -> None:
        """An attempt is over: the client has its answer, or another channel may give one."""
        if error is None:
            self._request.finished()
            return
        self._close(attempt, error)
        if attempt is self._beside:
            self._beside = None
        elif self._beside is not None:
            self.current, self._beside = self._beside, None
            self.current.serve()
        else:
            self._request.run(self._go_on(error))

    async def _go_on(self, error: UpstreamError) -> None:
        try:
            await self.until_sent(fresh=await self._next(error))
        except Exception as exc:
            self._request.fail(exc)

    async def _next_or_room(self, error: UpstreamError) -> bool:
        """The same, where all channels are at limits of their own: waits until one may have room."""
        try:
            return await self._next(error)
        except ChannelFull:
            record, gate, now = self._request.record, self._request.relay.gate, time.monotonic()
            room_in_s, left_s = self._attempts.room_in(), record.received_at + gate.wait_s - now
            may_wait = left_s > 0 and 0 < room_in_s <= max(left_s, AGAIN_S)
            if not may_wait or self._asked.form is not None:
                raise
            channels = {one.row.id for one in self._candidates}
            priority = record.principal.token.priority if record.principal is not None else 0
            await record.queued(gate.until_free(channels, priority, min(room_in_s, left_s)))
            self._attempts = self._begin(self._candidates)
            return False

    async def _next(self, error: UpstreamError) -> bool:
        """Choose what to try after a failure, and wait if need be; says whether to use a new connection.

        Raises the error to answer if nothing is left to try, or nothing should be.
        """
        current, relay = self.current, self._request.relay
        assert current is not None
        if current.sends_form:
            raise error
        again = relay.next_of(self._attempts, error)
        if again.renew:
            relay.credentials.drop(current.chosen)
        if again.pause_s:
            await asyncio.sleep(again.pause_s)
        return again.fresh

    def _close(self, attempt: Attempt, error: UpstreamError) -> None:
        """An attempt has failed, and nothing of it was sent."""
        self._stop_timer()
        if attempt.was_asked and not isinstance(error, StaleConnection):
            self._request.relay.note_failure(attempt.chosen, self._request.record.model, error)
            attempt.note(error.kind.value)
        attempt.transfer = None  # it knows the attempt: cut the cycle
        attempt.leave()

    # A second channel beside one that is slow.

    def _hedge(self) -> None:
        """The first byte is late: ask another channel too, and let the faster one answer."""
        request, current, transfer = self._request, self.current, self.transfer
        if request.ended or current is None or self._beside is not None:
            return
        if transfer is None or transfer.first_byte_at is not None:
            return
        chosen = self._attempts.beside(time.monotonic())
        if chosen is not None:
            attempt = self._beside = Attempt(request, self._bill, chosen)
            transfer.claim = partial(self._claimed, current)
            attempt.task = request.relay.owner.run(self._ask_beside(attempt), "hedge")

    async def _ask_beside(self, attempt: Attempt) -> None:
        try:
            await self._ask(attempt)
        except UpstreamError as error:
            self._over(attempt, error)
        except Exception as exc:
            self._request.fail(exc)

    def _claimed(self, attempt: Attempt) -> None:
        """One of two attempts has an answer."""
        loser = self._beside if attempt is self.current else self.current
        self.current, self._beside = attempt, None
        if attempt.transfer is not None:
            attempt.transfer.claim = None
        attempt.serve()
        if loser is not None:
            loser.overtaken()

    def _stop_timer(self) -> None:
        if self._hedge_timer is not None:
            self._hedge_timer.cancel()
            self._hedge_timer = None

    # Behind one that broke off.

    def _rescued(self, attempt: Attempt, error: UpstreamError) -> bool:
        """A stream broke off: say whether another channel goes on with it, and have it do so."""
        request = self._request
        assert isinstance(request.answer, Continuing)
        text = request.answer.text()
        members = [one for one in self._attempts.others_first() if can_continue(self._asked, one, text)]
        if not text or not members or attempt.transfer is None:
            return False
        self._text = text
        request.run(self._go_on_behind(attempt, attempt.transfer, error, members))
        return True

    async def _go_on_behind(
        self, attempt: Attempt, transfer: Transfer, error: UpstreamError, members: list[UsableChannel]
    ) -> None:
        request = self._request
        assert isinstance(request.answer, Continuing)
        try:
            await self._bill.break_off(transfer)
            self._close(attempt, error)
            self._candidates = members
            self._attempts = self._begin(members)
            request.answer.go_on()
            await self.until_sent()
        except Exception as exc:
            request.fail(exc)
