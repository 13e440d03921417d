"""Baidu's legacy ERNIE API: its token, its addresses, its answers, and errors under HTTP 200."""

import base64
import json
import struct
from pathlib import Path

import pytest
from canalgate.adapters.wenxin.adapter import WenxinAdapter, WenxinStream
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
from canalgate.proxy.conformance import SPLITS, cases, differences, replay

ADAPTER = WenxinAdapter()
WIRE = list(cases(Path(__file__).resolve().parents[1] / "wire" / "wenxin"))
NOW = 1_700_000_000.0
JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}
BASE = "https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop"
HI = {"messages": [{"role": "user", "content": "hi"}]}


def channel(key="ak|sk", url="", **options) -> Channel:
    return Channel(1, "c", url, key, options)


def call(
    fields=None,
    model="ERNIE-4.0-8K",
    endpoint="chat/completions",
    token="24.t",
    stream=False,
    url="",
    **options,
) -> Call:
    body = JsonBody(json.dumps({"model": "m", **(HI if fields is None else fields)}).encode())
    made = channel(url=url, **options)
    return Call("r", endpoint, "m", model, stream, body, "application/json", made, Credential(token), NOW)


def reply(value, endpoint="chat/completions", fields=None, status=200):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return ADAPTER.reply(call(fields, endpoint=endpoint), UpstreamResponse(status, JSON, body))


@pytest.mark.parametrize("usage", [True, False], ids=["usage", "no-usage"])
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("case", WIRE, ids=lambda case: case.name)
def test_a_composed_answer_is_understood_in_any_split(case, split, usage):
    assert differences(case, replay(ADAPTER, case, split, include_usage=usage)) == []


def test_there_are_composed_answers():
    assert len(WIRE) > 8


# The token.


def test_a_key_and_a_secret_are_changed_for_a_token():
    asked = ADAPTER.credential_request(channel("a k|s&k"), NOW)
    assert asked.method == "POST"
    assert asked.url == (
        "https://aip.baidubce.com/oauth/2.0/token?grant_type=client_credentials&client_id=a+k&client_secret=s%26k"
    )


@pytest.mark.parametrize(
    ("url", "token_url", "asked"),
    [
        ("http://h:1", "", "http://h:1/oauth/2.0/token"),
        ("http://h:1/rpc/2.0/ai_custom/v1/wenxinworkshop/", "", "http://h:1/oauth/2.0/token"),
        ("http://h/baidu/rpc/2.0/ai_custom/v1/wenxinworkshop", "", "http://h/baidu/oauth/2.0/token"),
        ("http://h/ernie", "", "http://h/oauth/2.0/token"),
        ("http://h/ernie", " http://auth.test/token ", "http://auth.test/token"),
    ],
)
def test_the_token_is_asked_for_beside_the_service_or_where_the_channel_says(url, token_url, asked):
    found = ADAPTER.credential_request(channel(url=url, token_url=token_url), NOW)
    assert found.url.partition("?")[0] == asked


@pytest.mark.parametrize("key", ["24.ready-token", ""])
def test_a_ready_token_needs_no_exchange(key):
    assert ADAPTER.credential_request(channel(key), NOW) is None
    assert ADAPTER.credential(channel(key), None, NOW) == Credential(key)


@pytest.mark.parametrize(
    ("body", "expires_at"),
    [
        ({"access_token": "24.t", "expires_in": 2592000}, NOW + 2592000),
        ({"access_token": "24.t", "expires_in": 0.5}, NOW + 0.5),
        ({"access_token": "24.t"}, NOW + 86400),
        ({"access_token": "24.t", "expires_in": "soon"}, NOW + 86400),
    ],
)
def test_a_token_lasts_as_long_as_it_says(body, expires_at):
    response = UpstreamResponse(200, JSON, json.dumps(body).encode())
    assert ADAPTER.credential(channel(), response, NOW) == Credential("24.t", expires_at)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'{"error":"invalid_client","error_description":"unknown client id"}', ErrorKind.CREDENTIAL),
        (
            401,
            b'{"error":"invalid_client","error_description":"Client authentication failed"}',
            ErrorKind.CREDENTIAL,
        ),
        (400, b'{"error":"invalid_request"}', ErrorKind.CREDENTIAL),
        (200, b'{"error":"invalid_client"}', ErrorKind.CREDENTIAL),
        (401, b"", ErrorKind.CREDENTIAL),
        (403, b"<html>", ErrorKind.MODEL),
        (404, b"<html>", ErrorKind.MODEL),
        (429, b"{}", ErrorKind.RATE),
        (200, b'{"error_code":18,"error_msg":"Open api qps request limit reached"}', ErrorKind.RATE),
        (500, b"oops", ErrorKind.FAULT),
        (503, b"", ErrorKind.BUSY),
        (200, b"{}", ErrorKind.FAULT),
        (200, b'{"access_token":""}', ErrorKind.FAULT),
        (200, b'{"access_token":7}', ErrorKind.FAULT),
        (200, b"[1]", ErrorKind.FAULT),
        (200, b"not json", ErrorKind.FAULT),
        (200, b"", ErrorKind.FAULT),
    ],
)
def test_no_token_is_an_error_of_its_kind(status, body, kind):
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.credential(channel(), UpstreamResponse(status, JSON, body), NOW)
    assert caught.value.kind is kind


@pytest.mark.parametrize(
    ("key", "url", "options"),
    [
        ("ak|", "", {}),
        ("|sk", "", {}),
        ("a|b|c", "", {}),
        ("a k|sk", "", {}),
        ("ak|sk", "aip.baidubce.com", {}),
        ("ak|sk", "http://u:p@h/", {}),
        ("ak|sk", "", {"token_url": "auth.test/token"}),
        ("ak|sk", "", {"token_url": "ftp://auth.test/token"}),
        ("ak|sk", "", {"token_url": "https:///token"}),
        ("ak|sk", "", {"token_url": "https://auth.test/token?x=1"}),
        ("ak|sk", "", {"path": "../admin"}),
    ],
)
def test_a_channel_that_cannot_work_is_refused(key, url, options):
    with pytest.raises(ValueError):
        ADAPTER.check(channel(key, url, **options))


@pytest.mark.parametrize(
    ("key", "url"), [("ak|sk", ""), ("24.t", ""), ("", "http://h:1"), ("ak|sk", "http://h/ernie/v1")]
)
def test_a_channel_that_may_work_is_taken(key, url):
    ADAPTER.check(channel(key, url))


# Requests.


@pytest.mark.parametrize(
    ("made", "url"),
    [
        (call(), f"{BASE}/chat/completions_pro?access_token=24.t"),
        (call(model="ernie-4.0-turbo-128k"), f"{BASE}/chat/ernie-4.0-turbo-128k?access_token=24.t"),
        (call(token="24.a&b=c"), f"{BASE}/chat/completions_pro?access_token=24.a%26b%3Dc"),
        (call(token=""), f"{BASE}/chat/completions_pro"),
        (call(url="http://h:1"), f"http://h:1{BASE[24:]}/chat/completions_pro?access_token=24.t"),
        (call(url="http://h/ernie/"), "http://h/ernie/chat/completions_pro?access_token=24.t"),
        (call(url=f"{BASE}/chat/completions"), f"{BASE}/chat/completions_pro?access_token=24.t"),
        (call(path="My_Service"), f"{BASE}/chat/my_service?access_token=24.t"),
        (call(path="/chat/My_Service"), f"{BASE}/chat/My_Service?access_token=24.t"),
        (call(model="a?b#c&d"), f"{BASE}/chat/a%3Fb%23c%26d?access_token=24.t"),
        (
            call({"input": "a"}, "Embedding-V1", "embeddings"),
            f"{BASE}/embeddings/embedding-v1?access_token=24.t",
        ),
    ],
)
def test_a_model_is_an_address(made, url):
    request = ADAPTER.request(made)
    assert request.url == url
    assert request.headers == {"content-type": "application/json"}
    assert "model" not in json.loads(request.body)


@pytest.mark.parametrize("model", ["../oauth", "chat/../../x", "..", "a/.."])
def test_a_model_that_leads_out_of_the_service_is_refused(model):
    with pytest.raises(BodyError) as caught:
        ADAPTER.request(call(model=model))
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    ("endpoint", "fields", "sent", "dropped"),
    [
        ("embeddings", {"input": "a"}, {"input": ["a"]}, ()),
        ("embeddings", {"input": ["a", "b"], "user": "ann"}, {"input": ["a", "b"], "user_id": "ann"}, ()),
        (
            "embeddings",
            {"input": "a", "encoding_format": "base64", "dimensions": 8},
            {"input": ["a"]},
            ("dimensions",),
        ),
        (
            "rerank",
            {"query": "q", "documents": ["a", {"text": "b"}], "top_n": 1, "return_documents": True},
            {"query": "q", "documents": ["a", "b"], "top_n": 1},
            (),
        ),
        (
            "images/generations",
            {
                "prompt": "cat",
                "size": "1024x1024",
                "n": 2,
                "response_format": "url",
                "quality": "hd",
                "steps": 20,
            },
            {"prompt": "cat", "size": "1024x1024", "n": 2, "steps": 20},
            ("quality",),
        ),
    ],
)
def test_each_endpoint_has_its_body(endpoint, fields, sent, dropped):
    request = ADAPTER.request(call(fields, "x", endpoint))
    assert (json.loads(request.body), request.dropped) == (sent, dropped)


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        ("embeddings", {}),
        ("embeddings", {"input": []}),
        ("embeddings", {"input": [1, 2]}),
        ("rerank", {"query": "q"}),
        ("rerank", {"documents": ["a"]}),
        ("rerank", {"query": "q", "documents": [1]}),
        ("rerank", {"query": "q", "documents": ["a"], "user": 7}),
        ("chat/completions", {}),
    ],
)
def test_a_request_that_lacks_something_is_the_clients_fault(endpoint, fields):
    with pytest.raises(BodyError):
        ADAPTER.request(call(fields, "x", endpoint))


def test_what_a_chat_service_has_no_place_for_is_named():
    assert ADAPTER.request(call({**HI, "seed": 1, "logit_bias": {"1": 1}})).dropped == ("seed", "logit_bias")


def test_a_question_about_a_picture_goes_to_its_own_service():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    fields = {"messages": [{"role": "user", "content": [{"type": "text", "text": "what?"}, picture]}]}
    request = ADAPTER.request(call(fields, "Fuyu-8B"))
    assert request.url.startswith(f"{BASE}/image2text/fuyu_8b?")
    assert json.loads(request.body) == {"prompt": "what?", "image": "aGk="}


# Whole answers.


def test_search_results_stay_beside_the_text():
    found = {"search_results": [{"index": 1, "url": "https://x.test/", "title": "t"}]}
    message = json.loads(reply({"result": "a^[1]^", "search_info": found}).body)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "a^[1]^", "search_info": found}


@pytest.mark.parametrize(
    ("more", "finish"),
    [
        ({}, "stop"),
        ({"finish_reason": "normal"}, "stop"),
        ({"finish_reason": "stop"}, "stop"),
        ({"finish_reason": "length"}, "length"),
        ({"finish_reason": "content_filter"}, "content_filter"),
        ({"finish_reason": "brand_new"}, "stop"),
        ({"finish_reason": "normal", "is_truncated": True}, "length"),
        ({"finish_reason": "content_filter", "is_truncated": True}, "content_filter"),
        ({"need_clear_history": True, "ban_round": 1}, "content_filter"),
        ({"need_clear_history": True, "is_truncated": True}, "content_filter"),
        ({"need_clear_history": False, "flag": 0}, "stop"),
        ({"finish_reason": "function_call"}, "stop"),
        ({"finish_reason": "function_call", "function_call": {"name": "f", "arguments": "{}"}}, "tool_calls"),
        ({"finish_reason": "normal", "function_call": {"name": "f"}}, "tool_calls"),
        ({"function_call": {"name": ""}}, "stop"),
        ({"function_call": None, "tool_calls": None}, "stop"),
    ],
)
def test_a_finish_reason_is_in_openais_words(more, finish):
    assert json.loads(reply({"result": "a", **more}).body)["choices"][0]["finish_reason"] == finish


def test_vectors_come_back_in_order():
    data = [{"embedding": [0.5], "index": 1}, {"embedding": [0.25], "index": 0}]
    made = reply(
        {"data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}}, "embeddings", {"input": "a"}
    )
    assert [row["embedding"] for row in json.loads(made.body)["data"]] == [[0.25], [0.5]]
    assert made.usage == Usage(4)


def test_vectors_are_packed_where_the_client_wants_them_so():
    made = reply(
        {"data": [{"embedding": [0.5, -1.0], "index": 0}]},
        "embeddings",
        {"input": "a", "encoding_format": "base64"},
    )
    packed = json.loads(made.body)["data"][0]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(packed)) == (0.5, -1.0)


def test_a_ranking_keeps_places_and_scores():
    results = [
        {"document": "b", "relevance_score": 0.9, "index": 1},
        {"document": "a", "relevance_score": 0.1, "index": 0},
    ]
    fields = {"query": "q", "documents": ["a", "b"]}
    made = json.loads(
        reply({"id": "as-1", "results": results, "usage": {"total_tokens": 6}}, "rerank", fields).body
    )
    assert made["results"] == [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
    assert made["usage"] == {"prompt_tokens": 6, "total_tokens": 6}


def test_pictures_come_in_base64():
    data = [{"object": "image", "b64_image": "aGk=", "index": 0}]
    made = reply(
        {"data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}},
        "images/generations",
        {"prompt": "x"},
    )
    assert json.loads(made.body) == {"created": int(NOW), "data": [{"b64_json": "aGk="}]}
    assert made.usage == Usage(1)


@pytest.mark.parametrize(
    ("endpoint", "value", "kind"),
    [
        ("chat/completions", b"", ErrorKind.FAULT),
        ("chat/completions", b"not json", ErrorKind.FAULT),
        ("chat/completions", b'["a"]', ErrorKind.FAULT),
        ("chat/completions", b'{"result":"a"', ErrorKind.FAULT),
        ("embeddings", {}, ErrorKind.FAULT),
        ("embeddings", {"data": [{"index": 0}]}, ErrorKind.FAULT),
        ("images/generations", {"data": []}, ErrorKind.FAULT),
    ],
)
def test_an_answer_that_is_none_is_a_fault(endpoint, value, kind):
    with pytest.raises(UpstreamError) as caught:
        reply(value, endpoint, {"input": "a", "prompt": "a"})
    assert caught.value.kind is kind


def test_a_web_page_is_a_fault_of_the_channel():
    page = UpstreamResponse(200, {"content-type": "text/html; charset=utf-8"}, b"<!doctype html>")
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.reply(call(), page)
    assert caught.value.kind is ErrorKind.MODEL


# Errors.


@pytest.mark.parametrize(
    ("code", "message", "kind", "says"),
    [
        (1, "Unknown error", ErrorKind.FAULT, ""),
        (2, "Service temporarily unavailable", ErrorKind.FAULT, ""),
        (3, "Unsupported openapi method", ErrorKind.MODEL, "model_not_found"),
        (4, "Open api request limit reached", ErrorKind.BUSY, ""),
        (6, "No permission to access data", ErrorKind.MODEL, ""),
        (13, "Get service token failed", ErrorKind.CREDENTIAL, ""),
        (14, "IAM Certification failed", ErrorKind.CREDENTIAL, ""),
        (15, "app not exists or create failed", ErrorKind.FAULT, ""),
        (17, "Open api daily request limit reached", ErrorKind.BALANCE, ""),
        (18, "Open api qps request limit reached", ErrorKind.RATE, ""),
        (19, "Open api total request limit reached", ErrorKind.BALANCE, ""),
        (100, "Invalid parameter", ErrorKind.EXPIRED, ""),
        (110, "Access token invalid or no longer valid", ErrorKind.EXPIRED, ""),
        (111, "Access token expired", ErrorKind.EXPIRED, ""),
        (336000, "Internal error", ErrorKind.FAULT, ""),
        (336001, "Invalid argument", ErrorKind.REQUEST, ""),
        (336002, "Invalid JSON", ErrorKind.REQUEST, ""),
        (336003, "the length of messages must be an odd number", ErrorKind.REQUEST, ""),
        (336003, "temperature range is (0, 1]", ErrorKind.REQUEST, ""),
        (336003, "the max input characters is 20000", ErrorKind.REQUEST, "context_length_exceeded"),
        (336003, "the max input tokens is 5120", ErrorKind.REQUEST, "context_length_exceeded"),
        (336004, "Permission error", ErrorKind.MODEL, ""),
        (336005, "Invalid API name", ErrorKind.MODEL, "model_not_found"),
        (336006, "the max input characters is 20000", ErrorKind.REQUEST, "context_length_exceeded"),
        (336007, "the max input tokens is 5120", ErrorKind.REQUEST, "context_length_exceeded"),
        (336008, "history is too long", ErrorKind.REQUEST, "context_length_exceeded"),
        (336100, "try again, please", ErrorKind.BUSY, ""),
        (336101, "Invalid HTTP method", ErrorKind.MODEL, "model_not_found"),
        (336103, "Prompt tokens too long", ErrorKind.REQUEST, "context_length_exceeded"),
        (336104, "system setting is wrong", ErrorKind.REQUEST, ""),
        (336104, "the content of system is unsafe", ErrorKind.REQUEST, "content_filter"),
        (336105, "内容不安全", ErrorKind.REQUEST, "content_filter"),
        (336117, "m", ErrorKind.RATE, ""),
        (336501, "Rate limit reached for RPM", ErrorKind.RATE, ""),
        (336502, "Rate limit reached for TPM", ErrorKind.RATE, ""),
        (336503, "m", ErrorKind.RATE, ""),
        (336504, "m", ErrorKind.RATE, ""),
        (336505, "m", ErrorKind.RATE, ""),
        (336507, "m", ErrorKind.RATE, ""),
        (500000, "m", ErrorKind.FAULT, ""),
        (999999, "m", ErrorKind.FAULT, ""),
    ],
)
def test_an_error_under_200_is_of_its_kind(code, message, kind, says):
    with pytest.raises(UpstreamError) as caught:
        reply({"error_code": code, "error_msg": message, "id": "as-1"})
    assert (caught.value.kind, caught.value.code, caught.value.message) == (kind, says, message)


def test_an_error_that_is_the_clients_has_a_clients_status():
    with pytest.raises(UpstreamError) as caught:
        reply({"error_code": 336003, "error_msg": "m"})
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'{"error_code":110,"error_msg":"m"}', ErrorKind.EXPIRED),
        (400, b'{"error_code":336003,"error_msg":"m"}', ErrorKind.REQUEST),
        (404, b"<html>", ErrorKind.MODEL),
        (429, b"", ErrorKind.RATE),
        (502, b"<html>", ErrorKind.FAULT),
        (503, b"", ErrorKind.BUSY),
    ],
)
def test_a_status_of_the_host_in_front_is_of_its_kind(status, body, kind):
    error = ADAPTER.error(call(), UpstreamResponse(status, {"retry-after": "3"}, body))
    assert (error.kind, error.retry_after) == (kind, 3.0)


# Streams.


@pytest.mark.parametrize(
    ("stream", "headers", "translates"),
    [
        (True, EVENTS, True),
        (True, {}, True),
        (True, JSON, False),
        (True, {"content-type": "application/json; charset=utf-8"}, False),
        (False, EVENTS, True),
        (False, JSON, False),
    ],
)
def test_what_is_no_document_is_translated(stream, headers, translates):
    made = ADAPTER.stream(call(stream=stream), UpstreamResponse(200, headers))
    assert isinstance(made, WenxinStream) is translates


def test_search_results_come_in_the_stream_too():
    translator = ADAPTER.stream(call(stream=True), UpstreamResponse(200, EVENTS))
    sent = translator.feed(b'data: {"result":"a","is_end":true,"search_info":{"search_results":[]}}\n\n')
    assert b'"search_info":{"search_results":[]}' in sent


def test_nothing_comes_after_the_end():
    translator = ADAPTER.stream(call(stream=True), UpstreamResponse(200, EVENTS))
    translator.feed(b'data: {"result":"a","is_end":true}\n\n')
    assert translator.feed(b'data: {"result":"b","is_end":true}\n\n') == b""
    assert translator.close() == b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    "line",
    [b": ping\n", b"event: message\n", b"id: 1\n", b"data:\n", b"data: [DONE]\n", b"junk\n", b"\n", b"\r\n"],
)
def test_a_line_that_is_no_event_is_skipped(line):
    translator = ADAPTER.stream(call(stream=True), UpstreamResponse(200, EVENTS))
    assert translator.feed(line) == b""


@pytest.mark.parametrize("data", [b"data: 7\n", b'data: ["a"]\n', b"data: {\n", b"{oops}\n"])
def test_an_event_that_is_no_object_is_a_fault(data):
    translator = ADAPTER.stream(call(stream=True), UpstreamResponse(200, EVENTS))
    with pytest.raises(UpstreamError) as caught:
        translator.feed(data)
    assert caught.value.kind is ErrorKind.FAULT
