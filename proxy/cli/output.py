"""What commands print: tables for people, JSON for programs, and whether a change is live."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import orjson

from ..store import Store

_LIVE_WITHIN_S = 3.0
_GREEN, _YELLOW, _RED = 32, 33, 31
_COLOURS = {"ok": _GREEN, "on": _GREEN, "warn": _YELLOW, "fail": _RED, "failed": _RED, "FAILED": _RED}
_LIVE = {
    True: "live",
    False: "a running gateway has not taken it yet",
    None: "no gateway is running on this data directory",
}


def add_json_options(parser: argparse.ArgumentParser) -> None:
    """Give `--json` to every command below a parser, but to those that say what else they print."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                add_json_options(below)
    if parser.get_default("run") is not None and parser.get_default("prints") is None:
        parser.add_argument("--json", action="store_true", help="print JSON")


def print_json(value: Any) -> None:
    """Print a value for programs."""
    print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def show(rows: Sequence[dict[str, Any]], as_json: bool, empty: str) -> None:
    """Print rows with the same keys; `empty` is said where there is none."""
    if as_json:
        print_json(rows)
        return
    if not rows:
        print(empty)
        return
    table = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        cells = (paint(cell.ljust(width)) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


def paint(word: str) -> str:
    """Colour a word that says how something is, where a person sees it: on a terminal, without NO_COLOR."""
    colour = _COLOURS.get(word.strip())
    if colour is None or not sys.stdout.isatty():
        return word
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return word
    return f"\x1b[{colour}m{word}\x1b[0m"


def say(done: str, as_json: bool, **facts: object) -> None:
    """Say what was done: in a line, or with the facts of it for programs."""
    if as_json:
        print_json({**facts, "done": done})
    else:
        print(done)


async def say_when_live(store: Store, done: str, as_json: bool, **facts: object) -> None:
    """Wait until every running gateway has taken the change, then say what was done and that it is live.

    For programs `live` is null where no gateway is running.
    """
    has_gateway = bool(await store.instance_generations(int(time.time())))
    live = await are_live(store) if has_gateway else None
    if as_json:
        print_json({**facts, "done": done, "live": live})
    else:
        print(f"{done}; {_LIVE[live]}")


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
