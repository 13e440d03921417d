"""`canalgate check`: say whether the gateway could start as it is set up."""

from __future__ import annotations

import argparse
import asyncio
import os

from ..config import Config
from ..host import opened
from ..other_names import understood
from ..prices.book import make_book
from ..prices.table import shipped
from ..snapshot import build
from .command import Commands


def add_commands(commands: Commands) -> None:
    """Add this module's command."""
    parser = commands.add_parser("check", help="check configuration, data directory, plugins and channels")
    parser.set_defaults(run=run)


def run(config: Config, options: argparse.Namespace) -> int:
    """Check everything, report every problem, fail if there is one."""
    return asyncio.run(_check(config))


async def _check(config: Config) -> int:
    _say("configuration", "ok", "")
    for name, meaning in understood(os.environ):
        _say("environment", meaning.kind, " ".join([name, *meaning.settings]), meaning.what)
    async with opened(config) as parts:
        _say("data", "ok", str(config.data_dir))
        _say("database", "ok", parts.store.database.place)
        make_book(config.prices)
        _say("prices", "ok", config.prices.file or shipped().source)
        failed = False
        for plugin in parts.plugins.plugins:
            state = "off" if plugin.disabled else "FAILED" if plugin.problem else "ok"
            failed |= state == "FAILED"
            _say("plugin", state, f"{plugin.name} ({plugin.source})", plugin.problem)
        rows = await parts.store.channels()
        problems = build(0, rows, parts.plugins.adapters).problems
        for row in rows:
            problem = problems.get(row.id, "")
            failed |= bool(problem)
            _say("channel", "FAILED" if problem else "ok", f"{row.id} {row.name}", problem)
        if not rows:
            _say("channel", "none", "the demo channel answers" if config.demo.enabled else "")
    return 1 if failed else 0


def _say(part: str, state: str, what: str, problem: str = "") -> None:
    print(f"{part:14} {state:9} {what}{': ' + problem if problem else ''}".rstrip())
