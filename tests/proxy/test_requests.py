"""The call log on every database: rows, pages, sums, months that come and go."""

import asyncio
import itertools
from dataclasses import dataclass, field

import msgspec
import pytest
from canalgate.proxy.ledger.entry import Charge, Counts, Entry
from canalgate.proxy.store import DatabaseError
from canalgate.proxy.store.months import after, month_of, table_of
from canalgate.proxy.store.open import open_database
from canalgate.proxy.store.requests import Filters, Requests
from canalgate.proxy.store.rollups import Total
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HOUR, DAY = 3600, 86_400
NOON = 1_795_521_600
"""Unix seconds: 2026-11-24 12:00 UTC."""

number = itertools.count(1)


def made(at_s=NOON, **fields):
    """An entry of a request that arrived then."""
    at_ms = int(at_s * 1000)
    values = {
        "request_id": f"{at_ms:012x}{next(number):012x}", "at_ms": at_ms, "user_id": 1, "token_id": 2,
        "group": "default", "channel_id": 3, "endpoint": "chat/completions", "model": "gpt-x",
        "upstream_model": "gpt-x-2026", "stream": True, "status": 200, "counts": Counts(10, 5, 3),
        "usage_source": "provider", "cost": 7, "charged": 7, "price": "table:1", "first_byte_ms": 40,
        "total_ms": 100, "attempts": 1, "address": "203.0.113.7",
    }  # fmt: skip
    return Entry(**values | fields)


FULL = {
    "channel_id": None, "first_byte_ms": None, "status": 502, "error_type": "fault", "problem": "cut: 端 🦆",
    "answered_by": "cache", "flags": ("usage_twice", "negative_usage"), "group_ratio": 1_500_000,
    "charges": (Charge("user:1", 7), Charge("day:token:2:20261124", 7)), "channel_ratio": 1,
    "counts": Counts(*range(1, 13)), "stream": False, "cost": 2**53 + 1, "charged": 2**62, "queue_ms": 12,
}  # fmt: skip


async def write(requests, *entries):
    await requests.prepare(entries)
    async with requests._database.transaction() as transaction:
        await requests.write(transaction, entries)


async def ids(requests, limit=100, before=None, **filters):
    found, _ = await requests.page(Filters(**filters), before, limit)
    return [entry.request_id for entry in found]


async def test_a_row_of_before_queues_were_timed_is_read(database):
    requests, entry = Requests(database), made()
    await write(requests, entry)
    table = table_of(month_of(entry.at_ms))
    async with database.transaction() as transaction:
        await transaction.run(f"UPDATE {table} SET details = :old", {"old": "[[10,5,3],1,1,[],[],[]]"})
    found = await requests.one(entry.request_id)
    assert (found.queue_ms, found.counts) == (0, Counts(10, 5, 3))


@pytest.mark.parametrize("fields", [{}, FULL], ids=["plain", "full"])
async def test_a_row_comes_back_as_it_went_in(database, fields):
    requests, entry = Requests(database), made(**fields)
    await write(requests, entry)
    assert await requests.one(entry.request_id) == entry
    assert await requests.page(Filters(), None, 10) == ([entry], None)


@pytest.mark.parametrize("request_id", ["", "x", "f" * 24, f"{NOON * 1000:012x}{0:012x}", "0" * 24, "é" * 24])
async def test_a_request_that_is_not_there_is_none(database, request_id):
    requests = Requests(database)
    await write(requests, made())
    assert await requests.one(request_id) is None


HOSTILE = [
    "\0",
    "a\0b",
    "m" * 100_000,
    "🦆" * 300,
    "'; DROP TABLE users; --",
    '"`$1 %s :name',
    "\ud800",
    "\\",
    "e\u0301 ",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_texts_are_stored_cut_and_clean(database, text):
    requests = Requests(database)
    everywhere = dict.fromkeys(
        ("model", "upstream_model", "group", "endpoint", "price", "address", "error_type", "problem"), text
    )
    entry = made(**everywhere, flags=(text,))
    await write(requests, entry)
    row = await requests.one(entry.request_id)
    clean = text[:191].replace("\0", "\ufffd").replace("\ud800", "?")
    assert (row.model, row.group, row.price, row.flags) == (clean, clean, clean, (clean[:64],))
    assert (row.address, row.problem[:191], len(row.problem) <= 500) == (clean[:64], clean, True)
    assert await ids(requests, model=text) == [entry.request_id]
    assert [total.model for total in await sums(requests, group_by=("model",))] == [clean]


async def test_models_that_differ_in_case_are_not_one(database):
    requests = Requests(database)
    await write(requests, made(model="GPT"), made(model="gpt"))
    assert len(await ids(requests, model="gpt")) == 1
    assert len(await sums(requests, group_by=("model",))) == 2


async def test_a_row_that_is_there_stays_as_it_is(database):
    requests, entry = Requests(database), made()
    await write(requests, entry)
    await write(requests, msgspec.structs.replace(entry, cost=99, model="other"), made(NOON + 1))
    assert await requests.one(entry.request_id) == entry
    assert len(await ids(requests)) == 2


async def test_a_transaction_that_fails_leaves_neither_rows_nor_sums(database):
    requests, entry = Requests(database), made()
    await requests.prepare([entry])
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as transaction:
            await requests.write(transaction, [entry])
            raise ZeroDivisionError
    assert (await ids(requests), await sums(requests)) == ([], [])


FILTERS = [
    {"user_id": 9}, {"token_id": 9}, {"channel_id": 9}, {"model": "nine"}, {"failed": True}, {"status": 429},
    {"user_id": 9, "token_id": 9}, {"failed": True, "model": "nine"}, {"status": 429, "failed": False},
    {"user_id": 1, "channel_id": 9}, {"channel_id": 3, "model": "nine"}, {"token_id": 2, "failed": False},
    {"user_id": 1, "model": "nobody's"}, {"user_id": 1, "model": "gpt-x", "from_ms": NOON * 1000 + 4},
    {"user_id": 1, "model": "gpt-x", "to_ms": NOON * 1000 + 4}, {"user_id": 1, "model": "gpt-x", "to_ms": 0},
    {"from_ms": NOON * 1000 + 4}, {"to_ms": NOON * 1000 + 4},
    {"from_ms": NOON * 1000 + 1, "to_ms": NOON * 1000 + 3},
    {"from_ms": (NOON + 400 * DAY) * 1000}, {"to_ms": 0},
]  # fmt: skip


@pytest.mark.parametrize("filters", FILTERS, ids=str)
async def test_a_filter_shows_what_it_says_and_nothing_else(database, filters):
    requests = Requests(database)
    fields = [{}, {"user_id": 9}, {"token_id": 9, "user_id": 9}, {"channel_id": 9}, {"model": "nine"},
              {"status": 429}, {"error_type": "cut", "model": "nine"}, {"channel_id": None}]  # fmt: skip
    entries = [made(NOON + n / 1000, **one) for n, one in enumerate(fields)]
    await write(requests, *entries)
    wanted = [entry.request_id for entry in reversed(entries) if is_shown(entry, filters)]
    assert await ids(requests, **filters) == wanted


def is_shown(entry, filters):
    failed = entry.status >= 400 or bool(entry.error_type or entry.problem)
    checks = {
        "failed": lambda wanted: failed == wanted,
        "from_ms": lambda at: entry.at_ms >= at,
        "to_ms": lambda at: entry.at_ms < at,
    }
    return all(
        checks.get(name, lambda wanted, name=name: getattr(entry, name) == wanted)(wanted)
        for name, wanted in filters.items()
    )


@pytest.mark.parametrize("cursor", ["", "x", "-1", "G" * 24, "0" * 25, "é" * 24, "' OR 1=1"])
async def test_a_cursor_that_is_none_is_an_error(database, cursor):
    with pytest.raises(ValueError, match="cursor"):
        await Requests(database).page(Filters(), cursor, 10)


@pytest.mark.parametrize("cursor", ["0" * 24, "f" * 24])
async def test_a_cursor_beyond_all_requests_is_fine(database, cursor):
    requests = Requests(database)
    await write(requests, made())
    assert len(await ids(requests, before=cursor)) == (cursor[0] == "f")


@dataclass
class Walk:
    """A walk through all pages, with rows that are added before each of them."""

    start: list[int]
    limit: int
    filters: dict = field(default_factory=dict)
    added: list[list[int]] = field(default_factory=list)


times = st.lists(
    st.sampled_from([0, 1, 2, HOUR * 1000, HOUR * 2000, DAY * 1000, DAY * 9000, DAY * 40_000]), max_size=16
)


shown_all = st.sampled_from(
    [{}, {"user_id": 1}, {"user_id": 1, "model": "gpt-x"}, {"failed": False, "token_id": 2}]
)


@given(st.builds(Walk, times, st.integers(1, 5), shown_all, st.lists(times, max_size=4)))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_have_no_gaps_and_no_doubles_while_rows_are_added(tmp_path_factory, walk):
    asyncio.run(walked(tmp_path_factory.mktemp("walk"), walk))


async def walked(folder, walk):
    async with open_database("", folder) as database:
        requests = Requests(database)
        before = [made(NOON + at / 1000) for at in walk.start]
        await write(requests, *before)
        seen, cursor, added = [], None, iter(walk.added)
        while True:
            rows, cursor = await requests.page(Filters(**walk.filters), cursor, walk.limit)
            seen += [row.request_id for row in rows]
            if cursor is None:
                break
            assert len(rows) == walk.limit
            await write(requests, *(made(NOON + at / 1000) for at in next(added, [])))
    assert seen == sorted(set(seen), reverse=True)
    assert {entry.request_id for entry in before} <= set(seen)


async def test_several_filters_find_what_a_full_disk_keeps_out_of_the_sums(tmp_path):
    async with open_database("", tmp_path) as database:
        requests, entry = Requests(database), made()
        await write(requests, entry)
        await database._writer.execute("PRAGMA query_only = 1")
        assert await ids(requests, user_id=1, model="gpt-x") == [entry.request_id]


# Months.


@pytest.mark.parametrize(
    ("at_s", "month"),
    [
        (0, "197001"),
        (NOON, "202611"),
        (1_798_761_599.999, "202612"),
        (1_798_761_600, "202701"),
        (2**48, "999912"),
    ],
)  # fmt: skip
def test_a_time_is_in_the_month_of_utc(at_s, month):
    assert month_of(int(at_s * 1000)) == month


def test_after_december_comes_january():
    assert [after("202611"), after("202612")] == ["202612", "202701"]


async def test_a_batch_over_the_turn_of_a_month_is_in_both_tables(database):
    requests, turn = Requests(database), 1_798_761_600
    late, early = made(turn), made(turn - 0.001)
    await write(requests, late, early)
    assert await requests._months.all() == ["202701", "202612"]
    assert await ids(requests) == [late.request_id, early.request_id]
    assert await ids(requests, limit=1, before=late.request_id) == [early.request_id]
    assert await requests.one(early.request_id) == early


async def test_this_month_and_the_next_are_made_ahead_of_time(database):
    requests = Requests(database)
    await requests.tend(NOON)
    await requests.tend(NOON)
    assert await requests._months.all() == ["202612", "202611"]


async def test_what_is_older_than_is_kept_goes_by_whole_months(database):
    requests = Requests(database, keep_days=30)
    old, rest = made(NOON - 40 * DAY), made(NOON - 24.6 * DAY)  # of 15 and 30 October
    await write(requests, old, rest)
    end_of_october = 1_793_491_200
    assert await requests.tend(end_of_october + 30 * DAY - 1) == []
    assert await ids(requests) == [rest.request_id, old.request_id]
    assert await requests.tend(end_of_october + 30 * DAY) == ["202610"]
    assert (await ids(requests), await requests.one(rest.request_id)) == ([], None)
    assert await sums(requests, "hour", since=0) == []
    assert len(await sums(requests, "day", since=0)) == 2


async def test_without_a_limit_nothing_is_dropped(database):
    requests, entry = Requests(database, keep_days=0), made(0)
    await write(requests, entry)
    assert await requests.tend(NOON * 3) == []
    assert await ids(requests) == [entry.request_id]


async def test_a_month_that_another_gateway_dropped_is_made_again_at_the_next_try(database):
    mine, others = Requests(database, keep_days=1), Requests(database, keep_days=1)
    await write(mine, made(0))
    await others.tend(NOON)
    with pytest.raises(DatabaseError):
        await write(mine, made(0))
    await write(mine, made(0))
    assert len(await ids(mine)) == 1


async def test_many_gateways_make_the_same_month_at_once(database):
    gateways = [Requests(database) for _ in range(6)]
    await asyncio.gather(*(write(one, made(NOON + n)) for n, one in enumerate(gateways)))
    await asyncio.gather(*(one.tend(NOON) for one in gateways))
    assert len(await ids(gateways[0])) == 6


async def test_a_table_that_is_not_a_month_is_left_alone(database):
    async with database.transaction() as transaction:
        await transaction.run(f"CREATE TABLE {table_of('old')} (a BIGINT)")
    requests = Requests(database, keep_days=1)
    assert await requests.tend(NOON) == []
    assert await requests.page(Filters(), None, 1) == ([], None)


# Sums.


async def sums(requests, span="hour", since=NOON - DAY, until=NOON + DAY, **options):
    return await requests.totals(span, since - since % DAY, until, **options)


async def test_sums_are_those_of_the_rows(database):
    requests = Requests(database)
    await write(
        requests,
        made(),
        made(first_byte_ms=None, status=500),
        made(NOON + HOUR, **FULL | {"charged": 1, "cost": 9}),
    )
    assert await sums(requests) == [
        Total(starts_at=NOON, requests=2, failures=1, prompt_tokens=20, completion_tokens=10, cached_tokens=6,
              cost=14, charged=14, first_bytes=1, first_byte_ms=40, total_ms=200),
        Total(starts_at=NOON + HOUR, requests=1, failures=1, prompt_tokens=1, completion_tokens=2,
              cached_tokens=3, cache_write_tokens=4, reasoning_tokens=5, cost=9, charged=1, total_ms=100),
    ]  # fmt: skip
    (day,) = await sums(requests, "day")
    assert (day.starts_at, day.requests, day.charged) == (NOON - NOON % DAY, 3, 15)
    (whole,) = await sums(requests, over_time=False)
    assert (whole.starts_at, whole.requests, whole.charged) == (None, 3, 15)


@pytest.mark.parametrize(
    ("only", "group_by", "shown"),
    [
        ({}, ("model",), [("a", 3), ("b", 1)]),
        ({}, ("user_id",), [(1, 2), (5, 2)]),
        ({}, ("token_id",), [(2, 2), (6, 1), (7, 1)]),
        ({}, ("channel_id",), [(0, 1), (3, 3)]),
        ({"user_id": 5}, ("token_id",), [(6, 1), (7, 1)]),
        ({"model": "b"}, ("channel_id",), [(0, 1)]),
        ({"channel_id": 3}, ("model",), [("a", 3)]),
        ({"token_id": 2, "user_id": 5}, ("model",), []),
    ],
    ids=str,
)
async def test_sums_are_grouped_and_filtered(database, only, group_by, shown):
    requests = Requests(database)
    await write(
        requests, made(model="a"), made(model="a"), made(user_id=5, token_id=6, model="a"),
        made(user_id=5, token_id=7, model="b", channel_id=None),
    )  # fmt: skip
    found = await sums(requests, only=only, group_by=group_by, over_time=False)
    assert [(getattr(total, group_by[0]), total.requests) for total in found] == shown


async def test_a_channel_and_a_user_together_have_no_sums(database):
    with pytest.raises(ValueError, match="channel_id and user_id"):
        await sums(Requests(database), only={"user_id": 1}, group_by=("channel_id",))


async def test_nothing_used_is_no_sum(database):
    assert await sums(Requests(database), over_time=False) == []


async def test_two_writers_and_two_folders_at_once_lose_and_double_nothing(tmp_path, database_url, database):
    async def writer(requests, start):
        for n in range(10):
            await write(requests, *(made(start + n, model=f"m{k % 3}") for k in range(4)))

    async with open_database(database_url, tmp_path) as another:
        first, second = Requests(database), Requests(another)
        await asyncio.gather(first.tend(NOON), second.tend(NOON))
        await asyncio.gather(
            writer(first, NOON), writer(second, NOON + 1), *(one.fold() for one in (first, second) * 4)
        )
        await asyncio.gather(first.fold(), second.fold())
        (total,) = await sums(first, over_time=False)
        assert (total.requests, len(await ids(second, limit=200))) == (80, 80)


async def test_more_than_one_fold_takes_is_folded_all_the_same(database, monkeypatch):
    monkeypatch.setattr("canalgate.proxy.store.rollups._AT_ONCE", 2)
    requests = Requests(database)
    for _ in range(5):
        await write(requests, made())
    await requests.fold()
    assert await database.one("SELECT COUNT(*) AS n FROM usage_pending") == {"n": 0}
    assert [total.requests for total in await sums(requests)] == [5]


async def test_sums_beyond_32_bits_stay_exact(database):
    requests = Requests(database)
    await write(requests, made(cost=2**53 + 1), made(cost=2**53))
    assert [total.cost for total in await sums(requests)] == [2**54 + 1]
