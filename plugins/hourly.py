"""Write lines into hourly files from a thread of its own, and delete the files when they are old.

Whoever adds an item never waits: what the thread cannot keep up with, or the disk does not take, is dropped
and counted. Files are their owner's alone. Several processes may write to one folder.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

_HOUR_S, _MINUTE_S, _STOP_S = 3600.0, 60.0, 10.0
_MOST_A_WRITE = 64
_FILE_NAME = "%Y-%m-%dT%HZ"
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
"""Windows has the last two not: there nothing is inherited or linked by default."""


class Drops:
    """Counts what is not written and warns of it, once a minute at the most. For any thread."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self._name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0
        self._why = ""
        self._warned_at = -inf

    def add(self, count: int, why: str) -> None:
        """Count items; `why` is shown if it is the last reason before a warning."""
        with self._lock:
            self._count += count
            self._why = why
        self.warn()

    def warn(self, *, at_once: bool = False) -> None:
        """Warn if there is something to warn of and the last time is a minute ago, or `at_once`."""
        with self._lock:
            now = self._clock()
            if not self._count or (now - self._warned_at < _MINUTE_S and not at_once):
                return
            count, self._count, self._warned_at = self._count, 0, now
        log.warning("%s dropped entries count=%d reason=%r", self._name, count, self._why)


class HourlyWriter(Generic[T]):
    """Makes a line of each item (`make_line`, called in the thread) and appends it to the hour's file.

    A file is kept until its last line is `keep_hours` old. At most `max_waiting` items wait. `clock` gives
    unix time.
    """

    def __init__(
        self,
        folder: Path,
        make_line: Callable[[T], bytes],
        *,
        keep_hours: int,
        max_waiting: int,
        drops: Drops,
        clock: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._make_line = make_line
        self._keep_s = keep_hours * _HOUR_S
        self._drops = drops
        self._clock = clock
        self._pruned_at = -inf
        self._waiting: queue.Queue[T | None] = queue.Queue(max_waiting)
        self._thread = threading.Thread(target=self._run, name=folder.name, daemon=True)

    def start(self) -> None:
        """Make the folder and begin. Raises OSError if the folder cannot be made its owner's alone."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._folder.chmod(0o700)
        self._thread.start()

    def add(self, item: T) -> None:
        """Have an item written, or drop it if too many wait."""
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            self._drops.add(1, "too many wait to be written")

    def stop(self) -> None:
        """Write what waits and end; blocks. A disk that does not answer is waited for some seconds."""
        with contextlib.suppress(queue.Full):  # then the thread hangs, which is seen below
            self._waiting.put(None, timeout=_STOP_S)
        self._thread.join(_STOP_S)
        if self._thread.is_alive():
            self._drops.add(self._waiting.qsize(), "the disk does not answer")

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            taken = self._take()
            goes_on = None not in taken
            try:
                self._write([line for item in taken if item is not None for line in self._lines(item)])
                self._prune()
                self._drops.warn()
            except Exception:  # the border of a background loop
                log.exception("hourly files failed folder=%s", self._folder.name)

    def _take(self) -> list[T | None]:
        """Return what waits, after a minute at the most, and not so much that its lines fill the memory."""
        taken: list[T | None] = []
        with contextlib.suppress(queue.Empty):
            taken.append(self._waiting.get(timeout=_MINUTE_S))
            while taken[-1] is not None and len(taken) < _MOST_A_WRITE:
                taken.append(self._waiting.get_nowait())
        return taken

    def _lines(self, item: T) -> Iterator[bytes]:
        try:
            yield self._make_line(item)
        except Exception as exc:  # one item must not take the others with it
            self._drops.add(1, f"cannot be shown: {type(exc).__name__}")

    def _write(self, lines: list[bytes]) -> None:
        left = b"".join(lines)
        if not left:
            return
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)  # somebody may have taken it away
            file = os.open(self._folder / f"{_utc(self._clock()):{_FILE_NAME}}.jsonl", _FLAGS, 0o600)
            try:
                _end_half_a_line(file)
                while left:
                    left = left[os.write(file, left) :]
            finally:
                os.close(file)
        except OSError as exc:
            self._drops.add(left.count(b"\n"), exc.strerror or type(exc).__name__)

    def _prune(self) -> None:
        """Delete files whose last line is too old, once a minute. Other names are left alone."""
        now = self._clock()
        if abs(now - self._pruned_at) < _MINUTE_S:
            return
        self._pruned_at = now
        for path in self._folder.glob("*.jsonl"):
            began_at = _began_at(path)
            if began_at is not None and began_at + _HOUR_S + self._keep_s <= now:
                try:
                    path.unlink(missing_ok=True)
                except OSError as exc:
                    log.warning("old file cannot be deleted file=%s reason=%r", path, exc.strerror)


def _end_half_a_line(file: int) -> None:
    """Begin a new line where a crash or a full disk has left half of one."""
    os.fchmod(file, 0o600)
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")


def _began_at(path: Path) -> float | None:
    try:
        return datetime.strptime(path.stem, _FILE_NAME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
