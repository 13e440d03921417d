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
import time
from collections.abc import Callable
from functools import partial

import msgspec

from ..plugins import BodyError, Draft, ErrorKind, Reject, UpstreamError
from . import auth, batches, headers
from .access_log import Record, caller_of
from .answer import Answer
from .asked import Asked, read_request
from .attempts import Attempts
from .bill import Bill, Visit
from .bodies import beginning
from .endpoints import Route
from .errors import GatewayError, bad_body, from_upstream, internal
from .health import ChannelHealth
from .inbound import BodyReader, Inbound
from .ledger.entry import Try
from .playback import play, send
from .relay import Relay, make_call, without_secrets
from .replays import ANSWERED_BY, HEADER, Replay, Replays
from .snapshot import UsableChannel
from .tasks import Work
from .transfer import Transfer
from .upload import Upload
from .upstream import Connection, StaleConnection

log = logging.getLogger(__name__)


class Attempt:
    """One channel that is asked: its part of the channel, its transfer, its connection."""

    __slots__ = ("began_at", "chosen", "connection", "health", "task", "transfer", "upload", "visit")

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.chosen = visit.chosen
        self.began_at = time.monotonic()
        self.health: ChannelHealth | None = None
        self.transfer: Transfer | None = None
        self.connection: Connection | None = None
        self.upload: asyncio.Task[None] | None = None
        self.task: asyncio.Task[None] | None = None


class Exchange:
    """One request and its answer.

    The lane that read the request's head makes it, has it `begin`, and tells it when the client is slow
    (`pause`, `resume`) or gone (`leave`). `on_ended` is called once, when nothing more will be written.
    """

    __slots__ = (
        "_asked", "_attempt", "_attempts", "_beside", "_bill", "_hedge_timer", "_inbound", "_on_ended",
        "_reader", "_relay", "_replay", "_route", "_stall_timer", "_task", "answer", "ended", "record",
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
        self._relay = relay
        self._route = route
        self._inbound = inbound
        self._reader = reader
        self._on_ended = on_ended
        self._asked: Asked | None = None
        self._attempts: Attempts | None = None
        self._attempt: Attempt | None = None
        self._beside: Attempt | None = None
        self._bill: Bill | None = None
        self._replay: Replay | None = None
        self._task: asyncio.Task[None] | None = None
        self._hedge_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self.answer = answer
        self.ended = False
        self.record = Record(inbound.request_id, route.endpoint or inbound.path, inbound.received_at)

    # What the lane says.

    def start(self) -> None:
        """Begin at once, without a task of the lane's."""
        self._run(self.begin())

    async def begin(self) -> None:
        """Take the request as far as it goes without an answer from a provider."""
        try:
            if self._route.page is not None:
                self.answer.send_json(await self._relay.page(self._route, self._inbound))
                self._end()
                return
            relay, record = self._relay, self.record
            principal = record.principal = await relay.principal(self._inbound)
            bill = self._bill = relay.billing.open(record, self._inbound.address)
            self._reader.check_length()
            asked, draft = await read_request(self._route, self._inbound, self._reader), None
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
            channels = await relay.billing.admit(bill, asked, channels, self._reader.length)
            self._attempts = relay.attempts(channels, asked.model, record.received_at)
            await self._ask_until_sent()
        except Exception as exc:
            self._fail(exc)

    async def _replayed(self, replays: Replays, asked: Asked, principal: auth.Principal) -> bool:
        """Answer a request again whose key is known; says whether it was."""
        key = self._inbound.headers.get(HEADER)
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

    def pause(self) -> None:
        """More waits for the client than should: read no more from the provider, for a time."""
        transfer = self._transfer
        if transfer is not None and not self.ended:
            transfer.pause()
            limit = self._relay.config.server.send_idle_s
            self._stall_timer = asyncio.get_running_loop().call_later(limit, self._stalled)

    def resume(self) -> None:
        """The client has taken what waited for it."""
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        if self._transfer is not None:
            self._transfer.resume()

    @property
    def _transfer(self) -> Transfer | None:
        return self._attempt.transfer if self._attempt is not None else None

    def leave(self) -> None:
        """The client is gone."""
        if self.ended:
            return
        self.record.failed("client_left", "the client left")
        self.answer.keep_alive = False
        if self._task is not None:
            self._task.cancel()
        self._end()

    # From the request to the provider.

    def _prepared(self, asked: Asked, principal: auth.Principal) -> tuple[Asked, Draft]:
        """Let plugins look at the request. Returns what is asked now, and the draft, perhaps answered."""
        headers, record = self._inbound.headers, self.record
        draft = Draft(
            self._inbound.request_id, asked.endpoint, asked.model, asked.stream, headers, asked.body
        )
        try:
            self._relay.hooks.prepare_request(draft, caller_of(principal))
        except Reject as exc:
            raise GatewayError(exc.status, exc.message, code=exc.code) from exc
        record.model, record.stream = draft.model, draft.stream
        changes = {"model": draft.model, "stream": draft.stream, "body": draft.body}
        return msgspec.structs.replace(asked, **changes), draft

    async def _ask_until_sent(self, *, fresh: bool = False) -> None:
        """Try channels until one has been asked. Raises UpstreamError when none is left."""
        assert self._attempts is not None
        while True:
            attempt = self._attempt = self._begin_attempt(self._attempts.member)
            self._serve(attempt)
            try:
                await self._ask(attempt, fresh)
                return
            except UpstreamError as error:
                self._close(attempt, error)
                fresh = await self._next(error)

    def _begin_attempt(self, chosen: UsableChannel) -> Attempt:
        assert self._bill is not None
        return Attempt(self._bill.visit(chosen))

    def _serve(self, attempt: Attempt) -> None:
        """This is the attempt whose answer the client gets, as far as is known now."""
        assert self._bill is not None
        self.record.channel = attempt.chosen
        self._bill.serve(attempt.visit, self.answer)

    async def _ask(self, attempt: Attempt, fresh: bool) -> None:
        """Ask one channel. Its answer comes in callbacks of its transfer."""
        asked, bill, chosen, relay = self._asked, self._bill, attempt.chosen, self._relay
        assert asked is not None and bill is not None
        if bill.has_limits:
            await bill.enter(attempt.visit)
        self.record.attempts += 1
        now = time.time()
        attempt.health = relay.live.health.enter(chosen, chosen.model or asked.model, attempt.began_at)
        call = make_call(
            chosen, asked, self._inbound.request_id, await relay.credentials.get(chosen, now), now
        )
        adapter, limit = chosen.adapter, relay.config.upstream.max_reply_bytes
        transfer = attempt.transfer = Transfer(
            adapter,
            call,
            self.answer,
            limit,
            partial(self._transferred, attempt),
            relay.hooks,
            self._settle,
            attempt.visit.meter,
        )
        if self._beside is not None:
            transfer.claim = partial(self._claimed, attempt)
        if parts := batches.parts_of(call, adapter.embedding_inputs):
            transfer.give(*await batches.ask_parts(relay.upstream, chosen, parts, limit))
            return
        local = adapter.answer(call)
        if local is not None:
            await play(local, transfer)
            return
        request = adapter.request(call)
        fields = headers.to_upstream(self._inbound.headers, request.headers)
        upload = Upload(asked, call.upstream_model, self._reader) if asked.form is not None else None
        if chosen.row.times.hedge_s is not None and upload is None and attempt is self._attempt:
            self._hedge_after(chosen.row.times.hedge_s)
        try:
            attempt.connection = await relay.upstream.send(
                request,
                fields,
                transfer,
                proxy=chosen.row.proxy,
                fresh=fresh or upload is not None,  # half a form cannot be sent again
                length=upload.length if upload is not None else None,
                times=chosen.row.times,
            )
        except ValueError as exc:
            problem = f"the channel's address or key cannot be sent: {exc}"
            raise UpstreamError(ErrorKind.MODEL, problem) from exc
        transfer.set_source(attempt.connection, request.dropped)
        if upload is not None:
            attempt.upload = relay.owner.start(self._send_form(upload, attempt.connection), "upload")

    async def _send_form(self, upload: Upload, connection: Connection) -> None:
        """Send a form beside its answer, which may come before the form has ended."""
        try:
            await upload.send(connection)
        except Exception as exc:
            self._fail(exc)

    # A second channel beside one that is slow.

    def _hedge_after(self, seconds: float) -> None:
        self._hedge_timer = asyncio.get_running_loop().call_later(seconds, self._hedge)

    def _hedge(self) -> None:
        """The first byte is late: ask another channel too, and let the faster one answer."""
        transfer = self._transfer
        if self.ended or transfer is None or transfer.first_byte_at is not None or self._beside is not None:
            return
        assert self._attempts is not None and self._attempt is not None
        chosen = self._attempts.beside(time.monotonic())
        if chosen is None:
            return
        attempt = self._beside = self._begin_attempt(chosen)
        transfer.claim = partial(self._claimed, self._attempt)
        attempt.task = self._relay.owner.run(self._ask_beside(attempt), "hedge")

    async def _ask_beside(self, attempt: Attempt) -> None:
        try:
            await self._ask(attempt, False)
        except UpstreamError as error:
            self._transferred(attempt, error)
        except Exception as exc:
            self._fail(exc)

    def _claimed(self, attempt: Attempt) -> None:
        """One of two attempts has an answer: the other one is given up, and nobody pays for it."""
        loser = self._beside if attempt is self._attempt else self._attempt
        self._attempt, self._beside = attempt, None
        if attempt.transfer is not None:
            attempt.transfer.claim = None
        self._serve(attempt)
        if loser is not None:
            self._give_up(loser)

    def _give_up(self, loser: Attempt) -> None:
        if loser.transfer is not None:
            loser.transfer.abandon()
        if loser.task is not None:
            loser.task.cancel()
        assert self._bill is not None
        wasted = self._bill.wasted(loser.visit) if loser.connection is not None else 0
        if loser.health is not None:
            loser.health.timed(time.monotonic() - loser.began_at, time.monotonic())
        self._tried(loser, "slower", wasted)
        self._leave(loser)

    # From the provider to the client.

    def _settle(self, then: Callable[[], None]) -> None:
        """All of a good answer is known: have it accounted for, then let its last bytes go."""
        self._note()
        bill, attempt, record = self._bill, self._attempt, self.record
        assert bill is not None and attempt is not None and attempt.transfer is not None
        transfer = attempt.transfer
        record.status = self.answer.status or transfer.status
        if self._replay is not None and self._relay.replays is not None and transfer.reply:
            self._relay.replays.keep(self._replay, transfer.reply)
        if record.tries:
            self._tried(attempt, "ok")
        bill.settle(transfer, self.answer, then)

    def _transferred(self, attempt: Attempt, error: UpstreamError | None) -> None:
        """An attempt is over: the client has its answer, or another channel may give one."""
        if error is None:
            self._note()
            self._end()
            return
        self._close(attempt, error)
        if attempt is self._beside:
            self._beside = None
        elif self._beside is not None:
            self._attempt, self._beside = self._beside, None
            self._serve(self._attempt)
        else:
            self._note()
            self._run(self._go_on(error))

    async def _go_on(self, error: UpstreamError) -> None:
        try:
            await self._ask_until_sent(fresh=await self._next(error))
        except Exception as exc:
            self._fail(exc)

    async def _next(self, error: UpstreamError) -> bool:
        """Choose what to try after a failure, and wait if need be; says whether to use a new connection.

        Raises the error to answer if nothing is left to try, or nothing should be.
        """
        assert self._attempts is not None and self._attempt is not None
        if self._attempt.upload is not None:
            raise error
        again = self._relay.next_of(self._attempts, error)
        if again.renew:
            self._relay.credentials.drop(self._attempt.chosen)
        if again.pause_s:
            await asyncio.sleep(again.pause_s)
        return again.fresh

    def _close(self, attempt: Attempt, error: UpstreamError) -> None:
        """An attempt has failed before anything was sent."""
        error.message = without_secrets(error.message, attempt.chosen)
        if attempt.health is not None and not isinstance(error, StaleConnection):
            self._relay.note_failure(attempt.chosen, self.record.model, error)
            self._tried(attempt, error.kind.value)
        self._leave(attempt)

    def _tried(self, attempt: Attempt, outcome: str, cost: int = 0) -> None:
        took_ms = int(1000 * (time.monotonic() - attempt.began_at))
        self.record.tries += (Try(attempt.chosen.row.id, outcome, took_ms, cost),)

    def _leave(self, attempt: Attempt) -> None:
        """Let go of what an attempt has of its channel, once."""
        if attempt.health is not None:
            attempt.health.busy -= 1
            attempt.health = None
        connection, attempt.connection = attempt.connection, None
        if connection is not None:
            if attempt.upload is not None and not attempt.upload.done():
                # Half a form must not look whole to a provider, so its connection is not used again.
                connection.reusable = False
                attempt.upload.cancel()
            self._relay.upstream.release(connection)
        if self._bill is not None and not self._bill.is_ended:
            self._bill.leave(attempt.visit)

    # How it ends.

    def _fail(self, exc: Exception) -> None:
        """Answer with what went wrong, or cut the answer that has begun."""
        if self.ended:
            return
        answer = self.answer
        try:
            error = self._as_answer(exc)
        except Exception:
            log.exception("failure of a failure request_id=%s", self._inbound.request_id)
            error = internal()
        if answer.started:
            answer.cut()
        else:
            if not self._reader.at_end:
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
        log.error("request failed request_id=%s", self._inbound.request_id, exc_info=exc)
        self.record.failed("internal_error", "internal error")
        self.answer.keep_alive = False
        return internal()

    def _note(self) -> None:
        """Put what an attempt has come to into the record."""
        attempt, record = self._attempt, self.record
        if attempt is None or attempt.transfer is None:
            return
        transfer = attempt.transfer
        record.first_byte_at = transfer.first_byte_at
        record.usage = transfer.usage
        if transfer.cut is not None:
            kind = transfer.cut.kind
            problem = without_secrets(transfer.cut.message, attempt.chosen)
            record.failed(kind.value, f"cut: {kind.value}: {problem}")

    def _stalled(self) -> None:
        self.record.failed("client_stalled", "the client took nothing for too long")
        self.answer.abort()
        self._end()

    def _end(self) -> None:
        """Let go of everything, exactly once."""
        if self.ended:
            return
        self.ended = True
        self._stop_timers()
        if self._replay is not None and self._relay.replays is not None:
            self._relay.replays.end(self._replay)
        record, answer = self.record, self.answer
        record.status, record.bytes_sent = answer.status, answer.bytes_sent
        self._account()
        if self._relay.bodies is not None:
            self._relay.bodies.note(record, self._asked, self._transfer)
        for attempt in (self._attempt, self._beside):
            if attempt is not None:
                self._end_attempt(attempt)
        self._relay.access_log.add(record)
        self._on_ended()

    def _end_attempt(self, attempt: Attempt) -> None:
        transfer, attempt.transfer = attempt.transfer, None  # it knows this exchange: cut the cycle
        if transfer is not None:
            transfer.abandon()
            if attempt.health is not None:
                self._judge(attempt, transfer)
        if attempt.task is not None:
            attempt.task.cancel()
        self._leave(attempt)

    def _judge(self, attempt: Attempt, transfer: Transfer) -> None:
        """Say how the channel has fared, as far as it has: the client may have left before."""
        model, first = self.record.model, transfer.first_byte_at
        if transfer.cut is not None:
            self._relay.note_failure(attempt.chosen, model, transfer.cut)
        elif transfer.has_begun and first is not None:
            self._relay.note_success(attempt.chosen, model, first - attempt.began_at)

    def _account(self) -> None:
        """End the bill of a request whose answer did not come to its end: what was delivered is owed."""
        bill, transfer = self._bill, self._transfer
        if bill is None or bill.is_ended:
            return
        if transfer is not None and transfer.has_begun:
            transfer.stop()
            self._note()
            if self.record.tries and self._attempt is not None:
                self._tried(self._attempt, transfer.cut.kind.value if transfer.cut is not None else "left")
            bill.settle(transfer, self.answer, _nobody_waits)
        else:
            bill.close()

    def _stop_timers(self) -> None:
        for timer in (self._stall_timer, self._hedge_timer):
            if timer is not None:
                timer.cancel()
        self._stall_timer = self._hedge_timer = None

    def _run(self, work: Work) -> None:
        self._task = self._relay.owner.run(work, "request")


def _nobody_waits() -> None:
    """For a settlement after the answer has gone."""
