"""Error bodies of many hosts: what kind of failure they are, against the recordings and by shape."""

import json
from email.utils import formatdate

import pytest
from canalgate.adapters.failures import (
    Failure,
    classify,
    classify_response,
    coded,
    failure_in,
    read_failure,
    retry_after,
    status_in,
)
from canalgate.plugins import ErrorKind, UpstreamResponse
from recordings import recorded

NOW = 1_700_000_000.0

ORACLE = {
    "auth": {(ErrorKind.CREDENTIAL, "")},
    "quota": {(ErrorKind.BALANCE, "")},
    "rate_limit": {(ErrorKind.RATE, "")},
    "upstream": {(ErrorKind.BUSY, ""), (ErrorKind.FAULT, "")},
    "model_not_found": {(ErrorKind.MODEL, "model_not_found")},
    "channel_config": {(ErrorKind.MODEL, "")},
    "context_length": {(ErrorKind.REQUEST, "context_length_exceeded")},
    "content_filter": {(ErrorKind.REQUEST, "content_filter")},
}


def recorded_errors():
    """Body, status, headers and class of every recorded answer that is an error as a whole."""
    for path, meta, expected in recorded():
        error_class = expected.get("error_class")
        if error_class is None or meta["response_file"].endswith(".sse"):
            continue
        body = (path / meta["response_file"]).read_bytes()
        response = UpstreamResponse(meta["status"], meta["response_headers"], body)
        yield pytest.param(response, error_class, id=f"{meta['provider']}/{meta['case']}")


ERRORS = list(recorded_errors())


def test_the_recordings_are_at_hand(recordings):
    assert len(ERRORS) > 50


@pytest.mark.parametrize(("response", "error_class"), ERRORS)
def test_a_recorded_error_is_of_its_class(response, error_class):
    if response.status == 200:
        error = classify(failure_in(json.loads(response.body)), 502, response.headers, NOW)
    else:
        error = classify_response(response, NOW)
    if error_class == "invalid_request":
        assert error.kind is ErrorKind.REQUEST
    else:
        code = error.code if error.kind in (ErrorKind.MODEL, ErrorKind.REQUEST) else ""
        assert (error.kind, code) in ORACLE[error_class]


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        pytest.param(
            b'{"error":{"message":"m","type":"t","code":"c","param":"p"}}',
            Failure("m", "t", "c", "p"),
            id="openai",
        ),
        pytest.param(
            b'{"error":{"message":"m","type":null,"code":null,"param":null}}', Failure("m"), id="nulls"
        ),
        pytest.param(b'{"error":{"message":"m","code":1211}}', Failure("m", "", "1211"), id="number"),
        pytest.param(b'{"error":{"message":"m","code":true}}', Failure("m"), id="bool"),
        pytest.param(b'{"error":{"message":"m","type":7,"param":[1]}}', Failure("m"), id="other-types"),
        pytest.param(b'{"error":"m"}', Failure("m"), id="error-is-text"),
        pytest.param(b'{"code":"c","error":"m"}', Failure("m", "", "c"), id="error-is-text-with-code"),
        pytest.param(b'{"message":"m","type":"t","code":"c"}', Failure("m", "t", "c"), id="flat"),
        pytest.param(
            b'{"code":20012,"message":"m","data":null}', Failure("m", "", "20012"), id="flat-number"
        ),
        pytest.param(b'{"error_code":336,"error_msg":"m"}', Failure("m", "", "336"), id="error_msg"),
        pytest.param(b'{"code":5,"reason":"R","message":"m"}', Failure("m", "", "R"), id="reason-wins"),
        pytest.param(b'{"detail":"m"}', Failure("m"), id="detail"),
        pytest.param(b'{"detail":[{"loc":["a"]}]}', Failure('[{"loc":["a"]}]'), id="detail-is-list"),
        pytest.param(b'{"message":{"message":"m"}}', Failure("m"), id="message-is-object"),
        pytest.param(b'[{"error":{"message":"m","code":400}}]', Failure("m", "", "400"), id="list"),
        pytest.param(b"[]", Failure(), id="empty-list"),
        pytest.param(
            b'{"success":false,"errors":[{"code":7003,"message":"m"}]}', Failure("m", "", "7003"), id="errors"
        ),
        pytest.param(b'{"errors":[],"message":"m"}', Failure("m"), id="no-errors"),
        pytest.param(
            b'{"base_resp":{"status_code":1002,"status_msg":"m"}}',
            Failure("m", "", "minimax:1002"),
            id="base",
        ),
        pytest.param(
            b'{"base_resp":{"status_code":0},"error":{"message":"m"}}', Failure("m"), id="base-says-nothing"
        ),
        pytest.param(b'"m"', Failure("m"), id="json-text"),
        pytest.param(b"null", Failure(), id="null"),
        pytest.param(b"7", Failure(), id="a-number"),
        pytest.param(b" no healthy upstream\n", Failure("no healthy upstream"), id="plain-text"),
        pytest.param(b"x" * 9999, Failure("x" * 500), id="long-text"),
        pytest.param(b"\xff\xfe", Failure("\ufffd\ufffd"), id="not-utf8"),
        pytest.param(b"\n<html><h1>502</h1>", Failure(), id="html"),
        pytest.param(b"", Failure(), id="nothing"),
        pytest.param(b"[" * 5000, Failure("[" * 500), id="deep"),
    ],
)
def test_an_error_body_of_any_shape_is_read(body, failure):
    assert read_failure(body) == failure


@pytest.mark.parametrize(
    ("failure", "status", "kind", "code"),
    [
        (Failure(), 400, ErrorKind.REQUEST, ""),
        (Failure(code="odd"), 422, ErrorKind.REQUEST, "odd"),
        (Failure(), 401, ErrorKind.CREDENTIAL, ""),
        (Failure(), 402, ErrorKind.BALANCE, ""),
        (Failure(), 407, ErrorKind.MODEL, ""),
        (Failure(code="invalid_api_key"), 402, ErrorKind.BALANCE, ""),
        (Failure(), 403, ErrorKind.MODEL, ""),
        (Failure(), 404, ErrorKind.MODEL, ""),
        (Failure(), 408, ErrorKind.FAULT, ""),
        (Failure(), 429, ErrorKind.RATE, ""),
        (Failure(), 302, ErrorKind.MODEL, ""),
        (Failure(), 500, ErrorKind.FAULT, ""),
        (Failure("the model is overloaded"), 500, ErrorKind.BUSY, ""),
        (Failure(), 503, ErrorKind.BUSY, ""),
        (Failure(), 529, ErrorKind.BUSY, ""),
        (Failure("You exceeded", code="insufficient_quota"), 429, ErrorKind.BALANCE, ""),
        (Failure("tokens per minute", code="insufficient_quota"), 429, ErrorKind.RATE, ""),
        (Failure("Invalid token"), 400, ErrorKind.CREDENTIAL, ""),
        (Failure("Invalid token in prompt: 123456"), 400, ErrorKind.REQUEST, ""),
        (Failure("The model `x` does not exist"), 400, ErrorKind.MODEL, "model_not_found"),
        (Failure("maximum context length is 8"), 400, ErrorKind.REQUEST, "context_length_exceeded"),
        (Failure("maximum context length is 8"), 500, ErrorKind.FAULT, ""),
        (Failure(type="rate_limit_error"), 400, ErrorKind.RATE, ""),
        (Failure(type="rate_limit_error", code="account_overdue"), 429, ErrorKind.BALANCE, ""),
        (Failure(code="Throttling.RateQuota"), 400, ErrorKind.RATE, ""),
        (Failure(code="Throttling.New.Word"), 400, ErrorKind.RATE, ""),
        (Failure(code="minimax:1004"), 200, ErrorKind.CREDENTIAL, ""),
        (Failure(code="minimax:1002"), 0, ErrorKind.RATE, ""),
        (Failure(code="minimax:1026"), 0, ErrorKind.REQUEST, "content_filter"),
        (Failure(code="minimax:1024"), 0, ErrorKind.FAULT, ""),
        (Failure(type="invalid_request_error"), 0, ErrorKind.REQUEST, ""),
        (Failure(type="invalid_request_error", code="odd"), 0, ErrorKind.REQUEST, "odd"),
        (Failure(type="invalid_request_error"), 401, ErrorKind.CREDENTIAL, ""),
        (Failure(type="invalid_request_error"), 500, ErrorKind.FAULT, ""),
        (
            Failure("Range of input length should be [1, 9]", code="invalid_parameter_error"),
            400,
            ErrorKind.REQUEST,
            "context_length_exceeded",
        ),
        (Failure("Insufficient Balance", code="invalid_request_error"), 400, ErrorKind.BALANCE, ""),
        (Failure("Your account has insufficient balance"), 0, ErrorKind.BALANCE, ""),
        (Failure("账户余额不足"), 403, ErrorKind.BALANCE, ""),
        (Failure("Your team has either used all available credits or"), 403, ErrorKind.BALANCE, ""),
        (Failure("Key limit exceeded (monthly limit)"), 403, ErrorKind.BALANCE, ""),
        (
            Failure("prompt_tokens (9) must be less than max_seq_len (8)"),
            400,
            ErrorKind.REQUEST,
            "context_length_exceeded",
        ),
        (
            Failure("the request exceeds the available context size"),
            400,
            ErrorKind.REQUEST,
            "context_length_exceeded",
        ),
        (
            Failure('x requires moderation on y. Your input was flagged for "z"'),
            403,
            ErrorKind.REQUEST,
            "content_filter",
        ),
        (Failure(code="unknown_model"), 400, ErrorKind.MODEL, "model_not_found"),
        (Failure(code="tokens_limit_reached"), 413, ErrorKind.REQUEST, "context_length_exceeded"),
        (Failure("System is really busy. Please try again later."), 503, ErrorKind.BUSY, ""),
    ],
)
def test_code_then_type_then_message_then_status_decide(failure, status, kind, code):
    error = classify(failure, status, {}, NOW)
    assert (error.kind, error.code) == (kind, code)


OWN = coded(
    (ErrorKind.BUSY, "", "invalid_api_key"),
    (ErrorKind.MODEL, "model_not_found", "Word"),
    (ErrorKind.REQUEST, "content_filter", "http:451"),
    (ErrorKind.REQUEST, "", "Vague"),
)


@pytest.mark.parametrize(
    ("failure", "status", "kind", "code"),
    [
        (Failure(code="invalid_api_key"), 401, ErrorKind.BUSY, ""),
        (Failure(type="Word", code="new"), 400, ErrorKind.MODEL, "model_not_found"),
        (Failure(code="Word.Any.Thing"), 400, ErrorKind.MODEL, "model_not_found"),
        (Failure(code="Wordy"), 400, ErrorKind.REQUEST, "Wordy"),
        (Failure(), 451, ErrorKind.REQUEST, "content_filter"),
        (Failure(code="rate_limit_exceeded"), 451, ErrorKind.RATE, ""),
        (Failure(code="Vague"), 0, ErrorKind.REQUEST, ""),
        (Failure(code="Word"), 402, ErrorKind.BALANCE, ""),
        (Failure(), 429, ErrorKind.RATE, ""),
    ],
)
def test_a_hosts_own_words_win_over_the_common_ones(failure, status, kind, code):
    error = classify(failure, status, {}, NOW, OWN)
    assert (error.kind, error.code) == (kind, code)


@pytest.mark.parametrize(
    ("failure", "status", "shown"),
    [(Failure(code="context_length_exceeded"), 0, 400), (Failure(), 0, 502), (Failure(), 422, 422)],
)
def test_a_failure_under_200_gets_a_status(failure, status, shown):
    assert classify(failure, status, {}, NOW).status == shown


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ({"error": {"code": 429}}, 429),
        ({"error": {"status_code": 400, "code": "tool_use_failed"}}, 400),
        ({"status": 503, "title": "x"}, 503),
        ({"code": 404, "error": "x"}, 404),
        ({"choices": [{"error": {"message": "m", "code": 503}}]}, 503),
        ({"choices": [{"error": {"code": 503}}, None, "x"]}, 0),
        ({"error": {"code": 10013}}, 0),
        ({"error": {"code": "429"}}, 0),
        ({"error": "x"}, 0),
        ({"code": 0}, 0),
        ([], 0),
        (None, 0),
    ],
)
def test_a_status_is_found_in_a_failure_under_200(value, status):
    assert status_in(value) == status


WAITING = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6s"}


@pytest.mark.parametrize(
    ("failure", "status", "headers", "seconds"),
    [
        (Failure("try again in 20s"), 429, {"retry-after": "3", **WAITING}, 3.0),
        (Failure("try again in 20s"), 429, WAITING, 6.0),
        (Failure("try again in 20s"), 429, {"retry-after": "soon"}, 20.0),
        (Failure("slow down"), 429, {}, None),
        (Failure("try again in 20s"), 500, WAITING, None),
        (Failure("try again in 20s", code="insufficient_quota"), 429, WAITING, None),
        (Failure(), 503, {"retry-after": "3"}, 3.0),
    ],
)
def test_the_wait_is_what_the_host_says_most_plainly(failure, status, headers, seconds):
    assert classify(failure, status, headers, NOW).retry_after == seconds


def test_a_silent_failure_names_its_status():
    assert "503" in classify(Failure(), 503, {}, NOW).message


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": [{"index": 0}], "error": None},
        {"choices": [{"index": 0}], "code": 0, "message": "Success"},
        {"data": [1], "code": 200, "message": "ok"},
        {"id": "x", "base_resp": {"status_code": 0, "status_msg": ""}},
        {"id": "x", "error": {}},
        {"choices": [{"index": 0}], "error": {"message": ""}},
        {"choices": [{"index": 0}], "error": "none"},
        {"code": True, "results": []},
        [],
        None,
        "text",
    ],
)
def test_a_proper_answer_holds_no_failure(answer):
    assert failure_in(answer) is None


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"message": "m"}},
        {"error": "m"},
        {"error_code": 336, "error_msg": "m"},
        {"object": "error", "message": "m", "code": 40001},
        {"code": 10013, "message": "m"},
        {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "m"}},
        {"choices": [{"index": 0}], "error": {"message": "m", "code": 400}},
        {"choices": [{"index": 0}, {"index": 1, "error": {"message": "m", "code": 502}}]},
    ],
)
def test_an_error_under_200_is_found(answer):
    assert failure_in(answer).message == "m"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": formatdate(NOW + 30, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(NOW - 30, usegmt=True)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "999999999"}, 999999999.0),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "Mon, 99 Foo 99999 99:99:99 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_milliseconds_or_a_date(headers, seconds):
    assert retry_after(headers, NOW) == seconds
