"""Channels tried out through the admin API: results come as lines, and a provider's list of models."""

import asyncio
import json

import pytest
from support import json_answer

CHANNEL = {"type": "openai", "name": "a", "models": ["m", "n"], "key": "sk-1234567890wxyz1"}
GOOD = json_answer({"id": "c", "choices": [], "usage": None})
LIST = json_answer({"object": "list", "data": [{"id": "m"}, {"id": "up-n"}, {"id": "new"}]})


@pytest.fixture
async def channel(root, provider):
    """Channel 1, whose provider answers well."""
    provider.says(GOOD)
    made = await root.post("/channels", {**CHANNEL, "base_url": provider.url})
    assert made.status == 201, made.body
    return root


def lines(answer):
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.body.splitlines()]


@pytest.mark.parametrize(
    ("body", "models"),
    [({}, ["m"]), ({"models": ["n", "other", "n"]}, ["n", "other"]), ({"all_models": True}, ["m", "n"])],
)
async def test_models_of_a_channel_are_tested(channel, body, models):
    results = lines(await channel.post("/channels/1/test", body))
    assert sorted(one["model"] for one in results) == models
    assert [(one["done"], one["total"]) for one in results] == [
        (at, len(models)) for at in range(1, len(models) + 1)
    ]
    assert all((one["ok"], one["status"], one["error"], one["key"]) == (True, 200, None, "...xyz1")
               for one in results)  # fmt: skip


async def test_each_key_is_tested_and_what_failed_says_why_without_the_key(root, provider):
    provider.says(json_answer({"error": {"message": "bad key sk-1234567890wxyz1"}}, 401))
    keys = "sk-1234567890wxyz1\nsk-1234567890wxyz2"
    await root.post("/channels", {**CHANNEL, "base_url": provider.url, "key": keys})
    answer = await root.post("/channels/1/test", {})
    results = lines(answer)
    assert sorted(one["key"] for one in results) == ["...xyz1", "...xyz2"]
    assert [(one["ok"], one["status"]) for one in results] == [(False, 401)] * 2
    assert b"sk-1234567890" not in answer.body


async def test_results_come_as_tests_end(channel, provider):
    provider.script = lambda asked: (GOOD,) if asked.json["model"] == "m" else (3600.0,)
    gateway = channel.gateway
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    auth = f"authorization: {channel.authorization}\r\n"
    writer.write(gateway.request("/api/v1/channels/1/test", {"all_models": True}, "POST", auth, key="none"))
    async with asyncio.timeout(5):
        while b'"done":1' not in await reader.readline():
            pass
        writer.close()
        await provider.gone.wait()  # nobody waits for the test that has not ended


async def test_all_enabled_channels_are_tested_and_only_by_what_they_offer(channel, provider):
    await channel.post("/channels", {**CHANNEL, "base_url": provider.url, "models": ["x"]})
    await channel.post("/channels", {**CHANNEL, "base_url": provider.url, "status": "disabled"})

    async def asked(body):
        found = lines(await channel.post("/channels/test", body))
        return sorted((one["channel_id"], one["model"]) for one in found)

    assert await asked({}) == [(1, "m"), (2, "x")]
    assert await asked({"models": ["n", "x"]}) == [(1, "n"), (2, "x")]
    assert await asked({"channels": [3], "all_models": True}) == [(3, "m"), (3, "n")]
    assert await asked({"models": ["nobody's"]}) == []


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/channels/9/test", {}, 404, None), ("/channels/1/test", {"models": []}, 400, "models"),
        ("/channels/1/test", {"endpoint": "batches"}, 400, "endpoint"),
        ("/channels/1/test", {"channels": [1]}, 400, "channels"),
        ("/channels/test", {"channels": [9]}, 400, "channels"),
        ("/channels/test", {"models": "m"}, 400, "models"), ("/channels/9/models/fetch", None, 404, None),
        ("/channels/9/models/sync", None, 404, None),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused(channel, path, body, status, field):
    answer = await channel.post(path, body)
    assert (answer.status, answer.error["param"]) == (status, field)


async def test_a_provider_s_list_is_shown_and_taken_over(root, provider):
    provider.says(LIST)
    mapping = {"mine": "up-n", "gone": "old"}
    body = {**CHANNEL, "base_url": provider.url, "models": ["m", "mine", "gone"], "mapping": mapping}
    await root.post("/channels", body)
    fetched = await root.post("/channels/1/models/fetch")
    assert fetched.json == {
        "models": [
            {"name": "m", "offered_as": "m"}, {"name": "up-n", "offered_as": "mine"},
            {"name": "new", "offered_as": None},
        ],
        "missing": ["gone"],
    }  # fmt: skip
    assert (await root.get("/channels/1")).json["models"] == ["m", "mine", "gone"]
    assert (await root.post("/channels/1/models/sync")).json["models"] == ["mine", "m", "up-n", "new"]


@pytest.mark.parametrize("answer", [json_answer({"error": {"message": "no"}}, 500), json_answer(b"nonsense")])
async def test_a_provider_that_fails_changes_nothing(root, provider, answer):
    provider.says(answer)
    await root.post("/channels", {**CHANNEL, "base_url": provider.url})
    for verb in ("fetch", "sync"):
        failed = await root.post(f"/channels/1/models/{verb}")
        assert (failed.status, failed.error["code"]) == (424, "provider_failed")
    assert (await root.get("/channels/1")).json["models"] == ["m", "n"]
