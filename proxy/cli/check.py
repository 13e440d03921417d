"""`canalgate check`: say whether the gateway could start as it is set up."""

from __future__ import annotations

import argparse
import asyncio

from ..config import Config
from ..host import opened
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
    print("configuration  ok")
    problems = 0
    async with opened(config) as parts:
        print(f"data           ok       {config.data_dir}")
        for plugin in parts.plugins.plugins:
            disabled = plugin.problem.startswith("disabled")
            problems += bool(plugin.problem) and not disabled
            print(f"plugin         {'ok' if not plugin.problem else 'off' if disabled else 'FAILED':8} {plugin.name}"
                  f" ({plugin.source}){': ' + plugin.problem if plugin.problem else ''}")  # fmt: skip
        rows = await parts.store.channels()
        snapshot = build(0, rows, parts.plugins.adapters)
        for row in rows:
            problem = snapshot.problems.get(row.id, "")
            problems += bool(problem)
            print(
                f"channel        {'FAILED' if problem else 'ok':8} {row.id} {row.name}{': ' + problem if problem else ''}"
            )
        if not rows:
            print(
                "channel        none     the demo channel answers"
                if config.demo.enabled
                else "channel        none"
            )
    return 1 if problems else 0
