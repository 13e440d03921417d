"""Streams that outlive their client's connection, for clients that have asked for it.

A `Kept` answer numbers the events that pass through it and keeps the last of them. When its client is gone
the provider is read on, for `server.resume_s`; a client of the same token may come back meanwhile (rejoin.py)
and has every event after the last one it knows, each once. Who comes takes the stream over from who reads it.
A stream whose client stays away ends like any other whose client has left, and costs what came of it by then.

In the memory of this gateway, and gone with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from ..config import Server
from ..errors import GatewayError
from ..tasks import Owner
from ..wire.answer import EVENT_STREAM, STREAM_FIELDS, Answer
from ..wire.headers import Fields
from .numbered import Numbered

HEADER = "x-canalgate-resume"
_MOST_SWEEP_S = 1.0


class Producer(Protocol):
    """The request whose answer it is."""

    def pause(self) -> None:
        """Who reads is slow."""

    def resume(self) -> None:
        """Read from the provider again."""

    def leave(self) -> None:
        """Nobody will come any more."""


class Keeper:
    """The streams that are kept, by requests' ids. The oldest lose their events when there are too many."""

    def __init__(self, settings: Server) -> None:
        self.keep_s = settings.resume_s
        self._most_bytes = settings.resume_bytes
        self._most_total_bytes = settings.resume_total_bytes
        self._total_bytes = 0
        self._streams: dict[str, Kept] = {}

    def start(self, owner: Owner) -> None:
        """Begin to keep the time, if streams are to be kept."""
        if self.keep_s:
            owner.repeat(self._sweep, min(_MOST_SWEEP_S, self.keep_s / 4), "kept streams")

    def close(self) -> None:
        """End the streams that still run: nobody can come back."""
        for stream in list(self._streams.values()):
            self._drop(stream)

    def is_wanted(self, headers: Mapping[str, str]) -> bool:
        """Whether a request's stream is to be kept."""
        return self.keep_s > 0 and headers.get(HEADER) == "1"

    def keep(self, client: Answer, token_id: int, producer: Producer) -> Kept:
        """Return the answer that a request is to write to in place of its client's."""
        return Kept(self, client, Numbered(self._most_bytes), token_id, producer)

    def find(self, request_id: str, token_id: int) -> Kept:
        """Return a token's stream. Raises GatewayError 404 if there is none, or it is another token's."""
        stream = self._streams.get(request_id)
        if stream is None or stream.token_id != token_id:
            raise GatewayError(
                404, f"no stream {request_id[:100]!r} of this API key is kept", code="stream_not_found"
            )
        return stream

    def add(self, stream: Kept) -> None:
        """A stream begins."""
        self._streams[stream.request_id] = stream

    def grown(self, by: int) -> None:
        """What is kept has grown by so many bytes; the oldest streams make room for it."""
        self._total_bytes += by
        while self._total_bytes > self._most_total_bytes:
            request_id = next(iter(self._streams))
            stream = self._streams.pop(request_id)
            self._total_bytes -= stream.clear()
            self._streams[request_id] = stream  # behind those that still have theirs

    async def _sweep(self) -> None:
        before = time.monotonic() - self.keep_s
        for stream in list(self._streams.values()):
            if stream.alone_since is not None and stream.alone_since <= before:
                self._drop(stream)

    def _drop(self, stream: Kept) -> None:
        del self._streams[stream.request_id]
        stream.give_up()
        self._total_bytes -= stream.clear()


class Kept(Answer):
    """An answer between a request and whoever reads it: its first client, one that came later, or nobody.

    Answers that are no event stream pass through to the first client. `alone_since` is when the last reader
    left or the stream ended, by time.monotonic(); None while somebody reads.
    """

    __slots__ = (
        "_client", "_events", "_first", "_is_kept", "_is_over", "_is_whole", "_keeper", "_on_end",
        "_producer", "alone_since", "token_id",
    )  # fmt: skip

    def __init__(
        self, keeper: Keeper, client: Answer, events: Numbered, token_id: int, producer: Producer
    ) -> None:
        super().__init__(client._transport, client.request_id, keep_alive=client.keep_alive)
        self._keeper = keeper
        self._client: Answer | None = client
        self._first = client
        self._events = events
        self._producer: Producer | None = producer
        self._on_end: Callable[[], None] | None = None
        self._is_kept = False
        self._is_whole = False
        self._is_over = False
        self.alone_since: float | None = None
        self.token_id = token_id

    # What the request writes.

    def promise(self) -> None:
        self._announce()
        self._first.promise()
        self.status, self.is_promised = self._first.status, True

    def start(self, status: int, fields: Fields, length: int | None = None) -> None:
        fields = list(fields)
        self._is_kept = self.is_promised or (length is None and _is_readable(dict(fields)))
        if self._is_kept:
            self._announce()
            self._keeper.add(self)
        self._first.notes, self._first.keep_alive = self.notes, self.keep_alive
        self._first.start(status, fields, length)
        self.status, self.started = self._first.status, True

    def write(self, data: bytes) -> None:
        if self._is_kept:
            self.bytes_sent += len(data)
            self._send(self._events.feed, data)
        else:
            self._first.write(data)
            self.bytes_sent = self._first.bytes_sent

    @property
    def is_waiting(self) -> bool:
        return self._client is None or self._client.is_waiting

    def comment(self) -> None:
        if self._client is not None:
            self._client.comment()

    def finish(self) -> None:
        if self._is_kept:
            self._send(self._events.flush)
        self._is_whole = True
        self._end(Answer.finish)

    def cut(self) -> None:
        self.keep_alive = False
        self._end(Answer.cut)

    def abort(self) -> None:
        self.keep_alive = False
        self._end(Answer.abort)

    # Who reads it.

    def join(self, client: Answer, last: int, on_end: Callable[[], None]) -> None:
        """Give a client everything after the event `last`, as it comes; `on_end` is called when it has all.

        Raises GatewayError 410 if events in between are no longer kept, 400 for one that has not been.
        """
        missed = self._events.after(last)
        if missed is None:
            raise GatewayError(410, f"the events after {last} are no longer all kept", code="events_gone")
        if last > self._events.last:
            raise GatewayError(400, f"last-event-id: there is no event {last}", code="bad_last_event_id")
        self._let_go()
        client.start(200, [("content-type", EVENT_STREAM), *STREAM_FIELDS])
        if not self.ended:
            self._client, self._on_end, self.alone_since = client, on_end, None
        if missed:
            client.write(missed)
        else:
            client.comment()  # so that its head leaves
        if self.ended:
            (Answer.finish if self._is_whole else Answer.cut)(client)
            on_end()

    def pause(self, client: Answer) -> None:
        """A client is slow."""
        if client is self._client and self._producer is not None:
            self._producer.pause()

    def resume(self, client: Answer) -> None:
        """A client has caught up."""
        if client is self._client and self._producer is not None:
            self._producer.resume()

    def left(self, client: Answer) -> None:
        """A client that had come back is gone."""
        if client is self._client:
            self._let_go()

    def outlives_first(self) -> bool:
        """Say whether the stream goes on now that the client is gone that asked for it."""
        if not self._goes_on():
            return False
        self.left(self._first)
        return True

    def outlives_reader(self) -> bool:
        """Say whether the stream goes on now that who reads it takes nothing; who does is let go of."""
        if not self._goes_on():
            return False
        self._let_go()
        return True

    # How it ends.

    def give_up(self) -> None:
        """Nobody comes any more: a stream that still runs is left by its client now."""
        self._is_over = True
        if self._producer is not None:
            self._producer.leave()

    def close(self) -> None:
        """The request has ended; a stream that has not is cut."""
        if not self.ended:
            self.cut()

    def clear(self) -> int:
        """Keep no event that has been; returns the bytes that are free now."""
        return self._events.clear()

    def _announce(self) -> None:
        self.notes += b"%b: %g\r\n" % (HEADER.encode(), self._keeper.keep_s)
        self._first.notes, self._first.keep_alive = self.notes, self.keep_alive

    def _send(self, step: Callable[..., bytes], *values: bytes) -> None:
        before = self._events.size
        sent = step(*values)
        if sent and self._client is not None:
            self._client.write(sent)
        self._keeper.grown(self._events.size - before)

    def _goes_on(self) -> bool:
        return self._is_kept and not self.ended and not self._is_over

    def _let_go(self) -> None:
        client, self._client, self._on_end = self._client, None, None
        if client is not None and self._producer is not None:
            self.alone_since = time.monotonic()
            client.abort()
            self._producer.resume()

    def _end(self, how: Callable[[Answer], None]) -> None:
        self.ended = True
        self.alone_since = time.monotonic()
        client, on_end = self._client, self._on_end
        self._client = self._on_end = self._producer = None  # the request and its body are not to stay
        if client is not None:
            how(client)
        if on_end is not None:
            on_end()


def _is_readable(fields: Mapping[str, str]) -> bool:
    return fields.get("content-type", "").startswith(EVENT_STREAM) and "content-encoding" not in fields
