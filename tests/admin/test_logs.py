"""The log through the admin API: exports, the tail, bodies and tries, and sums by the minute."""

import asyncio
import csv
import io
import json

import msgspec
import pytest
import support
from canalgate.proxy.store.requests import Filters
from canalgate.proxy.watchers import MOST_WAITING, MOST_WATCHERS
from ledgers import entry

REPLY = support.json_answer(
    {"id": "c", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}
)
MINUTE = 1_795_521_600  # of the first entry, in seconds


def made(number, **fields):
    """A request that came `number` milliseconds after a minute began."""
    return msgspec.structs.replace(entry(number), **fields)


async def write(gateway, entries):
    store = gateway.parts.store
    await store.requests.prepare(entries)
    async with store.database.transaction() as transaction:
        await store.requests.write(transaction, entries)


async def until(is_so):
    async with asyncio.timeout(5):
        while True:
            if is_so():
                return
            await asyncio.sleep(0.01)


async def logged_of(gateway):
    """The log, as soon as there is anything in it."""
    async with asyncio.timeout(10):
        while True:
            found, _ = await gateway.parts.store.requests.page(Filters(), None, 9)
            if found:
                return found
            await asyncio.sleep(0.02)


def relay_of(gateway):
    return gateway.front._relay


@pytest.fixture
async def logged(gateway, anna):
    """Three requests of the root user and one of anna's, over two minutes; the last has failed."""
    await write(
        gateway,
        [
            made(0), made(1, model="=1+1", user_id=anna.user_id),
            made(2, channel_id=None, first_byte_ms=None),
            made(60_000, status=500, error_type="fault", problem="no route"),
        ],
    )  # fmt: skip
    return gateway


# Exports.


async def test_the_log_is_exported_as_a_table(logged, root):
    answer = await root.get("/logs/export")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].endswith('.csv"')
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert [row["status"] for row in rows] == ["500", "200", "200", "200"]
    assert list(rows[0]) == list((await root.get("/logs")).json["data"][0])
    assert rows[2]["model"] == "'=1+1"  # no formula
    assert (rows[1]["channel_id"], rows[1]["stream"]) == ("", "false")


async def test_the_log_is_exported_as_lines_that_are_those_of_the_list(logged, root):
    answer = await root.get("/logs/export?format=jsonl")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in answer.body.splitlines()] == (await root.get("/logs")).json["data"]


@pytest.mark.parametrize(
    ("query", "count"),
    [("failed=true", 1), ("status=200", 3), ("model=%3D1%2B1", 1), ("channel_id=1", 3), ("user_id=1", 3),
     (f"since={MINUTE + 60}", 1), (f"until={MINUTE}", 0), ("token_id=9", 0)],
)  # fmt: skip
async def test_an_export_has_the_filters_of_the_list(logged, root, query, count):
    lines = (await root.get(f"/logs/export?format=jsonl&{query}")).body.splitlines()
    assert len(lines) == count == len((await root.get(f"/logs?{query}")).json["data"])


async def test_a_user_exports_their_own_alone_and_without_words_for_operators(logged, anna):
    for query in ("", "&user_id=1"):
        body = (await anna.get(f"/logs/export?format=jsonl{query}")).body
        assert [json.loads(line)["user_id"] for line in body.splitlines()] == [anna.user_id]


async def test_a_long_log_is_exported_whole(gateway, root):
    await write(gateway, [made(number) for number in range(1203)])
    assert len((await root.get("/logs/export")).body.splitlines()) == 1204
    assert (await root.ask("HEAD", "/logs/export")).status == 200


@pytest.mark.parametrize("query", ["format=xml", "limit=5", "since=-1", "after=0", "status=99"])
async def test_an_export_that_makes_no_sense_is_refused(root, query):
    assert (await root.get(f"/logs/export?{query}")).status == 400


# The tail.


class Tail:
    """Watches the log as a browser does."""

    def __init__(self, client, query=""):
        self.client, self.query = client, query

    async def __aenter__(self):
        gateway = self.client.gateway
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        fields = f"authorization: {self.client.authorization}\r\n"
        path = f"/api/v1/logs/tail{self.query}"
        self.writer.write(gateway.request(path, None, "GET", fields, key="none"))
        await self.until(b"retry: ")
        return self

    async def __aexit__(self, *exc):
        self.writer.close()

    async def until(self, start):
        async with asyncio.timeout(5):
            while not (line := await self.reader.readline()).startswith(start):
                assert line, "the tail has ended"
        return line

    async def row(self):
        return json.loads((await self.until(b"data: ")).removeprefix(b"data: "))


async def test_the_tail_shows_requests_as_they_end(gateway, root, provider):
    provider.says(REPLY)
    channel = await gateway.add_channel(provider, "m")
    async with Tail(root) as tail:
        assert (await gateway.chat()).status == 200
        row = await tail.row()
        assert (row["model"], row["status"], row["channel_id"]) == ("m", 200, channel.id)
        assert (row["prompt_tokens"], row["completion_tokens"], row["user_id"]) == (5, 2, 1)
        await gateway.chat("gone")
        failed = await tail.row()
        assert (failed["status"], failed["channel_id"]) == (404, None)
        assert failed["problem"]


async def test_a_user_sees_the_tail_of_their_own_alone(gateway, root, anna, provider):
    provider.says(REPLY)
    await gateway.add_channel(provider, "m")
    key = (await anna.post("/tokens", {"name": "t"})).json["key"]
    async with Tail(anna, "?user_id=1") as tail:
        await gateway.chat()  # the root user's
        await gateway.chat("gone", key=key)
        row = await tail.row()
        assert (row["user_id"], row["model"], row["problem"]) == (anna.user_id, "gone", None)


async def test_a_tail_ends_in_time_when_its_client_leaves_and_when_the_gateway_does(gateway, root):
    watchers = relay_of(gateway).access_log.watchers
    async with Tail(root, "?for_s=1") as tail, asyncio.timeout(5):
        await tail.reader.read()
    async with Tail(root):
        assert len(watchers._all) == 1
    await until(lambda: not watchers._all)
    async with Tail(root) as tail, asyncio.timeout(5):
        relay_of(gateway).draining = True
        await tail.reader.read()


async def test_who_cannot_keep_up_is_told_how_many_were_missed(gateway):
    with relay_of(gateway).access_log.watchers.one() as watcher:
        watcher.take([object()] * (MOST_WAITING + 5))
        records, missed = await watcher.wait(1)
        assert (len(records), missed) == (MOST_WAITING, 5)
        assert await watcher.wait(0) == ([], 0)


async def test_only_so_many_may_watch(gateway, root):
    watchers = relay_of(gateway).access_log.watchers
    watchers._all |= {object() for _ in range(MOST_WATCHERS)}
    answer = await root.get("/logs/tail")
    watchers._all.clear()
    assert (answer.status, answer.error["code"]) == (429, "too_many_watchers")


# One request.


async def test_a_request_that_failed_shows_bodies_and_tries_to_administrators(gateway, root, anna, provider):
    provider.says(support.json_answer({"error": {"message": "out of order"}}, 500))
    await gateway.add_channel(provider, "m")
    key = (await anna.post("/tokens", {"name": "t"})).json["key"]
    assert (await gateway.chat(key=key)).status >= 500
    found = await logged_of(gateway)
    await relay_of(gateway).bodies.flush()
    path = f"/logs/{found[0].request_id}"
    shown = (await root.get(path)).json
    assert json.loads(shown["bodies"]["asked"])["model"] == "m"
    assert "out of order" in shown["bodies"]["answered"]
    assert not shown["bodies"]["asked_cut"]
    assert {one["channel_id"] for one in shown["tries"]} == {1}
    own = (await anna.get(path)).json
    assert (own["bodies"], own["tries"], own["problem"]) == (None, [], None)


@pytest.mark.parametrize("queue_ms", [0, 340])
async def test_a_request_shows_how_long_it_waited_for_a_place(gateway, root, anna, queue_ms):
    user_id = (await anna.get("/me")).json["id"]
    one = made(1, user_id=user_id, queue_ms=queue_ms, first_byte_ms=400, total_ms=500)
    await write(gateway, [one])
    for client in (root, anna):
        assert (await client.get(f"/logs/{one.request_id}")).json["queue_ms"] == queue_ms


# Sums by the minute.


async def usage(client, query):
    answer = await client.get(f"/usage?span=minute&since={MINUTE}&until={MINUTE + 3600}{query}")
    assert answer.status == 200, answer.body
    return answer.json["data"]


async def test_the_log_is_summed_by_the_minute(logged, root, anna):
    first, second = await usage(root, "")
    assert (first["starts_at"], second["starts_at"]) == (MINUTE, MINUTE + 60)
    assert (first["requests"], first["failures"], first["first_bytes"], first["total_ms"]) == (3, 0, 2, 6)
    assert (second["requests"], second["failures"]) == (1, 1)
    assert first["cache_write_tokens"] is None
    by_channel = await usage(root, "&by=channel")
    assert [(one["channel_id"], one["requests"]) for one in by_channel] == [(0, 1), (1, 2), (1, 1)]
    both = await usage(root, f"&by=channel&user_id={anna.user_id}")
    assert [one["requests"] for one in both] == [1]
    assert [one["model"] for one in await usage(root, "&by=model&model=%3D1%2B1")] == ["=1+1"]
    assert [one["user_id"] for one in await usage(anna, "&by=user&user_id=1")] == [anna.user_id]


async def test_too_much_is_not_summed_by_the_minute(logged, root, monkeypatch):
    far = await root.get(f"/usage?span=minute&since=0&until={MINUTE}")
    assert (far.status, far.error["param"]) == (400, "since")
    monkeypatch.setattr("canalgate.proxy.admin.resources.usage._MOST_READ", 3)
    many = await root.get(f"/usage?span=minute&since={MINUTE}&until={MINUTE + 60}")
    assert (many.status, many.error["param"]) == (400, "since")
