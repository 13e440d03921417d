"""A client that comes back to a stream: `GET /v1/streams/{request_id}` with `Last-Event-ID`.

Towards a lane it is what an Exchange is. The stream is kept.py's; nothing here costs money.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from ..access_log import Record
from ..errors import GatewayError, internal
from ..wire.answer import EVENT_STREAM, Answer
from ..wire.endpoints import Route
from ..wire.inbound import BodyReader, Inbound
from .kept import Kept
from .relay import Relay

log = logging.getLogger(__name__)

_LONGEST_NUMBER = 18


class Rejoin:
    """One such request and its answer. `on_ended` is called once, when nothing more will be written."""

    __slots__ = (
        "_inbound", "_on_ended", "_relay", "_route", "_stream", "_task", "answer", "ended", "record",
    )  # fmt: skip

    def __init__(
        self,
        relay: Relay,
        route: Route,
        inbound: Inbound,
        reader: BodyReader,
        answer: Answer,
        on_ended: Callable[[], None],
    ) -> None:
        self._relay = relay
        self._route = route
        self._inbound = inbound
        self._on_ended = on_ended
        self._stream: Kept | None = None
        self._task: asyncio.Task[None] | None = None
        self.answer = answer
        self.ended = False
        self.record = Record(inbound.request_id, "streams", inbound.received_at)
        if not reader.at_end:
            answer.keep_alive = False

    def start(self) -> None:
        """Begin at once, without a task of the lane's."""
        self._task = self._relay.owner.run(self.begin(), "stream")

    async def begin(self) -> None:
        """Join the stream, or say why that is not possible."""
        relay, inbound, answer = self._relay, self._inbound, self.answer
        try:
            principal = self.record.principal = await relay.principal(inbound)
            last = _last_event_id(inbound.headers)
            stream = relay.keeper.find(self._route.request_id, principal.token.id)
            if inbound.method == "HEAD":
                answer.start(200, [("content-type", EVENT_STREAM)])
                answer.finish()
                self._end()
                return
            self._stream = stream
            stream.join(answer, last, self._end)
        except GatewayError as error:
            self._fail(error)
        except Exception:
            log.exception("request failed request_id=%s", inbound.request_id)
            self._fail(internal())

    def pause(self) -> None:
        """More waits for the client than should."""
        if self._stream is not None:
            self._stream.pause(self.answer)

    def resume(self) -> None:
        """The client has taken what waited for it."""
        if self._stream is not None:
            self._stream.resume(self.answer)

    def leave(self) -> None:
        """The client is gone, or another has taken the stream over from it."""
        if self.ended:
            return
        self.record.failed("client_left", "the client left")
        self.answer.keep_alive = False
        if self._task is not None:
            self._task.cancel()
        if self._stream is not None:
            self._stream.left(self.answer)
        self._end()

    def _fail(self, error: GatewayError) -> None:
        self.record.failed(error.code or str(error.status), error.message)
        if self.answer.started:
            self.answer.cut()
        else:
            self.answer.send_error(error)
        self._end()

    def _end(self) -> None:
        if self.ended:
            return
        self.ended = True
        self._stream = None
        self.record.status, self.record.bytes_sent = self.answer.status, self.answer.bytes_sent
        self._relay.access_log.add(self.record)
        self._on_ended()


def _last_event_id(headers: Mapping[str, str]) -> int:
    """Return the last event a client has, 0 if it has none. Raises GatewayError 400."""
    text = headers.get("last-event-id", "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise GatewayError(400, "last-event-id: expected the number of an event", code="bad_last_event_id")
    return int(text)
