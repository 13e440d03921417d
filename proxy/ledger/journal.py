"""The file that an answer is written to before its last bytes leave.

A folder for each run of a gateway, locked while it lives: a folder that can be locked belongs to a
gateway that died. A record is its length, its checksum and its bytes. A record's position is the number
of bytes before its end, counted through all files of the run.

A write that has returned survives the death of the process. `sync` makes it survive the machine's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..disk import lock, sync_folder

_FRAME = struct.Struct("<II")
_AHEAD_BYTES = 1024 * 1024
"""Space taken ahead, so that answers under way can still be written down when the disk is full."""

_LOW_BYTES = _AHEAD_BYTES // 2
_FILE_BYTES = 64 * 1024 * 1024
_SUFFIX = ".log"
_LOCK = "lock"
_UNBORN = "."


class _Full(NamedTuple):
    """A file that takes no more records, with the position of its end."""

    end: int
    file: int
    path: Path


class Journal:
    """The journal of this run. Opening one raises OSError."""

    def __init__(self, folder: Path) -> None:
        self.owner = f"{os.getpid():x}-{secrets.token_hex(6)}"
        new = folder / f"{_UNBORN}{self.owner}"  # so that nobody locks it before we do
        new.mkdir(mode=0o700, parents=True)
        lock = _lock(new)
        assert lock is not None
        self._lock = lock
        self._folder = new.rename(folder / self.owner)
        self._full: list[_Full] = []
        self.position = 0
        self._begin_file()
        self.make_room()

    def append(self, record: bytes) -> int:
        """Write a record; returns its position. Raises OSError, and nothing of it counts then."""
        frame = _FRAME.pack(len(record), zlib.crc32(record)) + record
        if os.write(self._file, frame) != len(frame):
            os.lseek(self._file, self.position - self._base, os.SEEK_SET)
            raise OSError(errno.ENOSPC, "the journal took half a record")
        self.position += len(frame)
        return self.position

    def make_room(self) -> None:
        """Take space for the records to come; may wait for the disk. Raises OSError where it is full."""
        if self._room_end - (self.position - self._base) < _LOW_BYTES:
            _allocate(self._file, self._room_end, _AHEAD_BYTES)
            self._room_end += _AHEAD_BYTES

    def sync(self) -> None:
        """Have everything appended so far survive a loss of power. Waits for the disk."""
        for file in (*(old.file for old in self._full), self._file):
            getattr(os, "fdatasync", os.fsync)(file)

    def imported(self, position: int) -> None:
        """Everything up to here is in the database: files not needed any more go, a large one is closed."""
        if self.position - self._base > _FILE_BYTES:
            self._full.append(_Full(self.position, self._file, self._path))
            self._begin_file()
        while self._full and self._full[0].end <= position:
            old = self._full.pop(0)
            os.close(old.file)
            old.path.unlink()

    def close(self, *, remove: bool) -> None:
        """Let go of it; `remove` where everything is imported."""
        folder = _hidden(self._folder) if remove else self._folder
        for file in (*(old.file for old in self._full), self._file, self._lock):
            os.close(file)
        if remove:
            shutil.rmtree(folder, ignore_errors=True)

    def _begin_file(self) -> None:
        self._base = self.position
        self._path = self._folder / f"{self._base:020d}{_SUFFIX}"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._room_end = 0
        sync_folder(self._folder)


class DeadJournal:
    """The journal of a gateway that is gone, locked by us until it is closed."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.owner = folder.name
        self._folder = folder
        self._lock = lock

    def records(self, after: int) -> Iterator[tuple[int, bytes]]:
        """Yield the records beyond a position, each with its own.

        A file ends at the first record that is not whole: one that was being written when everything
        stopped, and that nobody was told of.
        """
        for path in sorted(self._folder.glob("*" + _SUFFIX)):
            base, data, at = int(path.stem), path.read_bytes(), 0
            while at + _FRAME.size <= len(data):
                size, checksum = _FRAME.unpack_from(data, at)
                record = data[at + _FRAME.size : at + _FRAME.size + size]
                if not size or len(record) < size or zlib.crc32(record) != checksum:
                    break
                at += _FRAME.size + size
                if base + at > after:
                    yield base + at, record

    def close(self, *, remove: bool) -> None:
        """Let go of it; `remove` where everything is imported."""
        folder = _hidden(self._folder) if remove else self._folder
        os.close(self._lock)
        if remove:
            shutil.rmtree(folder, ignore_errors=True)


def dead_journals(folder: Path) -> Iterator[DeadJournal]:
    """Yield the journals in a folder that no living gateway has locked."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir() and not path.name.startswith(_UNBORN):
            lock = _lock(path)
            if lock is not None:
                yield DeadJournal(path, lock)


def is_in_use(folder: Path) -> bool:
    """Say whether a gateway that lives has a journal in a folder."""
    names = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
    for journal in dead_journals(folder):
        names.discard(journal.owner)
        journal.close(remove=False)
    return any(not name.startswith(_UNBORN) for name in names)


def _lock(folder: Path) -> int | None:
    """Lock a journal for as long as this process lives; None if another has it, or has just removed it."""
    try:
        file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return None
    try:
        lock(file)
        os.stat(folder / _LOCK)  # raises where its gateway has just taken it away
    except OSError:
        os.close(file)
        return None
    return file


def _hidden(folder: Path) -> Path:
    """Take a journal away from those that look for dead ones, before it is unlocked and removed."""
    with contextlib.suppress(OSError):  # Windows renames no folder with open files
        return folder.rename(folder.with_name(_UNBORN + folder.name))
    return folder


def _allocate(file: int, start: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, start, size)
    elif hasattr(os, "pwrite"):
        os.pwrite(file, bytes(size), start)
