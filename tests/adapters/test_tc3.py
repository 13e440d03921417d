"""Tencent Cloud's signature, against the example of its own page."""

import pytest
from canalgate.adapters.parts.tc3 import authorization

PAYLOAD = b'{"Limit": 1, "Filters": [{"Values": ["\\u672a\\u547d\\u540d"], "Name": "instance-name"}]}'
EXAMPLE = {
    "secret_id": "AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******",
    "secret_key": "Gu5t9xGARNpq86cd98joQYCN3*******",
    "payload": PAYLOAD,
    "now": 1551113065.9,
    "service": "cvm",
    "host": "cvm.tencentcloudapi.com",
    "action": "DescribeInstances",
    "content_type": "application/json; charset=utf-8",
}


def test_the_pages_example_comes_out():
    assert authorization(**EXAMPLE) == (
        "TC3-HMAC-SHA256 "
        "Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******/2019-02-25/cvm/tc3_request, "
        "SignedHeaders=content-type;host;x-tc-action, "
        "Signature=be4f67d323c78ab9acb7395e43c0dbcf822a9cfac32fea2449a7bc7726b770a3"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"secret_key": "other"},
        {"payload": PAYLOAD + b" "},
        {"now": 1551113066.0},
        {"service": "hunyuan"},
        {"host": "cvm.tencentcloudapi.com:8443"},
        {"action": "RunInstances"},
        {"content_type": "application/json"},
    ],
)
def test_whatever_is_signed_changes_the_signature(change):
    signed, other = authorization(**EXAMPLE), authorization(**{**EXAMPLE, **change})
    assert signed.rpartition("=")[2] != other.rpartition("=")[2]


@pytest.mark.parametrize(("now", "date"), [(1551139199.0, "2019-02-25"), (1551139200.0, "2019-02-26")])
def test_the_date_is_that_of_utc(now, date):
    assert f"/{date}/cvm/" in authorization(**{**EXAMPLE, "now": now})
