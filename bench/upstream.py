"""A cheap provider: answers JSON at once, or a stream of events at a pace, as the model's name says.

Models: `json`, or `stream-COUNT-PACE_MS`. One small event a write.
"""

from __future__ import annotations

import asyncio
import re
import sys

import uvloop

EVENT = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench","choices":'
    b'[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}\n\n'
)
END = b"data: [DONE]\n\n"
REPLY = (
    b'{"id":"chatcmpl-bench","object":"chat.completion","created":1,"model":"json","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"' + b"word " * 180 + b'"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":10,"completion_tokens":180,"total_tokens":190}}'
)
JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(REPLY),
    REPLY,
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Provider(asyncio.Protocol):
    """Serves one connection, one request after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if not found or length is None or len(body) < int(length[1]):
            return
        self._data = b""
        stream = re.search(rb'"model": ?"stream-(\d+)-(\d+)"', body)
        if stream is None:
            self._transport.write(JSON)
        else:
            self._transport.write(HEAD)
            self._tick(int(stream[1]), int(stream[2]) / 1000)

    def _tick(self, left: int, pace_s: float) -> None:
        if self._transport.is_closing():
            return
        if left == 0:
            self._transport.write(_chunk(END) + b"0\r\n\r\n")
            return
        self._transport.write(_chunk(EVENT))
        asyncio.get_running_loop().call_later(pace_s, self._tick, left - 1, pace_s)


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
