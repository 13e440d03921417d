"""One API's management API: channels of its types, and models; over HTTP."""

from dataclasses import replace

import pytest
import support
from oneapi import REPLY

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
        ("GET", "/api/channel/update_balance/7", "there is no channel 7"),
        ("DELETE", "/api/log/?target_timestamp=1", "keep_days"),
        ("GET", "/api/redemption/7", "there is no code 7"),
        ("DELETE", "/api/redemption/7", "there is no code 7"),
        ("GET", "/api/user/77", "there is no user 77"),
        ("DELETE", "/api/user/77", "there is no user 77"),
    ],
)
async def test_what_is_not_there_is_said_to_be_missing(admin, method, path, said):
    assert said in await admin.refused(method, path)


async def test_a_balance_stands_beside_the_envelope_and_is_kept(gateway, admin, provider):
    provider.says(support.json_answer({"balance_infos": [{"currency": "CNY", "total_balance": "-1.10"}]}))
    row = await gateway.add_channel(provider, "m", type="deepseek", key="sk-upstream-secret")
    answer = await admin.send("GET", f"/api/channel/update_balance/{row.id}")
    assert answer.json == {"success": True, "message": "", "balance": -1.1}
    shown = await admin.only("/api/channel/")
    assert shown["balance"] == -1.1
    assert shown["balance_updated_time"] > 0
    provider.says(support.json_answer({"error": {"message": "bad sk-upstream-secret"}}, 401))
    answer = await admin.send("GET", f"/api/channel/update_balance/{row.id}")
    assert (answer.status, answer.json) == (200, {"success": False, "message": "bad [...]"})
    assert await admin.ask("GET", "/api/channel/update_balance") is None  # it fails again, and keeps nobody
    assert (await admin.only("/api/channel/"))["balance"] == -1.1


async def test_a_provider_that_tells_no_balance_is_named(gateway, admin, provider):
    row = await gateway.add_channel(provider, "m", type="groq")
    said = await admin.refused("GET", f"/api/channel/update_balance/{row.id}")
    assert said == "Groq has no call that tells a balance"


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
