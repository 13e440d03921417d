"""`make bench-log`: how fast the call log is written, and asked when it holds ten million requests.

Rows are written as a gateway writes them, into a database that is thrown away. Options go in LOG:
`make bench-log LOG="--rows 1000000 --database postgresql://..."` (an empty database).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from pathlib import Path

from canalgate.proxy.ledger.entry import Charge, Counts, Entry
from canalgate.proxy.store.database import Database
from canalgate.proxy.store.open import open_database
from canalgate.proxy.store.requests import Filters, Requests

START_S, DAYS = 1_793_491_200, 30
"""1 November 2026, and how many days the requests are spread over."""

TOKENS, PER_USER, CHANNELS, MODELS = 2000, 4, 20, 30
_TIMES = 20
_MONTH = (START_S, START_S + DAYS * 86_400)
_WEEK = (START_S + 20 * 86_400, START_S + 27 * 86_400)


def entries(rows: int, rng: random.Random) -> Iterator[Entry]:
    """Yield requests in their order. A few tokens make most of them, some make one in a million."""
    step = DAYS * 86_400_000 / rows
    for number in range(rows):
        token = min(TOKENS, int(rng.paretovariate(0.5)))
        user, model = token // PER_USER + 1, f"model-{(token * 7 + rng.randrange(2)) % MODELS}"
        channel = (token + rng.randrange(2)) % CHANNELS + 1
        failed = rng.random() < 0.01
        at_ms = START_S * 1000 + int(number * step)
        charges = (Charge(f"user:{user}", 4321), Charge(f"token:{token}", 4321))
        yield Entry(
            f"{at_ms:012x}{rng.getrandbits(48):012x}", at_ms, user, token, "default", channel,
            "chat/completions", model, model, True, rng.choice((429, 502)) if failed else 200,
            Counts(1234, 567, 1024), "provider", 4321, 4321, "table:2026-11-01", 345, 5678, 1, "203.0.113.7",
            "rate" if failed else "", "too many requests" if failed else "", "", (), charges,
        )  # fmt: skip


async def fill(database: Database, requests: Requests, rows: int, batch: int) -> tuple[float, float]:
    """Write requests; return microseconds of CPU of this process for a row, in writing and in folding."""
    made = entries(rows, random.Random(1))
    writing = folding = 0.0
    for number in range(-(-rows // batch)):
        some = list(islice(made, batch))
        began = time.process_time()
        await requests.prepare(some)
        async with database.transaction() as transaction:
            await requests.write(transaction, some)
        written = time.process_time()
        if number % 20 == 0:
            await requests.fold()
        writing, folding = writing + written - began, folding + time.process_time() - written
    await requests.fold()
    return writing / rows * 1e6, folding / rows * 1e6


def questions(requests: Requests, rng: random.Random) -> dict[str, Callable[[], Awaitable[object]]]:
    """Return what is asked, by what it is called."""

    def page(before: str | None = None, **filters: int | str | bool | None) -> Awaitable[object]:
        return requests.page(Filters(**filters), before, 50)  # type: ignore[arg-type]  # by name

    def some_time() -> int:
        return rng.randrange(*_MONTH) * 1000

    return {
        "latest": page,
        "latest, from a cursor": lambda: page(f"{some_time():012x}{0:012x}"),
        "a busy token, from a cursor": lambda: page(f"{some_time():012x}{0:012x}", token_id=1),
        "a token": lambda: page(token_id=rng.randrange(TOKENS // 2, TOKENS)),
        "a token that never asked": lambda: page(token_id=TOKENS + 1),
        "a user": lambda: page(user_id=rng.randrange(1, TOKENS // PER_USER)),
        "a channel": lambda: page(channel_id=rng.randrange(1, CHANNELS + 1)),
        "a model": lambda: page(model=f"model-{rng.randrange(MODELS)}"),
        "failures": lambda: page(f"{some_time():012x}{0:012x}", failed=True),
        "status 429": lambda: page(f"{some_time():012x}{0:012x}", status=429),
        "failures of a token": lambda: page(failed=True, token_id=rng.randrange(1, TOKENS)),
        "failures of the busiest token": lambda: page(failed=True, token_id=1),
        "a user and a model": lambda: page(
            user_id=rng.randrange(1, 100), model=f"model-{rng.randrange(MODELS)}"
        ),
        "a channel and a model that never met": lambda: page(channel_id=2, model="model-20"),
        "an hour of a model": lambda: page(
            from_ms=(at := some_time()), to_ms=at + 3_600_000, model="model-7"
        ),
        "one request": lambda: requests.one(f"{some_time():012x}{0:012x}"),
        "month by day and model": lambda: requests.totals("day", *_MONTH, group_by=("model",)),
        "week by hour and channel": lambda: requests.totals("hour", *_WEEK, group_by=("channel_id",)),
        "month by user": lambda: requests.totals("day", *_MONTH, group_by=("user_id",), over_time=False),
        "month of a user by hour": lambda: requests.totals(
            "hour", *_MONTH, only={"user_id": rng.randrange(1, 50)}
        ),
    }


async def ask(requests: Requests) -> None:
    """Ask everything some times and print how long it took."""
    print(f"{'milliseconds':40} {'p50':>8} {'max':>8}")
    for name, question in questions(requests, random.Random(2)).items():
        took = []
        for _ in range(_TIMES):
            began = time.perf_counter()
            await question()
            took.append(1000 * (time.perf_counter() - began))
        print(f"{name:40} {statistics.median(took):8.1f} {max(took):8.1f}", flush=True)


async def measure(options: argparse.Namespace, folder: Path) -> None:
    """Fill, and ask."""
    async with open_database(options.database, folder) as database:
        requests, began = Requests(database), time.monotonic()
        writing, folding = await fill(database, requests, options.rows, options.batch)
        print(f"{options.rows} rows in batches of {options.batch}: {time.monotonic() - began:.0f} s")
        print(f"CPU of this process a row: {writing:.1f} us written, {folding:.1f} us folded", flush=True)
        await ask(requests)


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description="Measure the call log.")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--database", default="", help="an address as of data.database; default: SQLite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(options, Path(folder)))


if __name__ == "__main__":
    main()
