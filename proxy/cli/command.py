"""How a command that works on an installation is run."""

from __future__ import annotations

import argparse
import asyncio
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


def on_installation(work: Work) -> Run:
    """Return a command that opens the installation, does the work and closes it.

    What the work returns is the exit status.
    """

    async def inside(config: Config, options: argparse.Namespace) -> int:
        async with opened(config) as parts:
            return await work(parts, options) or 0

    return lambda config, options: asyncio.run(inside(config, options))


def names(text: str | None) -> tuple[str, ...]:
    """Split a list like A,B; doubles are dropped, order is kept."""
    return tuple(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))


def row_id(text: str) -> int:
    """Read the id of a channel or token. Raises ValueError for what can be none."""
    if not 0 < int(text) < 2**63:
        raise ValueError
    return int(text)


row_id.__name__ = "id"  # argparse says "invalid id value: 'x'"
