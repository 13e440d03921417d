"""What a client sees, and what it does not, when channels, keys and models fail, are slow or are limited."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import orjson
import pytest
import support
from canalgate.plugins import ErrorKind, UpstreamError
from canalgate.proxy.records import DISABLED, ModelRoute, Times
from canalgate.proxy.relaying.probe import check, ways
from support import CUT, STREAM_END, STREAM_HEAD, chunk, delta, json_answer

USAGE = {"prompt_tokens": 10, "completion_tokens": 5}
GOOD = json_answer({"id": "x", "choices": [], "usage": USAGE})
LAST = b'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}\n\ndata: [DONE]\n\n'
STREAM = (STREAM_HEAD, chunk(delta("hi", "stop")), chunk(LAST), STREAM_END)


def error(status, headers="", **fields):
    return json_answer({"error": {"message": "no", **fields}}, status, headers)


BAD_KEY = error(401, code="invalid_api_key")
ARREARS = error(429, code="insufficient_quota")


@asynccontextmanager
async def several(tmp_path, count, **settings):
    """A gateway and providers that serve the model `m`, the first one before the others."""
    async with support.gateway(tmp_path, **settings) as gateway:
        providers = [support.provider(GOOD) for _ in range(count)]
        made = [await one.__aenter__() for one in providers]
        for number, provider in enumerate(made):
            await gateway.add_channel(provider, "m", priority=count - number)
        try:
            yield gateway, *made
        finally:
            for one in providers:
                await one.__aexit__(None, None, None)


async def found(look):
    """What a look finds, once it finds something: what is told of requests is written beside them."""
    for _ in range(300):
        if seen := await look():
            return seen
        await asyncio.sleep(0.01)
    raise AssertionError("nothing was found")


async def row(gateway, request_id):
    """The call log's row of a request."""
    return await found(lambda: gateway.parts.store.requests.one(request_id))


# Channels that fail.


async def test_a_failing_channel_is_asked_five_times_and_then_left_alone(tmp_path):
    async with several(tmp_path, 2) as (gateway, first, second):
        first.says(error(500))
        answers = [await gateway.chat() for _ in range(20)]
        assert {answer.status for answer in answers} == {200}
        assert (len(first.asked), len(second.asked)) == (5, 20)
        events = await found(lambda: gateway.parts.store.events.latest(9))
        assert {(event.kind, event.subject) for event in events} == {("channel_cooling", "channel:1")}


async def test_of_five_channels_one_that_fails_is_soon_out_and_nobody_sees_it(tmp_path):
    async with (
        support.provider(error(500)) as bad,
        support.provider(GOOD) as good,
        support.gateway(tmp_path) as gateway,
    ):
        for provider in (bad, good, good, good, good):
            await gateway.add_channel(provider, "m")
        statuses = [(await gateway.chat()).status for _ in range(300)]
        assert set(statuses) == {200}
        # Five before it is out, and then one each time it may come back: after 1, 2, 4 seconds.
        assert len(bad.asked) <= 5 + 3


async def test_tests_that_run_by_themselves_bring_a_key_back_that_is_good_again(tmp_path, provider):
    provider.says(BAD_KEY)
    async with support.gateway(tmp_path, routing={"test_every_s": 0.1}) as gateway:
        await gateway.add_channel(provider, "m")
        await gateway.chat()
        await until(lambda: 1 in gateway.live.snapshot.problems)
        provider.says(GOOD)
        await until(lambda: 1 not in gateway.live.snapshot.problems)
        assert (await gateway.chat()).status == 200


async def test_the_log_lists_every_attempt(tmp_path):
    async with several(tmp_path, 3) as (gateway, first, second, _):
        first.says(error(500))
        second.says(error(503))
        answer = await gateway.chat()
        entry = await row(gateway, answer.headers["x-request-id"])
        assert [(one.channel_id, one.outcome) for one in entry.tries] == [
            (1, "fault"),
            (2, "busy"),
            (3, "ok"),
        ]
        assert (entry.attempts, entry.channel_id, answer.headers["x-canalgate-channel"]) == (3, 3, "3")


@pytest.mark.parametrize("stream", [False, True])
async def test_the_only_channel_is_asked_again_after_a_pause(tmp_path, provider, stream):
    answers = iter([(CUT,), (error(503),), STREAM if stream else (GOOD,)])
    provider.script = lambda asked: next(answers)
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        answer = await gateway.chat(stream=stream)
        assert (answer.status, answer.complete, len(provider.asked)) == (200, True, 3)


@pytest.mark.parametrize("failure", [error(400), BAD_KEY, error(404, code="model_not_found")])
async def test_the_only_channel_is_not_asked_again_where_that_cannot_help(tmp_path, provider, failure):
    provider.says(failure)
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        await gateway.chat()
        assert len(provider.asked) == 1


async def test_an_outage_is_not_multiplied(tmp_path, provider):
    provider.says(error(500))
    async with support.gateway(tmp_path, routing={"eject_after": 1000}) as gateway:
        for number in range(4):
            await gateway.add_channel(provider, "m", priority=number)
        statuses = [(await gateway.chat()).status for _ in range(100)]
        assert set(statuses) == {502}
        # A hundred first attempts, a retry for each five of them, and the ten that are always there.
        assert len(provider.asked) <= 100 + 20 + 10 + 1


async def test_when_all_are_down_it_is_said_at_once_and_the_first_is_back_within_five_seconds(
    tmp_path, provider
):
    provider.says(error(500))
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        for _ in range(12):
            await gateway.chat()
        began = time.monotonic()
        answer = await gateway.chat()
        assert (answer.status, answer.error["code"]) == (503, "no_channel_available")
        assert int(answer.headers["retry-after"]) <= 4
        assert time.monotonic() - began < 0.1
        provider.says(GOOD)
        while (await gateway.chat()).status != 200:
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.05)
        assert {(await gateway.chat()).status for _ in range(5)} == {200}


async def test_while_everything_rests_no_request_waits_for_the_database(tmp_path, provider):
    provider.says(error(429, "retry-after: 120\r\n"))
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        await gateway.chat()
        async with gateway.live._loading:  # as a database that does not answer would hold it
            assert [(await gateway.chat()).status for _ in range(3)] == [429] * 3
            waiting = asyncio.ensure_future(gateway.chat("unknown"))
            await asyncio.sleep(0.05)
            assert not waiting.done()
        assert (await waiting).status == 404


# Limits of providers.


async def test_a_wait_that_every_channel_asks_for_is_handed_to_the_client(tmp_path):
    async with several(tmp_path, 2) as (gateway, first, second):
        first.says(error(429, "retry-after: 120\r\n"))
        second.says(error(429, "retry-after: 50\r\n"))
        told = [await gateway.chat() for _ in range(2)]
        assert [(one.status, one.error["code"]) for one in told] == [(429, "rate_limit_exceeded")] * 2
        assert [one.headers["retry-after"] for one in told] == ["50", "50"]
        assert (len(first.asked), len(second.asked)) == (1, 1)


# Keys.


async def test_keys_of_a_channel_take_turns(tmp_path, provider):
    provider.says(GOOD)
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m", key="one\n two \n\nthree\none")
        for _ in range(6):
            await gateway.chat()
        keys = sorted(asked.header("authorization") for asked in provider.asked)
        assert keys == [f"Bearer {key}" for key in ("one", "one", "three", "three", "two", "two")]


@pytest.mark.parametrize(("refusal", "kind"), [(BAD_KEY, "credential"), (ARREARS, "balance")])
async def test_a_refused_key_is_never_seen_by_clients_nor_asked_with_again(tmp_path, provider, refusal, kind):
    provider.script = lambda asked: (
        (refusal,) if asked.header("authorization") == "Bearer sk-bad" else (GOOD,)
    )
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m", key="sk-bad\nsk-good")
        assert {(await gateway.chat()).status for _ in range(8)} == {200}
        assert sum(asked.header("authorization") == "Bearer sk-bad" for asked in provider.asked) == 1
        [fault] = await found(gateway.parts.store.faults.all)
        assert (fault.channel_id, fault.kind) == (1, kind)
        [event] = await found(lambda: gateway.parts.store.events.latest(9))
        assert (event.kind, event.detail["keys_left"]) == ("key_refused", 1)
        assert "sk-bad" not in str(event) + str(fault)


async def test_a_channel_whose_only_key_is_refused_is_out_until_a_test_passes(tmp_path, provider):
    provider.says(BAD_KEY)
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        assert (await gateway.chat()).status == 502
        for _ in range(3):
            answer = await gateway.chat()
            assert (answer.status, answer.error["code"]) == (503, "no_channel_available")
        assert len(provider.asked) == 1
        await until(lambda: 1 in gateway.live.snapshot.problems)
        provider.says(GOOD)
        assert [result.error for result in await check_up(gateway)] == [""]
        await gateway.live.catch_up()
        assert (await gateway.chat()).status == 200


async def test_a_passing_test_does_not_undo_what_an_administrator_has_disabled(tmp_path, provider):
    provider.says(GOOD)
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m", status=DISABLED)
        assert [result.error for result in await check_up(gateway)] == [""]
        assert (await gateway.chat()).status == 404


async def test_what_a_provider_says_of_a_key_is_kept_without_it_whenever_it_says_so(gateway):
    member = gateway.live.snapshot.usable[1]
    refusal = UpstreamError(ErrorKind.CREDENTIAL, f"sk-upstream-secret is wrong at {member.row.base_url}")
    gateway.front._relay.note_failure(member, "m", refusal)  # in the middle of a stream, for one
    [fault] = await found(gateway.parts.store.faults.all)
    [event] = await found(lambda: gateway.parts.store.events.latest(9))
    for told in (fault.reason, event.detail["reason"]):
        assert told == "[...] is wrong at [...]"


async def test_word_of_a_refused_key_is_sent_to_the_webhook(tmp_path, provider):
    provider.says(BAD_KEY)
    async with support.provider(json_answer({})) as hook:
        async with support.gateway(tmp_path, events={"webhook": f"{hook.url}/hook"}) as gateway:
            await gateway.add_channel(provider, "m")
            await gateway.chat()
        [told] = hook.asked
        assert (told.json["kind"], told.json["subject"]) == ("key_refused", "channel:1")
        assert "sk-upstream-secret" not in told.body.decode()


async def check_up(gateway):
    relay = gateway.front._relay
    return [await check(relay, way, "m") for way in ways(gateway.live.snapshot.usable[1])]


async def until(holds):
    for _ in range(300):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


# Models that stand in.


async def test_a_model_that_stands_in_serves_and_is_what_is_paid_for(tmp_path):
    async with several(tmp_path, 1) as (gateway, first), support.provider(GOOD) as other:
        first.says(error(500))
        await gateway.add_channel(other, "n", mapping={"n": "n-large"})
        await gateway.parts.store.routes.set(ModelRoute("m", "", ("n",)))
        await gateway.live.catch_up()
        answer = await gateway.chat()
        assert (answer.status, other.asked[0].json["model"]) == (200, "n-large")
        entry = await row(gateway, answer.headers["x-request-id"])
        assert (entry.model, entry.upstream_model, entry.channel_id) == ("m", "n-large", 2)


async def test_an_alias_is_served_by_what_stands_in_for_it(gateway, provider):
    provider.says(GOOD)
    await gateway.parts.store.routes.set(ModelRoute("smart", "", ("m",)))
    await gateway.live.catch_up()
    assert (await gateway.chat("smart")).status == 200
    assert provider.asked[0].json["model"] == "m"
    assert [one["id"] for one in (await gateway.get("/v1/models")).json["data"]] == ["m", "smart"]
    assert (await gateway.get("/v1/models/smart")).json["id"] == "smart"


# Time limits of a channel.

JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n"


async def set_times(gateway, times):
    channel = await gateway.parts.store.channel(1)
    await gateway.parts.store.change_channel(replace(channel, times=times))
    await gateway.live.catch_up()


@pytest.mark.parametrize(
    ("times", "steps"),
    [
        (Times(first_byte_s=0.1), (5.0,)),
        (Times(total_s=0.3), (JSON_HEAD, *[b" ", 0.1] * 50)),
        (Times(idle_s=0.1), (JSON_HEAD, b"{", 5.0)),
    ],
)
async def test_a_channel_that_passes_a_time_limit_of_its_own_is_left_for_the_next(tmp_path, times, steps):
    async with several(tmp_path, 2) as (gateway, first, _):
        await set_times(gateway, times)
        first.says(*steps)
        began = time.monotonic()
        answer = await gateway.chat()
        assert (answer.status, answer.headers["x-canalgate-channel"]) == (200, "2")
        assert time.monotonic() - began < 2


async def test_nothing_is_waited_for_beyond_the_deadline_of_a_request(tmp_path, provider):
    provider.says(5.0)
    async with support.gateway(tmp_path, routing={"deadline_s": 0.2}) as gateway:
        await gateway.add_channel(provider, "m", priority=1)
        await gateway.add_channel(provider, "m")
        began = time.monotonic()
        answer = await gateway.chat()
        assert (answer.status, len(provider.asked)) == (504, 1)
        assert time.monotonic() - began < 2


# A second channel beside a slow one.


@asynccontextmanager
async def hedged(tmp_path, hedge_s=0.05):
    async with several(tmp_path, 2) as (gateway, first, second):
        await set_times(gateway, Times(hedge_s=hedge_s))
        yield gateway, first, second


@pytest.mark.parametrize("stream", [False, True])
async def test_a_late_first_byte_is_overtaken_and_its_channel_let_go(tmp_path, stream):
    async with hedged(tmp_path) as (gateway, first, second):
        first.says(5.0)
        second.says(*(STREAM if stream else (GOOD,)))
        began = time.monotonic()
        answer = await gateway.chat(stream=stream)
        assert (answer.status, answer.complete, answer.headers["x-canalgate-channel"]) == (200, True, "2")
        assert time.monotonic() - began < 1
        await asyncio.wait_for(first.gone.wait(), 1)
        entry = await row(gateway, answer.headers["x-request-id"])
        assert [(one.channel_id, one.outcome) for one in entry.tries] == [(1, "slower"), (2, "ok")]
        assert entry.counts.completion_tokens == 5


async def test_the_first_channel_may_still_win(tmp_path):
    async with hedged(tmp_path) as (gateway, first, second):
        first.says(0.15, GOOD)
        second.says(5.0)
        answer = await gateway.chat()
        assert (answer.status, answer.headers["x-canalgate-channel"]) == (200, "1")
        await asyncio.wait_for(second.gone.wait(), 1)
        entry = await row(gateway, answer.headers["x-request-id"])
        assert [(one.channel_id, one.outcome) for one in entry.tries] == [(2, "slower"), (1, "ok")]


async def test_one_of_two_that_fails_leaves_the_answer_to_the_other(tmp_path):
    async with hedged(tmp_path) as (gateway, first, second):
        first.says(0.2, GOOD)
        second.says(error(500))
        answer = await gateway.chat()
        assert (answer.status, answer.headers["x-canalgate-channel"]) == (200, "1")
        first.says(0.1, error(500))
        second.says(0.2, GOOD)
        answer = await gateway.chat()
        assert (answer.status, answer.headers["x-canalgate-channel"]) == (200, "2")


async def test_a_client_that_leaves_takes_both_attempts_with_it(tmp_path):
    async with hedged(tmp_path) as (gateway, first, second):
        first.says(5.0)
        second.says(5.0)
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        body = orjson.dumps({"model": "m", "messages": []})
        writer.write(gateway.request("/v1/chat/completions", body))
        await until(lambda: second.asked)
        writer.close()
        await asyncio.wait_for(asyncio.gather(first.gone.wait(), second.gone.wait()), 1)


async def test_a_quick_answer_is_not_hedged(tmp_path):
    async with hedged(tmp_path, 0.5) as (gateway, _, second):
        assert (await gateway.chat()).status == 200
        assert second.asked == []
