"""Azure OpenAI: addresses, versions and sign-in, and what it makes of answers and errors."""

import dataclasses
from pathlib import Path
from urllib.parse import parse_qs

import orjson
import pytest
from canalgate.adapters.azure.adapter import AzureAdapter
from canalgate.adapters.parts.usage import UsageFilter
from canalgate.plugins import (
    Call,
    Channel,
    Credential,
    ErrorKind,
    JsonBody,
    UpstreamError,
    UpstreamResponse,
    Usage,
)
from canalgate.proxy.conformance import SPLITS, pieces
from canalgate.proxy.conformance.replay import answered

WIRE = Path(__file__).parent.parent / "wire" / "azure"
ADAPTER = AzureAdapter()
NOW = 1_700_000_000.0
HOST = "https://r.openai.azure.com"
FOUNDRY = "https://r.services.ai.azure.com"
V = "?api-version="
EVENTS = {"content-type": "text/event-stream; charset=utf-8"}
JSON = {"content-type": "application/json"}
STREAM = b'{"model":"gpt-4o","stream":true}'
ASKED = b'{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true}}'
ENTRA = {"auth": "entra", "tenant_id": "contoso.example", "client_id": "app"}


def call(
    body: bytes | None = b'{"model":"gpt-4o"}', url=HOST, endpoint="chat/completions", up="gpt-4o", **options
) -> Call:
    parsed = None if body is None else JsonBody(body)
    stream = parsed is not None and parsed.get("stream", bool) is True
    content_type = "multipart/form-data; boundary=b" if body is None else "application/json"
    channel = Channel(1, "c", url, "key", options)
    return Call("r", endpoint, "gpt-4o", up, stream, parsed, content_type, channel, Credential("key"), NOW)


def reply(body, endpoint="chat/completions", **options):
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return ADAPTER.reply(call(endpoint=endpoint, **options), UpstreamResponse(200, JSON, data))


def streamed(name, split, body=ASKED, **options):
    wire = (WIRE / name).read_bytes()
    made = call(body, **options)
    return wire, answered(ADAPTER, made, UpstreamResponse(200, EVENTS), pieces(wire, split))


def error(status, body: bytes, headers=JSON, **options) -> UpstreamError:
    return ADAPTER.error(call(**options), UpstreamResponse(status, headers, body))


# Where it is sent.


@pytest.mark.parametrize(
    "pasted",
    [
        HOST,
        f" {HOST}/ ",
        f"{HOST}//",
        f"{HOST}/openai",
        f"{HOST}/openai/",
        f"{HOST}/openai/deployments",
        f"{HOST}/openai/deployments/",
        f"{HOST}/openai/deployments/another",
        f"{HOST}/openai/deployments/another/chat/completions",
        f"{HOST}/openai/deployments/openai/chat/completions",
        f"{HOST}/openai/deployments/another/chat/completions?api-version=2024-10-21",
        f"{HOST}/openai/responses?api-version=2024-10-21",
        f"{HOST}?api-version=2024-10-21",
        f"{HOST}/?x=1",
        f"{HOST}/chat/completions",
    ],
)
def test_an_address_may_be_pasted_with_what_the_portal_shows_behind_it(pasted):
    url = ADAPTER.request(call(url=pasted)).url
    assert url == f"{HOST}/openai/deployments/gpt-4o/chat/completions{V}2024-10-21"


@pytest.mark.parametrize(
    ("url", "options", "sent_to"),
    [
        (HOST, {"up": "my.gpt 4/o?"},
         f"{HOST}/openai/deployments/my.gpt%204%2Fo%3F/chat/completions{V}2024-10-21"),
        (HOST, {"endpoint": "embeddings"}, f"{HOST}/openai/deployments/gpt-4o/embeddings{V}2024-10-21"),
        (HOST, {"endpoint": "audio/translations", "body": None},
         f"{HOST}/openai/deployments/gpt-4o/audio/translations{V}2024-10-21"),
        (HOST, {"endpoint": "images/edits", "body": None},
         f"{HOST}/openai/deployments/gpt-4o/images/edits{V}2024-10-21"),
        (HOST, {"endpoint": "responses"}, f"{HOST}/openai/v1/responses"),
        (HOST, {"endpoint": "responses", "api_version": "2024-06-01"}, f"{HOST}/openai/v1/responses"),
        (f"{HOST}?api-version=2024-06-01", {},
         f"{HOST}/openai/deployments/gpt-4o/chat/completions{V}2024-06-01"),
        (f"{HOST}?api-version=2024-06-01", {"api_version": "2025-01-01-preview"},
         f"{HOST}/openai/deployments/gpt-4o/chat/completions{V}2025-01-01-preview"),
        (f"{HOST}/openai/v1", {}, f"{HOST}/openai/v1/chat/completions"),
        (f"{HOST}/openai/v1/chat/completions", {}, f"{HOST}/openai/v1/chat/completions"),
        (f"{HOST}/openai/v1/?api-version=preview", {}, f"{HOST}/openai/v1/chat/completions{V}preview"),
        (HOST, {"surface": "v1", "endpoint": "images/generations"}, f"{HOST}/openai/v1/images/generations"),
        (f"{HOST}/openai/v1", {"surface": "deployments"},
         f"{HOST}/openai/deployments/gpt-4o/chat/completions{V}2024-10-21"),
        (FOUNDRY, {}, f"{FOUNDRY}/openai/v1/chat/completions"),
        (f"{FOUNDRY}/models", {}, f"{FOUNDRY}/models/chat/completions{V}2024-05-01-preview"),
        (f"{FOUNDRY}/models/chat/completions?api-version=2025-04-01", {},
         f"{FOUNDRY}/models/chat/completions{V}2025-04-01"),
        (FOUNDRY, {"surface": "models", "endpoint": "embeddings"},
         f"{FOUNDRY}/models/embeddings{V}2024-05-01-preview"),
        (f"{FOUNDRY}/models", {"endpoint": "responses"}, f"{FOUNDRY}/openai/v1/responses"),
        (f"{FOUNDRY}/openai", {}, f"{FOUNDRY}/openai/deployments/gpt-4o/chat/completions{V}2024-10-21"),
        ("https://apim.example/team/ai", {},
         f"https://apim.example/team/ai/openai/deployments/gpt-4o/chat/completions{V}2024-10-21"),
        ("https://apim.example/openai/x/openai/deployments/d", {},
         f"https://apim.example/openai/x/openai/deployments/gpt-4o/chat/completions{V}2024-10-21"),
        ("https://r.openai.azure.cn", {"surface": "v1"}, "https://r.openai.azure.cn/openai/v1/chat/completions"),
    ],
)  # fmt: skip
def test_the_channel_says_which_interface_is_called(url, options, sent_to):
    assert ADAPTER.request(call(url=url, **options)).url == sent_to


@pytest.mark.parametrize(
    ("model", "up", "dots", "name"),
    [
        ("gpt-3.5-turbo", "gpt-3.5-turbo", "keep", "gpt-3.5-turbo"),
        ("gpt-3.5-turbo", "gpt-3.5-turbo", "strip", "gpt-35-turbo"),
        ("gpt-3.5-turbo", "my.own", "strip", "my.own"),
        ("gpt-3.5-turbo", "my.own", "keep", "my.own"),
    ],
)
@pytest.mark.parametrize("surface", ["deployments", "v1"])
def test_a_mapped_name_wins_over_the_rule_for_dots(model, up, dots, name, surface):
    made = call(orjson.dumps({"model": model}), up=up, dots=dots, surface=surface)
    made = Call(**{field: getattr(made, field) for field in made.__struct_fields__} | {"model": model})
    request = ADAPTER.request(made)
    assert (f"/{name}/" in request.url) is (surface == "deployments")
    assert orjson.loads(request.body)["model"] == name


def test_a_body_that_needs_no_change_is_the_same_object():
    made = call(b'{"model" : "gpt-4o","messages":[],"x":1.50}')
    assert ADAPTER.request(made).body is made.body.raw


def test_a_form_is_passed_on_with_its_own_content_type():
    request = ADAPTER.request(call(None, endpoint="audio/transcriptions"))
    assert request.body is None
    assert request.headers["content-type"] == "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("url", "options", "asks"),
    [
        (HOST, {}, True),
        (HOST, {"api_version": "2024-09-01-preview"}, True),
        (HOST, {"api_version": "2024-08-01-preview"}, False),
        (f"{HOST}?api-version=2024-02-01", {}, False),
        (HOST, {"ask_usage": "off"}, False),
        (HOST, {"endpoint": "responses"}, False),
        (FOUNDRY, {}, True),
        (f"{FOUNDRY}/models", {}, True),
    ],
)
def test_usage_is_asked_for_where_the_version_takes_the_question(url, options, asks):
    assert (b"include_usage" in ADAPTER.request(call(STREAM, url=url, **options)).body) is asks


# Who asks.


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        ("api-key", {"api-key": "key"}),
        ("bearer", {"authorization": "Bearer key"}),
        ("entra", {"authorization": "Bearer key"}),
    ],
)
def test_a_request_is_signed_as_the_channel_says(auth, headers):
    assert ADAPTER.request(call(auth=auth)).headers == {"content-type": "application/json", **headers}


@pytest.mark.parametrize("auth", ["api-key", "bearer"])
def test_a_key_is_not_exchanged(auth):
    channel = Channel(1, "c", HOST, "key", {"auth": auth})
    assert ADAPTER.credential_request(channel, NOW) is None
    assert ADAPTER.credential(channel, None, NOW) == Credential("key")


@pytest.mark.parametrize(
    ("host", "login", "scope"),
    [
        ("r.openai.azure.com", "https://login.microsoftonline.com", "https://cognitiveservices.azure.com"),
        (
            "r.services.ai.azure.com",
            "https://login.microsoftonline.com",
            "https://cognitiveservices.azure.com",
        ),
        ("apim.example", "https://login.microsoftonline.com", "https://cognitiveservices.azure.com"),
        ("r.openai.azure.cn", "https://login.chinacloudapi.cn", "https://cognitiveservices.azure.cn"),
        ("r.openai.azure.us", "https://login.microsoftonline.us", "https://cognitiveservices.azure.us"),
    ],
)
def test_a_secret_is_exchanged_in_the_cloud_of_the_resource(host, login, scope):
    channel = Channel(1, "c", f"https://{host}", "se cret&", {**ENTRA, "tenant_id": "a/b"})
    request = ADAPTER.credential_request(channel, NOW)
    assert request.url == f"{login}/a%2Fb/oauth2/v2.0/token"
    assert request.headers == {"content-type": "application/x-www-form-urlencoded"}
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["app"],
        "client_secret": ["se cret&"],
        "scope": [f"{scope}/.default"],
    }


def test_a_token_is_good_for_as_long_as_entra_says():
    answer = UpstreamResponse(200, JSON, b'{"token_type":"Bearer","expires_in":3599,"access_token":"ey"}')
    channel = Channel(1, "c", HOST, "secret", ENTRA)
    assert ADAPTER.credential(channel, answer, NOW) == Credential("ey", NOW + 3599)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'{"error":"invalid_client","error_description":"AADSTS7000215"}', ErrorKind.CREDENTIAL),
        (400, b'{"error":"unauthorized_client"}', ErrorKind.CREDENTIAL),
        (429, b"", ErrorKind.RATE),
        (503, b"<html>", ErrorKind.BUSY),
        (200, b"{}", ErrorKind.FAULT),
        (200, b"[1]", ErrorKind.FAULT),
        (200, b"<html>", ErrorKind.FAULT),
        (200, b'{"access_token":"ey","expires_in":"soon"}', ErrorKind.FAULT),
        (200, b'{"access_token":"","expires_in":1}', ErrorKind.FAULT),
        (200, b'{"access_token":["ey"],"expires_in":1}', ErrorKind.FAULT),
        (401, b"<html>", ErrorKind.CREDENTIAL),
    ],
)
def test_an_exchange_that_fails_says_whose_fault_it_is(status, body, kind):
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.credential(Channel(1, "c", HOST, "s", ENTRA), UpstreamResponse(status, JSON, body), NOW)
    assert caught.value.kind is kind


def test_a_refused_secret_is_told_in_entras_own_words():
    body = b'{"error":"invalid_client","error_description":"AADSTS7000215: invalid secret"}'
    with pytest.raises(UpstreamError, match="AADSTS7000215: invalid secret"):
        ADAPTER.credential(Channel(1, "c", HOST, "s", ENTRA), UpstreamResponse(401, JSON, body), NOW)


@pytest.mark.parametrize("split", SPLITS)
def test_a_stop_after_a_tool_call_is_a_call_of_tools(split):
    call_ = b'{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}}'
    stop = b'{"index":0,"delta":{},"finish_reason":"stop"}'
    wire = b'data: {"choices":[%b]}\n\ndata: {"choices":[%b]}\n\ndata: [DONE]\n\n' % (call_, stop)
    replayed = answered(ADAPTER, call(ASKED), UpstreamResponse(200, EVENTS), pieces(wire, split))
    assert replayed.sent == wire.replace(b'"stop"', b'"tool_calls"')


def test_a_stop_beside_a_tool_call_is_a_call_of_tools():
    body = b'{"choices":[{"message":{"tool_calls":[{"id":"a"}]},"finish_reason":"stop","x":1.50}]}'
    assert reply(body).body == body.replace(b'"stop"', b'"tool_calls"')


GOOD = Channel(1, "c", HOST, "key", {})


@pytest.mark.parametrize(
    "changes",
    [
        {"base_url": ""},
        {"base_url": " "},
        {"base_url": "r.openai.azure.com"},
        {"base_url": "https://user@r.openai.azure.com?api-version=2024-10-21"},
        {"base_url": f"{HOST}#x"},
        {"key": "a b"},
        {"options": {"api_version": "v1"}},
        {"options": {"api_version": "2024-10"}},
        {"base_url": f"{HOST}?api-version=latest!"},
        {"options": {"auth": "entra"}},
        {"options": {**ENTRA, "client_id": " "}},
    ],
)
def test_a_channel_that_cannot_work_is_refused(changes):
    with pytest.raises(ValueError):
        ADAPTER.check(dataclasses.replace(GOOD, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"base_url": f"{HOST}/openai/deployments/d/chat/completions?api-version=2024-10-21"},
        {"options": {"api_version": "2025-03-01-preview"}},
        {"options": {"api_version": "preview", "surface": "v1"}},
        {"options": ENTRA},
    ],
)
def test_a_channel_that_can_work_is_taken(changes):
    ADAPTER.check(dataclasses.replace(GOOD, **changes))


def test_the_catalogue_of_models_is_not_offered_as_deployments():
    assert ADAPTER.models_request(GOOD, Credential("key"), 1.0) is None


# What comes back.


@pytest.mark.parametrize("split", SPLITS)
def test_a_stream_that_needs_no_change_passes_byte_for_byte(split):
    wire, replayed = streamed("plain.sse", split)
    assert replayed.sent == wire
    assert replayed.usage == Usage(8, 3)


@pytest.mark.parametrize("split", SPLITS)
def test_a_usage_event_that_we_asked_for_is_taken_out(split):
    wire, replayed = streamed("plain.sse", split, STREAM)
    events = wire.split(b"\n\n")
    assert replayed.sent == b"\n\n".join([*events[:3], *events[4:]])
    assert replayed.usage == Usage(8, 3)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("filter_results", ["keep", "strip"])
def test_filter_results_do_not_disturb_an_answer(split, filter_results):
    _, replayed = streamed("filtered.sse", split, filter_results=filter_results)
    (choice,) = replayed.outcome.choices
    assert (choice.text, choice.finish_reason) == ('Färbe "delta":{ ', "stop")
    assert replayed.usage == Usage(8, 3, 4)
    assert (b"prompt_filter_results" in replayed.sent) is (filter_results == "keep")


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("name", "kind"), [("error.sse", ErrorKind.RATE), ("cut.sse", ErrorKind.FAULT)])
def test_a_stream_that_fails_keeps_what_came_before(name, kind, split):
    _, replayed = streamed(name, split)
    assert replayed.outcome.choices[0].text == "a"
    assert replayed.error.kind is kind
    assert replayed.outcome.error is None


def test_a_wait_asked_for_in_mid_stream_is_kept():
    _, replayed = streamed("error.sse", "bytes")
    assert (replayed.error.status, replayed.error.retry_after) == (429, 9.0)


@pytest.mark.parametrize(
    ("made", "headers", "kind"),
    [
        (call(ASKED), JSON, type(None)),
        (call(b'{"prompt":"p","stream":true}', endpoint="completions"), EVENTS, UsageFilter),
        (call(b'{"input":"i","stream":true}', endpoint="responses"), EVENTS, type(None)),
    ],
)
def test_other_streams_are_those_of_openai(made, headers, kind):
    assert type(ADAPTER.stream(made, UpstreamResponse(200, headers))) is kind


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("chat/completions", b'{"choices":[{"message":{"content":"a"},"finish_reason":"length"}],"x":1.50}'),
        ("completions", b'{"choices":[{"text":"a","finish_reason":"content_filter"}],"x":1.50}'),
        ("embeddings", b'{"data":[{"embedding":"0c2cuw=="}],"usage":{"prompt_tokens":2}}'),
        ("images/generations", b'{"created":1,"data":[{"b64_json":"a","content_filter_results":{}}]}'),
        ("responses", b'{"error": null,"output":[],"content_filters":null,"x":1.50}'),
    ],
)
def test_an_answer_that_needs_no_change_is_the_same_object(endpoint, body):
    assert reply(body, endpoint).body is body


def test_an_answer_without_a_message_gets_one():
    answer = {"choices": [{"index": 0, "finish_reason": "content_filter"}], "usage": {"prompt_tokens": 5}}
    made = reply(answer)
    assert orjson.loads(made.body)["choices"][0]["message"] == {"role": "assistant", "content": ""}
    assert made.usage == Usage(5)


def test_an_error_of_the_filter_itself_is_no_failure():
    choice = {"message": {"content": "ok"}, "finish_reason": "stop"}
    body = orjson.dumps({"choices": [{**choice, "content_filter_result": {"error": {"code": "429"}}}]})
    assert reply(body).body is body


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"code": "429", "message": "m"}}, ErrorKind.RATE),
        ({"error": {"code": 503, "message": "m"}}, ErrorKind.BUSY),
        ({"error": {"code": "DeploymentNotFound", "message": "m"}}, ErrorKind.MODEL),
        ({"error": "boom"}, ErrorKind.FAULT),
        (b"", ErrorKind.FAULT),
    ],
)
def test_a_failure_under_200_is_raised(body, kind):
    with pytest.raises(UpstreamError) as caught:
        reply(body)
    assert caught.value.kind is kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"error":{"code":"content_filter","message":"m"}}', ErrorKind.REQUEST),
        (b'{"object":"error","message":"m","code":40303}', ErrorKind.FAULT),
    ],
)
def test_an_error_as_first_event_is_raised(data, kind):
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.check_first_event(call(ASKED), data)
    assert caught.value.kind is kind


@pytest.mark.parametrize(
    "data", [b'{"choices":[],"prompt_filter_results":[],"error":null}', b'{"error":', b'["error"]', b"[DONE]"]
)
def test_a_proper_first_event_passes(data):
    ADAPTER.check_first_event(call(ASKED), data)


POLICY = b'{"error":{"code":"%b","message":"m","%b":{"code":"ResponsibleAIPolicyViolation"}}}'


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, POLICY % (b"content_filter", b"innererror"), ErrorKind.REQUEST, "content_filter"),
        (400, POLICY % (b"BadRequest", b"inner_error"), ErrorKind.REQUEST, "content_filter"),
        (400, b'{"error":{"code":"contentFilter","message":"m"}}', ErrorKind.REQUEST, "content_filter"),
        (400, b'{"error":{"code":"context_length_exceeded"}}', ErrorKind.REQUEST, "context_length_exceeded"),
        (400, b'{"error":{"code":"OperationNotSupported"}}', ErrorKind.REQUEST, "OperationNotSupported"),
        (400, b'{"error":{"code":"unsupported_value","param":"p"}}', ErrorKind.REQUEST, "unsupported_value"),
        (400, b'{"error":{"code":"BadRequest","message":"m"}}', ErrorKind.REQUEST, "BadRequest"),
        (400, b'{"error":{"code":"unknown_model","message":"m"}}', ErrorKind.MODEL, "model_not_found"),
        (401, b'{"error":{"code":"401","message":"Access denied"}}', ErrorKind.CREDENTIAL, ""),
        (401, b'{"error":{"code":"PermissionDenied","message":"m"}}', ErrorKind.CREDENTIAL, ""),
        (401, b'{"error":{"code":"Unauthorized","message":"m"}}', ErrorKind.CREDENTIAL, ""),
        (401, b'{"statusCode":401,"message":"m"}', ErrorKind.CREDENTIAL, ""),
        (403, b'{"error":{"code":"AccessDenied","message":"m"}}', ErrorKind.MODEL, ""),
        (404, b'{"error":{"code":"DeploymentNotFound","message":"m"}}', ErrorKind.MODEL, "model_not_found"),
        (404, b'{"error":{"code":"404","message":"Resource not found"}}', ErrorKind.MODEL, ""),
        (404, b'{"statusCode":404,"message":"Resource not found"}', ErrorKind.MODEL, ""),
        (408, b'{"error":{"code":"Timeout","message":"m"}}', ErrorKind.FAULT, ""),
        (424, b'{"error":{"code":"FailedDependency","message":"m"}}', ErrorKind.FAULT, ""),
        (429, b'{"error":{"code":"429","message":"m"}}', ErrorKind.RATE, ""),
        (429, b'{"error":{"code":"RateLimitReached","message":"m"}}', ErrorKind.RATE, ""),
        (429, b'{"error":{"code":"too_many_requests","message":"m"}}', ErrorKind.RATE, ""),
        (429, b'{"error":{"code":"insufficient_quota","message":"m"}}', ErrorKind.BALANCE, ""),
        (500, b'{"error":{"code":"InternalServerError","message":"m"}}', ErrorKind.FAULT, ""),
        (503, b"", ErrorKind.BUSY, ""),
    ],
)
def test_every_documented_error_is_of_its_kind(status, body, kind, code):
    found = error(status, body)
    assert (found.kind, found.code, found.status) == (kind, code, status)


@pytest.mark.parametrize("code", ["401", "Unauthorized", "PermissionDenied"])
def test_a_refused_token_of_entra_is_fetched_afresh(code):
    body = orjson.dumps({"error": {"code": code, "message": "m"}})
    assert error(401, body, **ENTRA).kind is ErrorKind.EXPIRED
    assert error(401, body, auth="bearer").kind is ErrorKind.CREDENTIAL


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry-after": "7"}, "Please retry after 9 seconds.", 7.0),
        ({"retry-after-ms": "1500", "retry-after": "7"}, "m", 1.5),
        ({}, "Please retry after 9 seconds.", 9.0),
        ({}, "Please retry after 1 second.", 1.0),
        ({}, "retry after 250 milliseconds", 0.25),
        ({}, "retry after a while", None),
        ({}, "retry after 99999999999 seconds", None),
    ],
)
def test_a_wait_that_azure_asks_for_is_kept(headers, message, seconds):
    body = orjson.dumps({"error": {"code": "429", "message": message}})
    assert error(429, body, headers).retry_after == seconds
