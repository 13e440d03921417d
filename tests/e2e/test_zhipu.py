"""Zhipu's two interfaces behind the gateway: tokens we sign, text streams, failures under 200."""

import pytest
import support
from support import STREAM_END, STREAM_HEAD, chunk, json_answer

EXPIRED = {"code": 1003, "msg": "token expired", "success": False}
HELLO = {"code": 200, "success": True, "data": {"choices": [{"content": '" hello"'}]}}
WORDS = b"event:add\nid:1\ndata: two\ndata:lines\n\n"
FINISH = b'event:finish\nid:1\nmeta:{"usage":{"prompt_tokens":2,"completion_tokens":3}}\ndata:\n\n'
BROKEN = b'event:error\nid:1\ndata:{"code":1234,"msg":"network"}\n\n'


def events(*pieces: bytes) -> list[bytes]:
    return [STREAM_HEAD, *(chunk(piece) for piece in pieces), STREAM_END]


async def chatglm(gateway, provider):
    await gateway.add_channel(provider, "chatglm_pro", type="chatglm", key="the-id.the-secret", name="v3")


async def test_a_signed_token_goes_upstream_and_never_the_secret(gateway, provider):
    await chatglm(gateway, provider)
    provider.says(json_answer(HELLO))
    answer = await gateway.chat("chatglm_pro", seed=1)
    assert answer.json["choices"][0]["message"]["content"] == " hello"
    assert answer.headers["x-canalgate-dropped"] == "seed"
    (asked,) = provider.asked
    assert asked.line == "POST /v1/chatglm_pro/invoke HTTP/1.1"
    assert asked.header("authorization").count(".") == 2
    assert "the-secret" not in asked.header("authorization")
    assert asked.json == {"prompt": [{"role": "user", "content": "hi"}]}


async def test_an_expired_token_is_signed_anew_and_the_channel_asked_again(gateway, provider):
    await chatglm(gateway, provider)
    left = iter([json_answer(EXPIRED, 401), json_answer(HELLO)])
    provider.script = lambda asked: [next(left)]
    assert (await gateway.chat("chatglm_pro")).status == 200
    assert len(provider.asked) == 2


async def test_a_token_refused_twice_is_a_bad_key(gateway, provider):
    await chatglm(gateway, provider)
    provider.says(json_answer(EXPIRED))
    answer = await gateway.chat("chatglm_pro")
    assert (answer.status, answer.error["code"]) == (502, "upstream_auth")


@pytest.mark.parametrize("how", ["whole", "events", "bytes", "random"])
async def test_a_text_stream_reaches_the_client_as_openais(gateway, provider, how):
    await chatglm(gateway, provider)
    provider.says(*events(*support.cuts(WORDS + FINISH, how)))
    answer = await gateway.chat("chatglm_pro", stream=True)
    assert b'"content":" two\\nlines"' in answer.body
    assert answer.body.endswith(b'"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
    assert answer.complete
    assert provider.asked[0].line == "POST /v1/chatglm_pro/sse-invoke HTTP/1.1"


async def test_an_error_in_mid_stream_ends_the_clients_stream_as_one(gateway, provider):
    await chatglm(gateway, provider)
    provider.says(*events(WORDS + BROKEN))
    answer = await gateway.chat("chatglm_pro", stream=True)
    assert b"two" in answer.body and b'"code":"upstream_error"' in answer.body
    assert b"[DONE]" not in answer.body


@pytest.mark.parametrize(
    "steps", [events(BROKEN), [json_answer({"code": 1234, "msg": "network", "success": False})]]
)
async def test_a_stream_that_fails_at_once_goes_to_another_channel(gateway, provider, steps):
    await chatglm(gateway, provider)
    async with support.provider(json_answer(HELLO)) as other:
        await gateway.add_channel(other, "chatglm_pro", type="chatglm", key="a.b", name="b", priority=-1)
        provider.says(*steps)
        answer = await gateway.chat("chatglm_pro", stream=True)
    assert answer.status == 200
    assert (len(provider.asked), len(other.asked)) == (1, 1)


async def test_arrears_under_429_are_no_rate_limit(gateway, provider):
    await gateway.add_channel(provider, "glm-4.6", type="zhipu", key="the-id.the-secret")
    provider.says(json_answer({"error": {"code": "1113", "message": "in arrears"}}, 429))
    answer = await gateway.chat("glm-4.6")
    assert (answer.status, answer.error["code"]) == (502, "upstream_quota")
    assert provider.asked[0].header("authorization") == "Bearer the-id.the-secret"


async def test_a_failure_for_a_finish_reason_is_none_for_the_client(gateway, provider):
    await gateway.add_channel(provider, "glm-4.6", type="zhipu", key="k")
    choice = b'{"index":0,"delta":{"content":"%b"},"finish_reason":%b}'
    text, failed = choice % (b"Once", b"null"), choice % (b"", b'"network_error"')
    provider.says(*events(*(b'data: {"choices":[%b]}\n\n' % choice for choice in (text, failed))))
    answer = await gateway.chat("glm-4.6", stream=True)
    assert b"Once" in answer.body and b'"code":"upstream_error"' in answer.body
    assert b"network_error" not in answer.body
