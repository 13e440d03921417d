"""AWS Signature Version 4, against signatures that AWS publishes.

The first three are of AWS's signature test suite and of the IAM User Guide's example.
"""

from datetime import UTC, datetime

import pytest
from canalgate.adapters.parts.sigv4 import AccessKey, Scope, signed

NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
KEY = AccessKey("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SERVICE = Scope("us-east-1", "service")
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
BODY = b'{"messages":[]}'
ADDRESS = "https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova-lite-v1%3A0/converse"


def signature(fields):
    return fields["authorization"].rpartition("Signature=")[2]


@pytest.mark.parametrize(
    ("method", "url", "headers", "service", "expected"),
    [
        (
            "GET",
            "https://example.amazonaws.com/",
            {},
            "service",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "POST",
            "https://example.amazonaws.com",
            {},
            "service",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "GET",
            "https://iam.amazonaws.com/?Version=2010-05-08&Action=ListUsers",
            FORM,
            "iam",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ],
)
def test_a_published_signature_comes_out(method, url, headers, service, expected):
    fields = signed(method, url, headers, b"", KEY, Scope("us-east-1", service), NOW)
    assert signature(fields) == expected


def test_the_fields_say_what_was_signed_and_when():
    fields = signed("GET", "https://iam.amazonaws.com/", FORM, b"", KEY, Scope("eu-west-1", "iam"), NOW)
    assert fields["x-amz-date"] == "20150830T123600Z"
    assert fields["content-type"] == FORM["content-type"]
    assert fields["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, Signature="
    )


def test_a_session_token_is_sent_and_signed():
    key = AccessKey(KEY.id, KEY.secret, "token")
    fields = signed("GET", "https://example.amazonaws.com/", {}, b"", key, SERVICE, NOW)
    assert fields["x-amz-security-token"] == "token"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token" in fields["authorization"]


def test_a_path_that_is_encoded_is_encoded_once_more():
    """The signature was computed with AWS's own client, botocore 1.44."""
    fields = signed("POST", ADDRESS, {"content-type": "application/json"}, BODY, KEY, BEDROCK, NOW)
    assert signature(fields) == EXPECTED


BEDROCK = Scope("us-east-1", "bedrock")
EXPECTED = "2a2d094e2f2c3db248bdf8159ce65eb6201190056141c69fd6ab42b2e7f527fe"

PLAIN = ("POST", "https://example.amazonaws.com/a", {"content-type": "a"}, b"b", KEY, SERVICE, NOW)


@pytest.mark.parametrize(
    ("place", "other"),
    [
        (0, "PUT"),
        (1, "https://example.amazonaws.com/b"),
        (1, "https://example.amazonaws.com/a?x"),
        (1, "https://example.amazonaws.com:8443/a"),
        (2, {"content-type": "b"}),
        (3, b"c"),
        (4, AccessKey(KEY.id, "other")),
        (5, Scope("us-east-2", "service")),
        (5, Scope("us-east-1", "other")),
        (6, NOW + 1),
    ],
)
def test_nothing_can_change_without_the_signature(place, other):
    changed = [*PLAIN]
    changed[place] = other
    assert signature(signed(*changed)) != signature(signed(*PLAIN))


def test_a_key_does_not_show_its_secrets():
    shown = repr(AccessKey("id", "secret-part", "token-part"))
    assert "secret-part" not in shown
    assert "token-part" not in shown
