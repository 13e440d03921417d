"""What is asked for twice happens once."""

import asyncio

import pytest
from canalgate.proxy.store import StoreError
from canalgate.proxy.store.accounts import Accounts, open_account
from canalgate.proxy.store.idempotency import KEEP_S, forget_old, once

NOW = 1_000_000


@pytest.fixture
async def accounts(database):
    async with database.transaction() as transaction:
        await open_account(transaction, "user:1", 100)
    return Accounts(database)


async def balance(accounts):
    return (await accounts.state("user:1")).balance


def counting(database, scope="s"):
    """A function that asks once more; its work returns how many times it was done."""
    done = []

    async def work(_):
        done.append(1)
        return str(len(done))

    return lambda key, body="b", now=NOW: once(database, scope, key, body, now, work)


async def test_the_same_again_gives_the_first_result(database):
    ask = counting(database)
    assert [await ask("k"), await ask("k"), await ask("other"), await ask("k")] == ["1", "1", "2", "1"]


async def test_without_a_key_it_is_done_each_time(database):
    ask = counting(database)
    assert [await ask(""), await ask("")] == ["1", "2"]


async def test_a_key_of_another_body_is_refused(database):
    ask = counting(database)
    await ask("k", ["a", 1])
    with pytest.raises(StoreError, match="used for something else"):
        await ask("k", ["a", 2])


async def test_scopes_know_nothing_of_each_other(database):
    assert [await counting(database, scope)("k") for scope in ("s", "t")] == ["1", "1"]
    assert await counting(database, "s")("k") == "1"


@pytest.mark.parametrize(("age_s", "result"), [(KEEP_S - 1, "1"), (KEEP_S, "2"), (10 * KEEP_S, "2")])
async def test_a_key_is_free_again_after_a_day(database, age_s, result):
    ask = counting(database)
    await ask("k")
    assert await ask("k", "b" if result == "1" else "c", NOW + age_s) == result


async def test_what_is_old_is_deleted(database):
    ask = counting(database)
    await ask("old")
    await ask("new", now=NOW + KEEP_S)
    await forget_old(database, NOW + KEEP_S)
    assert [row["idem"] for row in await database.all("SELECT idem FROM idempotency")] == ["new"]


async def test_work_that_fails_leaves_its_key_free(database, accounts):
    with pytest.raises(StoreError, match="below zero"):
        await accounts.credit("user:1", -101, "topup", "", "root", NOW, "k")
    await accounts.credit("user:1", -100, "topup", "", "root", NOW, "k")
    assert await balance(accounts) == 0


@pytest.mark.parametrize("key", ["x" * 192, "a\0b", "a\nb", " a", "a ", "\x1b[2J"], ids=ascii)
async def test_what_is_no_key_is_refused(database, key):
    with pytest.raises(StoreError, match="printable characters"):
        await counting(database)(key)


async def test_of_many_at_once_one_adds_and_none_fails(database, accounts):
    async with asyncio.TaskGroup() as group:
        for _ in range(12):
            group.create_task(accounts.credit("user:1", 7, "topup", "note", "root", NOW, "k"))
    assert await balance(accounts) == 107
    assert len(await accounts.credits("user:1")) == 1
    assert await accounts.violations() == []


async def test_many_at_once_on_a_key_that_has_expired_add_once(database, accounts):
    await accounts.credit("user:1", 1, "topup", "", "root", NOW, "k")
    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(accounts.credit("user:1", 7, "topup", "", "root", NOW + KEEP_S, "k"))
    assert await balance(accounts) == 108
