"""Who runs, who waits and who is sent away, turn by turn."""

import asyncio

import pytest
from canalgate.proxy.config import Overload
from canalgate.proxy.errors import GatewayError
from canalgate.proxy.relaying.gate import Gate


async def settle():
    """Let everything that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


class Crowd:
    """Requests by name: `running` in the order in which they got their turn, `refused` likewise."""

    def __init__(self, **settings):
        self.gate = Gate(Overload(**{"wait_s": 30.0, **settings}))
        self.running, self.refused, self.tasks = [], [], {}

    async def come(self, *names, priority=0):
        for name in names:
            self.tasks[name] = asyncio.ensure_future(self._run(name, priority))
            await settle()

    async def _run(self, name, priority):
        try:
            if not self.gate.enter_now():
                await self.gate.enter(priority)
        except GatewayError as error:
            assert (error.status, error.code, error.headers["retry-after"]) == (503, "overloaded", "1")
            self.refused.append(name)
        else:
            self.running.append(name)

    async def go(self, *names):
        for _ in names:
            self.gate.leave()
            await settle()

    async def give_up(self, name):
        self.tasks[name].cancel()
        await settle()


async def test_those_beyond_the_limit_wait_and_come_in_their_order():
    crowd = Crowd(running=2, waiting=5)
    await crowd.come(*"abcd")
    assert (crowd.running, crowd.gate.waiting) == (["a", "b"], 2)
    await crowd.go("a", "b")
    assert crowd.running == ["a", "b", "c", "d"]
    await crowd.go("c", "d")
    assert (crowd.gate.running, crowd.gate.waiting) == (0, 0)


async def test_a_higher_priority_goes_first():
    crowd = Crowd(running=1, waiting=5)
    await crowd.come("a", "b")
    await crowd.come("c", priority=5)
    await crowd.come("d", priority=-1)
    await crowd.come("e", priority=5)
    await crowd.go("a", "c", "e", "b")
    assert crowd.running == ["a", "c", "e", "b", "d"]


async def test_beyond_the_queue_the_latest_of_the_least_important_is_refused():
    crowd = Crowd(running=1, waiting=2)
    await crowd.come("a", "b", "c", "d")
    assert crowd.refused == ["d"]
    await crowd.come("e", priority=1)
    assert crowd.refused == ["d", "c"]
    await crowd.come("f", priority=-1)
    assert crowd.refused == ["d", "c", "f"]
    await crowd.go("a", "e")
    assert crowd.running == ["a", "e", "b"]


async def test_without_a_queue_everything_beyond_is_refused_at_once():
    crowd = Crowd(running=1, waiting=0)
    await crowd.come("a", "b")
    await crowd.come("c", priority=9)
    assert (crowd.running, crowd.refused) == (["a"], ["b", "c"])


async def test_who_waits_too_long_is_refused():
    crowd = Crowd(running=1, waiting=2, wait_s=0.01)
    await crowd.come("a", "b")
    await asyncio.wait_for(crowd.tasks["b"], 1)
    assert (crowd.refused, crowd.gate.waiting) == (["b"], 0)


async def test_who_gives_up_leaves_no_gap():
    crowd = Crowd(running=1, waiting=3)
    await crowd.come("a", "b", "c")
    await crowd.give_up("b")
    await crowd.go("a")
    assert crowd.running == ["a", "c"]
    await crowd.go("c")
    assert crowd.gate.running == 0


async def test_a_turn_that_comes_to_one_who_has_just_given_up_is_passed_on():
    crowd = Crowd(running=1, waiting=3)
    await crowd.come("a", "b", "c")
    crowd.gate.leave()  # b has its turn, and gives up before it can know
    crowd.tasks["b"].cancel()
    await settle()
    assert crowd.running == ["a", "c"]
    await crowd.go("c")
    assert (crowd.gate.running, crowd.gate.waiting) == (0, 0)


async def test_who_waits_for_a_channel_is_woken_by_that_channel_alone():
    gate, woken = Gate(Overload(waiting=5)), []

    async def wait(name, *channels, priority=0):
        await gate.until_free(channels, priority, 30.0)
        woken.append(name)

    tasks = [asyncio.ensure_future(one) for one in (wait("a", 1), wait("b", 1, 2), wait("c", 2, priority=3))]
    await settle()
    gate.freed(7)
    await settle()
    assert woken == []
    gate.freed(2)
    gate.freed(1)
    await settle()
    assert woken == ["c", "a"]
    gate.freed(1)
    await asyncio.gather(*tasks)
    assert (woken, gate.waiting) == (["c", "a", "b"], 0)


@pytest.mark.parametrize("seed", range(20))
async def test_no_turn_is_ever_lost(seed):
    import random

    rng, crowd = random.Random(seed), Crowd(running=3, waiting=4)
    for number in range(200):
        what = rng.random()
        if what < 0.5:
            await crowd.come(number, priority=rng.randrange(3))
        elif what < 0.8 and crowd.gate.running:
            crowd.gate.leave()
        else:
            rng.choice(list(crowd.tasks.values()) or [asyncio.ensure_future(settle())]).cancel()
        assert crowd.gate.running <= 3
    await settle()
    while crowd.gate.running:
        crowd.gate.leave()
        await settle()
    assert (crowd.gate.running, crowd.gate.waiting) == (0, 0)
