"""Logging: one line an event on standard error, for people or as JSON, never blocking the event loop.

Messages are a constant text and then key=value; the JSON form takes the values as fields.
"""

from __future__ import annotations

import logging
import logging.handlers
import queue
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import orjson

from .config import Log

_MAX_QUEUED = 10_000
_HUMAN = "%(asctime)s %(levelname)-7s %(name)s %(message)s"


class Lines(ABC):
    """A log message of many lines that knows how each of them looks. Logged like a text."""

    @abstractmethod
    def human(self) -> Iterable[str]:
        """The lines for people, each whole."""

    @abstractmethod
    def json(self) -> Iterable[str]:
        """The lines as JSON, each whole."""

    def __str__(self) -> str:
        return "\n".join(self.human())


@contextmanager
def logging_to_stderr(settings: Log) -> Iterator[None]:
    """Write log lines from a thread of their own; what is still queued is written before leaving."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if settings.format == "json" else _Human(_HUMAN))
    lines: queue.Queue[logging.LogRecord] = queue.Queue(_MAX_QUEUED)
    front = _DroppingHandler(lines)
    listener = logging.handlers.QueueListener(lines, handler)
    root = logging.getLogger()
    root.setLevel(settings.level.upper())
    root.addHandler(front)
    listener.start()
    try:
        yield
    finally:
        root.removeHandler(front)
        listener.stop()


class _Human(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return str(record.msg) if isinstance(record.msg, Lines) else super().format(record)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, Lines):
            return "\n".join(record.msg.json())
        line = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _ALWAYS_THERE},
        }
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


_ALWAYS_THERE = frozenset(vars(logging.makeLogRecord({})))


class _DroppingHandler(logging.handlers.QueueHandler):
    """A line is dropped rather than letting a stuck terminal stop the gateway."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Keep the record as it is: the fields of the JSON form travel in it."""
        return record

    def handleError(self, record: logging.LogRecord) -> None:
        pass
