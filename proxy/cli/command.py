"""How a command that works on an installation is run."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from ..config import Config
from ..host import Opened, opened

if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = object

Run: TypeAlias = Callable[[Config, argparse.Namespace], int]
Work: TypeAlias = Callable[[Opened, argparse.Namespace], Awaitable[int | None]]


Ask: TypeAlias = Callable[[argparse.Namespace], None]


def on_installation(work: Work, ask: Ask | None = None) -> Run:
    """Return a command that opens the installation, does the work and closes it.

    What the work returns is the exit status. `ask` asks for what a person has to type, before any of it: an
    event loop would wait for the line to end before it took Ctrl-C.
    """

    async def inside(config: Config, options: argparse.Namespace) -> int:
        async with opened(config) as parts:
            return await work(parts, options) or 0

    def run(config: Config, options: argparse.Namespace) -> int:
        if ask is not None:
            ask(options)
        return asyncio.run(inside(config, options))

    return run


def typed(prompt: str) -> str:
    """Return what is typed at a terminal without showing it, or a line of standard input."""
    return getpass.getpass(f"{prompt}: ") if sys.stdin.isatty() else sys.stdin.readline().strip()


def names(text: str | None) -> tuple[str, ...]:
    """Split a list like A,B; doubles are dropped, order is kept."""
    return tuple(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))


def row_id(text: str) -> int:
    """Read the id of a channel or token. Raises ValueError for what can be none."""
    if not 0 < int(text) < 2**63:
        raise ValueError
    return int(text)


row_id.__name__ = "id"  # argparse says "invalid id value: 'x'"
