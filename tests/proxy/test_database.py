"""The thin layer: the same statements do the same on SQLite, MariaDB and PostgreSQL."""

import asyncio

import pytest
from canalgate.proxy.errors import ConfigError
from canalgate.proxy.store.database import Clash, DatabaseError, Unavailable
from canalgate.proxy.store.migrate import statements
from canalgate.proxy.store.open import open_database

TABLES = """
CREATE TABLE things (
    id {id},
    name VARCHAR(191) NOT NULL UNIQUE,
    body {text},
    digest {hash} UNIQUE,
    data {blob},
    amount BIGINT NOT NULL
);
CREATE TABLE parts (
    thing_id BIGINT NOT NULL,
    place VARCHAR(191) NOT NULL,
    amount BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (thing_id, place),
    FOREIGN KEY (thing_id) REFERENCES things (id)
);
"""

INSERT = (
    "INSERT INTO things (name, body, digest, data, amount) VALUES (:name, :body, :digest, :data, :amount)"
)
EMPTY = {"body": None, "digest": None, "data": None, "amount": 0}
TAKE = "UPDATE things SET amount = amount - :taken WHERE name = :name AND amount >= :taken"


@pytest.fixture
async def things(database):
    """A database with a thing `a` of amount 5."""
    async with database.transaction() as transaction:
        for statement in statements(TABLES, database.dialect):
            await transaction.run(statement)
    async with database.transaction() as transaction:
        await transaction.insert(INSERT, EMPTY | {"name": "a", "amount": 5})
    return database


async def amounts(database):
    return {row["name"]: row["amount"] for row in await database.all("SELECT name, amount FROM things")}


async def run(database, sql, **values):
    async with database.transaction() as transaction:
        return await transaction.run(sql, values)


VALUES = {
    "nothing": EMPTY,
    "largest": EMPTY | {"amount": 2**63 - 1},
    "smallest": EMPTY | {"amount": -(2**63)},
    "every byte": EMPTY | {"data": bytes(range(256)) * 5, "digest": bytes(range(256))[-64:]},
    "no bytes": EMPTY | {"data": b"", "body": ""},
    "text that looks like a statement": EMPTY | {"body": """'; -- " :name %s %(x)s $1 \\ \\' ? 100%\n\t"""},
    "signs of four bytes": EMPTY | {"body": "主 🚀 \u200d é"},
    "long": EMPTY | {"body": "x" * 300_000, "data": b"y" * 300_000},
}


@pytest.mark.parametrize("case", VALUES)
async def test_values_come_back_as_they_went_in(things, case):
    values = VALUES[case] | {"name": case}
    async with things.transaction() as transaction:
        new = await transaction.insert(INSERT, values)
    row = await things.one("SELECT * FROM things WHERE name = :name", {"name": case})
    assert row == values | {"id": new}
    assert [type(row[name]) for name in row] == [type((values | {"id": 1})[name]) for name in row]


async def test_a_name_may_be_used_twice_and_texts_of_a_statement_stay_as_they_are(things):
    sql = "SELECT ':name 100% ''quoted'' ::' AS said FROM things WHERE name = :name AND :name <> :other"
    assert await things.all(sql, {"name": "a", "other": "b", "unused": 1}) == [
        {"said": ":name 100% 'quoted' ::"}
    ]


@pytest.mark.parametrize(("where", "total"), [("amount > 0", 5), ("amount > 9", None)])
async def test_a_sum_is_a_whole_number(things, where, total):
    row = await things.one(f"SELECT SUM(amount) AS total, COUNT(*) AS number FROM things WHERE {where}")
    assert (row["total"], type(row["total"]), type(row["number"])) == (total, type(total), int)


@pytest.mark.parametrize(("name", "amount", "found"), [("a", 7, 1), ("a", 5, 1), ("b", 5, 0), ("A", 5, 0)])
async def test_an_update_counts_the_rows_it_found(things, name, amount, found):
    sql = "UPDATE things SET amount = :amount WHERE name = :name"
    assert await run(things, sql, name=name, amount=amount) == found


@pytest.mark.parametrize(("added", "found"), [(1, 1), (0, 1)])
async def test_an_upsert_replaces_and_adds(things, added, found):
    sql = things.dialect.upsert("parts", ["thing_id", "place"], replace=["seen_at"], add=["amount"])
    values = {"thing_id": 1, "place": "p", "amount": 3, "seen_at": 10}
    assert await run(things, sql, **values) == 1
    assert await run(things, sql, **values | {"amount": added, "seen_at": 10 + added}) == found
    assert await things.all("SELECT * FROM parts") == [values | {"amount": 3 + added, "seen_at": 10 + added}]


async def test_an_upsert_of_keys_alone_says_whether_the_row_is_new(things):
    sql = things.dialect.upsert("seen", ["name"])
    async with things.transaction() as transaction:
        for statement in statements(
            "CREATE TABLE seen (name VARCHAR(191) NOT NULL PRIMARY KEY);", things.dialect
        ):
            await transaction.run(statement)
    async with things.transaction() as transaction:
        said = [await transaction.run(sql, {"name": name}) for name in "xxyx"]
        await transaction.many(sql, [{"name": name} for name in "yzz"])
    assert said == [1, 0, 1, 0]
    assert [row["name"] for row in await things.all("SELECT name FROM seen ORDER BY name")] == ["x", "y", "z"]


@pytest.mark.parametrize("number", [0, 1, 3000])
async def test_many_rows_are_written_at_once(things, number):
    rows = [EMPTY | {"name": f"n{index}", "data": b"%s'", "amount": index} for index in range(number)]
    async with things.transaction() as transaction:
        await transaction.many(INSERT, rows)
    assert len(await amounts(things)) == number + 1


async def test_many_updates_are_one_for_each(things):
    async with things.transaction() as transaction:
        await transaction.insert(INSERT, EMPTY | {"name": "b", "amount": 5})
        await transaction.many(
            TAKE, [{"name": "a", "taken": 2}, {"name": "b", "taken": 1}, {"name": "a", "taken": 9}]
        )
    assert await amounts(things) == {"a": 3, "b": 4}


async def test_ids_are_given_in_order_and_never_again(things):
    async with things.transaction() as transaction:
        second = await transaction.insert(INSERT, EMPTY | {"name": "b"})
        await transaction.run("DELETE FROM things WHERE name = 'b'")
        assert await transaction.insert(INSERT, EMPTY | {"name": "c"}) > second > 1


PART = "INSERT INTO parts (thing_id, place, amount, seen_at) VALUES (:thing_id, 'p', 1, 1)"

WRONG = {
    "unique text": (INSERT, EMPTY | {"name": "a"}, Clash),
    "foreign key": (PART, {"thing_id": 99}, Clash),
    "nothing where something must be": (INSERT, EMPTY | {"name": None}, DatabaseError),
    "no such table": ("DELETE FROM nowhere", {}, DatabaseError),
    "no such column": ("UPDATE things SET nothing = 1", {}, DatabaseError),
    "no statement": ("DO WHAT I MEAN", {}, DatabaseError),
    "number too large": (INSERT, EMPTY | {"name": "b", "amount": 2**63}, DatabaseError),
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_is_wrong_is_one_kind_of_error_and_undoes_the_transaction(things, case):
    sql, values, kind = WRONG[case]
    with pytest.raises(DatabaseError) as caught:
        async with things.transaction() as transaction:
            await transaction.run(TAKE, {"name": "a", "taken": 1})
            await transaction.run(sql, values)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert await amounts(things) == {"a": 5}


async def test_many_of_which_one_clashes_are_none(things):
    with pytest.raises(Clash):
        async with things.transaction() as transaction:
            await transaction.many(INSERT, [EMPTY | {"name": name} for name in "bcad"])
    assert await amounts(things) == {"a": 5}


@pytest.mark.parametrize("failure", [ValueError, asyncio.CancelledError, KeyboardInterrupt])
async def test_any_exception_undoes_a_transaction(things, failure):
    with pytest.raises(failure):
        async with things.transaction() as transaction:
            await transaction.run(TAKE, {"name": "a", "taken": 1})
            raise failure
    assert await amounts(things) == {"a": 5}


async def test_what_is_not_committed_is_not_read(things):
    async with things.transaction() as transaction:
        await transaction.run(TAKE, {"name": "a", "taken": 1})
        before = await amounts(things)
        within = await transaction.one("SELECT amount FROM things")
    assert (before, within["amount"], await amounts(things)) == ({"a": 5}, 4, {"a": 4})


@pytest.fixture
async def both(things, database_url, tmp_path):
    """Two gateways on one database."""
    async with open_database(database_url, tmp_path) as other:
        yield things, other


async def test_of_two_transactions_that_take_the_last_exactly_one_wins(both):
    for _ in range(10):
        won = await asyncio.gather(*(run(database, TAKE, name="a", taken=5) for database in both))
        assert sorted(won) == [0, 1]
        await run(both[0], "UPDATE things SET amount = 5 WHERE name = :name", name="a")


async def test_of_many_that_take_no_more_win_than_there_is(both):
    won = await asyncio.gather(*(run(both[index % 2], TAKE, name="a", taken=1) for index in range(40)))
    assert sum(won) == 5
    assert await amounts(both[0]) == {"a": 0}


async def test_a_second_transaction_waits_for_the_first_and_sees_what_it_did(both):
    first, second = both
    async with first.transaction() as transaction:
        await transaction.run(TAKE, {"name": "a", "taken": 3})
        waiting = asyncio.ensure_future(run(second, TAKE, name="a", taken=3))
        await asyncio.wait({waiting}, timeout=0.05)
        assert not waiting.done()
    assert await waiting == 0


async def test_only_one_gateway_at_a_time_is_alone(both):
    inside = most = 0

    async def enter(database):
        nonlocal inside, most
        async with database.alone() as transaction:
            inside += 1
            most = max(most, inside)
            await transaction.all("SELECT 1 AS one")
            inside -= 1

    await asyncio.gather(*(enter(database) for database in both * 5))
    assert (inside, most) == (0, 1)


async def test_who_fails_alone_lets_the_next_one_in(both):
    for failure in (ValueError, asyncio.CancelledError):
        with pytest.raises(failure):
            async with both[0].alone():
                raise failure
    async with asyncio.timeout(5), both[1].alone() as transaction:
        assert await transaction.one("SELECT 1 AS one") == {"one": 1}


async def test_a_write_cancelled_while_it_waits_for_another_leaves_nothing_behind(both):
    first, second = both
    async with first.transaction() as transaction:
        await transaction.run(TAKE, {"name": "a", "taken": 1})
        waiting = [asyncio.ensure_future(run(second, TAKE, name="a", taken=1)) for _ in range(12)]
        await asyncio.wait(waiting, timeout=0.05)
        for task in waiting:
            task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await run(second, TAKE, name="a", taken=4) == 1
    assert await amounts(first) == {"a": 0}


async def test_more_callers_than_connections_all_get_their_turn(things):
    read = asyncio.gather(*(things.one("SELECT amount FROM things") for _ in range(60)))
    written = asyncio.gather(*(run(things, TAKE, name="a", taken=0) for _ in range(60)))
    assert await read == [{"amount": 5}] * 60
    assert await written == [1] * 60


# The schema.


async def test_gateways_that_start_at_once_make_the_tables_once(tmp_path, database_url):
    async def start():
        async with open_database(database_url, tmp_path) as database:
            return await database.all("SELECT generation FROM state")

    assert await asyncio.gather(*(start() for _ in range(5))) == [[{"generation": 1}]] * 5


async def test_opening_again_runs_no_migration_twice(tmp_path, database_url):
    for _ in range(2):
        async with open_database(database_url, tmp_path) as database:
            assert await database.all("SELECT generation FROM state") == [{"generation": 1}]
            await run(database, "DELETE FROM instances")
            seen = await database.all("SELECT number FROM migrations")
            assert len(seen) == len({row["number"] for row in seen}) > 0


async def test_a_database_of_a_newer_program_is_refused_and_left_alone(tmp_path, database_url):
    async with open_database(database_url, tmp_path) as database:
        await run(database, "INSERT INTO migrations (number) VALUES (999)")
        before = await database.all("SELECT number FROM migrations ORDER BY number")
        with pytest.raises(ConfigError, match="newer canalgate; update the program"):
            async with open_database(database_url, tmp_path):
                pass
        assert await database.all("SELECT number FROM migrations ORDER BY number") == before


async def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path, database_url):
    async with open_database(database_url, tmp_path) as database:
        await run(database, "DROP TABLE migrations")
        before = await database.all(database.dialect.tables)
        with pytest.raises(ConfigError, match="tables of another program"):
            async with open_database(database_url, tmp_path):
                pass
        assert await database.all(database.dialect.tables) == before


@pytest.mark.parametrize("database_url", ["mysql"], indirect=True)
@pytest.mark.parametrize("made", range(6))
async def test_a_migration_that_was_cut_short_is_finished_where_tables_cannot_be_undone(
    tmp_path, database_url, made
):
    tables = ["users", "tokens", "channels", "state", "instances"]
    async with open_database(database_url, tmp_path) as database:
        await run(database, "DELETE FROM migrations")
        await run(database, "DELETE FROM state")
        for table in reversed(tables[made:]):
            await run(database, f"DROP TABLE {table}")
    async with open_database(database_url, tmp_path) as database:
        assert await database.all("SELECT generation FROM state") == [{"generation": 1}]
        assert {row["name"] for row in await database.all(database.dialect.tables)} >= {*tables}


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_transaction_in_which_a_statement_failed_does_not_pass_for_done(things):
    with pytest.raises(DatabaseError, match="had failed"):
        async with things.transaction() as transaction:
            await transaction.run(TAKE, {"name": "a", "taken": 1})
            with pytest.raises(Clash):
                await transaction.run(INSERT, EMPTY | {"name": "a"})
    assert await amounts(things) == {"a": 5}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_full_disk_is_unavailable_and_over_when_there_is_room(things):
    pages = await things.one("PRAGMA page_count")
    async with things.transaction() as transaction:
        await transaction.all(f"PRAGMA max_page_count = {pages['page_count']}")
    with pytest.raises(Unavailable):
        await run(things, "UPDATE things SET body = :body", body="x" * 10_000_000)
    async with things.transaction() as transaction:
        await transaction.all("PRAGMA max_page_count = 1000000")
    assert await run(things, "UPDATE things SET body = :body", body="x" * 1_000_000) == 1
