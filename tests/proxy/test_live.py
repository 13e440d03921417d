"""A running gateway follows the store, whoever changes it."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from canalgate.adapters.demo import DemoAdapter
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.proxy import live as live_module
from canalgate.proxy.auth import admit
from canalgate.proxy.config import Prices
from canalgate.proxy.errors import GatewayError
from canalgate.proxy.keys.vault import open_vault
from canalgate.proxy.live import Live
from canalgate.proxy.records import DISABLED, ENABLED, ROLE_USER, ChannelRow, Token, User
from canalgate.proxy.store import open_store

ADAPTERS = {"openai": OpenAIAdapter(), "demo": DemoAdapter()}
CHANNEL = ChannelRow(0, "openai", "c", "http://127.0.0.1:1/v1", "k", ("m",), 1)
USER = User(0, "anna", ROLE_USER, "default", ENABLED, 1)


class Pair:
    """A live state, and the store of another program on the same directory."""

    def __init__(self, live, other, vault):
        self.live, self.other, self._vault = live, other, vault

    async def add_token(self, key, user_id=1):
        token = Token(0, user_id, "t", self._vault.token_hash(key), "hint", ENABLED, 1)
        return await self.other.add_token(token)

    async def admits(self, key):
        try:
            admit(await self.live.find(key), "127.0.0.1", 1.0)
        except GatewayError:
            return False
        return True

    def models(self):
        return self.live.snapshot.models("default")

    async def until(self, condition):
        async with asyncio.timeout(1.0):
            while not condition():  # noqa: ASYNC110  nothing says when a snapshot changes
                await asyncio.sleep(0.005)


@asynccontextmanager
async def pairs(folder, url="", **options):
    vault = open_vault(folder)
    async with open_store(url, folder, vault) as own, open_store(url, folder, vault) as other:
        await other.add_user(USER)
        async with Live(own, vault, ADAPTERS, Prices(), **{"demo": True, **options}) as live:
            yield Pair(live, other, vault)


@pytest.fixture
async def pair(tmp_path, database_url):
    async with pairs(tmp_path, database_url) as made:
        yield made


@pytest.fixture
async def unwatched(tmp_path, database_url, monkeypatch):
    """A pair whose live state looks at the store only when it is asked something."""
    monkeypatch.setattr(live_module, "POLL_S", 3600.0)
    async with pairs(tmp_path, database_url) as made:
        yield made


async def test_a_channel_added_elsewhere_is_live_within_a_second(pair):
    await pair.other.add_channel(CHANNEL)
    await pair.until(lambda: pair.models() == ["m"])


@pytest.mark.parametrize("change", ["disable", "remove"])
async def test_a_channel_taken_away_elsewhere_is_gone_within_a_second(pair, change):
    row = await pair.other.add_channel(CHANNEL)
    await pair.until(lambda: pair.models() == ["m"])
    if change == "disable":
        await pair.other.change_channel(replace(row, status=DISABLED))
    else:
        await pair.other.remove_channel(row.id)
    await pair.until(lambda: "m" not in pair.models())


async def test_a_token_revoked_elsewhere_is_refused_within_a_second(pair):
    token = await pair.add_token("k")
    assert await pair.admits("k")
    await pair.other.set_token_status(token.id, DISABLED)
    await asyncio.sleep(0.9)
    assert not await pair.admits("k")


async def test_an_unknown_key_is_looked_up_again_at_once(unwatched):
    assert not await unwatched.admits("k")
    await unwatched.add_token("k")
    assert await unwatched.admits("k")


async def test_a_key_that_was_refused_long_ago_is_not_refused_for_ever(unwatched):
    refused = [await unwatched.admits("k") for _ in range(5)]
    await unwatched.add_token("k")
    assert (refused, await unwatched.admits("k")) == ([False] * 5, True)


async def test_no_request_among_many_is_refused_once_a_key_is_there(unwatched):
    for number in range(20):
        key = f"k{number}"
        assert not await unwatched.admits(key)
        await unwatched.add_token(key)
        asked = []
        for _ in range(20):
            asked.append(asyncio.ensure_future(unwatched.admits(key)))
            await asyncio.sleep(0.0003)
        assert all(await asyncio.gather(*asked))


async def test_catching_up_tells_everyone_who_waited_that_something_changed(unwatched):
    await unwatched.other.add_channel(CHANNEL)
    assert all(await asyncio.gather(*(unwatched.live.catch_up() for _ in range(20))))
    assert not await unwatched.live.catch_up()


async def test_an_unknown_model_is_there_after_catching_up(unwatched):
    assert unwatched.models() == ["demo", "demo-embedding", "demo-reasoning"]
    await unwatched.other.add_channel(CHANNEL)
    assert await unwatched.live.catch_up()
    assert unwatched.models() == ["m"]


async def test_the_demo_answers_only_while_there_is_no_channel(pair):
    row = await pair.other.add_channel(CHANNEL)
    await pair.until(lambda: pair.models() == ["m"])
    await pair.other.remove_channel(row.id)
    await pair.until(lambda: "demo" in pair.models())


async def test_the_demo_can_be_switched_off(tmp_path):
    async with pairs(tmp_path, demo=False) as pair:
        assert pair.models() == []


async def test_a_channel_that_cannot_work_does_not_stop_the_others(pair):
    await pair.other.add_channel(replace(CHANNEL, type="gone", models=("lost",)))
    await pair.other.add_channel(CHANNEL)
    await pair.until(lambda: pair.models() == ["m"])
    assert "no adapter 'gone'" in pair.live.snapshot.problems[1]


async def test_a_book_of_refused_keys_does_not_grow_without_end(unwatched, monkeypatch):
    monkeypatch.setattr(live_module, "_MAX_KNOWN", 10)
    for number in range(50):
        await unwatched.admits(f"guess{number}")
    assert len(unwatched.live._known) <= 10


async def test_a_gateway_that_stops_is_no_running_one(tmp_path):
    vault = open_vault(tmp_path)
    async with open_store("", tmp_path, vault) as store:
        async with Live(store, vault, ADAPTERS, Prices(), demo=True):
            assert len(await store.instance_generations(int(time.time()))) == 1
        assert await store.instance_generations(int(time.time())) == []
