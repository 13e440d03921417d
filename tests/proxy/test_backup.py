"""An installation in a file: what it holds, and what is refused."""

import sqlite3
import tarfile

import pytest
import support
from canalgate.proxy.config import Config, Data, Ledger
from canalgate.proxy.errors import ConfigError
from canalgate.proxy.host import opened, running
from canalgate.proxy.ledger.ledger import FOLDER
from canalgate.proxy.process.backup import back_up, restore
from canalgate.proxy.store import DatabaseError, copies
from canalgate.proxy.store.open import DATABASE_FILE
from canalgate.proxy.store.requests import Filters

NOW = 1_800_000_000
NEVER_S = 3600.0
"""Between two imports of records: those of a test stay in the journal."""


def config(folder, **data):
    return Config(data=Data(dir=str(folder), **data), ledger=Ledger(flush_s=NEVER_S))


def quietly(what, done, total):
    """Show nothing."""


@pytest.fixture
async def kept(tmp_path):
    """A backup of an installation without any request, with the folder that it was made of."""
    async with opened(config(tmp_path / "old")) as parts:
        await parts.store.prices.set_group_ratio("vip", 800_000)
    back_up(config(tmp_path / "old"), tmp_path / "kept", NOW, quietly)
    return tmp_path / "kept"


async def ratios(folder):
    async with opened(config(folder)) as parts:
        return await parts.store.prices.group_ratios()


async def test_answers_that_are_in_no_database_yet_are_in_a_backup_made_meanwhile(tmp_path):
    async with support.gateway(tmp_path / "old", ledger={"flush_s": NEVER_S}) as gateway:
        for _ in range(3):
            assert (await gateway.chat("demo")).status == 200
        back_up(config(tmp_path / "old"), tmp_path / "kept", NOW, quietly)
        found, _ = await gateway.parts.store.requests.page(Filters(), None, 10)
        assert found == []
    restore(config(tmp_path / "new"), tmp_path / "kept", NOW, quietly)
    async with running(config(tmp_path / "new")) as (parts, _, _):
        found, _ = await parts.store.requests.page(Filters(), None, 10)
        assert [entry.model for entry in found] == ["demo"] * 3


async def test_a_key_of_the_old_installation_opens_the_restored_one(tmp_path):
    async with support.gateway(tmp_path / "old") as gateway:
        await gateway.add_channel("http://127.0.0.1:9/v1")
        back_up(config(tmp_path / "old"), tmp_path / "kept", NOW, quietly)
        hashed = gateway.parts.vault.token_hash(gateway.key.removeprefix("sk-"))
    restore(config(tmp_path / "new"), tmp_path / "kept", NOW, quietly)
    async with opened(config(tmp_path / "new")) as parts:
        assert (await parts.store.token_by_hash(hashed))[1].name == "root"
        assert [row.keys for row in await parts.store.channels()] == [("sk-upstream-secret",)]


async def test_a_backup_can_be_read_by_its_owner_alone_and_leaves_nothing_beside_it(kept):
    assert kept.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in kept.parent.iterdir()) == ["kept", "old"]


async def test_a_copy_is_of_one_moment_though_others_write_meanwhile(tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "_PAGES", 1)
    file, pages = tmp_path / "a.db", []
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE numbers (number INTEGER)")
    writer.executemany("INSERT INTO numbers VALUES (?)", [(n,) for n in range(3000)])

    def write(what, done, total):
        pages.append(done)
        writer.execute("INSERT INTO numbers VALUES (-1)")

    copies.copy_sqlite(file, tmp_path / "b.db", write)
    writer.close()
    copy = sqlite3.connect(tmp_path / "b.db")
    assert copy.execute("SELECT COUNT(*), MIN(number) FROM numbers").fetchone() == (3000, 0)
    copy.close()
    assert pages == sorted(set(pages))
    assert len(pages) > 3


async def test_nothing_is_restored_under_a_gateway_that_runs(tmp_path, kept):
    async with support.gateway(tmp_path / "busy"):
        with pytest.raises(ConfigError, match="a gateway is running on it"):
            restore(config(tmp_path / "busy"), kept, NOW, quietly, replace=True)


async def test_what_is_there_is_only_put_aside_where_that_is_asked_for(tmp_path, kept):
    async with opened(config(tmp_path / "new")):
        pass
    with pytest.raises(ConfigError, match="--replace puts it aside"):
        restore(config(tmp_path / "new"), kept, NOW, quietly)
    _, before = restore(config(tmp_path / "new"), kept, NOW, quietly, replace=True)
    assert before.name == "before-restore-20270115-080000"
    assert {"canalgate.db", "secret.key"} <= {path.name for path in before.iterdir()}
    assert await ratios(tmp_path / "new") == {"vip": 800_000}
    assert await ratios(before) == {}


def test_where_nothing_is_nothing_is_kept(tmp_path):
    with pytest.raises(ConfigError, match="there is no database"):
        back_up(config(tmp_path), tmp_path / "kept", NOW, quietly)
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_is_there_is_not_written_over(tmp_path, kept):
    before = kept.read_bytes()
    with pytest.raises(ConfigError, match="is there already"):
        back_up(config(tmp_path / "old"), kept, NOW, quietly)
    assert kept.read_bytes() == before


@pytest.mark.parametrize("work", [
    lambda settings, file: back_up(settings, file, NOW, quietly),
    lambda settings, file: restore(settings, file, NOW, quietly),
])  # fmt: skip
def test_a_database_on_a_server_is_left_to_its_own_tools(tmp_path, work):
    with pytest.raises(ConfigError, match="pg_dump") as refused:
        work(config(tmp_path, database="postgresql://a:s3cret@127.0.0.1/b"), tmp_path / "kept")
    assert "s3cret" not in str(refused.value)


async def test_a_key_from_the_configuration_is_in_no_backup(tmp_path):
    settings = config(tmp_path / "old", secret_key="ab" * 32)
    async with opened(settings):
        pass
    made = back_up(settings, tmp_path / "kept", NOW, quietly)
    with tarfile.open(tmp_path / "kept") as archive:
        assert (made.has_key, "secret.key" in archive.getnames()) == (False, False)
    restored, _ = restore(config(tmp_path / "new"), tmp_path / "kept", NOW, quietly)
    assert restored == made


def foreign(kept):
    with tarfile.open(kept, "w:gz") as archive:
        archive.add(__file__, "notes.txt")


def climbing(kept):
    with tarfile.open(kept, "w:gz") as archive:
        archive.add(__file__, f"{FOLDER}/../../escaped.log")


def linked(kept):
    with tarfile.open(kept, "w:gz") as archive:
        member = tarfile.TarInfo("secret.key")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)


def damaged(kept):
    with tarfile.open(kept) as archive:
        archive.extractall(kept.parent / "open", filter="data")
    file = kept.parent / "open" / DATABASE_FILE
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * 40_000)
    with tarfile.open(kept, "w:gz") as archive:
        for path in sorted((kept.parent / "open").iterdir()):
            archive.add(path, path.name)


@pytest.mark.parametrize("spoil", [
    lambda kept: kept.write_bytes(b""),
    lambda kept: kept.write_text("not an archive"),
    lambda kept: kept.write_bytes(kept.read_bytes()[:2000]),
    foreign, climbing, linked, damaged,
], ids=["empty", "text", "cut", "foreign", "climbing", "linked", "damaged"])  # fmt: skip
async def test_a_file_that_is_no_whole_backup_changes_nothing(tmp_path, kept, spoil):
    spoil(kept)
    with pytest.raises((ConfigError, DatabaseError)):
        restore(config(tmp_path / "new"), kept, NOW, quietly)
    assert list((tmp_path / "new").iterdir()) == []
    assert not list(tmp_path.glob("**/escaped.log"))
