"""What lists with numbered pages and the dashboard ask the store for, on every database."""

import pytest
from canalgate.proxy.ledger.entry import Counts, Entry
from canalgate.proxy.store.bodies import Body
from canalgate.proxy.store.request_rows import of_short_number, short_number
from canalgate.proxy.store.requests import Filters

NOON_MS, MONTH_MS = 1_795_521_600_000, 30 * 86_400_000
"""2026-11-24 12:00 UTC, and so long before it is October."""


def made(number, at_ms=NOON_MS, **fields):
    values = {
        "request_id": f"{at_ms:012x}{number << 40:012x}", "at_ms": at_ms, "user_id": 1, "token_id": 2,
        "group": "default", "channel_id": 3, "endpoint": "chat/completions", "model": "m",
        "upstream_model": "m", "stream": True, "status": 200, "counts": Counts(10, 5),
        "usage_source": "provider", "cost": 7, "charged": 7, "price": "p", "first_byte_ms": 40,
        "total_ms": 100, "attempts": 1, "address": "203.0.113.7",
    }  # fmt: skip
    return Entry(**values | fields)


@pytest.fixture
async def log(store):
    """Two requests a month ago, four now: one failed, one without a channel."""
    entries = [
        made(1, NOON_MS - MONTH_MS), made(2, NOON_MS - MONTH_MS), made(3), made(4, status=500),
        made(5, channel_id=None), made(6, NOON_MS + 60_000, counts=Counts(1, 1, 1), first_byte_ms=None),
    ]  # fmt: skip
    await store.requests.prepare(entries)
    async with store.database.transaction() as transaction:
        await store.requests.write(transaction, entries)
    return store.requests


STRETCHES = [
    (Filters(), 0, 10, 99, [6, 5, 4, 3, 2, 1], 6),
    (Filters(), 2, 3, 99, [4, 3, 2], 6),
    (Filters(), 5, 3, 99, [1], 6),
    (Filters(), 6, 3, 99, [], 6),
    (Filters(), 0, 2, 3, [6, 5], 3),
    (Filters(), 0, 0, 99, [], 6),
    (Filters(failed=True), 0, 10, 99, [4], 1),
    (Filters(failed=False, channel_id=3), 0, 2, 99, [6, 3], 4),
    (Filters(model="m", from_ms=NOON_MS, to_ms=NOON_MS + 1), 1, 10, 99, [4, 3], 3),
    (Filters(model="other"), 0, 10, 99, [], 0),
    (Filters(to_ms=NOON_MS), 1, 10, 99, [1], 2),
]


@pytest.mark.parametrize(("filters", "skip", "limit", "most", "numbers", "total"), STRETCHES)
async def test_a_stretch_is_what_stands_there_and_how_many_there_are(
    log, filters, skip, limit, most, numbers, total
):
    found, there = await log.stretch(filters, skip, limit, most)
    assert ([int(entry.request_id[12:], 16) >> 40 for entry in found], there) == (numbers, total)


async def test_a_request_is_found_by_its_short_number(log):
    entry = made(6, NOON_MS + 60_000)
    assert (await log.numbered(short_number(entry.request_id))).request_id == entry.request_id
    for number in (0, 1, 2**53 - 1, short_number(made(7).request_id)):
        assert await log.numbered(number) is None


@pytest.mark.parametrize(
    "request_id", ["0" * 24, f"{NOON_MS:012x}{'f' * 12}", f"{2**41 - 1:012x}abcdef012345"]
)
def test_a_short_number_is_one_that_javascript_can_hold_and_leads_back(request_id):
    number = short_number(request_id)
    at_ms, least, most = of_short_number(number)
    assert number < 2**53
    assert at_ms == int(request_id[:12], 16)
    assert least <= int(request_id[12:], 16) <= most
    assert short_number(f"{at_ms:012x}{least:012x}") == short_number(f"{at_ms:012x}{most:012x}") == number


async def test_sums_of_the_log_are_of_all_months_and_know_the_busiest_minute(log):
    found = await log.peaks(NOON_MS - MONTH_MS, NOON_MS + 3_600_000, 3600, {})
    assert sorted((one.requests, one.most_requests) for one in found) == [(2, 2), (3, 2)]


@pytest.mark.parametrize(
    ("step_s", "only", "sums"),
    [
        (3600, {}, [(0, 3, 1, 21, 11, 1, 1, 200, 40, 2, 30)]),
        (
            60,
            {"channel_id": 3},
            [(0, 2, 1, 20, 10, 0, 0, 100, 40, 2, 30), (60, 1, 0, 1, 1, 1, 1, 100, 0, 1, 2)],
        ),
        (3600, {"model": "other"}, []),
    ],
)
async def test_sums_of_the_log_are_exact(log, step_s, only, sums):
    found = await log.peaks(NOON_MS, NOON_MS + 3_600_000, step_s, only)
    assert sorted(
        (
            one.starts_at - NOON_MS // 1000, one.requests, one.failures, one.prompt_tokens,
            one.completion_tokens, one.cached_tokens, one.cache_hits, one.good_ms, one.good_first_byte_ms,
            one.most_requests, one.most_tokens,
        )
        for one in found
    ) == sums  # fmt: skip


def body(number, at_ms=NOON_MS):
    return Body(made(number, at_ms).request_id, '{"a": "鸭\\0"}', False, "x" * 8192, True)


async def test_bodies_come_back_as_they_went_in_until_they_are_dropped(store):
    await store.bodies.put([body(1), body(2, NOON_MS + 1)])
    assert await store.bodies.one(body(1).request_id) == body(1)
    await store.bodies.drop_before(NOON_MS + 1)
    assert await store.bodies.one(body(1).request_id) is None
    assert await store.bodies.one(body(2, NOON_MS + 1).request_id) == body(2, NOON_MS + 1)


@pytest.mark.parametrize("request_id", ["", "x" * 24, "0" * 24])
async def test_bodies_of_what_is_no_request_are_none(store, request_id):
    assert await store.bodies.one(request_id) is None


async def test_bodies_are_sealed_in_the_database(store):
    await store.bodies.put([body(1)])
    (row,) = await store.database.all("SELECT sealed FROM request_bodies")
    assert b"xxxx" not in bytes(row["sealed"])


async def test_of_too_many_bodies_the_oldest_go(store, monkeypatch):
    monkeypatch.setattr("canalgate.proxy.store.bodies.MOST_ROWS", 2)
    await store.bodies.put([body(number, NOON_MS + number) for number in range(4)])
    await store.bodies.drop_before(0)
    kept = [await store.bodies.one(body(number, NOON_MS + number).request_id) for number in range(4)]
    assert [one is not None for one in kept] == [False, False, True, True]


async def test_a_number_of_a_channel_is_kept_replaced_and_forgotten(store):
    await store.numbers.put(1, 47)
    await store.numbers.put(2, 12)
    await store.numbers.put(1, 48)
    assert await store.numbers.all() == {1: 48, 2: 12}
    await store.numbers.put(1, None)
    await store.numbers.put(9, None)
    assert await store.numbers.all() == {2: 12}


MINUTES = [
    ({}, (), [(0, 3), (60, 1)]),
    ({}, ("channel_id",), [(0, 1), (0, 2), (60, 1)]),
    ({"user_id": 1, "channel_id": 3}, ("model", "token_id"), [(0, 2), (60, 1)]),
    ({"model": "other"}, (), []),
]


@pytest.mark.parametrize(("only", "group_by", "sums"), MINUTES)
async def test_the_log_is_summed_by_minutes(log, only, group_by, sums):
    start = NOON_MS // 1000
    found = await log.minutes(start, start + 3600, only, group_by)
    assert [(one.starts_at - start, one.requests) for one in found] == sums


async def test_the_minutes_of_two_months_follow_each_other(log):
    first, second, third = await log.minutes((NOON_MS - MONTH_MS) // 1000, NOON_MS // 1000 + 61, {}, ())
    assert (first.requests, first.failures, first.prompt_tokens, first.first_byte_ms) == (2, 0, 20, 80)
    assert (second.failures, second.first_bytes, second.total_ms) == (1, 3, 300)
    assert (third.first_bytes, third.first_byte_ms, third.cached_tokens) == (0, 0, 1)
