"""`canalgate route MODEL`: which channels would be asked, and why the others would not."""

from __future__ import annotations

import argparse
import random
import time
from typing import get_args

import orjson

from ...plugins import Endpoint
from ..host import Opened
from ..live import read_snapshot
from ..prices.book import make_book
from ..records import DEFAULT_GROUP
from ..routing.choice import Look
from ..routing.explain import Line, explain
from ..routing.health import Health
from ..store import StoreError
from .command import Commands, on_installation, row_id
from .output import show


def add_commands(commands: Commands) -> None:
    """Add this module's command."""
    parser = commands.add_parser("route", help="say which channels would be asked for a model, and why not")
    parser.add_argument("model", metavar="MODEL", help="as a client would name it")
    parser.add_argument("--token", type=row_id, metavar="ID", help="as for this token, by its user's group")
    parser.add_argument(
        "--endpoint", choices=get_args(Endpoint), default="chat/completions",
        help="what would be asked (default chat/completions)",
    )  # fmt: skip
    parser.set_defaults(run=on_installation(_route))


async def _route(parts: Opened, options: argparse.Namespace) -> int:
    config, store = parts.config, parts.store
    snapshot = await read_snapshot(
        store, parts.vault, parts.plugins.adapters, make_book(config.prices), 0, demo=False
    )
    health, now = Health(config.routing.eject_after), time.monotonic()
    look = Look(snapshot, health, random.Random(), now, config.routing.mode, options.model)
    reports = [orjson.loads(text or "[]") for text in await store.instance_healths(int(time.time()))]
    group, endpoint = await _group(parts, options), options.endpoint
    resting = [line for report in reports for line in report]
    lines = explain(look, group, endpoint, await store.channels(), resting)
    if not options.json:
        mode = snapshot.modes.get(options.model, config.routing.mode)
        print(f"group {group}, mode {mode}; channels of one priority may come in another order next time")
    show([_row(line) for line in lines], options.json, "no channels; add one with `canalgate channel add`")
    return 0 if any(line.place for line in lines) else 1


async def _group(parts: Opened, options: argparse.Namespace) -> str:
    """Return whose channels are looked at. Raises StoreError if the token may not use the model."""
    if options.token is None:
        return DEFAULT_GROUP
    token = next((one for one in await parts.store.tokens() if one.id == options.token), None)
    if token is None:
        raise StoreError(f"there is no token {options.token}")
    if token.models and options.model not in token.models:
        raise StoreError(
            f"token {token.id} may not use {options.model!r}; it may use {', '.join(token.models)}"
        )
    return next(user.group for user in await parts.store.users() if user.id == token.user_id)


def _row(line: Line) -> dict[str, object]:
    return {
        "place": line.place,
        "channel": line.channel_id,
        "name": line.name,
        "asked_for": line.upstream_model or None,
        "why_not": line.reason or None,
    }
