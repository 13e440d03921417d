"""A gateway and its commands on a database server, as people start them."""

import re

import databases
import pytest
import services
from processes import run, start


@pytest.fixture(scope="module", autouse=True)
def lane():
    """A process of its own reads its own settings; once is enough."""


def one_api(url):
    """The address in One API's form."""
    return re.sub(r"mysql://(.*)@(.*)/", r"\1@tcp(\2)/", url)


@pytest.mark.parametrize("database_url", ["mysql", "postgres"], indirect=True)
@pytest.mark.parametrize("name", ["CANALGATE_DATA__DATABASE", "SQL_DSN"])
async def test_commands_and_a_gateway_meet_in_the_database(tmp_path, database_url, name):
    environment = {name: one_api(database_url) if name == "SQL_DSN" else database_url}
    server = start(tmp_path, "gateway", **environment)
    try:
        made = run(tmp_path, "token", "create", "laptop", **environment)
        answered = server.chat(made.stdout.split()[0])
        checked = run(tmp_path, "check", **environment)
    finally:
        status, _ = server.stop()
    assert (made.returncode, answered, status) == (0, 200, 0)
    assert made.stdout.rstrip().endswith("; live")
    assert re.search(
        rf"(?m)^database +ok +\w+://127\.0\.0\.1:\d+/{database_url.rpartition('/')[2]}$", checked.stdout
    )
    said = made.stdout + made.stderr + checked.stdout + server.out.read_text() + server.err.read_text()
    assert services.PASSWORD not in said
    assert not list((tmp_path / "data").glob("*.db*"))
    async with databases.administrator(database_url) as ask:
        assert [tuple(row) for row in await ask("SELECT name FROM tokens ORDER BY id")] == [
            ("first",),
            ("laptop",),
        ]


@pytest.mark.parametrize("url", ["mysql://u:hunter22secret@127.0.0.1:9/n", "hunter22secret"])
def test_a_start_without_its_database_is_one_line(tmp_path, url):
    done = run(tmp_path, "serve", CANALGATE_DATA__DATABASE=url)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert "data.database" in done.stderr
    assert "hunter22" not in done.stderr
