"""PPIO's documented use: its base path, model names with slashes, and every sampling parameter it lists."""

import asyncio
import os
import shutil

import openai
import orjson
import pytest
from support import STREAM_END, STREAM_HEAD, chunk, delta, event, json_answer

MODEL = "deepseek/deepseek-r1/community"
MESSAGES = [
    {"role": "system", "content": "你是一位严谨的助手。"},
    {"role": "user", "content": "云服务器适合哪些用途？"},
]
KNOWN = {"max_tokens": 512, "temperature": 0.7, "top_p": 0.9, "n": 1, "stop": ["。", "\n"],
         "presence_penalty": 0.1, "frequency_penalty": -0.1, "logit_bias": {"50256": -100}}  # fmt: skip
OWN = {"top_k": -1, "min_p": 0.05, "repetition_penalty": 1.1}


@pytest.fixture(params=["", "/chat/completions"], ids=["base url", "pasted endpoint"])
async def ppio(request, gateway, provider):
    """A gateway with PPIO's channel."""
    await gateway.add_channel(f"http://127.0.0.1:{provider.port}/v3/openai{request.param}", MODEL)
    return gateway


@pytest.fixture
async def client(ppio):
    async with openai.AsyncOpenAI(base_url=ppio.url, api_key=ppio.key, max_retries=0) as made:
        yield made


def answered(kind: str, choice: dict) -> bytes:
    return json_answer({"id": "x", "object": kind, "created": 1, "model": MODEL, "choices": [choice]})


async def test_every_parameter_of_a_chat_arrives(client, provider):
    message = {"role": "assistant", "content": "很多。"}
    provider.says(answered("chat.completion", {"index": 0, "message": message, "finish_reason": "stop"}))
    answer = await client.chat.completions.create(model=MODEL, messages=MESSAGES, **KNOWN, extra_body=OWN)
    assert answer.choices[0].message.content == "很多。"
    assert provider.asked[0].line == "POST /v3/openai/chat/completions HTTP/1.1"
    assert provider.asked[0].json == {"model": MODEL, "messages": MESSAGES, **KNOWN, **OWN}


async def test_every_parameter_of_a_completion_arrives(client, provider):
    provider.says(answered("text_completion", {"index": 0, "text": "很多。", "finish_reason": "stop"}))
    answer = await client.completions.create(model=MODEL, prompt="用途：", **KNOWN, extra_body=OWN)
    assert answer.choices[0].text == "很多。"
    assert provider.asked[0].line == "POST /v3/openai/completions HTTP/1.1"
    assert provider.asked[0].json == {"model": MODEL, "prompt": "用途：", **KNOWN, **OWN}


async def test_a_chat_streams_in_chinese(client, provider):
    events = (delta("很"), delta("多。", "stop"), b"data: [DONE]\n\n")
    provider.says(STREAM_HEAD, *map(chunk, events), STREAM_END)
    stream = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True, **KNOWN)
    assert "".join([part.choices[0].delta.content async for part in stream]) == "很多。"
    asked = {"model": MODEL, "messages": MESSAGES, "stream": True, **KNOWN}
    assert provider.asked[0].json == {**asked, "stream_options": {"include_usage": True}}


async def test_several_choices_arrive(client, provider):
    said = [{"index": i, "message": {"role": "assistant", "content": f"答{i}"}} for i in range(2)]
    answer = {"id": "x", "object": "chat.completion", "created": 1, "model": MODEL, "choices": said}
    provider.says(json_answer(answer))
    got = await client.chat.completions.create(model=MODEL, messages=MESSAGES, n=2)
    assert [choice.message.content for choice in got.choices] == ["答0", "答1"]
    assert provider.asked[0].json["n"] == 2


@pytest.mark.parametrize(
    ("endpoint", "asked"),
    [("chat/completions", {"messages": MESSAGES}), ("completions", {"prompt": "用途：", "stream": False})],
)
async def test_curl_sends_its_body_unchanged(ppio, provider, endpoint, asked):
    if shutil.which("curl") is None:
        pytest.fail("curl is required") if os.environ.get("CI") == "true" else pytest.skip("no curl")
    provider.says(answered("x", {"index": 0, "text": "很多。"}))
    body = orjson.dumps({"model": MODEL, **asked, **KNOWN, **OWN}, option=orjson.OPT_INDENT_2)
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--max-time", "10", f"{ppio.url}/v1/{endpoint}", "--data-binary", "@-",
        "-H", f"Authorization: Bearer {ppio.key}", "-H", "Content-Type: application/json",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate(body)
    assert (process.returncode, orjson.loads(out)["choices"][0]["text"]) == (0, "很多。")
    assert provider.asked[0].line == f"POST /v3/openai/{endpoint} HTTP/1.1"
    assert provider.asked[0].body == body


async def test_a_completion_streams(client, provider):
    frame = {"id": "x", "object": "text_completion", "created": 1, "model": MODEL}
    part = event({**frame, "choices": [{"index": 0, "text": "好", "finish_reason": None}]})
    provider.says(STREAM_HEAD, chunk(part), chunk(b"data: [DONE]\n\n"), STREAM_END)
    stream = await client.completions.create(model=MODEL, prompt="用途：", stream=True, extra_body=OWN)
    assert [part.choices[0].text async for part in stream] == ["好"]
    assert provider.asked[0].json["top_k"] == -1


async def test_its_error_shape_is_translated(client, provider):
    provider.says(
        json_answer({"code": 403, "reason": "NOT_ENOUGH_BALANCE", "message": "no", "metadata": {}}, 403)
    )
    with pytest.raises(openai.InternalServerError) as caught:
        await client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert caught.value.code == "upstream_quota"
