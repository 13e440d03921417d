"""Redemption codes: each is worth its quota once, whoever tries and however often."""

import asyncio
import hashlib
from collections import Counter
from dataclasses import replace

import pytest
from canalgate.proxy.store import StoreError
from canalgate.proxy.store.accounts import Accounts, open_account
from canalgate.proxy.store.codes import MOST_CODES, Codes

NOW = 1_000_000


@pytest.fixture
async def codes(database):
    async with database.transaction() as transaction:
        await open_account(transaction, "user:1", 10)
        await open_account(transaction, "user:2", 0)
        await open_account(transaction, "user:3", None)
    return Codes(database)


async def credited(database):
    return {name: state.credited for name, state in (await Accounts(database).states()).items()}


async def test_a_code_adds_its_quota_and_says_so(database, codes):
    first, second = await codes.create("spring", 500, 2, None, NOW)
    assert await codes.redeem(f" {first}\n", 1, NOW) == 500
    assert (await credited(database))["user:1"] == 510
    states = [(code.id, code.status, code.redeemed_by, code.redeemed_at) for code in await codes.list()]
    assert states == [(1, "used", 1, NOW), (2, "enabled", None, None)]
    (row,) = await Accounts(database).credits("user:1")
    assert (row.kind, row.note, row.actor, row.amount) == ("code", "spring", "code 1", 500)
    assert first != second


async def test_a_code_itself_is_not_kept(database, codes):
    (code,) = await codes.create("x", 1, 1, None, NOW)
    (row,) = await database.all("SELECT * FROM codes")
    assert bytes(row["code_hash"]) == hashlib.sha256(code.encode()).digest()
    assert code not in str(row)


async def test_of_many_who_try_one_gets_it(database, codes):
    (code,) = await codes.create("", 7, 1, None, NOW)

    async def attempt(user_id):
        try:
            return await codes.redeem(code, user_id, NOW)
        except StoreError as exc:
            return str(exc)

    found = Counter(await asyncio.gather(*(attempt(1 + number % 2) for number in range(16))))
    assert found == {7: 1, "this code was used already": 15}
    assert sum((await credited(database)).values()) == 17
    assert await Accounts(database).violations() == []


async def test_the_same_with_a_key_again_says_the_same_and_adds_nothing(database, codes):
    (code,) = await codes.create("", 7, 1, None, NOW)
    assert await asyncio.gather(*(codes.redeem(code, 1, NOW, "k") for _ in range(6))) == [7] * 6
    assert (await credited(database))["user:1"] == 17
    with pytest.raises(StoreError, match="used already"):
        await codes.redeem(code, 2, NOW, "k")
    with pytest.raises(StoreError, match="used for something else"):
        await codes.redeem("another", 1, NOW, "k")


@pytest.mark.parametrize(
    "code",
    ["", "nothing", "0" * 32, "' OR 1=1 --", "\0", "\udcff", "x" * 100_000],
    ids=lambda code: ascii(code)[:20],
)
async def test_what_is_no_code_is_refused(codes, code):
    await codes.create("", 7, 1, None, NOW)
    with pytest.raises(StoreError, match="there is no such code"):
        await codes.redeem(code, 1, NOW)


async def test_a_code_is_worth_nothing_from_the_second_it_expires(codes):
    early, late = await codes.create("", 7, 2, NOW + 10, NOW)
    assert await codes.redeem(early, 1, NOW + 9) == 7
    with pytest.raises(StoreError, match="has expired"):
        await codes.redeem(late, 1, NOW + 10)


async def test_a_disabled_code_is_refused_and_a_used_one_stays_used(codes):
    off, used = await codes.create("", 7, 2, None, NOW)
    await codes.redeem(used, 1, NOW)
    await codes.disable(1)
    await codes.disable(1)
    with pytest.raises(StoreError, match="is disabled"):
        await codes.redeem(off, 1, NOW)
    with pytest.raises(StoreError, match="code 2 was used"):
        await codes.disable(2)
    with pytest.raises(StoreError, match="there is no code 3"):
        await codes.disable(3)


@pytest.mark.parametrize(("user_id", "said"), [(3, "unlimited"), (4, "there is no account")])
async def test_a_code_that_could_not_be_added_can_still_be_used(codes, user_id, said):
    (code,) = await codes.create("", 7, 1, None, NOW)
    with pytest.raises(StoreError, match=said):
        await codes.redeem(code, user_id, NOW)
    assert await codes.redeem(code, 1, NOW) == 7


@pytest.mark.parametrize(
    "values",
    [
        ("", 0, 1, None), ("", -5, 1, None), ("", 2**62, 1, None), ("", 1, 0, None),
        ("", 1, MOST_CODES + 1, None),
        ("", 1, 1, NOW), ("x" * 192, 1, 1, None), ("a\0", 1, 1, None),
    ],
    ids=range(8),
)  # fmt: skip
async def test_codes_that_make_no_sense_are_not_made(codes, values):
    with pytest.raises(StoreError):
        await codes.create(*values, NOW)
    assert await codes.list() == []


async def test_a_code_is_changed_until_it_is_used(codes):
    (code,) = await codes.create("gift", 7, 1, None, NOW)
    (row,) = await codes.list()
    await codes.change(replace(row, name="more", quota=9))
    assert await codes.list() == [replace(row, name="more", quota=9)]
    assert await codes.redeem(code, 1, NOW) == 9
    with pytest.raises(StoreError, match="was used"):
        await codes.change(row)


@pytest.mark.parametrize("change", [{"quota": 0}, {"name": "x" * 192}, {"name": "a\0"}, {"id": 9}])
async def test_a_change_of_a_code_that_makes_no_sense_changes_nothing(codes, change):
    await codes.create("gift", 7, 1, None, NOW)
    (row,) = await codes.list()
    with pytest.raises(StoreError):
        await codes.change(replace(row, **change))
    assert await codes.list() == [row]


async def test_a_code_that_is_deleted_is_worth_nothing(codes):
    (code,) = await codes.create("gift", 7, 1, None, NOW)
    await codes.remove(1)
    with pytest.raises(StoreError, match="there is no such code"):
        await codes.redeem(code, 1, NOW)
    with pytest.raises(StoreError, match="there is no code 1"):
        await codes.remove(1)
