"""Channels through the admin API: in use at once, and without a secret in any answer."""

from dataclasses import replace

import pytest
from support import json_answer

SECRETS = ("sk-very-secret-key-1", "sk-very-secret-key-2", "hunter22", "option-secret-9")
WHOLE = {
    "type": "openai", "name": "main 主", "base_url": "http://h/v1", "models": ["m", "模型/x"],
    "key": "sk-very-secret-key-1", "mapping": {"m": "up-m"}, "priority": -3, "weight": 0,
    "ratio": "0.25", "groups": ["default", "vip"], "status": "disabled", "proxy": "socks5://n:hunter22@host:1",
    "times": {"first_byte_s": 7.5, "hedge_s": 2},
}  # fmt: skip
OPENAI = {
    "type": "openai",
    "name": "a",
    "models": ["m"],
    "base_url": "http://h/v1",
    "key": "sk-1234567890wxyz",
}


@pytest.fixture
async def provider_channel(root, provider):
    provider.says(json_answer({"id": "c", "choices": [], "usage": None}))
    made = await root.post("/channels", {**OPENAI, "base_url": provider.url})
    assert made.status == 201, made.body
    return made.json


async def test_a_channel_comes_back_as_it_was_made_without_its_secrets(root):
    made = await root.post("/channels", WHOLE)
    assert made.status == 201, made.body
    again = await root.get("/channels/1")
    assert again.json == made.json
    shown = again.json
    assert shown["keys"] == ["...ey-1"]
    assert shown["proxy"] == "socks5://***@host:1"
    for name in ("name", "models", "mapping", "priority", "weight", "ratio", "groups", "status"):
        assert shown[name] == WHOLE[name]
    assert {name: value for name, value in shown["times"].items() if value} == WHOLE["times"]


async def test_no_answer_holds_a_secret(root):
    await root.post("/channels", WHOLE)
    await root.patch("/channels/1", {"key": SECRETS[1], "proxy": "http://u:hunter22@h:1"})
    for path in ("/channels", "/channels/1", "/audit"):
        body = (await root.get(path)).body
        assert not [secret for secret in SECRETS if secret.encode() in body]


async def test_of_a_short_key_nothing_is_shown(root):
    assert (await root.post("/channels", {**OPENAI, "key": "short"})).json["keys"] == ["..."]


async def test_options_are_not_shown_where_nobody_knows_which_are_secrets(root):
    await root.post("/channels", OPENAI)
    store = root.gateway.parts.store
    row = await store.channel(1)
    await store.change_channel(replace(row, type="gone", options={"token": SECRETS[3]}))
    shown = await root.get("/channels/1")
    assert (shown.json["secret_options"], shown.json["options"]) == (["token"], {})
    assert SECRETS[3].encode() not in shown.body


async def test_a_change_leaves_what_is_not_sent(root):
    made = (await root.post("/channels", WHOLE)).json
    changed = (await root.patch("/channels/1", {"priority": 9, "times": {"hedge_s": None}})).json
    assert changed == {**made, "priority": 9, "times": {**made["times"], "hedge_s": None}}
    row = await root.gateway.parts.store.channel(1)
    assert (row.key, row.proxy) == (WHOLE["key"], WHOLE["proxy"])


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("AKIA|secret\n\nnonsense|x|y|z\nb|c", "line 3 of the key: "), ("nonsense|a|b|c", "channel: "),
        ("a|b|c|d\ne|f|g|h", "channel: "),
    ],
)  # fmt: skip
async def test_a_key_that_cannot_work_is_named_by_its_line(root, key, problem):
    bedrock = {"type": "bedrock", "name": "a", "models": ["m"], "options": {"region": "us-east-1"}}
    answer = await root.post("/channels", {**bedrock, "key": key})
    assert answer.status == 400
    assert problem in answer.error["message"]
    assert ("line" in problem) == (" of the key: " in answer.error["message"])
    assert "nonsense" not in answer.error["message"]


async def test_a_change_that_cannot_work_changes_nothing(root):
    await root.post("/channels", OPENAI)
    before = await root.get("/channels/1")
    for body in (
        {"name": "b", "type": "gone"},
        {"name": "b", "base_url": "ftp://h"},
        {"name": "b", "models": []},
    ):
        assert (await root.patch("/channels/1", body)).status == 400
    assert (await root.get("/channels/1")).body == before.body


async def test_a_channel_is_in_use_from_the_answer_on_and_no_longer_once_it_is_disabled(
    root, gateway, provider_channel
):
    assert (await gateway.chat()).status == 200
    assert (await root.patch("/channels/1", {"status": "disabled"})).status == 200
    assert (await gateway.chat()).status == 404
    await root.patch("/channels/1", {"status": "enabled", "models": ["n"]})
    assert [(await gateway.chat(model)).status for model in ("m", "n")] == [404, 200]
    assert (await root.delete("/channels/1")).status == 204
    assert (await gateway.chat("n")).status == 404


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["a", "b%", "c"]), ("?type=openai", ["a", "b%", "c"]), ("?type=azure", []),
        ("?status=disabled", ["c"]),
        ("?group=vip", ["b%"]), ("?model=m2", ["b%"]), ("?search=B", ["b%"]), ("?search=%25", ["b%"]),
        ("?after=1", ["b%", "c"]), ("?after=1&limit=1", ["b%"]),
    ],
)  # fmt: skip
async def test_channels_are_found(root, query, names):
    for more in (
        {},
        {"name": "b%", "groups": ["vip"], "models": ["m2"]},
        {"name": "c", "status": "disabled"},
    ):
        assert (await root.post("/channels", {**OPENAI, **more})).status == 201
    assert [one["name"] for one in (await root.get(f"/channels{query}")).json["data"]] == names


async def test_a_channel_whose_adapter_is_gone_says_so_and_can_be_disabled(root):
    await root.post("/channels", OPENAI)
    store = root.gateway.parts.store
    row = await store.channel(1)
    await store.change_channel(replace(row, type="gone"))
    await root.gateway.live.catch_up()
    assert "gone" in (await root.get("/channels/1")).json["problem"]
    assert (await root.patch("/channels/1", {"status": "disabled"})).status == 200
    assert (await root.patch("/channels/1", {"name": "b"})).status == 400
