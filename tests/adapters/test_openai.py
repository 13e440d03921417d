"""The OpenAI-compatible adapter: what it sends, and what it makes of a whole answer."""

import orjson
import pytest
from canalgate.adapters.openai import OpenAIAdapter, trim_base_url
from canalgate.adapters.parts.usage import UsageFilter
from canalgate.plugins import (
    BodyError,
    Call,
    Channel,
    Credential,
    ErrorKind,
    JsonBody,
    UpstreamError,
    UpstreamResponse,
    Usage,
)

ADAPTER = OpenAIAdapter()
CHAT = b'{"messages":[], "model" : "m","x":{"model":"m"},"seed":1.0e0}'
STREAM = b'{"model":"m","stream":true}'
WITH_OPTIONS = b'{"model":"m","stream_options": {"a":1,"include_usage":false} ,"stream":true}'
ASKED = b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'


def call(body=CHAT, model="m", endpoint="chat/completions", key="sk-k", url="", **options) -> Call:
    parsed = None if body is None else JsonBody(body)
    stream = parsed is not None and parsed.get("stream", bool) is True
    content_type = "multipart/form-data; boundary=b" if body is None else "application/json"
    channel = Channel(1, "c", url, key, options)
    return Call("r", endpoint, "m", model, stream, parsed, content_type, channel, Credential(key), 1.0)


@pytest.mark.parametrize(
    "made",
    [
        call(),
        call(endpoint="embeddings"),
        call(ASKED),
        call(STREAM, ask_usage="off"),
        call(STREAM, endpoint="responses"),
        call(b'{"model":"m","stream":false,"stream_options":null}'),
    ],
)
def test_a_body_that_needs_no_change_is_the_same_object(made):
    assert ADAPTER.request(made).body is made.body.raw


@pytest.mark.parametrize(
    ("made", "body"),
    [
        (call(model="up"), CHAT.replace(b'"model" : "m"', b'"model" : "up"')),
        (call(model='a"b/ü'), CHAT.replace(b'"model" : "m"', '"model" : "a\\"b/ü"'.encode())),
        (call(b'{"input":"x"}', "up", "moderations"), b'{"input":"x","model":"up"}'),
        (call(b"{}", "m", "moderations"), b'{"model":"m"}'),
        (call(b'{"model":null,"input":1}'), b'{"model":"m","input":1}'),
        (call(STREAM), ASKED),
        (call(STREAM, endpoint="completions"), ASKED),
        (call(STREAM, "up"), ASKED.replace(b'"m"', b'"up"')),
        (call(STREAM, "up", ask_usage="off"), STREAM.replace(b'"m"', b'"up"')),
        (
            call(WITH_OPTIONS),
            b'{"model":"m","stream_options": {"a":1,"include_usage":true} ,"stream":true}',
        ),
        (
            call(b'{"model":"m","stream_options":null,"stream":true}'),
            b'{"model":"m","stream_options":{"include_usage":true},"stream":true}',
        ),
    ],
)
def test_only_the_bytes_that_must_differ_change(made, body):
    assert ADAPTER.request(made).body == body


def test_a_wrong_type_of_stream_options_is_the_clients_fault():
    with pytest.raises(BodyError) as caught:
        ADAPTER.request(call(b'{"model":"m","stream":true,"stream_options":[1]}'))
    assert caught.value.param == "stream_options"


def test_a_form_is_passed_on_with_its_own_content_type():
    request = ADAPTER.request(call(None, endpoint="audio/transcriptions"))
    assert request.body is None
    assert request.headers["content-type"] == "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        ("sk-k", {"content-type": "application/json", "authorization": "Bearer sk-k"}),
        ("", {"content-type": "application/json"}),
    ],
)
def test_a_channel_without_a_key_sends_no_authorization(key, headers):
    assert ADAPTER.request(call(key=key)).headers == headers


@pytest.mark.parametrize(
    ("url", "sent_to"),
    [
        ("", "https://api.openai.com/v1/chat/completions"),
        ("http://h:1/api/v3/", "http://h:1/api/v3/chat/completions"),
        ("https://h/v1/chat/completions", "https://h/v1/chat/completions"),
    ],
)
def test_the_endpoint_is_put_behind_the_base_url(url, sent_to):
    assert ADAPTER.request(call(url=url)).url == sent_to


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://h/v1", "https://h/v1"),
        ("https://h", "https://h"),
        (" https://h/v1/ \n", "https://h/v1"),
        ("https://h/v1//", "https://h/v1"),
        ("https://h/v1/chat/completions", "https://h/v1"),
        ("https://h/v1/chat/completions/", "https://h/v1"),
        ("https://h/v1/completions", "https://h/v1"),
        ("https://h/embeddings", "https://h"),
        ("https://h/v1/prechat/x", "https://h/v1/prechat/x"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("HTTP://h/v1", "HTTP://h/v1"),
    ],
)
def test_what_people_paste_along_with_a_base_url_is_trimmed(text, url):
    assert trim_base_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "h/v1",
        "//h/v1",
        "ftp://h/v1",
        "file:///etc/passwd",
        "http://",
        "http:///v1",
        "https://user@h/v1",
        "https://user:secret@h/v1",
        "https://h/v1?a=b",
        "https://h/v1#a",
        "https://h/v 1",
        "https://h/v1\r\nx: y",
        "https://h\t/v1",
        "https://h:99999/v1",
        "https://h:port/v1",
        "http://[::1/v1",
    ],
)
def test_what_is_no_base_url_is_refused(text):
    with pytest.raises(ValueError):
        trim_base_url(text)


@pytest.mark.parametrize("key", ["a b", "a\n", "ключ"])
def test_a_key_that_cannot_be_sent_is_refused(key):
    with pytest.raises(ValueError):
        ADAPTER.check(Channel(1, "c", "https://h/v1", key))


def test_a_channel_without_an_address_has_the_adapters():
    ADAPTER.check(Channel(1, "c", "", "sk-k"))


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"error":{"message":"no","code":"invalid_api_key"}}', ErrorKind.CREDENTIAL, 502),
        (b'{"error":{"message":"slow down","code":429}}', ErrorKind.RATE, 429),
        (b'{"error":{"message":"bad","code":400}}', ErrorKind.REQUEST, 400),
        (b'{"error":"boom"}', ErrorKind.FAULT, 502),
        (b'{"id":"x","base_resp":{"status_code":1008,"status_msg":"m"}}', ErrorKind.BALANCE, 502),
        (b'{"code":10013,"message":"m"}', ErrorKind.FAULT, 502),
        (b"", ErrorKind.FAULT, 502),
        (b" \r\n\n", ErrorKind.FAULT, 502),
    ],
)
def test_an_error_under_200_is_raised(body, kind, status):
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.reply(call(), UpstreamResponse(200, {"content-type": "application/json"}, body))
    assert (caught.value.kind, caught.value.status) == (kind, status)


def test_a_web_page_is_a_fault_of_the_channel():
    page = UpstreamResponse(200, {"content-type": "text/html; charset=utf-8"}, b"<!doctype html>")
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.reply(call(), page)
    assert caught.value.kind is ErrorKind.MODEL


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices":[{"message":{"content":"hi"}}],"error":null,"usage":{"prompt_tokens":3}}',
        b'{"choices":[{"message":{"content":"\\"error\\":{"}}],"usage":{"prompt_tokens":3}}',
        b'\n\n\n{"choices":[{}],"base_resp":{"status_code":0},"usage":{"prompt_tokens":3}}',
    ],
)
def test_a_proper_answer_is_returned_as_it_came(body):
    reply = ADAPTER.reply(call(), UpstreamResponse(200, {}, body))
    assert reply.body is body
    assert (reply.usage, reply.content_type) == (Usage(3), "application/json")


@pytest.mark.parametrize(
    ("made", "filters"),
    [
        (call(STREAM), True),
        (call(WITH_OPTIONS), True),
        (call(ASKED), False),
        (call(STREAM, ask_usage="off"), False),
        (call(STREAM, endpoint="responses"), False),
        (call(None, endpoint="audio/transcriptions"), False),
    ],
)
def test_a_stream_is_filtered_only_where_we_asked_for_usage(made, filters):
    events = UpstreamResponse(200, {"content-type": "text/event-stream; charset=utf-8"})
    assert isinstance(ADAPTER.stream(made, events), UsageFilter) is filters


def test_an_answer_that_is_no_stream_is_not_filtered():
    assert ADAPTER.stream(call(STREAM), UpstreamResponse(200, {"content-type": "application/json"})) is None


@pytest.mark.parametrize(
    "data",
    [b'{"error":{"message":"m","code":"rate_limit_exceeded"}}', b'{"code":"1302","error":"m"}'],
)
def test_an_error_as_first_event_is_raised(data):
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.check_first_event(call(STREAM), data)
    assert caught.value.kind is ErrorKind.RATE


@pytest.mark.parametrize("data", [b"[DONE]", b'{"choices":[{}],"error":null}', b'{"error":', b""])
def test_a_proper_first_event_passes(data):
    ADAPTER.check_first_event(call(STREAM), data)


@pytest.mark.parametrize(
    ("tail", "complete"),
    [
        (b"data: [DONE]\n\n", True),
        (b"data:[DONE]", True),
        (b'data: {"choices":[{"finish_reason":"stop"}]}\n\n', True),
        (b'data: {"type":"response.completed"}\n\n', True),
        (b'data: {"choices":[{"finish_reason":"stop"}]}', True),
        (b'data: {"choices":[{"finish_reason":"stop","delta":{"con', False),
        (b'data: {"type":"response.completed","response":{"id"', False),
        (b'data: {"choices":[{"finish_reason":null}]}\n\n', False),
        (b'data: {"choices":[{"finish_reason":""}]}\n\n', False),
        (b"", False),
    ],
)
def test_a_stream_is_complete_when_its_end_says_so(tail, complete):
    assert ADAPTER.is_complete(call(STREAM), tail) is complete


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("o3-mini", {"max_completion_tokens": 5}),
        ("o1", {"max_completion_tokens": 5}),
        ("gpt-5", {"max_completion_tokens": 5}),
        ("gpt-5.2-mini", {"max_completion_tokens": 5}),
        ("gpt-4o", {"max_tokens": 5}),
        ("gpt-50", {"max_tokens": 5}),
        ("o3x", {"max_tokens": 5}),
        ("openai/gpt-5", {"max_tokens": 5}),
    ],
)
def test_reasoning_models_get_the_limit_under_the_name_they_take(model, sent):
    request = ADAPTER.request(call(b'{"model":"m","max_tokens":5}', model))
    assert orjson.loads(request.body) == {"model": model, **sent}


def test_a_completion_keeps_its_limits_name():
    made = call(b'{"model":"m","max_tokens":5}', "o3", "completions")
    assert b"max_tokens" in ADAPTER.request(made).body


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("", "https://api.openai.com/v1/models"),
        ("http://h:1/api/v3/", "http://h:1/api/v3/models"),
        ("https://h/v1/chat/completions", "https://h/v1/models"),
    ],
)
@pytest.mark.parametrize("key", ["sk-k", ""])
def test_the_models_are_asked_for_beside_the_endpoints(url, asked, key):
    request = ADAPTER.models_request(Channel(1, "c", url, key), Credential(key), 1.0)
    assert (request.method, request.url, request.body) == ("GET", asked, b"")
    assert request.headers.get("authorization") == (f"Bearer {key}" if key else None)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"object":"list","data":[{"id":"a"},{"id":"b"},{"id":"a"}]}', ("a", "b")),
        (b'[{"id":"a","name":"A"},{"name":"b"},{"model":"c"}]', ("a", "b", "c")),
        (b'{"models":[{"name":"a","model":"a:latest"}]}', ("a",)),
        (b'{"data":{"models":["a","b"]}}', ("a", "b")),
        (b'{"data":null,"models":["a"]}', ("a",)),
        (b'{"data":[{"id":7},{"id":""},{},null,["x"],{"id":"a"}]}', ("a",)),
        (b'{"data":[]}', ()),
        (b'{"data":' * 1000 + b"[]" + b"}" * 1000, ()),
        (b'{"error":"x"}', ()),
        (b"null", ()),
    ],
)
def test_a_list_of_models_is_read_in_any_shape(body, names):
    assert ADAPTER.model_names(UpstreamResponse(200, {}, body)) == names


def test_a_list_of_models_that_is_no_json_is_a_fault():
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.model_names(UpstreamResponse(200, {}, b"<html>"))
    assert caught.value.kind is ErrorKind.FAULT


ODD = b'{"choices":[{"index":0,"message":{"content":"hi","reasoning":"t"},"finish_reason":"eos"}]}'
JSON = {"content-type": "application/json"}


def test_an_odd_answer_passes_unless_the_channel_wants_it_tidy():
    assert ADAPTER.reply(call(), UpstreamResponse(200, JSON, ODD)).body is ODD
    tidy = orjson.loads(ADAPTER.reply(call(tidy="on"), UpstreamResponse(200, JSON, ODD)).body)
    assert tidy["choices"][0]["message"] == {"content": "hi", "reasoning_content": "t"}
    assert tidy["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("endpoint", ["embeddings", "responses", "rerank"])
def test_only_chats_and_completions_are_tidied(endpoint):
    made = call(endpoint=endpoint, tidy="on")
    assert ADAPTER.reply(made, UpstreamResponse(200, JSON, ODD)).body is ODD
    assert ADAPTER.stream(made, UpstreamResponse(200, {"content-type": "text/event-stream"})) is None


def test_an_error_at_the_end_of_a_tidied_answer_is_raised():
    body = b'{"choices":[{"message":{"content":"' + b"x" * 900 + b'"}}],"error":{"message":"m","code":503}}'
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.reply(call(tidy="on"), UpstreamResponse(200, JSON, body))
    assert caught.value.kind is ErrorKind.BUSY


def test_json_for_a_stream_is_made_one():
    made = call(STREAM, tidy="on")
    reply = ADAPTER.reply(made, UpstreamResponse(200, JSON, ODD))
    assert reply.content_type == "text/event-stream"
    assert reply.body.startswith(b"data: ") and reply.body.endswith(b"data: [DONE]\n\n")


EVENTS = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"eos"}]}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize(("tidy", "word"), [("on", b'"stop"'), ("off", b'"eos"')])
def test_events_under_the_name_of_json_are_still_events(tidy, word):
    reply = ADAPTER.reply(call(STREAM, tidy=tidy), UpstreamResponse(200, JSON, b"\n" + EVENTS))
    assert reply.content_type == "text/event-stream"
    assert word in reply.body


def test_events_under_the_name_of_json_may_fail():
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.reply(call(STREAM, tidy="on"), UpstreamResponse(200, JSON, EVENTS[:40]))
    assert caught.value.kind is ErrorKind.FAULT


def test_usage_far_from_the_end_is_found():
    body = b'{"usage":{"prompt_tokens":3},"choices":[{"message":{"content":"' + b"x" * 9000 + b'"}}]}'
    assert ADAPTER.reply(call(), UpstreamResponse(200, JSON, body)).usage == Usage(3)
