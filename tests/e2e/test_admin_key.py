"""The admin key as a client's key, and the header by which administrators choose a channel."""

import asyncio

import pytest
import support
from canalgate.proxy.records import ENABLED, ROLE_ROOT, ROLE_USER, User
from canalgate.proxy.store.accounts import State
from canalgate.proxy.store.audit import lasting

ADMIN = "sk-the-admin-key-2024"
FRESH = State(None, 0, 0, 0)
GOOD = {"choices": [{"message": {"content": "hi"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}


@pytest.fixture
async def gateway(tmp_path, provider):
    provider.says(support.json_answer(GOOD))
    async with support.gateway(tmp_path, admin={"key": ADMIN}) as made:
        await made.add_channel(provider, "m")
        yield made


async def ask(gateway, key, fields="", model="m"):
    body = {"model": model, "messages": []}
    return await gateway.post("/v1/chat/completions", body, headers=fields, key=key)


@pytest.mark.parametrize("key", [ADMIN, "the-admin-key-2024"])
async def test_the_admin_key_relays_as_a_root_users_and_is_kept_nowhere(gateway, key):
    assert (await ask(gateway, key)).status == 200
    (token,) = [token for token in await gateway.parts.store.tokens() if token.name == "admin key"]
    (user,) = [user for user in await gateway.parts.store.users() if user.id == token.user_id]
    assert (user.name, user.role, user.password_hash, token.hint) == ("admin key", ROLE_ROOT, "", "")
    assert token.key_hash != gateway.parts.vault.token_hash(ADMIN.removeprefix("sk-"))


async def test_the_token_of_the_admin_key_is_made_once(gateway):
    for _ in range(3):
        assert (await ask(gateway, ADMIN)).status == 200
        await gateway.add_token()  # what was known of tokens is looked up again
    assert [token.name for token in await gateway.parts.store.tokens()].count("admin key") == 1


async def test_the_admin_key_has_no_end_where_the_root_user_has_one(tmp_path, provider):
    provider.says(support.json_answer(GOOD))
    prices = {"unpriced": "default", "default_prompt": "1000"}
    async with support.gateway(tmp_path, admin={"key": ADMIN}, prices=prices) as made:
        await made.add_channel(provider, "m")
        await made.parts.store.accounts.set_balance("user:1", 100, "test", 1)
        assert (await ask(made, ADMIN)).headers["x-canalgate-cost"] == "500"
        store = made.parts.store
        async with asyncio.timeout(5):
            while (states := await store.accounts.states()).get("token:2", FRESH).used != 500:  # noqa: ASYNC110  so it is
                await asyncio.sleep(0.02)
        assert (states["user:1"].balance, states["user:2"].used) == (100, 500)
        assert await lasting(store) == []


async def test_a_user_who_has_the_name_already_does_not_get_the_admin_key(gateway):
    user = User(0, "admin key", ROLE_USER, "default", ENABLED, 1)
    await gateway.parts.store.add_user(user)
    assert (await ask(gateway, ADMIN)).status == 200
    (token,) = [token for token in await gateway.parts.store.tokens() if token.name == "admin key"]
    assert token.user_id == 1


@pytest.mark.parametrize(
    "key", ["the-admin-key", "sk-the-admin-key-2025", "sk-sk-the-admin-key-2024", "admin key"]
)
async def test_what_is_like_the_admin_key_is_not_it(gateway, key):
    assert (await ask(gateway, key)).status == 401


async def test_an_admin_key_of_before_is_good_for_nothing(tmp_path, provider):
    for key, status in ((ADMIN, 200), ("sk-another", 401)):
        provider.says(support.json_answer(GOOD))
        async with support.gateway(tmp_path / key, admin={"key": key}) as made:
            await made.add_channel(provider, "m")
            assert (await ask(made, ADMIN)).status == status


@pytest.fixture
async def disabled(gateway):
    """A disabled channel whose provider answers otherwise; `up` is its name of a model."""
    async with support.provider(support.json_answer({**GOOD, "id": "disabled"})) as other:
        row = await gateway.add_channel(other, "n", status="disabled", mapping={"m": "up"})
        yield row.id, other


async def test_a_disabled_channel_is_tested_with_its_own_mapping(gateway, disabled):
    number, other = disabled
    for key in (ADMIN, gateway.key):
        answer = await ask(gateway, key, f"Aiproxy-Channel: {number}\r\n")
        assert (answer.status, answer.json["id"]) == (200, "disabled")
    assert [asked.json["model"] for asked in other.asked] == ["up", "up"]
    assert other.asked[0].header("aiproxy-channel") is None


async def test_a_pinned_channel_that_fails_leads_to_no_other(gateway, provider, disabled):
    number, other = disabled
    other.says(support.json_answer({"error": {"message": "down"}}, 500))
    assert (await ask(gateway, ADMIN, f"Aiproxy-Channel: {number}\r\n")).status == 502
    assert provider.asked == []


async def test_a_client_may_not_choose_a_channel(gateway, disabled):
    answer = await ask(gateway, await gateway.add_token(), f"Aiproxy-Channel: {disabled[0]}\r\n")
    assert (answer.status, answer.error["code"]) == (403, "channel_not_allowed")


@pytest.mark.parametrize("value", ["", "0", "-1", "x", "1, 2", "1.0", "٣", "9" * 40])
async def test_a_header_that_names_no_channel_is_refused(gateway, provider, value):
    fields = f"Aiproxy-Channel: {value}\r\n".encode().decode("latin-1")
    assert (await ask(gateway, ADMIN, fields)).status == 400
    assert provider.asked == []


async def test_a_channel_that_is_not_there_is_refused(gateway):
    assert (await ask(gateway, ADMIN, "Aiproxy-Channel: 77\r\n")).error["code"] == "channel_not_usable"


@pytest.mark.parametrize("mode", ["own", "group", "group-only", "group_only", " OWN "])
async def test_channels_of_a_groups_own_are_never_other_peoples(gateway, provider, mode):
    answer = await ask(
        gateway, ADMIN, f"X-Aiproxy-Group: fastgpt:tmb:1\r\nX-Aiproxy-Group-Channel-Mode: {mode}\r\n"
    )
    assert (answer.status, "no available channel" in answer.error["message"]) == (404, True)
    assert provider.asked == []


async def test_channels_of_everybody_are_served(gateway):
    assert (await ask(gateway, ADMIN, "X-Aiproxy-Group-Channel-Mode: global\r\n")).status == 200
