"""Ask through a real socket: the gateway's own client against a scripted provider on this machine.

A part of the traffic is enough, for what the adapter makes of it has been checked without sockets. Here the
request goes out as the adapter put it, and the answer comes in such pieces as a network makes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from ...plugins import UpstreamError, UpstreamRequest, UpstreamResponse
from ..config import Upstream as Settings
from ..upstream import Upstream
from ..wire.headers import to_upstream
from . import mishaps, traffic
from .answers import composed, is_good
from .cases import Case
from .compare import differences
from .replay import answered, call_for
from .report import Check, Section, raised
from .splits import Split, pieces
from .subject import Subject

_MOST_RECORDED = 12
_TIMEOUT_S = 10.0


async def section(subject: Subject) -> Section:
    """Return the section about exchanges over a socket; empty where the adapter answers by itself."""
    if subject.wire == "local":
        return Section("over a socket", ())
    found = []
    async with _provider() as provider, Upstream(Settings()) as upstream:
        link = _Link(subject, upstream, provider)
        for case in _cases(subject):
            for split in _splits(case):
                found.append(await link.check(f"{case.name}, {split}", case, split))
        for case in _streams(subject):
            found.append(await link.check(f"{case.name}, cut", case, "events", cut=True))
    return Section("over a socket", tuple(found))


def _cases(subject: Subject) -> list[Case]:
    made = composed(subject, lambda: [*traffic.whole_answers()[:3], traffic.text_stream()])
    made += composed(subject, lambda: [*traffic.tool_calls()[3:4], *mishaps.errors()[:3]])
    recorded = [case for case in subject.cases if not case.is_credential and not case.is_model_list]
    return made + recorded[:: max(1, len(recorded) // _MOST_RECORDED)]


def _streams(subject: Subject) -> list[Case]:
    return [case for case in _cases(subject) if case.form != "json" and is_good(case)][:2]


def _splits(case: Case) -> tuple[Split, ...]:
    return ("whole",) if case.form == "json" else ("events", "random")


@dataclass(slots=True)
class _Provider:
    """Answers every connection with a head and pieces of a body; `cut` leaves its proper end out."""

    port: int = 0
    head: bytes = b""
    answer: list[bytes] = field(default_factory=list)
    cut: bool = False
    line: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.line, *lines = head.rstrip().split("\r\n")
            pairs = (line.partition(":") for line in lines)
            self.fields = {name.lower(): value.strip() for name, _, value in pairs}
            self.body = await reader.readexactly(int(self.fields.get("content-length", "0")))
            writer.write(self.head)
            for piece in self.answer:
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
                await asyncio.sleep(0)
            writer.write(b"" if self.cut else b"0\r\n\r\n")
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def _provider() -> AsyncIterator[_Provider]:
    provider = _Provider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        server.close()


class _Received:
    """Takes an answer as the gateway's client hands it over."""

    passing = None

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.head = UpstreamResponse(502, {})
        self.pieces: list[bytes] = []
        self.error: UpstreamError | None = None

    def on_head(self, response: UpstreamResponse) -> None:
        self.head = response

    def on_body(self, data: bytes) -> None:
        self.pieces.append(data)

    def on_chunks(self, framed: bytes, data: bytes) -> None:
        self.on_body(data)

    def on_end(self, framed: bool) -> None:
        self.done.set_result(None)

    def on_error(self, error: UpstreamError) -> None:
        self.error = error
        self.done.set_result(None)


@dataclass(frozen=True, slots=True)
class _Link:
    """An adapter, the gateway's client and the provider on its other side."""

    subject: Subject
    upstream: Upstream
    provider: _Provider

    async def check(self, name: str, case: Case, split: Split, *, cut: bool = False) -> Check:
        """Run one exchange and compare what came of it."""
        self._script(case, split, cut)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                problems = await self._exchange(case, cut)
        except Exception as exc:  # the border to foreign code
            problems = [raised(exc)]
        return Check(name, tuple(problems))

    def _script(self, case: Case, split: Split, cut: bool) -> None:
        lines = [f"{name}: {value}" for name, value in case.headers.items()]
        head = [f"HTTP/1.1 {case.status} X", *lines, "transfer-encoding: chunked", "connection: close"]
        answer = [piece for piece in pieces(case.body, split, case.form, 1) if piece]
        self.provider.head = "\r\n".join([*head, "", ""]).encode("latin-1")
        self.provider.answer = answer[:-1] if cut else answer
        self.provider.cut = cut

    async def _exchange(self, case: Case, cut: bool) -> list[str]:
        base_url = f"http://127.0.0.1:{self.provider.port}/v1"
        channel = replace(self.subject.channel, base_url=base_url)
        call = call_for(self.subject.adapter, case, channel)
        request = self.subject.adapter.request(call)
        if urlsplit(request.url).netloc != urlsplit(base_url).netloc:
            return [f"not sent, it would have gone to another host: {request.url!r}"]
        received = await self._send(request)
        if cut:
            return [] if received.error is not None else ["the cut went unnoticed"]
        if received.error is not None:
            return [f"the exchange failed: {received.error.message}"]
        head, body = received.head, b"".join(received.pieces)
        response = UpstreamResponse(head.status, head.headers, body)
        replayed = answered(self.subject.adapter, call, response, received.pieces)
        return [*self._arrived(request), *differences(case, replayed)]

    async def _send(self, request: UpstreamRequest) -> _Received:
        received = _Received()
        fields = to_upstream({}, request.headers)
        connection = await self.upstream.send(request, fields, received, fresh=True)
        try:
            await received.done
        finally:
            self.upstream.release(connection)
        return received

    def _arrived(self, request: UpstreamRequest) -> Iterator[str]:
        """What the provider got is what the adapter asked for."""
        parts = urlsplit(request.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if self.provider.line != f"{request.method} {path} HTTP/1.1":
            yield f"the provider was asked {self.provider.line!r}"
        if self.provider.body != (request.body or b""):
            yield "the provider got another body"
        for name, value in request.headers.items():
            if self.provider.fields.get(name) != value.strip():
                yield f"the provider got another {name}"
