"""Reserve before a provider is asked, settle once when its answer ends, and have that written down.

The book says what may be spent, the journal keeps what was, the importer brings it into the database.
This module is their order and their clock. It never estimates, prices or counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from ..errors import ConfigError, GatewayError
from ..store import Store
from ..store.database import DatabaseError
from ..tasks import Owner
from .book import Account, Book, Reservation
from .entry import Charge, Entry
from .importer import BATCH, Importer, JournalError, Written, encode, recover
from .journal import Journal

log = logging.getLogger(__name__)

Durability = Literal["process", "power", "database"]

FOLDER = "ledger"
_AGAIN_S = 0.2
_STOP_S = 5.0
_IDLE_S = 5.0
_LEASE_REQUESTS = 16
"""A lease is made for about so many requests like the one that needs it."""

_REFUSED_S = 0.2
_PAUSES_S = (0.02, 0.1)
_MOST_WAITING = 100_000
_NOTHING_HELD = Reservation(0, ())


class Ledger:
    """The ledger of this gateway. An async context manager: entering it books what dead gateways left."""

    def __init__(
        self, store: Store, data_dir: Path, durability: Durability = "process", flush_s: float = 0.2
    ) -> None:
        self._store = store
        self._folder = data_dir / FOLDER
        self._durability = durability
        self._flush_s = flush_s
        self._book = Book()
        self._owner = Owner()
        self._leasing = asyncio.Lock()
        self._ripe = asyncio.Event()
        self._unsynced = asyncio.Event()
        self._unwritten: list[Entry] = []
        self._waiting: list[Written] = []
        self._callbacks: list[tuple[int, Callable[[], None]]] = []
        self._problem = ""
        self._stopping = False
        self._idle_s = _IDLE_S

    async def __aenter__(self) -> Ledger:
        count = await recover(self._store, self._folder)
        if count:
            log.warning("booked what a gateway had left that was killed records=%d", count)
        try:
            self._journal = Journal(self._folder)
        except OSError as exc:
            raise ConfigError(
                f"{self._folder}: {exc.strerror}; free some space or choose another folder"
            ) from exc
        await self._store.accounts.open_journal(self._journal.owner, int(time.time()))
        self._importer = Importer(self._store, self._journal.owner)
        self._owner.start(self._import_always(), "ledger")
        if self._durability == "power":
            self._owner.start(self._sync_always(), "ledger sync")
        return self

    async def __aexit__(self, *exc: object) -> None:
        # A transaction under way ends by itself: broken off, the database would have to find that out first.
        self._stopping = True
        self._ripe.set()
        self._unsynced.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await self._owner.join()
        await self._owner.close()
        try:
            self._write_again()
            while self._waiting:
                await self._import()
            await self._store.accounts.release(self._journal.owner)
        except (OSError, DatabaseError) as problem:
            log.error(
                "the next start will book what is left records=%d problem=%s", len(self._waiting), problem
            )
            self._journal.close(remove=False)
        else:
            self._journal.close(remove=True)

    # Before a provider is asked.

    @property
    def problem(self) -> str:
        """Why nothing that costs money can be served now; empty if it can."""
        return self._problem

    def reserve_now(self, names: Sequence[str], amount: int) -> Reservation | None:
        """Set an amount aside on each of these accounts, if the leases at hand allow it.

        Raises GatewayError 503 where nothing can be written down.
        Without any name it is only asked whether something that costs may be served.
        """
        if self._problem or len(self._waiting) >= _MOST_WAITING:
            raise unavailable()
        if not names and not amount:
            return _NOTHING_HELD
        found = self._book.reserve(names, amount, time.monotonic())
        return found if isinstance(found, Reservation) else None

    async def reserve(
        self, names: Sequence[str], amount: int, budgets: Mapping[str, int]
    ) -> Reservation | str:
        """Set an amount aside, taking larger leases; returns the account that has not so much.

        `budgets` are those among the names that begin with their period, and what they begin with. Raises
        GatewayError 503 where the database cannot be asked.
        """
        async with self._leasing:
            while True:
                found = self._book.reserve(names, amount, time.monotonic())
                if isinstance(found, Reservation):
                    return found
                if not await self._extend(found, amount - found.free, amount * _LEASE_REQUESTS, budgets):
                    return found.name

    async def extend(self, reservation: Reservation, budgets: Mapping[str, int]) -> str | None:
        """Set the same amount aside on more accounts; returns the one that has not so much. See `reserve`."""
        if reservation is _NOTHING_HELD:
            return None
        async with self._leasing:
            while True:
                account = self._book.extend(reservation, list(budgets), time.monotonic())
                if account is None:
                    return None
                amount = reservation.amount
                if not await self._extend(account, amount - account.free, amount * _LEASE_REQUESTS, budgets):
                    return account.name

    def shrink(self, reservation: Reservation, names: Sequence[str]) -> None:
        """Take nothing from these accounts after all."""
        self._book.shrink(reservation, names)

    def cancel(self, reservation: Reservation) -> None:
        """The request costs nothing."""
        if reservation is not _NOTHING_HELD:
            self._book.cancel(reservation)

    # When the answer ends.

    def charge_now(self, reservation: Reservation, cost: int) -> tuple[Charge, ...] | None:
        """End a reservation with what the request cost; None if `charge` has to ask for more."""
        if reservation is _NOTHING_HELD:
            return ()
        if self._book.missing(reservation, cost):
            return None
        return self._book.settle(reservation, cost)

    async def charge(self, reservation: Reservation, cost: int) -> tuple[Charge, ...]:
        """End a reservation with a cost beyond it: accounts give what they have."""
        async with self._leasing:
            try:
                # Others may reserve what is taken here before it can be used, so look again.
                while missing := self._book.missing(reservation, cost):
                    if not all([await self._take(account, 1, more) for account, more in missing]):
                        break
            except DatabaseError as exc:
                self._fail(exc)
            return self._book.settle(reservation, cost)

    def write(self, entry: Entry, written: Callable[[], None]) -> None:
        """Write down how a request ended; `written` is called, perhaps at once, when that is durable.

        Where it cannot be, for a full disk, the answer goes out all the same and is booked when it can.
        """
        try:
            position = self._journal.append(encode(entry))
        except OSError as exc:
            self._fail(exc)
            self._unwritten.append(entry)
            written()
            return
        self._waiting.append(Written(position, entry))
        if self._durability == "process":
            written()
        else:
            self._callbacks.append((position, written))
            (self._unsynced if self._durability == "power" else self._ripe).set()
        if len(self._waiting) >= BATCH:
            self._ripe.set()

    def pending(self, request_id: str) -> Entry | None:
        """Return an entry that is written and not in the database yet."""
        entries = (*(one.entry for one in self._waiting), *self._unwritten)
        return next((entry for entry in entries if entry.request_id == request_id), None)

    # Behind the requests.

    def keep_no_spare(self) -> None:
        """Another gateway serves from now on: give back at once what no reservation holds."""
        self._idle_s = 0.0

    async def _sync_always(self) -> None:
        """Sync what was written since the last time, all of it at once."""
        while not self._stopping:
            await self._unsynced.wait()
            self._unsynced.clear()
            position = self._journal.position
            try:
                await asyncio.to_thread(self._journal.sync)
            except OSError as exc:
                self._fail(exc)
            self._tell(position)

    async def _import_always(self) -> None:
        while not self._stopping:
            try:
                async with asyncio.timeout(self._flush_s):
                    await self._ripe.wait()
            except TimeoutError:
                pass
            self._ripe.clear()
            try:
                await self._tick()
            except (OSError, DatabaseError, JournalError) as exc:
                self._fail(exc)
                await asyncio.sleep(_AGAIN_S)
            except Exception:
                log.exception("background work failed name=ledger")
                await asyncio.sleep(_AGAIN_S)

    async def _tick(self) -> None:
        self._write_again()
        await self._import()
        await asyncio.to_thread(self._journal.make_room)
        await self._give_back(time.monotonic() - self._idle_s)
        if self._problem and not self._waiting:
            await self._store.accounts.beat(
                self._journal.owner, int(time.time())
            )  # it can be written to again
            log.warning("the ledger can be written again")
            self._problem = ""

    async def _import(self) -> None:
        batch = self._waiting[:BATCH]
        if not batch:
            return
        await self._importer.book(batch)
        del self._waiting[: len(batch)]
        self._journal.imported(self._importer.position)
        if self._durability == "database":
            self._tell(self._importer.position)
        if self._waiting:
            self._ripe.set()

    def _tell(self, position: int) -> None:
        """Call those whose record is durable."""
        ready = [written for at, written in self._callbacks if at <= position]
        self._callbacks = [one for one in self._callbacks if one[0] > position]
        for written in ready:
            written()

    def _write_again(self) -> None:
        while self._unwritten:
            position = self._journal.append(encode(self._unwritten[0]))
            self._waiting.append(Written(position, self._unwritten.pop(0)))

    async def _give_back(self, before: float) -> None:
        async with self._leasing:
            for account in list(self._book.idle(before)):
                # Where it fails the lease is the database's to return, when this gateway stops.
                amount, account.left = account.left, 0
                await self._store.accounts.give_back(self._journal.owner, account.name, amount)

    async def _extend(self, account: Account, least: int, most: int, budgets: Mapping[str, int]) -> bool:
        """Take a larger lease; says whether there is at least as much as needed."""
        now = time.monotonic()
        if account.is_refused(least, now):
            return False
        try:
            if account.name in budgets:
                await self._store.accounts.open_budget(account.name, budgets[account.name])
            if await self._take(account, least, max(least, most)):
                return True
        except DatabaseError as exc:
            self._fail(exc)
            raise unavailable() from exc
        account.refused_least, account.refused_until = least, now + _REFUSED_S
        return False

    async def _take(self, account: Account, least: int, most: int) -> int:
        """Take a larger lease. A database that was busy is asked again, twice."""
        for pause_s in _PAUSES_S:
            try:
                taken = await self._store.accounts.take(self._journal.owner, account.name, least, most)
                break
            except DatabaseError:
                await asyncio.sleep(pause_s)
        else:
            taken = await self._store.accounts.take(self._journal.owner, account.name, least, most)
        account.left += taken
        account.used_at = time.monotonic()
        return taken

    def _fail(self, exc: Exception) -> None:
        if not self._problem:
            log.error(
                "the ledger cannot be written; nothing that costs is served until it can problem=%s", exc
            )
        self._problem = str(exc) or type(exc).__name__


def unavailable() -> GatewayError:
    """What a request gets that would cost, while nothing can be written down."""
    return GatewayError(
        503, "the gateway cannot account for requests at the moment", type="server_error",
        code="ledger_unavailable", headers={"retry-after": "1"},
    )  # fmt: skip
