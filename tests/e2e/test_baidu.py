"""Baidu's two APIs behind the gateway: a token fetched once, renewed when refused, and native streams."""

import itertools
import json

import pytest
import support
from support import STREAM_END, STREAM_HEAD, chunk, json_answer

HI = {"id": "as-1", "result": "hi", "is_truncated": False, "need_clear_history": False,
      "usage": {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}}  # fmt: skip
REFUSED = {"error_code": 110, "error_msg": "Access token invalid or no longer valid"}


def baidu(provider, *answers, status=200):
    """Let a provider give tokens 24.0, 24.1 and so on, and these answers in turn, the last one for ever."""
    left = itertools.chain(answers, itertools.repeat(answers[-1]))
    numbers = itertools.count()

    def script(asked):
        if "/oauth/2.0/token?" in asked.line:
            token = {"access_token": f"24.{next(numbers)}", "expires_in": 2592000}
            return [json_answer(token if status == 200 else {"error": "invalid_client"}, status)]
        return [next(left)]

    provider.script = script


async def wenxin(gateway, provider, model="ERNIE-4.0-8K"):
    await gateway.add_channel(provider, model, type="wenxin", key="the-ak|the-sk", name=model)


def lines(provider):
    return [asked.line.split()[1] for asked in provider.asked]


async def test_a_token_is_fetched_once(gateway, provider):
    await wenxin(gateway, provider)
    baidu(provider, json_answer(HI))
    for _ in range(2):
        answer = await gateway.chat("ERNIE-4.0-8K", seed=1)
        assert (answer.status, answer.json["choices"][0]["message"]["content"]) == (200, "hi")
    assert answer.headers["x-canalgate-dropped"] == "seed"
    asked_for = "grant_type=client_credentials&client_id=the-ak&client_secret=the-sk"
    assert lines(provider) == [
        f"/oauth/2.0/token?{asked_for}",
        *["/v1/chat/completions_pro?access_token=24.0"] * 2,
    ]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refused_token_is_fetched_anew_and_the_channel_asked_again(gateway, provider, stream):
    await wenxin(gateway, provider)
    sse = STREAM_HEAD + chunk(b"data: " + json.dumps({**HI, "is_end": True}).encode() + b"\n\n") + STREAM_END
    baidu(provider, json_answer(REFUSED), sse if stream else json_answer(HI))
    answer = await gateway.chat("ERNIE-4.0-8K", stream=stream)
    assert (answer.status, b'"hi"' in answer.body) == (200, True)
    assert [line.rpartition("=")[2] for line in lines(provider)] == ["the-sk", "24.0", "the-sk", "24.1"]


async def test_a_token_refused_twice_is_a_bad_key(gateway, provider):
    await wenxin(gateway, provider)
    baidu(provider, json_answer(REFUSED))
    answer = await gateway.chat("ERNIE-4.0-8K")
    assert (answer.status, answer.error["code"]) == (502, "upstream_auth")
    assert len(lines(provider)) == 4


async def test_a_key_that_gets_no_token_is_a_bad_key(gateway, provider):
    await wenxin(gateway, provider)
    baidu(provider, json_answer(HI), status=401)
    answer = await gateway.chat("ERNIE-4.0-8K")
    assert (answer.status, answer.error["code"]) == (502, "upstream_auth")
    assert b"the-ak" not in answer.raw and b"the-sk" not in answer.raw


async def test_an_error_in_mid_stream_ends_the_clients_stream_as_one(gateway, provider):
    await wenxin(gateway, provider)
    first = b'data: {"result":"hi","is_end":false}\n\n'
    bare = b'{"error_code":336100,"error_msg":"try again, please"}\n\n'
    baidu(provider, STREAM_HEAD + chunk(first) + chunk(bare) + STREAM_END)
    answer = await gateway.chat("ERNIE-4.0-8K", stream=True)
    *_, last = [line for line in answer.body.split(b"\n\n") if line]
    assert b'"content":"hi"' in answer.body
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "upstream_error"
    assert b"[DONE]" not in answer.body


async def test_qianfans_words_are_put_right_in_a_stream(gateway, provider):
    await gateway.add_channel(provider, "ernie-4.0-8k", type="qianfan", options={"appid": "app-1"})
    sent = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"normal"}],"x":1.0}\n\n'
    provider.says(
        STREAM_HEAD,
        *(chunk(piece) for piece in support.cuts(sent, "bytes")),
        chunk(b"data: [DONE]\n\n"),
        STREAM_END,
    )
    answer = await gateway.chat("ernie-4.0-8k", stream=True, temperature=0)
    assert answer.body == sent.replace(b"normal", b"stop") + b"data: [DONE]\n\n"
    (asked,) = provider.asked
    assert (asked.header("appid"), asked.json["temperature"]) == ("app-1", 0.01)


async def test_an_access_key_of_qianfan_is_changed_for_a_token(gateway, provider):
    iam = {"iam_url": f"http://127.0.0.1:{provider.port}"}
    await gateway.add_channel(provider, "ernie-4.0-8k", type="qianfan", key="the-ak|the-sk", options=iam)
    answers = [
        json_answer({"token": "bce-v3/t", "expireTime": "2999-01-01T00:00:00Z"}),
        json_answer({"choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "normal"}]}),
    ]
    provider.script = lambda asked: [answers[0 if asked.line.startswith("GET ") else 1]]
    for _ in range(2):
        answer = await gateway.chat("ernie-4.0-8k")
        assert answer.json["choices"][0]["finish_reason"] == "stop"
    token, *chats = provider.asked
    assert token.line.startswith("GET /v1/BCE-BEARER/token?expireInSeconds=86400 ")
    assert token.header("authorization").startswith("bce-auth-v1/the-ak/")
    assert [asked.header("authorization") for asked in chats] == ["Bearer bce-v3/t"] * 2
