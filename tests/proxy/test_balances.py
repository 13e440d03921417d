"""What is kept of the accounts behind channels, on every database."""

from dataclasses import replace

from canalgate.proxy.keys.vault import Vault
from canalgate.proxy.records import ChannelBalance, ChannelRow
from canalgate.proxy.relaying.holdings import first_amount, known
from canalgate.proxy.store.balances import Balances

FIRST = ChannelBalance(1, "a", 100, {"CNY": 2**62, "USD": -5})


async def test_what_was_said_last_is_kept_by_channel_and_currency(database):
    balances = Balances(database)
    assert await balances.all() == {}
    await balances.put(FIRST)
    await balances.put(other := ChannelBalance(2, "b", 100, {"EUR": 0}))
    assert await balances.all() == {1: FIRST, 2: other}
    await balances.put(later := ChannelBalance(1, "c", 200, {"USD": 7}))
    assert await balances.all() == {1: later, 2: other}


async def test_a_channel_is_forgotten_alone(database):
    balances = Balances(database)
    await balances.put(FIRST)
    await balances.put(other := ChannelBalance(2, "b", 100, {"EUR": 1}))
    await balances.clear(1)
    await balances.clear(1)
    assert await balances.all() == {2: other}


async def test_a_deleted_channel_is_forgotten(store):
    row = await store.add_channel(ChannelRow(0, "deepseek", "c", "", "k", ("m",), 1))
    generation = await store.generation()
    await store.balances.put(replace(FIRST, channel_id=row.id))
    assert await store.generation() == generation
    await store.remove_channel(row.id)
    assert await store.balances.all() == {}


def test_another_account_s_balance_is_not_shown():
    vault = Vault(b"k" * 32)
    row = ChannelRow(1, "deepseek", "c", "https://h/v1", "one\ntwo", ("m",), 1)
    account = vault.key_hash("deepseek\0https://h/v1\0two")
    kept = {1: replace(FIRST, account=account)}
    assert known(vault, row, kept) is kept[1]
    assert known(vault, replace(row, name="other", priority=3, key="two\nthree"), kept) is kept[1]
    for changed in ({"key": "one"}, {"base_url": "https://other/v1"}, {"type": "moonshot"}, {"id": 2}):
        assert known(vault, replace(row, **changed), kept) is None


def test_programs_that_know_one_currency_get_the_first():
    assert first_amount(replace(FIRST, micros={"CNY": -1_500_000, "USD": 7})) == "-1.5"
    assert first_amount(None) == "0"
