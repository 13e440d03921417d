"""Who asks: the key in the header, what its token allows, and where the client is."""

from dataclasses import replace

import pytest
from canalgate.proxy.auth import Principal, admit, admit_model, client_address, client_key, split_pin
from canalgate.proxy.errors import GatewayError
from canalgate.proxy.records import DISABLED, ENABLED, ROLE_ADMIN, ROLE_ROOT, ROLE_USER, Token, User

NOW = 1000.0
TOKEN = Token(1, 1, "t", b"h", "abcd", ENABLED, 1)
USER = User(1, "u", ROLE_USER, "default", ENABLED, 1)

KEYS = [
    ({"authorization": "Bearer sk-abc"}, "abc"),
    ({"authorization": "bearer   sk-abc "}, "abc"),
    ({"authorization": "Bearer abc"}, "abc"),
    ({"authorization": "sk-abc"}, "abc"),
    ({"x-api-key": "sk-abc"}, "abc"),
    ({"api-key": "abc"}, "abc"),
    ({"authorization": "", "api-key": "abc"}, "abc"),
    ({"authorization": "Bearer sk-first", "x-api-key": "sk-second"}, "first"),
    ({"authorization": f"Bearer sk-{'a' * 512}"}, "a" * 512),
]


@pytest.mark.parametrize(("headers", "key"), KEYS)
def test_a_key_is_found_where_clients_put_it(headers, key):
    assert client_key(headers) == key


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer sk-"},
        {"authorization": f"Bearer {'a' * 513}"},
        {"authorization": "Bearer sk-", "x-api-key": "sk-second"},
    ],
)
def test_without_a_key_a_request_is_not_authorized(headers):
    with pytest.raises(GatewayError) as caught:
        client_key(headers)
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("key", "split"),
    [
        ("abc-7", ("abc", 7)),
        ("a-b-12", ("a-b", 12)),
        ("abc", ("abc", None)),
        ("abc-", ("abc-", None)),
        ("-7", ("-7", None)),
        ("abc-x7", ("abc-x7", None)),
        ("abc-٧", ("abc-٧", None)),
        ("abc-1234567890", ("abc-1234567890", None)),
    ],
)
def test_a_channel_is_taken_off_the_end_of_a_key(key, split):
    assert split_pin(key) == split


def may(token=TOKEN, user=USER, pin=None, address="192.0.2.1"):
    principal = Principal(token, user, pin)
    admit(principal, address, NOW)
    return principal


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"token": replace(TOKEN, expires_at=1001)},
        {"token": replace(TOKEN, subnets=("192.0.2.0/24",))},
        {"token": replace(TOKEN, subnets=("10.0.0.0/8", "192.0.2.1/32"))},
        {"token": replace(TOKEN, subnets=("192.0.2.0/24",)), "address": "::ffff:192.0.2.9"},
        {"token": replace(TOKEN, subnets=("2001:db8::/32",)), "address": "2001:db8::1"},
        {"pin": 3, "user": replace(USER, role=ROLE_ADMIN)},
        {"pin": 3, "user": replace(USER, role=ROLE_ROOT)},
    ],
)
def test_a_good_token_is_admitted(given):
    assert may(**given)


REFUSED = [
    ({"token": replace(TOKEN, status=DISABLED)}, 401, "invalid_api_key", "disabled"),
    ({"token": replace(TOKEN, expires_at=1000)}, 401, "invalid_api_key", "expired"),
    ({"token": replace(TOKEN, expires_at=1)}, 401, "invalid_api_key", "expired"),
    ({"user": replace(USER, status=DISABLED)}, 403, "account_disabled", "account"),
    ({"token": replace(TOKEN, subnets=("10.0.0.0/8",))}, 403, "address_not_allowed", "address"),
    ({"token": replace(TOKEN, subnets=("::/0",))}, 403, "address_not_allowed", "address"),
    ({"token": replace(TOKEN, subnets=("::/0",)), "address": ""}, 403, "address_not_allowed", "address"),
    ({"pin": 3}, 403, "channel_not_allowed", "administrators"),
]


@pytest.mark.parametrize(("given", "status", "code", "word"), REFUSED)
def test_what_a_token_may_not_is_refused_with_the_reason(given, status, code, word):
    with pytest.raises(GatewayError, match=word) as caught:
        may(**given)
    assert (caught.value.status, caught.value.code) == (status, code)


@pytest.mark.parametrize("models", [(), ("m",), ("n", "m")])
def test_a_token_may_use_its_models(models):
    admit_model(may(replace(TOKEN, models=models)), "m")


@pytest.mark.parametrize("model", ["n", "M", "", "mm", "x" * 10_000])
def test_a_token_may_use_no_other_model(model):
    with pytest.raises(GatewayError) as caught:
        admit_model(may(replace(TOKEN, models=("m",))), model)
    assert (caught.value.status, caught.value.code) == (403, "model_not_allowed")
    assert len(caught.value.message) < 300


PROXIES = ("10.0.0.0/8", "::1")


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        ("192.0.2.1", "198.51.100.1", (), "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1", PROXIES, "192.0.2.1"),
        ("10.0.0.1", "", PROXIES, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", PROXIES, "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.1", PROXIES, "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", PROXIES, "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", PROXIES, "10.0.0.3"),
        ("10.0.0.1", "198.51.100.1, nonsense, 10.0.0.2", PROXIES, "10.0.0.2"),
        ("::1", " 2001:db8::1 ,", PROXIES, "2001:db8::1"),
        ("", "198.51.100.1", PROXIES, ""),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy_of_ours(peer, forwarded, trusted, address):
    assert client_address(peer, forwarded, trusted) == address
