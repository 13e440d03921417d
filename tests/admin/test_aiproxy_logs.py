"""FastGPT's call log and dashboard, as it asks for them, and what comes back to the letter."""

import asyncio

import orjson
import pytest
import support
from canalgate.proxy.ledger.entry import Counts, Entry
from fastgpt import ADMIN, call, done

KEY = "sk-0123456789abcdef"
SECOND_MS = 1_795_521_600_000
"""2026-11-24 12:00 UTC."""


@pytest.fixture
async def gateway(tmp_path):
    async with support.gateway(tmp_path, admin={"key": ADMIN}) as made:
        yield made


def entry(number, **fields):
    at_ms = fields.pop("at_ms", SECOND_MS + 1000 * number)
    values = {
        "request_id": f"{at_ms:012x}{number << 40:012x}", "at_ms": at_ms, "user_id": 1, "token_id": 1,
        "group": "default", "channel_id": 3, "endpoint": "chat/completions", "model": "gpt-x",
        "upstream_model": "up", "stream": True, "status": 200, "counts": Counts(10, 5, 3),
        "usage_source": "provider", "cost": 250_000, "charged": 250_000, "price": "table:1",
        "first_byte_ms": 40, "total_ms": 100, "attempts": 1, "address": "203.0.113.7",
    }  # fmt: skip
    return Entry(**values | fields)


async def write(gateway, *entries):
    store = gateway.parts.store
    await store.requests.prepare(entries)
    async with store.database.transaction() as transaction:
        await store.requests.write(transaction, entries)


async def test_a_request_in_the_log_is_as_fastgpt_wants_it(gateway):
    await write(gateway, entry(1, attempts=3))
    found = await done(gateway, "GET", "/api/logs/search?result_only=true&p=1&per_page=20&code_type=all")
    assert found == {"total": 1, "logs": [{
        "id": (SECOND_MS + 1000) << 12 | 1 << 4, "request_id": f"{SECOND_MS + 1000:012x}{1 << 40:012x}",
        "model": "gpt-x", "channel": 3, "code": 200, "content": "", "endpoint": "/v1/chat/completions",
        "mode": 1, "request_at": SECOND_MS + 1000, "created_at": SECOND_MS + 1100, "ttfb_milliseconds": 40,
        "retry_times": 2,
        "ip": "203.0.113.7", "token_id": 1, "token_name": "first", "group": "default", "used_amount": 0.5,
        "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "cached_tokens": 3},
    }]}  # fmt: skip


FAILED = {"status": 502, "error_type": "fault", "problem": "boom"}
SEARCHES = [
    ("", [5, 4, 3, 2, 1]),
    ("channel=&model_name=&request_id=&code_type=all", [5, 4, 3, 2, 1]),
    ("channel=0&model_name=null&request_id=undefined", [5, 4, 3, 2, 1]),
    ("channel=4", [4, 2]),
    ("model_name=gpt-y", [5]),
    ("model_name=gpt", []),
    ("code_type=success", [5, 3, 1]),
    ("code_type=error", [4, 2]),
    ("code_type=error&channel=3", []),
    (f"start_timestamp={SECOND_MS + 2000}&end_timestamp={SECOND_MS + 4000}", [4, 3, 2]),
    (f"start_timestamp={SECOND_MS // 1000 + 5}", [5]),
    (f"request_id={SECOND_MS + 2000:012x}{2 << 40:012x}", [2]),
    (f"request_id={SECOND_MS + 2000:012x}{2 << 40:012x}&code_type=success", []),
    ("request_id=nothing", []),
]


@pytest.fixture
async def logged(gateway):
    await write(
        gateway, entry(1), entry(2, channel_id=4, **FAILED), entry(3), entry(4, channel_id=4, **FAILED),
        entry(5, model="gpt-y", channel_id=None),
    )  # fmt: skip
    return gateway


@pytest.mark.parametrize(("query", "seconds"), SEARCHES, ids=range(len(SEARCHES)))
async def test_a_search_finds_what_is_asked_for(logged, query, seconds):
    found = await done(logged, "GET", f"/api/logs/search?p=1&per_page=20&{query}")
    assert [(row["request_at"] - SECOND_MS) // 1000 for row in found["logs"]] == seconds
    assert found["total"] == len(seconds)


@pytest.mark.parametrize(("page", "seconds"), [(1, [5, 4]), (2, [3, 2]), (3, [1]), (4, []), (2**40, [])])
async def test_a_page_of_the_log_has_the_number_of_all(logged, page, seconds):
    found = await done(logged, "GET", f"/api/logs/search?p={page}&per_page=2")
    assert [(row["request_at"] - SECOND_MS) // 1000 for row in found["logs"]] == seconds
    assert found["total"] == 5


@pytest.mark.parametrize(
    "query",
    [
        "p=-1",
        "p=x",
        "per_page=1.5",
        "channel=abc",
        "code_type=other",
        "start_timestamp=now",
        "end_timestamp=-5",
    ],
)
async def test_a_search_that_cannot_be_names_the_field(gateway, query):
    answer = await call(gateway, "GET", f"/api/logs/search?{query}")
    assert (answer.status, answer.json["message"].partition(":")[0]) == (400, query.partition("=")[0])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"status": 201}, 200),
        ({"status": 429, "error_type": "rate"}, 429),
        ({"status": 200, "error_type": "fault", "problem": "cut"}, 502),
        ({"status": 200, "error_type": "client_left"}, 499),
    ],
)
async def test_a_code_is_200_for_exactly_those_that_went_well(gateway, fields, code):
    await write(gateway, entry(1, **fields))
    (row,) = (await done(gateway, "GET", "/api/logs/search"))["logs"]
    assert row["code"] == code


async def logs_of(gateway, count):
    """Wait until so many requests are in the log."""
    async with asyncio.timeout(5):
        while len(logs := (await done(gateway, "GET", "/api/logs/search"))["logs"]) < count:  # noqa: ASYNC110  nothing says when it is
            await asyncio.sleep(0.02)
    return logs


ERROR = {"error": {"message": f"no such thing, {KEY}"}}


async def test_what_a_failed_request_asked_and_was_answered_is_kept(gateway, provider):
    provider.says(support.json_answer(ERROR, 400))
    await gateway.add_channel(provider, "m", key=KEY)
    await gateway.chat(key=ADMIN)
    (row,) = await logs_of(gateway, 1)
    detail = await done(gateway, "GET", f"/api/logs/detail/{row['id']}")
    assert orjson.loads(detail["request_body"])["messages"] == [{"role": "user", "content": "hi"}]
    said = orjson.loads(detail["response_body"])["error"]
    assert said == {"message": "request: no such thing, [...]", "type": "request", "status": 400}
    assert (detail["id"], detail["request_body_truncated"]) == (row["id"], False)


async def test_of_a_long_body_the_beginning_is_kept(gateway, provider):
    provider.says(support.json_answer(ERROR, 400))
    await gateway.add_channel(provider, "m")
    await gateway.chat(key=ADMIN, padding="x" * 100_000)
    (row,) = await logs_of(gateway, 1)
    detail = await done(gateway, "GET", f"/api/logs/detail/{row['id']}")
    assert (len(detail["request_body"]), detail["request_body_truncated"]) == (8192, True)


GOOD = {"choices": [{"message": {"content": "quack"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}


@pytest.mark.parametrize(
    ("settings", "answer", "status"),
    [
        ({}, support.json_answer(GOOD), 404),
        ({"keep_bodies_s": 0.0}, support.json_answer(ERROR, 400), 404),
        ({"keep_all_bodies": True}, support.json_answer(GOOD), 200),
    ],
)
async def test_bodies_are_kept_as_it_is_set(tmp_path, provider, settings, answer, status):
    provider.says(answer)
    async with support.gateway(tmp_path, admin={"key": ADMIN}, log=settings) as made:
        await made.add_channel(provider, "m")
        await made.chat(key=ADMIN)
        (row,) = await logs_of(made, 1)
        detail = await call(made, "GET", f"/api/logs/detail/{row['id']}")
        assert detail.status == status
        assert (b"quack" in detail.body) == (status == 200)


async def test_a_stream_is_kept_by_its_request_and_its_end(tmp_path, provider):
    end = support.chunk(b"data: [DONE]\n\n")
    provider.says(support.STREAM_HEAD, support.chunk(support.delta("quack", "stop")), end, support.STREAM_END)
    async with support.gateway(tmp_path, admin={"key": ADMIN}, log={"keep_all_bodies": True}) as made:
        await made.add_channel(provider, "m")
        await made.chat(stream=True, key=ADMIN)
        (row,) = await logs_of(made, 1)
        await made.front._relay.bodies.flush()
        detail = await done(made, "GET", f"/api/logs/detail/{row['id']}")
    assert orjson.loads(detail["request_body"])["stream"] is True
    assert detail["response_body"].endswith("data: [DONE]\n\n")


# The dashboard.

DAY_MS, MINUTE_MS = 86_400_000, 60_000
SPAN = f"start_timestamp={SECOND_MS - DAY_MS}&end_timestamp={SECOND_MS + DAY_MS}"


async def test_figures_are_sums_by_channel_and_model(gateway):
    await write(
        gateway, entry(1), entry(2), entry(3, at_ms=SECOND_MS + 5 * MINUTE_MS),
        entry(4, channel_id=None, **FAILED),
        entry(5, total_ms=90_000, **FAILED), entry(6, channel_id=2, model="a", counts=Counts(1, 1), cost=0),
    )  # fmt: skip
    (bucket,) = await done(gateway, "GET", f"/api/dashboardv2/?{SPAN}&timespan=hour&timezone=UTC")
    other, sums = bucket["summary"]
    assert bucket["timestamp"] == SECOND_MS // 1000
    assert (other["channel_id"], other["model"], other["total_tokens"]) == (2, "a", 2)
    assert sums == {
        "channel_id": 3, "model": "gpt-x", "request_count": 4, "exception_count": 1, "used_amount": 2.0,
        "input_tokens": 40, "output_tokens": 20, "total_tokens": 60, "cached_tokens": 12,
        "total_time_milliseconds": 300, "total_ttfb_milliseconds": 120, "max_rpm": 3, "max_tpm": 45,
        "cache_hit_count": 4,
    }  # fmt: skip


NOON_S = SECOND_MS // 1000
SPANS = [
    ("timespan=minute", NOON_S + 40 * 60),
    ("", NOON_S + 40 * 60),
    ("timespan=century", NOON_S + 40 * 60),
    ("timespan=hour", NOON_S),
    ("timespan=hour&timezone=Asia/Kolkata", NOON_S + 30 * 60),
    ("timespan=day", NOON_S - 12 * 3600),
    ("timespan=day&timezone=Asia/Shanghai", NOON_S - 20 * 3600),
    ("timespan=day&timezone=Asia/Kolkata", NOON_S - 17 * 3600 - 1800),
    ("timespan=day&timezone=America/New_York", NOON_S - 7 * 3600),
    ("timespan=month&timezone=UTC", NOON_S - 23 * 86_400 - 12 * 3600),
]


@pytest.mark.parametrize(("query", "starts_at"), SPANS)
@pytest.mark.parametrize("most", [200_000, 0], ids=["from the log", "from sums"])
async def test_a_span_begins_where_it_does_in_the_clients_zone(gateway, monkeypatch, query, starts_at, most):
    monkeypatch.setattr("canalgate.proxy.admin.aiproxy.dashboard.MOST_FROM_LOG", most)
    await write(gateway, entry(1, at_ms=SECOND_MS + 40 * MINUTE_MS))
    (bucket,) = await done(gateway, "GET", f"/api/dashboardv2?{SPAN}&{query}")
    if most == 0 and query == "timespan=hour&timezone=Asia/Kolkata":
        starts_at -= 3600  # an hour of the sums counts to where it begins
    assert (bucket["timestamp"], len(bucket["summary"])) == (starts_at, 1)


async def test_what_the_hourly_sums_do_not_know_is_the_least_it_can_be(gateway, monkeypatch):
    monkeypatch.setattr("canalgate.proxy.admin.aiproxy.dashboard.MOST_FROM_LOG", 0)
    await write(gateway, *(entry(number) for number in range(61)), entry(62, **FAILED))
    (bucket,) = await done(gateway, "GET", f"/api/dashboardv2?{SPAN}&timespan=day")
    (sums,) = bucket["summary"]
    assert (sums["request_count"], sums["max_rpm"], sums["max_tpm"]) == (62, 2, 16)
    assert (sums["total_time_milliseconds"], sums["cache_hit_count"]) == (6100, 0)


@pytest.mark.parametrize(
    ("query", "found"), [("channel=3", 1), ("channel=9", 0), ("model=gpt-x", 1), ("model=b", 0)]
)
async def test_figures_of_one_channel_or_model(gateway, query, found):
    await write(gateway, entry(1), entry(2, channel_id=4, model="gpt-y"))
    buckets = await done(gateway, "GET", f"/api/dashboardv2/?{SPAN}&timespan=day&{query}")
    assert sum(len(bucket["summary"]) for bucket in buckets) == found


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", "a" * 5000, "%00"])
async def test_a_zone_that_is_none_is_refused(gateway, zone):
    answer = await call(gateway, "GET", f"/api/dashboardv2/?timezone={zone}")
    assert (answer.status, answer.json["message"]) == (400, "timezone: expected a name like Asia/Shanghai")
