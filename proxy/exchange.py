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

import msgspec

from ..plugins import BodyError, Draft, ErrorKind, Reject, UpstreamError
from . import auth, batches, headers
from .access_log import Record, caller_of
from .answer import Answer
from .asked import Asked, read_request
from .bill import Bill, ChannelFull
from .bodies import beginning
from .endpoints import Route
from .errors import GatewayError, bad_body, from_upstream, internal
from .inbound import BodyReader, Inbound
from .playback import play, send
from .relay import Relay, make_call, without_secrets
from .replays import ANSWERED_BY, HEADER, Replay, Replays
from .snapshot import UsableChannel
from .tasks import Work
from .transfer import Transfer
from .upload import Upload
from .upstream import Connection, StaleConnection

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 4
"""Channels asked for one request; those at a limit of their own are not."""


class Exchange:
    """One request and its answer.

    The lane that read the request's head makes it, has it `begin`, and tells it when the client is slow
    (`pause`, `resume`) or gone (`leave`). `on_ended` is called once, when nothing more will be written.
    """

    __slots__ = (
        "_asked", "_at", "_bill", "_candidates", "_connection", "_inbound", "_on_ended", "_reader",
        "_relay", "_renewed", "_replay", "_route", "_skipped", "_stall_timer", "_task", "_transfer",
        "_upload", "answer", "ended", "record",
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
        self._candidates: list[UsableChannel] = []
        self._at = 0
        self._skipped = 0
        self._bill: Bill | None = None
        self._replay: Replay | None = None
        self._renewed = False
        self._transfer: Transfer | None = None
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._upload: asyncio.Task[None] | None = None
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
            self._candidates = await relay.billing.admit(bill, asked, channels, self._reader.length)
            await self._attempt_until_sent()
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
        if self._transfer is not None and not self.ended:
            self._transfer.pause()
            limit = self._relay.config.server.send_idle_s
            self._stall_timer = asyncio.get_running_loop().call_later(limit, self._stalled)

    def resume(self) -> None:
        """The client has taken what waited for it."""
        self._stop_timer()
        if self._transfer is not None:
            self._transfer.resume()

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

    async def _attempt_until_sent(self, *, fresh: bool = False) -> None:
        """Try channels until one has been asked. Raises UpstreamError when none is left."""
        while True:
            try:
                await self._attempt(fresh)
                return
            except UpstreamError as error:
                fresh = self._next(error)

    async def _attempt(self, fresh: bool) -> None:
        asked, chosen, relay = self._asked, self._candidates[self._at], self._relay
        assert asked is not None
        self.record.channel = chosen
        now = time.time()
        assert self._bill is not None
        meter = self._bill.attempt(chosen, self.answer)
        if self._bill.has_limits:
            await self._bill.enter(chosen)
        self.record.attempts += 1
        call = make_call(
            chosen, asked, self._inbound.request_id, await relay.credentials.get(chosen, now), now
        )
        adapter, limit = chosen.adapter, relay.config.upstream.max_reply_bytes
        transfer = self._transfer = Transfer(
            adapter, call, self.answer, limit, self._transferred, relay.hooks, self._settle, meter
        )
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
        try:
            connection = await relay.upstream.send(
                request,
                fields,
                transfer,
                proxy=chosen.row.proxy,
                fresh=fresh or upload is not None,  # half a form cannot be sent again
                length=upload.length if upload is not None else None,
            )
        except ValueError as exc:
            problem = f"the channel's address or key cannot be sent: {exc}"
            raise UpstreamError(ErrorKind.MODEL, problem) from exc
        self._connection = connection
        transfer.set_source(connection, request.dropped)
        if upload is not None:
            self._upload = relay.owner.start(self._send_form(upload, connection), "upload")

    async def _send_form(self, upload: Upload, connection: Connection) -> None:
        """Send a form beside its answer, which may come before the form has ended."""
        try:
            await upload.send(connection)
        except Exception as exc:
            self._fail(exc)

    # From the provider to the client.

    def _settle(self, then: Callable[[], None]) -> None:
        """All of a good answer is known: have it accounted for, then let its last bytes go."""
        self._note()
        bill, transfer = self._bill, self._transfer
        assert bill is not None and transfer is not None
        self.record.status = self.answer.status or transfer.status
        if self._replay is not None and self._relay.replays is not None and transfer.reply:
            self._relay.replays.keep(self._replay, transfer.reply)
        bill.settle(transfer, self.answer, then)

    def _transferred(self, error: UpstreamError | None) -> None:
        """An attempt is over: the client has its answer, or another channel may give one."""
        self._note()
        if error is None:
            self._end()
        else:
            self._release()
            self._run(self._go_on(error))

    async def _go_on(self, error: UpstreamError) -> None:
        try:
            await self._attempt_until_sent(fresh=self._next(error))
        except Exception as exc:
            self._fail(exc)

    def _next(self, error: UpstreamError) -> bool:
        """Choose what to try after a failure; says whether a new connection must be used.

        Raises the error if nothing is left to try, or nothing should be.
        """
        if self._upload is not None:
            raise error
        if isinstance(error, StaleConnection):
            return True
        if error.kind is ErrorKind.EXPIRED and not self._renewed:
            self._renewed = True
            self._relay.credentials.drop(self._candidates[self._at])
            return False
        if isinstance(error, ChannelFull):
            self._skipped += 1
        most = min(len(self._candidates), MAX_ATTEMPTS + self._skipped)
        if error.kind is ErrorKind.REQUEST or self._at + 1 >= most:
            raise error
        self._at += 1
        return False

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
            exc.message = without_secrets(exc.message, self._candidates[self._at])
            self.record.failed(exc.kind.value, f"{exc.kind.value}: {exc.message}")
            return from_upstream(exc, self.record.model)
        log.error("request failed request_id=%s", self._inbound.request_id, exc_info=exc)
        self.record.failed("internal_error", "internal error")
        self.answer.keep_alive = False
        return internal()

    def _note(self) -> None:
        """Put what an attempt has come to into the record."""
        transfer, record = self._transfer, self.record
        if transfer is None:
            return
        record.first_byte_at = transfer.first_byte_at
        record.usage = transfer.usage
        if transfer.cut is not None:
            kind = transfer.cut.kind
            problem = without_secrets(transfer.cut.message, self._candidates[self._at])
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
        self._stop_timer()
        if self._replay is not None and self._relay.replays is not None:
            self._relay.replays.end(self._replay)
        record, answer = self.record, self.answer
        record.status, record.bytes_sent = answer.status, answer.bytes_sent
        self._account()
        if self._relay.bodies is not None:
            self._relay.bodies.note(record, self._asked, self._transfer)
        if self._transfer is not None:
            self._transfer.abandon()
            self._transfer = None  # it knows this exchange: without the cycle both are gone at once
        self._release()
        self._relay.access_log.add(record)
        self._on_ended()

    def _account(self) -> None:
        """End the bill of a request whose answer did not come to its end: what was delivered is owed."""
        bill, transfer = self._bill, self._transfer
        if bill is None or bill.is_ended:
            return
        if transfer is not None and transfer.has_begun:
            transfer.stop()
            self._note()
            bill.settle(transfer, self.answer, _nobody_waits)
        else:
            bill.close()

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._upload is not None and not self._upload.done():
            # Half a form must not look whole to a provider, so its connection is not used again.
            connection.reusable = False
            self._upload.cancel()
        self._relay.upstream.release(connection)

    def _stop_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _run(self, work: Work) -> None:
        self._task = self._relay.owner.run(work, "request")


def _nobody_waits() -> None:
    """For a settlement after the answer has gone."""
