"""Bring records from the journal into the database, each exactly once, and pay out leases of the dead."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..store import Store
from .entry import Entry
from .journal import DeadJournal, dead_journals

log = logging.getLogger(__name__)

encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Entry)
BATCH = 500
"""Most records in one transaction."""


class Written(NamedTuple):
    """A record and its end's position in the journal."""

    position: int
    entry: Entry


class Importer:
    """Books the records of one journal."""

    def __init__(self, store: Store, owner: str, position: int = 0) -> None:
        self._store = store
        self._owner = owner
        self.position = position
        """Everything up to here is booked."""

    async def book(self, written: Sequence[Written]) -> None:
        """Book these records. Raises DatabaseError, and then the same may be tried again.

        A commit whose answer was lost shows in the journal's position, which moves in the same transaction.
        """
        if not written:
            return
        end = written[-1].position
        entries = [one.entry for one in written]
        accounts, requests = self._store.accounts, self._store.requests
        await requests.prepare(entries)
        async with self._store.database.transaction() as transaction:
            moved = await accounts.move_position(transaction, self._owner, self.position, end)
            if moved:
                short = await accounts.settle(transaction, self._owner, _sums(entries))
                await requests.write(transaction, entries)
        if not moved:
            await self._skip_booked(written)
            return
        self.position = end
        for account, amount in short.items():
            log.warning("account could not pay account=%s quota=%d", account, amount)

    async def _skip_booked(self, written: Sequence[Written]) -> None:
        """Some of these are booked: the answer to a commit was lost. Go on behind them."""
        position = await self._store.accounts.position(self._owner)
        if position is None or position <= self.position:
            raise JournalError(f"the journal {self._owner} is not where the database left it")
        self.position = position
        await self.book([one for one in written if one.position > position])


class JournalError(Exception):
    """A journal and the database do not belong together."""


async def recover(store: Store, folder: Path) -> int:
    """Book what gateways that died have left, then give their leases back. Returns how many records."""
    count = 0
    for journal in dead_journals(folder):
        try:
            count += await _recover(store, journal)
        except JournalError as exc:
            log.error("journal kept and not booked: %s", exc)
            journal.close(remove=False)
        except BaseException:
            journal.close(remove=False)
            raise
        else:
            journal.close(remove=True)
    return count


async def _recover(store: Store, journal: DeadJournal) -> int:
    position = await store.accounts.position(journal.owner)
    if position is None:  # it has ended properly, but for its files; or it belongs to another database
        for _, record in journal.records(0):
            if await store.requests.one(_decoder.decode(record).request_id) is None:
                raise JournalError(f"the database knows no journal {journal.owner}")
        return 0
    importer = Importer(store, journal.owner, position)
    batch: list[Written] = []
    count = 0
    for end, record in journal.records(position):
        batch.append(Written(end, _decoder.decode(record)))
        count += 1
        if len(batch) >= BATCH:
            await importer.book(batch)
            batch = []
    await importer.book(batch)
    await store.accounts.release(journal.owner)
    return count


def _sums(entries: Sequence[Entry]) -> dict[str, tuple[int, int]]:
    """What each account gave in all these: limited ones out of a lease, a caller's unlimited ones without."""
    leased: Counter[str] = Counter()
    other: Counter[str] = Counter()
    for entry in entries:
        if not entry.cost:
            continue
        limited = {charge.account for charge in entry.charges}
        for charge in entry.charges:
            leased[charge.account] += charge.amount
        for name in (f"user:{entry.user_id}", f"token:{entry.token_id}"):
            if name not in limited:
                other[name] += entry.cost
    return {name: (leased[name], other[name]) for name in leased.keys() | other.keys()}
