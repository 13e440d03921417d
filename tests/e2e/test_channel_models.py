"""`canalgate channel models`: the list a provider has, or one line that says why there is none."""

import asyncio
import json

import processes
import pytest
from canalgate.proxy.config import Config, Data
from canalgate.proxy.host import opened
from canalgate.proxy.records import DISABLED, ChannelRow
from support import CUT, json_answer

TOKEN = json_answer({"token": "bce-v3/short-lived"})
LIST = json_answer({"object": "list", "data": [{"id": "b"}, {"id": "a"}, {"id": "b"}]})


@pytest.fixture(scope="module", autouse=True)
def lane():
    """A process of its own reads its own settings; once is enough."""


async def listed(folder, url, *flags, **fields):
    """Add a channel and run the command on it; returns its exit status, output and error."""
    given = {"type": "openai", "key": "sk-upstream-secret", "models": ("mine", "a"), **fields}
    async with opened(Config(data=Data(dir=str(folder / "data")))) as parts:
        row = await parts.store.add_channel(ChannelRow(0, name="c", base_url=url, created_at=1, **given))
    done = await asyncio.to_thread(processes.run, folder, "channel", "models", str(row.id), *flags)
    return done.returncode, done.stdout, done.stderr


async def test_the_providers_models_are_listed_with_the_names_they_have_here(tmp_path, provider):
    provider.says(LIST)
    status, out, err = await listed(tmp_path, provider.url, mapping={"mine": "b"})
    assert (status, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [["model", "offered_as"], ["b", "mine"], ["a", "a"]]
    (asked,) = provider.asked
    assert asked.line == "GET /v1/models HTTP/1.1"
    assert asked.header("authorization") == "Bearer sk-upstream-secret"


async def test_programs_get_json(tmp_path, provider):
    provider.says(LIST)
    _, out, _ = await listed(tmp_path, provider.url, "--json")
    assert json.loads(out) == [{"model": "b", "offered_as": None}, {"model": "a", "offered_as": "a"}]


async def test_a_disabled_channel_can_be_asked(tmp_path, provider):
    provider.says(LIST)
    assert (await listed(tmp_path, provider.url, status=DISABLED))[0] == 0


async def test_a_short_lived_credential_is_fetched_first(tmp_path, provider):
    provider.script = lambda asked: (TOKEN if "BCE-BEARER" in asked.line else LIST,)
    options = {"iam_url": provider.url.removesuffix("/v1")}
    status, _, err = await listed(tmp_path, provider.url, type="qianfan", key="ak|sk", options=options)
    assert (status, err) == (0, "")
    assert [asked.header("authorization") for asked in provider.asked[1:]] == ["Bearer bce-v3/short-lived"]


REFUSALS = [
    (
        json_answer({"error": {"message": "bad key sk-upstream-secret", "code": "invalid_api_key"}}, 401),
        "(credential): bad key [...]",
    ),
    (json_answer({"error": {"message": "slow down"}}, 429), "(rate): slow down"),
    (json_answer(b"<html>hello</html>"), "(fault): the list of models is not JSON"),
    (CUT, "(fault): "),
]


@pytest.mark.parametrize(("answer", "said"), REFUSALS, ids=["key", "rate", "page", "cut"])
async def test_a_provider_that_gives_no_list_is_one_line(tmp_path, provider, answer, said):
    provider.says(answer)
    status, out, err = await listed(tmp_path, provider.url)
    assert (status, out) == (1, "")
    assert err.startswith(f"canalgate: channel 1: no list of models {said}")
    assert len(err.splitlines()) == 1
    assert "sk-upstream-secret" not in err


async def test_an_empty_list_says_so(tmp_path, provider):
    provider.says(json_answer({"data": []}))
    assert (await listed(tmp_path, provider.url))[:2] == (
        0,
        "channel 1: the provider's list of models is empty\n",
    )


async def test_an_adapter_without_a_list_says_so(tmp_path, provider):
    status, out, err = await listed(tmp_path, provider.url, type="coze", models=("7350",))
    assert (status, out) == (1, "")
    assert err == "canalgate: channel 1: Coze has no list of models to ask for\n"
    assert provider.asked == []
