"""What the doctor finds, and that nothing is made by looking."""

import asyncio
import socket
import ssl
import time
from contextlib import asynccontextmanager
from email.utils import formatdate

import pytest
import support
from canalgate.proxy.config import Config, Data
from canalgate.proxy.host import opened
from canalgate.proxy.process import doctor
from canalgate.proxy.process.doctor import examine
from canalgate.proxy.records import ChannelRow, KeyFault
from canalgate.proxy.store.open import open_database


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """A function that writes lines of settings, for an installation in a folder of its own."""
    monkeypatch.setenv("CANALGATE_DATA__DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CANALGATE_SERVER__PORT", "0")

    def write(*lines):
        (tmp_path / "config.toml").write_text("\n".join(lines), "utf-8")
        return tmp_path / "config.toml"

    return write


async def found(path, part, *, online=False):
    """How a part is, and what is said of it."""
    return [(one.state, one.what) async for one in examine(path, online=online) if one.part == part]


async def install(folder, *rows):
    async with opened(Config(data=Data(dir=str(folder)))) as parts:
        for row in rows:
            await parts.store.add_channel(row)


def channel(name, url="http://127.0.0.1:9/v1", **more):
    return ChannelRow(0, more.pop("type", "openai"), name, url, "sk-upstream-secret", ("m",), 1, **more)


async def test_before_the_first_start_all_is_well_and_nothing_is_made(tmp_path, settings):
    states = {one.state async for one in examine(settings(), online=False)}
    assert states <= {"ok", "warn"}
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


async def test_a_good_installation_has_nothing_that_fails(tmp_path, settings):
    await install(tmp_path / "data", channel("one"))
    (tmp_path / "data").chmod(0o700)
    bad = [one async for one in examine(settings(), online=False) if one.state == "fail"]
    assert bad == []


async def test_settings_that_cannot_be_read_are_all_that_is_said(settings):
    (only,) = [one async for one in examine(settings("[server]", "prot = 1"), online=False)]
    assert (only.part, only.state) == ("configuration", "fail")
    assert "server.prot" in only.what


async def test_every_finding_that_is_not_ok_says_what_to_do(tmp_path, settings):
    await install(tmp_path / "data", channel("one", type="gone"))
    (tmp_path / "data" / "plugins").mkdir()
    (tmp_path / "data" / "plugins" / "bad.py").write_text("raise RuntimeError('oops')", "utf-8")
    found = [one async for one in examine(settings(), online=False) if one.state != "ok"]
    assert {"plugin", "channel"} <= {one.part for one in found}
    assert [one for one in found if not one.advice] == []


async def test_a_data_directory_that_others_can_read_is_a_warning(tmp_path, settings):
    await install(tmp_path / "data")
    (tmp_path / "data").chmod(0o755)
    assert [state for state, _ in await found(settings(), "data")] == ["warn"]


async def test_a_file_in_the_place_of_the_data_directory_fails(tmp_path, settings):
    (tmp_path / "data").write_text("")
    assert [state for state, _ in await found(settings(), "data")] == ["fail"]


async def test_a_key_that_others_can_read_is_a_warning(tmp_path, settings):
    await install(tmp_path / "data")
    (tmp_path / "data" / "secret.key").chmod(0o644)
    assert [state for state, _ in await found(settings(), "secret key")] == ["warn"]


async def test_a_lost_key_fails_and_no_new_one_is_made(tmp_path, settings):
    await install(tmp_path / "data")
    (tmp_path / "data" / "secret.key").unlink()
    assert [state for state, _ in await found(settings(), "secret key")] == ["fail"]
    assert not (tmp_path / "data" / "secret.key").exists()


async def test_a_spoilt_key_fails_and_is_not_shown(tmp_path, settings):
    await install(tmp_path / "data")
    (tmp_path / "data" / "secret.key").write_text("c0ffee")
    ((state, what),) = await found(settings(), "secret key")
    assert (state, "c0ffee" in what) == ("fail", False)


@pytest.mark.parametrize(("free", "state"), [(2 * 10**9, "ok"), (10**9 - 1, "warn"), (10**8 - 1, "fail")])
async def test_a_disk_that_fills_up_is_told_of(settings, monkeypatch, free, state):
    monkeypatch.setattr(
        doctor.shutil, "disk_usage", lambda place: doctor.shutil._ntuple_diskusage(1, 1, free)
    )
    assert [one for one, _ in await found(settings(), "disk")] == [state]


async def test_a_port_that_another_program_has_fails(settings, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0)
        monkeypatch.setattr(doctor, "_PORT_S", 0.05)
        monkeypatch.setenv("CANALGATE_SERVER__PORT", str(other.getsockname()[1]))
        assert [state for state, _ in await found(settings(), "port")] == ["fail"]


async def test_a_port_that_a_gateway_has_is_well(tmp_path, settings, monkeypatch):
    async with support.gateway(tmp_path / "data") as gateway:
        monkeypatch.setenv("CANALGATE_SERVER__PORT", str(gateway.port))
        ((state, what),) = await found(settings(), "port")
        assert (state, "a gateway answers" in what) == ("ok", True)


async def test_a_spoilt_database_fails(tmp_path, settings):
    await install(tmp_path / "data")
    for path in (tmp_path / "data").glob("canalgate.db*"):
        path.write_bytes(b"nothing of the kind" * 1000)
    assert [state for state, _ in await found(settings(), "database")] == ["fail"]


async def test_a_database_that_cannot_be_reached_fails_and_its_password_is_not_shown(tmp_path, settings):
    await install(tmp_path / "data")
    path = settings("[data]", 'database = "postgresql://me:s3cret@127.0.0.1:1/db"')
    ((state, what),) = await found(path, "database")
    assert (state, "s3cret" in what) == ("fail", False)


async def test_the_database_says_what_time_it_is(database):
    seconds = await database.clock()
    assert abs(seconds - doctor.time.time()) < 60


async def test_a_clock_that_is_apart_is_a_warning(tmp_path, settings, monkeypatch):
    await install(tmp_path / "data")
    async with open_database("", tmp_path / "data") as database:
        statement = database.dialect.clock
        monkeypatch.setattr(
            type(database.dialect), "clock", f"SELECT seconds - 90 AS seconds FROM ({statement})"
        )
    ((state, what),) = await found(settings(), "database")
    assert (state, "-90 s" in what or "-91 s" in what) == ("warn", True)


async def test_a_channel_whose_adapter_is_gone_fails(tmp_path, settings):
    await install(tmp_path / "data", channel("one"), channel("two", type="gone"))
    ((state, what),) = await found(settings(), "channel")
    assert (state, what.startswith("channel 2 two: ")) == ("fail", True)


async def test_a_key_that_was_refused_is_a_warning_without_the_key(tmp_path, settings):
    await install(tmp_path / "data", channel("one"))
    async with opened(Config(data=Data(dir=str(tmp_path / "data")))) as parts:
        hashed = parts.vault.key_hash("sk-upstream-secret")
        await parts.store.faults.add(KeyFault(1, hashed, "credential", "no", 1))
    ((state, what),) = await found(settings(), "channel")
    assert (state, "sk-upstream" in what) == ("warn", False)


async def test_a_provider_is_asked_only_where_that_is_wanted_and_without_a_key(tmp_path, settings, provider):
    await install(tmp_path / "data", channel("one", provider.url))
    assert await found(settings(), "provider") == []
    ((state, what),) = await found(settings(), "provider", online=True)
    assert (state, what.startswith("channel 1 one: 127.0.0.1:")) == ("ok", True)
    (asked,) = provider.asked
    assert (asked.line, asked.header("authorization")) == ("HEAD / HTTP/1.1", None)


async def test_a_provider_that_cannot_be_reached_fails(tmp_path, settings):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    await install(tmp_path / "data", channel("one", f"http://127.0.0.1:{port}/v1"))
    assert [state for state, _ in await found(settings(), "provider", online=True)] == ["fail"]


async def test_a_provider_without_tls_where_the_address_says_so_fails(tmp_path, settings, provider):
    await install(tmp_path / "data", channel("one", provider.url.replace("http://", "https://")))
    path = settings("[upstream]", "connect_s = 0.3")
    assert [state for state, _ in await found(path, "provider", online=True)] == ["fail"]


async def test_a_channel_that_is_off_is_not_tried(tmp_path, settings):
    await install(tmp_path / "data", channel("one", "http://127.0.0.1:1/v1", status="disabled"))
    assert await found(settings(), "provider", online=True) == []


@asynccontextmanager
async def saying(head):
    """A server that answers anything with a head; its base URL."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


def head_at(seconds):
    return f"HTTP/1.1 404 Not Found\r\ndate: {formatdate(seconds, usegmt=True)}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("head", "state", "words"),
    [
        (0, "ok", "agrees with a provider's"),
        (3600, "warn", "every provider's clock is +3"),
        (-3600, "warn", "every provider's clock is -3"),
        (b"HTTP/1.1 200 OK\r\ndate: yesterday\r\n\r\n", "ok", "goes on from the log"),
        (b"SSH-2.0-nothing\r\n\r\n", "ok", "goes on from the log"),
        (b"", "ok", "goes on from the log"),
        (b"x" * 100_000, "ok", "goes on from the log"),
    ],
)
async def test_the_clock_is_compared_with_what_providers_say(tmp_path, settings, head, state, words):
    if isinstance(head, int):
        head = head_at(time.time() + head)
    async with saying(head) as url:
        await install(tmp_path / "data", channel("one", url))
        ((was, what),) = await found(settings(), "clock", online=True)
    assert (was, words in what) == (state, True)


async def test_a_clock_that_went_back_behind_the_log_is_a_warning(tmp_path, settings, monkeypatch):
    async with support.gateway(tmp_path / "data") as gateway:
        assert (await gateway.chat("demo")).status == 200
    assert [state for state, _ in await found(settings(), "clock")] == ["ok"]
    hour_ago = time.time() - 3600
    monkeypatch.setattr(doctor.time, "time", lambda: hour_ago)
    ((state, what),) = await found(settings(), "clock")
    assert (state, what.endswith("s before the latest request of the log")) == ("warn", True)


@pytest.mark.parametrize(
    ("failure", "words", "advice"),
    [
        (TimeoutError(), "no connection within 2 s", "firewall"),
        (socket.gaierror(-2, "Name or service not known"), "there is no such name", "DNS"),
        (
            ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 9)"),
            "nothing listens there",
            "base URL",
        ),
        (ssl.SSLError(1, "wrong version number"), "no TLS there", "http://"),
        (
            ssl.SSLCertVerificationError(1, "self-signed"),
            "its certificate is not trusted",
            "upstream.ca_file",
        ),
        (OSError(101, "Network is unreachable"), "Network is unreachable", "network"),
    ],
)
def test_each_way_not_to_reach_a_provider_has_its_own_words_and_advice(failure, words, advice):
    if isinstance(failure, ssl.SSLCertVerificationError):
        failure.verify_message = "self-signed certificate"
    what, to_do = doctor._why(failure, 2.0)
    assert (words in what, advice in to_do, "Errno" in what) == (True, True, False)


async def test_a_file_system_that_cannot_be_written_is_told_of_as_such(tmp_path, settings, monkeypatch):
    await install(tmp_path / "data", channel("one"))
    monkeypatch.setattr(doctor, "_is_read_only", lambda folder: True)
    ((state, what),) = await found(settings(), "data")
    assert (state, what.endswith("is on a file system that is mounted read-only")) == ("fail", True)
