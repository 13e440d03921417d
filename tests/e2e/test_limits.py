"""Limits and budgets through the whole gateway, in the shapes that OpenAI's clients understand."""

import asyncio

import pytest
from canalgate.proxy.billing.limits import Limit
from canalgate.proxy.billing.pricing import Price
from support import json_answer

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
ANSWER = json_answer({"choices": [{"message": {"content": "hi"}}], "usage": USAGE})


async def set_limit(gateway, subject, **values):
    await gateway.parts.store.limits.set(subject, Limit(**values))
    await gateway.live.catch_up()


@pytest.mark.parametrize("subject", ["token:*", "user:*", "group:default", "model:m"])
async def test_requests_a_minute(gateway, provider, subject):
    provider.says(ANSWER)
    await set_limit(gateway, subject, requests_per_minute=2)
    answers = [await gateway.chat(max_tokens=5) for _ in range(3)]
    assert [one.status for one in answers] == [200, 200, 429]
    assert answers[2].error["code"] == "rate_limit_exceeded"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 61
    assert len(provider.asked) == 2
    own = not subject.startswith("model")
    assert ("x-ratelimit-limit-requests" in answers[0].headers) is own
    assert answers[2].headers.get("x-ratelimit-remaining-requests") == ("0" if own else None)


async def test_tokens_a_minute_count_what_was_used(gateway, provider):
    provider.says(ANSWER)
    await set_limit(gateway, "user:*", tokens_per_minute=1000)
    answers = [await gateway.chat(max_tokens=800) for _ in range(3)]
    assert [one.status for one in answers] == [200, 200, 200]  # 15 each, whatever was reserved
    assert (await gateway.chat(max_tokens=990)).status == 429
    assert answers[0].headers["x-ratelimit-limit-tokens"] == "1000"


async def test_requests_at_the_same_time(gateway, provider):
    provider.script = lambda asked: (0.2, ANSWER)
    await set_limit(gateway, "token:*", concurrent=3)
    answers = await asyncio.gather(*[gateway.chat(max_tokens=5) for _ in range(8)])
    assert sorted(one.status for one in answers) == [200] * 3 + [429] * 5
    assert (await gateway.chat(max_tokens=5)).status == 200


async def test_a_client_that_leaves_frees_its_place(gateway, provider):
    provider.says(30.0)
    await set_limit(gateway, "token:*", concurrent=1)
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(gateway.request("/v1/chat/completions", {"model": "m", "messages": []}))
    async with asyncio.timeout(5):
        while not provider.asked:  # noqa: ASYNC110  a provider has no event for it
            await asyncio.sleep(0.01)
    assert (await gateway.chat(max_tokens=5)).status == 429
    writer.transport.abort()
    provider.says(ANSWER)
    async with asyncio.timeout(5):
        while (await gateway.chat(max_tokens=5)).status != 200:  # noqa: ASYNC110  it is asked again
            await asyncio.sleep(0.01)


async def test_a_channel_at_its_limit_gives_way_to_another(gateway, provider):
    provider.says(ANSWER)
    first = await gateway.add_channel(provider, "m", priority=5)
    await set_limit(gateway, f"channel:{first.id}", requests_per_minute=1)
    answers = [await gateway.chat(max_tokens=5) for _ in range(2)]
    assert [one.headers["x-canalgate-channel"] for one in answers] == [str(first.id), "1"]


async def test_channels_at_their_limits_are_passed_over_however_many(gateway, provider):
    provider.says(ANSWER)
    for priority in range(7, 1, -1):
        full = await gateway.add_channel(provider, "m", priority=priority)
        await set_limit(gateway, f"channel:{full.id}", tokens_per_minute=1)
    answer = await gateway.chat(max_tokens=50)
    assert (answer.status, answer.headers["x-canalgate-channel"], len(provider.asked)) == (200, "1", 1)


async def test_a_request_too_large_for_its_channel_is_refused_without_a_time(gateway, provider):
    provider.says(ANSWER)
    await set_limit(gateway, "channel:1", tokens_per_minute=10)
    refused = await gateway.chat(max_tokens=500)
    assert (refused.status, refused.error["code"]) == (429, "rate_limit_exceeded")
    assert "retry-after" not in refused.headers
    assert provider.asked == []


async def test_when_every_channel_is_at_its_limit_the_client_is_told_how_long(gateway, provider):
    provider.says(ANSWER)
    await set_limit(gateway, "channel:1", requests_per_minute=1)
    assert (await gateway.chat(max_tokens=5)).status == 200
    refused = await gateway.chat(max_tokens=5)
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) >= 1


@pytest.mark.parametrize("period", ["day", "month"])
@pytest.mark.parametrize("subject", ["token:*", "user:*", "group:default", "model:m"])
async def test_a_budget_is_spent_and_not_more(gateway, provider, period, subject):
    provider.says(ANSWER)
    await gateway.parts.store.prices.set("m", Price("", 2_000_000, 4_000_000))
    await set_limit(gateway, subject, **{f"{period}_budget": 200})
    answers = [await gateway.chat(max_tokens=10) for _ in range(12)]
    statuses = [one.status for one in answers]
    served = statuses.count(200)
    assert set(statuses) == {200, 429}
    assert 1 < served * 20 <= 200
    refused = answers[-1]
    assert refused.error["code"] == "budget_exceeded"
    assert int(refused.headers["retry-after"]) > 1
    assert len(provider.asked) == served
    assert await gateway.parts.store.accounts.violations() == []


async def test_a_channel_whose_budget_is_spent_gives_way_to_another(gateway, provider):
    provider.says(ANSWER)
    await gateway.parts.store.prices.set("m", Price("", 2_000_000, 4_000_000))
    first = await gateway.add_channel(provider, "m", priority=5)
    await set_limit(gateway, f"channel:{first.id}", day_budget=150)
    answers = [await gateway.chat(max_tokens=10) for _ in range(12)]
    channels = [one.headers["x-canalgate-channel"] for one in answers]
    assert {one.status for one in answers} == {200}
    assert channels == sorted(channels, reverse=True)  # the second one has the smaller id
    assert 1 < channels.count(str(first.id)) <= 7
    states = await gateway.parts.store.accounts.states()
    (spent,) = [state for name, state in states.items() if name.startswith(f"day:channel:{first.id}:")]
    assert spent.used <= 150
    assert await gateway.parts.store.accounts.violations() == []
