"""What the errors of Google's APIs mean."""

import orjson
import pytest
from canalgate.adapters.gemini.errors import error_in, failure
from canalgate.plugins import UpstreamResponse

NOON_UTC = 19676 * 86400.0 + 12 * 3600


def said(code, status, message="m", *details):
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def reason(word):
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": word}


def quota(*ids):
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": id} for id in ids],
    }


def retry(delay):
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def classified(status, value, **headers):
    fields = {name.replace("_", "-"): text for name, text in headers.items()}
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    return failure(UpstreamResponse(status, fields, body), NOON_UTC)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (400, "INVALID_ARGUMENT", "REQUEST"),
        (400, "OUT_OF_RANGE", "REQUEST"),
        (400, "FAILED_PRECONDITION", "MODEL"),
        (401, "UNAUTHENTICATED", "CREDENTIAL"),
        (403, "PERMISSION_DENIED", "MODEL"),
        (404, "NOT_FOUND", "MODEL"),
        (409, "ABORTED", "FAULT"),
        (409, "ALREADY_EXISTS", "FAULT"),
        (429, "RESOURCE_EXHAUSTED", "RATE"),
        (499, "CANCELLED", "FAULT"),
        (500, "INTERNAL", "FAULT"),
        (500, "UNKNOWN", "FAULT"),
        (500, "DATA_LOSS", "FAULT"),
        (501, "UNIMPLEMENTED", "MODEL"),
        (503, "UNAVAILABLE", "BUSY"),
        (504, "DEADLINE_EXCEEDED", "FAULT"),
    ],
)
def test_every_status_word_has_its_kind(code, status, kind):
    error = classified(code, said(code, status))
    assert (error.kind.name, error.status, error.message) == (kind, code, "m")


@pytest.mark.parametrize(
    ("code", "status", "message", "kind", "name"),
    [
        (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", "CREDENTIAL", ""),
        (400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", "CREDENTIAL", ""),
        (403, "PERMISSION_DENIED", "Your API key was reported as leaked.", "CREDENTIAL", ""),
        (
            403,
            "PERMISSION_DENIED",
            "Method doesn't allow unregistered callers (callers without established identity).",
            "CREDENTIAL",
            "",
        ),
        (403, "PERMISSION_DENIED", "Consumer 'x' has been suspended.", "CREDENTIAL", ""),
        (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", "MODEL", ""),
        (429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.", "BALANCE", ""),
        (
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota, please check your plan and billing details.",
            "RATE",
            "",
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            "REQUEST",
            "context_length_exceeded",
        ),
        (404, "NOT_FOUND", "models/x is not found for API version v1beta", "MODEL", "model_not_found"),
        (404, "NOT_FOUND", "Requested entity was not found.", "MODEL", ""),
        (400, "INVALID_ARGUMENT", "The prompt was blocked", "REQUEST", "content_filter"),
        (500, "INTERNAL", "models/x is not found", "FAULT", ""),
    ],
)
def test_words_say_more_than_the_status(code, status, message, kind, name):
    error = classified(code, said(code, status, message))
    assert (error.kind.name, error.code) == (kind, name)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("API_KEY_INVALID", "CREDENTIAL"),
        ("CONSUMER_SUSPENDED", "CREDENTIAL"),
        ("BILLING_DISABLED", "BALANCE"),
        ("SERVICE_DISABLED", "MODEL"),
        ("API_KEY_IP_ADDRESS_BLOCKED", "MODEL"),
        ("RATE_LIMIT_EXCEEDED", "RATE"),
        ("INVENTED", "REQUEST"),
    ],
)
def test_a_reason_says_most(word, kind):
    assert classified(400, said(400, "INVALID_ARGUMENT", "m", reason(word))).kind.name == kind


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        ([retry("48s")], 48.0),
        ([quota("PerMinute"), retry("0.5s")], 0.5),
        ([quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), retry("48s")], 20 * 3600.0),
        ([quota("PerMinute", "PerDay")], 20 * 3600.0),
        ([retry("soon")], None),
        ([retry(48)], None),
        ([{"violations": "x"}, {"violations": [{"quotaId": 5}]}], None),
        ([], None),
    ],
)
def test_how_long_to_wait_is_in_the_details(details, seconds):
    error = classified(429, said(429, "RESOURCE_EXHAUSTED", "m", *details))
    assert (error.kind.name, error.retry_after) == ("RATE", seconds)


def test_a_header_says_how_long_to_wait_where_the_details_do_not():
    assert classified(503, said(503, "UNAVAILABLE"), retry_after="7").retry_after == 7.0


def test_a_stream_without_events_has_its_error_in_a_list():
    error = classified(429, [said(429, "RESOURCE_EXHAUSTED", "slow", retry("3s"))])
    assert (error.kind.name, error.message, error.retry_after) == ("RATE", "slow", 3.0)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", "CREDENTIAL"),
        (404, b"<html>", "MODEL"),
        (429, b'"slow"', "RATE"),
        (500, b"[]", "FAULT"),
        (502, b'{"error":"bad gateway"}', "FAULT"),
        (503, b'{"error":{"status":"INVENTED"}}', "BUSY"),
    ],
)
def test_an_error_of_another_shape_is_classified_by_its_status(status, body, kind):
    assert classified(status, body).kind.name == kind


@pytest.mark.parametrize(
    ("value", "kind", "status"),
    [
        (said(503, "UNAVAILABLE"), "BUSY", 503),
        ({"error": {"code": 429}}, "RATE", 429),
        ({"error": {"code": 400}}, "REQUEST", 400),
        ({"error": {"code": 418}}, "FAULT", 418),
        ({"error": "boom"}, "FAULT", 502),
        ({"error": {}}, "FAULT", 502),
    ],
)
def test_an_error_inside_a_200_has_the_status_it_means(value, kind, status):
    error = error_in(value, NOON_UTC)
    assert (error.kind.name, error.status) == (kind, status)
