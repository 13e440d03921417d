"""What is left of the account behind a channel: asked for over every API, kept, and shown with its age."""

import asyncio
import time

import pytest
import support
from admin_client import ADMIN_KEY, Client
from canalgate.plugins import UpstreamError
from canalgate.proxy.relaying.probe import balances
from support import CUT, json_answer

KEY = "sk-1234567890wxyz1"
CHANNEL = {"type": "deepseek", "name": "a", "models": ["m"], "key": KEY}
LEFT = json_answer({"balance_infos": [{"currency": "CNY", "total_balance": "110.05"}]})
SHOWN = [{"currency": "CNY", "amount": "110.05", "micros": 110_050_000}]


@pytest.fixture
async def channel(root, provider):
    """Channel 1, whose provider says what is left."""
    provider.says(LEFT)
    made = await root.post("/channels", {**CHANNEL, "base_url": provider.url})
    assert (made.status, made.json["balance"]) == (201, None)
    return root


async def test_a_balance_is_fetched_and_then_shown_with_the_channel(channel, admin, provider):
    began = int(time.time())
    told = await admin.post("/channels/1/balance")
    assert (told.status, told.json["amounts"]) == (200, SHOWN)
    assert began <= told.json["at"] <= time.time()
    (asked,) = provider.asked
    assert asked.line == "GET /user/balance HTTP/1.1"
    assert asked.header("authorization") == f"Bearer {KEY}"
    assert (await admin.get("/channels/1")).json["balance"] == told.json
    assert (await admin.get("/channels")).json["data"][0]["balance"] == told.json


async def test_users_neither_ask_nor_see(channel, anna, provider):
    assert (await anna.post("/channels/1/balance")).status == 403
    assert provider.asked == []


async def test_a_channel_with_another_key_has_no_balance_and_its_tag_does_not_follow_the_balance(channel):
    before = (await channel.get("/channels/1")).headers["etag"]
    await channel.post("/channels/1/balance")
    assert (await channel.get("/channels/1")).headers["etag"] == before
    assert (await channel.patch("/channels/1", {"priority": 7})).json["balance"]["amounts"] == SHOWN
    assert (await channel.patch("/channels/1", {"key": "sk-another-key"})).json["balance"] is None
    assert (await channel.patch("/channels/1", {"key": KEY})).json["balance"]["amounts"] == SHOWN


async def test_a_refused_key_is_passed_over(channel, provider):
    refused = json_answer({"error": {"message": "no"}}, 401)
    await channel.patch("/channels/1", {"key": f"sk-bad\n{KEY}"})
    provider.script = lambda asked: (refused if asked.header("authorization") == "Bearer sk-bad" else LEFT,)
    await channel.post("/channels/1/test", {})
    async with asyncio.timeout(5):
        while not (await channel.get("/channels/1/health")).json["refused"]:  # noqa: ASYNC110  kept in a task
            await asyncio.sleep(0.01)
    assert (await channel.post("/channels/1/balance")).json["amounts"] == SHOWN
    assert provider.asked[-1].header("authorization") == f"Bearer {KEY}"


FAILURES = [
    ((json_answer({"error": {"message": f"bad key {KEY}", "type": "authentication_error"}}, 401),),
     "credential: bad key [...]"),
    ((json_answer({"error": {"message": "slow down"}}, 429),), "rate: slow down"),
    ((json_answer({"error": {"message": "out of order"}}, 500),), "fault: out of order"),
    ((json_answer(b"<html>hello</html>"),), "fault: the answer does not say what is left of the account"),
    ((json_answer({"balance_infos": []}),), "fault: the answer does not say what is left of the account"),
    ((json_answer({"pad": "x" * 70_000}),), "fault: the provider's answer is too long"),
    ((LEFT[:-9], CUT), "fault: "),
    ((CUT,), "fault: "),
]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "said"), FAILURES, ids=["key", "rate", "status", "page", "no rows", "too long", "half", "cut"]
)
async def test_a_provider_that_fails_is_told_of_and_leaves_what_was_known(channel, provider, answer, said):
    kept = (await channel.post("/channels/1/balance")).json
    provider.says(*answer)
    told = await channel.post("/channels/1/balance")
    assert (told.status, told.error["code"]) == (424, "provider_failed")
    assert told.error["message"].startswith(said)
    assert KEY not in told.body.decode()
    assert (await channel.get("/channels/1")).json["balance"] == kept
    assert (await channel.get("/channels/1")).json["health"]["refused"] == []


async def test_a_provider_that_is_silent_is_given_up(channel, gateway, provider):
    provider.says(asyncio.Event())
    await gateway.live.catch_up()
    chosen = gateway.live.snapshot.usable[1]
    with pytest.raises(UpstreamError, match=r"no answer within 0\.05 s") as caught:
        await balances(gateway.front._relay, chosen, 0.05)
    assert caught.value.status == 504


async def test_an_address_that_is_not_reached_from_here_is_not_asked(tmp_path, provider):
    settings = {"admin": {"key": ADMIN_KEY}, "upstream": {"private": False}}
    async with support.gateway(tmp_path, **settings) as gateway:
        root = Client(gateway, f"Bearer {ADMIN_KEY}")
        await root.post("/channels", {**CHANNEL, "base_url": provider.url})
        told = await root.post("/channels/1/balance")
        assert (told.status, provider.connections) == (424, 0)
        assert "not reached from here" in told.error["message"]


async def test_what_cannot_be_asked_says_so(root, provider):
    await root.post("/channels", {**CHANNEL, "type": "groq", "base_url": provider.url})
    told = await root.post("/channels/1/balance")
    assert (told.status, told.error["param"]) == (400, "id")
    assert told.error["message"] == "id: Groq has no call that tells a balance"
    assert (await root.post("/channels/9/balance")).status == 404
    assert provider.asked == []


async def test_adapters_say_whether_their_provider_can_be_asked(root):
    can = {one["name"]: one["has_balance"] for one in (await root.get("/adapters")).json["data"]}
    assert (can["deepseek"], can["openai"], can["groq"], can["anthropic"]) == (True, True, False, False)


async def test_a_gateway_like_this_one_is_asked_as_one_api_is(gateway, root, provider):
    """Ours behind ours: what a token has left there is the channel's balance here."""
    made = (await root.post("/users", {"name": "reseller", "quota": 1_250_000})).json
    key = (await root.post("/tokens", {"name": "t", "user_id": made["id"], "quota": None})).json["key"]
    base = f"http://127.0.0.1:{gateway.port}/v1"
    await root.post("/channels", {**CHANNEL, "type": "openai", "key": key, "base_url": base})
    told = await root.post("/channels/1/balance")
    assert told.json["amounts"] == [{"currency": "USD", "amount": "2.5", "micros": 2_500_000}]


# AI Proxy's way.


async def asked(gateway, path):
    request = gateway.request(path, None, "GET", f"Authorization: Bearer {ADMIN_KEY}\r\n", "none")
    answer = support.parse_answer(await gateway.raw(request))
    assert answer.status == 200
    return answer.json


async def test_ai_proxy_s_clients_get_the_number(channel, gateway, provider):
    told = await asked(gateway, "/api/channel/1/update_balance")
    assert told == {"success": True, "message": "", "data": 110.05}
    shown = (await asked(gateway, "/api/channel/1"))["data"]
    assert shown["balance"] == 110.05
    assert shown["balance_updated_at"] % 1000 == 0 < shown["balance_updated_at"]
    provider.says(json_answer({"error": {"message": f"bad {KEY}"}}, 401))
    told = await asked(gateway, "/api/channel/1/update_balance")
    assert (told["success"], told["message"]) == (False, "bad [...]")


async def test_ai_proxy_s_clients_ask_for_all_at_once_and_are_told_what_cannot_be(channel, gateway, provider):
    await channel.post("/channels", {**CHANNEL, "type": "groq", "base_url": provider.url})
    await channel.post("/channels", {**CHANNEL, "status": "disabled", "base_url": provider.url})
    assert (await asked(gateway, "/api/channels/update_balance"))["success"]
    assert len(provider.asked) == 1
    balances = [one["balance"] for one in (await asked(gateway, "/api/channels/all"))["data"]]
    assert balances == [110.05, 0, 0]
    told = await asked(gateway, "/api/channel/2/update_balance")
    assert (told["success"], told["message"]) == (False, "Groq has no call that tells a balance")
