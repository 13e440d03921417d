"""Channels of compatible hosts through the gateway, read by the official `openai` client."""

import openai
import orjson
import pytest
import support
from support import STREAM_END, STREAM_HEAD, chunk, event, json_answer

HI = [{"role": "user", "content": "hi"}]


def streamed(*events: bytes) -> list[bytes]:
    return [STREAM_HEAD, *map(chunk, events), STREAM_END]


def says(finish=None, **delta) -> bytes:
    return event({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


DONE = b"data: [DONE]\n\n"
SPARK = [
    b"data:" + orjson.dumps({"code": 0, "message": "Success", "sid": "s", **more}) + b"\n\n"
    for more in (
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "你"}}]},
        {"choices": [{"index": 0, "delta": {"content": "好"}}],
         "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    )
]  # fmt: skip


@pytest.fixture
async def ask(gateway, provider):
    """Return a function that adds a channel of a preset and asks its model."""
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client:

        async def asked(preset: str, **more):
            await gateway.add_channel(provider, preset, type=preset)
            return await client.chat.completions.create(model=preset, messages=HI, **more)

        yield asked


async def collected(stream) -> tuple[str, str, str | None]:
    """Text, thoughts and finish reason of a stream."""
    text = thoughts = ""
    finish = None
    async for piece in stream:
        for choice in piece.choices:
            text += choice.delta.content or ""
            thoughts += getattr(choice.delta, "reasoning_content", None) or ""
            finish = choice.finish_reason or finish
    return text, thoughts, finish


async def test_a_stream_without_a_finish_reason_gets_one(ask, provider):
    provider.says(*streamed(*SPARK, b"data:[DONE]\n\n"))
    assert await collected(await ask("spark", stream=True)) == ("你好", "", "stop")
    assert "stream_options" not in provider.asked[0].json


async def test_thoughts_arrive_under_the_name_clients_know(ask, provider):
    provider.says(*streamed(says(reasoning="hm"), says(content="hello"), says("stop"), DONE))
    assert await collected(await ask("groq", stream=True)) == ("hello", "hm", "stop")


async def test_thoughts_of_a_whole_answer_too(ask, provider):
    message = {"role": "assistant", "content": "hello", "reasoning": "hm"}
    provider.says(json_answer({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))
    answer = await ask("openrouter")
    assert answer.choices[0].message.reasoning_content == "hm"


async def test_json_for_a_stream_is_streamed(ask, provider):
    message = {"role": "assistant", "content": "hello"}
    provider.says(json_answer({"choices": [{"index": 0, "message": message, "finish_reason": "eos"}]}))
    assert await collected(await ask("together", stream=True)) == ("hello", "", "stop")


async def test_an_error_as_the_first_event_still_has_a_status(ask, provider):
    provider.says(*streamed(event({"error": {"code": 429, "message": "slow down"}})))
    with pytest.raises(openai.RateLimitError):
        await ask("openrouter", stream=True)


@pytest.mark.parametrize("failure", [event({"error": {"message": "m", "code": 502}}), says("error")])
async def test_an_error_in_mid_stream_ends_it_as_an_error(ask, provider, failure):
    provider.says(*streamed(says(content="he"), failure, DONE))
    stream = await ask("openrouter", stream=True)
    with pytest.raises(openai.APIError, match="failed to answer"):
        await collected(stream)


async def test_a_stream_that_ends_early_ends_as_an_error(ask, provider):
    provider.says(*streamed(says(content="he")))
    stream = await ask("siliconflow", stream=True)
    with pytest.raises(openai.APIError):
        await collected(stream)


async def test_what_was_left_out_is_told_in_a_header(gateway, provider):
    await gateway.add_channel(provider, "mistral", type="mistral")
    message = {"role": "assistant", "content": "hello"}
    provider.says(json_answer({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))
    body = {"model": "mistral", "messages": HI, "user": "u", "seed": 7}
    answer = await gateway.post("/v1/chat/completions", body)
    assert answer.headers["x-canalgate-dropped"] == "user"
    assert provider.asked[0].json == {"model": "mistral", "messages": HI, "random_seed": 7}


async def test_a_local_server_needs_no_key(gateway, provider):
    await gateway.add_channel(provider, "ollama", type="ollama", key="")
    message = {"role": "assistant", "content": "hello"}
    provider.says(json_answer({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))
    answer: support.Answered = await gateway.post("/v1/chat/completions", {"model": "ollama", "messages": HI})
    assert answer.status == 200
    assert provider.asked[0].header("authorization") is None
