"""Baidu Qianfan V2: its keys, its addresses, its words, and what its errors mean."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from canalgate.adapters.qianfan import QianfanAdapter, signature
from canalgate.plugins import (
    BodyError,
    Call,
    Channel,
    Credential,
    ErrorKind,
    JsonBody,
    UpstreamError,
    UpstreamResponse,
)
from canalgate.proxy.conformance import SPLITS, cases, differences, replay

ADAPTER = QianfanAdapter()
WIRE = list(cases(Path(__file__).resolve().parents[1] / "wire" / "qianfan"))
KEY = "bce-v3/ALTAK-abc/def"
NOW = 1_700_000_000.0
JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}


def channel(key=KEY, url="", **options) -> Channel:
    return Channel(1, "c", url, key, options)


def call(body=b'{"model":"m"}', model="m", endpoint="chat/completions", key=KEY, url="", **options) -> Call:
    parsed = JsonBody(body)
    stream = parsed.get("stream", bool) is True
    made = channel(key, url, **options)
    return Call("r", endpoint, "m", model, stream, parsed, "application/json", made, Credential("t"), NOW)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("case", WIRE, ids=lambda case: case.name)
def test_a_composed_answer_is_understood_in_any_split(case, split):
    assert differences(case, replay(ADAPTER, case, split)) == []


def test_there_are_composed_answers():
    assert len(WIRE) > 8


# Keys.


def test_an_api_key_needs_no_exchange():
    assert ADAPTER.credential_request(channel(), NOW) is None
    assert ADAPTER.credential(channel(), None, NOW) == Credential(KEY)


def test_an_access_key_is_changed_for_a_token():
    asked = ADAPTER.credential_request(channel("AK|SK"), NOW)
    assert (asked.method, asked.body) == ("GET", b"")
    assert asked.url == "https://iam.bj.baidubce.com/v1/BCE-BEARER/token?expireInSeconds=86400"
    assert asked.headers["authorization"].startswith("bce-auth-v1/AK/2023-11-14T22:13:20Z/1800/host/")
    assert "SK" not in asked.url + str(asked.headers)


def test_the_token_service_may_be_elsewhere():
    asked = ADAPTER.credential_request(channel("AK|SK", iam_url="http://iam.test:8080/"), NOW)
    assert asked.url.startswith("http://iam.test:8080/v1/BCE-BEARER/token?")


def test_a_signature_is_made_as_bce_auth_v1_says():
    prefix = "bce-auth-v1/AK/2023-11-14T22:13:20Z/1800"
    key = hmac.new(b"SK", prefix.encode(), hashlib.sha256).hexdigest()
    text = "GET\n/v1/x\na=1\nhost:iam.test%3A8080"
    signed = hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert signature("AK", "SK", "iam.test:8080", "/v1/x", "a=1", NOW) == f"{prefix}/host/{signed}"


@pytest.mark.parametrize(
    ("expire_time", "expires_at"),
    [
        ("2023-11-15T22:13:20Z", NOW + 86400),
        ("2023-11-15T22:13:20.000Z", NOW + 86400),
        ("2023-11-16T06:13:20+08:00", NOW + 86400),
        ("2023-11-14T22:14:20", NOW + 60),
        ("soon", NOW + 86400),
        (None, NOW + 86400),
    ],
)
def test_a_token_lasts_until_its_time(expire_time, expires_at):
    body = json.dumps({"token": "bce-v3/t", "expireTime": expire_time}).encode()
    credential = ADAPTER.credential(channel("AK|SK"), UpstreamResponse(200, JSON, body), NOW)
    assert credential == Credential("bce-v3/t", expires_at)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"code":"InvalidHTTPAuthHeader","message":"m"}', ErrorKind.CREDENTIAL),
        (403, b'{"code":"SignatureDoesNotMatch","message":"m","requestId":"r"}', ErrorKind.CREDENTIAL),
        (404, b'{"code":"InvalidAccessKeyId","message":"m"}', ErrorKind.CREDENTIAL),
        (401, b"", ErrorKind.CREDENTIAL),
        (429, b'{"code":"x","message":"m"}', ErrorKind.RATE),
        (500, b"<html>", ErrorKind.FAULT),
        (503, b"", ErrorKind.BUSY),
        (200, b'{"status":"disable"}', ErrorKind.FAULT),
        (200, b'{"token":""}', ErrorKind.FAULT),
        (200, b'["token"]', ErrorKind.FAULT),
        (200, b"not json", ErrorKind.FAULT),
    ],
)
def test_no_token_is_an_error_of_its_kind(status, body, kind):
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.credential(channel("AK|SK"), UpstreamResponse(status, JSON, body), NOW)
    assert caught.value.kind is kind


@pytest.mark.parametrize("key", ["|SK", "AK|", "|", "a|b|c", "a b", "ключ"])
def test_a_key_that_cannot_work_is_refused(key):
    with pytest.raises(ValueError):
        ADAPTER.check(channel(key))


@pytest.mark.parametrize("url", ["iam.test", "ftp://iam.test", "http://u:p@iam.test"])
def test_an_address_of_the_token_service_that_cannot_work_is_refused(url):
    with pytest.raises(ValueError):
        ADAPTER.check(channel(iam_url=url))


@pytest.mark.parametrize("app_id", ["app 1", "app-1\r\nx: y", "应用"])
def test_an_application_that_is_no_header_value_is_refused(app_id):
    with pytest.raises(ValueError):
        ADAPTER.check(channel(appid=app_id))


@pytest.mark.parametrize("key", [KEY, "AK|SK", ""])
def test_a_key_of_a_known_form_is_taken(key):
    ADAPTER.check(channel(key))


# Requests.


@pytest.mark.parametrize(
    ("made", "url"),
    [
        (call(), "https://qianfan.baidubce.com/v2/chat/completions"),
        (call(endpoint="rerank"), "https://qianfan.baidubce.com/v2/rerank"),
        (call(endpoint="rerank", rerank_path="rerankers"), "https://qianfan.baidubce.com/v2/rerankers"),
        (call(endpoint="rerank", url="http://h/rerank/v2/"), "http://h/rerank/v2/rerank"),
        (call(endpoint="embeddings", url="http://h/v2/chat/completions"), "http://h/v2/embeddings"),
    ],
)
def test_each_endpoint_has_its_address(made, url):
    assert ADAPTER.request(made).url == url


@pytest.mark.parametrize(
    ("options", "app_id"), [({}, None), ({"appid": " "}, None), ({"appid": "app-1"}, "app-1")]
)
def test_the_application_is_named_where_the_channel_has_one(options, app_id):
    headers = ADAPTER.request(call(**options)).headers
    assert headers.get("appid") == app_id
    assert headers["authorization"] == "Bearer t"


@pytest.mark.parametrize(
    ("body", "model"),
    [
        (b'{"model":"m", "temperature":0.5}', "m"),
        (b'{"model":"m","temperature":0}', "m"),
        (b'{"model":"m","temperature":null,"x":1.0e0}', "m"),
        (b'{"model":"m","messages":[{"role":"user","content":"developer"}]}', "m"),
    ],
)
def test_a_body_that_needs_no_change_is_the_same_object(body, model):
    made = call(body, model)
    assert ADAPTER.request(made).body is made.body.raw


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b'{"model":"m", "temperature" : 0}', b'{"model":"ernie-4.0-8k", "temperature" : 0.01}'),
        (
            b'{"model":"m","temperature":1.7,"x":1.0e0}',
            b'{"model":"ernie-4.0-8k","temperature":1.0,"x":1.0e0}',
        ),
        (b'{"model":"m","temperature":1}', b'{"model":"ernie-4.0-8k","temperature":1}'),
        (
            b'{"model":"m","messages":[{"role":"developer","content":"a"},{"role":"user","content":"b"}]}',
            b'{"model":"ernie-4.0-8k","messages":[{"role":"system","content":"a"},'
            b'{"role":"user","content":"b"}]}',
        ),
    ],
)
def test_what_ernie_does_not_take_is_put_right(body, sent):
    assert ADAPTER.request(call(body, "ernie-4.0-8k")).body == sent


def test_a_temperature_that_is_no_number_is_the_clients_fault():
    with pytest.raises(BodyError) as caught:
        ADAPTER.request(call(b'{"model":"m","temperature":"hot"}', "ernie-4.0-8k"))
    assert caught.value.param == "temperature"


# Errors.


def failed(status, error, key=KEY) -> UpstreamError:
    body = json.dumps({"error": error, "id": "as-x"}).encode()
    return ADAPTER.error(call(key=key), UpstreamResponse(status, {"retry-after": "7"}, body))


@pytest.mark.parametrize(
    ("status", "code", "kind", "says"),
    [
        (400, "malformed_json", ErrorKind.REQUEST, "malformed_json"),
        (400, "invalid_messages", ErrorKind.REQUEST, "invalid_messages"),
        (400, "invalid_argument", ErrorKind.REQUEST, "invalid_argument"),
        (400, "brand_new", ErrorKind.REQUEST, "brand_new"),
        (400, "characters_too_long", ErrorKind.REQUEST, "context_length_exceeded"),
        (400, "tokens_too_long", ErrorKind.REQUEST, "context_length_exceeded"),
        (400, "image_url_unsafe", ErrorKind.REQUEST, "content_filter"),
        (401, "invalid_iam_token", ErrorKind.CREDENTIAL, ""),
        (401, "invalid_model", ErrorKind.MODEL, "model_not_found"),
        (401, "invalid_appid", ErrorKind.MODEL, ""),
        (401, "no_parameter_permission", ErrorKind.MODEL, ""),
        (401, "brand_new", ErrorKind.CREDENTIAL, ""),
        (403, "system_unsafe", ErrorKind.REQUEST, "content_filter"),
        (403, "user_setting_unsafe", ErrorKind.REQUEST, "content_filter"),
        (403, "functions_unsafe", ErrorKind.REQUEST, "content_filter"),
        (403, "account_overdue", ErrorKind.BALANCE, ""),
        (403, "model_offline", ErrorKind.MODEL, "model_not_found"),
        (403, "brand_new", ErrorKind.MODEL, ""),
        (405, "", ErrorKind.MODEL, ""),
        (429, "rpm_rate_limit_exceeded", ErrorKind.RATE, ""),
        (429, "tpm_rate_limit_exceeded", ErrorKind.RATE, ""),
        (429, "input_tpm_rate_limit_exceeded", ErrorKind.RATE, ""),
        (429, "output_tpm_rate_limit_exceeded", ErrorKind.RATE, ""),
        (429, "user_rate_limit_exceeded", ErrorKind.RATE, ""),
        (429, "preemptible_rate_limit_exceeded", ErrorKind.RATE, ""),
        (429, "cluster_rate_limit_exceeded", ErrorKind.BUSY, ""),
        (429, "cluster_rpm_rate_limit_exceeded", ErrorKind.BUSY, ""),
        (429, "cluster_tpm_rate_limit_exceeded", ErrorKind.BUSY, ""),
        (429, "coding_plan_hour_quota_exceeded", ErrorKind.BALANCE, ""),
        (429, "coding_plan_week_quota_exceeded", ErrorKind.BALANCE, ""),
        (429, "coding_plan_month_quota_exceeded", ErrorKind.BALANCE, ""),
        (429, "brand_new", ErrorKind.RATE, ""),
        (500, "internal_error", ErrorKind.FAULT, ""),
        (500, "dispatch_internal_error", ErrorKind.FAULT, ""),
    ],
)
def test_an_error_code_is_of_its_kind(status, code, kind, says):
    error = failed(status, {"code": code, "message": "m", "type": "t"})
    assert (error.kind, error.code, error.retry_after) == (kind, says, 7.0)


@pytest.mark.parametrize(
    ("status", "type", "kind", "says"),
    [
        (400, "unsafe_request", ErrorKind.REQUEST, "content_filter"),
        (500, "Internal_error", ErrorKind.FAULT, ""),
    ],
)
def test_a_type_speaks_where_the_code_is_new(status, type, kind, says):
    error = failed(status, {"code": "brand_new", "message": "m", "type": type})
    assert (error.kind, error.code) == (kind, says)


def test_a_request_without_a_model_is_the_clients_fault():
    error = failed(
        400, {"code": "invalid_model", "message": "model is empty", "type": "invalid_request_error"}
    )
    assert (error.kind, error.status, error.type) == (ErrorKind.REQUEST, 400, "invalid_request_error")


def test_a_refused_token_is_fetched_anew_where_it_was_fetched():
    refused = {"code": "invalid_iam_token", "message": "IAM Certification failed", "type": "t"}
    assert failed(401, refused, "AK|SK").kind is ErrorKind.EXPIRED


def test_another_refusal_is_about_the_key_even_where_a_token_was_fetched():
    refused = {"code": "brand_new", "message": "no", "type": "t"}
    assert failed(401, refused, "AK|SK").kind is ErrorKind.CREDENTIAL


@pytest.mark.parametrize("body", [b'{"error":{"code":"account_overdue","message":"m"}}'])
def test_an_error_under_200_is_raised_from_an_answer_and_a_first_event(body):
    for raising in (
        lambda: ADAPTER.reply(call(), UpstreamResponse(200, JSON, body)),
        lambda: ADAPTER.check_first_event(call(), body),
    ):
        with pytest.raises(UpstreamError) as caught:
            raising()
        assert caught.value.kind is ErrorKind.BALANCE


# Streams.


@pytest.mark.parametrize(
    ("made", "headers", "kind"),
    [
        (call(b'{"model":"m","stream":true}'), JSON, type(None)),
        (call(b'{"model":"m","stream":true}'), {}, type(None)),
        (call(b'{"model":"m","stream":true}', endpoint="responses"), EVENTS, type(None)),
    ],
)
def test_what_is_no_chat_stream_passes_as_it_is(made, headers, kind):
    assert isinstance(ADAPTER.stream(made, UpstreamResponse(200, headers)), kind)


def test_usage_that_only_we_asked_for_is_left_out():
    translator = ADAPTER.stream(call(b'{"model":"m","stream":true}'), UpstreamResponse(200, EVENTS))
    stream = (
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"normal"}]}\n\n'
        b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n'
        b"data: [DONE]\n\n"
    )
    sent = translator.feed(stream) + translator.close()
    assert sent == b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    assert (translator.usage.prompt_tokens, translator.usage.completion_tokens) == (1, 2)


def test_an_answer_that_is_no_chat_keeps_its_bytes():
    body = b'{"object":"reranker_list","results":[{"index":0,"finish_reason":"normal"}]}'
    reply = ADAPTER.reply(call(endpoint="rerank"), UpstreamResponse(200, JSON, body))
    assert reply.body is body
