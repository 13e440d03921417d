"""What the store keeps for the pages of administrators, on each kind of database."""

import asyncio
from dataclasses import replace

import pytest
from canalgate.proxy.manage.edits import edited
from canalgate.proxy.records import DISABLED, ENABLED, ROLE_USER, Event, Token, User
from canalgate.proxy.store import Missing, StoreError
from canalgate.proxy.store.idempotency import KEEP_S, claim, keep, release
from canalgate.proxy.store.trail import Deed

HASH, OTHER = b"\x01" * 32, b"\x02" * 32
NOW = 1_000_000


@pytest.fixture
async def anna(store):
    return await store.add_user(User(0, "anna", ROLE_USER, "default", ENABLED, 5, "scrypt$a$b"), 100)


async def test_a_session_is_its_users_until_it_ends(store, anna):
    await store.sessions.open(HASH, anna.id, NOW, NOW + 10)
    found = [await store.sessions.user_id(HASH, now) for now in (NOW, NOW + 9, NOW + 10)]
    assert found == [anna.id, anna.id, None]
    assert await store.sessions.user_id(OTHER, NOW) is None
    await store.sessions.close(HASH)
    assert await store.sessions.user_id(HASH, NOW) is None


async def test_sessions_that_have_ended_are_forgotten(store, anna):
    await store.sessions.open(HASH, anna.id, NOW, NOW + 10)
    await store.sessions.open(OTHER, anna.id, NOW, NOW + 20)
    await store.sessions.forget_old(NOW + 10)
    assert [await store.sessions.user_id(one, NOW) for one in (HASH, OTHER)] == [None, anna.id]


async def test_sessions_are_listed_newest_first_and_end_together_but_one(store, anna):
    await store.sessions.open(HASH, anna.id, NOW, NOW + 10)
    await store.sessions.open(OTHER, anna.id, NOW + 1, NOW + 20)
    found = await store.sessions.of(anna.id, NOW)
    assert [(one.session_hash, one.created_at) for one in found] == [(OTHER, NOW + 1), (HASH, NOW)]
    assert [one.session_hash for one in await store.sessions.of(anna.id, NOW + 10)] == [OTHER]
    await store.sessions.close_all(anna.id, HASH)
    assert [one.session_hash for one in await store.sessions.of(anna.id, NOW)] == [HASH]
    await store.sessions.close_all(anna.id)
    assert await store.sessions.of(anna.id, NOW) == []


async def test_events_are_found_by_kind_and_subject_before_another(store):
    for number in range(4):
        event = Event(0, NOW, "odd" if number % 2 else "even", f"channel:{number % 3}", {"n": number})
        await store.events.add(event)

    async def found(*only):
        return [event.detail["n"] for event in await store.events.latest(9, *only)]

    last = (await store.events.latest(1))[0].id
    assert await found(last) == [2, 1, 0]
    assert await found(None, "odd") == [3, 1]
    assert await found(None, None, "channel:0") == [3, 0]
    assert await found(last, "even", "channel:0") == [0]


async def test_credits_go_on_before_another(store, anna):
    for amount in (1, 2, 3):
        await store.accounts.credit(f"user:{anna.id}", amount, "topup", "", "test", NOW)
    first, second = await store.accounts.credits(f"user:{anna.id}", 2)
    assert (first.amount, second.amount) == (3, 2)
    assert [one.amount for one in await store.accounts.credits(f"user:{anna.id}", 9, second.id)] == [1]


async def test_a_new_password_ends_all_sessions_and_only_where_it_is_still_the_one_that_was_read(store, anna):
    await store.sessions.open(HASH, anna.id, NOW, NOW + 10)
    assert not await store.set_password(replace(anna, password_hash="old"), "new")
    assert await store.sessions.user_id(HASH, NOW) == anna.id
    assert await store.set_password(anna, "new")
    assert await store.sessions.user_id(HASH, NOW) is None
    assert (await store.user("anna")).password_hash == "new"


async def test_an_access_token_is_replaced_by_the_next(store, anna):
    await store.sessions.set_access_token(anna.id, HASH, NOW)
    await store.sessions.set_access_token(anna.id, OTHER, NOW)
    assert [await store.sessions.holder(one) for one in (HASH, OTHER)] == [None, anna.id]
    await store.sessions.unset_access_token(anna.id)
    assert await store.sessions.holder(OTHER) is None


async def test_the_audit_trail_is_shown_newest_first_by_who_and_what(store):
    for number in range(4):
        deed = Deed(0, NOW, f"who{number % 2}", "act", f"channel:{number}", "10.0.0.1", {"n": number})
        await store.trail.write(deed)
    newest = await store.trail.page(2**62, 3)
    assert [one.detail["n"] for one in newest] == [3, 2, 1]
    assert [one.detail["n"] for one in await store.trail.page(newest[-1].id, 3)] == [0]
    assert [one.detail["n"] for one in await store.trail.page(2**62, 9, "who1")] == [3, 1]
    assert [one.detail["n"] for one in await store.trail.page(2**62, 9, "who1", "channel:1")] == [1]


async def test_users_are_found_page_by_page(store, anna):
    for name in ("Anton", "bob", "b%b"):
        await store.add_user(replace(anna, name=name, group="vip"))
    search = store.search.users
    assert [user.name for user, _ in await search(0, 2)] == ["anna", "Anton"]
    assert [user.name for user, _ in await search(2, 9)] == ["bob", "b%b"]
    assert [user.name for user, _ in await search(0, 9, search="AN")] == ["anna", "Anton"]
    assert [user.name for user, _ in await search(0, 9, search="%", group="vip")] == ["b%b"]
    assert await search(0, 9, status=DISABLED) == []
    ((user, state),) = await search(0, 1)
    assert (user.limited, state.remaining) == (True, 100)
    assert await store.search.group_sizes() == {"default": 1, "vip": 3}


async def test_tokens_are_changed_found_and_removed(store, anna):
    token = await store.add_token(Token(0, anna.id, "laptop", HASH, "wxyz", ENABLED, 6), 7)
    changed = replace(
        token, name="desk", expires_at=99, models=("m",), subnets=("10.0.0.0/8",), status=DISABLED
    )
    await store.change_token(changed)
    assert await store.token(token.id) == changed
    ((found, state),) = await store.search.tokens(0, 9, user_id=anna.id, search="ESK", status=DISABLED)
    assert (found, state.remaining) == (changed, 7)
    await store.remove_token(token.id)
    assert await store.token(token.id) is None
    with pytest.raises(Missing):
        await store.change_token(changed)


async def test_of_edits_at_once_none_is_lost(store, anna):
    async def edit(**change):
        read, write = (lambda: store.user_by_id(anna.id)), store.change_user
        await edited(store, "user", read, lambda user: replace(user, **change), write)

    await asyncio.gather(edit(group="vip"), edit(status=DISABLED), edit(role=10))
    user = await store.user_by_id(anna.id)
    assert (user.group, user.status, user.role) == ("vip", DISABLED, 10)


async def test_codes_are_listed_page_by_page(store):
    await store.codes.create("gift", 5, 3, None, NOW)
    await store.codes.disable(2)
    assert [code.id for code in await store.codes.page(1, 9)] == [2, 3]
    assert [code.id for code in await store.codes.page(0, 9, DISABLED)] == [2]
    assert (await store.codes.one(2)).status == DISABLED
    assert await store.codes.one(9) is None


async def test_a_claimed_key_is_taken_until_it_is_said_how_it_ended(database):
    assert await claim(database, "s", "k", "body", NOW) is None
    with pytest.raises(StoreError, match="under way"):
        await claim(database, "s", "k", "body", NOW)
    await keep(database, "s", "k", "result")
    assert await claim(database, "s", "k", "body", NOW + KEEP_S - 1) == "result"
    with pytest.raises(StoreError, match="something else"):
        await claim(database, "s", "k", "other", NOW)
    await release(database, "s", "k")  # what was done stays
    assert await claim(database, "s", "k", "body", NOW) == "result"
    assert await claim(database, "s", "k", "body", NOW + KEEP_S) is None
    await release(database, "s", "k")
    assert await claim(database, "s", "k", "other", NOW) is None


async def test_of_claims_at_once_one_is_given(database):
    claims = (claim(database, "s", "k", "body", NOW) for _ in range(5))
    told = await asyncio.gather(*claims, return_exceptions=True)
    assert told.count(None) == 1
    assert len([one for one in told if isinstance(one, StoreError)]) == 4
