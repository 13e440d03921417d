"""One channel asked once: what is sent to it, and what is held of it until its answer has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from ...plugins import ErrorKind, UpstreamError
from ..access_log import Record
from ..billing.bill import Bill
from ..ledger.entry import Try
from ..routing.health import ChannelHealth
from ..routing.snapshot import UsableChannel
from ..upstream import Connection
from ..wire import headers
from ..wire.answer import Answer
from ..wire.asked import Asked
from ..wire.inbound import BodyReader, Inbound
from . import batches
from .playback import play
from .relay import Relay, make_call
from .transfer import Transfer
from .upload import Upload


class Request(Protocol):
    """The request that asks: an Exchange."""

    relay: Relay
    inbound: Inbound
    reader: BodyReader
    answer: Answer
    record: Record

    def settle(self, then: Callable[[], None]) -> None:
        """All of a good answer is known: have it accounted for, then let its last bytes go."""

    def fail(self, exc: Exception) -> None:
        """Something went wrong that no other channel can mend."""


Over = Callable[["Attempt", UpstreamError | None], None]


class Attempt:
    """One channel that is asked: its part of the channel's limits, its transfer, its connection."""

    __slots__ = (
        "_health", "_upload", "began_at", "bill", "chosen", "connection", "request", "task", "transfer",
        "visit",
    )  # fmt: skip

    def __init__(self, request: Request, bill: Bill, chosen: UsableChannel) -> None:
        self.request = request
        self.bill = bill
        self.chosen = chosen
        self.visit = bill.visit(chosen)
        self.began_at = time.monotonic()
        self._health: ChannelHealth | None = None
        self.transfer: Transfer | None = None
        self.connection: Connection | None = None
        self._upload: asyncio.Task[None] | None = None
        self.task: asyncio.Task[None] | None = None

    def serve(self) -> None:
        """Its answer is the one the client gets, as far as is known now."""
        self.request.record.channel = self.chosen
        self.bill.serve(self.visit, self.request.answer)

    @property
    def was_asked(self) -> bool:
        """Whether the channel has been asked, and is not done with."""
        return self._health is not None

    @property
    def sends_form(self) -> bool:
        """Whether a form has been sent, which cannot be sent again."""
        return self._upload is not None

    async def ask(
        self,
        asked: Asked,
        over: Over,
        claim: Callable[[], None] | None,
        *,
        fresh: bool,
        deadline: float,
    ) -> None:
        """Ask the channel. Its answer comes in callbacks of its transfer; `over` is called when it has ended.

        `claim` is called before any of it is sent, if given; `fresh` forbids a kept-alive connection. Without
        a byte of an answer at the `deadline` it is given up. Raises UpstreamError if the channel cannot be
        asked.
        """
        request, chosen = self.request, self.chosen
        relay, record = request.relay, request.record
        if self.bill.has_limits:
            await self.bill.enter(self.visit)
        record.attempts += 1
        now = time.time()
        self._health = relay.live.health.enter(chosen, chosen.model or asked.model, self.began_at)
        credential = await relay.credentials.get(chosen, now)
        call = make_call(chosen, asked, record.request_id, credential, now)
        adapter, limit = chosen.adapter, relay.config.upstream.max_reply_bytes
        transfer = self.transfer = Transfer(
            adapter,
            call,
            request.answer,
            limit,
            partial(over, self),
            relay.hooks,
            request.settle,
            self.visit.meter,
        )
        transfer.claim = claim
        if parts := batches.parts_of(call, adapter.embedding_inputs):
            transfer.give(*await batches.ask_parts(relay.upstream, chosen, parts, limit))
            return
        local = adapter.answer(call)
        if local is not None:
            await play(local, transfer)
            return
        await self._send(asked, transfer, fresh=fresh, deadline=deadline)

    async def _send(self, asked: Asked, transfer: Transfer, *, fresh: bool, deadline: float) -> None:
        request, chosen, call = self.request, self.chosen, transfer.call
        sent = chosen.adapter.request(call)
        fields = headers.to_upstream(request.inbound.headers, sent.headers)
        upload = Upload(asked, call.upstream_model, request.reader) if asked.form is not None else None
        try:
            connection = self.connection = await request.relay.upstream.send(
                sent,
                fields,
                transfer,
                proxy=chosen.row.proxy,
                fresh=fresh or upload is not None,  # half a form cannot be sent again
                length=upload.length if upload is not None else None,
                times=chosen.row.times,
                deadline=deadline,
            )
        except ValueError as exc:
            problem = f"the channel's address or key cannot be sent: {exc}"
            raise UpstreamError(ErrorKind.MODEL, problem) from exc
        transfer.set_source(connection, sent.dropped)
        if upload is not None:
            self._upload = request.relay.owner.start(self._send_form(upload, connection), "upload")

    async def _send_form(self, upload: Upload, connection: Connection) -> None:
        """Send a form beside its answer, which may come before the form has ended."""
        try:
            await upload.send(connection)
        except Exception as exc:
            self.request.fail(exc)

    def note(self, outcome: str, cost: int = 0) -> None:
        """Put what came of it into the record: see `Try`."""
        took_ms = int(1000 * (time.monotonic() - self.began_at))
        self.request.record.tries += (Try(self.chosen.row.id, outcome, took_ms, cost),)

    def overtaken(self) -> None:
        """Another attempt was faster: this one is given up, and nobody pays for it."""
        wasted = self.bill.wasted(self.visit) if self.connection is not None else 0
        if self._health is not None:
            now = time.monotonic()
            self._health.timed(now - self.began_at, now)
        self.note("slower", wasted)
        self.end()

    def end(self) -> None:
        """The request has its answer, or needs none: let go of everything."""
        transfer, self.transfer = self.transfer, None  # it knows this attempt: cut the cycle
        if transfer is not None:
            transfer.abandon()
            if self._health is not None:
                self._judge(transfer)
        if self.task is not None:
            self.task.cancel()
        self.leave()

    def leave(self) -> None:
        """Let go of what it has of its channel, once."""
        if self._health is not None:
            self._health.busy -= 1
            self._health = None
        connection, self.connection = self.connection, None
        if connection is not None:
            if self._upload is not None and not self._upload.done():
                # Half a form must not look whole to a provider, so its connection is not used again.
                connection.reusable = False
                self._upload.cancel()
            self.request.relay.upstream.release(connection)
        self.bill.leave(self.visit)
        self.request.relay.gate.freed(self.chosen.row.id)

    def _judge(self, transfer: Transfer) -> None:
        """Say how the channel has fared, as far as it has: the client may have left before."""
        relay, model, first = self.request.relay, self.request.record.model, transfer.first_byte_at
        if transfer.cut is not None:
            relay.note_failure(self.chosen, model, transfer.cut)
        elif transfer.has_begun and first is not None:
            relay.note_success(self.chosen, model, first - self.began_at)
