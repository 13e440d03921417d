"""Which channels are tried, with what, and how many. What failures lead to the next one: test_faults.py."""

import pytest
import support
from support import json_answer

GOOD = json_answer({"id": "x", "choices": []})


def error(status, **fields):
    return json_answer({"error": {"message": "no", **fields}}, status)


@pytest.fixture
async def two(tmp_path, provider):
    """A gateway whose model `m` is served by `provider` first and by another one after it."""
    async with support.provider() as second, support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m", priority=2)
        await gateway.add_channel(second, "m", priority=1)
        yield gateway, second


async def test_the_next_channel_gets_the_same_request(two, provider):
    gateway, second = two
    provider.says(error(500))
    second.says(GOOD)
    assert (await gateway.chat(seed=1)).status == 200
    assert second.asked[0].body == provider.asked[0].body


async def test_the_last_failure_is_answered_when_all_fail(two, provider):
    gateway, second = two
    provider.says(error(500))
    second.says(error(429))
    answer = await gateway.chat()
    assert (answer.status, answer.error["code"]) == (429, "rate_limit_exceeded")


async def test_four_channels_at_the_most_are_tried(tmp_path, provider):
    provider.says(error(500))
    async with support.gateway(tmp_path) as gateway:
        for number in range(7):
            await gateway.add_channel(provider, "m", priority=number)
        assert (await gateway.chat()).status == 502
    assert len(provider.asked) == 4


async def test_a_pinned_channel_is_the_only_one(two, provider):
    gateway, second = two
    provider.says(error(500))
    answer = await gateway.chat(key=f"{gateway.key}-1")
    assert (answer.status, second.asked) == (502, [])


async def test_each_channel_gets_its_own_name_of_the_model(tmp_path, provider):
    answers = iter([error(500), GOOD])
    provider.script = lambda asked: (next(answers),)
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m", priority=2, mapping={"m": "first"})
        await gateway.add_channel(provider, "m", priority=1, mapping={"m": "second"})
        assert (await gateway.chat()).status == 200
    assert [asked.json["model"] for asked in provider.asked] == ["first", "second"]
