"""Commands about routes and about tests of channels, as people run them."""

import asyncio
import json

import processes
import pytest
import support
from canalgate.proxy.config import Config, Data
from canalgate.proxy.host import opened
from canalgate.proxy.records import DISABLED, ChannelRow
from support import json_answer

GOOD = json_answer({"id": "x", "choices": [{"message": {"content": "hi"}}]})
BAD_KEY = json_answer({"error": {"message": "no", "code": "invalid_api_key"}}, 401)


@pytest.fixture(scope="module", autouse=True)
def lane():
    """A process of its own reads its own settings; once is enough."""


async def run(folder, *arguments):
    done = await asyncio.to_thread(processes.run, folder, *arguments)
    return done.returncode, done.stdout, done.stderr


async def channels(folder, *rows):
    async with opened(Config(data=Data(dir=str(folder / "data")))) as parts:
        return [await parts.store.add_channel(row) for row in rows]


def row(url, name, *models, **fields):
    return ChannelRow(0, "openai", name, url, "sk-upstream-secret", models or ("m",), 1, **fields)


async def test_a_route_is_set_explained_and_unset(tmp_path):
    url = "http://127.0.0.1:9/v1"
    await channels(
        tmp_path,
        row(url, "east", priority=5),
        row(url, "west"),
        row(url, "off", status=DISABLED),
        row(url, "n", "n"),
    )
    assert (await run(tmp_path, "model", "set", "m", "--mode", "latency", "--fallback", "n"))[0] == 0
    status, out, err = await run(tmp_path, "route", "m", "--json")
    assert (status, err) == (0, "")
    assert [(line["place"], line["name"], line["why_not"]) for line in json.loads(out)] == [
        (1, "east", None), (2, "west", None), (3, "n", None), (None, "off", "disabled"),
    ]  # fmt: skip
    listed = json.loads((await run(tmp_path, "model", "list", "--json"))[1])
    assert listed[0] == {"model": "m", "channels": [1, 2, 3], "mode": "latency", "fallbacks": ["n"]}
    assert (await run(tmp_path, "model", "unset", "m"))[0] == 0
    assert "mode priority" in (await run(tmp_path, "route", "m"))[1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("model set m --mode quickest", "mode: 'quickest' is no mode"),
        ("model set m --fallback gone", "fallbacks: no channel offers 'gone'"),
        ("model set m --fallback m", "fallbacks: 'm' leads back to 'm'"),
        ("model unset m", "nothing is set for the model 'm'"),
        ("route m --token 9", "there is no token 9"),
        ("channel edit 1 --idle-s -1", "times.idle_s"),
        ("channel edit 1 --total-s 1e9", "times.total_s"),
        ("channel test 9", "channel 9: no such channel"),
    ],
)
async def test_what_cannot_work_is_refused_in_one_line(tmp_path, line, said):
    await channels(tmp_path, row("http://127.0.0.1:9/v1", "east"))
    status, out, err = await run(tmp_path, *line.split())
    assert (status, out) == (1, "")
    assert said in err and err.count("\n") == 1


async def test_a_model_that_nobody_serves_has_no_route_and_says_why(tmp_path):
    await channels(tmp_path, row("http://127.0.0.1:9/v1", "east"))
    status, out, _ = await run(tmp_path, "route", "other")
    assert status == 1
    assert "does not offer the model" in out


async def test_all_channels_are_tested_key_by_key(tmp_path):
    async with support.provider(GOOD) as good, support.provider(BAD_KEY) as bad:
        await channels(tmp_path, row(good.url, "good"), row(bad.url, "bad"))
        status, out, _ = await run(tmp_path, "channel", "test", "all", "--json")
        assert status == 1
        assert [(line["name"], line["result"], line["status"]) for line in json.loads(out)] == [
            ("good", "ok", 200),
            ("bad", "FAILED", 401),
        ]
        listed = json.loads((await run(tmp_path, "channel", "list", "--json"))[1])
        assert [line["status"] for line in listed] == ["enabled", "enabled, key refused (credential)"]
        bad.says(GOOD)
        assert (await run(tmp_path, "channel", "test", "2"))[0] == 0
        listed = json.loads((await run(tmp_path, "channel", "list", "--json"))[1])
        assert [line["status"] for line in listed] == ["enabled", "enabled"]


async def test_the_providers_list_of_models_is_taken_over_with_the_names_they_have_here(tmp_path, provider):
    provider.says(json_answer({"object": "list", "data": [{"id": "b"}, {"id": "a"}]}))
    await channels(tmp_path, row(provider.url, "east", "mine", "old", mapping={"mine": "b"}))
    status, out, _ = await run(tmp_path, "channel", "models", "1", "--sync")
    assert (status, "offers 2 models" in out) == (0, True)
    [listed] = json.loads((await run(tmp_path, "channel", "list", "--json"))[1])
    assert listed["models"] == ["mine", "b", "a"]
