"""The secret key is rotated: what is sealed, what opens it, who goes on working, and what a crash leaves."""

import asyncio
import os
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import support
from canalgate.proxy.cli import main
from canalgate.proxy.errors import ConfigError
from canalgate.proxy.keys import keyfile
from canalgate.proxy.keys.keyfile import KEY_FILE
from canalgate.proxy.keys.keyring import parse
from canalgate.proxy.keys.vault import Vault, open_vault
from canalgate.proxy.manage.rotation import add_key, begin, forget_older
from canalgate.proxy.records import ENABLED, ROLE_USER, ChannelRow, Token, User
from canalgate.proxy.store import open_store
from canalgate.proxy.store.sealed import PLACES
from support import json_answer

A, B, C = "aa" * 32, "bb" * 32, "cc" * 32
CHANNEL = ChannelRow(0, "openai", "c", "http://host/v1", "sk-provider", ("m",), 1, options={"a": "b"})
MIGRATIONS = Path(keyfile.__file__).parents[1] / "store" / "migrations"


def legacy(text, purpose, key=A):
    """Seal as versions before key ids did."""
    sealed = Vault(bytes.fromhex(key)).seal(text, purpose)
    return sealed[9:]


def test_what_was_sealed_before_keys_had_ids_opens_with_the_oldest_key():
    assert Vault(parse(f"{A} {B}")).open(legacy("text", "p"), "p") == "text"


def test_what_was_sealed_before_keys_had_ids_opens_with_no_other_key():
    with pytest.raises(ConfigError, match="restore"):
        Vault(parse(f"{B} {A}")).open(legacy("text", "p"), "p")


@pytest.mark.parametrize("key", [A, B, C])
def test_every_key_of_the_ring_opens_its_own(key):
    assert Vault(parse(f"{A} {B} {C}")).open(Vault(bytes.fromhex(key)).seal("text", "p"), "p") == "text"


def test_the_last_key_seals_and_tokens_are_hashed_as_ever():
    old, new = Vault(parse(A)), Vault(parse(f"{A} {B}"))
    assert Vault(bytes.fromhex(B)).open(new.seal("text", "p"), "p") == "text"
    assert new.token_hash("k") == old.token_hash("k")
    assert new.key_hash("k") == old.key_hash("k")


def test_a_coming_key_opens_and_seals_only_after_it_was_met():
    vault, first = Vault(parse(f"{A} next:{B}")), Vault(parse(f"{A} {B}"))
    assert not first.is_current(vault.seal("text", "p"))
    assert vault.open(first.seal("text", "p"), "p") == "text"
    assert first.is_current(vault.seal("text", "p"))


def test_an_id_of_another_key_does_not_make_a_value_open():
    sealed = Vault(bytes.fromhex(A)).seal("text", "p")
    other = Vault(bytes.fromhex(B)).seal("text", "p")
    with pytest.raises(ConfigError):
        Vault(parse(f"{A} {B}")).open(other[:9] + sealed[9:], "p")


def test_keys_are_read_again_for_a_value_of_a_key_that_is_not_known(tmp_path):
    path = tmp_path / KEY_FILE
    path.write_text(A)
    vault = open_vault(tmp_path)
    path.write_text(f"{A}\n{B}\n")
    assert vault.open(Vault(bytes.fromhex(B)).seal("text", "p"), "p") == "text"
    assert Vault(bytes.fromhex(B)).open(vault.seal("more", "p"), "p") == "more"


def test_a_value_of_no_key_at_all_is_an_error_each_time(tmp_path):
    vault = open_vault(tmp_path)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"restore secret\.key"):
            vault.open(Vault(bytes.fromhex(B)).seal("text", "p"), "p")


def test_everything_sealed_that_lasts_is_resealed():
    text = "".join(path.read_text("utf-8") for path in sorted(MIGRATIONS.glob("*.sql")))
    columns = {
        (table, column)
        for table, body in re.findall(r"(?s)CREATE TABLE (\w+) \((.*?)\n\);", text)
        for column in re.findall(r"(\w+) \{blob\}", body)
    }
    soon_forgotten = {("request_bodies", "sealed")}
    assert columns - soon_forgotten == {(place.table, place.column) for place in PLACES}


# The key file.


@pytest.fixture
def path(tmp_path):
    (tmp_path / KEY_FILE).write_text(A + "\n")
    return tmp_path / KEY_FILE


def test_the_file_is_replaced_as_a_whole_and_only_its_owner_may_read_it(path):
    path.chmod(0o644)
    keyfile.replace(path, parse(f"{A} {B}"))
    assert path.read_text() == f"{A}\n{B}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == [KEY_FILE]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_file_stays_its_owners_when_root_rotates(path):
    os.chown(path, 12345, 12346)
    keyfile.replace(path, parse(B))
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)


def test_a_full_disk_changes_nothing(path, monkeypatch):
    monkeypatch.setattr(
        os, "fsync", lambda file: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(ConfigError, match="No space left"):
        keyfile.replace(path, parse(B))
    assert path.read_text() == A + "\n"
    assert len(list(path.parent.iterdir())) == 1


def test_two_rotations_do_not_run_at_once(path):
    with keyfile.alone(path), pytest.raises(ConfigError, match="another command"), keyfile.alone(path):
        pass
    with keyfile.alone(path):
        pass


# The store.


@pytest.fixture
async def filled(tmp_path, path, database_url):
    """A function that opens the store anew, with three channels, one sealed before keys had ids."""

    def opening():
        vault = open_vault(tmp_path)
        return open_store(database_url, tmp_path, vault), vault

    context, vault = opening()
    async with context as store:
        for name in ("one", "two", "three"):
            await store.add_channel(replace(CHANNEL, name=name))
        row = await store.database.one("SELECT secrets FROM channels WHERE id = 1")
        old = legacy(vault.open(bytes(row["secrets"]), "channel key"), "channel key")
        async with store.database.transaction() as transaction:
            await transaction.run("UPDATE channels SET secrets = :old WHERE id = 1", {"old": old})
        user = await store.add_user(User(0, "anna", ROLE_USER, "default", ENABLED, 1))
        await store.add_token(Token(0, user.id, "t", vault.token_hash("k"), "k", ENABLED, 1))
    yield opening


async def test_a_rotation_seals_all_with_the_new_key_and_keys_and_tokens_stay(filled, path):
    context, vault = filled()
    async with context as store:
        generation = await store.generation()
        assert await add_key(store, vault, path, alone=True)
        assert await store.sealed.reseal() == 3
        assert (await store.sealed.old(), await store.sealed.reseal()) == (0, 0)
        assert await store.generation() > generation
    assert len(parse(path.read_text()).keys) == 2
    context, vault = filled()
    async with context as store:
        assert {row.key for row in await store.channels()} == {"sk-provider"}
        assert (await store.token_by_key("k"))[1].name == "anna"


async def test_older_keys_can_be_forgotten_in_the_end(filled, path):
    context, vault = filled()
    async with context as store:
        await add_key(store, vault, path, alone=True)
        await store.sealed.reseal()
        forget_older(vault, path)
    assert A not in path.read_text()
    context, vault = filled()
    async with context as store:
        assert {row.key for row in await store.channels()} == {"sk-provider"}
        assert (await store.token_by_key("k"))[1].name == "anna"


async def test_a_rotation_that_was_cut_short_goes_on_with_the_same_key(filled, path):
    context, vault = filled()
    async with context as store:
        await add_key(store, vault, path, alone=True)
        (place,) = PLACES[:1]
        rows = await store.sealed._old(place)
        await store.sealed._reseal(place, rows[:1])  # and here it died
    written = path.read_text()
    context, vault = filled()
    async with context as store:
        assert len(await store.channels()) == 3
        assert await add_key(store, vault, path, alone=True)
        assert await store.sealed.reseal() == 2
    assert path.read_text() == written


async def test_with_other_machines_a_key_is_first_only_a_coming_one(filled, path):
    context, vault = filled()
    async with context as store:
        assert not await add_key(store, vault, path, alone=False)
        assert await store.sealed.old() == 1  # from before keys had ids
        elsewhere = open_vault(path.parent)
        assert await add_key(store, vault, path, alone=False)
        assert await store.sealed.reseal() == 3
        row = await store.database.one("SELECT secrets FROM channels WHERE id = 2")
        assert "sk-provider" in elsewhere.open(bytes(row["secrets"]), "channel key")
        assert vault.is_current(elsewhere.seal("text", "p"))
    assert len(parse(path.read_text()).keys) == 2


async def test_a_key_of_a_setting_is_rotated_by_its_owner(tmp_path, database_url):
    vault = Vault(parse(A))
    async with open_store(database_url, tmp_path, vault) as store:
        await store.add_channel(CHANNEL)
        with pytest.raises(ConfigError, match="OLD,next:NEW"):
            await begin(store, vault, A)
    vault = Vault(parse(f"{A},next:{B}"))
    async with open_store(database_url, tmp_path, vault) as store:
        await begin(store, vault, f"{A},next:{B}")
        assert await store.sealed.reseal() == 1
        with pytest.raises(ConfigError, match="OLD,next:NEW"):
            await begin(store, vault, f"{A},next:{B}")
    async with open_store(database_url, tmp_path, Vault(parse(f"{A},{B}"))) as store:
        assert (await store.channels())[0].key == "sk-provider"


async def test_a_value_that_no_key_opens_is_named_and_the_others_are_done(filled, path):
    context, vault = filled()
    async with context as store:
        async with store.database.transaction() as transaction:
            await transaction.run("UPDATE channels SET secrets = :bad WHERE id = 3", {"bad": b"x" * 40})
        await add_key(store, vault, path, alone=True)
        with pytest.raises(ConfigError, match="channels 3: the secret key does not open"):
            await store.sealed.reseal()


# A gateway that runs.


async def test_a_running_gateway_serves_through_a_rotation_and_seals_with_the_new_key(tmp_path, provider):
    provider.says(json_answer({"choices": [1]}))
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        stop, statuses = asyncio.Event(), []

        async def ask():
            while not stop.is_set():
                statuses.append((await gateway.chat()).status)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ask())
            done = await asyncio.to_thread(in_process, tmp_path, "secrets", "rotate", "--forget")
            stop.set()
        assert done == 0
        assert (await gateway.chat()).status == 200
        assert set(statuses) == {200}
        assert provider.asked[-1].header("authorization") == "Bearer sk-upstream-secret"
        await gateway.add_channel(provider, "later")
        assert await gateway.parts.store.sealed.old() == 0
        assert (await gateway.chat("later")).status == 200
    (word, key) = (tmp_path / KEY_FILE).read_text().split()
    assert word.startswith("hash:")
    with sqlite3.connect(tmp_path / "canalgate.db") as connection:
        sealed = [row[0] for row in connection.execute("SELECT secrets FROM channels")]
    connection.close()
    newest = Vault(bytes.fromhex(key))
    assert [newest.is_current(value) for value in sealed] == [True, True]


def in_process(folder, *words):
    """Run a command as another process would; returns its status."""
    config = folder / "config.toml"
    config.write_text(f'[data]\ndir = "{folder}"\n')
    return main(["--config", str(config), *words])


def test_the_command_says_what_it_did_and_shows_no_key(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("CANALGATE_DATA__SECRET_KEY", raising=False)
    assert in_process(tmp_path, "channel", "add", "--name", "a", "--type", "demo", "--models", "x") == 0
    assert in_process(tmp_path, "secrets", "rotate") == 0
    out, err = capsys.readouterr()
    assert "1 secrets sealed with the new key" in out
    keys = (tmp_path / KEY_FILE).read_text().split()
    assert len(keys) == 2
    assert not [key for key in keys if key in out + err]


def test_keys_of_a_setting_are_not_forgotten_by_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CANALGATE_DATA__SECRET_KEY", f"{A},{B}")
    assert in_process(tmp_path, "secrets", "rotate", "--forget") == 1
    assert "data.secret_key" in capsys.readouterr().err
