"""Keep the bodies of requests and answers for some hours, for whoever has to find out what went wrong.

One JSON line a request in hourly files of the folder `request_log` of the data folder. The request is seen
before a channel is chosen, the answer as it passes, and the line is made once the request's end is known.
A thread of its own makes and writes the lines; what it cannot keep up with is dropped and counted. The
client's headers are not logged at all, and its key and the channel's are masked where a body repeats them.
Left out on purpose: answers that no filter sees (errors, audio, images as bytes, what a plugin answers).
"""

from __future__ import annotations

import asyncio
import base64
import codecs
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import orjson

from . import AnswerFilter, Call, Draft, Headers, Host, Patterns, UsageRecord, hookimpl, settings_as
from .hourly import Drops, HourlyWriter

NAME = "request_log"
LOST_AFTER_S = 3600.0
"""An entry whose request has not ended by then is dropped: word of its end was lost."""

_SWEEP_EVERY_S = 60.0
_MARGIN = 4096
"""Bytes held beyond the limit, so that a key that crosses it is whole when it is masked."""
_SHORTEST_SECRET = 8
_KEY_FIELDS = ("authorization", "x-api-key", "api-key")


class Settings(msgspec.Struct, frozen=True):
    """The table `[plugins.request_log]`. `models` are glob patterns of the names that clients use."""

    keep_hours: Annotated[int, msgspec.Meta(ge=1, le=24 * 366)] = 1
    max_body_bytes: Annotated[int, msgspec.Meta(ge=0, le=16 * 1024 * 1024)] = 65536
    only: Literal["all", "errors"] = "all"
    models: Patterns = ("*",)
    max_queue: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000


class _Body:
    """The beginning of a body, up to `room` bytes, and the size of all of it."""

    __slots__ = ("_room", "beginning", "size")

    def __init__(self, room: int) -> None:
        self._room = room
        self.beginning = bytearray()
        self.size = 0

    def add(self, data: bytes) -> None:
        self.size += len(data)
        if self._room > 0:
            self.beginning += data[: self._room]
            self._room -= len(data)


class _Entry(msgspec.Struct, eq=False):
    began_at: float
    secrets: list[bytes]
    request: _Body | None = None
    answer: _Body | None = None


class Ended(NamedTuple):
    """A request that is over: what was seen of it, and what came of it."""

    entry: _Entry
    record: UsageRecord


class _Seen(AnswerFilter):
    needs_body = False

    def __init__(self, body: _Body) -> None:
        self._body = body

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return data

    def whole(self, body: bytes) -> bytes:
        self._body.add(body)
        return body


class RequestLog:
    """The requests being served, each with what was seen of it so far. For the event loop's thread."""

    def __init__(self, folder: Path, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._room = settings.max_body_bytes + _MARGIN
        self._open: dict[str, _Entry] = {}
        self._swept_at = clock()
        self.drops = Drops("request log", clock)
        self.writer: HourlyWriter[Ended] = HourlyWriter(
            folder,
            partial(make_line, max_body_bytes=settings.max_body_bytes),
            keep_hours=settings.keep_hours,
            max_waiting=settings.max_queue,
            drops=self.drops,
            clock=clock,
        )

    def begin(self, draft: Draft) -> None:
        """Note a request, if its model is one of those wanted."""
        if not any(fnmatchcase(draft.model, pattern) for pattern in self._settings.models):
            return
        entry = self._open[draft.request_id] = _Entry(self._clock(), list(_keys(draft.headers)))
        if draft.body is not None:
            entry.request = _Body(self._room)
            entry.request.add(draft.body.raw)
        self._sweep(entry.began_at)

    def answer(self, call: Call) -> AnswerFilter | None:
        """Return what looks at an answer; it takes the place of an earlier attempt's."""
        entry = self._open.get(call.request_id)
        if entry is None:
            return None
        entry.secrets += (call.channel.key.encode(), call.credential.value.encode())
        entry.answer = _Body(self._room)
        return _Seen(entry.answer)

    def end(self, record: UsageRecord) -> None:
        """Have a request written whose end is known, if it is one of those wanted."""
        entry = self._open.pop(record.request_id, None)
        if entry is None or (self._settings.only == "errors" and record.status < 400 and not record.problem):
            return
        self.writer.add(Ended(entry, record))

    def close(self) -> None:
        """Write what waits; blocks."""
        self.writer.stop()
        if self._open:
            self.drops.add(len(self._open), "no word of their end")
        self.drops.warn(at_once=True)

    def _sweep(self, now: float) -> None:
        """Drop what will never end, once a minute. Entries stand in the order of their beginning."""
        if now - self._swept_at < _SWEEP_EVERY_S:
            return
        self._swept_at = now
        lost = [name for name, entry in self._open.items() if now - entry.began_at >= LOST_AFTER_S]
        for name in lost:
            del self._open[name]
        if lost:
            self.drops.add(len(lost), "no word of their end")


def make_line(item: Ended, max_body_bytes: int) -> bytes:
    """Return the line of an entry: the fields of UsageRecord, `time`, `request` and `answer`."""
    entry, record = item
    ended = datetime.fromtimestamp(record.ended_at, UTC).isoformat(timespec="milliseconds")
    fields: dict[str, Any] = {"time": ended}
    for name, value in msgspec.structs.asdict(record).items():
        fields[name] = _masked(value.encode(), entry.secrets).decode() if isinstance(value, str) else value
    for name, body in (("request", entry.request), ("answer", entry.answer)):
        fields[name] = None if body is None else _shown(body, max_body_bytes, entry.secrets)
    return msgspec.json.encode(fields) + b"\n"


def _shown(body: _Body, limit: int, secrets: list[bytes]) -> dict[str, Any]:
    """A body as `json` (byte for byte, but on one line), `text` or `base64`, with the size of all of it."""
    data = _masked(bytes(body.beginning), secrets)[:limit]
    size = {"bytes": body.size}
    if body.size > limit:
        return {**_as_text(data, is_whole=False), **size, "cut": True}
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return {**_as_text(data, is_whole=True), **size}
    return {"json": msgspec.Raw(data.translate(_ONE_LINE)), **size}


_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
"""In good JSON a line break stands between values only."""


def _as_text(data: bytes, *, is_whole: bool) -> dict[str, Any]:
    try:  # a cut may have gone through a character, whose half is left out
        return {"text": codecs.getincrementaldecoder("utf-8")().decode(data, is_whole)}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _masked(data: bytes, secrets: list[bytes]) -> bytes:
    """Return data of the same length without the secrets. What is too short to be one is left alone."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            data = data.replace(secret, b"*" * len(secret))
    return data


def _keys(headers: Headers) -> Iterator[bytes]:
    """The client's key, wherever it stands, without what may or may not stand before it."""
    for name in _KEY_FIELDS:
        if value := headers.get(name):
            yield value.rpartition(" ")[2].removeprefix("sk-").encode("utf-8", "surrogateescape")


class _Plugin:
    """What the hooks share: the log, as long as the gateway serves."""

    log: RequestLog | None = None

    @asynccontextmanager
    async def opened(self, host: Host) -> AsyncIterator[None]:
        made = RequestLog(host.data_dir / NAME, settings_as(Settings, NAME, host.settings(NAME)))
        made.writer.start()
        self.log = made
        try:
            yield
        finally:
            self.log = None
            await asyncio.to_thread(made.close)


_plugin = _Plugin()


@hookimpl
def lifespan(host: Host) -> AbstractAsyncContextManager[None]:
    return _plugin.opened(host)


@hookimpl
def prepare_request(draft: Draft) -> None:
    if _plugin.log is not None:
        _plugin.log.begin(draft)


@hookimpl
def filter_answer(call: Call) -> AnswerFilter | None:
    return _plugin.log.answer(call) if _plugin.log is not None else None


@hookimpl
def on_usage(record: UsageRecord) -> None:
    if _plugin.log is not None:
        _plugin.log.end(record)
