"""A long call log opens at once. LOG_ROWS=1000000 is the long form: `make prove`."""

import os
import sqlite3
import time
from contextlib import closing

import pytest
from canalgate.proxy.store.months import after, month_of, start_of, table_of
from canalgate.proxy.store.request_rows import COLUMNS
from playwright.sync_api import expect
from visitors import SETTLED, go, picture

ROWS = int(os.environ.get("LOG_ROWS", "100000"))
MOST_MS = 1000
TRIES = 3
"""The best counts: what else the machine does is not what is measured."""

_BATCH = 50_000
_DAYS = 30


def lengthen(serving, rows):
    """Write requests of the last month into a gateway's database, like those that are there, in their order.

    In SQL alone: by the gateway's own code it takes a minute. The sums for charts are left as they were.
    """
    now_ms = int(time.time() * 1000)
    step = _DAYS * 86_400_000 // rows
    with closing(sqlite3.connect(serving.out.parent / "data" / "canalgate.db", timeout=30)) as database:
        tables = {table for table, _, _ in spans(now_ms - _DAYS * 86_400_000, now_ms, step)}
        known = models(database, tables)
        for first in range(0, rows, _BATCH):
            begin, end = (now_ms - (rows - at) * step for at in (first, min(rows, first + _BATCH)))
            for table, since, until in spans(begin, end, step):
                moments = {"since": since, "until": until, "step": step, "known": known}
                database.execute(_LIKE_THEM.format(table=table, columns=", ".join(OTHERS)), moments)
            database.commit()
        counts = [database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables]
        return sum(counts)


OTHERS = [name for name in COLUMNS if name not in ("at_ms", "tail")]
_LIKE_THEM = """
INSERT INTO {table} (at_ms, tail, {columns})
WITH RECURSIVE moments(at) AS (
    SELECT :since UNION ALL SELECT at + :step FROM moments WHERE at + :step < :until
)
SELECT at, 7, {columns} FROM moments JOIN models ON models.rowid = 1 + (at / :step) % :known
"""


def models(database, tables):
    """Put the requests that are there into a table of their own; returns how many."""
    there = " UNION ALL ".join(f"SELECT * FROM {table}" for table in sorted(tables))
    database.execute(f"CREATE TEMP TABLE models AS {there}")
    return database.execute("SELECT COUNT(*) FROM models").fetchone()[0]


def spans(begin, end, step):
    """The same moments, by the table of each month."""
    while begin < end:
        turn = min(end, start_of(after(month_of(begin))) * 1000)
        yield table_of(month_of(begin)), begin, turn
        begin += -(-(turn - begin) // step) * step


@pytest.fixture(scope="module")
def long(spoilt):
    """A gateway with a long log."""
    assert lengthen(spoilt, ROWS) > ROWS
    return spoilt


OPENED = """() => document.querySelectorAll('main tbody tr').length >= 10
    && !document.querySelector('[data-loading]')"""


def took(page, path):
    """Milliseconds until a page that is opened anew shows its rows; the least of some."""
    told = []
    for _ in range(TRIES):
        page.goto(f"/console{path}")
        page.wait_for_function(OPENED)
        told.append(page.evaluate("performance.now()"))
    return min(told)


PLACES = {
    "all": "/logs", "failures": "/logs?failed=true", "a model": "/logs?model=gpt-4o",
    "a user": "/logs?user_id=2", "a channel": "/logs?channel_id=3",
    "a token that failed": "/logs?token_id=3&failed=true",
}  # fmt: skip


def test_a_long_log_opens_at_once_with_any_filter(visit, long):
    page = visit(long).log_in().page
    page.goto("/console/")
    page.wait_for_function(SETTLED)
    found = {name: round(took(page, path)) for name, path in PLACES.items()}
    print(f"{ROWS} requests, milliseconds until the page shows them: {found}")
    assert {name: ms for name, ms in found.items() if ms >= MOST_MS} == {}


def test_a_long_log_goes_on_and_shows_one_request(visit, long):
    page = visit(long).log_in().page
    page.goto("/console/")
    page.wait_for_function(SETTLED)
    go(page, "/logs")
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("tbody tr").nth(99)).to_be_visible()
    picture(page, "log-long")
    page.locator("tbody tr").nth(90).get_by_role("link").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
