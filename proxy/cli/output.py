"""What commands print: tables for people, JSON for programs, and whether a change is live."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from typing import Any

import orjson

from ..store import Store

_LIVE_WITHIN_S = 3.0


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Give a command `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def show(rows: Sequence[dict[str, Any]], as_json: bool, empty: str) -> None:
    """Print rows with the same keys; `empty` is said where there is none."""
    if as_json:
        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    if not rows:
        print(empty)
        return
    table = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


async def say_when_live(store: Store, done: str) -> None:
    """Wait until every running gateway has taken the change, then say what was done and that it is live."""
    if not await store.instance_generations(int(time.time())):
        print(f"{done}; no gateway is running on this data directory")
    elif await are_live(store):
        print(f"{done}; live")
    else:
        print(f"{done}; a running gateway has not taken it yet")


async def are_live(store: Store) -> bool:
    """Wait a little until every running gateway has taken the latest change; says whether they have."""
    generation = await store.generation()
    end = time.monotonic() + _LIVE_WITHIN_S
    loaded = await store.instance_generations(int(time.time()))
    while loaded and min(loaded) < generation and time.monotonic() < end:
        await asyncio.sleep(0.02)
        loaded = await store.instance_generations(int(time.time()))
    return not loaded or min(loaded) >= generation


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value)) or "-"
    # What clients sent must not reach the terminal as control characters.
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in str(value)) or "-"
