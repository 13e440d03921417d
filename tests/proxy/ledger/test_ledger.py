"""The ledger when all is well, when the database is away, when the disk is full, and after a death."""

import asyncio
import resource
import signal
from contextlib import asynccontextmanager

import databases
import pytest
from canalgate.proxy.errors import GatewayError
from canalgate.proxy.keys.vault import open_vault
from canalgate.proxy.ledger.importer import Importer, JournalError, Written, recover
from canalgate.proxy.ledger.ledger import Ledger
from canalgate.proxy.store import open_store
from canalgate.proxy.store.accounts import open_account
from ledgers import die, entry, rows
from wire_between import wired

NAME = "user:1"


@asynccontextmanager
async def opened(folder, url="", balance=1000):
    """A store with one account."""
    async with open_store(url, folder, open_vault(folder)) as store:
        if await store.accounts.state(NAME) is None:
            async with store.database.transaction() as transaction:
                await open_account(transaction, NAME, balance)
        yield store


async def reserve(ledger, amount):
    found = ledger.reserve_now((NAME,), amount)
    return found or await ledger.reserve((NAME,), amount, {})


async def spend(ledger, number, cost, reserved=None):
    """One request from its beginning to its end; returns when its end may leave."""
    reservation = await reserve(ledger, reserved or cost)
    charges = ledger.charge_now(reservation, cost) or await ledger.charge(reservation, cost)
    written = asyncio.Event()
    ledger.write(entry(number, charges, cost), written.set)
    async with asyncio.timeout(5):
        await written.wait()


async def until(what):
    async with asyncio.timeout(10):
        while not await what():  # noqa: ASYNC110  a state has no event
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("durability", ["process", "power", "database"])
async def test_what_is_spent_is_booked_and_the_rest_comes_back(tmp_path, database_url, durability):
    async with opened(tmp_path, database_url) as store:
        async with Ledger(store, tmp_path, durability) as ledger:
            await asyncio.gather(*[spend(ledger, n, n, reserved=30) for n in range(1, 21)])
            if durability == "database":
                assert len(await rows(store)) == 20
        assert await rows(store) == list(range(1, 21))
        assert tuple(await store.accounts.state(NAME)) == (790, 0, 210, 1000)
        assert await store.accounts.violations() == []


async def test_an_account_that_has_not_enough_is_named(tmp_path):
    async with opened(tmp_path) as store, Ledger(store, tmp_path, "process") as ledger:
        assert await reserve(ledger, 1001) == NAME
        assert not isinstance(await reserve(ledger, 1000), str)
        assert await reserve(ledger, 1) == NAME


async def test_a_cost_beyond_what_there_is_ends_at_zero(tmp_path):
    async with opened(tmp_path) as store:
        async with Ledger(store, tmp_path, "process") as ledger:
            reservation = await reserve(ledger, 10)
            assert ledger.charge_now(reservation, 5000) is None
            (charge,) = await ledger.charge(reservation, 5000)
            assert charge.amount == 1000
            ledger.write(entry(1, (charge,), 5000), lambda: None)
        assert tuple(await store.accounts.state(NAME)) == (0, 0, 1000, 1000)


async def test_a_lease_that_lies_idle_goes_back(tmp_path, monkeypatch):
    monkeypatch.setattr("canalgate.proxy.ledger.ledger._IDLE_S", 0.05)
    async with opened(tmp_path) as store, Ledger(store, tmp_path, "process") as ledger:
        await spend(ledger, 1, 10)
        assert (await store.accounts.state(NAME)).leased > 0

        async def is_back():
            return tuple(await store.accounts.state(NAME)) == (990, 0, 10, 1000)

        await until(is_back)


async def test_a_gateway_with_a_successor_keeps_no_more_than_is_reserved(tmp_path):
    async with opened(tmp_path) as store, Ledger(store, tmp_path, flush_s=0.01) as ledger:
        held = await reserve(ledger, 10)
        await spend(ledger, 1, 20)
        assert (await store.accounts.state(NAME)).leased > 100
        ledger.cancel(held)
        ledger.keep_no_spare()

        async def all_is_back():
            return (await store.accounts.state(NAME)).balance == 980

        await until(all_is_back)


async def test_after_a_death_what_was_written_is_booked_and_leases_go_back(tmp_path, database_url):
    async with opened(tmp_path, database_url) as store:
        ledger = await Ledger(store, tmp_path, "process").__aenter__()
        for number in range(1, 6):
            await spend(ledger, number, number)
        open_one = await reserve(ledger, 100)
        assert open_one.is_open
        await die(ledger)
        assert await recover(store, tmp_path / "ledger") == 5
        assert await recover(store, tmp_path / "ledger") == 0
        assert await rows(store) == [1, 2, 3, 4, 5]
        assert tuple(await store.accounts.state(NAME)) == (985, 0, 15, 1000)


async def test_a_journal_of_another_database_is_kept_and_not_booked(tmp_path, caplog):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with opened(tmp_path / "one") as store:
        ledger = await Ledger(store, tmp_path / "one", "process").__aenter__()
        await spend(ledger, 1, 1)
        await die(ledger)
    (tmp_path / "one" / "ledger").rename(tmp_path / "two" / "ledger")
    async with opened(tmp_path / "two") as store:
        assert await recover(store, tmp_path / "two" / "ledger") == 0
        assert await rows(store) == []
    assert "knows no journal" in caplog.text
    assert len(list((tmp_path / "two" / "ledger").iterdir())) == 1


async def test_a_gateway_that_ended_before_its_files_went_leaves_nothing_behind(tmp_path, caplog):
    async with opened(tmp_path) as store:
        ledger = await Ledger(store, tmp_path, "process").__aenter__()
        await spend(ledger, 1, 1)
        await ledger._import()
        await store.accounts.release(ledger._journal.owner)
        await die(ledger)
        assert await recover(store, tmp_path / "ledger") == 0
        assert await rows(store) == [1]
    assert list((tmp_path / "ledger").iterdir()) == []
    assert caplog.text == ""


async def test_a_commit_whose_answer_was_lost_is_not_made_again(tmp_path, database_url):
    async with opened(tmp_path, database_url) as store:
        await store.accounts.open_journal("a", 1)
        records = [Written(10 * n, entry(n, cost=n)) for n in range(1, 5)]
        importer = Importer(store, "a")
        await importer.book(records[:2])
        importer.position = 0  # as if nobody had heard of it
        await importer.book(records)
        assert await rows(store) == [1, 2, 3, 4]
        assert importer.position == 40
        with pytest.raises(JournalError):
            await Importer(store, "a", 50).book([Written(60, entry(9))])


@pytest.mark.parametrize("kind", ["mysql", "postgres"])
async def test_while_the_database_is_away_running_requests_end_and_new_ones_wait(tmp_path, servers, kind):
    async with (
        databases.empty(servers(kind)) as url,
        wired(url) as (between, through),
        opened(tmp_path, through) as store,
    ):
        async with Ledger(store, tmp_path, "process") as ledger:
            running = [await reserve(ledger, 10) for _ in range(5)]
            await between.cut()
            for number, reservation in enumerate(running, 1):
                charges = ledger.charge_now(reservation, number)
                written = asyncio.Event()
                ledger.write(entry(number, charges, number), written.set)
                assert written.is_set()

            async def is_noticed():
                return ledger.problem != ""

            await until(is_noticed)
            with pytest.raises(GatewayError) as caught:
                ledger.reserve_now((NAME,), 1)
            assert (caught.value.status, caught.value.code) == (503, "ledger_unavailable")
            assert "127.0.0.1" not in caught.value.message
            assert ledger.pending(entry(3).request_id).cost == 3
            await between.mend()

            async def is_well():
                return ledger.problem == ""

            await until(is_well)
            assert await rows(store) == [1, 2, 3, 4, 5]
            await spend(ledger, 6, 6)
        assert tuple(await store.accounts.state(NAME)) == (1000 - 21, 0, 21, 1000)
        assert await store.accounts.violations() == []


async def test_a_full_disk_stops_what_costs_and_loses_nothing(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with opened(tmp_path) as store:
        async with Ledger(store, tmp_path, "process") as ledger:
            running = [await reserve(ledger, 10) for _ in range(5)]
            before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
            try:
                for number, reservation in enumerate(running, 1):
                    written = asyncio.Event()
                    ledger.write(entry(number, ledger.charge_now(reservation, number), number), written.set)
                    assert written.is_set()
                with pytest.raises(GatewayError) as caught:
                    ledger.reserve_now((NAME,), 1)
                assert caught.value.status == 503
                assert ledger.pending(entry(5).request_id).cost == 5
                await asyncio.sleep(0.5)
                assert ledger.problem
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
                signal.signal(signal.SIGXFSZ, before)

            async def is_well():
                return ledger.problem == ""

            await until(is_well)
            await spend(ledger, 6, 6)
        assert await rows(store) == [1, 2, 3, 4, 5, 6]
        assert tuple(await store.accounts.state(NAME)) == (1000 - 21, 0, 21, 1000)
