"""How far a long command is."""

from __future__ import annotations

import sys
from typing import Self

_WIDTH = 30


class Bar:
    """How far it is, in one line of a terminal on standard error; nothing elsewhere. Gone at the end."""

    def __init__(self, what: str = "") -> None:
        self._is_shown = sys.stderr.isatty()
        self._what = what
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.clear()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that so much of something is done."""
        if not self._is_shown or not total:
            return
        full = _WIDTH * min(done, total) // total
        line = f"\r{what:<12} [{'#' * full}{' ' * (_WIDTH - full)}] {done}/{total}"
        if line != self._last:
            print(line.ljust(len(self._last)), end="", file=sys.stderr, flush=True)
            self._last = line

    def steps(self, done: int, total: int) -> None:
        """Show that so much is done of what the bar is about."""
        self(self._what, done, total)

    def clear(self) -> None:
        """Take the line away."""
        if self._last:
            print("\r" + " " * len(self._last), end="\r", file=sys.stderr, flush=True)
            self._last = ""
