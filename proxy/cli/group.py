"""`canalgate group ...`: what groups of users pay."""

from __future__ import annotations

import argparse

from ..billing.money import show_ratio
from ..host import Opened
from ..manage.groups import overview
from .amounts import ratio
from .command import Commands, on_installation
from .output import say_when_live, show


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser("group", help="list groups of users, or set what they pay")
    parser.set_defaults(parser=parser)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")

    listing = verbs.add_parser("list", help="list groups with their ratios")
    listing.set_defaults(run=on_installation(_list))

    change = verbs.add_parser("set", help="set a group's ratio")
    change.add_argument("name", help="the group, which need not have users yet")
    change.add_argument("--ratio", type=ratio, required=True, metavar="0.8", help="multiplies what it pays")
    change.set_defaults(run=on_installation(_set))


async def _list(parts: Opened, options: argparse.Namespace) -> None:
    rows = [
        {"group": one.name, "ratio": show_ratio(one.ratio), "users": one.users, "channels": one.channels}
        for one in await overview(parts.store)
    ]
    show(rows, options.json, "no groups")


async def _set(parts: Opened, options: argparse.Namespace) -> None:
    await parts.store.prices.set_group_ratio(options.name, options.ratio)
    shown = show_ratio(options.ratio)
    done = f"group {options.name} has the ratio {shown}"
    await say_when_live(parts.store, done, options.json, group=options.name, ratio=shown)
