"""What came of each request: one log line, and word to the plugins that take note of it.

Nothing of what was said, and no key, is in a line. Requests are noted as they end and become lines
together, a few times a second and off the event loop: a log line by itself costs about a tenth of a whole
relayed request.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Iterator
from functools import lru_cache

import orjson

from ..plugins import Caller, Usage, UsageRecord
from ..plugins.hooks import Hooks
from .auth import Principal
from .errors import OVERLOADED
from .ledger.entry import Try
from .logs import Lines
from .routing.snapshot import UsableChannel
from .tasks import Owner
from .watchers import Watchers

_log = logging.getLogger("canalgate.request")
_EVERY_S = 0.2
_MOST_WAITING = 10_000


class Record:
    """What is known of a request so far. Times are of time.monotonic()."""

    __slots__ = (
        "answered_by", "asked", "attempts", "bytes_sent", "channel", "cost", "ended_at", "endpoint",
        "error_type", "first_byte_at", "model", "principal", "problem", "queued_at", "queued_s",
        "received_at", "request_id", "status", "stream", "tries", "usage", "usage_source",
    )  # fmt: skip

    def __init__(self, request_id: str, endpoint: str, received_at: float) -> None:
        self.request_id = request_id
        self.endpoint = endpoint
        self.received_at = received_at
        self.principal: Principal | None = None
        self.channel: UsableChannel | None = None
        self.model = ""
        self.stream = False
        self.asked = b""
        """Beginning of the request's body, where bodies of all requests are kept."""
        self.answered_by = ""
        self.attempts = 0
        self.tries: tuple[Try, ...] = ()
        self.queued_s = 0.0
        """How long it has waited for a place, its own or a channel's."""
        self.queued_at: float | None = None
        """Since when it waits for one; None while it does not."""
        self.first_byte_at: float | None = None
        self.usage: Usage | None = None
        self.usage_source = ""
        self.cost = 0
        self.problem = ""
        self.error_type = ""
        self.status = 0
        self.bytes_sent = 0
        self.ended_at = 0.0

    def failed(self, error_type: str, problem: str) -> None:
        """Note what went wrong, in one word and in words for operators: see plugins.UsageRecord."""
        self.error_type, self.problem = error_type, problem

    async def queued(self, waiting: Awaitable[None]) -> None:
        """Wait for a place, and note how long that took, whatever comes of it."""
        self.queued_at = time.monotonic()
        try:
            await waiting
        finally:
            self.leave_queue()

    def leave_queue(self) -> None:
        """It waits no longer, if it did."""
        if self.queued_at is not None:
            self.queued_s += time.monotonic() - self.queued_at
            self.queued_at = None

    def fields(self) -> dict[str, object]:
        """What the line shows, in its order; what is not known is left out. 499: the client left."""
        usage = self.usage
        shown = {
            "request_id": self.request_id,
            "endpoint": self.endpoint,
            "token": self.principal.token.id if self.principal else None,
            "channel": self.channel.row.id if self.channel else None,
            "answered_by": self.answered_by or None,
            "model": self.model or None,
            "status": self.status or 499,
            "attempts": self.attempts if self.attempts > 1 else None,
            "tries": ",".join(f"{one.channel_id}:{one.outcome}" for one in self.tries) or None,
            "queue_ms": _ms(self.queued_s) or None,
            "first_byte_ms": _ms(self.first_byte_at - self.received_at) if self.first_byte_at else None,
            "total_ms": _ms(self.ended_at - self.received_at),
            "bytes": self.bytes_sent,
            "prompt_tokens": usage.prompt_tokens if usage else None,
            "completion_tokens": usage.completion_tokens if usage else None,
            "cost": self.cost or None,
            "usage_source": self.usage_source if self.usage_source not in ("", "provider") else None,
            "problem": self.problem or None,
        }
        return {name: value for name, value in shown.items() if value is not None}

    def told(self, clock_offset: float) -> UsageRecord:
        """What plugins get. `clock_offset` is what turns time.monotonic() into unix time."""
        channel = self.channel
        return UsageRecord(
            request_id=self.request_id,
            endpoint=self.endpoint,
            model=self.model,
            upstream_model=channel.upstream_model(self.model) if channel else "",
            stream=self.stream,
            status=self.status or 499,
            caller=caller_of(self.principal) if self.principal else None,
            channel_id=channel.row.id if channel else None,
            channel_name=channel.row.name if channel else "",
            adapter=channel.adapter.name if channel else "",
            usage=self.usage,
            usage_source=self.usage_source,
            cost=self.cost,
            attempts=self.attempts,
            bytes_sent=self.bytes_sent,
            first_byte_s=self.first_byte_at - self.received_at if self.first_byte_at else None,
            total_s=self.ended_at - self.received_at,
            ended_at=self.ended_at + clock_offset,
            problem=self.problem,
            answered_by=self.answered_by,
            error_type=self.error_type or (str(self.status) if self.status >= 400 else ""),
        )


def caller_of(principal: Principal) -> Caller:
    """Return who asks, as plugins know it."""
    token, user = principal.token, principal.user
    return Caller(token.id, token.name, user.id, user.name, user.group, principal.pin)


class AccessLog:
    """Collects records, logs them and tells plugins. An async context manager; leaving it empties it."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self._owner = Owner()
        self._waiting: list[Record] = []
        self.watchers = Watchers[Record]()

    async def __aenter__(self) -> AccessLog:
        self._owner.repeat(self._flush, _EVERY_S, "access log")
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._owner.close()
        await self._flush()

    def add(self, record: Record) -> None:
        """Note the end of a request. One that finds thousands waiting is dropped."""
        if len(self._waiting) < _MOST_WAITING:
            record.ended_at = time.monotonic()
            self._waiting.append(record)

    async def _flush(self) -> None:
        records, self._waiting = self._waiting, []
        lines = [
            record for record in records if _log.isEnabledFor(_level(record)) and not _is_one_of_many(record)
        ]
        if refused := sum(map(_is_one_of_many, records)):
            _log.warning("requests refused under load count=%d", refused)
        if lines:
            _log.log(max(map(_level, lines)), _Requests(lines))
        self.watchers.tell(records)
        if self._hooks.observes:
            offset = time.time() - time.monotonic()
            for record in records:
                self._hooks.on_usage(record.told(offset))


class _Requests(Lines):
    def __init__(self, records: list[Record]) -> None:
        self._records = records
        self._clock_offset = time.time() - time.monotonic()

    def human(self) -> Iterator[str]:
        for record in self._records:
            text = " ".join([f"{name}={_shown(value)}" for name, value in record.fields().items()])
            level = logging.getLevelName(_level(record))
            yield f"{self._time(record)} {level:<7} {_log.name} request {text}"

    def json(self) -> Iterator[str]:
        for record in self._records:
            named = {"time": self._time(record), "level": logging.getLevelName(_level(record))}
            line = {**named, "logger": _log.name, "message": "request", **record.fields()}
            yield orjson.dumps(line).decode()

    def _time(self, record: Record) -> str:
        at = record.ended_at + self._clock_offset
        return f"{_second(int(at))},{int(at % 1 * 1000):03d}"


def _is_one_of_many(record: Record) -> bool:
    """Whether a request was sent away under load: thousands of these are told in one line."""
    return record.error_type == OVERLOADED


def _level(record: Record) -> int:
    return logging.WARNING if record.status >= 500 else logging.INFO


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _shown(value: object) -> object:
    if type(value) is str and (" " in value or not value.isprintable()):
        return repr(value)
    return value


@lru_cache(maxsize=8)
def _second(at: int) -> str:
    """A time as `logging` writes it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
