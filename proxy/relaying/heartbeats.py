"""Comments for clients whose streams are silent, so that nothing on the way takes them for dead.

Only `: keep-alive`, only between two events, and only for a client that has taken all it was sent. One sweep
looks at every stream, and at a count that is kept anyway: a chunk that passes by costs nothing.

Before a stream's first event a comment promises a stream that may not come, and gives up the true status of
an error. That has a patience of its own, `server.early_heartbeat_s`. Other channels are still tried
afterwards, since the client has seen nothing of an answer.
"""

from __future__ import annotations

import time
from typing import Protocol

from ..access_log import Record
from ..config import Server
from ..tasks import Owner
from ..wire.answer import Answer

_MOST_SWEEP_S = 1.0
_PROMISED = frozenset({"chat/completions", "completions", "responses"})
"""Endpoints whose answer to `stream` is an event stream. A promise elsewhere could be broken."""


class Streamed(Protocol):
    """A request whose client asked for a stream."""

    answer: Answer
    record: Record

    def may_comment(self) -> bool:
        """Whether a comment sent now would stand between two events."""


class _Silence:
    """Since when how many bytes have been all that was sent."""

    __slots__ = ("sent", "since")

    def __init__(self, since: float) -> None:
        self.sent = 0
        self.since = since


class Heartbeats:
    """The streams that are open. `watch` and `forget` cost a look-up each."""

    def __init__(self, settings: Server) -> None:
        self._every_s = settings.heartbeat_s
        self._early_s = settings.early_heartbeat_s
        self._watched: dict[Streamed, _Silence] = {}

    def start(self, owner: Owner) -> None:
        """Begin to keep the time, if there are to be heartbeats."""
        if self._every_s:
            owner.repeat(self._sweep, min(_MOST_SWEEP_S, self._every_s / 4), "heartbeats")

    def watch(self, stream: Streamed) -> None:
        """A stream has been asked for."""
        if self._every_s:
            self._watched[stream] = _Silence(time.monotonic())

    def forget(self, stream: Streamed) -> None:
        """Nothing more is sent to this client."""
        self._watched.pop(stream, None)

    async def _sweep(self) -> None:
        now = time.monotonic()
        for stream, silence in list(self._watched.items()):
            sent = stream.answer.bytes_sent
            if sent != silence.sent:
                silence.sent, silence.since = sent, now
            elif now - silence.since >= self._every_s and self._may_beat(stream, now):
                stream.answer.comment()
                silence.since = now

    def _may_beat(self, stream: Streamed, now: float) -> bool:
        answer = stream.answer
        if answer.is_waiting or not stream.may_comment():
            return False
        if not (answer.started or answer.is_promised):
            if not self._is_due_early(stream.record, now):
                return False
            answer.promise()
        return True

    def _is_due_early(self, record: Record, now: float) -> bool:
        early_s = self._early_s
        return 0 < early_s <= now - record.received_at and record.endpoint in _PROMISED
