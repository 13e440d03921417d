"""The owner of a component's background tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)


class Owner:
    """Holds tasks so that none is lost, and cancels them when their component closes."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Run a coroutine in the background until it ends or `close` is called."""
        task = asyncio.create_task(work, name=name)  # noqa: TID251  the one place that may
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def repeat(self, work: Callable[[], Awaitable[None]], every_s: float, name: str) -> None:
        """Call `work` again and again. A failure is logged and does not end the loop."""
        self.start(_repeat(work, every_s, name), name)

    async def close(self) -> None:
        """Cancel what still runs and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def beside(main: Coroutine[Any, Any, None], side: Coroutine[Any, Any, None]) -> bool:
    """Run `main` to its end with `side` next to it; says whether `side` had ended by then.

    A failure of either ends both and is raised. No task outlives the call.
    """
    tasks = [asyncio.ensure_future(main), asyncio.ensure_future(side)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            await tasks[1]
        side_ended = tasks[1].done()
        await tasks[0]
        return side_ended
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _repeat(work: Callable[[], Awaitable[None]], every_s: float, name: str) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await work()
        except Exception:
            log.exception("background work failed name=%s", name)
