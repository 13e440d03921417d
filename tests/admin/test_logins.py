"""Sessions, revealed keys, credit histories and users that go, through the admin API."""

import time

import pytest
import support
from admin_client import ADMIN_KEY, PASSWORD, Client, person
from canalgate.proxy.admin.site import DESK

KEY = "sk-1234567890-to-be-revealed"
CHANNEL = {"type": "openai", "name": "a", "models": ["m"], "base_url": "http://h/v1", "key": KEY}


async def logged_in(gateway, name):
    answer = await Client(gateway).post("/login", {"name": name, "password": PASSWORD})
    assert answer.status == 200, answer.body
    return Client(gateway, cookie=answer.headers["set-cookie"].partition(";")[0])


# Sessions.


async def test_one_sees_and_ends_ones_own_sessions(gateway, anna):
    here, there = await logged_in(gateway, "anna"), await logged_in(gateway, "anna")
    listed = (await here.get("/me/sessions")).json["data"]
    assert sorted(one["is_this"] for one in listed) == [False, True]
    assert all(one["expires_at"] - one["created_at"] == 7 * 86_400 for one in listed)
    assert not any(one["is_this"] for one in (await anna.get("/me/sessions")).json["data"])
    other = next(one["id"] for one in listed if not one["is_this"])
    assert (await here.delete(f"/me/sessions/{other}")).status == 204
    assert ((await there.get("/me")).status, (await here.get("/me")).status) == (401, 200)
    assert (await here.delete(f"/me/sessions/{other}")).status == 404


async def test_all_other_sessions_end_at_once(gateway, anna):
    here, there = await logged_in(gateway, "anna"), await logged_in(gateway, "anna")
    assert (await here.delete("/me/sessions")).status == 204
    assert ((await there.get("/me")).status, (await here.get("/me")).status) == (401, 200)
    assert (await anna.delete("/me/sessions")).status == 204  # by an access token, which is no session
    assert (await here.get("/me")).status == 401


async def test_a_session_of_somebody_else_is_not_there(gateway, anna, admin):
    await logged_in(gateway, "anna")
    [hers] = (await admin.get(f"/users/{anna.user_id}/sessions")).json["data"]
    assert (await admin.delete(f"/me/sessions/{hers['id']}")).status == 404
    assert (await admin.delete("/me/sessions/nonsense")).status == 400


async def test_an_administrator_ends_the_sessions_of_users_and_of_nobody_above(gateway, anna, admin):
    hers = await logged_in(gateway, "anna")
    assert (await admin.delete(f"/users/{anna.user_id}/sessions")).status == 204
    assert (await hers.get("/me")).status == 401
    assert (await admin.delete("/users/1/sessions")).status == 403
    assert (await admin.get("/users/999/sessions")).status == 404


# Keys revealed.


@pytest.fixture
async def channel(root):
    assert (await root.post("/channels", CHANNEL)).status == 201


@pytest.mark.usefixtures("channel")
async def test_a_key_is_revealed_by_ones_own_password_and_written_down(admin, root):
    answer = await admin.post("/channels/1/reveal", {"password": PASSWORD})
    assert (answer.status, answer.json) == (200, {"keys": [KEY]})
    assert answer.headers["cache-control"] == "no-store"
    audit = await root.get("/audit?subject=channel:1")
    latest = audit.json["data"][0]
    assert (latest["act"], latest["actor"]) == ("reveal_channel_key", "adam")
    assert KEY.encode() not in audit.body
    assert PASSWORD.encode() not in audit.body


@pytest.mark.usefixtures("channel")
async def test_nobody_else_sees_a_key(gateway, admin, anna, root):
    wrong = await admin.post("/channels/1/reveal", {"password": "wrong"})
    assert (wrong.status, wrong.error["param"]) == (403, "password")
    assert (await anna.post("/channels/1/reveal", {"password": PASSWORD})).error["code"] == "role_too_low"
    by_key = await root.post("/channels/1/reveal", {"password": ADMIN_KEY})
    assert (by_key.status, by_key.error["code"]) == (403, "no_account")
    bare = await person(gateway, "bare", "admin", hashed="")
    assert (await bare.post("/channels/1/reveal", {"password": ""})).status == 403
    assert (await admin.post("/channels/9/reveal", {"password": PASSWORD})).status == 404
    assert (await admin.post("/channels/1/reveal", {})).status == 400
    acts = [one["act"] for one in (await root.get("/audit?subject=channel:1")).json["data"]]
    assert "reveal_channel_key" not in acts


@pytest.mark.usefixtures("channel")
async def test_who_guesses_a_password_has_to_wait(admin, gateway):
    door, now = gateway.front._full._site[DESK].door, time.monotonic()
    for minutes in range(11, -1, -1):
        door.knock("203.0.113.9", "adam", now - 60.0 * minutes)
    answer = await admin.post("/channels/1/reveal", {"password": PASSWORD})
    assert (answer.status, answer.error["code"]) == (429, "too_many_attempts")


# Balances and users.


async def test_where_a_balance_comes_from_is_listed_page_by_page(gateway, admin):
    bob = await person(gateway, "bob", "user", quota=10)
    for amount in (5, 6, -1):
        assert (
            await admin.post(f"/users/{bob.user_id}/topup", {"amount": amount, "note": "n"})
        ).status == 200
    page = (await bob.get("/me/credits?limit=2")).json
    assert [(one["kind"], one["amount"], one["actor"]) for one in page["data"]] == [
        ("topup", -1, "adam"), ("topup", 6, "adam"),
    ]  # fmt: skip
    rest = (await admin.get(f"/users/{bob.user_id}/credits?after={page['next']}")).json
    assert ([one["amount"] for one in rest["data"]][:1], rest["next"]) == ([5], None)
    assert (await admin.get("/users/999/credits")).status == 404
    assert (await bob.get(f"/users/{bob.user_id}/credits")).status == 403


async def test_an_invitation_gives_to_both(tmp_path):
    gifts = {"new_user": "$1", "invited": "$2", "inviter": "$3"}
    async with support.gateway(tmp_path, admin={"key": ADMIN_KEY}, quota=gifts) as gateway:
        root, anna = Client(gateway, f"Bearer {ADMIN_KEY}"), await person(gateway, "anna", "user", quota=0)
        made = await root.post("/users", {"name": "new", "invited_by": "anna"})
        assert made.json["balance"]["remaining"] == 1_500_000
        [gift] = (await anna.get("/me/credits")).json["data"]
        assert (gift["kind"], gift["amount"], gift["note"]) == ("gift", 1_500_000, "has invited new")
        refused = await root.post("/users", {"name": "other", "invited_by": "nobody"})
        assert (refused.status, refused.error["param"]) == (400, "invited_by")
        assert (await root.get("/users?search=other")).json["data"] == []


async def test_a_user_goes_with_tokens_and_sessions(gateway, anna, admin):
    key = (await anna.post("/tokens", {"name": "t"})).json["key"]
    hers = await logged_in(gateway, "anna")
    assert (await admin.delete(f"/users/{anna.user_id}")).status == 204
    assert (await gateway.chat(key=key)).status == 401
    assert ((await hers.get("/me")).status, (await anna.get("/me")).status) == (401, 401)
    assert (await admin.get(f"/users/{anna.user_id}")).status == 404
    assert (await admin.delete(f"/users/{anna.user_id}")).status == 404


async def test_the_root_user_stays_and_administrators_are_the_root_users_to_remove(gateway, admin, root):
    other = await person(gateway, "other", "admin")
    assert (await admin.delete(f"/users/{other.user_id}")).status == 403
    assert (await admin.delete(f"/users/{admin.user_id}")).status == 403
    assert (await root.delete("/users/1")).status == 400
    assert (await root.delete(f"/users/{other.user_id}")).status == 204
