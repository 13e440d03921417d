"""Clients that leave in mid-stream: the provider's side of each is closed at once.

LEAVING_CLIENTS=1000 is the long form. All of it runs in one event loop: the time is from one client's close
to the moment its provider hears of it, with all the others of its batch leaving beside it.
"""

import asyncio
import os
import time

import support
from support import STREAM_HEAD, chunk, delta

CLIENTS = int(os.environ.get("LEAVING_CLIENTS", "200"))
AT_ONCE = 50
MOST_S = 0.25


async def open_stream(gateway, number):
    """Ask for a stream and read its first event."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    body = {"model": "m", "user": str(number), "messages": [], "stream": True}
    writer.write(gateway.request("/v1/chat/completions", body))
    await reader.readuntil(b"\n\n\r\n")
    return writer


async def leave(writers, left_at):
    """Leave one by one, a turn of the loop apart."""
    for number, writer in writers.items():
        left_at[number] = time.monotonic()
        writer.transport.abort()
        await asyncio.sleep(0)


class Watcher:
    """Provider's streams that go on until their client is gone; says when each was."""

    def __init__(self):
        self.gone_at = {}

    async def serve(self, reader, writer):
        asked = await support.read_request(reader)
        writer.write(STREAM_HEAD + chunk(delta("a")))
        assert await reader.read(1) == b""
        self.gone_at[int(asked.json["user"])] = time.monotonic()
        writer.close()


async def test_a_client_that_leaves_closes_its_upstream_at_once(tmp_path):
    watcher, left_at = Watcher(), {}
    server = await asyncio.start_server(watcher.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(url, "m")
        for begin in range(0, CLIENTS, AT_ONCE):
            numbers = range(begin, begin + AT_ONCE)
            opened = await asyncio.gather(*(open_stream(gateway, number) for number in numbers))
            await leave(dict(zip(numbers, opened, strict=True)), left_at)
            async with asyncio.timeout(2):
                while len(watcher.gone_at) < len(left_at):  # noqa: ASYNC110  nothing says when a connection is gone
                    await asyncio.sleep(0.002)
        assert not gateway.front._fast.relay.upstream._busy
    server.close()
    took = sorted(watcher.gone_at[number] - left_at[number] for number in left_at)
    p99_s = took[len(took) * 99 // 100]
    print(f"{CLIENTS} clients left: p50 {took[len(took) // 2] * 1e3:.1f} ms, p99 {p99_s * 1e3:.1f} ms")
    assert p99_s < MOST_S
