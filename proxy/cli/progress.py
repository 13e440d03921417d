"""How far a long command is."""

from __future__ import annotations

import sys

_WIDTH = 30


class Bar:
    """How far it is, in one line of a terminal; nothing elsewhere."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._last = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that so much of something is done."""
        if not self._is_shown or not total:
            return
        full = _WIDTH * min(done, total) // total
        line = f"\r{what:<12} [{'#' * full}{' ' * (_WIDTH - full)}] {done}/{total}"
        if line != self._last:
            print(line.ljust(len(self._last)), end="", file=sys.stderr, flush=True)
            self._last = line

    def clear(self) -> None:
        """Take the line away."""
        if self._last:
            print("\r" + " " * len(self._last), end="\r", file=sys.stderr, flush=True)
            self._last = ""
