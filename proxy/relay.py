"""The life of one request, from the client's key to the end of its answer.

The steps are functions of values: who asks (live, auth), what is asked (body or form), where it goes
(routing), what to send (the adapter), and the answer on its way back (transfer). This module is their
order. It knows no HTTP server: the client is an Inbound, a BodyReader and an Answer.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..plugins import (
    BodyError,
    Call,
    Credential,
    Endpoint,
    ErrorKind,
    JsonBody,
    LocalAnswer,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
)
from . import auth, headers, routing
from .answer import Answer
from .config import Config
from .endpoints import DEFAULT_MODELS, FORMS, Route
from .errors import GatewayError, bad_body, from_upstream
from .inbound import BodyReader, Inbound
from .live import Live
from .multipart import FormScanner, boundary_of
from .snapshot import UsableChannel
from .tasks import beside
from .transfer import Source, Transfer
from .upstream import Connection, StaleConnection, Upstream

Drain = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Record:
    """What is known of a request so far: its line in the log."""

    request_id: str
    endpoint: str
    token: int | None = None
    channel: int | None = None
    model: str = ""
    first_byte_ms: int | None = None
    usage: Usage | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """The client's side of one request.

    `drain` waits until the client has taken enough of what was written; it gets `idle_s` seconds for that.
    """

    inbound: Inbound
    reader: BodyReader
    answer: Answer
    drain: Drain
    idle_s: float
    record: Record

    async def take(self, transfer: Transfer) -> None:
        """Take an answer to its end. Raises what Transfer.wait raises."""
        await transfer.wait(self.drain, self.idle_s)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request understood: its model, and its body or the form whose beginning has been read."""

    endpoint: Endpoint
    model: str
    stream: bool
    content_type: str
    body: JsonBody | None
    form: FormScanner | None = None
    rest: AsyncIterator[bytes] | None = field(default=None, repr=False)


class Relay:
    """Carries requests through. One object for the process."""

    def __init__(self, config: Config, live: Live, upstream: Upstream) -> None:
        self._config = config
        self._live = live
        self._upstream = upstream
        self._rng = random.Random()

    async def principal(self, inbound: Inbound) -> auth.Principal:
        """Return who asks. Raises GatewayError 401 or 403."""
        return await self._live.principal(auth.client_key(inbound.headers), inbound.address, time.time())

    async def relay(self, route: Route, client: Client) -> None:
        """Serve one request of a provider's endpoint. Raises GatewayError as long as nothing was sent."""
        record = client.record
        principal = await self.principal(client.inbound)
        record.token = principal.token.id
        client.reader.check_length()
        try:
            asked = await read_request(route, client.inbound, client.reader)
            record.model = asked.model
            auth.admit_model(principal, asked.model)
            chosen = await self._choose(principal, asked)
            record.channel = chosen.row.id
            await self._serve(chosen, asked, client)
        except BodyError as exc:
            raise bad_body(exc) from exc
        except UpstreamError as exc:
            record.problem = f"{exc.kind.value}: {exc.message}"
            raise from_upstream(exc, record.model) from exc

    async def _choose(self, principal: auth.Principal, asked: Asked) -> UsableChannel:
        if principal.pin is not None:
            await self._live.catch_up()
            return routing.pinned(self._live.snapshot, principal.pin, asked.endpoint)
        group = principal.user.group
        try:
            found = routing.candidates(self._live.snapshot, group, asked.model, asked.endpoint, self._rng)
        except GatewayError:
            if not await self._live.catch_up():
                raise
            found = routing.candidates(self._live.snapshot, group, asked.model, asked.endpoint, self._rng)
        return found[0]

    async def _serve(self, chosen: UsableChannel, asked: Asked, client: Client) -> None:
        call = make_call(chosen, asked, client.inbound.request_id)
        fresh = asked.form is not None  # a form cannot be sent twice, so no connection that may be dead
        while True:
            transfer = Transfer(chosen.adapter, call, client.answer, self._config.upstream.max_reply_bytes)
            try:
                await self._attempt(chosen, call, asked, client, transfer, fresh)
                return
            except StaleConnection:
                if fresh:
                    raise
                fresh = True
            except UpstreamError as exc:
                exc.message = without_secrets(exc.message, chosen)
                raise
            finally:
                _note(client, transfer, chosen)

    async def _attempt(
        self, chosen: UsableChannel, call: Call, asked: Asked, client: Client, transfer: Transfer, fresh: bool
    ) -> None:
        local = chosen.adapter.answer(call)
        if local is not None:
            await beside(client.take(transfer), _play(local, transfer))
            return
        request = chosen.adapter.request(call)
        fields = headers.to_upstream(client.inbound.headers, request.headers)
        upload = Upload(asked, call.upstream_model, client.reader) if asked.form is not None else None
        length = upload.length if upload else None
        try:
            connection = await self._upstream.send(
                request, fields, transfer, proxy=chosen.row.proxy, fresh=fresh, length=length
            )
        except ValueError as exc:
            problem = f"the channel's address or key cannot be sent: {exc}"
            raise UpstreamError(ErrorKind.MODEL, problem) from exc
        transfer.source = connection
        try:
            if upload is None:
                await client.take(transfer)
            else:
                # The answer may come before the form has ended. Half a form must not look whole to a
                # provider, so a connection whose form broke off is not used again.
                uploaded = await beside(client.take(transfer), upload.send(connection))
                connection.reusable = connection.reusable and uploaded
        finally:
            self._upstream.release(connection)

    async def probe(self, chosen: UsableChannel, body: bytes, endpoint: Endpoint) -> tuple[int, bytes]:
        """Send a small request through a channel and return the status and body of its answer.

        Raises UpstreamError if the channel fails it.
        """
        parsed = JsonBody(body)
        asked = Asked(endpoint, parsed.get("model", str) or "", False, "application/json", parsed)
        call = make_call(chosen, asked, "probe")
        collected = Collected()
        local = chosen.adapter.answer(call)
        if local is not None:
            return local.status, b"".join(local.parts)
        request: UpstreamRequest = chosen.adapter.request(call)
        fields = headers.to_upstream({}, request.headers)
        connection = await self._upstream.send(request, fields, collected, proxy=chosen.row.proxy, fresh=True)
        try:
            response = await collected.response()
        finally:
            self._upstream.release(connection)
        if not 200 <= response.status < 300:
            raise chosen.adapter.error(call, response)
        return response.status, chosen.adapter.reply(call, response).body


async def read_request(route: Route, inbound: Inbound, reader: BodyReader) -> Asked:
    """Read as much of a request as routing needs: a JSON body whole, a form up to its `model`."""
    endpoint = route.endpoint
    assert endpoint is not None
    content_type = inbound.headers.get("content-type", "application/json")
    default = route.model or DEFAULT_MODELS.get(endpoint, "")
    if endpoint in FORMS and content_type.lower().startswith("multipart/"):
        return await _read_form(endpoint, content_type, default, reader)
    if "content-encoding" in inbound.headers and inbound.headers["content-encoding"] != "identity":
        raise GatewayError(415, "a compressed request body is not accepted", code="unsupported_encoding")
    body = JsonBody(await reader.whole())
    model = body.get("model", str) or default
    if not model:
        raise BodyError("you must provide a 'model'", "model")
    stream = body.get("stream", bool) or False
    if not content_type.lower().startswith("application/json"):
        content_type = "application/json"  # clients that forget it send JSON all the same
    return Asked(endpoint, model, stream, content_type, body)


async def _read_form(endpoint: Endpoint, content_type: str, default: str, reader: BodyReader) -> Asked:
    form = FormScanner(boundary_of(content_type), b"model")
    pieces = reader.pieces()
    while form.value is None and not form.at_end:
        try:
            form.feed(await anext(pieces))
        except StopAsyncIteration:
            if not form.at_end:
                raise BodyError("the form is not complete") from None
    model = form.value or default
    if not model:
        raise BodyError("you must provide a 'model'", "model")
    return Asked(endpoint, model, False, content_type, None, form, pieces)


def _note(client: Client, transfer: Transfer, chosen: UsableChannel) -> None:
    """Put what an attempt has come to into the request's record."""
    record = client.record
    if transfer.first_byte_at is not None:
        record.first_byte_ms = round((transfer.first_byte_at - client.inbound.received_at) * 1000)
    record.usage = transfer.usage
    if transfer.cut is not None:
        record.problem = f"cut: {without_secrets(transfer.cut.message, chosen)}"


def without_secrets(text: str, chosen: UsableChannel) -> str:
    """Return a provider's words without the channel's key and the provider's address."""
    for secret in (chosen.row.key, chosen.row.base_url, urlsplit(chosen.row.base_url).netloc):
        if secret:
            text = text.replace(secret, "[...]")
    return text


def make_call(chosen: UsableChannel, asked: Asked, request_id: str) -> Call:
    """Bind a request to a channel."""
    return Call(
        request_id=request_id,
        endpoint=asked.endpoint,
        model=asked.model,
        upstream_model=chosen.upstream_model(asked.model),
        stream=asked.stream,
        body=asked.body,
        content_type=asked.content_type,
        channel=chosen.channel,
        credential=Credential(chosen.row.key),
        now=time.time(),
    )


class Upload:
    """A form on its way to the provider, with the model's name put in where the channel has another."""

    def __init__(self, asked: Asked, upstream_model: str, reader: BodyReader) -> None:
        form, rest = asked.form, asked.rest
        assert form is not None and rest is not None
        mapped = form.value is not None and form.value != upstream_model
        self._start = form.replaced(upstream_model) if mapped else bytes(form.seen)
        self._rest = rest
        grown = len(self._start) - len(form.seen)
        self.length = None if reader.length is None else reader.length + grown

    async def send(self, connection: Connection) -> None:
        """Write the whole form, framed as chunks if its length is not known."""
        await self._write(connection, self._start)
        async for piece in self._rest:
            await self._write(connection, piece)
        if self.length is None:
            await connection.write(b"0\r\n\r\n")

    async def _write(self, connection: Connection, data: bytes) -> None:
        if data:
            await connection.write(data if self.length is not None else b"%x\r\n%b\r\n" % (len(data), data))


async def _play(local: LocalAnswer, transfer: Transfer) -> None:
    """Give an adapter's own answer to the client as if it came from a provider."""
    player = _Player()
    transfer.source = player
    transfer.on_head(UpstreamResponse(local.status, local.headers))
    for part in local.parts:
        await player.may_send.wait()
        transfer.on_body(part)
        if local.pause_s:
            await asyncio.sleep(local.pause_s)
    transfer.on_end(framed=True)


class _Player(Source):
    def __init__(self) -> None:
        self.may_send = asyncio.Event()
        self.may_send.set()

    def pause(self) -> None:
        self.may_send.clear()

    def resume(self) -> None:
        self.may_send.set()

    def abort(self) -> None:
        self.may_send.clear()


class Collected:
    """A receiver that collects a whole answer."""

    def __init__(self) -> None:
        self._done: asyncio.Future[UpstreamResponse] = asyncio.get_running_loop().create_future()
        self._head = UpstreamResponse(0, {})
        self._parts: list[bytes] = []

    async def response(self) -> UpstreamResponse:
        """Wait for the answer. Raises UpstreamError if it does not come."""
        return await self._done

    def on_head(self, response: UpstreamResponse) -> None:
        self._head = response

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)

    def on_end(self, framed: bool) -> None:
        self._done.set_result(UpstreamResponse(self._head.status, self._head.headers, b"".join(self._parts)))

    def on_error(self, error: UpstreamError) -> None:
        if not self._done.done():
            self._done.set_exception(error)
