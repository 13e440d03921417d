"""Change what is there without losing what somebody else changes at the same time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from ..store import Store, StoreError
from ..store.changes import Missing, Moved

T = TypeVar("T")

_TRIES = 8


async def edited(
    store: Store,
    what: str,
    read: Callable[[], Awaitable[T | None]],
    change: Callable[[T], T],
    write: Callable[[T, int], Awaitable[None]],
) -> tuple[T, T]:
    """Read, change and write; again if anything was changed meanwhile. Returns what was and what is.

    What `change` returns as it was is not written. `write` takes the generation at which was read.
    Raises Missing if there is no `what`.
    """
    for _ in range(_TRIES):
        generation = await store.generation()
        before = await read()
        if before is None:
            raise Missing(f"there is no {what}")
        after = change(before)
        if after == before:
            return before, after
        with suppress(Moved):
            await write(after, generation)
            return before, after
    raise StoreError(f"{what} is being changed by others; try again")
