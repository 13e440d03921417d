"""What is kept, and that it can be kept."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from canalgate.proxy.errors import ConfigError
from canalgate.proxy.keys.vault import open_vault
from canalgate.proxy.records import DISABLED, ENABLED, ROLE_USER, ChannelRow, Token, User
from canalgate.proxy.store import StoreError, open_store
from canalgate.proxy.store.open import DATABASE_FILE

USER = User(0, "anna", ROLE_USER, "default", ENABLED, 5, "scrypt$a$b")
TOKEN = Token(0, 1, "laptop", b"\x01" * 32, "wxyz", ENABLED, 6, 99, ("m", "n"), ("10.0.0.0/8",))
CHANNEL = ChannelRow(
    0, "openai", "main 主", "https://host/v1", "sk-very-secret-key", ("m", "模型"), 7, {"m": "up-m"},
    -3, 0, ("default", "vip"), DISABLED, "socks5://n:hunter22secret@host:1", {"r": "option-secret-9"},
)  # fmt: skip


@asynccontextmanager
async def opened(folder, url=""):
    async with open_store(url, folder, open_vault(folder)) as store:
        yield store


async def filled(store):
    user = await store.add_user(USER)
    token = await store.add_token(replace(TOKEN, user_id=user.id))
    return user, token, await store.add_channel(CHANNEL)


async def test_everything_comes_back_as_it_went_in_after_a_restart(tmp_path, database_url):
    async with opened(tmp_path, database_url) as store:
        user, token, channel = await filled(store)
    async with opened(tmp_path, database_url) as store:
        assert await store.users() == [user]
        assert await store.tokens() == [token]
        assert await store.channels() == [channel]


async def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / DATABASE_FILE).write_bytes(b"not a database at all, by no means" * 100)
    with pytest.raises(ConfigError, match=DATABASE_FILE):
        async with opened(tmp_path):
            pass


SECRETS = ["sk-very-secret-key", "hunter22secret", "option-secret-9"]


@pytest.mark.parametrize("secret", SECRETS)
async def test_no_file_of_the_data_directory_holds_a_secret_in_clear_text(tmp_path, secret):
    async with opened(tmp_path) as store:
        await filled(store)
        while_open = [path.read_bytes() for path in tmp_path.iterdir()]
    files = while_open + [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(while_open) >= 3
    assert not [data for data in files if secret.encode() in data]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_channel_in_a_traceback_shows_no_secret(secret):
    assert secret not in repr(CHANNEL)


async def test_the_wrong_secret_key_is_an_error_that_says_so(tmp_path, database_url):
    async with opened(tmp_path, database_url) as store:
        await filled(store)
    (tmp_path / "secret.key").write_text("ab" * 32)
    with pytest.raises(ConfigError, match="secret key does not open"):
        async with opened(tmp_path, database_url) as store:
            await store.channels()


async def everything(store):
    return await store.generation(), await store.users(), await store.tokens(), await store.channels()


CLASHES = {
    "user": (lambda store: store.add_user(USER), "there is a user 'anna' already"),
    "token": (lambda store: store.add_token(replace(TOKEN, user_id=1)), "in use already"),
    "no such user": (lambda store: store.change_user(replace(USER, id=9)), "no user 'anna'"),
    "no such token": (lambda store: store.set_token_status(9, DISABLED), "no token 9"),
    "no such channel": (lambda store: store.change_channel(replace(CHANNEL, id=9)), "no channel 9"),
    "nothing to remove": (lambda store: store.remove_channel(9), "no channel 9"),
}


@pytest.mark.parametrize("case", CLASHES)
async def test_a_clash_is_said_and_changes_nothing(store, case):
    await filled(store)
    change, said = CLASHES[case]
    before = await everything(store)
    with pytest.raises(StoreError, match=said):
        await change(store)
    assert await everything(store) == before


CHANGES = {
    "add a user": lambda store: store.add_user(replace(USER, name="bert")),
    "change a user": lambda store: store.change_user(replace(USER, id=1, group="vip")),
    "add a token": lambda store: store.add_token(replace(TOKEN, key_hash=b"2")),
    "revoke a token": lambda store: store.set_token_status(1, DISABLED),
    "add a channel": lambda store: store.add_channel(CHANNEL),
    "change a channel": lambda store: store.change_channel(replace(CHANNEL, id=1, weight=2)),
    "remove a channel": lambda store: store.remove_channel(1),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_each_change_moves_the_generation_by_one(store, change):
    await filled(store)
    before = await store.generation()
    await CHANGES[change](store)
    assert await store.generation() == before + 1


async def test_reports_of_instances_do_not_move_the_generation(store):
    before = await store.generation()
    await store.report_instance("a", 1, 1000)
    await store.forget_instance("a")
    assert await store.generation() == before


async def test_an_instance_counts_while_it_reports(store):
    await store.report_instance("a", 4, 1000)
    await store.report_instance("a", 5, 1010)
    await store.report_instance("silent", 3, 900)
    assert await store.instance_generations(1010) == [5]
    assert await store.instances(1010) == [("a", 5, 1010)]


async def test_a_token_is_found_with_its_user(store):
    user, token, _ = await filled(store)
    assert await store.token_by_hash(TOKEN.key_hash) == (token, user)


@pytest.mark.parametrize("key_hash", [b"", b"\x02" * 32])
async def test_an_unknown_key_finds_nothing(store, key_hash):
    await filled(store)
    assert await store.token_by_hash(key_hash) is None


async def test_two_programs_can_write_at_once(tmp_path, database_url, store):
    async with opened(tmp_path, database_url) as other:
        for number in range(10):
            await store.add_user(replace(USER, name=f"a{number}"))
            await other.add_user(replace(USER, name=f"b{number}"))
        assert len(await store.users()) == 20


async def test_a_write_cancelled_at_any_moment_leaves_the_next_one_alone(store):
    for turns in range(40):
        writing = asyncio.ensure_future(store.report_instance("a", 1, 1000))
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await store.add_user(replace(USER, name=f"user{turns}"))
    assert len(await store.users()) == 40


async def test_several_channels_are_added_all_or_none(store):
    added = await store.add_channels([CHANNEL, replace(CHANNEL, name="other")])
    assert await store.channels() == added
    with pytest.raises(TypeError):
        await store.add_channels([CHANNEL, replace(CHANNEL, name="third", mapping={1j: "m"})])
    assert await store.channels() == added


async def test_a_user_s_tokens_are_found_by_the_user(store):
    user, token, _ = await filled(store)
    other = await store.add_user(replace(USER, name="bert"))
    await store.add_token(replace(TOKEN, user_id=other.id, key_hash=b"\x02" * 32))
    assert await store.tokens_of(user.id) == [token]
    assert await store.tokens_of(99) == []


async def test_a_user_is_deleted_with_all_keys_and_the_name_is_free(store):
    user, *_ = await filled(store)
    await store.sessions.open(b"session", user.id, 1, 2**40)
    await store.sessions.set_access_token(user.id, b"access", 1)
    before = await store.generation()
    await store.remove_user(user.id)
    assert (await store.users(), await store.tokens()) == ([], [])
    assert await store.sessions.user_id(b"session", 2) is None
    assert await store.sessions.holder(b"access") is None
    assert await store.generation() == before + 1
    assert (await store.add_user(USER)).id != user.id
    assert await store.accounts.state(f"user:{user.id}") is not None


async def test_a_user_that_is_not_there_is_not_deleted(store):
    before = await store.generation()
    with pytest.raises(StoreError, match="there is no user 9"):
        await store.remove_user(9)
    assert await store.generation() == before
