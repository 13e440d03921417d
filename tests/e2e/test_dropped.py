"""Fields that a provider cannot take: the rule of the channel decides, and the client is told."""

import pytest
import support
from support import STREAM_END, STREAM_HEAD, chunk, delta, json_answer

CHOICE = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
ANSWER = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [CHOICE]}
NATIVE = {
    "model": "m",
    "message": {"role": "assistant", "content": "hi"},
    "done": True,
    "done_reason": "stop",
}

TYPES = {"groq": (ANSWER, "logit_bias"), "ollama-native": (NATIVE, "logit_bias")}
"""A host that speaks OpenAI's API and one that does not: an answer of each, and a field it refuses."""


@pytest.fixture(params=TYPES)
async def refuser(request, gateway, provider):
    """A function that asks a channel with a rule; its second value is what the provider got."""
    answer, field = TYPES[request.param]
    provider.says(json_answer(answer))

    async def ask(rule, **fields):
        options = {"unsupported_fields": rule} if rule else {}
        await gateway.add_channel(provider, "x", type=request.param, options=options)
        got = await gateway.chat("x", **{field: {"7": 1}}, **fields)
        return got, [asked.json for asked in provider.asked]

    return ask


@pytest.mark.parametrize("rule", ["", "drop"])
async def test_a_field_that_is_left_out_is_named_in_a_header(refuser, rule):
    answer, (sent,) = await refuser(rule)
    assert (answer.status, answer.headers["x-canalgate-dropped"]) == (200, "logit_bias")
    assert answer.json["choices"][0]["message"]["content"] == "hi"
    assert "logit_bias" not in sent


async def test_a_channel_that_rejects_answers_400_naming_the_field(refuser):
    answer, sent = await refuser("reject")
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert answer.error["param"] == "logit_bias"
    assert "'logit_bias'" in answer.error["message"]
    assert "x-canalgate-dropped" not in answer.headers
    assert sent == []


async def test_a_channel_that_passes_sends_the_field(refuser):
    answer, (sent,) = await refuser("pass")
    assert answer.status == 200
    assert "x-canalgate-dropped" not in answer.headers
    assert sent["logit_bias"] == {"7": 1}


async def test_a_field_nobody_knows_is_sent(refuser):
    answer, (sent,) = await refuser("drop", newest_thing=[1])
    assert answer.headers["x-canalgate-dropped"] == "logit_bias"
    assert sent["newest_thing"] == [1]


async def test_nothing_is_named_where_nothing_is_left_out(gateway, provider):
    await gateway.add_channel(provider, "x", type="groq")
    provider.says(json_answer(ANSWER))
    assert "x-canalgate-dropped" not in (await gateway.chat("x", seed=1)).headers


@pytest.mark.parametrize("value", [None, {}], ids=["null", "empty"])
async def test_a_value_that_asks_for_nothing_is_left_out_in_silence_and_not_rejected(
    gateway, provider, value
):
    await gateway.add_channel(provider, "x", type="groq", options={"unsupported_fields": "reject"})
    provider.says(json_answer(ANSWER))
    answer = await gateway.chat("x", logit_bias=value)
    assert (answer.status, "x-canalgate-dropped" in answer.headers) == (200, False)
    assert "logit_bias" not in provider.asked[0].json


async def test_a_stream_names_the_field_before_its_first_event(gateway, provider):
    await gateway.add_channel(provider, "x", type="groq")
    provider.says(STREAM_HEAD, chunk(delta("hi") + delta("", "stop") + b"data: [DONE]\n\n"), STREAM_END)
    answer = await gateway.chat("x", stream=True, logit_bias={"7": 1})
    assert (answer.headers["x-canalgate-dropped"], answer.complete) == ("logit_bias", True)


async def test_only_the_channel_that_answered_counts(gateway, provider):
    """The first fails and the second takes the field, so nothing was left out of the answer."""
    await gateway.add_channel(provider, "x", type="openai")
    async with support.provider(json_answer({"error": {"message": "busy"}}, 503)) as busy:
        await gateway.add_channel(busy, "x", type="groq", priority=1)
        provider.says(json_answer(ANSWER))
        answer = await gateway.chat("x", logit_bias={"7": 1})
    assert len(busy.asked) == 1
    assert (answer.status, "x-canalgate-dropped" in answer.headers) == (200, False)
    assert provider.asked[0].json["logit_bias"] == {"7": 1}
