"""The same key and body get the first answer again."""

import asyncio

import pytest
import support
from support import STREAM_END, STREAM_HEAD, chunk, delta, json_answer

KEY = "Idempotency-Key: one\r\n"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PATH = "/v1/chat/completions"


def answers():
    """A provider whose every answer is another."""
    number = 0

    def script(asked):
        nonlocal number
        number += 1
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        yield json_answer({"choices": [{"message": {"content": f"answer {number}"}}], "usage": usage})

    return script


@pytest.fixture
async def gateway(tmp_path, provider):
    provider.script = answers()
    async with support.gateway(tmp_path, ledger={"idempotent_answers": True}) as made:
        await made.add_channel(provider, "m")
        yield made


async def again(gateway, body=BODY, headers=KEY, key=""):
    """Ask, and let what is kept be kept."""
    answer = await gateway.post(PATH, body, headers=headers, key=key)
    await asyncio.sleep(0.1)
    return answer


async def test_the_first_answer_comes_again_and_costs_nothing(gateway, provider):
    first, second = await again(gateway), await again(gateway)
    assert (second.status, second.body) == (200, first.body)
    assert len(provider.asked) == 1
    assert "x-canalgate-cost" in first.headers
    assert "x-canalgate-cost" not in second.headers


async def test_another_body_under_the_key_is_an_error(gateway, provider):
    await again(gateway)
    other = await again(gateway, {**BODY, "temperature": 1})
    assert (other.status, other.error["code"]) == (422, "idempotency_key_reused")
    assert len(provider.asked) == 1


async def test_a_key_is_a_tokens_own(gateway, provider):
    first = await again(gateway)
    assert (await again(gateway, key=await gateway.add_token())).body != first.body


async def test_without_a_key_nothing_is_kept(gateway, provider):
    assert (await again(gateway, headers="")).body != (await again(gateway, headers="")).body


async def test_a_failure_is_not_kept(gateway, provider):
    script = provider.script
    provider.says(json_answer({"error": {"message": "no"}}, 500))
    assert (await again(gateway)).status == 502
    provider.script = script
    assert (await again(gateway)).status == 200


async def test_a_key_that_is_being_answered_is_refused(gateway, provider):
    script = provider.script
    provider.script = lambda asked: (0.3, *script(asked))
    both = await asyncio.gather(gateway.post(PATH, BODY, headers=KEY), gateway.post(PATH, BODY, headers=KEY))
    assert sorted(one.status for one in both) == [200, 409]


@pytest.mark.parametrize("key", ["x" * 192, "a\tb"])
async def test_a_key_that_is_none_is_refused(gateway, provider, key):
    refused = await again(gateway, headers=f"Idempotency-Key: {key}\r\n")
    assert refused.status == 422
    assert provider.asked == []


async def test_a_stream_is_served_anew(gateway, provider):
    provider.says(STREAM_HEAD, chunk(delta("a", "stop") + b"data: [DONE]\n\n"), STREAM_END)
    for _ in range(2):
        assert (await again(gateway, {**BODY, "stream": True})).status == 200
    assert len(provider.asked) == 2


async def test_unless_it_is_switched_on_keys_are_not_looked_at(tmp_path, provider):
    provider.script = answers()
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        assert (await again(gateway)).body != (await again(gateway)).body
