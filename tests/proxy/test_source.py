"""Another program's database is opened to read, wherever it is."""

import pytest
import sources
from canalgate.proxy.store.address import parse
from canalgate.proxy.store.database import DatabaseError
from canalgate.proxy.store.mysql import open_mysql
from canalgate.proxy.store.postgres import open_postgres
from canalgate.proxy.store.source import SourceError, open_source
from canalgate.proxy.store.sqlite import open_sqlite_to_read

SCHEMA = {"users": "id:id name:text key:text", "options": "key:key value:text"}
ROWS = {
    "users": [{"id": number, "name": f"u{number}", "key": "k"} for number in range(1, 8)],
    "options": [{"key": "a", "value": "b"}],
}


@pytest.fixture(params=["sqlite", "mysql", "postgres"])
async def place(request, servers, tmp_path):
    async with sources.source(request.param, servers, tmp_path, SCHEMA, ROWS) as made:
        yield made


async def test_rows_have_every_column_that_is_wanted(place):
    async with open_source(place) as source:
        rows = await source.rows("users", ("id", "name", "of tomorrow"))
        assert rows[0] == {"id": 1, "name": "u1", "of tomorrow": None}
        assert len(rows) == 7
        assert await source.rows("options", ("key", "value")) == [{"key": "a", "value": "b"}]
        assert await source.rows("nothing", ("id",)) == []
        assert await source.columns("nothing") == frozenset()


async def test_pages_are_walked_in_order(place):
    async with open_source(place) as source:
        pages = [[row["id"] for row in page] async for page in source.pages("users", ("id",), 2, 2)]
        assert pages == [[3, 4], [5, 6], [7]]
        assert await source.count("users", 2) == 5


async def test_a_table_that_is_gone_is_said_and_nothing_else(place):
    async with open_source(place) as source:
        with pytest.raises(SourceError, match="nowhere"):
            await source.count("nowhere")


async def test_an_error_of_who_reads_is_not_the_source_s(place):
    with pytest.raises(DatabaseError, match="of mine"):
        async with open_source(place):
            raise DatabaseError("of mine")


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "postgres"])
async def test_nothing_can_be_written(kind, servers, tmp_path):
    async with sources.source(kind, servers, tmp_path, SCHEMA, ROWS) as place:
        if kind == "sqlite":
            opening = open_sqlite_to_read(tmp_path / "source.db")
        elif kind == "mysql":
            opening = open_mysql(parse(place), to_read=True)
        else:
            opening = open_postgres(parse(place.partition("&")[0]), to_read=True)
        async with opening as database:
            with pytest.raises(DatabaseError):
                async with database.transaction() as transaction:
                    await transaction.run("UPDATE users SET name = 'changed'")
            assert (await database.one("SELECT MIN(name) AS name FROM users"))["name"] == "u1"
