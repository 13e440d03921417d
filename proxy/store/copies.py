"""A copy of a database file that gateways are using, and proof that such a copy is whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from .database import DatabaseError

_PAGES = 4096
"""Copied between two calls of `progress`: 16 MB."""

Progress = Callable[[str, int, int], None]


def copy_sqlite(file: Path, to: Path, progress: Progress) -> None:
    """Copy a database as it is at one moment, into a file that is not there yet; waits for the disk.

    Nobody is kept from writing meanwhile. Raises DatabaseError.
    """
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as source:
            # What a reader sees stays as it is, so that the copying need not begin again at each change.
            source.execute("BEGIN")
            source.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            with closing(sqlite3.connect(to)) as copy:
                source.backup(
                    copy,
                    pages=_PAGES,
                    progress=lambda _, left, total: progress("database", total - left, total),
                )
    except sqlite3.Error as exc:
        raise DatabaseError(f"{file}: {exc}") from exc


def check_sqlite(file: Path) -> None:
    """Read a whole database file; waits for the disk. Raises DatabaseError if it is damaged."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as exc:
        raise DatabaseError(f"{file.name}: {exc}") from exc
    if found != "ok":
        raise DatabaseError(f"{file.name}: {found}")
