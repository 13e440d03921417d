"""A stream that outlives its client's connection, for a client that comes back."""

import asyncio
import random
import re
from contextlib import asynccontextmanager

import pytest
import support
from canalgate.proxy.billing.pricing import Price
from canalgate.proxy.store.requests import Filters
from support import CUT, STREAM_END, STREAM_HEAD, chunk, delta, event, json_answer

ASK = "X-Canalgate-Resume: 1\r\n"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
PATH = "/v1/chat/completions"
LONG = {"resume_s": 30.0}
PAUSE = 0.3
USAGE = event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 10}})
TEXTS = "abcdefgh"
EVENTS = [*map(delta, TEXTS), delta("", "stop"), USAGE, b"data: [DONE]\n\n"]
WITH_USAGE = {**BODY, "stream_options": {"include_usage": True}}
PRICE = Price("", prompt=2_000_000, completion=4_000_000)


def numbered(events, first=1):
    return b"".join(b"id: %d\n%b" % (number, one) for number, one in enumerate(events, first))


def steps(at=4, pause=PAUSE):
    """The events one by one, with a pause behind some of them."""
    pieces = [chunk(one) for one in EVENTS]
    return (STREAM_HEAD, *pieces[:at], pause, *pieces[at:], STREAM_END)


@asynccontextmanager
async def keeping(folder, provider, **settings):
    async with support.gateway(folder, server=LONG | settings) as gateway:
        await gateway.parts.store.prices.set("m", PRICE)
        await gateway.add_channel(provider, "m")
        yield gateway


@pytest.fixture
async def kept(tmp_path, provider):
    provider.says(*steps())
    async with keeping(tmp_path, provider) as gateway:
        yield gateway


class Client:
    """A client whose connection can break at any event."""

    def __init__(self, gateway, reader, writer):
        self.gateway, self.reader, self.writer = gateway, reader, writer
        self.got = b""

    async def until(self, end):
        """Read up to these bytes."""
        async with asyncio.timeout(5):
            while end not in self.got:
                piece = await self.reader.read(1 << 16)
                assert piece, self.got
                self.got += piece

    async def rest(self):
        """Read all there is."""
        async with asyncio.timeout(5):
            self.got += await self.reader.read()
        return support.parse_answer(self.got)

    @property
    def request_id(self):
        return re.search(rb"x-request-id: (\w+)", self.got)[1].decode()

    @property
    def last(self):
        return int(re.findall(rb"id: (\d+)\n", self.got)[-1])


@asynccontextmanager
async def client(gateway, body=WITH_USAGE, headers=ASK, path=PATH, method="POST"):
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=4096)
    writer.write(gateway.request(path, body, method, headers))
    try:
        yield Client(gateway, reader, writer)
    finally:
        writer.transport.abort()


def returning(gateway, request_id, last):
    """A client that comes back."""
    return client(gateway, None, f"Last-Event-ID: {last}\r\n", f"/v1/streams/{request_id}", "GET")


async def broken_off(gateway, event=b"id: 3\n"):
    """Ask for a stream and lose the connection at an event; returns the stream's id and the last event's."""
    async with client(gateway) as first:
        await first.until(event)
        return first.request_id, first.last


async def back(gateway, request_id, last, key=""):
    """Come back; what is returned is without comments."""
    answer = await gateway.get(f"/v1/streams/{request_id}", headers=f"Last-Event-ID: {last}\r\n", key=key)
    answer.body = without_comments(answer.body)
    return answer


def without_comments(body):
    return body.replace(b": keep-alive\n\n", b"")


async def until(claim):
    """Wait until this holds."""
    async with asyncio.timeout(5):
        while not await claim():  # noqa: ASYNC110  there is no event to wait for
            await asyncio.sleep(0.02)


async def rows(gateway):
    """The rows of the ledger."""

    async def found():
        return (await gateway.parts.store.requests.page(Filters(), None, 100))[0]

    await until(found)
    return await found()


# While the client is there.


async def test_events_are_numbered_for_a_client_that_asks_for_it(kept):
    answer = await kept.post(PATH, WITH_USAGE, headers=ASK)
    assert (answer.complete, answer.body) == (True, numbered(EVENTS))
    assert answer.headers["x-canalgate-resume"] == "30"


@pytest.mark.parametrize("headers", ["", "X-Canalgate-Resume: 0\r\n"])
async def test_nothing_is_changed_for_a_client_that_does_not(kept, headers):
    answer = await kept.post(PATH, WITH_USAGE, headers=headers)
    assert (answer.complete, answer.body) == (True, b"".join(EVENTS))
    assert "x-canalgate-resume" not in answer.headers
    assert (await back(kept, answer.headers["x-request-id"], 1)).status == 404


async def test_as_things_are_set_nothing_is_kept(gateway, provider):
    provider.says(*steps(pause=0.01))
    answer = await gateway.post(PATH, WITH_USAGE, headers=ASK)
    assert answer.body == b"".join(EVENTS)
    assert (await back(gateway, answer.headers["x-request-id"], 1)).status == 404


async def test_usage_nobody_asked_for_is_hidden_in_kept_streams_too(kept):
    answer = await kept.post(PATH, BODY, headers=ASK)
    assert answer.body == numbered([one for one in EVENTS if one is not USAGE])


async def test_an_answer_that_is_no_stream_passes_as_it_is(kept, provider):
    provider.says(json_answer({"choices": []}))
    answer = await kept.post(PATH, BODY, headers=ASK)
    assert answer.json == {"choices": []}
    assert (await back(kept, answer.headers["x-request-id"], 0)).status == 404


async def test_an_error_has_its_status(kept, provider):
    provider.says(json_answer({"error": {"message": "no"}}, 500))
    answer = await kept.post(PATH, BODY, headers=ASK)
    assert (answer.status, answer.error["code"]) == (502, "upstream_error")


async def test_the_connection_serves_another_request_afterwards(kept, provider):
    provider.says(*steps(pause=0.01))
    one = kept.request(PATH, WITH_USAGE, headers=ASK)
    raw = await kept.raw(one.replace(b"Connection: close\r\n", b"") + one)
    assert raw.count(b"[DONE]") == 2


async def test_kept_streams_have_heartbeats(tmp_path, provider):
    provider.says(*steps())
    async with keeping(tmp_path, provider, heartbeat_s=0.04) as gateway:
        answer = await gateway.post(PATH, WITH_USAGE, headers=ASK)
    assert without_comments(answer.body) == numbered(EVENTS) != answer.body


async def test_a_stream_promised_early_is_kept(tmp_path, provider):
    provider.says(PAUSE, *steps(pause=0.01))
    async with keeping(tmp_path, provider, heartbeat_s=0.04, early_heartbeat_s=0.05) as gateway:
        answer = await gateway.post(PATH, WITH_USAGE, headers=ASK)
        assert without_comments(answer.body) == numbered(EVENTS) != answer.body
        assert answer.headers["x-canalgate-resume"] == "30"
        assert (await back(gateway, answer.headers["x-request-id"], 10)).body == numbered(EVENTS[10:], 11)


# Coming back.


async def test_a_client_that_comes_back_gets_every_event_it_lacks_once_as_they_come(kept, provider):
    request_id, last = await broken_off(kept)
    assert last < len(EVENTS)
    answer = await back(kept, request_id, last)
    assert (answer.status, answer.complete) == (200, True)
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.body == numbered(EVENTS[last:], last + 1)
    assert len(provider.asked) == 1


async def test_a_client_may_break_off_again_and_again(tmp_path, provider):
    pieces = [piece for one in EVENTS for piece in (chunk(one), 0.1)]
    provider.says(STREAM_HEAD, *pieces, STREAM_END)
    async with keeping(tmp_path, provider) as gateway:
        request_id, last = await broken_off(gateway, b"id: 1\n")
        for end in (b"id: 3\n", b"id: 5\n", b"id: 8\n"):
            async with returning(gateway, request_id, last) as again:
                await again.until(end)
                got = support.parse_answer(again.got).body
                assert without_comments(got) == numbered(EVENTS[last : again.last], last + 1)
                last = again.last
        assert (await back(gateway, request_id, last)).body == numbered(EVENTS[last:], last + 1)
    assert len(provider.asked) == 1


async def test_without_a_number_all_events_come(kept):
    request_id, _ = await broken_off(kept)
    answer = await kept.get(f"/v1/streams/{request_id}")
    assert (answer.complete, answer.body) == (True, numbered(EVENTS))


@pytest.mark.parametrize("last", [0, 5, len(EVENTS)])
async def test_a_stream_that_has_ended_can_be_fetched_again(kept, last):
    whole = await kept.post(PATH, WITH_USAGE, headers=ASK)
    for _ in range(2):
        answer = await back(kept, whole.headers["x-request-id"], last)
        assert (answer.status, answer.complete) == (200, True)
        assert answer.body == numbered(EVENTS[last:], last + 1)


async def test_who_has_all_there_is_gets_a_head_at_once(kept, provider):
    provider.says(*steps(pause=10.0))
    request_id, _ = await broken_off(kept, b"id: 4\n")
    async with returning(kept, request_id, 4) as again:
        await again.until(b": keep-alive\n\n")
        assert b" 200 OK\r\n" in again.got


async def test_a_stream_that_its_provider_cuts_is_cut_for_who_comes_back(kept, provider):
    provider.says(*steps()[:7], CUT)
    request_id, last = await broken_off(kept)
    for _ in range(2):
        answer = await back(kept, request_id, last)
        assert not answer.complete
        assert b'data: {"error":' in answer.body
        assert b"[DONE]" not in answer.body


async def test_the_connection_of_who_comes_back_serves_another_request(kept):
    request_id, last = await broken_off(kept)
    one = kept.request(f"/v1/streams/{request_id}", None, "GET", f"Last-Event-ID: {last}\r\n")
    raw = await kept.raw(one.replace(b"Connection: close\r\n", b"") + one)
    assert raw.count(b" 200 OK\r\n") == raw.count(b"[DONE]") == 2


async def test_who_comes_takes_the_stream_over(kept, provider):
    async with client(kept) as first:
        await first.until(b"id: 4\n")
        answer = await back(kept, first.request_id, 4)
        cut = await first.rest()
    assert (answer.complete, answer.body) == (True, numbered(EVENTS[4:], 5))
    assert (cut.complete, cut.body) == (False, numbered(EVENTS[:4]))


async def test_who_comes_third_takes_the_stream_over_from_the_second(kept):
    request_id, _ = await broken_off(kept, b"id: 4\n")
    async with returning(kept, request_id, 3) as second:
        await second.until(b"id: 4\n")
        third = await back(kept, request_id, 4)
        cut = await second.rest()
    assert (third.complete, third.body) == (True, numbered(EVENTS[4:], 5))
    assert (cut.complete, cut.body) == (False, numbered(EVENTS[3:4], 4))


async def test_a_look_at_the_head_takes_nothing_over(kept):
    async with client(kept) as first:
        await first.until(b"id: 4\n")
        head = await kept.raw(kept.request(f"/v1/streams/{first.request_id}", None, "HEAD"))
        answer = await first.rest()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and head.endswith(b"\r\n\r\n")
    assert (answer.complete, answer.body) == (True, numbered(EVENTS))


async def stalls(first):
    """Take nothing, until it is cut off."""


async def breaks(first):
    """Take nothing, so that its provider is not read from, and then leave."""
    await asyncio.sleep(0.1)
    first.writer.transport.abort()


@pytest.mark.parametrize(("how", "send_idle_s"), [(stalls, 0.1), (breaks, 30.0)])
async def test_a_stream_whose_reader_took_nothing_goes_on_without_it(tmp_path, provider, how, send_idle_s):
    big = [delta(f"{n}" + "x" * 60_000) for n in range(200)]
    provider.says(STREAM_HEAD, *map(chunk, big), chunk(EVENTS[-1]), STREAM_END)
    bounds = {"send_idle_s": send_idle_s, "resume_bytes": 1 << 24}
    async with keeping(tmp_path, provider, **bounds) as gateway, client(gateway) as first:
        await first.until(b"id: 1\n")
        await how(first)
        await rows(gateway)  # it has come to its end
        answer = await back(gateway, first.request_id, 1)
    assert answer.complete
    assert answer.body == numbered([*big[1:], EVENTS[-1]], 2)


async def restless(gateway, seed):
    """Take a stream with a connection that breaks at random places; returns all that came, as it was cut."""
    rng, got, request_id = random.Random(seed), b"", ""
    while True:
        last = got.count(b"id: ")
        async with returning(gateway, request_id, last) if request_id else client(gateway) as one:
            for _ in range(rng.randrange(4)):
                async with asyncio.timeout(5):
                    one.got += await one.reader.read(rng.randrange(1, 2000))
            await one.until(b"\r\n\r\n")
            answer = support.parse_answer(one.got)
            request_id = request_id or one.request_id
            whole = answer.body[: answer.body.rfind(b"\n\n") + 2] if b"\n\n" in answer.body else b""
            got += without_comments(whole)
            if answer.complete:
                return got


async def test_however_often_connections_break_every_event_comes_once(tmp_path, provider):
    pieces = [piece for one in EVENTS for piece in (chunk(one), 0.02)]
    provider.says(STREAM_HEAD, *pieces, STREAM_END)
    async with keeping(tmp_path, provider) as gateway:
        streams = await asyncio.gather(*[restless(gateway, seed) for seed in range(20)])
        assert set(streams) == {numbered(EVENTS)}
        assert len(provider.asked) == 20

        async def all_are_booked():
            return len(await rows(gateway)) == 20

        await until(all_are_booked)
        assert {row.cost for row in await rows(gateway)} == {3 + 2 * 7}


# What cannot be had.

WRONG = {
    "no number": ("x", 400, "bad_last_event_id"),
    "a negative one": ("-1", 400, "bad_last_event_id"),
    "another digit": ("\xb2", 400, "bad_last_event_id"),
    "an endless one": ("1" * 4000, 400, "bad_last_event_id"),
    "one that has not been": ("999", 400, "bad_last_event_id"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_number_that_is_none_is_refused_and_the_stream_goes_on(kept, name):
    last, status, code = WRONG[name]
    request_id, known = await broken_off(kept)
    answer = await back(kept, request_id, last)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert (await back(kept, request_id, known)).body == numbered(EVENTS[known:], known + 1)


async def test_another_tokens_stream_looks_like_none(kept):
    request_id, last = await broken_off(kept)
    others = await back(kept, request_id, last, key=await kept.add_token())
    unknown = await back(kept, "0" * 24, last)
    assert (others.status, unknown.status) == (404, 404)
    assert others.error["message"].replace(request_id, "0" * 24) == unknown.error["message"]
    assert (await back(kept, request_id, last, key="sk-wrong")).status == 401
    assert (await back(kept, request_id, last, key="none")).status == 401
    assert (await back(kept, request_id, last)).complete


async def test_only_get_is_allowed(kept):
    answer = await kept.post("/v1/streams/x", {})
    assert (answer.status, answer.error["code"]) == (405, "method_not_allowed")


async def test_events_no_longer_kept_are_an_error_and_never_left_out(tmp_path, provider):
    provider.says(*steps(pause=0.01))
    async with keeping(tmp_path, provider, resume_bytes=700) as gateway:
        answer = await gateway.post(PATH, WITH_USAGE, headers=ASK)
        request_id = answer.headers["x-request-id"]
        assert answer.body == numbered(EVENTS)
        gone = await back(gateway, request_id, 2)
        assert (gone.status, gone.error["code"]) == (410, "events_gone")
        assert (await back(gateway, request_id, 9)).body == numbered(EVENTS[9:], 10)


async def test_the_oldest_streams_make_room_for_the_newest(tmp_path, provider):
    provider.says(*steps(pause=0.01))
    async with keeping(tmp_path, provider, resume_total_bytes=5000) as gateway:
        ids = [(await gateway.post(PATH, WITH_USAGE, headers=ASK)).headers["x-request-id"] for _ in range(4)]
        statuses = [(await back(gateway, one, 0)).status for one in ids]
    assert statuses == sorted(statuses, reverse=True)
    assert (statuses[0], statuses[-1]) == (410, 200)


async def test_a_stream_that_has_ended_is_forgotten_in_time(tmp_path, provider):
    provider.says(*steps(pause=0.01))
    async with keeping(tmp_path, provider, resume_s=0.2) as gateway:
        whole = await gateway.post(PATH, WITH_USAGE, headers=ASK)
        request_id = whole.headers["x-request-id"]
        assert (await back(gateway, request_id, 0)).status == 200

        async def is_gone():
            return (await back(gateway, request_id, 0)).status == 404

        await until(is_gone)


# Money.


async def test_a_client_that_comes_back_pays_once_and_what_the_provider_says(kept):
    request_id, last = await broken_off(kept)
    assert (await back(kept, request_id, last)).complete
    found = await rows(kept)
    assert [(row.request_id, row.status, row.counts.completion_tokens) for row in found] == [
        (request_id, 200, 7)
    ]
    assert found[0].cost == 3 + 2 * 7


async def test_a_stream_is_settled_before_who_came_back_gets_its_end(kept):
    request_id, last = await broken_off(kept)
    async with returning(kept, request_id, last) as again:
        await again.until(b"[DONE]")
        receipt = await kept.get(f"/v1/usage/{request_id}")
    assert (receipt.status, receipt.json["usage"]["completion_tokens"]) == (200, 7)


async def test_a_stream_that_ends_while_nobody_is_there_is_paid_in_full(kept, provider):
    request_id, _ = await broken_off(kept)
    found = await rows(kept)
    assert [(row.request_id, row.cost) for row in found] == [(request_id, 3 + 2 * 7)]
    assert (await back(kept, request_id, 4)).body == numbered(EVENTS[4:], 5)
    assert not provider.gone_at


async def test_a_client_that_never_comes_back_pays_what_was_made_until_then(tmp_path, provider):
    provider.says(*steps(pause=10.0))
    async with keeping(tmp_path, provider, resume_s=0.2) as gateway:
        request_id, last = await broken_off(gateway, b"id: 4\n")
        async with asyncio.timeout(5):
            await provider.gone.wait()
        (row,) = await rows(gateway)
        assert row.request_id == request_id
        assert row.error_type == "client_left"
        assert 0 < row.counts.completion_tokens < 7
        assert (await back(gateway, request_id, last)).status == 404


async def test_a_client_that_reads_is_not_given_up(tmp_path, provider):
    provider.says(*steps(pause=0.6))
    async with keeping(tmp_path, provider, resume_s=0.15) as gateway:
        request_id, last = await broken_off(gateway, b"id: 4\n")
        answer = await back(gateway, request_id, last)
    assert (answer.complete, answer.body) == (True, numbered(EVENTS[4:], 5))


async def test_a_client_that_leaves_before_the_first_event_ends_its_request(kept, provider):
    provider.says(10.0, *steps())
    async with client(kept) as first:

        async def has_asked():
            return provider.asked

        await until(has_asked)
        first.writer.close()
        async with asyncio.timeout(5):
            await provider.gone.wait()


async def test_a_gateway_that_stops_settles_what_nobody_came_back_for(tmp_path, provider):
    provider.says(*steps(pause=10.0))
    async with keeping(tmp_path, provider) as gateway:
        request_id, _ = await broken_off(gateway, b"id: 4\n")
    async with support.opened_store(tmp_path) as store:
        found, _ = await store.requests.page(Filters(), None, 100)
    assert [row.request_id for row in found] == [request_id]
    assert found[0].counts.completion_tokens > 0


async def test_an_answer_that_no_provider_sends_ends_with_its_client(tmp_path):
    """The demo's, which costs nothing."""
    async with support.gateway(tmp_path, server=LONG) as gateway:
        body = {**BODY, "model": "demo"}
        whole = await gateway.post(PATH, body, headers=ASK)
        assert b"id: 1\n" in whole.body
        async with client(gateway, body) as first:
            await first.until(b"id: 1\n")
            request_id = first.request_id
        answer = await back(gateway, request_id, 0)
    assert not answer.complete
    assert answer.body.startswith(b"id: 1\n")
