"""A plan in a store of each kind: all of it or nothing, and numbers given later clash with none."""

from dataclasses import replace

import pytest
import sources
from canalgate.adapters import BUILTIN
from canalgate.plugins.manager import PluginManager
from canalgate.proxy.importers import apply, plan_of
from canalgate.proxy.keys.vault import Vault
from canalgate.proxy.records import User
from canalgate.proxy.store import StoreError

NOW = 1_764_000_000
VAULT = Vault(bytes(32))


@pytest.fixture(scope="module")
def adapters(tmp_path_factory):
    return PluginManager(BUILTIN, tmp_path_factory.mktemp("plugins"), (), ()).adapters


@pytest.fixture
async def plan(tmp_path):
    path = sources.fill_file(tmp_path / "a.db", sources.ONE_API, sources.one_api_rows("http://127.0.0.1:9"))
    return await plan_of("oneapi", path)


async def test_it_comes_to_every_kind_of_database(store, plan, adapters):
    report = await apply(store, VAULT, adapters, plan, NOW)
    assert report.count("user", "new") == 4
    assert report.renumbered == ()
    assert {user.id for user in await store.users()} == {1, 2, 4, 5}
    assert await store.accounts.violations() == []


async def test_a_channel_of_several_keys_stays_one(store, plan, adapters):
    await apply(store, VAULT, adapters, plan, NOW)
    [row] = [row for row in await store.channels() if row.name == "two keys"]
    assert len(row.keys) == 2


async def test_a_second_time_nothing_is_written(store, plan, adapters):
    await apply(store, VAULT, adapters, plan, NOW)
    generation = await store.generation()
    report = await apply(store, VAULT, adapters, plan, NOW + 9)
    assert {item.fate for item in report.items} == {"there"}
    assert await store.generation() == generation


async def test_what_is_added_later_gets_a_number_of_its_own(store, plan, adapters):
    await apply(store, VAULT, adapters, plan, NOW)
    user = await store.add_user(User(0, "later", 1, "default", "enabled", NOW))
    channel = await store.add_channel(replace((await store.channels())[0], name="later"))
    assert user.id == 6
    assert channel.id > 7


async def test_a_clash_takes_everything_back(store, plan, adapters):
    plan.tokens.append(replace(plan.tokens[0], source_id="77", row=replace(plan.tokens[0].row, id=77)))
    with pytest.raises(StoreError, match="nothing was brought"):
        await apply(store, VAULT, adapters, plan, NOW)
    assert await store.users() == []
    assert await store.channels() == []
    assert await store.imports.known(plan.source) == {}


async def test_a_user_who_is_here_keeps_what_they_have(store, plan, adapters):
    here = await store.add_user(User(0, "anna", 1, "default", "enabled", NOW, "scrypt$mine"), 5)
    report = await apply(store, VAULT, adapters, plan, NOW)
    anna = next(user for user in await store.users() if user.name == "anna")
    assert (anna.id, anna.group, anna.password_hash) == (here.id, "default", "scrypt$mine")
    assert (await store.accounts.state(f"user:{here.id}")).balance == 5
    assert {token.user_id for token in await store.tokens() if token.name == "all"} == {here.id}
    assert report.count("user", "joined") == 1


async def test_a_key_that_is_here_is_not_made_again(store, plan, adapters):
    await apply(store, VAULT, adapters, plan, NOW)
    moved = replace(plan, source="oneapi elsewhere")
    report = await apply(store, VAULT, adapters, moved, NOW)
    assert report.count("token", "new") == report.count("channel", "new") == report.count("code", "new") == 0


async def test_a_price_that_is_set_here_stays(store, plan, adapters):
    price = plan.prices["m1"]
    await store.prices.set("m1", replace_price(price, prompt=7))
    report = await apply(store, VAULT, adapters, plan, NOW)
    assert (await store.prices.all())["m1"].prompt == 7
    assert any(one.what == "price 'm1'" for one in report.left_out)


def replace_price(price, **changes):
    import msgspec

    return msgspec.structs.replace(price, **changes)


async def test_a_channel_whose_adapter_is_not_loaded_is_left_out(store, plan, adapters):
    few = {name: adapter for name, adapter in adapters.items() if name != "azure"}
    report = await apply(store, VAULT, few, plan, NOW)
    assert any("azure" in one.what and "no adapter" in one.why for one in report.left_out)


async def test_a_dry_run_writes_nothing(store, plan, adapters):
    report = await apply(store, VAULT, adapters, plan, NOW, dry_run=True)
    assert report.is_dry
    assert report.count("token", "new") > 0
    assert await store.users() == []
