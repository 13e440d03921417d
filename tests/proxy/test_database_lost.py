"""A database on a server that goes away and comes back, cannot be reached, or refuses."""

import asyncio
import sys
import time
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import databases
import pytest
import services
from canalgate.adapters.demo import DemoAdapter
from canalgate.proxy.config import Prices
from canalgate.proxy.errors import ConfigError, GatewayError
from canalgate.proxy.keys.vault import open_vault
from canalgate.proxy.live import Live
from canalgate.proxy.records import ENABLED, ROLE_USER, Token, User
from canalgate.proxy.store import open_store
from canalgate.proxy.store.database import DatabaseError, Unavailable
from canalgate.proxy.store.open import open_database
from canalgate.proxy.store.server import Link
from wire_between import wired

pytestmark = pytest.mark.parametrize("database_url", ["mysql", "postgres"], indirect=True)

ADD = "UPDATE state SET generation = generation + 1"


async def add(database):
    async with database.transaction() as transaction:
        return await transaction.run(ADD)


async def generation(database):
    row = await database.one("SELECT generation FROM state")
    return row["generation"]


@pytest.fixture
async def wire(database_url):
    async with wired(database_url) as made:
        yield made


@pytest.fixture
async def far(wire, tmp_path):
    """A database whose generation is 1, at the other end of a wire, with some connections that lie idle."""
    async with open_database(wire[1], tmp_path) as database:
        await asyncio.gather(*(generation(database) for _ in range(4)))
        yield database


@pytest.fixture
def line(wire):
    return wire[0]


ATTEMPTS = {"read": (generation, 1), "write": (add, 1)}


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_a_connection_lost_between_statements_is_made_anew(far, line, attempt):
    work, result = ATTEMPTS[attempt]
    for _ in range(3):
        await line.drop()
        assert await work(far) >= result


OWN_NUMBER = {"mysql": "SELECT CONNECTION_ID() AS own", "postgres": "SELECT pg_backend_pid() AS own"}
END = {"mysql": "KILL {}", "postgres": "SELECT pg_terminate_backend({})"}


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_a_connection_the_server_ends_is_made_anew(far, database_url, attempt):
    kind = far.dialect.name
    work, result = ATTEMPTS[attempt]
    last_used = await far.one(OWN_NUMBER[kind])
    async with databases.administrator(database_url) as ask:
        await ask(END[kind].format(last_used["own"]))
    assert await work(far) >= result
    assert await far.one(OWN_NUMBER[kind]) != last_used


@pytest.mark.parametrize("moment", ["before a statement", "before the commit"])
async def test_a_connection_lost_in_a_transaction_fails_it_and_nothing_happens(far, line, moment):
    with pytest.raises(Unavailable):
        async with far.transaction() as transaction:
            await transaction.run(ADD)
            await line.drop()
            if moment == "before a statement":
                await transaction.run(ADD)
    assert await generation(far) == 1
    assert await add(far) == 1


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_a_server_that_is_gone_is_unavailable_until_it_is_back(far, line, attempt):
    work, _ = ATTEMPTS[attempt]
    await line.cut()
    for _ in range(20):
        with pytest.raises(Unavailable):
            await work(far)
    await line.mend()
    assert await generation(far) == 1
    assert await add(far) == 1


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_a_server_that_says_nothing_is_unavailable_in_time(far, line, monkeypatch, attempt):
    monkeypatch.setattr(Link, "deadline_s", 0.2)
    monkeypatch.setattr("canalgate.proxy.store.server.STATEMENT_S", 0.2)
    monkeypatch.setattr("canalgate.proxy.store.server.CONNECT_S", 0.2)
    await line.drop()
    await generation(far)
    work, _ = ATTEMPTS[attempt]
    line.freeze()
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await work(far)
    assert time.monotonic() - began < 2
    await line.drop()
    line.thaw()
    assert await add(far) == 1


async def test_callers_cancelled_while_nothing_is_said_take_no_connection_with_them(far, line):
    line.freeze()
    asked = [asyncio.ensure_future(work(far)) for work in (generation, add) * 10]
    await asyncio.wait(asked, timeout=0.05)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    await line.drop()
    line.thaw()
    assert await asyncio.gather(*(add(far) for _ in range(20))) == [1] * 20


async def test_closing_does_not_wait_for_a_server_that_says_nothing(wire, tmp_path, monkeypatch):
    monkeypatch.setattr("canalgate.proxy.store.server._CLOSE_S", 0.1)
    line, url = wire
    async with open_database(url, tmp_path) as database:
        await generation(database)
        line.freeze()
        began = time.monotonic()
    assert time.monotonic() - began < 1


@pytest.fixture
def own_server(request, database_url):
    with services.own("mysql" if database_url.startswith("mysql") else "postgres") as server:
        yield server


async def test_a_server_that_crashes_in_a_transaction_has_forgotten_it_when_it_is_back(own_server, tmp_path):
    async with open_database(own_server.url(), tmp_path) as database:
        await add(database)
        with pytest.raises(Unavailable):
            async with database.transaction() as transaction:
                await transaction.run(ADD)
                own_server.kill()
        with pytest.raises(Unavailable):
            await generation(database)
        own_server.start()  # here, as it ends with the thread that starts it
        assert await generation(database) == 2
        assert await add(database) == 1


# A gateway whose database goes away.


@asynccontextmanager
async def following(url, folder):
    """A live state that knows the key `known`, and has not been asked for `other`."""
    vault = open_vault(folder)
    async with open_store(url, folder, vault) as store:
        user = await store.add_user(User(0, "anna", ROLE_USER, "default", ENABLED, 1))
        for key in ("known", "other"):
            await store.add_token(Token(0, user.id, key, vault.token_hash(key), "hint", ENABLED, 1))
        async with Live(store, vault, {"demo": DemoAdapter()}, Prices(), demo=True) as live:
            await live.find("known")
            yield live


async def test_what_a_gateway_has_in_memory_serves_while_the_database_is_away(wire, tmp_path):
    line, url = wire
    async with following(url, tmp_path) as live:
        await line.cut()
        assert (await live.find("known")).user.name == "anna"
        for asking in (lambda: live.find("other"), live.catch_up):
            with pytest.raises(GatewayError) as caught:
                await asking()
            assert (caught.value.status, caught.value.code) == (503, "database_unavailable")
        await line.mend()
        assert (await live.find("other")).user.name == "anna"


async def test_a_database_that_is_away_is_logged_once_and_once_when_it_is_back(wire, tmp_path, caplog):
    caplog.set_level("INFO", "canalgate")
    line, url = wire
    async with following(url, tmp_path):
        await line.cut()
        await logged(caplog, "database cannot be reached")
        await asyncio.sleep(0.3)
        await line.mend()
        await logged(caplog, "database is back")
    about = [record for record in caplog.records if "database" in record.message]
    assert [record.levelname for record in about] == ["WARNING", "INFO"]
    assert services.PASSWORD not in caplog.text


async def logged(caplog, text):
    async with asyncio.timeout(5):
        while text not in caplog.text:  # noqa: ASYNC110  nothing says when a line is logged
            await asyncio.sleep(0.01)


async def test_a_gateway_stops_while_its_database_is_away(wire, tmp_path):
    line, url = wire
    async with asyncio.timeout(5), following(url, tmp_path):
        await line.cut()


# A start that cannot work.


def changed(url, **changes):
    return urlsplit(url)._replace(**changes).geturl()


REFUSED = {
    "wrong password": lambda url: url.replace(services.PASSWORD, "hunter22secret"),
    "unknown user": lambda url: url.replace("gate:", "nobody:"),
    "unknown database": lambda url: changed(url, path="/nowhere"),
    "unreachable port": lambda url: url.replace(str(urlsplit(url).port), str(services.free_port())),
    "unknown host": lambda url: url.replace("127.0.0.1", "no-such-host.invalid"),
    "no encryption": lambda url: f"{url}?sslmode=verify-full",
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_database_that_refuses_is_one_line_without_a_password(tmp_path, database_url, case):
    url = REFUSED[case](database_url)
    with pytest.raises(ConfigError, match=r"check data\.database") as caught:
        async with open_database(url, tmp_path):
            pass
    said = str(caught.value)
    assert "\n" not in said
    assert not [secret for secret in (services.PASSWORD, "hunter22secret") if secret in said]
    assert said.startswith(changed(url, netloc=urlsplit(url).netloc.partition("@")[2], query=""))


async def test_a_driver_that_is_not_installed_is_named_with_what_brings_it(
    tmp_path, database_url, monkeypatch
):
    kind, driver = ("mysql", "asyncmy") if database_url.startswith("mysql") else ("postgres", "asyncpg")
    monkeypatch.setitem(sys.modules, driver, None)
    monkeypatch.delitem(sys.modules, f"canalgate.proxy.store.{kind}", raising=False)
    with pytest.raises(ConfigError, match=rf"{driver}.*pip install 'canalgate\[{kind}\]'"):
        async with open_database(database_url, tmp_path):
            pass


async def test_a_read_only_server_is_unavailable(far, database_url):
    read_only = (
        "SET SESSION TRANSACTION READ ONLY"
        if database_url.startswith("mysql")
        else ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    )
    while not await far.all("SELECT 1 AS one"):
        pass
    async with far.transaction() as transaction:
        await transaction.run(read_only)
    with pytest.raises(DatabaseError) as caught:
        await add(far)
    assert type(caught.value) is Unavailable
