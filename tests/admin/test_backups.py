"""A backup over the admin API: who gets one, what is in it, and what stays behind."""

import io
import json
import tarfile

import pytest
import support
from admin_client import PASSWORD, Client, person
from canalgate.proxy.config import Config, Data
from canalgate.proxy.disk import locked
from canalgate.proxy.host import opened
from canalgate.proxy.process import backup
from canalgate.proxy.process.backup import restore


@pytest.fixture
async def owner(gateway):
    """A client that acts for a root user who has a password."""
    return await person(gateway, "rita", "root")


def left(tmp_path):
    """What of backups is in the data directory."""
    return sorted(path.name for path in (tmp_path / ".backup").glob("*"))


async def make(client, password=PASSWORD):
    return await client.post("/backup", {"password": password})


async def test_what_is_sent_can_be_restored_and_is_in_the_audit_trail(owner, root, gateway, tmp_path):
    await gateway.add_channel("http://127.0.0.1:9/v1")
    answer = await make(owner)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/gzip")
    assert int(answer.headers["content-length"]) == len(answer.body)
    (tmp_path / "kept").write_bytes(answer.body)
    new = Config(data=Data(dir=str(tmp_path / "new")))
    restore(new, tmp_path / "kept", 1_800_000_000, lambda *_: None)
    async with opened(new) as parts:
        assert [row.keys for row in await parts.store.channels()] == [("sk-upstream-secret",)]
    deed = (await root.get("/audit")).json["data"][0]
    assert (deed["act"], deed["actor"], deed["detail"]["bytes"]) == ("make_backup", "rita", len(answer.body))
    assert left(tmp_path) == ["lock"]


async def test_what_it_would_hold_is_shown_before(owner, tmp_path):
    shown = (await owner.get("/backup")).json
    assert shown["database"] >= (tmp_path / "canalgate.db").stat().st_size
    assert (shown["has_key"], shown["problem"]) == (True, None)
    assert shown["needed"] == 2 * shown["database"] + shown["journals"]


async def test_a_wrong_password_gets_nothing(owner, tmp_path):
    answer = await make(owner, "wrong")
    assert (answer.status, answer.error["param"]) == (403, "password")
    assert left(tmp_path) == []


async def test_the_admin_key_has_no_password_and_gets_none(root):
    answer = await make(root)
    assert (answer.status, answer.error["code"]) == (403, "no_account")


async def test_while_another_gateway_makes_one_there_is_no_second(owner, tmp_path):
    assert (await make(owner)).status == 200
    with locked(tmp_path / ".backup" / "lock"):
        answer = await make(owner)
    assert (answer.status, answer.error["code"]) == (409, "no_backup")
    assert (await make(owner)).status == 200


async def test_what_a_gateway_that_died_has_left_goes_with_the_next(owner, tmp_path):
    made = tmp_path / ".backup" / "made"
    made.mkdir(parents=True)
    (made / "canalgate.tar.gz").write_bytes(b"half of one")
    answer = await make(owner)
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
        assert {"manifest.json", "canalgate.db", "secret.key"} <= set(archive.getnames())
        assert json.load(archive.extractfile("manifest.json"))["has_key"] is True
    assert left(tmp_path) == ["lock"]


async def test_without_room_on_the_disk_none_is_begun(owner, tmp_path, monkeypatch):
    usage = backup.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(backup.shutil, "disk_usage", lambda _: usage)
    answer = await make(owner)
    assert answer.status == 409
    assert "1000 are free" in answer.error["message"]
    assert left(tmp_path) == ["lock"]


async def test_a_client_that_leaves_midway_leaves_nothing_behind(owner, gateway, tmp_path):
    body = json.dumps({"password": PASSWORD}).encode()
    fields = f"authorization: {owner.authorization}\r\ncontent-type: application/json\r\n"
    reader, writer = await support.asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        f"POST /api/v1/backup HTTP/1.1\r\nhost: x\r\n{fields}content-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    assert await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    for _ in range(100):
        again = await make(owner)
        if again.status == 200:
            break
    assert again.status == 200
    assert left(tmp_path) == ["lock"]


@pytest.mark.parametrize("field", ["database", "has_key"])
async def test_a_database_on_a_server_is_said_to_be_left_to_its_own_tools(owner, monkeypatch, field):
    def refuse(_):
        raise backup.ConfigError("data.database is on a server: use its own tools")

    monkeypatch.setattr(backup, "_refuse_servers", refuse)
    shown = (await owner.get("/backup")).json
    assert "its own tools" in shown["problem"]
    assert not shown[field]
    assert (await make(owner)).status == 409


async def test_an_administrator_gets_none(gateway):
    admin = await person(gateway, "adam", "admin")
    assert (await make(admin)).status == 403
    assert (await make(Client(gateway))).status == 401
