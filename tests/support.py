"""What tests share: a scripted provider, a running gateway, and plain sockets to talk to it.

Nothing here stands in for our own code. The provider is a real server on loopback that says what a
transcript says; the gateway is the whole gateway on a port of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import msgspec
import orjson
from aiohttp import web
from canalgate.proxy.config import Config, Data, Routing, Server
from canalgate.proxy.front import Front
from canalgate.proxy.host import Opened, bind, make_token, opened, running, site_of
from canalgate.proxy.keys.vault import new_token_key
from canalgate.proxy.live import Live
from canalgate.proxy.records import DEFAULT_GROUP, ENABLED, ROLES, ChannelRow, Token, User
from canalgate.proxy.store import Store

fast_lane = True
"""Which lane gateways serve requests by. The fixture `lane` of tests/e2e sets it: each test runs on both."""

CUT = object()
"""In a script: close the connection here."""

TURN = object()
"""In a script: let what was written arrive before the next piece, so that it is read by itself."""

RESET = object()
"""In a script: abort the connection with a reset."""

HALF_CLOSE = object()
"""In a script: say that nothing more comes, and go on listening."""


@dataclass
class Asked:
    """One request a provider got."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first value of a field."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def json(self) -> dict:
        """The body parsed."""
        return orjson.loads(self.body)


Step = bytes | float | object
Script = Iterable[Step]


@dataclass
class Provider:
    """A provider that answers each request by a script: bytes are sent, floats slept, CUT and RESET end it.

    An asyncio.Event is waited for.

    `script` is asked with each request; by default the same steps for all. `asked` are the requests,
    `gone_at` the monotonic times at which clients closed a connection while it was being answered.
    """

    port: int = 0
    script: Callable[[Asked], Script] = lambda asked: ()
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    gone_at: list[float] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task] = field(default_factory=set)
    stopping: bool = False

    @property
    def url(self) -> str:
        """Base URL for a channel."""
        return f"http://127.0.0.1:{self.port}/v1"

    def says(self, *steps: Step) -> None:
        """Answer every request by these steps."""
        self.script = lambda asked: steps

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        task = asyncio.current_task()
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        try:
            while True:
                asked = await read_request(reader)
                self.asked.append(asked)
                for step in self.script(asked):
                    if step is CUT:
                        return
                    if step is RESET:
                        reset(writer)
                        return
                    if step is TURN:
                        await asyncio.sleep(0)
                    elif step is HALF_CLOSE:
                        writer.write_eof()
                    elif isinstance(step, asyncio.Event):
                        await step.wait()
                    elif isinstance(step, float):
                        await self._sleep(reader, step)
                    else:
                        writer.write(step)
                        await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone_at.append(time.monotonic())
            self.gone.set()
        except asyncio.CancelledError:
            pass
        finally:
            writer.transport.abort() if self.stopping else writer.close()

    async def _sleep(self, reader: asyncio.StreamReader, seconds: float) -> None:
        """Sleep, but notice at once when the other side closes."""
        try:
            async with asyncio.timeout(seconds):
                if await reader.read(1) == b"":
                    raise ConnectionResetError
        except TimeoutError:
            pass


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset: nobody waits for what was not taken yet."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def read_request(reader: asyncio.StreamReader) -> Asked:
    """Read one request with a body of either framing."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.split("\r\n")
    headers = [
        (name.lower(), value.strip()) for name, _, value in (text.partition(":") for text in lines if text)
    ]
    asked = Asked(line, headers)
    if asked.header("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            asked.body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    elif length := asked.header("content-length"):
        asked.body = await reader.readexactly(int(length))
    return asked


@asynccontextmanager
async def provider(*steps: Step) -> AsyncIterator[Provider]:
    """Run a provider on a free port."""
    made = Provider()
    made.says(*steps)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.stopping = True
        for task in list(made.tasks):
            task.cancel()
        await asyncio.gather(*made.tasks)
        for _ in range(4):  # closed transports say so in the next turns of the loop
            await asyncio.sleep(0)


def json_answer(value: object, status: int = 200, headers: str = "") -> bytes:
    """The bytes of a JSON answer."""
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    fields = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n{headers}"
    return f"HTTP/1.1 {status} X\r\n{fields}\r\n".encode() + body


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
STREAM_END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(value: object) -> bytes:
    """One event with this JSON."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


def delta(text: str, finish: str | None = None) -> bytes:
    """One chat chunk with a piece of text."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return event(
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    )


def cuts(data: bytes, how: str, seed: int = 0) -> list[bytes]:
    """Cut bytes: `whole`, `events`, `bytes` or `random` places."""
    if how == "whole":
        return [data]
    if how == "events":
        return [piece for piece in re.split(rb"(?<=\n\n)", data) if piece]
    if how == "bytes":
        return [data[i : i + 1] for i in range(len(data))]
    rng = random.Random(seed)
    places = sorted({0, len(data), *(rng.randrange(len(data) + 1) for _ in range(min(40, len(data))))})
    return [data[a:b] for a, b in itertools.pairwise(places)]


@dataclass
class Answered:
    """What a client got: `complete` says whether the body had its proper end."""

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool
    raw: bytes

    @property
    def json(self) -> dict:
        """The body parsed."""
        return orjson.loads(self.body)

    @property
    def error(self) -> dict:
        """OpenAI's error object, whose shape is checked."""
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}, error
        return error


def parse_answer(raw: bytes) -> Answered:
    """Take an HTTP answer apart, strictly."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
    status = int(line.split()[1])
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while True:
            size, found, after = rest.partition(b"\r\n")
            if not found or not re.fullmatch(rb"[0-9a-f]+", size):
                return Answered(status, headers, body, False, raw)
            length = int(size, 16)
            if len(after) < length + 2:
                return Answered(status, headers, body + after[:length], False, raw)
            if length == 0:
                return Answered(status, headers, body, True, raw)
            body += after[:length]
            rest = after[length + 2 :]
    if "content-length" in headers:
        length = int(headers["content-length"])
        return Answered(status, headers, rest[:length], len(rest) >= length, raw)
    return Answered(status, headers, rest, True, raw)


@dataclass
class Gateway:
    """A gateway on a port of its own. `key` is a client's key with its `sk-`; its user is root."""

    port: int
    key: str
    parts: Opened
    live: Live
    front: Front

    @property
    def url(self) -> str:
        """Address without a path."""
        return f"http://127.0.0.1:{self.port}"

    async def site(self) -> web.Application:
        """The pages of administrators, which are made for the first who asks."""
        return await self.front._full._made_site()

    async def add_channel(self, provider: Provider | str, *models: str, **fields: object) -> ChannelRow:
        """Add an OpenAI-compatible channel; it is live on return."""
        url = provider if isinstance(provider, str) else provider.url
        row = ChannelRow(0, "openai", "test", url, "sk-upstream-secret", models or ("m",), 1)
        row = await self.parts.store.add_channel(replace(row, **fields))
        await self.live.catch_up()
        return row

    async def add_token(self, *, role: str = "user", group: str = DEFAULT_GROUP, **fields: object) -> str:
        """Add a user with a token and return the token's key."""
        name = f"user{random.getrandbits(40)}"
        user = await self.parts.store.add_user(User(0, name, ROLES[role], group, ENABLED, 1))
        key = new_token_key()
        token: Token = replace(make_token(self.parts.vault, user, name, key, 1), **fields)
        await self.parts.store.add_token(token)
        await self.live.catch_up()
        return f"sk-{key}"

    async def raw(self, data: bytes, *, timeout: float = 20.0) -> bytes:
        """Send bytes, return everything until the gateway closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            async with asyncio.timeout(timeout):
                return await reader.read()
        finally:
            writer.close()

    def request(
        self, path: str, body: object = None, method: str = "POST", headers: str = "", key: str = ""
    ) -> bytes:
        """The bytes of a request that asks for the connection to be closed."""
        data = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        typed = (
            "" if body is None or "content-type" in headers.lower() else "Content-Type: application/json\r\n"
        )
        sized = "" if body is None else f"Content-Length: {len(data)}\r\n"
        auth = "" if key == "none" else f"Authorization: Bearer {key or self.key}\r\n"
        fields = f"Host: gateway\r\n{auth}{typed}{sized}{headers}Connection: close\r\n"
        return f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode("latin-1") + data

    async def post(
        self, path: str, body: object, *, headers: str = "", key: str = "", timeout: float = 20.0
    ) -> Answered:
        """POST and return the answer."""
        return parse_answer(await self.raw(self.request(path, body, "POST", headers, key), timeout=timeout))

    async def get(self, path: str, *, headers: str = "", key: str = "") -> Answered:
        """GET and return the answer."""
        return parse_answer(await self.raw(self.request(path, None, "GET", headers, key)))

    async def chat(
        self, model: str = "m", *, stream: bool = False, key: str = "", **more: object
    ) -> Answered:
        """Ask for a chat completion."""
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream, **more}
        return await self.post("/v1/chat/completions", body, key=key)


@asynccontextmanager
async def gateway(data_dir: Path, **settings: dict[str, object]) -> AsyncIterator[Gateway]:
    """Run a gateway. `settings` are changes by section: `server={"max_body_bytes": 10}`.

    It asks again without the pauses that providers should have: each failure of a lone channel has two.
    """
    server = Server(port=0, grace_s=2.0, notice_s=0.0, fast_lane=fast_lane)
    config = Config(server=server, data=Data(dir=str(data_dir)), routing=Routing(retry_pause_s=0.01))
    for section, values in settings.items():
        changed = msgspec.structs.replace(getattr(config, section), **values)
        config = msgspec.structs.replace(config, **{section: changed})
    async with running(config) as (parts, relay, live):
        root = await parts.store.add_user(User(0, "root", ROLES["root"], DEFAULT_GROUP, ENABLED, 1))
        key = new_token_key()
        await parts.store.add_token(make_token(parts.vault, root, "first", key, 1))
        await live.catch_up()
        front = Front(config, relay, parts.host, partial(site_of, parts, relay, live))
        sock = bind(config)
        await front.start(sock)
        try:
            yield Gateway(sock.getsockname()[1], f"sk-{key}", parts, live, front)
        finally:
            await front.stop(config.server.grace_s)


@asynccontextmanager
async def opened_store(data_dir: Path) -> AsyncIterator[Store]:
    """Open the store of a gateway that does not run."""
    async with opened(Config(data=Data(dir=str(data_dir)))) as parts:
        yield parts.store
