"""One API's management API: who may ask for what, logging in, tokens; over HTTP."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest
from canalgate.proxy.admin import aiproxy
from canalgate.proxy.admin.oneapi.routes import PAGES, ROUTES, SHARED
from canalgate.proxy.config import Admin, Config, Data
from canalgate.proxy.host import first_start, opened
from canalgate.proxy.keys.vault import hash_password
from canalgate.proxy.records import DISABLED, ROLES
from oneapi import ADMIN_KEY, PASSWORD, REPLY, Console, chat, console_of

PAGE = Path(__file__).resolve().parents[3] / "docs" / "one-api.md"


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


# What is left behind, and what is written of it.


def test_the_page_tells_of_every_call():
    told = re.findall(r"`(GET|POST|PUT|DELETE) (/api/\S+)`", PAGE.read_text("utf-8"))
    plain = {(method, path.replace("{id}", r"{id:\d{1,17}}").rstrip("/")) for method, path in told}
    assert plain - {("GET", "/api/status")} == set(PAGES)


async def test_every_change_is_in_the_trail_without_a_secret(gateway, root, user):
    await root.ask("POST", "/api/channel/", {"name": "one", "type": 1, "key": "sk-secret", "models": "m"})
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
