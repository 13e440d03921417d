"""Making an account by oneself: who may, what an invitation gives and to whom, and how often."""

import asyncio

import pytest
import support
from admin_client import ADMIN_KEY, PASSWORD, Client, person
from canalgate.proxy.manage.invitations import code_of

GIFTS = {"new_user": "1usd", "invited": "2usd", "inviter": "3usd"}
DOLLAR = 500_000


@pytest.fixture
async def gateway(tmp_path):
    async with support.gateway(
        tmp_path, admin={"key": ADMIN_KEY}, quota=GIFTS, users={"sign_up": "invited"}
    ) as made:
        yield made


@pytest.fixture
async def inviter(gateway):
    return await person(gateway, "anna", "user", quota=0)


async def sign_up(gateway, user, invitation="", **fields):
    body = {"name": user, "password": PASSWORD, "invitation": invitation, **fields}
    return await Client(gateway).post("/sign-up", body)


async def remaining(client):
    return (await client.get("/me")).json["balance"]["remaining"]


async def code(client):
    return (await client.get("/me/invitation")).json["code"]


async def test_both_get_their_gifts_and_the_new_user_is_logged_in(gateway, inviter, root):
    made = await sign_up(gateway, "eva", await code(inviter))
    assert (made.status, made.json["role"], made.json["balance"]["remaining"]) == (200, "user", 3 * DOLLAR)
    cookie = made.headers["set-cookie"].partition(";")[0]
    assert (await Client(gateway, cookie=cookie).get("/me")).json["name"] == "eva"
    assert await remaining(inviter) == 3 * DOLLAR
    deed = next(one for one in (await root.get("/audit")).json["data"] if one["act"] == "sign_up")
    assert (deed["actor"], deed["detail"]) == ("eva", {"name": "eva", "invited_by": "anna"})


async def test_a_code_is_shown_with_what_it_gives(inviter):
    shown = (await inviter.get("/me/invitation")).json
    assert (shown["invited"], shown["inviter"], shown["sign_up"]) == (2 * DOLLAR, 3 * DOLLAR, "invited")


async def test_of_two_who_take_one_name_at_once_one_is_made_and_gifts_are_given_once(gateway, inviter):
    invitation = await code(inviter)
    answers = await asyncio.gather(*[sign_up(gateway, "eva", invitation) for _ in range(3)])
    assert sorted(answer.status for answer in answers) == [200, 409, 409]
    assert await remaining(inviter) == 3 * DOLLAR


@pytest.mark.parametrize("invitation", [
    "", "  ", "anna", "root", "1-aaaaaaaaaaaa", "0-", "999999999999999999-aaaaaaaaaaaa",
    "\uff12-aaaaaaaaaaaa",
])  # fmt: skip
async def test_without_a_code_that_is_somebodys_nothing_is_made(gateway, inviter, invitation):
    answer = await sign_up(gateway, "eva", invitation)
    assert (answer.status, answer.error["param"]) == (400, "invitation")
    assert await gateway.parts.store.user("eva") is None


async def test_the_code_of_another_number_proves_nothing(gateway, inviter):
    other = await person(gateway, "boris", "user")
    proof = (await code(inviter)).partition("-")[2]
    assert (await sign_up(gateway, "eva", f"{other.user_id}-{proof}")).status == 400


async def test_who_is_disabled_or_gone_invites_nobody(gateway, inviter, root):
    invitation = await code(inviter)
    await root.patch(f"/users/{inviter.user_id}", {"status": "disabled"})
    assert (await sign_up(gateway, "eva", invitation)).status == 400
    assert (await sign_up(gateway, "eva", code_of(gateway.parts.vault, 999))).status == 400


@pytest.mark.parametrize(("fields", "param"), [
    ({"password": "short"}, "password"), ({"name": ""}, "name"), ({"name": " "}, "name"),
    ({"role": "admin"}, "role"), ({"quota": 9}, "quota"),
])  # fmt: skip
async def test_what_makes_no_account_gives_no_gift(gateway, inviter, fields, param):
    answer = await sign_up(gateway, "eva", await code(inviter), **fields)
    assert (answer.status, answer.error["param"]) == (400, param)
    assert await remaining(inviter) == 0


async def test_closed_is_closed_also_with_a_code_and_open_needs_none(gateway, inviter, root):
    await root.put("/options/users.sign_up", {"value": "closed"})
    assert (await Client(gateway).get("/sign-up")).json == {"sign_up": "closed"}
    answer = await sign_up(gateway, "eva", await code(inviter))
    assert (answer.status, answer.error["code"]) == (403, "sign_up_closed")
    await root.put("/options/users.sign_up", {"value": "open"})
    made = await sign_up(gateway, "eva")
    assert (made.status, made.json["balance"]["remaining"]) == (200, DOLLAR)


async def test_who_makes_many_accounts_has_to_wait_and_others_log_in_meanwhile(gateway, inviter):
    invitation = await code(inviter)
    told = [(await sign_up(gateway, f"eva{number}", invitation)).status for number in range(7)]
    assert told[:5] == [200] * 5
    assert told[-1] == 429
    login = await Client(gateway).post("/login", {"name": "anna", "password": PASSWORD})
    assert login.status == 200
