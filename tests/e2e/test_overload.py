"""More than can be done: the gateway does what it can, says so to the rest at once, and loses nothing."""

import asyncio
import itertools

import pytest
import support
from canalgate.proxy.billing.limits import Limit
from canalgate.proxy.store.requests import Filters
from support import json_answer

GOOD = json_answer({"id": "x", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})


async def until_running(gateway, running, waiting=0):
    gate = gateway.front._fast.relay.gate
    for _ in range(500):
        if (gate.running, gate.waiting) == (running, waiting):
            return
        await asyncio.sleep(0.002)
    raise AssertionError((gate.running, gate.waiting))


@pytest.fixture
async def small(tmp_path, provider):
    """A gateway that serves two requests at a time and lets two wait."""
    provider.says(0.2, GOOD)
    async with support.gateway(tmp_path, overload={"running": 2, "waiting": 2}) as gateway:
        await gateway.add_channel(provider, "m")
        await gateway.chat()
        yield gateway


async def test_what_is_beyond_the_queue_is_refused_at_once(small):
    first = [asyncio.ensure_future(small.chat()) for _ in range(4)]
    await until_running(small, 2, 2)
    answer = await small.chat()
    assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (503, "overloaded", "1")
    assert not any(one.done() for one in first)  # nobody had to end first
    assert [one.status for one in await asyncio.gather(*first)] == [200] * 4
    await until_running(small, 0)


async def test_a_token_of_a_higher_priority_goes_first(small):
    key = await small.add_token(priority=9)
    ended = []

    async def ask(name, **how):
        assert (await small.chat(**how)).status == 200
        ended.append(name)

    first = [asyncio.ensure_future(ask("first")) for _ in range(2)]
    await until_running(small, 2)
    low = asyncio.ensure_future(ask("low"))
    await until_running(small, 2, 1)
    high = asyncio.ensure_future(ask("high", key=key))
    await asyncio.gather(*first, low, high)
    assert ended.index("high") < ended.index("low")


async def test_a_client_that_leaves_the_queue_gives_its_place_up(small):
    running = [asyncio.ensure_future(small.chat()) for _ in range(2)]
    await until_running(small, 2)
    _, writer = await asyncio.open_connection("127.0.0.1", small.port)
    writer.write(small.request("/v1/chat/completions", {"model": "m", "messages": []}))
    await until_running(small, 2, 1)
    writer.close()
    await until_running(small, 2)
    await asyncio.gather(*running)
    await until_running(small, 0)


async def logged(gateway, count):
    """The newest requests of the log, as soon as there are so many."""
    async with asyncio.timeout(10):
        while True:
            found, _ = await gateway.parts.store.requests.page(Filters(), None, 20)
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)


async def test_the_log_says_how_long_a_request_waited_for_its_turn(small):
    await asyncio.gather(*(small.chat() for _ in range(4)))
    found = await logged(small, 5)
    assert [one.queue_ms > 0 for one in found].count(True) == 2
    assert all(one.queue_ms <= one.first_byte_ms for one in found)


async def test_the_log_says_how_long_a_request_waited_for_a_channel_and_that_it_left(tmp_path, provider):
    hold = asyncio.Event()
    provider.says(hold, GOOD)
    async with support.gateway(tmp_path) as gateway:
        row = await gateway.add_channel(provider, "m")
        await gateway.parts.store.limits.set(f"channel:{row.id}", Limit(concurrent=1))
        await gateway.live.catch_up()
        first = asyncio.ensure_future(gateway.chat())
        await until_running(gateway, 1)
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(gateway.request("/v1/chat/completions", {"model": "m", "messages": []}))
        await until_running(gateway, 2, 1)
        writer.close()
        await until_running(gateway, 1)
        hold.set()
        assert (await first).status == 200
        found = {one.status: one for one in await logged(gateway, 2)}
        assert (found[200].queue_ms, found[499].attempts) == (0, 0)
        assert 0 < found[499].queue_ms <= found[499].total_ms


@pytest.mark.parametrize("channels", [1, 2])
async def test_requests_wait_for_a_channel_that_is_at_its_limit(tmp_path, provider, channels):
    provider.says(0.02, GOOD)
    async with support.gateway(tmp_path) as gateway:
        for _ in range(channels):
            row = await gateway.add_channel(provider, "m")
            await gateway.parts.store.limits.set(f"channel:{row.id}", Limit(concurrent=1))
        await gateway.live.catch_up()
        answers = await asyncio.gather(*(gateway.chat() for _ in range(12)))
        assert {answer.status for answer in answers} == {200}
        await until_running(gateway, 0)


async def test_five_times_what_a_channel_can_do_leaves_it_doing_all_it_can(tmp_path, provider):
    """Forty clients on a channel for eight: it is never asked for more, never idle, and all are told.

    The provider holds its answers until the sixteen for whom there is no place have been refused.
    """
    running, seen = 0, []
    busy, answering = asyncio.Event(), asyncio.Event()

    def script(asked):
        nonlocal running
        running += 1
        seen.append(running)
        if running == 8:
            busy.set()
        yield answering
        yield 0.02
        running -= 1
        yield GOOD

    provider.script = script
    async with support.gateway(tmp_path, overload={"waiting": 16, "wait_s": 5.0}) as gateway:
        row = await gateway.add_channel(provider, "m")
        await gateway.parts.store.limits.set(f"channel:{row.id}", Limit(concurrent=8))
        await gateway.live.catch_up()

        async def client():
            answers = [await gateway.chat() for _ in range(5)]
            return [answer.status if answer.status == 200 else answer.error["code"] for answer in answers]

        clients = [asyncio.ensure_future(client()) for _ in range(40)]
        for refused in itertools.islice(asyncio.as_completed(clients), 16):
            assert await refused == ["overloaded"] * 5
        await busy.wait()
        await until_running(gateway, 24, 16)
        answering.set()
        told = [one for answers in await asyncio.gather(*clients) for one in answers]
        assert {200, "overloaded"} <= set(told) <= {200, "overloaded", "rate_limit_exceeded"}
        assert len(seen) == told.count(200)
        assert max(seen) == 8
        await until_running(gateway, 0)
