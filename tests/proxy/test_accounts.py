"""Balances on every database: nothing is overspent, lost or made, whoever races."""

import asyncio
from datetime import UTC, datetime

import pytest
from canalgate.proxy.store import StoreError
from canalgate.proxy.store.accounts import State, open_account

NAME = "user:1"


@pytest.fixture
async def accounts(store):
    async with store.database.transaction() as transaction:
        await open_account(transaction, NAME, 100)
        await open_account(transaction, "user:2", None)
    await store.accounts.open_journal("a", 1)
    await store.accounts.open_journal("b", 1)
    return store.accounts


async def settle(store, owner, **sums):
    async with store.database.transaction() as transaction:
        named = {name.replace("_", ":"): pair for name, pair in sums.items()}
        return await store.accounts.settle(transaction, owner, named)


async def test_an_account_begins_with_what_it_was_given(accounts):
    assert await accounts.state(NAME) == State(100, 0, 0, 100)
    assert await accounts.state("user:2") == State(None, 0, 0, 0)
    assert await accounts.state("user:3") is None


async def test_a_lease_comes_out_of_the_balance_and_goes_back(accounts):
    assert await accounts.take("a", NAME, 1, 60) == 60
    assert await accounts.state(NAME) == State(40, 60, 0, 100)
    await accounts.give_back("a", NAME, 25)
    assert await accounts.state(NAME) == State(65, 35, 0, 100)
    with pytest.raises(StoreError):
        await accounts.give_back("a", NAME, 99)  # more than is leased
    assert await accounts.state(NAME) == State(65, 35, 0, 100)


@pytest.mark.parametrize(
    ("least", "most", "taken"), [(1, 1000, 100), (100, 100, 100), (101, 1000, 0), (0, 0, 0), (50, 70, 70)]
)
async def test_a_lease_is_between_what_is_needed_and_what_is_wished(accounts, least, most, taken):
    assert await accounts.take("a", NAME, least, most) == taken


async def test_five_hundred_leases_at_once_take_no_more_than_there_is(accounts):
    taken = await asyncio.gather(*[accounts.take("ab"[n % 2], NAME, 3, 3) for n in range(500)])
    while await accounts.take("a", NAME, 3, 3):
        taken.append(3)
    assert sum(taken) == 99
    assert await accounts.state(NAME) == State(1, 99, 0, 100)
    assert await accounts.violations() == []


async def test_what_was_used_leaves_the_lease(accounts, store):
    await accounts.take("a", NAME, 60, 60)
    assert await settle(store, "a", user_1=(20, 0), user_2=(0, 7)) == {}
    assert await accounts.state(NAME) == State(40, 40, 20, 100)
    assert (await accounts.state("user:2")).used == 7
    assert await accounts.violations() == []


async def test_where_the_lease_has_gone_the_balance_pays_down_to_zero(accounts, store):
    await accounts.take("a", NAME, 30, 30)
    assert await settle(store, "a", user_1=(45, 0)) == {}
    assert await accounts.state(NAME) == State(55, 0, 45, 100)
    assert await settle(store, "a", user_1=(70, 0)) == {NAME: 15}
    assert await accounts.state(NAME) == State(0, 0, 100, 100)
    assert await accounts.violations() == []


async def test_an_account_that_was_unlimited_when_the_request_came_pays_now(accounts, store):
    assert await settle(store, "a", user_1=(0, 30)) == {}
    assert await accounts.state(NAME) == State(70, 0, 30, 100)


async def test_the_leases_of_the_dead_go_back(accounts):
    await accounts.take("a", NAME, 30, 30)
    await accounts.take("b", NAME, 20, 20)
    await accounts.release("a")
    await accounts.release("a")
    assert await accounts.state(NAME) == State(80, 20, 0, 100)
    assert await accounts.position("a") is None
    assert await accounts.violations() == []


async def test_a_journal_moves_once_from_where_it_is(accounts, store):
    async def move(old, new):
        async with store.database.transaction() as transaction:
            return await accounts.move_position(transaction, "a", old, new)

    assert sorted(await asyncio.gather(*[move(0, 10) for _ in range(5)])) == [False] * 4 + [True]
    assert not await move(5, 20)
    assert await move(10, 20)
    assert await accounts.position("a") == 20


@pytest.mark.parametrize("amount", [-101, 2**62, -(2**62)])
async def test_a_credit_that_makes_no_sense_changes_nothing(accounts, amount):
    with pytest.raises(StoreError):
        await accounts.credit(NAME, amount, "topup", "", "test", 1)
    assert await accounts.state(NAME) == State(100, 0, 0, 100)
    assert await accounts.credits(NAME) == []


@pytest.mark.parametrize(("name", "message"), [("user:2", "is unlimited"), ("user:9", "there is no account")])
async def test_a_credit_to_what_cannot_have_one_is_refused(accounts, name, message):
    with pytest.raises(StoreError, match=message):
        await accounts.credit(name, 5, "topup", "", "test", 1)


async def test_credits_add_up_whoever_races(accounts):
    credits = [accounts.credit(NAME, n, "topup", "x" * 1000, "test", n) for n in range(-3, 20)]
    await asyncio.gather(*credits, accounts.take("a", NAME, 40, 40))
    assert await accounts.state(NAME) == State(100 + 184 - 40, 40, 0, 284)
    assert len(await accounts.credits(NAME)) == 23
    assert await accounts.violations() == []


async def test_a_balance_can_be_set_and_made_unlimited_and_limited_again(accounts, store):
    await accounts.take("a", NAME, 30, 30)
    await settle(store, "a", user_1=(10, 0))
    await accounts.set_balance(NAME, 500, "test", 1)
    assert await accounts.state(NAME) == State(480, 20, 10, 510)
    await accounts.set_balance(NAME, None, "test", 1)
    assert (await accounts.state(NAME)).remaining is None
    await settle(store, "a", user_1=(5, 0))
    await accounts.set_balance(NAME, 50, "test", 1)
    assert (await accounts.state(NAME)).remaining == 50
    with pytest.raises(StoreError, match="hold more"):
        await accounts.set_balance(NAME, 5, "test", 1)
    assert await accounts.violations() == []


async def test_many_balances_set_at_once_wait_for_each_other_and_not_for_ever(accounts, store):
    async with asyncio.timeout(10):
        await asyncio.gather(*[accounts.set_balance(NAME, 100 + n, "test", n) for n in range(20)])
    assert len(await accounts.credits(NAME)) == 20
    assert await accounts.violations() == []


async def test_a_limit_set_while_unlimited_quota_is_leased_holds_the_rule(accounts):
    for n in range(10):
        await accounts.set_balance("user:2", None, "test", n)
        lease = accounts.take("a", "user:2", 5, 5)
        back = accounts.give_back("a", "user:2", 5) if n else asyncio.sleep(0)
        await asyncio.gather(lease, accounts.set_balance("user:2", 10_000, "test", n), back)
        assert await accounts.violations() == []


async def test_a_budget_begins_once_and_follows_its_limit(accounts):
    name = "day:user:1:20261124"
    await asyncio.gather(*[accounts.open_budget(name, 50) for _ in range(5)])
    assert await accounts.state(name) == State(50, 0, 0, 50)
    await accounts.take("a", name, 40, 40)
    await accounts.open_budget(name, 70)
    assert await accounts.state(name) == State(30, 40, 0, 70)
    await accounts.open_budget(name, 20)  # less than is out: nothing is left
    assert await accounts.state(name) == State(0, 40, 0, 40)
    await accounts.give_back("a", name, 30)
    await accounts.open_budget(name, 20)
    assert await accounts.state(name) == State(10, 10, 0, 20)
    assert await accounts.violations() == []


async def test_budgets_long_over_are_forgotten_and_others_are_not(accounts):
    names = ["day:user:1:20261120", "day:user:2:20261120", "day:user:1:20261224", "month:group:a:1:202610",
             "month:group:a:1:202611"]  # fmt: skip
    for name in names:
        await accounts.open_budget(name, 50)
        await accounts.take("a", name, 10, 10)
    for name in names[:1] + names[3:]:
        await accounts.give_back("a", name, 10)
    await accounts.forget_budgets(datetime(2026, 12, 31, tzinfo=UTC).timestamp())
    left = set(await accounts.states())
    assert left == {NAME, "user:2", "day:user:2:20261120", "day:user:1:20261224", "month:group:a:1:202611"}
    assert await accounts.violations() == []


async def test_a_broken_rule_is_named(accounts, store):
    async with store.database.transaction() as transaction:
        await transaction.run("UPDATE accounts SET used = 7 WHERE name = :name", {"name": NAME})
        await transaction.run(
            "INSERT INTO leases (owner, account, amount) VALUES (:owner, :name, 5)",
            {"owner": "gone", "name": NAME},
        )
    assert await accounts.violations() == [
        "user:1: credited 100 is not balance 100 + leased 5 + used 7",
        "user:1: 5 leased by gone, which is no gateway",
    ]


async def test_the_latest_changes_of_balances_are_found_by_their_kind(accounts):
    await accounts.credit(NAME, 5, "topup", "paid", "root", 1)
    await accounts.credit(NAME, 7, "gift", "", "root", 2)
    await accounts.credit(NAME, 9, "topup", "", "root", 3)
    found = await accounts.latest(("topup", "code"), 10)
    assert [(row["account"], row["amount"], row["at"]) for row in found] == [(NAME, 9, 3), (NAME, 5, 1)]
    assert [row["amount"] for row in await accounts.latest(("topup", "gift"), 2)] == [9, 7]
    assert await accounts.latest(("topup",), 10, 2) == []
