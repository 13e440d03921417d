"""One API's management API: users, what they may spend, and codes; over HTTP."""

import pytest
import support
from canalgate.proxy.admin.oneapi.user import NO_LIMIT
from canalgate.proxy.records import ENABLED
from oneapi import PASSWORD, REPLY, Console, chat, console_of

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
