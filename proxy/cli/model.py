"""`canalgate model ...`: by which mode a model's channels are chosen, and which models stand in for it."""

from __future__ import annotations

import argparse

from ..host import Opened
from ..manage.models import MODES, checked
from ..records import ModelRoute
from .command import Commands, names, on_installation
from .output import say_when_live, show


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser("model", help="list models, set how one is routed and what stands in for it")
    parser.set_defaults(parser=parser)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")

    listing = verbs.add_parser("list", help="list models with their channels and what is set")
    listing.set_defaults(run=on_installation(_list))

    change = verbs.add_parser(
        "set", help="set how a model is routed; it may be an alias that no channel offers"
    )
    change.add_argument("model", metavar="MODEL", help="as clients name it")
    change.add_argument(
        "--mode", default="", metavar="MODE", help=f"{', '.join(MODES)} (default: the gateway's)"
    )
    change.add_argument(
        "--fallback", metavar="A,B", help="models asked, in this order, where it cannot be served"
    )
    change.set_defaults(run=on_installation(_set))

    unset = verbs.add_parser("unset", help="route a model like any other")
    unset.add_argument("model", metavar="MODEL", help="whose route is forgotten")
    unset.set_defaults(run=on_installation(_unset))


async def _list(parts: Opened, options: argparse.Namespace) -> None:
    channels, routes = await parts.store.channels(), await parts.store.routes.all()
    offered = {*routes, *(model for row in channels for model in row.models)}
    rows = [
        {
            "model": name,
            "channels": [row.id for row in channels if name in row.models],
            "mode": routes[name].mode or None if name in routes else None,
            "fallbacks": list(routes[name].fallbacks) if name in routes else [],
        }
        for name in sorted(offered)
    ]
    show(rows, options.json, "no models; add a channel with `canalgate channel add`")


async def _set(parts: Opened, options: argparse.Namespace) -> None:
    route = ModelRoute(options.model, options.mode, names(options.fallback))
    store = parts.store
    await store.routes.set(checked(route, await store.routes.all(), await store.channels()))
    await say_when_live(store, f"route of {options.model} set", options.json, model=options.model)


async def _unset(parts: Opened, options: argparse.Namespace) -> None:
    await parts.store.routes.unset(options.model)
    await say_when_live(parts.store, f"route of {options.model} unset", options.json, model=options.model)
