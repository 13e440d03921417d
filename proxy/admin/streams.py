"""Answers that come bit by bit: lines of JSON, server-sent events, a table of text, a file.

A failure before the first piece is answered as any other. After that it is a last line, or a last event, with
`error`; tables and files have no place for one, so the connection is cut and nobody takes them for whole.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Generic, Literal, TypeVar

import msgspec
from aiohttp import web

from .problems import as_gateway_error

T = TypeVar("T")

Media = Literal[
    "application/json", "application/x-ndjson", "text/event-stream", "text/csv", "application/gzip"
]

JSON: Media = "application/json"
LINES: Media = "application/x-ndjson"
EVENTS: Media = "text/event-stream"
TABLE: Media = "text/csv"
ARCHIVE: Media = "application/gzip"

_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}

Pieces = AsyncGenerator[bytes, None]


class Stream(Generic[T]):
    """An answer in pieces, each a T of this media type. `file_name` is what a browser keeps it as.

    `size` is how many bytes it has, where that is known.
    """

    __slots__ = ("file_name", "media", "pieces", "size")

    def __init__(self, pieces: Pieces, media: Media, file_name: str = "", size: int | None = None) -> None:
        self.pieces = pieces
        self.media = media
        self.file_name = file_name
        self.size = size


def line(value: object) -> bytes:
    """Return a value as a line of JSON."""
    return msgspec.json.encode(value) + b"\n"


def event(value: object, name: str = "") -> bytes:
    """Return a value as a server-sent event, of this kind if it has a name."""
    named = f"event: {name}\n".encode() if name else b""
    return named + b"data: " + msgspec.json.encode(value) + b"\n\n"


async def lines(values: AsyncIterator[object]) -> Pieces:
    """Yield values as lines of JSON."""
    async for value in values:
        yield line(value)


async def send(request: web.Request, stream: Stream[T]) -> web.StreamResponse:
    """Send a stream, until it ends or its client leaves."""
    response = web.StreamResponse(headers=_HEADERS)
    response.content_type, response.content_length = stream.media, stream.size
    if stream.media != ARCHIVE:
        response.charset = "utf-8"
    if stream.file_name:
        response.headers["content-disposition"] = f'attachment; filename="{stream.file_name}"'
    async with aclosing(stream.pieces) as pieces:
        first = b"" if request.method == "HEAD" else await anext(pieces, b"")
        await response.prepare(request)
        try:
            await response.write(first)
            if request.method != "HEAD":
                await _send(request, response, stream)
            await response.write_eof()
        except ConnectionError:
            pass  # the client has left
    return response


async def _send(request: web.Request, response: web.StreamResponse, stream: Stream[T]) -> None:
    try:
        async for piece in stream.pieces:
            await response.write(piece)
    except ConnectionError:
        raise
    except Exception as exc:  # the border of the pages
        body = as_gateway_error(exc).body()
        if stream.media in (TABLE, ARCHIVE):
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionAbortedError from exc
        await response.write(
            body + b"\n" if stream.media == LINES else b"event: error\ndata: " + body + b"\n\n"
        )
