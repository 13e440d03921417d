"""`canalgate plugins`: what is loaded, what is not, and why."""

from __future__ import annotations

import argparse

from ..config import Config
from ..host import load_plugins
from .command import Commands
from .output import show


def add_commands(commands: Commands) -> None:
    """Add this module's command."""
    parser = commands.add_parser("plugins", help="list plugins, their hooks, and why one is off")
    parser.set_defaults(run=run)


def run(config: Config, options: argparse.Namespace) -> int:
    """Load every plugin as a start would and say what came of it."""
    rows = [
        {
            "name": plugin.name,
            "state": "off" if plugin.disabled else "failed" if plugin.problem else "on",
            "version": plugin.version,
            "hooks": plugin.hooks,
            "source": plugin.source,
            "reason": plugin.problem,
        }
        for plugin in load_plugins(config).plugins
    ]
    show(rows, options.json, "no plugins")
    return 0
