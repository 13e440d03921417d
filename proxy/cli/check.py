"""`canalgate check`: say whether the gateway could start as it is set up."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator

from ..config import Config
from ..host import opened
from ..other_names import understood
from ..prices.book import make_book
from ..prices.table import shipped
from ..routing.snapshot import build
from .command import Commands
from .output import paint, show


def add_commands(commands: Commands) -> None:
    """Add this module's command."""
    parser = commands.add_parser("check", help="check configuration, data directory, plugins and channels")
    parser.set_defaults(run=run)


def run(config: Config, options: argparse.Namespace) -> int:
    """Check everything, report every problem, fail if there is one."""
    return asyncio.run(_check(config, options.json))


async def _check(config: Config, as_json: bool) -> int:
    found = []
    async for part, state, what, problem in _parts(config):
        found.append({"part": part, "state": state, "what": what, "problem": problem})
        if not as_json:
            shown = f"{part:14} {paint(f'{state:9}')} {what}"
            print(f"{shown}: {problem}" if problem else shown.rstrip())
    if as_json:
        show(found, True, "")
    return 1 if any(one["state"] == "FAILED" for one in found) else 0


async def _parts(config: Config) -> AsyncIterator[tuple[str, str, str, str]]:
    yield "configuration", "ok", "", ""
    for name, meaning in understood(os.environ):
        yield "environment", meaning.kind, " ".join([name, *meaning.settings]), meaning.what
    async with opened(config) as parts:
        yield "data", "ok", str(config.data_dir), ""
        yield "database", "ok", parts.store.database.place, ""
        make_book(config.prices)
        yield "prices", "ok", config.prices.file or shipped().source, ""
        for plugin in parts.plugins.plugins:
            state = "off" if plugin.disabled else "FAILED" if plugin.problem else "ok"
            yield "plugin", state, f"{plugin.name} ({plugin.source})", plugin.problem
        rows = await parts.store.channels()
        problems = build(0, rows, parts.plugins.adapters).problems
        for row in rows:
            problem = problems.get(row.id, "")
            yield "channel", "FAILED" if problem else "ok", f"{row.id} {row.name}", problem
        if not rows:
            yield "channel", "none", "the demo channel answers" if config.demo.enabled else "", ""
