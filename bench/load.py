"""Clients: requests over kept-alive connections; counts events and checks every answer whole."""

from __future__ import annotations

import asyncio
import sys

import orjson
import uvloop
from upstream import END, EVENT, REPLY


def _request(key: str, model: str) -> bytes:
    text = "x" * 1900
    fields = {"messages": [{"role": "user", "content": text}], "temperature": 0.5, "model": model}
    if model.startswith("stream"):
        fields["stream"] = True
    body = orjson.dumps(fields)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _client(port: int, request: bytes, expected: bytes, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise SystemExit(f"not a 200: {head!r}")
        if b"transfer-encoding: chunked" in head:
            body = b""
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += await reader.readexactly(size)
                await reader.readexactly(2)
            await reader.readexactly(2)
        else:
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
        if body != expected:
            raise SystemExit("an answer differs from what the provider sent")
    writer.close()


async def main(port: int, key: str, model: str, clients: int, count: int) -> None:
    """Run `clients` at once, each with `count` requests."""
    request = _request(key, model)
    events = int(model.split("-")[1]) if model.startswith("stream") else 0
    expected = EVENT * events + END if events else REPLY
    await asyncio.gather(*(_client(port, request, expected, count) for _ in range(clients)))


if __name__ == "__main__":
    port, key, model, clients, count = sys.argv[1:]
    uvloop.run(main(int(port), key, model, int(clients), int(count)))
