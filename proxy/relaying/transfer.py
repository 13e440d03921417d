"""Carry one attempt's answer from the upstream to the client.

Runs in the upstream connection's callbacks: a piece of a stream goes from one transport to the other
without a task switch. What an answer is decides how it travels:

- an error status is collected and classified;
- JSON is collected, checked for an error inside a 200, and sent whole;
- an event stream is held until its first event, then passed on, through a translator if there is one;
- anything else (audio, images) is passed on from its first byte.

Until something was sent to the client, a failure is raised to whoever waits and another answer is still
possible. After that it ends the client's stream with an error event and without a proper end.

The last bytes of a good answer leave when it has been accounted for, and not before: `[DONE]` where there is
one, since clients stop reading there.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, Protocol

from ...plugins import (
    Adapter,
    AnswerFilter,
    Call,
    ErrorKind,
    Reply,
    StreamTranslator,
    UpstreamError,
    UpstreamResponse,
    Usage,
)
from ...plugins.hooks import Hooks
from ..wire.answer import EVENT_STREAM, STREAM_FIELDS, Answer
from ..wire.frames import Passing
from ..wire.headers import to_client
from .chain import Chain
from .events import error_event, first_event
from .packed import CODINGS, Unpacker, unpacked
from .passing import passing
from .tail import Tail, Watcher
from .whole import begins_as_json, is_cut_event, is_cut_json

log = logging.getLogger(__name__)

MAX_ERROR_BYTES = 1024 * 1024
_HELD_BYTES = 64 * 1024
_FIRST_BYTES = 64
_LINE_END = re.compile(rb"[\r\n]")
_MAYBE_DONE = (b"]\n\n", b"]\n", b"]\r\n\r\n", b"]\r\n", b"]")
"""How a piece ends that ends with `[DONE]`."""
_BETWEEN = (b"\n\n", b"\n\r\n", b"\r\r")
"""How a stream ends between two events."""
_NOTHING = UpstreamResponse(0, {})
_OF_PACKED = frozenset({"content-encoding", "content-length"})
_JSON = "application/json"


class Source(Protocol):
    """What pieces come from, as far as flow control goes."""

    def pause(self) -> None:
        """Send nothing for now."""

    def resume(self) -> None:
        """Go on."""

    def expect_end(self) -> None:
        """Only the formal end is missing: do not wait for it for long."""

    def abort(self) -> None:
        """Send nothing more."""


class Meter(Watcher, Protocol):
    """What sees a stream pass by."""

    needs_body: ClassVar[bool]
    """Whether the request's body is looked at when the stream has ended."""


class Transfer:
    """The receiver of one attempt.

    `settle` is called once, when all of a good answer is known and its last bytes have not been sent; it
    calls what it was given when they may be. `on_done` is called once, when the client's answer has ended:
    with None, or with the failure of an attempt that has sent nothing to the client.
    """

    __slots__ = (
        "_adapter", "_answer", "_continues", "_dropped", "_ended", "_failed", "_filters", "_hooks",
        "_is_stream", "_last", "_limit", "_max_reply_bytes", "_on_done", "_parts", "_response", "_settle",
        "_settled", "_size", "_source", "_tail", "_take", "_translator", "_unpacker", "_unsent", "call",
        "claim", "cut", "first_byte_at", "meter", "passing", "reply", "rescue", "usage",
    )  # fmt: skip

    def __init__(
        self,
        adapter: Adapter,
        call: Call,
        answer: Answer,
        max_reply_bytes: int,
        on_done: Callable[[UpstreamError | None], None],
        hooks: Hooks,
        settle: Callable[[Callable[[], None]], None],
        meter: Meter,
    ) -> None:
        self._adapter = adapter
        self.call = call
        self._answer = answer
        self._continues = answer.started
        self._max_reply_bytes = max_reply_bytes
        self._on_done = on_done
        self._hooks = hooks
        self._settle = settle
        self._settled = False
        self._last: list[Callable[[], None]] | None = None
        self._unsent = 0
        self._filters: Sequence[AnswerFilter] = ()
        self._dropped: tuple[str, ...] = ()
        self._response = _NOTHING
        self._take: Callable[[Transfer, bytes], None] = Transfer._collect
        self._parts: list[bytes] = []
        self._size = 0
        self._tail: Tail | None = None
        self._limit = MAX_ERROR_BYTES
        self._translator: StreamTranslator | None = None
        self._unpacker: Unpacker | None = None
        self._is_stream = False
        self._ended = False
        self._failed = False
        self._source: Source | None = None
        self.first_byte_at: float | None = None
        self.claim: Callable[[], None] | None = None
        """Called before anything of the answer is sent, where another attempt may be about to do the same."""
        self.passing: Passing | None = None
        """Takes events in their frames, while nothing is to be done to them."""
        self.meter = meter
        """Sees a stream as it passes by."""
        self.reply = b""
        """An answer that is no stream, as the client gets it."""
        self.usage: Usage | None = None
        self.rescue: Callable[[UpstreamError], bool] | None = None
        """Asked when a stream breaks off: whether somebody goes on with it, so that it is not ended here."""
        self.cut: UpstreamError | None = None
        """Why the client's stream ended early, if it did."""

    def set_source(self, source: Source, dropped: tuple[str, ...] = ()) -> None:
        """Say what the pieces come from, and which fields of the request were left out for it."""
        self._source = source
        self._dropped = dropped

    def pause(self) -> None:
        """The client is slow: take nothing from the source for now."""
        if self._source is not None and not self._ended:
            self._source.pause()

    def resume(self) -> None:
        """The client has caught up."""
        if self._source is not None and not self._ended:
            self._source.resume()

    @property
    def status(self) -> int:
        """Status of the provider's answer, 0 before there is one."""
        return self._response.status

    @property
    def size(self) -> int:
        """Bytes of the answer's body so far."""
        return len(self.reply) or self._answer.bytes_sent

    @property
    def kept(self) -> bytes:
        """What is there of the answer: all of it, or the end of a stream."""
        return self.reply or (self._tail.end() if self._tail is not None else b"")

    @property
    def is_whole(self) -> bool:
        """Whether all of a good answer came."""
        return self._last is not None

    @property
    def has_begun(self) -> bool:
        """Whether the provider has begun a good answer, and did not fail before the client had some of it."""
        return 200 <= self._response.status < 300 and self.first_byte_at is not None and not self._failed

    def may_comment(self) -> bool:
        """Whether a comment would stand between two events: all that was sent of the stream are whole ones.

        Before anything was sent it may, unless a whole answer or an error is on its way. What is held back
        until it is paid for is not waited for with comments.
        """
        if not self._answer.started:
            return self._failed or not self._response.status or self._sends_events()
        return (
            self._tail is not None
            and self._last is None
            and self._sends_events()
            and self._tail.end().endswith(_BETWEEN)
        )

    def stop(self) -> None:
        """The answer is broken off: look at all of it that came."""
        if self._tail is not None:
            if self.usage is None and self._is_plain():
                self._read_usage(self._tail)
            self._tail.flush()
        elif not self.reply:
            self.reply = b"".join(self._parts)

    def abandon(self) -> None:
        """Stop without a word, if it has not ended: the client is gone, or has been answered otherwise."""
        if not self._ended:
            self._ended = True
            if self._source is not None:
                self._source.abort()

    def give(self, reply: Reply, dropped: tuple[str, ...] = ()) -> None:
        """Send an answer that was put together from several, as one from the provider is sent."""
        self._dropped = dropped
        if self._hooks.filters_answers:
            self._filters = self._hooks.filters(self.call)
        self._send_reply(200, reply)
        self._at_last(self._done)

    # The receiver's side.

    def on_head(self, response: UpstreamResponse) -> None:
        self._response = response
        if 200 <= response.status < 300:
            self._guarded(Transfer._begin)

    def on_body(self, data: bytes) -> None:
        if self._ended:
            return
        if self.first_byte_at is None:
            self.first_byte_at = time.monotonic()
        try:
            if self._unpacker is not None:
                data = self._unpacker.feed(data)
            if data:
                self._take(self, data)
        except UpstreamError as error:
            self._fail(error)
        except Exception as exc:  # the border to adapters
            self._fail(bug(exc))

    def on_chunks(self, framed: bytes, data: bytes) -> None:
        """Pass a piece on in the frame it came in, where nothing in it changes."""
        tail = self._tail
        if tail is None or self._ended or not self._answer.chunked or self._unpacker is not None:
            self.on_body(data)
            return
        try:
            sent = data if self._translator is None else self._translator.feed(data)
        except UpstreamError as error:
            self._fail(error)
        except Exception as exc:  # the border to adapters
            self._fail(bug(exc))
        else:
            if sent is data:
                tail.add(data)
                if self._last is None and not data.endswith(_MAYBE_DONE):
                    self._answer.write_framed(framed, len(data))
                else:
                    self._send_end(partial(self._answer.write_framed, framed, len(data)))
            elif sent:
                self._send(sent)

    def on_end(self, framed: bool) -> None:
        self._guarded(Transfer._finish, framed)

    def on_error(self, error: UpstreamError) -> None:
        if self._ended:
            return
        if self._last is None:
            self._fail(error)
        else:  # behind the end of an answer nothing is left to break
            self._at_last(self._answer.finish)
            self._at_last(self._done)

    def _guarded(self, step: Callable[..., None], *values: object) -> None:
        if self._ended:
            return
        try:
            step(self, *values)
        except UpstreamError as error:
            self._fail(error)
        except Exception as exc:  # the border to adapters
            self._fail(bug(exc))

    # How pieces are taken.

    def _begin(self) -> None:
        """Choose how an answer travels, from its head."""
        if self._response.headers.get("content-encoding") in CODINGS:
            self._unpacker = Unpacker(self._max_reply_bytes)
            kept = {name: value for name, value in self._response.headers.items() if name not in _OF_PACKED}
            self._response = UpstreamResponse(self._response.status, kept)
        response, call = self._response, self.call
        kind = _kind(response)
        is_events = kind == EVENT_STREAM
        if self._is_plain():
            if call.stream or is_events:
                self._translator = self._adapter.stream(call, response)
            if self._hooks.filters_answers:
                self._filters = self._hooks.filters(call)
                if self._filters and (is_events or self._translator is not None):
                    own = response.headers.get("content-type", EVENT_STREAM)
                    self._translator = Chain(self._translator, self._filters, own)
        if is_events or self._translator is not None:
            self._is_stream = True
            self._take = Transfer._hold if is_events else Transfer._open
        elif kind.endswith("json") or not kind or (kind.startswith("text/") and call.body is not None):
            self._limit = self._max_reply_bytes
        else:
            self._take = Transfer._open
        can_be_event = self._take is Transfer._collect and self._is_plain()
        can_be_event = can_be_event and not self._continues
        if (self._answer.is_promised or self._continues) and not (can_be_event or self._sends_events()):
            raise UpstreamError(ErrorKind.FAULT, "the provider answered with no event stream")

    def _collect(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise UpstreamError(ErrorKind.FAULT, f"the provider's answer has more than {self._limit} bytes")
        self._parts.append(data)

    def _hold(self, data: bytes) -> None:
        """Keep the beginning of a stream until it is known not to be an error."""
        self._parts.append(data)
        self._size += len(data)
        if (
            self._size - len(data) < _FIRST_BYTES
            and self._is_plain()
            and begins_as_json(b"".join(self._parts))
        ):
            self._collect_after_all()
            return
        if self._size < _HELD_BYTES and self._is_plain() and not _LINE_END.search(data):
            return
        held = b"".join(self._parts)
        if self._is_plain():
            event = first_event(held)
            if event is None and len(held) < _HELD_BYTES:
                return
            if event:
                self._adapter.check_first_event(self.call, event)
        self._open(held)

    def _collect_after_all(self) -> None:
        """What was called an event stream is JSON."""
        fields = {**self._response.headers, "content-type": _JSON}
        self._response = UpstreamResponse(self._response.status, fields)
        self._translator, self._is_stream = None, False
        self._limit = self._max_reply_bytes
        self._take = Transfer._collect

    def _open(self, data: bytes) -> None:
        """Send the head and go over to passing on."""
        self._parts.clear()
        self._size = 0
        if self._translator is not None:
            data = self._translator.feed(data)
            if not data:
                self._take = Transfer._open  # nothing to show yet, so the status is still open
                return
        self._start()
        self._send(data)

    def _start(self) -> None:
        if self.claim is not None:
            self.claim()
        fields = self._fields()
        length = self._response.headers.get("content-length")
        if self._is_stream:
            self._tail = Tail(self.meter)
            needed = self.meter.needs_body or (self._translator is not None and self._translator.needs_body)
            if self.call.body is not None and not needed and self.rescue is None:
                self.call.body.release()
            fields += STREAM_FIELDS
            length = None  # whatever the provider announced: an error event may follow its bytes
        self._answer.start(self._response.status, fields, int(length) if length else None)
        self._unsent = int(length) if length else 0
        self._take = Transfer._pass_sized if length else Transfer._pass
        if self._tail is not None and self._answer.chunked and self._unpacker is None:
            self.passing = passing(self._answer, self._tail, self._translator)

    def _fields(self) -> list[tuple[str, str]]:
        """The header fields of a 2xx answer."""
        fields = to_client(self._response.headers)
        if self._translator is not None:
            fields = [
                ("content-type", self._translator.content_type),
                *(field for field in fields if field[0] != "content-type"),
            ]
        if self._dropped:
            fields.append(("x-canalgate-dropped", ", ".join(self._dropped)))
        return fields

    def _pass(self, data: bytes) -> None:
        if self._translator is not None:
            data = self._translator.feed(data)
            if not data:
                return
        self._send(data)

    def _pass_sized(self, data: bytes) -> None:
        """Pass on an answer whose head has said how long it is."""
        self._unsent -= len(data)
        if self._unsent > 0:
            self._answer.write(data)
        else:
            self._at_last(partial(self._answer.write, data))

    def _send(self, data: bytes) -> None:
        if self._tail is not None:
            self._tail.add(data)
        if self._last is None and not data.endswith(_MAYBE_DONE):
            self._answer.write(data)
        else:
            self._send_end(partial(self._answer.write, data))

    # How it ends.

    def _send_end(self, send: Callable[[], None]) -> None:
        """Send a piece that may be the last the client waits for."""
        if self._last is not None or (self._tail is not None and self._tail.is_done()):
            self._at_last(send)
            if self._source is not None:
                self._source.expect_end()
        else:
            send()

    def _at_last(self, step: Callable[[], None]) -> None:
        """Do this when the answer has been accounted for; the first such step has that done."""
        if self._settled:
            step()
        elif self._last is not None:
            self._last.append(step)
        else:
            self._last = [step]
            self.passing = None
            if self._tail is not None and self._is_plain():
                self._read_usage(self._tail)
                if self.usage is None or not self.usage.completion_tokens:
                    self._tail.flush()
            self._settle(self._go_on)

    def _go_on(self) -> None:
        self._settled = True
        for step in self._last or ():
            if self._ended:
                return
            step()

    def _done(self) -> None:
        self._ended = True
        self._on_done(None)

    def _finish(self, framed: bool) -> None:
        if not 200 <= self._response.status < 300:
            raise self._adapter.error(self.call, self._whole())
        if self._unpacker is not None:
            self._unpacker.close()
        if self._take is Transfer._collect:
            self._reply(framed)
        else:
            if self._take is Transfer._hold:
                self._open_at_end()
            self._close(framed)
        self._at_last(self._done)

    def _reply(self, framed: bool) -> None:
        response = self._whole()
        if not self._is_plain():
            if self.claim is not None:
                self.claim()
            self.reply = response.body
            self._at_last(partial(self._answer.send, response.status, response.body, self._fields()))
            return
        body = response.body
        is_sound = framed and body.startswith(b"{") and body.endswith(b"}")
        if not is_sound and _kind(response).endswith("json") and is_cut_json(body, framed):
            raise UpstreamError(ErrorKind.FAULT, "the provider's answer breaks off")
        self._send_reply(response.status, self._adapter.reply(self.call, response))

    def _send_reply(self, status: int, reply: Reply) -> None:
        if self.claim is not None:
            self.claim()
        self.usage = reply.usage
        fields = {**dict(self._fields()), "content-type": reply.content_type}.items()
        self.reply = self._filtered(reply)
        self._at_last(partial(self._answer.send, status, self.reply, fields))

    def _filtered(self, reply: Reply) -> bytes:
        """Give an answer to the filters: as a stream, where the adapter has made one of it."""
        body = reply.body
        if self._filters and reply.content_type.startswith(EVENT_STREAM):
            chain = Chain(None, self._filters, reply.content_type)
            return chain.feed(body) + chain.close()
        for one in self._filters:
            body = one.whole(body)
        return body

    def _open_at_end(self) -> None:
        """The stream ended inside its first event, or without one."""
        held = b"".join(self._parts)
        if not held.strip():
            raise UpstreamError(ErrorKind.FAULT, "the provider ended its stream without an event")
        if event := first_event(held + b"\n"):
            self._adapter.check_first_event(self.call, event)
        self._open(held)

    def _close(self, framed: bool) -> None:
        rest = self._translator.close() if self._translator is not None else b""
        if not self._has_sent():
            self._start()
        if self._tail is not None and self._is_plain():
            self._tail.add(rest)
            end = self._tail.end()
            if is_cut_event(end) if framed else not self._adapter.is_complete(self.call, end):
                raise UpstreamError(ErrorKind.FAULT, "the provider closed the connection in mid-stream")
        self._at_last(partial(self._answer.write, rest))
        self._at_last(self._answer.finish)

    def _read_usage(self, tail: Tail) -> None:
        if self._translator is not None:
            self.usage = self._translator.usage
        if self.usage is None:
            try:
                self.usage = self._adapter.usage(self.call, tail.end())
            except Exception:  # the border to adapters; the answer is whole all the same
                log.exception("adapter failed to read usage adapter=%s", self._adapter.name)

    def _fail(self, error: UpstreamError) -> None:
        self._ended = True
        has_sent = self._has_sent()
        if has_sent:
            self.cut = error
            if self._tail is not None and self._is_plain():
                if not self._settled:
                    self._read_usage(self._tail)
                if self._last is None and self.rescue is not None and self.rescue(error):
                    self._abort_source()
                    return
                self._answer.write(error_event(error, self.call.model, self._tail.end()))
            self._answer.cut()
        else:
            self._failed = True
        self._abort_source()
        self._on_done(None if has_sent else error)

    def _abort_source(self) -> None:
        if self._source is not None:
            self._source.abort()

    def _has_sent(self) -> bool:
        """Whether the client has something of this attempt, so that no other one can take its place."""
        return self._answer.started and (not self._continues or self._tail is not None)

    # What was received.

    def _is_plain(self) -> bool:
        """Whether the body is readable: we ask for no compression, and some hosts compress all the same."""
        return self._response.headers.get("content-encoding", "identity") in ("identity", "")

    def _sends_events(self) -> bool:
        """Whether the client gets an event stream that can be read."""
        kind = self._translator.content_type if self._translator is not None else _kind(self._response)
        return self._is_plain() and kind.startswith(EVENT_STREAM)

    def _whole(self) -> UpstreamResponse:
        body = b"".join(self._parts)
        if self._response.status >= 300 and not self._is_plain():
            body = unpacked(body, MAX_ERROR_BYTES)
        return UpstreamResponse(self._response.status, self._response.headers, body)


def _kind(response: UpstreamResponse) -> str:
    """The media type of an answer without its parameters."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def bug(exc: Exception) -> UpstreamError:
    """A failure of the adapter itself. The log has the traceback."""
    log.error("adapter failed", exc_info=exc)
    return UpstreamError(ErrorKind.FAULT, f"the adapter failed: {type(exc).__name__}")


__all__ = ["Meter", "Source", "Transfer", "bug"]
