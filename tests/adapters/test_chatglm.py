"""ChatGLM, Zhipu's version 3: what is asked, and what is made of whole and streamed answers."""

from pathlib import Path

import orjson
import pytest
from canalgate.adapters.zhipu.chatglm import ChatGLMAdapter
from canalgate.adapters.zhipu.glm import bigmodel as bigmodel
from canalgate.plugins import (
    BodyError,
    Call,
    Channel,
    ErrorKind,
    JsonBody,
    UpstreamError,
    UpstreamResponse,
    Usage,
)
from canalgate.proxy.conformance import SPLITS, pieces
from canalgate.proxy.conformance.replay import answered

WIRE = Path(__file__).parent.parent / "wire" / "chatglm"
ADAPTER = ChatGLMAdapter()
NOW = 1_700_000_000.0
HI = [{"role": "user", "content": "hi"}]
EVENTS = {"content-type": "text/event-stream;charset=utf-8"}
JSON = {"content-type": "application/json"}
TOOL = {"type": "function", "function": {"name": "f"}}


def call(
    endpoint="chat/completions", model="chatglm_turbo", url="", key="id.secret", options=None, **body
) -> Call:
    body = {"model": "m", **({"input": "hi"} if endpoint == "embeddings" else {"messages": HI}), **body}
    channel = Channel(1, "c", url, key, options or {})
    credential = ADAPTER.credential(channel, None, NOW)
    stream, parsed = body.get("stream", False), JsonBody(orjson.dumps(body))
    return Call("r", endpoint, "m", model, stream, parsed, "application/json", channel, credential, NOW)


def sent(**given) -> dict:
    """The body of a request."""
    return orjson.loads(ADAPTER.request(call(**given)).body)


def reply(body, status=200, **given):
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return ADAPTER.reply(call(**given), UpstreamResponse(status, JSON, data))


def data(*contents, **more) -> dict:
    choices = [{"role": "assistant", "content": content} for content in contents]
    return {"code": 200, "msg": "ok", "success": True, "data": {"choices": choices, **more}}


def streamed(name_or_data, split, **given):
    wire = (WIRE / name_or_data).read_bytes() if isinstance(name_or_data, str) else name_or_data
    made = call(stream=True, **given)
    return answered(ADAPTER, made, UpstreamResponse(200, EVENTS), pieces(wire, split))


def heard(replayed) -> tuple[str, str | None]:
    """Text and finish reason of the only choice."""
    (choice,) = replayed.outcome.choices
    return choice.text, choice.finish_reason


# What is asked.


@pytest.mark.parametrize(
    ("url", "given", "sent_to"),
    [
        ("", {}, "https://open.bigmodel.cn/api/paas/v3/model-api/chatglm_turbo/invoke"),
        ("", {"stream": True}, "https://open.bigmodel.cn/api/paas/v3/model-api/chatglm_turbo/sse-invoke"),
        ("https://h", {}, "https://h/api/paas/v3/model-api/chatglm_turbo/invoke"),
        ("https://h/x/model-api/", {}, "https://h/x/model-api/chatglm_turbo/invoke"),
        ("https://h/x/model-api/chatglm_pro/sse-invoke", {}, "https://h/x/model-api/chatglm_turbo/invoke"),
        ("https://h/own", {}, "https://h/own/chatglm_turbo/invoke"),
        ("https://h/own", {"model": "a/b?c"}, "https://h/own/a%2Fb%3Fc/invoke"),
        ("https://h/own", {"endpoint": "embeddings", "stream": True}, "https://h/own/chatglm_turbo/invoke"),
    ],
)
def test_the_model_and_the_way_of_calling_are_in_the_path(url, given, sent_to):
    assert ADAPTER.request(call(url=url, **given)).url == sent_to


def test_a_token_signed_with_the_key_stands_alone_in_the_header():
    headers = ADAPTER.request(call()).headers
    assert headers["authorization"] == bigmodel.signed_token("id.secret", NOW).value


def test_a_plain_key_is_sent_as_it_is():
    assert ADAPTER.request(call(options={"key_as": "plain"})).headers["authorization"] == "id.secret"


@pytest.mark.parametrize(("url", "key"), [("", "plain"), ("ftp://h", "id.secret"), ("https://h", "")])
def test_a_channel_that_cannot_work_is_refused(url, key):
    with pytest.raises(ValueError):
        ADAPTER.check(Channel(1, "c", url, key))


@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        (HI, HI),
        (
            [{"role": "system", "content": "be brief"}, *HI],
            [{"role": "user", "content": "be brief"}, {"role": "assistant", "content": "Okay"}, *HI],
        ),
        (
            [*HI, {"role": "assistant", "content": "ho", "name": "x"}, {"role": "developer", "content": "d"}],
            [
                *HI,
                {"role": "assistant", "content": "ho"},
                {"role": "user", "content": "d"},
                {"role": "assistant", "content": "Okay"},
            ],
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
            [{"role": "user", "content": "a\nb"}],
        ),
    ],
)
def test_messages_become_turns_of_a_user_and_an_assistant(messages, prompt):
    assert sent(messages=messages) == {"prompt": prompt}


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"stream": True}, {"incremental": True}),
        ({"stream": True, "incremental": False}, {"incremental": True}),
        ({"temperature": 0, "top_p": 1}, {"temperature": 0.01, "top_p": 0.99}),
        ({"temperature": 2, "top_p": 0.0}, {"temperature": 0.99, "top_p": 0.01}),
        ({"temperature": 0.5, "top_p": None}, {"temperature": 0.5}),
        ({"request_id": "mine", "ref": {"enable": False}}, {"request_id": "mine", "ref": {"enable": False}}),
        ({"tools": [TOOL], "tool_choice": "none"}, {}),
        ({"prompt": [], "functions": []}, {}),
    ],
)
def test_the_other_fields_are_translated_or_pass(given, made):
    assert sent(**given) == {"prompt": HI, **made}


def test_fields_that_have_no_place_are_dropped_by_name():
    request = ADAPTER.request(call(max_tokens=5, seed=1, user="u", logprobs=None, stream_options={}))
    assert orjson.loads(request.body) == {"prompt": HI}
    assert set(request.dropped) == {"max_tokens", "seed", "user"}


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"tools": [TOOL]}, "tools"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"messages": [*HI, {"role": "tool", "content": "r", "tool_call_id": "1"}]}, "messages"),
        ({"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 5, "options": {"unsupported_fields": "reject"}}, "max_tokens"),
        ({"endpoint": "embeddings", "input": ["a", "b"]}, "input"),
        ({"endpoint": "embeddings", "input": []}, "input"),
        ({"endpoint": "embeddings", "input": ""}, "input"),
        ({"endpoint": "embeddings", "input": [1, 2]}, "input"),
    ],
)
def test_what_the_model_cannot_serve_is_the_clients_fault(given, param):
    with pytest.raises(BodyError) as caught:
        ADAPTER.request(call(**given))
    assert caught.value.param == param


def test_a_request_does_not_change_the_body():
    made = call(messages=[{"role": "system", "content": "s"}, *HI], temperature=5)
    before = orjson.dumps(made.body.tree)
    ADAPTER.request(made)
    assert orjson.dumps(made.body.tree) == before


@pytest.mark.parametrize("given", ["hi", ["hi"]])
def test_one_text_is_embedded_a_call(given):
    assert sent(endpoint="embeddings", input=given, encoding_format="float") == {"prompt": "hi"}


# Whole answers.


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('" 你好👋"', " 你好👋"),
        ('"a\\n\\"b\\""', 'a\n"b"'),
        ("plain", "plain"),
        ('he said "so"', 'he said "so"'),
        ('"so" and "so"', '"so" and "so"'),
        ('"broken\\', '"broken\\'),
        ('"', '"'),
        ("", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_a_content_that_is_a_json_string_inside_the_string_is_unwrapped(content, text):
    answer = orjson.loads(reply(data(content)).body)
    assert answer["choices"][0]["message"]["content"] == text
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_a_content_is_left_as_it_is_where_plain_text_was_asked_for():
    answer = orjson.loads(reply(data('"quoted"'), return_type="text").body)
    assert answer["choices"][0]["message"]["content"] == '"quoted"'


def test_usage_is_read_from_the_data():
    usage = {"prompt_tokens": 2, "completion_tokens": 9, "total_tokens": 11}
    made = reply(data("a", "b", usage=usage, task_id="77"))
    assert made.usage == Usage(2, 9)
    answer = orjson.loads(made.body)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    assert (answer["id"], answer["model"], answer["usage"]["total_tokens"]) == ("77", "m", 11)


def test_an_embedding_becomes_openais():
    body = {"code": 200, "success": True, "data": {"embedding": [0.5, -1], "usage": {"prompt_tokens": 3}}}
    made = reply(body, endpoint="embeddings")
    assert orjson.loads(made.body)["data"] == [{"object": "embedding", "index": 0, "embedding": [0.5, -1]}]
    assert made.usage == Usage(3)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"code": 1113, "msg": "m", "success": False}, ErrorKind.BALANCE),
        ({"code": 1302, "msg": "m", "success": False}, ErrorKind.RATE),
        ({"code": 1003, "msg": "m", "success": False}, ErrorKind.EXPIRED),
        ({"code": 1214, "msg": "m", "success": False}, ErrorKind.REQUEST),
        ({"code": 1211, "msg": "m"}, ErrorKind.MODEL),
        ({"code": 200, "success": False, "data": {"choices": []}}, ErrorKind.FAULT),
        ({"code": 200, "success": True}, ErrorKind.FAULT),
        ({"code": 200, "success": True, "data": None}, ErrorKind.FAULT),
        ({"code": 200, "success": True, "data": {"choices": []}}, ErrorKind.FAULT),
        ({"code": 200, "success": True, "data": {"choices": {"a": 1}}}, ErrorKind.FAULT),
        ([1], ErrorKind.FAULT),
        (b"<html>", ErrorKind.FAULT),
        (b"", ErrorKind.FAULT),
    ],
)
def test_an_error_under_200_is_raised(body, kind):
    with pytest.raises(UpstreamError) as caught:
        reply(body)
    assert caught.value.kind is kind


def test_an_answer_without_a_vector_is_a_fault():
    with pytest.raises(UpstreamError) as caught:
        reply(data("a"), endpoint="embeddings")
    assert caught.value.kind is ErrorKind.FAULT


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'{"code":1002,"msg":"m","success":false}', ErrorKind.CREDENTIAL),
        (401, b'{"code":1003,"msg":"m","success":false}', ErrorKind.EXPIRED),
        (401, b"", ErrorKind.CREDENTIAL),
        (429, b'{"code":1113,"msg":"m","success":false}', ErrorKind.BALANCE),
        (404, b"<html>", ErrorKind.MODEL),
        (500, b"oops", ErrorKind.FAULT),
    ],
)
def test_an_error_status_is_classified_by_the_code_first(status, body, kind):
    assert ADAPTER.error(call(), UpstreamResponse(status, JSON, body)).kind is kind


def test_a_wait_the_provider_asks_for_is_kept():
    response = UpstreamResponse(429, {"retry-after": "3"}, b'{"code":1302,"msg":"m"}')
    assert ADAPTER.error(call(), response).retry_after == 3.0


# Streams.


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("name", "text", "finish", "usage"),
    [
        ("text.sse", " In two\nlines\n\n```", "stop", Usage(5, 8)),
        ("crlf.sse", "天气", "stop", Usage(5, 8)),
        ("interrupted.sse", "And then", "content_filter", None),
        ("unknown.sse", "a", "stop", None),
    ],
)
def test_a_stream_says_what_was_said_in_any_split(name, text, finish, usage, split):
    replayed = streamed(name, split, stream_options={"include_usage": True})
    assert heard(replayed) == (text, finish)
    assert (replayed.usage, replayed.outcome.usage) == (usage, usage)
    assert replayed.outcome.complete and not replayed.outcome.oddities
    assert replayed.sent.endswith(b"data: [DONE]\n\n")


def test_usage_is_shown_only_to_a_client_that_asked():
    replayed = streamed("text.sse", "whole")
    assert replayed.usage == Usage(5, 8)
    assert replayed.outcome.usage is None


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("name", "kind"), [("error.sse", ErrorKind.RATE), ("cut.sse", ErrorKind.FAULT)])
def test_a_stream_that_breaks_keeps_what_came_before(name, kind, split):
    replayed = streamed(name, split)
    assert heard(replayed) == ("And then", None)
    assert replayed.error.kind is kind
    assert not replayed.outcome.complete


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        (b'event:error\ndata:{"code":1113,"msg":"m"}\n\n', ErrorKind.BALANCE),
        (b"event:error\ndata:something broke\n\n", ErrorKind.FAULT),
        (b"event:error\ndata:\n\n", ErrorKind.FAULT),
        (b"event:error\n\n", ErrorKind.FAULT),
        (b'{"code":1003,"msg":"m","success":false}', ErrorKind.EXPIRED),
        (b'\n{"code":1211,"msg":"m","success":false}\n\n', ErrorKind.MODEL),
        (b"<html>", ErrorKind.FAULT),
        (b"", ErrorKind.FAULT),
        (b"event:add\ndata:\n\n", ErrorKind.FAULT),
    ],
)
def test_a_stream_that_only_fails_shows_nothing(wire, kind, split):
    replayed = streamed(wire, split)
    assert replayed.error.kind is kind
    assert replayed.sent == b""


@pytest.mark.parametrize("split", SPLITS)
def test_a_finish_event_whose_blank_line_is_missing_is_the_end(split):
    replayed = streamed(b"event:add\ndata:a\n\nevent:finish\ndata:", split)
    assert heard(replayed) == ("a", "stop")
    assert replayed.error is None


def test_bytes_that_are_no_utf_8_cost_no_answer():
    replayed = streamed(b"event:add\ndata:\xff!\n\nevent:finish\n\n", "bytes")
    assert heard(replayed) == ("\ufffd!", "stop")


def test_json_where_a_stream_was_asked_for_is_read_as_a_whole():
    assert ADAPTER.stream(call(stream=True), UpstreamResponse(200, JSON)) is None
