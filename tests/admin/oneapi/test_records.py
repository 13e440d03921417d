"""One API's management API: the log of requests, and options; over HTTP."""

import asyncio

import orjson
import pytest
import support
from canalgate.proxy.billing.pricing import Price
from canalgate.proxy.store.requests import Filters
from oneapi import REPLY, chat, console_of

# The log.


async def booked(gateway, count):
    """Wait until so many requests are in the log."""
    async with asyncio.timeout(10):
        while True:
            if len((await gateway.parts.store.requests.page(Filters(), None, count))[0]) >= count:
                return
            await asyncio.sleep(0.02)


@pytest.fixture
async def busy(gateway, provider, user, root):
    """Two requests of bob's that succeeded, on two tokens, and one that failed."""
    row = await gateway.add_channel(provider, "m")
    await gateway.parts.store.prices.set("m", Price("", prompt=2_000_000))
    await gateway.live.catch_up()
    provider.says(REPLY)
    for name in ("app", "web"):
        made = await user.ask("POST", "/api/token/", {"name": name, "unlimited_quota": True})
        assert (await gateway.post("/v1/chat/completions", chat(), key=f"sk-{made['key']}")).status == 200
    provider.says(support.json_answer({"error": {"message": "no"}}, 400))
    assert (await gateway.post("/v1/chat/completions", chat(), key=f"sk-{made['key']}")).status == 400
    await booked(gateway, 3)
    return row


async def test_the_log_shows_requests_newest_first(busy, root, user):
    rows = await root.ask("GET", "/api/log/?type=2&username=bob")
    assert [row["token_name"] for row in rows] == ["web", "app"]
    varying = ("id", "created_at", "request_id", "elapsed_time", "content")
    assert {name: value for name, value in rows[0].items() if name not in varying} == {
        "user_id": user.user.id, "type": 2, "username": "bob", "token_name": "web",
        "model_name": "m", "quota": 1000, "prompt_tokens": 1000, "completion_tokens": 10, "channel": busy.id,
        "is_stream": False, "system_prompt_reset": False,
    }  # fmt: skip
    assert len(await root.ask("GET", "/api/log/")) == 3
    own = await user.ask("GET", "/api/log/self?type=2")
    assert [{**row, "id": 0} for row in rows] == own


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("token_name=app", 1),
        ("token_name=none", 0),
        ("model_name=m", 3),
        ("model_name=none", 0),
        ("username=bob", 3),
        ("username=nobody", 0),
        ("start_timestamp=4000000000", 0),
        ("end_timestamp=1", 0),
        ("start_timestamp=1&end_timestamp=4000000000", 3),
        ("type=5", 0),
        ("p=1", 0),
        ("channel=99", 0),
    ],
)
async def test_the_log_is_filtered(busy, root, query, count):
    assert len(await root.ask("GET", f"/api/log/?{query}")) == count


async def test_nobody_sees_the_requests_of_others_among_their_own(busy, gateway):
    other = await console_of(gateway, "eve", "user")
    assert await other.ask("GET", "/api/log/self?username=bob") == []
    assert await other.ask("GET", "/api/log/self/search?keyword=m") == []
    assert await other.ask("GET", "/api/log/self/stat?username=bob") == {"quota": 0}
    assert await other.ask("GET", "/api/user/dashboard") == []


async def test_sums_are_of_what_was_charged(busy, root, user):
    assert await root.ask("GET", "/api/log/stat") == {"quota": 2000}
    assert await root.ask("GET", f"/api/log/stat?channel={busy.id}&model_name=m") == {"quota": 2000}
    assert await root.ask("GET", "/api/log/stat?username=bob&token_name=app") == {"quota": 1000}
    assert await root.ask("GET", "/api/log/stat?username=nobody") == {"quota": 0}
    assert await user.ask("GET", "/api/log/self/stat") == {"quota": 2000}
    assert "no sums" in await root.refused("GET", f"/api/log/stat?channel={busy.id}&username=bob")
    shown = await user.ask("GET", "/api/user/self")
    assert (shown["used_quota"], shown["request_count"]) == (2000, 2)
    assert (await root.only("/api/channel/"))["used_quota"] == 2000
    (day,) = await user.ask("GET", "/api/user/dashboard")
    assert (day["ModelName"], day["RequestCount"], day["Quota"], day["PromptTokens"]) == ("m", 2, 2000, 2000)


async def test_a_request_is_found_by_its_id_or_its_model(busy, root, user):
    row = (await root.ask("GET", "/api/log/?type=2"))[0]
    assert await root.ask("GET", f"/api/log/search?keyword={row['request_id']}") == [row]
    assert len(await user.ask("GET", "/api/log/self/search?keyword=m")) == 3


@pytest.mark.parametrize("query", ["p=501", "type=x", "start_timestamp=yesterday", "channel=one"])
async def test_a_filter_that_is_none_is_refused(root, query):
    assert (await root.refused("GET", f"/api/log/?{query}")).startswith(query.partition("=")[0])


# Options.


async def options_of(root):
    return {option["key"]: option["value"] for option in await root.ask("GET", "/api/option/")}


async def test_ratios_are_read_as_they_were_written(root, gateway):
    sent = {
        "ModelRatio": '{"m":1.25,"n":0.0355}',
        "CompletionRatio": '{"m":4}',
        "GroupRatio": '{"default":1,"vip":0.8}',
    }
    for key, value in sent.items():
        await root.ask("PUT", "/api/option/", {"key": key, "value": value})
    shown = await options_of(root)
    assert {key: orjson.loads(shown[key]) for key in sent} == {
        "ModelRatio": {"m": 1.25, "n": 0.0355}, "CompletionRatio": {"m": 4, "n": 1},
        "GroupRatio": {"default": 1, "vip": 0.8},
    }  # fmt: skip
    prices = await gateway.parts.store.prices.all()
    assert (prices["m"].prompt, prices["m"].completion, prices["n"].prompt) == (2_500_000, 10_000_000, 71_000)
    await root.ask("PUT", "/api/option/", {"key": "ModelRatio", "value": '{"m":2}'})
    await root.ask("PUT", "/api/option/", {"key": "GroupRatio", "value": "{}"})
    prices = await gateway.parts.store.prices.all()
    assert (set(prices), prices["m"].prompt, prices["m"].completion) == ({"m"}, 4_000_000, 16_000_000)
    assert set((await gateway.parts.store.prices.group_ratios()).values()) == {1_000_000}


async def test_ratios_that_are_sent_back_as_they_were_shown_change_no_price(root, gateway):
    await gateway.add_channel("http://127.0.0.1:9/v1", "gpt-4o", "nothing-knows-this")
    shown = await options_of(root)
    assert "gpt-4o" in shown["ModelRatio"] and "nothing-knows-this" not in shown["ModelRatio"]
    for key in ("ModelRatio", "CompletionRatio", "GroupRatio"):
        await root.ask("PUT", "/api/option/", {"key": key, "value": shown[key]})
    assert await gateway.parts.store.prices.all() == {}


async def test_a_setting_that_is_sent_back_as_it_was_shown_is_accepted(root):
    for key, value in (await options_of(root)).items():
        await root.ask("PUT", "/api/option/", {"key": key, "value": value})
    await root.ask("PUT", "/api/option/", {"key": "RegisterEnabled", "value": False})
    await root.ask("PUT", "/api/option/", {"key": "QuotaPerUnit", "value": 500_000})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"key": "RegisterEnabled", "value": "true"}, "cannot be changed here"),
        ({"key": "SMTPServer", "value": "x"}, "is no option here"),
        ({"value": "x"}, "is no option here"),
        ({"key": "ModelRatio", "value": "{"}, "value: ModelRatio: not valid JSON"),
        ({"key": "ModelRatio", "value": '{"m":-1}'}, "expected a ratio"),
        ({"key": "ModelRatio", "value": '{"m":1e999999999}'}, "value: "),
        ({"key": "GroupRatio", "value": '{"a":"b"}'}, "expected a ratio"),
        ({"key": "CompletionRatio", "value": '{"unknown":2}'}, "has no price"),
        ({"key": "ModelRatio", "value": '{"":1}'}, "name"),
    ],
)
async def test_an_option_that_cannot_be_is_refused(root, gateway, body, said):
    assert said in await root.refused("PUT", "/api/option/", body)
    assert await gateway.parts.store.prices.all() == {}


async def test_an_option_that_cannot_be_read_has_status_400(root):
    answer = await root.send("PUT", "/api/option/", b"nonsense")
    assert (answer.status, answer.json["success"]) == (400, False)


async def test_no_option_holds_a_secret(root):
    assert not [key for key in await options_of(root) if key.endswith(("Token", "Secret", "Key"))]
