"""A gateway that is told to stop: seen by a load balancer first, and no stream is cut."""

import asyncio
import signal
import time

import processes
import pytest
import support
from canalgate.proxy.config import Config, Data
from canalgate.proxy.host import make_token, opened
from canalgate.proxy.keys.vault import new_token_key
from canalgate.proxy.records import DEFAULT_GROUP, ENABLED, ROLES, ChannelRow, User

STREAMS = 200


@pytest.fixture(scope="module", autouse=True)
def lane():
    """A process of its own reads its own settings; where the lane matters, tests take the fixture."""


class Place:
    """A gateway in a process of its own, whose provider sends the end of an answer when told to."""

    def __init__(self, folder, provider):
        self.folder = folder
        self.provider = provider
        self.release = asyncio.Event()
        self.serving = None
        provider.says(
            support.STREAM_HEAD,
            support.chunk(support.delta("a")),
            self.release,
            support.chunk(support.delta("b", "stop")),
            support.chunk(b"data: [DONE]\n\n"),
            support.STREAM_END,
        )

    async def start(self, **environment):
        config = Config(data=Data(dir=str(self.folder / "data")))
        async with opened(config) as parts:
            root = await parts.store.add_user(User(0, "root", ROLES["root"], DEFAULT_GROUP, ENABLED, 1))
            self.key = new_token_key()
            await parts.store.add_token(make_token(parts.vault, root, "t", self.key, 1))
            await parts.store.add_channel(ChannelRow(0, "openai", "c", self.provider.url, "sk-x", ("m",), 1))
        self.serving = await asyncio.to_thread(processes.start, self.folder, "gateway", **environment)
        self.port = self.serving.port

    def signal(self, number=signal.SIGTERM):
        self.serving.process.send_signal(number)

    async def stopped(self):
        return await asyncio.to_thread(self.serving.process.wait, 20)

    async def stream(self):
        """Begin a stream; returns its connection and what has come with the first piece of text."""
        body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}'
        reader, writer = await self.send("POST /v1/chat/completions", body)
        return reader, writer, await reader.readuntil(b'"a"')

    async def send(self, line, body=b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(
            f"{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-{self.key}\r\n".encode()
            + (
                b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
                if body
                else b"\r\n"
            )
            + body
        )
        return reader, writer

    async def rest(self, stream):
        """Return the whole of a stream that was begun, up to the end of the connection."""
        reader, writer, begun = stream
        try:
            return support.parse_answer(begun + await reader.read())
        finally:
            writer.close()

    async def health(self):
        """Status of /health/ready on a new connection, and its `Connection` header; None if refused."""
        try:
            reader, writer = await self.send("GET /health/ready")
        except OSError:
            return None
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError):
            return None
        finally:
            writer.close()
        return int(head.split()[1]), b"connection: close" in head

    async def health_until(self, done):
        """Ask until it says what is waited for; returns all that it has said, each once."""
        said = []
        async with asyncio.timeout(10):
            while not said or not done(said[-1]):
                now = await self.health()
                if now not in said:
                    said.append(now)
        return said


@pytest.fixture
async def place(tmp_path, provider):
    made = Place(tmp_path, provider)
    try:
        yield made
    finally:
        if made.serving is not None:
            made.serving.process.kill()
            made.serving.process.wait()


async def test_two_hundred_streams_are_whole_though_the_gateway_is_told_to_stop(place):
    await place.start()
    streams = await asyncio.gather(*(place.stream() for _ in range(STREAMS)))
    place.signal()
    said = await place.health_until(lambda one: one is None)
    assert said in ([(503, True), None], [(200, False), (503, True), None])
    place.release.set()
    answers = await asyncio.gather(*(place.rest(stream) for stream in streams))
    assert len([one for one in answers if one.complete and one.body.endswith(b"[DONE]\n\n")]) == STREAMS
    assert await place.stopped() == 0


async def test_a_request_that_arrives_while_a_balancer_is_given_notice_is_served(place):
    await place.start(CANALGATE_SERVER__NOTICE_S="2")
    place.release.set()
    place.signal()
    await place.health_until(lambda one: one == (503, True))
    answer = await place.rest(await place.stream())
    assert (answer.headers["connection"], answer.complete) == ("close", True)
    assert b"[DONE]" in answer.body


async def test_a_second_signal_ends_at_once(place):
    await place.start(CANALGATE_SERVER__NOTICE_S="20")
    stream = await place.stream()
    place.signal()
    await place.health_until(lambda one: one == (503, True))
    began = time.monotonic()
    place.signal(signal.SIGINT)
    answer = await place.rest(stream)
    assert not answer.complete
    assert b"[DONE]" not in answer.body
    assert await place.stopped() == 0
    assert time.monotonic() - began < 5


async def test_a_stream_that_outlasts_the_grace_is_cut(place):
    await place.start(CANALGATE_SERVER__NOTICE_S="0", CANALGATE_SERVER__GRACE_S="0.2")
    stream = await place.stream()
    place.signal()
    assert not (await place.rest(stream)).complete
    assert await place.stopped() == 0
    assert "were still running are cut" in place.serving.err.read_text()


@pytest.mark.parametrize("kind", ["fast", "full"])
async def test_an_idle_connection_is_closed_when_the_notice_is_over(tmp_path, provider, kind):
    async with support.gateway(tmp_path, server={"fast_lane": kind == "fast"}) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        ask = b"GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n"
        writer.write(ask)
        assert b'"ready"' in await reader.readuntil(b"}")
        await gateway.front.stop(2.0)
        assert await reader.read() == b""
        writer.close()
