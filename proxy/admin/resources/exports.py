"""The call log as a file: CSV for tables, lines of JSON for programs."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import AsyncGenerator
from typing import Literal

import msgspec

from ...ledger.entry import Entry
from ...store.requests import Filters
from ..operations import Call, Operations
from ..streams import LINES, TABLE, Stream, line
from .records import LogFilters, LogRow, filters_of, log_row

operations = Operations("logs")

_AT_ONCE = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ExportQuery(LogFilters, frozen=True, kw_only=True):
    """Which requests, as in the list of them, and how they are written."""

    format: Literal["csv", "jsonl"] = "csv"


@operations.follow("/logs/export", "user", TABLE, LINES)
async def export_logs(call: Call, query: ExportQuery) -> Stream[LogRow]:
    """Export requests, newest first: one's own, for administrators all."""
    day = time.strftime("%Y%m%d", time.gmtime())
    pages = _pages(call, filters_of(call, query))
    if query.format == "csv":
        return Stream(_table(call, pages), TABLE, f"requests-{day}.csv")
    return Stream(_lines(call, pages), LINES, f"requests-{day}.jsonl")


async def _pages(call: Call, filters: Filters) -> AsyncGenerator[list[Entry], None]:
    cursor: str | None = None
    while True:
        found, cursor = await call.desk.store.requests.page(filters, cursor, _AT_ONCE)
        if found:
            yield found
        if cursor is None:
            return


async def _lines(call: Call, pages: AsyncGenerator[list[Entry], None]) -> AsyncGenerator[bytes, None]:
    async for page in pages:
        yield b"".join([line(log_row(call, entry)) for entry in page])


async def _table(call: Call, pages: AsyncGenerator[list[Entry], None]) -> AsyncGenerator[bytes, None]:
    names = LogRow.__struct_fields__
    yield (",".join(names) + "\r\n").encode()
    async for page in pages:
        text = io.StringIO()
        rows = (msgspec.structs.astuple(log_row(call, entry)) for entry in page)
        csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
        yield text.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> object:
    """A value as a table has it. No text that a client chose becomes a formula where it is opened."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
