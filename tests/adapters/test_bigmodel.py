"""What both of Zhipu's interfaces share: tokens signed with a key, and what an error code means."""

import base64
import hashlib
import hmac
import json
from dataclasses import astuple

import pytest
from canalgate.adapters.failures import Failure
from canalgate.adapters.zhipu.glm import bigmodel as bigmodel
from canalgate.plugins import Channel, ErrorKind, UpstreamError

NOW = 1_700_000_000.5

REQUEST, MODEL, RATE = ErrorKind.REQUEST, ErrorKind.MODEL, ErrorKind.RATE
CREDENTIAL, BALANCE = ErrorKind.CREDENTIAL, ErrorKind.BALANCE
BUSY, FAULT = ErrorKind.BUSY, ErrorKind.FAULT


def classify(code="", message="m", status=400, signed=False, **headers) -> UpstreamError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return bigmodel.classify(Failure(message, "", code), status, named, NOW, signed=signed)


def unpacked(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_is_a_jwt_with_milliseconds_signed_by_the_secret():
    credential = bigmodel.signed_token("the-id.the-secret", NOW)
    header, payload, signature = credential.value.split(".")
    assert json.loads(unpacked(header)) == {"alg": "HS256", "sign_type": "SIGN"}
    claims = json.loads(unpacked(payload))
    assert claims == {"api_key": "the-id", "timestamp": 1_700_000_000_500, "exp": 1_700_001_800_500}
    wanted = hmac.new(b"the-secret", f"{header}.{payload}".encode(), hashlib.sha256).digest()
    assert unpacked(signature) == wanted
    assert credential.expires_at == NOW + 1800
    assert not {"=", "+", "/"} & set(credential.value)


def test_a_secret_may_have_a_dot_in_it():
    head, _, signature = bigmodel.signed_token("id.a.b", NOW).value.rpartition(".")
    assert unpacked(signature) == hmac.new(b"a.b", head.encode(), hashlib.sha256).digest()


def test_a_key_without_a_dot_signs_nothing():
    with pytest.raises(UpstreamError) as caught:
        bigmodel.signed_token("sk-plain", NOW)
    assert caught.value.kind is CREDENTIAL


@pytest.mark.parametrize(
    ("key", "key_as"),
    [
        ("plain", "signed"),
        (".secret", "signed"),
        ("id.", "signed"),
        ("", "signed"),
        ("id.sec ret", "signed"),
        ("id.secret\n", "plain"),
        ("ключ", "plain"),
    ],
)
def test_a_key_that_cannot_work_is_refused(key, key_as):
    with pytest.raises(ValueError):
        bigmodel.check_key(Channel(1, "c", "", key, {"key_as": key_as}), "plain")


@pytest.mark.parametrize(("key", "key_as"), [("id.secret", "signed"), ("sk-1", "plain"), ("", "plain")])
def test_a_key_that_can_work_is_taken(key, key_as):
    bigmodel.check_key(Channel(1, "c", "", key, {"key_as": key_as}), "plain")


@pytest.mark.parametrize(
    ("codes", "kind", "openai_code"),
    [
        ("500 1120 1200 1230 1234", FAULT, ""),
        ("1000 1001 1002 1003 1004 1111", CREDENTIAL, ""),
        ("1100 1110 1112 1121", CREDENTIAL, ""),
        ("1113 1304 1308 1309 1310", BALANCE, ""),
        ("1210 1212 1213 1214 1215 1231", REQUEST, ""),
        ("1211 1221 1222", MODEL, "model_not_found"),
        ("1220 1311", MODEL, ""),
        ("1261", REQUEST, "context_length_exceeded"),
        ("1300 1301", REQUEST, "content_filter"),
        ("1302 1303 1305 1313", RATE, ""),
        ("1312", BUSY, ""),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
def test_a_documented_code_counts_more_than_the_status(codes, kind, openai_code, status):
    errors = {(error.kind, error.code) for code in codes.split() if (error := classify(code, status=status))}
    assert errors == {(kind, openai_code)}


@pytest.mark.parametrize(
    ("code", "message", "status", "kind", "openai_code"),
    [
        ("", "m", 401, CREDENTIAL, ""),
        ("", "m", 429, RATE, ""),
        ("", "m", 434, MODEL, ""),
        ("", "m", 435, REQUEST, ""),
        ("", "m", 500, FAULT, ""),
        ("9999", "m", 404, MODEL, ""),
        ("9999", "m", 400, REQUEST, "9999"),
        ("1210", "the prompt exceeds the maximum context length", 400, REQUEST, "context_length_exceeded"),
        ("1214", "the prompt is too long", 200, REQUEST, "context_length_exceeded"),
    ],
)
def test_without_a_known_code_the_status_or_the_message_decides(code, message, status, kind, openai_code):
    error = classify(code, message, status)
    assert (error.kind, error.code) == (kind, openai_code)


@pytest.mark.parametrize(
    ("code", "status"), [("1210", 400), ("1261", 400), ("1302", 429), ("1312", 503), ("1234", 502)]
)
def test_an_error_under_200_gets_the_status_it_means(code, status):
    assert classify(code, status=200).status == status


@pytest.mark.parametrize(("signed", "kind"), [(True, ErrorKind.EXPIRED), (False, CREDENTIAL)])
def test_an_expired_token_is_made_afresh_only_where_we_made_it(signed, kind):
    assert classify("1003", status=401, signed=signed).kind is kind


@pytest.mark.parametrize(
    ("code", "message", "headers", "seconds"),
    [
        ("1308", "the limit resets at 2023-11-15 06:14:20", {}, 59.5),
        ("1310", "Weekly limit reached. Resets at 2023-11-15T06:14:20.", {}, 59.5),
        ("1304", "the limit resets at 2023-11-15 07:00", {}, 2799.5),
        ("1308", "the limit resets at 2023-11-15 06:13:20", {}, 0.0),
        ("1308", "the limit resets at 2023-99-15 06:13:20", {}, None),
        ("1308", "the limit is used up", {}, None),
        ("1302", "since 2023-11-15 06:14:20 there are too many", {}, None),
        ("1308", "the limit resets at 2023-11-15 06:14:20", {"retry_after": "7"}, 7.0),
        ("1302", "m", {"retry_after": "7"}, 7.0),
        ("1113", "m", {}, None),
    ],
)
def test_a_limit_that_says_when_it_ends_is_waited_for(code, message, headers, seconds):
    assert classify(code, message, 429, **headers).retry_after == seconds


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"choices": [{}], "error": {"code": "1"}},
        {"choices": [{}], "error": None},
        {"code": 200, "msg": "ok", "success": True, "data": {}},
        {"code": 0, "msg": "ok"},
        {"code": "200", "msg": "ok"},
        {"code": "x", "data": []},
        {"error": "text"},
    ],
)
def test_a_proper_answer_is_no_failure(value):
    assert bigmodel.failure_in(value) is None


@pytest.mark.parametrize(
    ("value", "failure"),
    [
        ({"error": {"code": "1211", "message": "m"}}, ("m", "", "1211", None)),
        ({"error": {}}, None),
        ({"error": {"code": 1234}}, ("", "", "1234", None)),
        ({"contentFilter": [], "error": {"code": "1301", "message": "m"}}, ("m", "", "1301", None)),
        ({"code": 1113, "msg": "m", "success": False}, ("m", "", "1113", None)),
        ({"code": 1113, "msg": "m"}, ("m", "", "1113", None)),
        ({"success": False}, ("", "", "", None)),
    ],
)
def test_a_failure_under_200_is_found_in_either_shape(value, failure):
    found = bigmodel.failure_in(value)
    assert (found and astuple(found)) == failure
