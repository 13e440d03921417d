"""Setting up, logging in and out, and whom a request acts for."""

import asyncio
import re

import bcrypt
import pytest
import support
from admin_client import ADMIN_KEY, PASSWORD, Client, person
from canalgate.proxy.records import DISABLED


async def log_in(gateway, name="anna", password=PASSWORD, **headers):
    return await Client(gateway).post("/login", {"name": name, "password": password}, **headers)


def cookie_of(answer):
    return answer.headers["set-cookie"].partition(";")[0]


async def logged_in(gateway, name="anna"):
    answer = await log_in(gateway, name)
    assert answer.status == 200, answer.body
    return Client(gateway, cookie=cookie_of(answer))


async def test_the_admin_key_may_do_everything_and_is_nobody(root):
    me = (await root.get("/me")).json
    assert me == {"id": None, "name": "admin key", "role": "root", "group": None, "balance": None}


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer x", ADMIN_KEY[:-1], f"Basic {ADMIN_KEY}", "Bearer " + "x" * 5000, "Bearer ключ"],
)
async def test_another_key_is_none(gateway, authorization):
    value = authorization.encode().decode("latin-1")
    assert (await Client(gateway, value).get("/me")).status == 401


async def test_a_clients_token_is_no_key_of_the_admin_api(gateway):
    assert (await Client(gateway, f"Bearer {gateway.key}").get("/me")).status == 401


async def test_without_an_admin_key_nothing_is_one(tmp_path):
    async with support.gateway(tmp_path) as gateway:
        for authorization in ("Bearer ", "Bearer", " "):
            assert (await Client(gateway, authorization).get("/me")).status == 401


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer {}"])
async def test_an_access_token_acts_for_its_user(gateway, anna, form):
    client = Client(gateway, form.format(anna.authorization))
    assert (await client.get("/me")).json["name"] == "anna"


async def test_a_new_access_token_ends_the_one_before(gateway, anna):
    made = await anna.post("/me/access-token")
    assert re.fullmatch("[0-9a-f]{32}", made.json["access_token"])
    assert (await anna.get("/me")).status == 401
    again = Client(gateway, made.json["access_token"])
    assert (await again.get("/me")).status == 200
    assert (await again.delete("/me/access-token")).status == 204
    assert (await again.get("/me")).status == 401


async def test_a_login_gives_a_cookie_that_scripts_cannot_read(gateway, anna):
    answer = await log_in(gateway)
    fields = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")}
    assert {"httponly", "samesite=strict", "path=/api"} <= fields
    assert "secure" not in fields
    assert answer.json["id"] == anna.user_id
    assert (await Client(gateway, cookie=cookie_of(answer)).get("/me")).json["name"] == "anna"


@pytest.mark.parametrize(("trusted", "is_secure"), [(("127.0.0.1",), True), ((), False)])
async def test_the_cookie_is_secure_where_a_trusted_proxy_speaks_tls(tmp_path, trusted, is_secure):
    async with support.gateway(tmp_path, server={"trusted_proxies": trusted}) as gateway:
        await person(gateway, "anna", "user")
        answer = await log_in(gateway, x_forwarded_proto="https")
        assert ("secure" in answer.headers["set-cookie"].lower()) is is_secure


async def test_the_session_changes_with_every_login(gateway, anna):
    first = await logged_in(gateway)
    second = await log_in(gateway, cookie=first.cookie)
    assert cookie_of(second) != first.cookie
    assert (await first.get("/me")).status == 401


async def test_a_session_ends_at_logout(gateway, anna):
    client = await logged_in(gateway)
    answer = await client.post("/logout")
    assert answer.status == 204
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert (await client.get("/me")).status == 401


async def test_a_session_ends_in_time(gateway, anna):
    client = await logged_in(gateway)
    sessions, value = gateway.parts.store.sessions, client.cookie.partition("=")[2]
    assert await sessions.user_id(gateway.parts.vault.token_hash(value), 0) == anna.user_id
    assert await sessions.user_id(gateway.parts.vault.token_hash(value), 2**33) is None


async def test_the_database_holds_neither_sessions_nor_access_tokens(gateway, tmp_path, anna):
    client = await logged_in(gateway)
    made = (await anna.post("/me/access-token")).json["access_token"]
    files = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    for secret in (client.cookie.partition("=")[2], made):
        assert not [data for data in files if secret.encode() in data]


async def test_a_new_password_ends_every_session_but_the_one_that_asks(gateway, anna):
    one, other = await logged_in(gateway), await logged_in(gateway)
    answer = await one.put("/me/password", {"old": PASSWORD, "new": "battery staple"})
    assert answer.status == 204
    assert (await other.get("/me")).status == 401
    assert (await Client(gateway, cookie=cookie_of(answer)).get("/me")).status == 200
    assert (await log_in(gateway)).status == 401
    assert (await log_in(gateway, password="battery staple")).status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"old": "wrong", "new": "battery staple"}, 403), ({"old": PASSWORD, "new": "short"}, 400),
        ({"old": PASSWORD, "new": "x" * 192}, 400), ({"new": "battery staple"}, 400),
    ],
)  # fmt: skip
async def test_a_password_that_cannot_be_set_leaves_the_old_one(gateway, anna, body, status):
    assert (await anna.put("/me/password", body)).status == status
    assert (await log_in(gateway)).status == 200


async def test_a_wrong_password_and_an_unknown_name_are_answered_alike(gateway, anna):
    wrong, unknown = await log_in(gateway, password="wrong"), await log_in(gateway, name="nobody")
    assert (wrong.status, wrong.body) == (unknown.status, unknown.body) == (401, wrong.body)


async def test_a_user_without_a_password_cannot_log_in(gateway):
    await person(gateway, "tom", "user", hashed="")
    assert (await log_in(gateway, "tom", "")).status == 401


async def test_a_disabled_user_is_told_so_only_with_the_right_password(gateway):
    await person(gateway, "tom", "user", DISABLED)
    assert (await log_in(gateway, "tom", "wrong")).status == 401
    assert (await log_in(gateway, "tom")).error["code"] == "account_disabled"


async def test_a_user_who_is_disabled_meanwhile_is_refused_at_once(gateway, root, anna):
    client = await logged_in(gateway)
    assert (await root.patch(f"/users/{anna.user_id}", {"status": "disabled"})).status == 200
    for one in (client, anna):
        assert (await one.get("/me")).error["code"] == "account_disabled"


async def test_guessing_is_slowed_down(gateway, anna):
    # Side by side, since checking five passwords may take longer than the wait.
    answers = await asyncio.gather(*(log_in(gateway, password="wrong") for _ in range(6)))
    told = sorted(answers, key=lambda answer: answer.status)
    assert [answer.status for answer in told] == [401] * 5 + [429]
    assert told[-1].headers["retry-after"] == "1"


async def test_an_imported_hash_is_replaced_at_the_first_login(gateway):
    hashed = bcrypt.hashpw(b"imported password", bcrypt.gensalt(4)).decode()
    await person(gateway, "ivan", "user", hashed=hashed)
    assert (await log_in(gateway, "ivan", "wrong password")).status == 401
    assert (await gateway.parts.store.user("ivan")).password_hash == hashed
    assert (await log_in(gateway, "ivan", "imported password")).status == 200
    assert (await gateway.parts.store.user("ivan")).password_hash.startswith("scrypt$")
    assert (await log_in(gateway, "ivan", "imported password")).status == 200


@pytest.mark.parametrize("password", ["x" * 73, "ü" * 40, "a\x00b"])
async def test_a_password_that_bcrypt_cannot_take_is_wrong(gateway, password):
    await person(gateway, "ivan", "user", hashed=bcrypt.hashpw(b"imported", bcrypt.gensalt(4)).decode())
    assert (await log_in(gateway, "ivan", password)).status in (400, 401)


FOREIGN = [
    {"origin": "https://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"}, {"sec_fetch_site": "cross-site", "origin": "http://gateway"},
    {"origin": "http://gateway.evil.example"}, {"origin": "http://[bad"},
]  # fmt: skip


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_page_of_another_site_cannot_write_with_the_cookie(gateway, anna, headers):
    client = await logged_in(gateway)
    answer = await client.post("/tokens", {"name": "stolen"}, **headers)
    assert (answer.status, answer.error["code"]) == (403, "foreign_origin")
    assert (await client.get("/tokens", **headers)).json["data"] == []
    login = await log_in(gateway, **headers)
    assert login.error["code"] == "foreign_origin"


@pytest.mark.parametrize("headers", [{}, {"origin": "http://gateway"}, {"sec_fetch_site": "same-origin"}])
async def test_our_own_pages_can(gateway, anna, headers):
    client = await logged_in(gateway)
    assert (await client.post("/tokens", {"name": "mine"}, **headers)).status == 201


async def test_a_key_needs_no_origin(gateway, anna):
    assert (await anna.post("/tokens", {"name": "a"}, origin="https://tool.example")).status == 201


async def test_two_authorizations_are_none(gateway, root):
    answer = await root.get("/me", Authorization=root.authorization)
    assert (answer.status, answer.error["code"]) == (400, "duplicate_header")


SECRET = "secret-of-the-first-start"


@pytest.fixture
async def fresh(gateway):
    """A gateway whose root user has no password yet."""
    store, vault = gateway.parts.store, gateway.parts.vault
    user = await store.user("root")
    assert await store.set_password(user, vault.setup_hash(SECRET))
    return Client(gateway)


async def test_the_setup_secret_sets_the_root_users_password_once(gateway, fresh):
    body = {"secret": SECRET, "password": "battery staple"}
    assert (await log_in(gateway, "root", SECRET)).status == 401
    assert (await fresh.post("/setup", body)).status == 204
    assert (await log_in(gateway, "root", "battery staple")).status == 200
    assert (await fresh.post("/setup", {**body, "password": "another one"})).status == 409
    assert (await log_in(gateway, "root", "battery staple")).status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"secret": "wrong", "password": "battery staple"}, 401),
        ({"secret": SECRET, "password": "short"}, 400),
        ({"secret": "", "password": "battery staple"}, 401), ({"secret": SECRET}, 400),
    ],
)  # fmt: skip
async def test_setup_fails_and_can_be_tried_again(gateway, fresh, body, status):
    assert (await fresh.post("/setup", body)).status == status
    assert (await fresh.post("/setup", {"secret": SECRET, "password": "battery staple"})).status == 204


async def test_whoever_guesses_the_setup_secret_waits(fresh):
    told = [(await fresh.post("/setup", {"secret": "x", "password": "y" * 9})).status for _ in range(6)]
    assert told == [401] * 5 + [429]


async def test_no_password_or_session_is_in_the_audit_trail(gateway, root, fresh, anna):
    await fresh.post("/setup", {"secret": SECRET, "password": "battery staple"})
    client = await logged_in(gateway)
    await client.post("/me/access-token")
    await client.put("/me/password", {"old": PASSWORD, "new": "password 3"})
    trail = await root.get("/audit")
    acts = [(row["actor"], row["act"]) for row in trail.json["data"]]
    assert acts == [
        ("anna", "change_own_password"), ("anna", "make_access_token"), ("anna", "log_in"),
        ("setup secret", "set_up"),
    ]  # fmt: skip
    for secret in (SECRET, "battery staple", PASSWORD, "password 3", client.cookie):
        assert secret.encode() not in trail.body
