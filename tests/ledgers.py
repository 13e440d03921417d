"""What tests of the ledger share."""

from canalgate.proxy.ledger.entry import Counts, Entry
from canalgate.proxy.store.requests import Filters


def entry(number, charges=(), cost=0):
    """A request that has ended."""
    at_ms = 1_795_521_600_000 + number
    return Entry(
        f"{at_ms:012x}{number:012x}", at_ms, 1, 1, "default", 1, "chat/completions", "m", "m", False, 200,
        Counts(cost), "provider", cost, cost, "p", 1, 2, 1, "127.0.0.1", charges=charges,
    )  # fmt: skip


async def rows(store):
    """What the booked requests cost, oldest first."""
    return [row.cost for row in (await store.requests.page(Filters(), None, 1000))[0]][::-1]


async def die(ledger):
    """End a ledger as `kill -9` does: nothing is flushed, and its lock goes."""
    await ledger._owner.close()
    ledger._journal.close(remove=False)
