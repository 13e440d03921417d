"""Accounts and sums of requests agree, and where they do not it is found."""

import asyncio

import pytest
from canalgate.proxy.ledger.entry import Counts, Entry
from canalgate.proxy.store.accounts import open_account
from canalgate.proxy.store.audit import disagreements
from canalgate.proxy.store.rollups import add, fold

AT_MS = 1_790_000_000_000


def entry(number, user_id, charged):
    return Entry(
        f"{AT_MS + number:012x}{number:012x}", AT_MS + number, user_id, 1, "default", 1, "chat/completions",
        "m", "m", False, 200, Counts(10, number), "provider", charged + 1, charged, "p", 5, 50, 1, "::1",
    )  # fmt: skip


async def book(database, *entries, paid=None):
    async with database.transaction() as transaction:
        await add(transaction, entries)
        for one in entries:
            await transaction.run(
                "UPDATE accounts SET used = used + :amount WHERE name = :name",
                {"amount": one.charged if paid is None else paid, "name": f"user:{one.user_id}"},
            )


@pytest.fixture
async def users(database):
    async with database.transaction() as transaction:
        for name in ("user:1", "user:2", "token:1", "day:user:1:20261124"):
            await open_account(transaction, name, None)
    return database


async def test_what_was_charged_is_what_was_used(users):
    await book(users, entry(1, 1, 5), entry(2, 2, 2**61))
    await fold(users)
    await book(users, entry(3, 1, 6))
    assert await disagreements(users) == []


@pytest.mark.parametrize("is_folded", [True, False])
@pytest.mark.parametrize(("paid", "used"), [(0, 0), (4, 4), (6, 6)])
async def test_an_account_that_paid_something_else_is_named(users, paid, used, is_folded):
    await book(users, entry(1, 1, 5), paid=paid)
    await book(users, entry(2, 2, 5))
    if is_folded:
        await fold(users)
    line = f"user:1: used {used} is not what its requests were charged, 5"
    assert await disagreements(users) == [line]


async def test_requests_of_a_user_without_an_account_are_named(users):
    await book(users, entry(1, 77, 5))
    assert [line.partition(": ")[0] for line in await disagreements(users)] == ["user:77"]


async def test_work_in_progress_is_no_disagreement(users):
    async def work():
        for number in range(40):
            await book(users, entry(number, 1 + number % 2, number))

    async with asyncio.TaskGroup() as group:
        working = group.create_task(work())
        looks = 0
        while not working.done():
            assert await disagreements(users) == []
            looks += 1
    assert looks > 2
