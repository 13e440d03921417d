"""Models through the admin API: who offers them, how they are routed, and where requests go."""

import pytest
from support import json_answer

CHANNEL = {
    "type": "openai",
    "name": "a",
    "models": ["m"],
    "base_url": "http://h/v1",
    "key": "sk-1234567890wxyz1",
}


@pytest.fixture
async def two(root):
    """Channel 1 offers m and gpt-4o, channel 2 offers n to vip alone."""
    first = {**CHANNEL, "models": ["m", "gpt-4o"], "mapping": {"m": "up-m"}}
    second = {**CHANNEL, "name": "b", "models": ["n"], "groups": ["vip"], "key": "sk-2"}
    for body in (first, second):
        assert (await root.post("/channels", body)).status == 201
    return root


async def test_models_are_listed_with_channels_and_prices(two):
    await two.put("/prices/m", {"prompt": "1", "completion": "2"})
    found = {one["model"]: one for one in (await two.get("/models")).json["data"]}
    assert list(found) == ["gpt-4o", "m", "n"]
    assert found["m"] == {
        "model": "m", "mode": None, "fallbacks": [], "priced": True,
        "channels": [{
            "channel_id": 1, "name": "a", "status": "enabled", "upstream_model": "up-m",
            "price": {"prompt": "1", "completion": "2"}, "source": found["m"]["channels"][0]["source"],
        }],
    }  # fmt: skip
    assert (found["n"]["priced"], found["n"]["channels"][0]["price"]) == (False, None)
    assert found["gpt-4o"]["priced"]


@pytest.mark.parametrize(
    ("query", "names", "following"),
    [
        ("?limit=2", ["gpt-4o", "m"], "m"), ("?after=m", ["n"], None), ("?search=GPT", ["gpt-4o"], None),
        ("?unpriced=true", ["m", "n"], None), ("?limit=3", ["gpt-4o", "m", "n"], None),
    ],
)  # fmt: skip
async def test_models_are_found(two, query, names, following):
    page = (await two.get(f"/models{query}")).json
    assert ([one["model"] for one in page["data"]], page["next"]) == (names, following)


async def test_a_route_is_set_shown_and_unset_also_of_an_alias_with_a_slash(two):
    made = await two.put("/models/org%2Falias/route", {"mode": "cheapest", "fallbacks": ["m", "n"]})
    assert made.status == 200, made.body
    assert made.json["fallbacks"] == ["m", "n"]
    assert (await two.get("/models/org%2Falias")).json["mode"] == "cheapest"
    assert (await two.delete("/models/org%2Falias/route")).status == 204
    assert (await two.get("/models/org%2Falias")).status == 404
    assert (await two.delete("/models/org%2Falias/route")).status == 404
    acts = [one["act"] for one in (await two.get("/audit?subject=model:org/alias")).json["data"]]
    assert acts == ["unset_model_route", "set_model_route"]


@pytest.mark.parametrize(
    ("model", "body", "field"),
    [
        ("m", {"mode": "fastest"}, "mode"), ("m", {"fallbacks": ["gone"]}, "fallbacks"),
        ("m", {"fallbacks": ["m"]}, "fallbacks"), ("gone", {}, "model"),
        ("m", {"fallbacks": "n"}, "fallbacks"),
        ("m", {"fallbacks": ["n"] * 21}, "fallbacks"), ("m", {"colour": 1}, "colour"),
    ],
)  # fmt: skip
async def test_a_route_that_cannot_work_is_refused(two, model, body, field):
    answer = await two.put(f"/models/{model}/route", body)
    assert (answer.status, answer.error["param"]) == (400, field)
    assert all(one["mode"] is None for one in (await two.get("/models")).json["data"])


async def test_a_request_is_explained_by_token_group_and_endpoint(two, gateway):
    shown = (await two.get("/route?model=m")).json
    assert (shown["group"], shown["mode"], shown["problem"]) == ("default", "priority", None)
    places = [(one["channel_id"], one["place"], one["upstream_model"]) for one in shown["channels"]]
    assert places == [(1, 1, "up-m"), (2, None, "")]
    vip = (await two.get("/route?model=n&group=vip")).json
    assert [one["place"] for one in vip["channels"] if one["channel_id"] == 2] == [1]
    made = (await two.post("/tokens", {"name": "t", "user_id": 1, "models": ["m"]})).json["token"]
    assert (await two.get(f"/route?model=m&token={made['id']}")).json["problem"] is None
    assert "only m" in (await two.get(f"/route?model=n&token={made['id']}")).json["problem"]
    await two.patch(f"/tokens/{made['id']}", {"status": "disabled"})
    assert "disabled" in (await two.get(f"/route?model=m&token={made['id']}")).json["problem"]


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("?model=", 400), ("?model=m&endpoint=nonsense", 400), ("?model=m&token=999", 404),
     ("?model=m&token=0", 400), ("?model=none", 200)],
)  # fmt: skip
async def test_a_question_that_makes_no_sense_is_refused(two, query, status):
    assert (await two.get(f"/route{query}")).status == status


async def test_a_refused_key_is_shown_with_its_reason_and_is_forgotten_by_enabling(root, gateway, provider):
    provider.says(json_answer({"error": {"message": "no such key"}}, status=401))
    await root.post("/channels", {**CHANNEL, "base_url": provider.url})
    assert (await root.get("/channels/1/health")).json == {
        "state": "open", "reason": None, "for_s": None, "busy": 0, "first_byte_ms": None, "rests": [],
        "refused": [],
    }  # fmt: skip
    await gateway.chat()
    await gateway.front._full._relay.alarms.__aexit__()  # what is under way is written
    health = (await root.get("/channels/1")).json["health"]
    assert health["state"] == "key_refused"
    [refused] = health["refused"]
    assert refused["key"] == "...xyz1"
    assert "no such key" in refused["reason"]
    assert (await root.get("/channels")).json["data"][0]["health"] == health
    lines = (await root.get("/route?model=m")).json["channels"]
    assert "refused" in lines[0]["reason"]
    assert (await root.patch("/channels/1", {"status": "enabled"})).json["health"]["state"] == "open"


async def test_a_channel_that_rests_says_why_and_how_long(root, gateway, provider):
    answer = json_answer({"error": {"message": "slow down"}}, status=429, headers="retry-after: 30\r\n")
    provider.says(answer)
    await root.post("/channels", {**CHANNEL, "base_url": provider.url})
    await gateway.chat()
    health = (await root.get("/channels/1/health")).json
    [rest] = health["rests"]
    assert (rest["model"], rest["key"], rest["reason"]) == ("m", "...xyz1", "limited")
    assert 20 < rest["for_s"] <= 30
    assert "limited" in (await root.get("/route?model=m")).json["channels"][0]["reason"]


async def test_a_disabled_channel_and_one_without_adapter_say_so(root):
    await root.post("/channels", {**CHANNEL, "status": "disabled"})
    assert (await root.get("/channels/1/health")).json["state"] == "disabled"
    assert (await root.get("/channels/9/health")).status == 404
