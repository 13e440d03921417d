"""One API's management API: transcripts of what programs send to it and are answered, over HTTP."""

import asyncio
import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import pytest
import support
from canalgate.proxy.admin import aiproxy
from canalgate.proxy.admin.oneapi.routes import PAGES, ROUTES, SHARED
from canalgate.proxy.admin.oneapi.user import NO_LIMIT
from canalgate.proxy.config import Admin, Config, Data
from canalgate.proxy.host import first_start, opened
from canalgate.proxy.pricing import Price
from canalgate.proxy.records import DISABLED, ENABLED, ROLES, User
from canalgate.proxy.store.requests import Filters
from canalgate.proxy.vault import hash_password

PAGE = Path(__file__).resolve().parents[2] / "docs" / "one-api.md"
ADMIN_KEY = "the-admin-key-of-this-test"
PASSWORD = "correct horse"
REPLY = support.json_answer(
    {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010},
    }
)  # fmt: skip


@dataclass
class Console:
    """A program that acts for a user by their access token; by nobody's where it is empty."""

    gateway: support.Gateway
    token: str = ""
    user: User | None = None
    bearer: str = "Bearer "

    async def send(self, method, path, body=None, headers=""):
        auth = f"Authorization: {self.bearer}{self.token}\r\n" if self.token else ""
        request = self.gateway.request(path, body, method, headers + auth, "none")
        return support.parse_answer(await self.gateway.raw(request))

    async def ask(self, method, path, body=None):
        """Send, and return what is under `data` of a success."""
        answer = await self.send(method, path, body)
        assert answer.status == 200, answer.body
        assert answer.json["success"] is True, answer.json
        assert answer.json["message"] == ""
        return answer.json.get("data")

    async def refused(self, method, path, body=None):
        """Send, and return the message of a failure, which has status 200."""
        answer = await self.send(method, path, body)
        assert answer.status == 200, answer.body
        assert answer.json["success"] is False, answer.json
        assert "data" not in answer.json
        return answer.json["message"]

    async def only(self, path):
        """The one row of a list."""
        (row,) = await self.ask("GET", path)
        return row


async def console_of(gateway, name, role, **fields):
    store, vault = gateway.parts.store, gateway.parts.vault
    user = await store.user(name)
    if user is None:
        quota = fields.pop("quota", None)
        user = await store.add_user(User(0, name, ROLES[role], "default", ENABLED, 1, **fields), quota)
    token = secrets.token_hex(16)
    await store.sessions.set_access_token(user.id, vault.token_hash(token), 1)
    await gateway.live.catch_up()
    return Console(gateway, token, user)


@pytest.fixture
async def gateway(tmp_path):
    async with support.gateway(tmp_path, admin={"key": ADMIN_KEY}) as made:
        yield made


@pytest.fixture
async def root(gateway):
    return await console_of(gateway, "root", "root")


@pytest.fixture
async def admin(gateway):
    return await console_of(gateway, "anne", "admin")


@pytest.fixture
async def user(gateway):
    return await console_of(gateway, "bob", "user", quota=1_000_000)


def chat(model="m"):
    return {"model": model, "messages": [{"role": "user", "content": "hi"}]}


# Who may ask for what.

PLACES = sorted(PAGES)


def path_of(pattern):
    return pattern.replace(r"{id:\d{1,17}}", "1")


def least_role(place):
    return PAGES[place][0]


async def answers_of(console, places, slash=""):
    """What each of these places answers, by place."""
    return {place: await console.send(place[0], path_of(place[1]) + slash, {}) for place in places}


def above(role):
    return [place for place in PLACES if least_role(place) > role]


async def test_pages_of_users_say_401_to_whoever_says_nothing(gateway):
    answers = await answers_of(Console(gateway), above(0))
    assert not {place for place, answer in answers.items() if answer.status != 401 or answer.json["success"]}


async def test_a_token_that_is_none_is_refused_with_status_200(gateway):
    answers = await answers_of(Console(gateway, "0" * 32), above(0))
    said = {(answer.json["success"], answer.json["message"]) for answer in answers.values()}
    assert said == {(False, "this is neither the admin key nor an access token")}
    assert {place for place, answer in answers.items() if answer.status != 200} == SHARED


def test_the_places_that_ai_proxy_has_too_are_known():
    assert set(ROUTES) & set(aiproxy.ROUTES) == SHARED


@pytest.mark.parametrize("role", ["user", "admin"])
async def test_pages_of_higher_roles_are_refused(gateway, role):
    answers = await answers_of(await console_of(gateway, "somebody", role), above(ROLES[role]))
    said = {(answer.status, answer.json["success"], answer.json["message"]) for answer in answers.values()}
    assert said == {(200, False, "your role is not enough for this")}


@pytest.mark.parametrize("role", ["user", "admin", "root"])
async def test_pages_of_a_role_answer_it(gateway, role):
    console = await console_of(gateway, "root" if role == "root" else "somebody", role)
    answers = await answers_of(console, [place for place in PLACES if place not in above(ROLES[role])])
    refused = "your role is not enough for this"
    assert not {place for place, answer in answers.items() if answer.json.get("message") == refused}


@pytest.mark.parametrize("slash", ["", "/"])
async def test_pages_are_there_with_and_without_a_last_slash(root, slash):
    places = [place for place in PLACES if place[1] != "/api/user/token"]  # it ends what root asks by
    answers = await answers_of(root, places, slash)
    assert {answer.status for answer in answers.values()} == {200}
    assert {answer.json.get("success", True) for answer in answers.values()} == {True, False}


def is_list(place):
    unlike = ("/api/channel/test", "/api/channel/update_balance", "/api/user/logout")
    return place[0] == "GET" and "{id" not in place[1] and place[1] not in unlike


async def test_every_list_answers_the_root_user(root):
    answers = await answers_of(root, [place for place in PLACES if is_list(place)])
    assert not {place for place, answer in answers.items() if "data" not in answer.json}


async def test_the_admin_key_acts_as_the_root_user(gateway, root):
    by_key = Console(gateway, ADMIN_KEY)
    assert (await by_key.ask("GET", "/api/user/self"))["id"] == root.user.id
    await by_key.ask("POST", "/api/token/", {"name": "made by the key"})
    assert "made by the key" in [token["name"] for token in await root.ask("GET", "/api/token/")]


async def test_an_access_token_works_without_bearer(root):
    assert (await replace(root, bearer="").ask("GET", "/api/user/self"))["username"] == "root"


async def test_an_account_that_is_disabled_is_refused(gateway, user):
    await gateway.parts.store.change_user(replace(user.user, status=DISABLED))
    assert "disabled" in await user.refused("GET", "/api/user/self")


# What anybody may read.


async def test_the_status_page_says_what_programs_look_for(gateway):
    data = await Console(gateway).ask("GET", "/api/status")
    assert data["quota_per_unit"] == 500_000
    assert data["display_in_currency"] is True
    assert {"version", "start_time", "system_name", "email_verification", "chat_link", "oidc"} <= set(data)


@pytest.mark.parametrize("path", ["/api/notice", "/api/about", "/api/home_page_content"])
async def test_a_text_of_the_operator_is_empty(gateway, path):
    assert await Console(gateway).ask("GET", path) == ""


async def test_nobody_can_register(gateway):
    said = await Console(gateway).refused(
        "POST", "/api/user/register", {"username": "x", "password": PASSWORD}
    )
    assert "administrators" in said


# Logging in.


@pytest.fixture
async def carol(gateway):
    hashed = await asyncio.to_thread(hash_password, PASSWORD)
    return await console_of(gateway, "carol", "user", password_hash=hashed, quota=5)


def cookie_of(answer):
    return f"Cookie: {answer.headers['set-cookie'].partition(';')[0]}\r\n"


async def test_who_logs_in_is_known_by_the_cookie_until_the_logout(gateway, carol):
    nobody = Console(gateway)
    answer = await nobody.send("POST", "/api/user/login", {"username": "carol", "password": PASSWORD})
    assert answer.json["data"] == {
        "id": carol.user.id, "username": "carol", "display_name": "carol", "role": 1, "status": 1,
        "email": "", "group": "default",
    }  # fmt: skip
    assert "httponly" in answer.headers["set-cookie"].lower()
    cookie = cookie_of(answer)
    shown = await nobody.send("GET", "/api/user/self", headers=cookie)
    assert shown.json["data"]["username"] == "carol"
    assert (await nobody.send("GET", "/api/user/logout", headers=cookie)).json["success"] is True
    assert (await nobody.send("GET", "/api/user/self", headers=cookie)).status == 401


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"username": "carol", "password": "wrong"}, "wrong name or password"),
        ({"username": "nobody", "password": PASSWORD}, "wrong name or password"),
        ({"username": "carol"}, "wrong name or password"),
        ({"username": ["carol"], "password": PASSWORD}, "username: expected a text"),
        ({"username": "carol", "password": 5}, "password: expected a text"),
        (b"username=carol", "body: expected a JSON object"),
        ([], "body: expected a JSON object"),
    ],
)
async def test_a_login_that_fails_says_so_with_status_200(gateway, carol, body, said):
    answer = await Console(gateway).send("POST", "/api/user/login", body)
    assert (answer.status, answer.json["success"]) == (200, False)
    assert answer.json["message"] == said
    assert "set-cookie" not in answer.headers


async def test_who_guesses_passwords_is_told_to_wait(gateway):
    console = Console(gateway)
    body = {"username": "root", "password": ""}
    answers = [await console.send("POST", "/api/user/login", body) for _ in range(8)]
    assert answers[-1].status == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].json["success"] is False


async def test_a_write_from_a_page_of_another_site_is_refused(gateway, carol):
    nobody = Console(gateway)
    answer = await nobody.send("POST", "/api/user/login", {"username": "carol", "password": PASSWORD})
    headers = cookie_of(answer) + "Origin: https://elsewhere.example\r\n"
    answer = await nobody.send("POST", "/api/token/", {"name": "stolen"}, headers)
    assert answer.json["success"] is False
    assert await carol.ask("GET", "/api/token/") == []


async def test_a_new_access_token_takes_the_place_of_the_old_one(carol):
    token = await carol.ask("GET", "/api/user/token")
    assert len(token) == 32
    assert (await replace(carol, token=token).ask("GET", "/api/user/self"))["username"] == "carol"
    assert "access token" in await carol.refused("GET", "/api/user/self")


async def test_a_password_that_is_changed_ends_the_sessions(gateway, carol):
    nobody = Console(gateway)
    cookie = cookie_of(
        await nobody.send("POST", "/api/user/login", {"username": "carol", "password": PASSWORD})
    )
    await carol.ask(
        "PUT", "/api/user/self", {"username": "carol", "display_name": "C", "password": "battery staple"}
    )
    assert (await nobody.send("GET", "/api/user/self", headers=cookie)).status == 401
    answer = await nobody.send("POST", "/api/user/login", {"username": "carol", "password": "battery staple"})
    assert answer.json["success"] is True


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"password": "short"}, "password: expected 8"),
        ({"password": "x" * 1000}, "password: expected 8"),
        ({"username": "dora"}, "username: a user keeps the name"),
    ],
)
async def test_an_own_account_changes_only_as_it_may(carol, body, said):
    assert (await carol.refused("PUT", "/api/user/self", body)).startswith(said)


async def test_an_own_account_shows_every_field_of_one_api_and_no_secret(carol):
    shown = await carol.ask("GET", "/api/user/self")
    assert shown == {
        "id": carol.user.id, "username": "carol", "password": "", "display_name": "carol", "role": 1,
        "status": 1, "email": "", "github_id": "", "wechat_id": "", "lark_id": "", "oidc_id": "",
        "verification_code": "", "access_token": "", "quota": 5, "used_quota": 0, "request_count": 0,
        "group": "default", "aff_code": "carol", "inviter_id": 0,
    }  # fmt: skip


# Tokens.


async def test_a_token_is_made_used_switched_and_deleted(gateway, provider, user):
    await gateway.add_channel(provider, "m")
    provider.says(REPLY)
    made = await user.ask("POST", "/api/token/", {"name": "app", "unlimited_quota": True, "expired_time": -1})
    key, number = made["key"], made["id"]
    assert len(key) == 48
    assert (await gateway.post("/v1/chat/completions", chat(), key=f"sk-{key}")).status == 200
    shown = await user.only("/api/token/")
    assert shown == {**made, "key": "*" * 44 + key[-4:]}
    assert {name: shown[name] for name in ("status", "expired_time", "remain_quota", "unlimited_quota")} == {
        "status": 1, "expired_time": -1, "remain_quota": -1, "unlimited_quota": True,
    }  # fmt: skip
    off = await user.ask("PUT", "/api/token/?status_only=true", {"id": number, "status": 2})
    assert off["status"] == 2
    assert (await gateway.post("/v1/chat/completions", chat(), key=f"sk-{key}")).status == 401
    await user.ask("PUT", "/api/token/?status_only=true", {"id": number, "status": 1})
    assert (await gateway.post("/v1/chat/completions", chat(), key=f"sk-{key}")).status == 200
    await user.ask("DELETE", f"/api/token/{number}/")
    assert (await gateway.post("/v1/chat/completions", chat(), key=f"sk-{key}")).status == 401
    assert await user.ask("GET", "/api/token/") == []


async def test_a_change_of_a_token_changes_what_is_sent(user):
    sent = {
        "name": "app",
        "remain_quota": 500,
        "models": "a,b",
        "subnet": "10.0.0.0/8",
        "expired_time": 4_000_000_000,
    }
    made = await user.ask("POST", "/api/token/", sent)
    assert {name: made[name] for name in sent} == sent
    assert made["status"] == 1
    changed = await user.ask("PUT", "/api/token/", {"id": made["id"], "name": "other"})
    assert {**changed, "name": "app", "key": made["key"]} == made
    changed = await user.ask(
        "PUT", "/api/token/", {**changed, "models": "", "subnet": None, "remain_quota": 0, "status": 2}
    )
    assert (changed["models"], changed["subnet"], changed["remain_quota"]) == ("", "10.0.0.0/8", 0)
    assert changed["status"] == 4  # nothing is left; a status is changed with status_only alone
    changed = await user.ask(
        "PUT", "/api/token/", {"id": made["id"], "unlimited_quota": True, "expired_time": 1}
    )
    assert (changed["unlimited_quota"], changed["status"]) == (True, 3)


async def test_a_token_that_is_shown_and_sent_back_stays_as_it_is(gateway, user):
    made = await user.ask("POST", "/api/token/", {"name": "app", "remain_quota": 7, "models": "m"})
    shown = await user.ask("GET", f"/api/token/{made['id']}")
    before = await gateway.parts.store.token(made["id"])
    assert await user.ask("PUT", "/api/token/", shown) == shown
    assert await gateway.parts.store.token(made["id"]) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"remain_quota": 0}, "the token has nothing left"),
        ({"expired_time": 1}, "the token has expired"),
    ],
)
async def test_a_token_that_cannot_work_is_not_enabled(user, change, said):
    made = await user.ask("POST", "/api/token/", {"name": "app", "remain_quota": 5})
    await user.ask("PUT", "/api/token/?status_only=true", {"id": made["id"], "status": 2})
    await user.ask("PUT", "/api/token/", {"id": made["id"], **change})
    assert said in await user.refused("PUT", "/api/token/?status_only=true", {"id": made["id"], "status": 1})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 192}, "name"),
        ({"name": 5}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "a", "remain_quota": -5}, "remain_quota"),
        ({"name": "a", "remain_quota": "many"}, "remain_quota"),
        ({"name": "a", "remain_quota": 1.5}, "remain_quota"),
        (b'{"name":"a","remain_quota":1000000000000000000000000000000}', "remain_quota"),
        ({"name": "a", "unlimited_quota": "yes"}, "unlimited_quota"),
        ({"name": "a", "subnet": "nowhere"}, "subnets"),
        ({"name": "a", "subnet": "10.0.0.0/99"}, "subnets"),
        ({"name": "a", "models": ["m"]}, "models"),
        ({"name": "a", "expired_time": "soon"}, "expired_time"),
        ({"name": "a", "expired_time": -7}, "expired_time"),
        (b"{", "body"),
    ],
)
async def test_a_token_that_makes_no_sense_is_refused_by_its_field(user, body, field):
    assert (await user.refused("POST", "/api/token/", body)).startswith(f"{field}: ")
    assert await user.ask("GET", "/api/token/") == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/token/{}", None),
        ("PUT", "/api/token/", {"name": "mine"}),
        ("PUT", "/api/token/?status_only=true", {"status": 2}),
        ("DELETE", "/api/token/{}", None),
    ],
)
async def test_a_token_of_somebody_else_is_not_there(user, admin, method, path, body):
    made = await user.ask("POST", "/api/token/", {"name": "app"})
    body = {"id": made["id"], **body} if body is not None else None
    assert await admin.refused(method, path.format(made["id"]), body) == f"there is no token {made['id']}"
    assert (await user.only("/api/token/"))["status"] == 4


async def test_tokens_come_ten_a_page_newest_first(user):
    for number in range(12):
        await user.ask("POST", "/api/token/", {"name": f"t{number}", "remain_quota": number % 5})
    pages = [[token["name"] for token in await user.ask("GET", f"/api/token/?p={page}")] for page in range(3)]
    assert pages == [[f"t{number}" for number in range(11, 1, -1)], ["t1", "t0"], []]
    found = await user.ask("GET", "/api/token/search?keyword=t1")
    assert [token["name"] for token in found] == ["t11", "t10", "t1"]
    quotas = [token["remain_quota"] for token in await user.ask("GET", "/api/token/?order=remain_quota")]
    assert quotas == [4, 4, 3, 3, 2, 2, 1, 1, 1, 0]


@pytest.mark.parametrize("query", ["p=x", "p=99999999", "order=key", "p=1.5"])
async def test_a_page_or_order_that_is_none_is_refused(user, query):
    assert (await user.refused("GET", f"/api/token/?{query}")).startswith(query.partition("=")[0])


# Channels.

CHANNEL = {"name": "one", "type": 1, "key": "sk-secret", "models": "m,n", "group": "default,vip"}


async def test_a_channel_is_made_for_each_line_of_the_key(gateway, admin):
    await admin.ask("POST", "/api/channel/", {**CHANNEL, "key": "sk-one\n\n sk-two \r\nsk-three"})
    rows = await gateway.parts.store.channels()
    assert [row.key for row in rows] == ["sk-one", "sk-two", "sk-three"]
    assert {(row.name, row.type, row.models, row.groups) for row in rows} == {
        ("one", "openai", ("m", "n"), ("default", "vip"))
    }


async def test_a_channel_shows_every_field_of_one_api_and_no_key(admin):
    await admin.ask("POST", "/api/channel/", {**CHANNEL, "model_mapping": '{"m":"x"}', "priority": 3})
    shown = await admin.only("/api/channel/")
    assert shown == {
        "id": shown["id"], "type": 1, "key": "", "status": 1, "name": "one", "weight": 1,
        "created_time": shown["created_time"], "test_time": 0, "response_time": 0, "base_url": "",
        "other": "", "balance": 0, "balance_updated_time": 0, "models": "m,n", "group": "default,vip",
        "used_quota": 0,
        "model_mapping": '{"m":"x"}', "priority": 3, "config": "", "system_prompt": "",
    }  # fmt: skip
    assert await admin.ask("GET", f"/api/channel/{shown['id']}") == shown
    assert await admin.ask("GET", "/api/channel/search?keyword=on") == [shown]
    assert await admin.ask("GET", f"/api/channel/search?keyword={shown['id']}") == [shown]
    assert await admin.ask("GET", "/api/channel/search?keyword=%25") == []


KINDS = [
    # type, base URL, key, config -> adapter, base URL, key
    (1, "", "k", "", "openai", "", "k"),
    (8, "https://a.example", "k", "", "openai", "https://a.example/v1", "k"),
    (50, "https://a.example/v2", "k", "", "openai", "https://a.example/v2", "k"),
    (6, "", "k", "", "openai", "https://api.openaimax.com/v1", "k"),
    (
        3,
        "https://r.openai.azure.com",
        "k",
        '{"api_version":"2024-06-01"}',
        "azure",
        "https://r.openai.azure.com",
        "k",
    ),
    (14, "", "k", "", "anthropic", "", "k"),
    (14, "https://a.example", "k", "", "anthropic", "https://a.example/v1", "k"),
    (15, "", "a|b", "", "wenxin", "", "a|b"),
    (16, "", "id.secret", "", "zhipu", "", "id.secret"),
    (17, "", "k", "", "dashscope-compatible", "", "k"),
    (24, "", "k", "", "gemini", "", "k"),
    (30, "", "k", "", "ollama-native", "", "k"),
    (33, "", "", '{"region":"us-east-1","ak":"a","sk":"b"}', "bedrock", "", "a|b"),
    (36, "", "k", "", "deepseek", "", "k"),
    (40, "", "k", "", "doubao", "", "k"),
    (48, "", "k", "", "spark", "", "k"),
]


@pytest.mark.parametrize(("kind", "base_url", "key", "config", "adapter", "ours", "kept"), KINDS)
async def test_a_type_of_one_api_becomes_an_adapter(
    gateway, admin, kind, base_url, key, config, adapter, ours, kept
):
    sent = {**CHANNEL, "type": kind, "base_url": base_url, "key": key, "config": config}
    await admin.ask("POST", "/api/channel/", sent)
    (row,) = await gateway.parts.store.channels()
    assert (row.type, row.base_url, row.key) == (adapter, ours, kept)


@pytest.mark.parametrize(("kind", "base_url", "key", "config", "adapter", "ours", "kept"), KINDS)
async def test_a_channel_that_is_shown_and_sent_back_stays_as_it_is(
    gateway, admin, kind, base_url, key, config, adapter, ours, kept
):
    sent = {**CHANNEL, "type": kind, "base_url": base_url, "key": key, "config": config}
    await admin.ask("POST", "/api/channel/", sent)
    shown, (row,) = await admin.only("/api/channel/"), await gateway.parts.store.channels()
    assert await admin.ask("PUT", "/api/channel/", shown) == shown
    assert await gateway.parts.store.channels() == [row]


@pytest.mark.parametrize("kind", ["perplexity", "vllm", "dify", "chatglm", "hunyuan", "ppio"])
async def test_a_channel_of_an_adapter_that_one_api_has_not_survives_being_sent_back(gateway, admin, kind):
    row = await gateway.add_channel("", "m", type=kind, base_url="https://a.example/v9", key="a.b")
    await admin.ask("PUT", "/api/channel/", {**await admin.only("/api/channel/"), "name": "renamed"})
    assert await gateway.parts.store.channels() == [replace(row, name="renamed")]


async def test_a_channel_changes_at_once_and_keeps_its_key(gateway, provider, admin):
    provider.says(REPLY)
    await admin.ask(
        "POST", "/api/channel/", {**CHANNEL, "type": 8, "base_url": provider.url.removesuffix("/v1")}
    )
    number = (await admin.only("/api/channel/"))["id"]
    assert (await gateway.chat("m")).status == 200
    shown = await admin.ask("PUT", "/api/channel/", {"id": number, "models": "other", "key": "", "weight": 0})
    assert (shown["models"], shown["weight"]) == ("other", 1)
    assert (await gateway.chat("m")).status == 404
    assert (await gateway.chat("other")).status == 200
    assert provider.asked[-1].header("authorization") == "Bearer sk-secret"
    await admin.ask("PUT", "/api/channel/", {"id": number, "key": "sk-new"})
    assert (await gateway.chat("other")).status == 200
    assert provider.asked[-1].header("authorization") == "Bearer sk-new"
    await admin.ask("PUT", "/api/channel/", {"id": number, "status": 2})
    assert (await gateway.chat("other")).status != 200
    assert await admin.ask("DELETE", "/api/channel/disabled") == 1
    assert await admin.ask("GET", "/api/channel/") == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"models": ""}, "models"),
        ({"type": 46}, "type"),
        ({"type": 43}, "type"),
        ({"type": 999}, "type"),
        ({"type": "x"}, "type"),
        ({"type": 3, "base_url": ""}, "channel"),
        ({"base_url": "ftp://x"}, "channel"),
        ({"model_mapping": "{"}, "model_mapping"),
        ({"model_mapping": '{"a":1}'}, "model_mapping"),
        ({"priority": 10**7}, "priority"),
        ({"status": 9}, "status"),
        ({"system_prompt": "be nice"}, "system_prompt"),
        ({"weight": 10**9}, "weight"),
    ],
)
async def test_a_channel_that_cannot_work_is_refused_by_its_field(admin, change, field):
    sent = {**CHANNEL, "key": "sk-secret-one\nsk-secret-two", **change}
    said = await admin.refused("POST", "/api/channel/", sent)
    assert said.startswith(f"{field}: ")
    assert "sk-secret" not in said
    assert await admin.ask("GET", "/api/channel/") == []


async def test_a_channel_is_tested_and_the_result_stands_beside_the_envelope(gateway, provider, admin):
    row = await gateway.add_channel(provider, "m", "n")
    provider.says(REPLY)
    answer = await admin.send("GET", f"/api/channel/test/{row.id}?model=n")
    assert (answer.json["success"], answer.json["modelName"]) == (True, "n")
    assert answer.json["time"] >= 0
    assert provider.asked[-1].json["model"] == "n"
    provider.says(support.json_answer({"error": {"message": "bad sk-upstream-secret"}}, 401))
    answer = await admin.send("GET", f"/api/channel/test/{row.id}")
    assert (answer.status, answer.json["success"], answer.json["modelName"]) == (200, False, "m")
    assert "sk-upstream-secret" not in answer.json["message"]


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/api/channel/7", "there is no channel 7"),
        ("GET", "/api/channel/test/7", "there is no channel 7"),
        ("DELETE", "/api/channel/7", "there is no channel 7"),
        ("GET", "/api/channel/test?scope=all", "one by one"),
        ("GET", "/api/channel/update_balance", "balances"),
        ("GET", "/api/channel/update_balance/7", "balances"),
        ("DELETE", "/api/log/?target_timestamp=1", "keep_days"),
        ("GET", "/api/redemption/7", "there is no code 7"),
        ("DELETE", "/api/redemption/7", "there is no code 7"),
        ("GET", "/api/user/77", "there is no user 77"),
        ("DELETE", "/api/user/77", "there is no user 77"),
    ],
)
async def test_what_is_not_there_is_said_to_be_missing(admin, method, path, said):
    assert said in await admin.refused(method, path)


async def test_the_models_of_all_types_and_of_all_channels_are_listed(gateway, admin, user):
    await gateway.add_channel("http://127.0.0.1:9/v1", "mine", "gpt-x")
    assert await user.ask("GET", "/api/user/models") == ["gpt-x", "mine"]
    assert await user.ask("GET", "/api/user/available_models/") == ["gpt-x", "mine"]
    by_type = await user.ask("GET", "/api/models")
    assert by_type["14"] and by_type["36"]
    answer = await admin.send("GET", "/api/channel/models")
    listed = {model["id"]: model["owned_by"] for model in answer.json["data"]}
    assert answer.json["object"] == "list"
    assert listed["mine"] == "custom"
    assert len(listed) > 50


# Users.


async def test_a_user_is_made_changed_and_deleted(gateway, root):
    await root.ask("POST", "/api/user/", {"username": "dora", "password": PASSWORD, "display_name": "Dora"})
    shown = (await root.ask("GET", "/api/user/search?keyword=do"))[0]
    assert (shown["username"], shown["role"], shown["status"], shown["quota"]) == ("dora", 1, 1, 0)
    answer = await Console(gateway).send(
        "POST", "/api/user/login", {"username": "dora", "password": PASSWORD}
    )
    assert answer.json["success"] is True
    await root.ask("PUT", "/api/user/", {**shown, "quota": 900, "group": "vip"})
    changed = await root.ask("GET", f"/api/user/{shown['id']}")
    assert changed == {**shown, "quota": 900, "group": "vip"}
    await root.ask("PUT", "/api/user/", {"id": shown["id"], "quota": 0})
    assert (await root.ask("GET", f"/api/user/{shown['id']}"))["quota"] == 0
    await root.ask("DELETE", f"/api/user/{shown['id']}")
    assert "dora" not in [user["username"] for user in await root.ask("GET", "/api/user/")]
    await root.ask("POST", "/api/user/", {"username": "dora", "password": PASSWORD})


async def test_a_deleted_user_s_keys_and_access_token_work_no_longer(gateway, provider, root, user):
    await gateway.add_channel(provider, "m")
    provider.says(REPLY)
    key = "sk-" + (await user.ask("POST", "/api/token/", {"name": "a", "unlimited_quota": True}))["key"]
    assert (await gateway.post("/v1/chat/completions", chat(), key=key)).status == 200
    assert await root.ask("POST", "/api/user/manage", {"username": "bob", "action": "delete"}) == {
        "role": 1,
        "status": 3,
    }
    assert (await gateway.post("/v1/chat/completions", chat(), key=key)).status == 401
    assert "access token" in await user.refused("GET", "/api/user/self")


@pytest.mark.parametrize(
    ("action", "result"),
    [
        ("disable", {"role": 1, "status": 2}),
        ("enable", {"role": 1, "status": 1}),
        ("promote", {"role": 10, "status": 1}),
        ("demote", {"role": 1, "status": 1}),
    ],
)
async def test_a_user_is_managed_by_name(gateway, root, user, action, result):
    assert await root.ask("POST", "/api/user/manage", {"username": "bob", "action": action}) == result
    kept = await gateway.parts.store.user("bob")
    assert (kept.role, kept.status == ENABLED) == (result["role"], result["status"] == 1)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"username": "bob", "action": "promote"}, "below your own role"),
        ({"username": "bob", "action": "crown"}, "action: expected"),
        ({"username": "anne", "action": "disable"}, "below your own role"),
        ({"username": "root", "action": "disable"}, "the root user stays"),
        ({"username": "root", "action": "delete"}, "below your own role"),
        ({"username": "nobody", "action": "enable"}, "there is no such user"),
        ({}, "there is no such user"),
    ],
)
async def test_an_administrator_manages_only_those_below(admin, user, body, said):
    assert said in await admin.refused("POST", "/api/user/manage", body)


@pytest.mark.parametrize("action", ["disable", "demote", "delete", "promote"])
async def test_the_root_user_stays_as_it_is(root, action):
    assert "root" in await root.refused("POST", "/api/user/manage", {"username": "root", "action": action})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"username": "", "password": PASSWORD}, "username: "),
        ({"username": "x", "password": "short"}, "password: "),
        ({"username": "x"}, "password: "),
        ({"username": "root", "password": PASSWORD}, "there is a user 'root' already"),
        ({"username": "x", "password": PASSWORD, "role": 10}, "below your own role"),
        ({"username": "x", "password": PASSWORD, "role": 7}, "role: "),
        ({"username": "x", "password": PASSWORD, "quota": -1}, "quota: "),
        ({"username": "x", "password": PASSWORD, "aff_code": "nobody"}, "aff_code: "),
        ({"username": "x", "password": PASSWORD, "group": "a\nb"}, "group: "),
    ],
)
async def test_a_user_that_makes_no_sense_is_refused(admin, body, said):
    before = await admin.ask("GET", "/api/user/")
    assert said in await admin.refused("POST", "/api/user/", body)
    assert await admin.ask("GET", "/api/user/") == before


async def test_users_come_newest_first_or_by_what_they_have(gateway, root):
    for number, quota in enumerate((5, 50, 7)):
        await console_of(gateway, f"u{number}", "user", quota=quota)
    assert [user["username"] for user in await root.ask("GET", "/api/user/")] == ["u2", "u1", "u0", "root"]
    by_quota = await root.ask("GET", "/api/user/?order=quota")
    assert [user["quota"] for user in by_quota] == [NO_LIMIT, 50, 7, 5]
    assert "order" in await root.refused("GET", "/api/user/?order=password")


async def test_a_user_without_limit_stays_so_when_sent_back(gateway, root, admin):
    shown = await root.ask("GET", f"/api/user/{admin.user.id}")
    assert shown["quota"] == NO_LIMIT
    await root.ask("PUT", "/api/user/", {**shown, "group": "vip"})
    kept = await gateway.parts.store.user("anne")
    assert (kept.limited, kept.group) == (False, "vip")


async def test_money_is_added_and_told_of_in_the_log(root, user):
    await root.ask("POST", "/api/topup", {"user_id": user.user.id, "quota": 250, "remark": "paid"})
    assert (await user.ask("GET", "/api/user/self"))["quota"] == 1_000_250
    (row,) = await user.ask("GET", "/api/log/self?type=1")
    assert (row["type"], row["quota"], row["username"]) == (1, 250, "bob")
    assert "paid" in row["content"]
    await root.ask("PUT", "/api/user/", {"id": user.user.id, "quota": 10})
    assert [row["quota"] for row in await root.ask("GET", "/api/log/?type=3&username=bob")] == [-1_000_240]
    assert "expected 0 or more" in await root.refused(
        "POST", "/api/topup", {"user_id": user.user.id, "quota": -1}
    )
    assert "no limit" in await root.refused("POST", "/api/topup", {"user_id": root.user.id, "quota": 1})


async def test_who_was_invited_and_who_has_invited_get_their_gifts(tmp_path):
    async with support.gateway(
        tmp_path, quota={"new_user": "100", "invited": "7", "inviter": "3"}
    ) as gateway:
        root, bob = (
            await console_of(gateway, "root", "root"),
            await console_of(gateway, "bob", "user", quota=0),
        )
        code = await bob.ask("GET", "/api/user/aff")
        await root.ask("POST", "/api/user/", {"username": "new", "password": PASSWORD, "aff_code": code})
        quotas = {user["username"]: user["quota"] for user in await root.ask("GET", "/api/user/")}
        assert (quotas["new"], quotas["bob"]) == (107, 3)
        assert len(await root.ask("GET", "/api/log/?type=4")) == 2


async def test_groups_are_those_of_users_channels_and_ratios(gateway, root):
    await console_of(gateway, "eve", "user")
    await gateway.add_channel("http://127.0.0.1:9/v1", "m", groups=("vip",))
    await gateway.parts.store.prices.set_group_ratio("cheap", 500_000)
    assert await root.ask("GET", "/api/group/") == ["cheap", "default", "vip"]


# Redemption codes.


async def test_a_code_is_made_redeemed_once_and_shown_without_itself(admin, user):
    codes = await admin.ask("POST", "/api/redemption/", {"name": "gift", "quota": 40, "count": 2})
    assert [len(code) for code in codes] == [32, 32]
    assert await user.ask("POST", "/api/user/topup", {"key": codes[0]}) == 40
    assert "used already" in await user.refused("POST", "/api/user/topup", {"key": codes[0]})
    assert (await user.ask("GET", "/api/user/self"))["quota"] == 1_000_040
    shown = await admin.ask("GET", "/api/redemption/")
    assert [code["status"] for code in shown] == [1, 3]
    assert shown[1]["redeemed_time"] > 0
    assert not {code["key"] for code in shown} & set(codes)
    assert [code["id"] for code in await admin.ask("GET", "/api/redemption/search?keyword=gi")] == [2, 1]


async def test_a_code_is_changed_switched_and_deleted(admin, user):
    (code,) = await admin.ask("POST", "/api/redemption/", {"name": "gift", "quota": 40, "count": 1})
    changed = await admin.ask("PUT", "/api/redemption/", {"id": 1, "name": "more", "quota": 60})
    assert (changed["name"], changed["quota"]) == ("more", 60)
    await admin.ask("PUT", "/api/redemption/?status_only=true", {"id": 1, "status": 2})
    assert "disabled" in await user.refused("POST", "/api/user/topup", {"key": code})
    await admin.ask("PUT", "/api/redemption/?status_only=true", {"id": 1, "status": 1})
    assert await user.ask("POST", "/api/user/topup", {"key": code}) == 60
    assert "was used" in await admin.refused("PUT", "/api/redemption/", {"id": 1, "quota": 5})
    await admin.ask("DELETE", "/api/redemption/1")
    assert await admin.ask("GET", "/api/redemption/") == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": "", "quota": 1}, "name: "),
        ({"name": "a", "quota": -1}, "worth more"),
        ({"name": "a", "count": 101}, "count: "),
        ({"name": "a", "count": 0}, "count: "),
        ({"name": "x" * 192}, "at most 191"),
        ({"name": "a", "quota": "much"}, "quota: "),
    ],
)
async def test_codes_that_make_no_sense_are_refused(admin, body, said):
    assert said in await admin.refused("POST", "/api/redemption/", body)
    assert await admin.ask("GET", "/api/redemption/") == []


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


# What is left behind, and what is written of it.


def test_the_page_tells_of_every_call():
    told = re.findall(r"`(GET|POST|PUT|DELETE) (/api/\S+)`", PAGE.read_text("utf-8"))
    plain = {(method, path.replace("{id}", r"{id:\d{1,17}}").rstrip("/")) for method, path in told}
    assert plain - {("GET", "/api/status")} == set(PAGES)


async def test_every_change_is_in_the_trail_without_a_secret(gateway, root, user):
    await root.ask("POST", "/api/channel/", CHANNEL)
    made = await user.ask("POST", "/api/token/", {"name": "app"})
    await root.ask("POST", "/api/user/", {"username": "new", "password": PASSWORD})
    deeds = await gateway.parts.store.trail.page(2**60, 10)
    assert [(deed.actor, deed.act) for deed in deeds] == [
        ("root", "create user"), ("bob", "create token"), ("root", "create channel"),
    ]  # fmt: skip
    assert not {"sk-secret", made["key"], PASSWORD} & set(str(deeds).split("'"))


async def test_tokens_of_the_environment_are_those_of_the_first_start(tmp_path):
    settings = Admin(root_token="sk-my-own-first-token", root_access_token="f" * 32)
    async with opened(Config(data=Data(dir=str(tmp_path)), admin=settings)) as parts:
        first = await first_start(parts)
        assert first.token_key == ""
        found = await parts.store.token_by_hash(parts.vault.token_hash("my-own-first-token"))
        assert found[1].name == "root"
        assert await parts.store.sessions.holder(parts.vault.token_hash("f" * 32)) == found[1].id
        assert await first_start(parts) is None
