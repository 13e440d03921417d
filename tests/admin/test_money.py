"""Codes, prices, limits, logs and usage through the admin API."""

import asyncio

import pytest
from admin_client import person
from support import json_answer


async def test_a_code_is_worth_its_quota_once(root, anna, gateway):
    await root.patch(f"/users/{anna.user_id}", {"quota": 0})
    made = (await root.post("/codes", {"quota": 70, "count": 2, "name": "gift"})).json["codes"]
    for _ in range(2):
        answer = await anna.post("/me/redeem", {"code": made[0]}, Idempotency_Key="k")
        assert answer.json == {"quota": 70, "balance": {"remaining": 70, "used": 0}}
    again = await anna.post("/me/redeem", {"code": made[0]})
    assert (again.status, again.error["message"]) == (409, "this code was used already")
    listed = await root.get("/codes?status=used")
    assert [(one["id"], one["redeemed_by"]) for one in listed.json["data"]] == [(1, anna.user_id)]
    assert not [code for code in made if code.encode() in listed.body + (await root.get("/audit")).body]
    assert (await root.patch("/codes/2", {"status": "disabled"})).json["status"] == "disabled"
    assert (await anna.post("/me/redeem", {"code": made[1]})).status == 409
    assert (await root.patch("/codes/1", {"status": "disabled"})).status == 409
    assert (await root.post("/me/redeem", {"code": made[1]})).error["code"] == "no_account"


async def test_a_price_is_set_listed_with_its_source_and_unset(root, gateway):
    await gateway.add_channel("http://h/v1", "gpt-4o", "org/own")
    assert (await root.put("/prices/org%2Fown", {"prompt": "2.5", "completion": "10"})).status == 204
    rows = {row["model"]: row for row in (await root.get("/prices")).json["data"]}
    assert rows["org/own"]["price"] == {"prompt": "2.5", "completion": "10"}
    assert rows["org/own"]["source"].startswith("set ")
    assert rows["gpt-4o"]["source"]
    assert not rows["gpt-4o"]["source"].startswith("set ")
    assert [row["model"] for row in (await root.get("/prices?model=org/*")).json["data"]] == ["org/own"]
    assert (await root.delete("/prices/org%2Fown")).status == 204
    assert [row["model"] for row in (await root.get("/prices?unpriced=true")).json["data"]] == ["org/own"]


async def test_limits_are_set_for_what_is_there(root, anna):
    subjects = [f"user:{anna.user_id}", "token:1", "model:org%2Fm", "group:vip", "user:*"]
    for subject in subjects:
        assert (
            await root.put(f"/limits/{subject}", {"requests_per_minute": 7, "day_budget": 5})
        ).status == 200
    listed = (await root.get("/limits")).json["data"]
    assert {row["subject"] for row in listed} == {*subjects, "model:org/m"} - {"model:org%2Fm"}
    assert (await root.delete("/limits/user:*")).status == 204
    assert len((await root.get("/limits")).json["data"]) == 4


@pytest.fixture
async def used(gateway, provider, anna):
    """Two requests: one of anna's, one of the root user's that failed."""
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    provider.script = lambda asked: (
        [json_answer({"error": {"message": "a provider's secret words"}}, 500)]
        if asked.json["model"] == "bad"
        else [json_answer({"choices": [{"message": {"content": "hi"}}], "usage": usage})]
    )
    await gateway.add_channel(provider, "m", "bad")
    key = (await anna.post("/tokens", {"name": "t"})).json["key"]
    assert (await gateway.chat(key=key)).status == 200
    assert (await gateway.chat("bad")).status >= 500
    return key


async def logged(client, path="/logs", count=1):
    """Ask until the ledger has written: it does so a moment later, by its own clock."""
    async with asyncio.timeout(10):
        while len(rows := (await client.get(path)).json["data"]) < count:
            pass
    return rows


async def test_administrators_see_all_requests_and_users_their_own(root, anna, used):
    rows = await logged(root, count=2)
    assert [row["model"] for row in rows] == ["bad", "m"]
    own = await logged(anna)
    assert [(row["model"], row["user_id"], row["problem"]) for row in own] == [("m", anna.user_id, None)]
    assert (await anna.get("/logs?user_id=1")).json["data"] == own
    assert (await anna.get(f"/logs/{rows[0]['request_id']}")).status == 404
    detail = (await anna.get(f"/logs/{own[0]['request_id']}")).json
    assert detail["usage"]["prompt_tokens"] == 10
    assert detail["explanation"]
    assert (await root.get(f"/logs/{rows[0]['request_id']}")).json["problem"]


@pytest.mark.parametrize(
    ("query", "models"),
    [("?failed=true", ["bad"]), ("?failed=false", ["m"]), ("?model=m", ["m"]), ("?token_id=1", ["bad"]),
     ("?since=1099511627775", []), ("?until=1", []), ("?limit=1", ["bad"])],
)  # fmt: skip
async def test_requests_are_found(root, used, query, models):
    await logged(root, count=2)
    assert [row["model"] for row in (await root.get(f"/logs{query}")).json["data"]] == models


async def test_a_walk_over_the_log_goes_on_where_it_ended(root, used):
    await logged(root, count=2)
    first = (await root.get("/logs?limit=1")).json
    second = (await root.get(f"/logs?limit=1&after={first['next']}")).json
    assert [first["data"][0]["model"], second["data"][0]["model"], second["next"]] == ["bad", "m", None]


async def test_usage_is_everybodys_for_administrators_and_ones_own_for_users(root, anna, used):
    await logged(root, count=2)
    by_model = {row["model"]: row for row in (await root.get("/usage?by=model")).json["data"]}
    assert {model: row["requests"] for model, row in by_model.items()} == {"m": 1, "bad": 1}
    assert by_model["bad"]["failures"] == 1
    own = (await anna.get("/usage?by=user")).json["data"]
    assert [(row["user_id"], row["prompt_tokens"]) for row in own] == [(anna.user_id, 10)]
    assert (await anna.get("/usage?user_id=1")).json["data"][0]["requests"] == 1
    hours = (await root.get("/usage?span=hour")).json["data"]
    assert sum(row["requests"] for row in hours) == 2
    assert all(row["starts_at"] % 3600 == 0 for row in hours)
    assert (await anna.get("/usage?by=channel")).status == 400


async def test_a_user_without_requests_has_used_nothing(gateway, used):
    tom = await person(gateway, "tom", "user")
    assert (await tom.get("/usage")).json["data"] == []
    assert (await tom.get("/logs")).json["data"] == []
