"""The life of one request, from the client's key to the end of its answer.

The steps are functions of values: who asks (live, auth), what is asked (asked), where it goes (routing),
what to send (the adapter), and the answer on its way back (transfer). This module is their order. It
knows no HTTP server: a lane gives it an Inbound, a BodyReader and an Answer.

A step that has to wait (a token seen for the first time, a new connection) is a coroutine; where nothing
has to, a request runs through to its provider without one turn of the event loop, and its answer comes
back in the provider connection's callbacks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from ...plugins import BodyError, Draft, Reject, UpstreamError
from .. import auth
from ..access_log import Record, caller_of
from ..billing.bill import Bill
from ..errors import GatewayError, bad_body, from_upstream, internal
from ..tasks import Work
from ..wire.answer import Answer
from ..wire.asked import Asked, read_request
from ..wire.endpoints import Route
from ..wire.inbound import BodyReader, Inbound
from . import continuing
from .asking import Asking
from .bodies import beginning
from .events import error_event
from .kept import Kept
from .playback import send
from .relay import Relay, without_secrets
from .replays import ANSWERED_BY, HEADER, Replay, Replays
from .transfer import Transfer

log = logging.getLogger(__name__)


class Exchange:
    """One request and its answer.

    The lane that read the request's head makes it, has it `begin`, and tells it when the client is slow
    (`pause`, `resume`) or gone (`leave`). `on_ended` is called once, when nothing more will be written.
    """

    __slots__ = (
        "_asked", "_asking", "_bill", "_has_turn", "_kept", "_on_ended", "_replay", "_route", "_stall_timer",
        "_task", "answer", "ended", "inbound", "reader", "record", "relay",
    )  # fmt: skip

    def __init__(
        self,
        relay: Relay,
        route: Route,
        inbound: Inbound,
        reader: BodyReader,
        answer: Answer,
        on_ended: Callable[[], None],
    ) -> None:
        self.relay = relay
        self._route = route
        self.inbound = inbound
        self.reader = reader
        self._on_ended = on_ended
        self._asked: Asked | None = None
        self._asking: Asking | None = None
        self._bill: Bill | None = None
        self._has_turn = False
        self._kept: Kept | None = None
        self._replay: Replay | None = None
        self._task: asyncio.Task[None] | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self.answer = answer
        self.ended = False
        self.record = Record(inbound.request_id, route.endpoint or inbound.path, inbound.received_at)

    # What the lane says.

    def start(self) -> None:
        """Begin at once, without a task of the lane's."""
        self.run(self.begin())

    async def begin(self) -> None:
        """Take the request as far as it goes without an answer from a provider."""
        try:
            if self._route.page is not None:
                self.answer.send_json(await self.relay.page(self._route, self.inbound))
                self._end()
                return
            relay, record = self.relay, self.record
            principal = record.principal = await relay.principal(self.inbound)
            if not relay.gate.enter_now():
                await record.queued(relay.gate.enter(principal.token.priority))
            self._has_turn = True
            bill = self._bill = relay.billing.open(record, self.inbound.address)
            self.reader.check_length()
            asked, draft = await read_request(self._route, self.inbound, self.reader), None
            record.model, record.stream = asked.model, asked.stream
            if relay.hooks.prepares:
                asked, draft = self._prepared(asked, principal)
            auth.admit_model(principal, asked.model)
            if draft is not None and draft.answer is not None:
                record.answered_by = draft.answered_by
                await send(draft.answer, self.answer)
                self._end()
                return
            self._asked = asked
            if relay.bodies is not None and relay.bodies.keep_all:
                record.asked = beginning(asked)
            if relay.replays is not None and await self._replayed(relay.replays, asked, principal):
                return
            channels = await relay.choose(principal, asked)
            channels = await relay.billing.admit(bill, asked, channels, self.reader.length)
            if asked.stream:
                relay.heartbeats.watch(self)
                if relay.keeper.is_wanted(self.inbound.headers):
                    self.answer = self._kept = relay.keeper.keep(self.answer, principal.token.id, self)
            if continuing.is_wanted(asked, self.inbound.headers, relay.config.routing):
                self.answer = continuing.Continuing(self.answer)
            self._asking = Asking(self, bill, asked, channels)
            await self._asking.until_sent()
        except Exception as exc:
            self.fail(exc)

    async def _replayed(self, replays: Replays, asked: Asked, principal: auth.Principal) -> bool:
        """Answer a request again whose key is known; says whether it was."""
        key = self.inbound.headers.get(HEADER)
        if not key or asked.stream or asked.body is None:
            return False
        replay = Replay(principal.token.id, key, asked)
        found = await replays.find(replay)
        if found is None:
            self._replay = replay
            return False
        self.record.answered_by = ANSWERED_BY
        await send(found, self.answer)
        self._end()
        return True

    def may_comment(self) -> bool:
        """Whether a comment may be sent to the client now: see `Transfer.may_comment`."""
        return self._transfer is None or self._transfer.may_comment()

    def pause(self) -> None:
        """More waits for the client than should: read no more from the provider, for a time."""
        transfer = self._transfer
        if transfer is not None and not self.ended:
            transfer.pause()
            limit = self.relay.config.server.send_idle_s
            self._stall_timer = asyncio.get_running_loop().call_later(limit, self._stalled)

    def resume(self) -> None:
        """The client has taken what waited for it."""
        self._stop_timer()
        if self._transfer is not None:
            self._transfer.resume()

    @property
    def _transfer(self) -> Transfer | None:
        return self._asking.transfer if self._asking is not None else None

    def leave(self) -> None:
        """The client is gone."""
        if self.ended or self._outlives(Kept.outlives_first):
            return
        self.record.leave_queue()
        self.record.failed("client_left", "the client left")
        self.answer.keep_alive = False
        if self._task is not None:
            self._task.cancel()
        self._end()

    # From the request to the provider.

    def _prepared(self, asked: Asked, principal: auth.Principal) -> tuple[Asked, Draft]:
        """Let plugins look at the request. Returns what is asked now, and the draft, perhaps answered."""
        headers, record = self.inbound.headers, self.record
        draft = Draft(self.inbound.request_id, asked.endpoint, asked.model, asked.stream, headers, asked.body)
        try:
            self.relay.hooks.prepare_request(draft, caller_of(principal))
        except Reject as exc:
            raise GatewayError(exc.status, exc.message, code=exc.code) from exc
        record.model, record.stream = draft.model, draft.stream
        changes = {"model": draft.model, "stream": draft.stream, "body": draft.body}
        return msgspec.structs.replace(asked, **changes), draft

    # From the provider to the client.

    def settle(self, then: Callable[[], None]) -> None:
        """All of a good answer is known: have it accounted for, then let its last bytes go."""
        self._note()
        record, attempt = self.record, self._asking.current if self._asking is not None else None
        assert self._bill is not None and attempt is not None and attempt.transfer is not None
        transfer = attempt.transfer
        record.status = self.answer.status or transfer.status
        if self._replay is not None and self.relay.replays is not None and transfer.reply:
            self.relay.replays.keep(self._replay, transfer.reply)
        if record.tries:
            attempt.note("ok")
        self._bill.settle(transfer, self.answer, then)

    def finished(self) -> None:
        """The client has its answer, whole or cut."""
        self._note()
        self._end()

    # How it ends.

    def fail(self, exc: Exception) -> None:
        """Answer with what went wrong, or cut the answer that has begun."""
        if self.ended:
            return
        answer = self.answer
        try:
            error = self._as_answer(exc)
        except Exception:
            log.exception("failure of a failure request_id=%s", self.inbound.request_id)
            error = internal()
        # Its frames know this request, and so would keep it and its body until the collector comes.
        exc.__traceback__ = exc.__context__ = None
        if answer.started:
            if isinstance(answer, continuing.Continuing) and isinstance(exc, UpstreamError):
                answer.write(error_event(exc, self.record.model, b"\n\n"))
            answer.cut()
        else:
            if not self.reader.at_end:
                answer.keep_alive = False
            answer.send_error(error)
        self._end()

    def _as_answer(self, exc: Exception) -> GatewayError:
        if isinstance(exc, BodyError):
            exc = bad_body(exc)
        if isinstance(exc, GatewayError):
            self.record.failed(exc.code or str(exc.status), exc.message)
            return exc
        if isinstance(exc, UpstreamError):
            self.record.failed(exc.kind.value, f"{exc.kind.value}: {exc.message}")
            return from_upstream(exc, self.record.model)
        log.error("request failed request_id=%s", self.inbound.request_id, exc_info=exc)
        self.record.failed("internal_error", "internal error")
        self.answer.keep_alive = False
        return internal()

    def _note(self) -> None:
        """Put what an attempt has come to into the record."""
        attempt, record = self._asking.current if self._asking is not None else None, self.record
        if attempt is None or attempt.transfer is None:
            return
        transfer = attempt.transfer
        record.first_byte_at = transfer.first_byte_at
        record.usage = transfer.usage
        if transfer.cut is not None:
            kind = transfer.cut.kind
            problem = without_secrets(transfer.cut.message, attempt.chosen)
            record.failed(kind.value, f"cut: {kind.value}: {problem}")

    def _outlives(self, client_gone: Callable[[Kept], bool]) -> bool:
        """Whether the answer goes on without its client: one that is kept, and that a provider sends."""
        attempt = self._asking.current if self._asking is not None else None
        is_sent = attempt is not None and attempt.connection is not None
        return self._kept is not None and is_sent and client_gone(self._kept)

    def _stalled(self) -> None:
        if self._outlives(Kept.outlives_reader):
            return
        self.record.failed("client_stalled", "the client took nothing for too long")
        self.answer.abort()
        self._end()

    def _end(self) -> None:
        """Let go of everything, exactly once."""
        if self.ended:
            return
        self.ended = True
        self._stop_timer()
        self.relay.heartbeats.forget(self)
        if self._replay is not None and self.relay.replays is not None:
            self.relay.replays.end(self._replay)
        record, answer = self.record, self.answer
        record.status, record.bytes_sent = answer.status, answer.bytes_sent
        self._account()
        if self.relay.bodies is not None:
            self.relay.bodies.note(record, self._asked, self._transfer)
        if self._kept is not None:
            self._kept.close()
        asking, self._asking = self._asking, None  # it knows this exchange: cut the cycle
        if asking is not None:
            asking.end()
        if self._has_turn:
            self.relay.gate.leave()
        self.relay.access_log.add(record)
        self._on_ended()

    def _account(self) -> None:
        """End the bill of a request whose answer did not come to its end: what was delivered is owed."""
        bill, attempt = self._bill, self._asking.current if self._asking is not None else None
        if bill is None or bill.is_ended:
            return
        transfer = attempt.transfer if attempt is not None else None
        if attempt is not None and transfer is not None and transfer.has_begun:
            transfer.stop()
            self._note()
            if self.record.tries:
                attempt.note(transfer.cut.kind.value if transfer.cut is not None else "left")
            bill.settle(transfer, self.answer, _nobody_waits)
        else:
            bill.close()

    def _stop_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def run(self, work: Work) -> None:
        """Do work as this request's own."""
        self._task = self.relay.owner.run(work, "request")


def _nobody_waits() -> None:
    """For a settlement after the answer has gone."""
