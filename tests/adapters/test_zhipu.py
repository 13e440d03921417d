"""Zhipu GLM, version 4: what of a request has to change, and what of an answer."""

from pathlib import Path

import orjson
import pytest
from canalgate.adapters.zhipu.glm import ZhipuAdapter
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

WIRE = Path(__file__).parent.parent / "wire" / "zhipu"
ADAPTER = ZhipuAdapter()
NOW = 1_700_000_000.0
EVENTS = {"content-type": "text/event-stream;charset=UTF-8"}
JSON = {"content-type": "application/json; charset=UTF-8"}
HI = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "f"}}
SEARCH = {"type": "web_search", "web_search": {"enable": True}}
PNG = "data:image/png;base64,iVBORw0KGgo="


def call(body, endpoint="chat/completions", model="glm-4.6", url="", key="id.secret", **options) -> Call:
    if isinstance(body, dict):
        body = orjson.dumps({"model": "glm", **body})
    parsed = None if body is None else JsonBody(body)
    stream = parsed is not None and parsed.get("stream", bool) is True
    content_type = "multipart/form-data; boundary=b" if body is None else "application/json"
    channel = Channel(1, "c", url, key, options)
    credential = ADAPTER.credential(channel, None, NOW)
    return Call("r", endpoint, "glm", model, stream, parsed, content_type, channel, credential, NOW)


def sent(body, **given) -> dict:
    """The body of a request, without its model."""
    made = orjson.loads(ADAPTER.request(call(body, **given)).body)
    assert made.pop("model") == given.get("model", "glm-4.6")
    return made


def reply(body, endpoint="chat/completions"):
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return ADAPTER.reply(call({}, endpoint), UpstreamResponse(200, JSON, data))


def streamed(name, split, **body):
    wire = (WIRE / name).read_bytes()
    made = call({"stream": True, **body})
    return wire, answered(ADAPTER, made, UpstreamResponse(200, EVENTS), pieces(wire, split))


# What is asked.


@pytest.mark.parametrize(
    "body",
    [
        b'{"model" : "glm-4.6","messages":[], "temperature":1.0e0,"top_p":1, "stop":["a"], "n":1,"x":1.50}',
        b'{"model":"glm-4.6","temperature":0,"tool_choice":"auto","tools":[{"type":"web_search"}]}',
        b'{"model":"glm-4.6","thinking":{"type":"disabled"},"do_sample":false,"tool_stream":true,"seed":1}',
        b'{"model":"glm-4.6","reasoning_effort":"high","stop":[],"temperature":null,"logit_bias":{}}',
        b'{"model":"glm-4.6","messages":[{"role":"user","content":"the \\"developer\\" said"}]}',
    ],
)
def test_a_body_that_needs_no_change_is_the_same_object(body):
    made = call(body)
    made = Call(**{name: getattr(made, name) for name in made.__struct_fields__} | {"model": "glm-4.6"})
    assert ADAPTER.request(made).body is made.body.raw


def test_only_the_bytes_of_a_clamped_value_change():
    body = b'{"model":"glm", "temperature" : 1.7,"x":1.50}'
    assert ADAPTER.request(call(body)).body == b'{"model":"glm-4.6", "temperature" : 1.0,"x":1.50}'


@pytest.mark.parametrize(
    ("model", "given", "made"),
    [
        ("glm-4.6", {"temperature": 2}, {"temperature": 1.0}),
        ("glm-5", {"temperature": 0, "top_p": 0}, {"temperature": 0, "top_p": 0.01}),
        ("GLM-4.5-Air", {"temperature": -1, "top_p": 2}, {"temperature": 0.0, "top_p": 1.0}),
        ("glm-z1-air", {"temperature": 0}, {"temperature": 0}),
        ("glm-4", {"temperature": 0, "top_p": 1}, {"temperature": 0.01, "top_p": 0.99}),
        ("glm-4-plus", {"temperature": 1, "top_p": 0}, {"temperature": 0.99, "top_p": 0.01}),
        ("glm-4-32b-0414-128k", {"temperature": 2}, {"temperature": 0.99}),
        ("glm-4.6", {"stop": "a"}, {"stop": ["a"]}),
        ("glm-4.6", {"max_completion_tokens": 9}, {"max_tokens": 9}),
        ("glm-4.6", {"max_completion_tokens": 9, "max_tokens": 5}, {"max_tokens": 9}),
        ("glm-4.6", {"tools": [TOOL], "tool_choice": "none"}, {}),
        ("glm-4.6", {"tools": [TOOL, SEARCH]}, {"tools": [TOOL, SEARCH]}),
        (
            "glm-4.6",
            {"messages": [{"role": "developer", "content": "d"}, *HI]},
            {"messages": [{"role": "system", "content": "d"}, *HI]},
        ),
    ],
)
def test_what_the_provider_puts_otherwise_is_translated(model, given, made):
    assert sent(given, model=model) == made


@pytest.mark.parametrize(
    ("given", "endpoint", "made", "dropped"),
    [
        ({"stop": ["a", "b"]}, "chat/completions", {"stop": ["a"]}, {"stop"}),
        (
            {"tools": [TOOL], "tool_choice": "required"},
            "chat/completions",
            {"tools": [TOOL]},
            {"tool_choice"},
        ),
        ({"tool_choice": TOOL, "n": 2, "user": "u"}, "chat/completions", {"user": "u"}, {"tool_choice", "n"}),
        ({"n": 2, "prompt": "p"}, "images/generations", {"prompt": "p"}, {"n"}),
        ({"response_format": "b64_json"}, "images/generations", {}, {"response_format"}),
        ({"response_format": "url", "n": 1}, "images/generations", {"response_format": "url", "n": 1}, set()),
        ({"n": 2, "input": ["a"]}, "embeddings", {"n": 2, "input": ["a"]}, set()),
    ],
)
def test_what_the_provider_cannot_take_is_dropped_by_name(given, endpoint, made, dropped):
    request = ADAPTER.request(call(given, endpoint))
    assert orjson.loads(request.body) == {"model": "glm-4.6", **made}
    assert set(request.dropped) == dropped


def test_what_the_provider_cannot_take_passes_where_the_channel_says_so():
    given = {"stop": ["a", "b"], "tool_choice": "required", "n": 2}
    assert sent(given, unsupported_fields="pass") == given


@pytest.mark.parametrize(
    ("given", "param", "options"),
    [
        ({"stop": ["a", "b"]}, "stop", {"unsupported_fields": "reject"}),
        ({"tool_choice": "required"}, "tool_choice", {"unsupported_fields": "reject"}),
        ({"n": 3}, "n", {"unsupported_fields": "reject"}),
        ({"temperature": "hot"}, "temperature", {}),
        ({"n": "two"}, "n", {}),
        ({"messages": "developer"}, "messages", {}),
        ({"messages": ["developer"]}, "messages", {}),
    ],
)
def test_what_cannot_be_sent_is_the_clients_fault(given, param, options):
    with pytest.raises(BodyError) as caught:
        ADAPTER.request(call(given, **options))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("model", "url", "sent_url"),
    [
        ("glm-4v", PNG, "iVBORw0KGgo="),
        ("glm-4v-plus", PNG, "iVBORw0KGgo="),
        ("glm-4v", "https://h/a.png", "https://h/a.png"),
        ("glm-4.5v", PNG, PNG),
        ("glm-4v-flash", PNG, PNG),
    ],
)
def test_a_picture_is_bare_base64_for_the_models_that_want_it_so(model, url, sent_url):
    def messages(url):
        parts = [{"type": "text", "text": ";base64,"}, {"type": "image_url", "image_url": {"url": url}}]
        return [{"role": "user", "content": parts}, *HI]

    made = call({"messages": messages(url)}, model=model)
    assert orjson.loads(ADAPTER.request(made).body)["messages"] == messages(sent_url)
    assert made.body.tree["messages"] == messages(url)


@pytest.mark.parametrize(
    ("url", "endpoint", "sent_to"),
    [
        ("", "chat/completions", "https://open.bigmodel.cn/api/paas/v4/chat/completions"),
        ("https://open.bigmodel.cn", "embeddings", "https://open.bigmodel.cn/api/paas/v4/embeddings"),
        ("https://api.z.ai/api/paas/v4/", "rerank", "https://api.z.ai/api/paas/v4/rerank"),
        ("https://h/api/paas/v4/chat/completions", "images/generations", "https://h/api/paas/v4/images/generations"),
        ("https://h/api/coding/paas/v4", "chat/completions", "https://h/api/coding/paas/v4/chat/completions"),
        ("", "responses", "https://open.bigmodel.cn/api/v1/responses"),
        ("https://h/own", "responses", "https://h/own/responses"),
    ],
)  # fmt: skip
def test_the_endpoint_is_put_behind_the_base_url(url, endpoint, sent_to):
    assert ADAPTER.request(call({}, endpoint, url=url)).url == sent_to


@pytest.mark.parametrize(
    ("key_as", "value"),
    [
        ("plain", "id.secret"),
        ("signed", bigmodel.signed_token("id.secret", NOW).value),
    ],
)
def test_the_key_is_sent_as_the_channel_says(key_as, value):
    assert ADAPTER.request(call({}, key_as=key_as)).headers["authorization"] == f"Bearer {value}"


def test_a_form_is_passed_on():
    request = ADAPTER.request(call(None, "audio/transcriptions"))
    assert request.body is None
    assert request.headers["content-type"] == "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("url", "key", "options"),
    [("ftp://h", "k", {}), ("", "a b", {}), ("", "no-dot", {"key_as": "signed"})],
)
def test_a_channel_that_cannot_work_is_refused(url, key, options):
    with pytest.raises(ValueError):
        ADAPTER.check(Channel(1, "c", url, key, options))


# Whole answers.


@pytest.mark.parametrize(
    ("native", "finish"),
    [
        ("stop", "stop"),
        ("sensitive", "content_filter"),
        ("model_context_window_exceeded", "length"),
        ("length", "length"),
        ("", None),
        ("new_word", "new_word"),
    ],
)
def test_a_finish_reason_is_put_into_openais_words(native, finish):
    body = (
        b'{"choices":[{"index":0,"finish_reason":"%b","message":{"content":"a","x":1.50}}]}' % native.encode()
    )
    made = reply(body).body
    assert made == body.replace(b'"%b"' % native.encode(), orjson.dumps(finish))


def test_an_answer_that_needs_no_change_is_the_same_object():
    body = (
        b'{"choices":[{"finish_reason":"stop","message":{"content":"\\"finish_reason\\":\\"sensitive\\""}}]}'
    )
    assert reply(body).body is body


def test_usage_is_found_before_long_search_results():
    body = {
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "a"}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
        "web_search": [{"content": "x" * 9000}],
    }
    assert reply(body).usage == Usage(9, 2, 4)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"choices": [{"finish_reason": "network_error", "message": {"content": "a"}}]}, ErrorKind.FAULT),
        ({"error": {"code": "1113", "message": "m"}}, ErrorKind.BALANCE),
        ({"contentFilter": [{"level": 1}], "error": {"code": "1301", "message": "m"}}, ErrorKind.REQUEST),
        ({"code": 1302, "msg": "m", "success": False}, ErrorKind.RATE),
        ({"code": 401, "msg": "m", "success": False}, ErrorKind.FAULT),
        ({"error": "boom"}, ErrorKind.FAULT),
        (b"", ErrorKind.FAULT),
    ],
)
def test_a_failure_under_200_is_raised(body, kind):
    with pytest.raises(UpstreamError) as caught:
        reply(body)
    assert caught.value.kind is kind


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("images/generations", b'{"created":1,"data":[{"url":"https://h/a.png"}],"content_filter":[]}'),
        ("embeddings", b'{"data":[{"embedding":[0.50]}],"usage":{"prompt_tokens":4,"total_tokens":4}}'),
        ("rerank", b'{"results":[{"index":0,"relevance_score":0.50}]}'),
    ],
)
def test_the_answers_of_other_endpoints_pass_as_they_came(endpoint, body):
    assert reply(body, endpoint).body is body


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (429, b'{"error":{"code":"1113","message":"m"}}', ErrorKind.BALANCE, ""),
        (429, b'{"error":{"code":"1302","message":"m"}}', ErrorKind.RATE, ""),
        (429, b'{"error":{"code":"1121","message":"m"}}', ErrorKind.CREDENTIAL, ""),
        (429, b"{}", ErrorKind.RATE, ""),
        (400, b'{"error":{"code":"1211","message":"m"}}', ErrorKind.MODEL, "model_not_found"),
        (400, b'{"error":{"code":"1261","message":"m"}}', ErrorKind.REQUEST, "context_length_exceeded"),
        (400, b'{"contentFilter":[],"error":{"code":"1301"}}', ErrorKind.REQUEST, "content_filter"),
        (401, b'{"error":{"code":"1003","message":"m"}}', ErrorKind.CREDENTIAL, ""),
        (404, b'{"status":404,"error":"Not Found","path":"/v4/x"}', ErrorKind.MODEL, ""),
        (434, b"", ErrorKind.MODEL, ""),
        (500, b'{"error":{"code":"500","message":"m"}}', ErrorKind.FAULT, ""),
        (502, b"<html>", ErrorKind.FAULT, ""),
    ],
)  # fmt: skip
def test_an_error_status_is_classified_by_the_code_first(status, body, kind, code):
    error = ADAPTER.error(call({}), UpstreamResponse(status, JSON, body))
    assert (error.kind, error.code) == (kind, code)


def test_an_expired_token_that_we_signed_is_made_afresh():
    response = UpstreamResponse(401, JSON, b'{"error":{"code":"1003","message":"m"}}')
    assert ADAPTER.error(call({}, key_as="signed"), response).kind is ErrorKind.EXPIRED


def test_a_wait_the_provider_asks_for_is_kept():
    response = UpstreamResponse(429, {"retry-after": "3"}, b'{"error":{"code":"1305","message":"m"}}')
    assert ADAPTER.error(call({}), response).retry_after == 3.0


# Streams.


@pytest.mark.parametrize("split", SPLITS)
def test_a_stream_without_native_words_passes_byte_for_byte(split):
    wire, replayed = streamed("reasoning.sse", split)
    assert replayed.sent == wire
    assert replayed.usage == Usage(9, 12, 4, 7)
    assert replayed.outcome.choices[0].reasoning == "Two and two "


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("name", "native", "finish"),
    [
        ("sensitive.sse", b'"finish_reason" : "sensitive"', b'"finish_reason" : "content_filter"'),
        ("tools.sse", b'"finish_reason":"stop"', b'"finish_reason":"tool_calls"'),
    ],
)
def test_only_the_finish_reason_of_a_stream_changes(name, native, finish, split):
    wire, replayed = streamed(name, split)
    assert native in wire
    assert replayed.sent == wire.replace(native, finish)
    assert replayed.error is None


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("network_error.sse", ErrorKind.FAULT),
        ("error.sse", ErrorKind.RATE),
        ("cut.sse", ErrorKind.FAULT),
    ],
)
def test_a_stream_that_fails_keeps_what_came_before(name, kind, split):
    _, replayed = streamed(name, split)
    assert replayed.outcome.choices[0].text == "Once"
    assert replayed.error.kind is kind
    assert b"[DONE]" not in replayed.sent
    assert replayed.outcome.error is None


def test_a_failed_stream_is_paid_for():
    _, replayed = streamed("network_error.sse", "bytes")
    assert replayed.usage == Usage(3, 1)


@pytest.mark.parametrize("asks", [True, False])
def test_a_usage_event_of_its_own_is_shown_only_to_a_client_that_asked(asks):
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n'
    wire = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n' + usage + b"data: [DONE]\n\n"
    made = call({"stream": True, "stream_options": {"include_usage": asks}})
    replayed = answered(ADAPTER, made, UpstreamResponse(200, EVENTS), pieces(wire, "random"))
    assert (usage in replayed.sent) is asks
    assert replayed.usage == Usage(1, 2)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"error":{"code":"1113","message":"m"}}', ErrorKind.BALANCE),
        (b'{"code":1211,"msg":"m","success":false}', ErrorKind.MODEL),
        (b'{"error":"boom"}', ErrorKind.FAULT),
    ],
)
def test_an_error_as_first_event_is_raised(data, kind):
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.check_first_event(call({}), data)
    assert caught.value.kind is kind


@pytest.mark.parametrize("data", [b'{"choices":[{"delta":{}}],"code":1}', b'{"error":', b"[1]", b"[DONE]"])
def test_a_proper_first_event_passes(data):
    ADAPTER.check_first_event(call({}), data)


def test_json_where_a_stream_was_asked_for_is_read_as_a_whole():
    made = call({"stream": True})
    assert ADAPTER.stream(made, UpstreamResponse(200, JSON)) is None
