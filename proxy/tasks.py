"""The owner of a component's background tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Coroutine[Any, Any, None]


class Owner:
    """Holds tasks so that none is lost, and cancels them when their component closes."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run a coroutine in the background until it ends or `close` is called."""
        task = asyncio.create_task(work, name=name)  # noqa: TID251  the one place that may
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def run(self, work: Work, name: str) -> asyncio.Task[None] | None:
        """Run a coroutine now; only if it has to wait does it become a task, which is returned.

        Most requests find everything they need in memory and never wait, and a task with its turn of the
        loop would cost them more than all their look-ups. As there is no task before the first wait, the
        work may not start with what needs one: `asyncio.timeout`.
        """
        try:
            waiting = work.send(None)
        except StopIteration:
            return None
        return self.start(_Continued(work, waiting), name)

    def repeat(self, work: Callable[[], Awaitable[None]], every_s: float, name: str) -> None:
        """Call `work` again and again. A failure is logged and does not end the loop."""
        self.start(_repeat(work, every_s, name), name)

    async def join(self) -> None:
        """Wait until everything that runs has ended."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """Cancel what still runs and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Continued(Coroutine[Any, Any, None]):
    """A coroutine that has run up to its first wait, as one that begins with that wait.

    Not a generator around it: cancelled before its first step, that would never have run, and what has to
    be done in the end would not be.
    """

    def __init__(self, work: Work, waiting: Any) -> None:
        self._work = work
        self._waiting = waiting

    def send(self, value: Any) -> Any:
        waiting, self._waiting = self._waiting, None
        return waiting if waiting is not None else self._work.send(value)

    def throw(self, *exc: Any) -> Any:
        self._waiting = None
        return self._work.throw(*exc)

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, None]:
        raise TypeError("only a task runs this")


async def _repeat(work: Callable[[], Awaitable[None]], every_s: float, name: str) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await work()
        except Exception:
            log.exception("background work failed name=%s", name)
