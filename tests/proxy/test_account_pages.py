"""Receipts and billing pages: whose they are, and that their numbers are exact."""

import orjson
import pytest
from canalgate.proxy.auth import Principal
from canalgate.proxy.billing.account_pages import AccountPages
from canalgate.proxy.errors import GatewayError
from canalgate.proxy.ledger.entry import Counts, Entry
from canalgate.proxy.records import ENABLED, ROLE_ADMIN, ROLE_ROOT, ROLE_USER, Token, User
from canalgate.proxy.store.accounts import State
from canalgate.proxy.store.open import open_database
from canalgate.proxy.store.requests import Requests
from canalgate.proxy.wire.endpoints import is_ours, match

BOOKED, PENDING, UNKNOWN = (f"{1_795_521_600_000:012x}{n:012x}" for n in range(3))
UNLIMITED = (None, 0, 0, 0)


def entry(request_id, **fields):
    values = {
        "request_id": request_id, "at_ms": 1_795_521_600_000, "user_id": 1, "token_id": 2, "group": "default",
        "channel_id": None, "endpoint": "chat/completions", "model": "m", "upstream_model": "m",
        "stream": False, "status": 200, "counts": Counts(1, 2), "usage_source": "provider", "cost": 3,
        "charged": 3, "price": "p:1", "first_byte_ms": None, "total_ms": 4, "attempts": 1, "address": "::1",
    }  # fmt: skip
    return Entry(**values | fields)


class Balances:
    """Accounts with these states; what is not among them is unlimited and unused."""

    def __init__(self, **states):
        self.states = states

    async def state(self, name):
        return State(*self.states.get(name.replace(":", "_"), UNLIMITED))


def principal(token_id=2, role=ROLE_USER, user_id=1, expires_at=None):
    token = Token(token_id, user_id, "t", b"h", "abcd", ENABLED, 1, expires_at)
    return Principal(token, User(user_id, "u", role, "default", ENABLED, 1))


@pytest.fixture
async def pages(tmp_path):
    async with open_database("", tmp_path) as database:
        requests = Requests(database)
        await requests.prepare([entry(BOOKED)])
        async with database.transaction() as transaction:
            await requests.write(transaction, [entry(BOOKED)])
        waiting = {PENDING: entry(PENDING)}
        yield lambda **states: AccountPages(requests, Balances(**states), waiting.get)


@pytest.mark.parametrize(("request_id", "booked"), [(BOOKED, True), (PENDING, False)])
@pytest.mark.parametrize(
    "who", [{}, {"token_id": 9, "role": ROLE_ADMIN}, {"token_id": 9, "role": ROLE_ROOT}], ids=str
)
async def test_a_receipt_is_for_its_own_token_and_administrators(pages, request_id, booked, who):
    shown = await pages().receipt(principal(**who), request_id)
    assert (shown["request_id"], shown["booked"], shown["cost"]["quota"]) == (request_id, booked, 3)


@pytest.mark.parametrize(
    ("request_id", "who"),
    [
        (BOOKED, {"token_id": 9}), (PENDING, {"token_id": 9}), (BOOKED, {"token_id": 9, "user_id": 9}),
        (UNKNOWN, {}), (UNKNOWN, {"role": ROLE_ROOT}), ("", {}), ("f" * 24, {}),
        ("x" * 100_000, {}), ("\0", {}),
    ],
    ids=range(9),
)  # fmt: skip
async def test_all_others_are_told_that_there_is_none(pages, request_id, who):
    with pytest.raises(GatewayError) as caught:
        await pages().receipt(principal(**who), request_id)
    assert (caught.value.status, caught.value.code) == (404, "request_not_found")
    assert len(caught.value.body()) < 400


MINE, THEIRS = (300_001, 200_000, 1_000_000, 0), (5_000_000, 0, 617, 0)
BILLED = [
    ({"token_2": MINE, "user_1": THEIRS}, b"3.000002", b"200"),
    ({"token_2": UNLIMITED, "user_1": THEIRS}, b"10.001234", b"0.1234"),
    ({"token_2": (None, 0, 5, 0), "user_1": (None, 7, 250, 0)}, b"100000000", b"0.05"),
    ({"token_2": (0, 0, 0, 0)}, b"0", b"0"),
    ({"token_2": (2**62, 0, 2**62, 0)}, b"18446744073709.551616", b"922337203685477.5808"),
]


@pytest.mark.parametrize(("states", "limit", "used"), BILLED)
async def test_limit_and_use_are_exact_and_of_one_account(pages, states, limit, used):
    subscription = orjson.dumps(await pages(**states).subscription(principal()))
    for name in (b"soft_limit_usd", b"hard_limit_usd", b"system_hard_limit_usd"):
        assert b'"%b":%b,' % (name, limit) in subscription
    assert (
        orjson.dumps(await pages(**states).usage(principal())) == b'{"object":"list","total_usage":%b}' % used
    )


@pytest.mark.parametrize(("expires_at", "until"), [(None, 0), (1_800_000_000, 1_800_000_000)])
async def test_access_ends_when_the_token_does(pages, expires_at, until):
    shown = await pages().subscription(principal(expires_at=expires_at))
    assert (shown["object"], shown["access_until"]) == ("billing_subscription", until)


@pytest.mark.parametrize("prefix", ["", "/v1", "//v1/"])
@pytest.mark.parametrize(
    ("path", "page", "request_id"),
    [
        ("/dashboard/billing/subscription", "subscription", ""),
        ("/dashboard/billing/usage", "usage", ""),
        ("/dashboard/billing/usage/", "usage", ""),
        ("/usage/abc", "receipt", "abc"),
    ],
)
def test_the_pages_have_their_paths(prefix, path, page, request_id):
    route = match("GET", prefix + path)
    assert (route.page, route.request_id) == (page, request_id)
    assert is_ours(path)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/usage/abc", 405), ("POST", "/dashboard/billing/usage", 405), ("GET", "/v1/usage", 404),
        ("GET", "/dashboard/billing", 404), ("GET", "/dashboard/billing/usage/x", 404),
    ],
)  # fmt: skip
def test_what_is_near_to_a_page_is_none(method, path, status):
    with pytest.raises(GatewayError) as caught:
        match(method, path)
    assert caught.value.status == status
