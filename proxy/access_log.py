"""One log line a request. Nothing of what was said, and no key, is in it.

Requests are noted as they end and become lines together, a few times a second and off the event loop: a
log line by itself costs about a tenth of a whole relayed request.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from functools import lru_cache

import orjson

from ..plugins import Usage
from .logs import Lines
from .tasks import Owner

_log = logging.getLogger("canalgate.request")
_EVERY_S = 0.2
_MOST_WAITING = 10_000


class Record:
    """What is known of a request so far. Times are of time.monotonic()."""

    __slots__ = (
        "attempts", "bytes_sent", "channel", "ended_at", "endpoint", "first_byte_at", "model", "problem",
        "received_at", "request_id", "status", "token", "usage",
    )  # fmt: skip

    def __init__(self, request_id: str, endpoint: str, received_at: float) -> None:
        self.request_id = request_id
        self.endpoint = endpoint
        self.received_at = received_at
        self.token: int | None = None
        self.channel: int | None = None
        self.model = ""
        self.attempts = 0
        self.first_byte_at: float | None = None
        self.usage: Usage | None = None
        self.problem = ""
        self.status = 0
        self.bytes_sent = 0
        self.ended_at = 0.0

    def fields(self) -> dict[str, object]:
        """What the line shows, in its order; what is not known is left out. 499: the client left."""
        usage = self.usage
        shown = {
            "request_id": self.request_id,
            "endpoint": self.endpoint,
            "token": self.token,
            "channel": self.channel,
            "model": self.model or None,
            "status": self.status or 499,
            "attempts": self.attempts if self.attempts > 1 else None,
            "first_byte_ms": _ms(self.first_byte_at - self.received_at) if self.first_byte_at else None,
            "total_ms": _ms(self.ended_at - self.received_at),
            "bytes": self.bytes_sent,
            "prompt_tokens": usage.prompt_tokens if usage else None,
            "completion_tokens": usage.completion_tokens if usage else None,
            "problem": self.problem or None,
        }
        return {name: value for name, value in shown.items() if value is not None}


class AccessLog:
    """Collects records and logs them. An async context manager; leaving it logs what still waits."""

    def __init__(self) -> None:
        self._owner = Owner()
        self._waiting: list[Record] = []

    async def __aenter__(self) -> AccessLog:
        self._owner.repeat(self._flush, _EVERY_S, "access log")
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._owner.close()
        await self._flush()

    def add(self, record: Record) -> None:
        """Note the end of a request. A line that finds thousands waiting is dropped."""
        if len(self._waiting) < _MOST_WAITING and _log.isEnabledFor(_level(record)):
            record.ended_at = time.monotonic()
            self._waiting.append(record)

    async def _flush(self) -> None:
        if self._waiting:
            records, self._waiting = self._waiting, []
            _log.log(max(map(_level, records)), _Requests(records))


class _Requests(Lines):
    def __init__(self, records: list[Record]) -> None:
        self._records = records
        self._clock_offset = time.time() - time.monotonic()

    def human(self) -> Iterator[str]:
        for record in self._records:
            text = " ".join(f"{name}={_shown(value)}" for name, value in record.fields().items())
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


def _level(record: Record) -> int:
    return logging.WARNING if record.status >= 500 else logging.INFO


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _shown(value: object) -> str:
    text = str(value)
    return repr(text) if " " in text or not text.isprintable() else text


@lru_cache(maxsize=8)
def _second(at: int) -> str:
    """A time as `logging` writes it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
