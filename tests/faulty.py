"""A provider that does one thing wrong, and the words in which the table of faults.py tells what.

What a client sees of it is a status, or `WHOLE`: the answer as if nothing were wrong, or `BROKEN`: a visible
cut, or `TOLD`: an error event in a stream that had begun.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import support
from support import (
    CUT,
    STREAM_END,
    STREAM_HEAD,
    TURN,
    Asked,
    Provider,
    Script,
    chunk,
    delta,
    json_answer,
)

WHOLE, BROKEN, TOLD = "whole", "broken", "told"
Seen = int | str

GOOD = b'{"id":"x","choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}'
BEGUN = delta("a")
ENDED = delta("b", "stop") + b"data: [DONE]\n\n"
EVENTS = BEGUN + ENDED

OK = json_answer(GOOD)
JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
LENGTH = b"content-length: %d\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
SSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
OLD_JSON = b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n"
OLD_SSE = b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
STREAM = STREAM_HEAD + chunk(EVENTS) + STREAM_END
STREAM_BEGUN = (STREAM_HEAD + chunk(BEGUN), 0.01)
"""What a client has seen something of."""

POISON = json_answer(b'{"id":"poison"}')
STALL = 10.0
REFUSE, NEVER_ACCEPT = object(), object()
"""Instead of steps: nobody listens; somebody does and takes no connection."""

MAX_REPLY_BYTES = 2 * 1024 * 1024
CLIENTS_FAULT = frozenset({400, 413, 415, 422})


@dataclass(frozen=True)
class Fault:
    """One misbehaviour: the steps for a request that is not streamed and for one that is, and what is seen.

    `before` is what a request ahead of it gets on the same connection, which then is closed if it `drops` it;
    `again` is what a request gets that is sent once more. `gives` is the body of a whole answer, `wait` the
    `Retry-After` a client is told. `stalls` says that it is a silence.
    """

    plain: Script
    streamed: Script
    seen: tuple[Seen, Seen]
    before: Script = ()
    drops: bool = False
    again: Script = ()
    gives: tuple[bytes, bytes] = (GOOD, EVENTS)
    wait: str | None = None
    adapter: str = "openai"
    stalls: bool = False

    def sees(self, stream: bool) -> Seen:
        """What a client of this channel alone sees."""
        return self.seen[stream]

    def is_hidden(self, stream: bool) -> bool:
        """Whether another channel can answer instead: no byte was sent, and it is not the client's fault."""
        seen = self.seen[stream]
        return isinstance(seen, int) and seen not in CLIENTS_FAULT

    def script(self, asked: Asked, number: int) -> Script:
        """The steps for a request; `number` counts those a provider has got, from 1."""
        if "/oauth/2.0/token" in asked.line:
            return (json_answer({"access_token": "24.0", "expires_in": 2592000}),)
        if self.before and number == 1:
            return self.before
        if self.again and number > 2:
            return self.again
        return self.streamed if asked.json.get("stream") else self.plain


def fault(
    *steps: object, seen: Seen | tuple[Seen, Seen], streamed: Script | None = None, **more: object
) -> Fault:
    """A row: the same steps and sights for both kinds of request, unless said otherwise."""
    both = seen if isinstance(seen, tuple) else (seen, seen)
    waits = any(step is STALL for step in (*steps, *(streamed or ())))
    gives = more.pop("gives", (GOOD, EVENTS))
    gives = gives if isinstance(gives, tuple) else (gives, gives)
    more.setdefault("stalls", waits)
    return Fault(steps, steps if streamed is None else streamed, both, gives=gives, **more)


def sized(body: bytes, kind: bytes = b"application/json", fields: bytes = b"") -> bytes:
    """A 200 of this type with its length."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n%b" % (kind, fields) + LENGTH % len(body) + body


def dripped(data: bytes) -> list[object]:
    """A byte at a time."""
    return [step for at in range(len(data)) for step in (data[at : at + 1], TURN)]


def endless(piece: bytes, megabytes: int = 4) -> list[bytes]:
    """The same thing over and over, for much longer than anybody should listen."""
    block = piece * (65536 // len(piece) + 1)
    return [block] * (megabytes * 16)


def lengths(value: bytes, plain: Seen, streamed: Seen) -> Fault:
    """A length that is none: the body is all there, and the connection closes behind it."""
    field = b"content-length: " + value + b"\r\n\r\n"
    return fault(
        JSON_HEAD + field + GOOD, CUT, streamed=(SSE_HEAD + field + EVENTS, CUT), seen=(plain, streamed)
    )


def chunks(framed: bytes, plain: Seen, streamed: Seen, ends: bytes = STREAM_END) -> Fault:
    """Something where a chunk should be, behind the beginning of an answer, and then a close."""
    return fault(
        JSON_HEAD + CHUNKED + chunk(GOOD[:40]),
        0.01,
        framed + ends,
        CUT,
        streamed=(*STREAM_BEGUN, framed + ends, CUT),
        seen=(plain, streamed),
    )


def head(*fields: bytes, seen: Seen) -> Fault:
    """A good answer with these lines in its head."""
    lines = b"".join(field + b"\r\n" for field in fields)
    return fault(
        JSON_HEAD + lines + LENGTH % len(GOOD) + GOOD,
        streamed=(SSE_HEAD + lines + CHUNKED + chunk(EVENTS) + STREAM_END,),
        seen=seen,
    )


def events(body: bytes, seen: Seen = WHOLE, *, cuts: str = "random", **more: object) -> Fault:
    """A stream of these bytes in chunks, to either kind of request."""
    pieces = [chunk(piece) for piece in support.cuts(body, cuts) if piece]
    more.setdefault("gives", body)
    return fault(STREAM_HEAD, *pieces, STREAM_END, seen=seen, **more)


def kept(*before: object) -> Fault:
    """A good answer on a connection that has served a request with these steps, or on another one."""
    return fault(OK, streamed=(STREAM,), before=before, drops=True, seen=WHOLE)


@asynccontextmanager
async def faulty(fault: Fault) -> AsyncIterator[Provider]:
    """A provider that behaves so."""
    if fault.plain == (REFUSE,):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        yield Provider(port)
    elif fault.plain == (NEVER_ACCEPT,):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            sock.listen(0)
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(sock.getsockname())
            yield Provider(sock.getsockname()[1])
            for filler in fillers:
                filler.close()
    else:
        async with support.provider() as made:
            made.script = lambda asked: fault.script(asked, len(made.asked))
            yield made
