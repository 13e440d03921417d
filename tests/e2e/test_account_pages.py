"""Receipts and billing pages as clients ask for them, on both lanes."""

import pytest
from canalgate.proxy.ledger.entry import Counts, Entry

ID = f"{1_795_521_600_000:012x}{1:012x}"


@pytest.fixture
async def client(gateway):
    """A client's token that has a request in the log, and has used a third of a cent of three dollars."""
    key = await gateway.add_token()
    token = (await gateway.parts.store.tokens())[-1]
    entry = Entry(
        ID, 1_795_521_600_000, token.user_id, token.id, "default", 1, "chat/completions", "m", "m", True, 200,
        Counts(10, 5), "provider", 617, 617, "p:1", 4, 9, 1, "127.0.0.1", problem="at 10.0.0.5",
    )  # fmt: skip
    store, account = gateway.parts.store, f"token:{token.id}"
    await store.accounts.set_balance(account, 1_500_000, "test", 1)
    await store.requests.prepare([entry])
    async with store.database.transaction() as transaction:
        await store.requests.write(transaction, [entry])
        await store.accounts.settle(transaction, "test", {account: (0, 1_667)})
    return key


@pytest.mark.parametrize("path", [f"/v1/usage/{ID}", f"/usage/{ID}", f"/v1/usage/{ID}/"])
async def test_a_client_gets_the_receipt_of_its_request(gateway, client, path):
    answer = await gateway.get(path, key=client)
    assert (answer.status, answer.json["cost"]) == (200, {"quota": 617, "dollars": "0.001234"})
    assert b"10.0.0.5" not in answer.body


async def test_an_administrator_gets_every_receipt_and_another_client_none(gateway, client):
    assert (await gateway.get(f"/v1/usage/{ID}")).json["problem"] == "at 10.0.0.5"
    other = await gateway.get(f"/v1/usage/{ID}", key=await gateway.add_token())
    assert (other.status, other.error["code"]) == (404, "request_not_found")


@pytest.mark.parametrize(
    "path", [f"/v1/usage/{ID}", "/dashboard/billing/usage", "/v1/dashboard/billing/subscription"]
)
async def test_without_a_key_there_is_nothing_to_see(gateway, client, path):
    assert (await gateway.get(path, key="none")).status == 401


@pytest.mark.parametrize("name", ["a%00b", "%F0%9F%A6%86", "x" * 3000, "..", "f" * 24])
async def test_a_made_up_id_is_not_found(gateway, client, name):
    assert (await gateway.get(f"/v1/usage/{name}", key=client)).status in (400, 404)


@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_billing_pages_are_json_numbers_and_ignore_dates(gateway, client, prefix):
    dates = "?start_date=2026-11-01&end_date=2026-12-01"
    usage = await gateway.get(f"{prefix}/dashboard/billing/usage{dates}", key=client)
    assert usage.body == b'{"object":"list","total_usage":0.3334}'
    subscription = await gateway.get(f"{prefix}/dashboard/billing/subscription", key=client)
    assert subscription.json["hard_limit_usd"] == 3
