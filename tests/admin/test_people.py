"""Users, tokens and groups through the admin API: who may do what with whom."""

import pytest
from admin_client import Client, person
from support import json_answer


@pytest.fixture
async def bob(gateway):
    return await person(gateway, "bob", "user")


async def test_a_token_works_at_once_and_its_key_is_shown_only_now(anna, gateway, provider):
    provider.says(json_answer({"choices": []}))
    await gateway.add_channel(provider, "m", "n")
    made = (await anna.post("/tokens", {"name": "laptop", "models": ["m"]})).json
    assert made["token"]["user_id"] == anna.user_id
    assert [(await gateway.chat(model, key=made["key"])).status for model in ("m", "n")] == [200, 403]
    shown = await anna.get(f"/tokens/{made['token']['id']}")
    assert made["key"].encode() not in shown.body
    assert shown.json["key"] == f"sk-...{made['key'][-4:]}"
    await anna.patch(f"/tokens/{made['token']['id']}", {"status": "disabled"})
    assert (await gateway.chat(key=made["key"])).status == 401
    await anna.patch(f"/tokens/{made['token']['id']}", {"status": "enabled", "models": []})
    assert (await gateway.chat("n", key=made["key"])).status == 200
    assert (await anna.delete(f"/tokens/{made['token']['id']}")).status == 204
    assert (await gateway.chat(key=made["key"])).status == 401


async def test_a_user_sees_and_changes_only_their_own_tokens(anna, bob, root):
    mine = (await bob.post("/tokens", {"name": "bobs"})).json["token"]["id"]
    assert (await anna.get("/tokens")).json["data"] == []
    assert (await anna.get(f"/tokens?user_id={bob.user_id}")).json["data"] == []
    for answer in (
        await anna.get(f"/tokens/{mine}"),
        await anna.patch(f"/tokens/{mine}", {"name": "mine"}),
        await anna.delete(f"/tokens/{mine}"),
    ):
        assert answer.status == 404
    assert (await anna.post("/tokens", {"name": "x", "user_id": bob.user_id})).status == 403
    assert [one["name"] for one in (await bob.get("/tokens")).json["data"]] == ["bobs"]
    assert len((await root.get("/tokens")).json["data"]) == 2


async def test_an_administrator_changes_tokens_only_of_those_below(admin, anna, gateway):
    mine = (await anna.post("/tokens", {"name": "annas"})).json["token"]["id"]
    assert (await admin.patch(f"/tokens/{mine}", {"name": "b"})).status == 200
    for answer in (
        await admin.patch("/tokens/1", {"name": "b"}),  # the root user's
        await admin.delete("/tokens/1"),
        await admin.post("/tokens", {"name": "x", "user_id": 1}),
    ):
        assert (answer.status, answer.error["code"]) == (403, "role_too_low")
    assert (await admin.get("/tokens/1")).status == 200


async def test_the_admin_key_must_say_whose_a_token_is(root):
    assert (await root.post("/tokens", {"name": "x"})).error["code"] == "no_account"


async def test_a_tokens_quota_is_set_together_with_the_rest_or_not_at_all(anna):
    made = (await anna.post("/tokens", {"name": "t", "quota": 100})).json["token"]
    assert made["balance"] == {"remaining": 100, "used": 0}
    wrong = await anna.patch(f"/tokens/{made['id']}", {"quota": 50, "subnets": ["nonsense"]})
    assert wrong.error["param"] == "subnets"
    assert (await anna.get(f"/tokens/{made['id']}")).json == made
    changed = (await anna.patch(f"/tokens/{made['id']}", {"quota": None, "name": "u"})).json
    assert (changed["balance"]["remaining"], changed["name"]) == (None, "u")


@pytest.mark.parametrize(
    ("query", "names"),
    [("?search=AP", ["laptop", "%ap_"]), ("?search=%25", ["%ap_"]), ("?search=_", ["%ap_"]),
     ("?search=!", []),
     ("?status=disabled", []), ("?limit=1", ["laptop"])],
)  # fmt: skip
async def test_signs_of_a_search_stand_for_themselves(anna, query, names):
    for name in ("laptop", "%ap_", "other"):
        await anna.post("/tokens", {"name": name})
    assert [one["name"] for one in (await anna.get(f"/tokens{query}")).json["data"]] == names


async def test_a_user_is_made_logs_in_and_pays(root, gateway):
    body = {"name": "tom", "password": "battery staple", "group": "vip", "quota": 500}
    made = await root.post("/users", body)
    assert made.status == 201
    assert b"battery" not in made.body
    user = made.json
    assert (user["has_password"], user["balance"]) == (True, {"remaining": 500, "used": 0})
    login = {"name": "tom", "password": "battery staple"}
    assert (await Client(gateway).post("/login", login)).json["group"] == "vip"
    assert (await root.put(f"/users/{user['id']}/password", {"password": "another one"})).status == 204
    assert (await Client(gateway).post("/login", login)).status == 401
    assert (await root.post("/users", body)).status == 409


async def test_a_top_up_happens_once_for_its_key(root, anna):
    await root.patch(f"/users/{anna.user_id}", {"quota": 100})
    for _ in range(2):
        path, body = f"/users/{anna.user_id}/topup", {"amount": 50, "note": "paid"}
        answer = await root.post(path, body, Idempotency_Key="k")
        assert answer.json["balance"]["remaining"] == 150
    assert (await root.post(path, {"amount": -151})).status == 409
    assert (await root.post(path, {"amount": -150})).json["balance"]["remaining"] == 0
    assert (await anna.get("/me")).json["balance"] == {"remaining": 0, "used": 0}
    history = await root.gateway.parts.store.accounts.credits(f"user:{anna.user_id}")
    assert [(row.amount, row.actor) for row in history][:2] == [(-150, "admin key"), (50, "admin key")]


RANKS = [
    ("PATCH", "/users/{root}", {"group": "vip"}, 403), ("PATCH", "/users/{peer}", {"group": "vip"}, 403),
    ("PATCH", "/users/{admin}", {"quota": None}, 403), ("PATCH", "/users/{anna}", {"role": "admin"}, 403),
    ("PUT", "/users/{root}/password", {"password": "long enough"}, 403),
    ("PUT", "/users/{peer}/password", {"password": "long enough"}, 403),
    ("POST", "/users/{admin}/topup", {"amount": 1}, 403), ("POST", "/users/{root}/topup", {"amount": 1}, 403),
    ("POST", "/users", {"name": "x", "role": "admin"}, 403),
    ("POST", "/users", {"name": "x", "role": "root"}, 400),
    ("PATCH", "/users/{anna}", {"group": "vip", "status": "disabled"}, 200),
    ("PUT", "/users/{anna}/password", {"password": "long enough"}, 204),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status"), RANKS)
async def test_an_administrator_changes_only_those_below(admin, anna, gateway, method, path, body, status):
    peer = await person(gateway, "peer", "admin")
    ids = {"root": 1, "peer": peer.user_id, "admin": admin.user_id, "anna": anna.user_id}
    assert (await admin.ask(method, path.format(**ids), body)).status == status


@pytest.mark.parametrize("body", [{"role": "user"}, {"status": "disabled"}])
async def test_the_root_user_stays_as_it_is(root, body):
    assert (await root.patch("/users/1", {"group": "vip", **body})).status == 400
    assert (await root.get("/users/1")).json["group"] == "default"


async def test_the_root_user_makes_administrators(root, anna):
    assert (await root.patch(f"/users/{anna.user_id}", {"role": "admin"})).json["role"] == "admin"
    assert (await anna.get("/users")).status == 200
    assert (await root.patch(f"/users/{anna.user_id}", {"role": "root"})).status == 400


async def test_groups_are_those_that_anybody_is_in_or_that_have_a_ratio(root, anna):
    await root.patch(f"/users/{anna.user_id}", {"group": "vip"})
    assert (await root.put("/groups/a%2Fb", {"ratio": "0.8"})).status == 204
    assert (await root.get("/groups")).json["data"] == [
        {"name": "a/b", "ratio": "0.8", "users": 0, "channels": 0},
        {"name": "default", "ratio": "1", "users": 1, "channels": 0},
        {"name": "vip", "ratio": "1", "users": 1, "channels": 0},
    ]
