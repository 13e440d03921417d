"""`canalgate channel ...`: the ways to providers."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

from ...plugins import Endpoint, UpstreamError
from ..billing.money import show_ratio
from ..billing.receipts import decimal
from ..config import Config
from ..errors import GatewayError
from ..host import Opened, running
from ..live import Live
from ..manage import channels
from ..records import DISABLED, ENABLED, ChannelRow, KeyFault, Times
from ..relaying.checkups import check_all
from ..relaying.holdings import MICROS, Holdings, Told, Untold
from ..relaying.probe import ENDPOINTS, Result, model_names
from ..routing.choice import pinned
from ..routing.snapshot import UsableChannel
from ..store import StoreError
from .amounts import ratio
from .command import Commands, names, on_installation, row_id, typed
from .output import say_when_live, show
from .progress import Bar

_ID = "its number, as `canalgate channel list` shows it"
_TIMES = {
    "connect": "to connect", "first-byte": "to the first byte", "idle": "between bytes",
    "total": "to the end", "hedge": "to the first byte before another channel is asked beside it",
}  # fmt: skip


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser(
        "channel", help="add, list, edit, enable, disable, test or remove channels, list models, ask balances"
    )
    parser.set_defaults(parser=parser)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")

    add = verbs.add_parser("add", help="add a channel")
    add.add_argument("--name", required=True, help="what people call it")
    add.add_argument("--type", default="openai", help="adapter (default openai: any OpenAI-compatible host)")
    _add_fields(add)
    add.set_defaults(run=on_installation(_add, _ask_key))

    listing = verbs.add_parser("list", help="list channels")
    listing.set_defaults(run=on_installation(_list))

    edit = verbs.add_parser("edit", help="change what is given, leave the rest")
    edit.add_argument("id", type=row_id, help=_ID)
    edit.add_argument("--name", help="what people call it")
    edit.add_argument("--type", help="adapter")
    _add_fields(edit)
    edit.set_defaults(run=on_installation(_edit, _ask_key))

    for verb, status in (("enable", ENABLED), ("disable", DISABLED)):
        change = verbs.add_parser(verb, help=f"{verb} a channel")
        change.add_argument("id", type=row_id, help=_ID)
        change.set_defaults(run=on_installation(_set_status), status=status)

    test = verbs.add_parser("test", help="send a small real request through a channel, or through all")
    test.add_argument("id", type=_id_or_all, metavar="ID|all", help=f"{_ID}, or all")
    test.add_argument("--model", help="model to ask (default: the channel's first)")
    test.add_argument(
        "--endpoint", choices=sorted(ENDPOINTS), help="what to ask (default: by the model's name)"
    )
    test.set_defaults(run=lambda config, options: asyncio.run(_test(config, options)))

    models = verbs.add_parser("models", help="list the models that a channel's provider has")
    models.add_argument("id", type=row_id, help=_ID)
    models.add_argument("--sync", action="store_true", help="offer what the provider lists, and no more")
    models.set_defaults(run=lambda config, options: asyncio.run(_models(config, options)))

    balance = verbs.add_parser("balance", help="ask a channel's provider what is left of the account, or all")
    balance.add_argument("id", type=_id_or_all, metavar="ID|all", help=f"{_ID}, or all")
    balance.set_defaults(run=lambda config, options: asyncio.run(_balance(config, options)))

    remove = verbs.add_parser("remove", help="delete a channel")
    remove.add_argument("id", type=row_id, help=_ID)
    remove.set_defaults(run=on_installation(_remove))


def _add_fields(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base-url", metavar="URL", help="as the provider gives it, with its path: https://host/v1"
    )
    parser.add_argument("--key", help="the provider's key; - asks for it, so that no shell remembers it")
    parser.add_argument("--models", metavar="A,B", help="exact model names it offers")
    parser.add_argument(
        "--map", action="append", metavar="NAME=UPSTREAM", help="the provider's name of a model"
    )
    parser.add_argument("--priority", type=int, help="higher is asked first (default 0)")
    parser.add_argument("--weight", type=int, help="share inside a priority (default 1)")
    parser.add_argument(
        "--ratio", type=ratio, metavar="1.2", help="multiplies what its answers cost (default 1)"
    )
    parser.add_argument("--groups", metavar="A,B", help="groups of users it serves (default: default)")
    parser.add_argument(
        "--proxy", metavar="URL", help="http:// or socks5:// proxy on the way to the provider"
    )
    for name, what in _TIMES.items():
        parser.add_argument(
            f"--{name}-s", type=float, metavar="S", help=f"seconds {what}; 0 for the gateway's own limit"
        )
    parser.add_argument("--option", action="append", metavar="NAME=VALUE", help="setting of the adapter")


async def _add(parts: Opened, options: argparse.Namespace) -> None:
    empty = ChannelRow(0, options.type, options.name, "", "", (), int(time.time()))
    row = await channels.add(parts.store, parts.plugins.adapters, _changed(empty, options))
    await say_when_live(parts.store, f"channel {row.id} added", options.json, id=row.id)


async def _edit(parts: Opened, options: argparse.Namespace) -> None:
    await channels.edit(parts.store, parts.plugins.adapters, options.id, lambda row: _changed(row, options))
    await say_when_live(parts.store, f"channel {options.id} changed", options.json, id=options.id)


async def _set_status(parts: Opened, options: argparse.Namespace) -> None:
    adapters, status = parts.plugins.adapters, options.status
    await channels.edit(parts.store, adapters, options.id, lambda row: replace(row, status=status))
    await say_when_live(parts.store, f"channel {options.id} {status}", options.json, id=options.id)


async def _remove(parts: Opened, options: argparse.Namespace) -> None:
    await parts.store.remove_channel(options.id)
    await say_when_live(parts.store, f"channel {options.id} removed", options.json, id=options.id)


async def _list(parts: Opened, options: argparse.Namespace) -> None:
    faults = {fault.channel_id: fault for fault in await parts.store.faults.all()}
    rows = [
        {
            "id": row.id, "name": row.name, "type": row.type, "status": _state(row, faults),
            "priority": row.priority,
            "weight": row.weight, "ratio": show_ratio(row.ratio), "groups": row.groups, "models": row.models,
            "mapping": _pairs(row), "base_url": row.base_url,
        }
        for row in await parts.store.channels()
    ]  # fmt: skip
    show(rows, options.json, "no channels; add one with `canalgate channel add`")


async def _test(config: Config, options: argparse.Namespace) -> int:
    async with running(config) as (_, relay, live):
        if options.id == "all":
            chosen = list(live.snapshot.usable.values())
        else:
            chosen = [_chosen(live, options.id, options.endpoint)]
        with Bar("tested") as bar:
            results = await check_all(relay, chosen, options.model or "", options.endpoint, bar.steps)
        show([_result(result) for result in results], options.json, "no channels to test")
        return 1 if any(result.error for result in results) else 0


def _state(row: ChannelRow, faults: Mapping[int, KeyFault]) -> str:
    """Return a channel's status, and whether its key was refused."""
    fault = faults.get(row.id)
    return f"{row.status}, key refused ({fault.kind})" if fault is not None else row.status


def _result(result: Result) -> dict[str, Any]:
    return {
        "channel": result.channel_id,
        "name": result.name,
        "key": result.key,
        "model": result.model,
        "result": "FAILED" if result.error else "ok",
        "status": result.status or None,
        "ms": result.milliseconds,
        "error": result.error or None,
    }


async def _models(config: Config, options: argparse.Namespace) -> int:
    async with running(config) as (parts, relay, live):
        chosen = _chosen(live, options.id)
        try:
            found = await model_names(relay, chosen)
        except UpstreamError as exc:
            failure = f"({exc.kind.value}): {exc.message}"
            raise StoreError(f"channel {options.id}: no list of models {failure}") from exc
        if found is None:
            raise StoreError(f"channel {options.id}: {chosen.adapter.title} has no list of models to ask for")
        if options.sync:
            adapters = parts.plugins.adapters
            await channels.edit(parts.store, adapters, options.id, lambda row: channels.synced(row, found))
            done = f"channel {options.id} offers {len(found)} models"
            await say_when_live(parts.store, done, options.json, id=options.id, models=found)
            return 0
        offered = {chosen.upstream_model(name): name for name in chosen.row.models}
        rows = [{"model": name, "offered_as": offered.get(name)} for name in found]
        show(rows, options.json, f"channel {options.id}: the provider's list of models is empty")
        return 0


async def _balance(config: Config, options: argparse.Namespace) -> int:
    async with running(config) as (parts, relay, live):
        holdings, now = Holdings(relay, parts.store, parts.vault), int(time.time())
        if options.id == "all":
            told = await holdings.ask_each(list(live.snapshot.usable.values()), now)
        else:
            told = [await _asked_for(holdings, _chosen(live, options.id), now)]
        rows = [row for one in told for row in _amounts(one)]
        show(rows, options.json, "no channel whose provider tells a balance")
        return 1 if any(one.error for one in told) else 0


async def _asked_for(holdings: Holdings, chosen: UsableChannel, now: int) -> Told:
    try:
        return Told(chosen.row, await holdings.ask(chosen, now))
    except Untold as exc:
        raise StoreError(f"channel {chosen.row.id}: {exc.message}") from exc
    except UpstreamError as exc:
        failure = f"({exc.kind.value}): {exc.message}"
        raise StoreError(f"channel {chosen.row.id}: no balance {failure}") from exc


def _amounts(told: Told) -> list[dict[str, Any]]:
    """Return a row for each currency, or one for what went wrong."""
    row, micros = told.row, told.balance.micros if told.balance is not None else {"": None}
    return [
        {
            "channel": row.id,
            "name": row.name,
            "currency": currency or None,
            "balance": decimal(amount, MICROS) if amount is not None else None,
            "error": told.error or None,
        }
        for currency, amount in micros.items()
    ]


def _chosen(live: Live, channel_id: int, endpoint: Endpoint | None = None) -> UsableChannel:
    try:
        return pinned(live.snapshot, channel_id, endpoint)
    except GatewayError as exc:
        raise StoreError(exc.message) from exc


def _changed(row: ChannelRow, options: argparse.Namespace) -> ChannelRow:
    """Return the row with what the command line gives."""
    changes: dict[str, Any] = {
        "type": options.type or None,
        "name": options.name or None,
        "base_url": options.base_url,
        "key": options.key,
        "models": names(options.models) or None,
        "mapping": _mapping(options.map, "--map"),
        "priority": options.priority,
        "weight": options.weight,
        "ratio": options.ratio,
        "groups": names(options.groups) or None,
        "proxy": options.proxy,
        "options": _mapping(options.option, "--option"),
        "times": _times(row.times, options),
    }
    return replace(row, **{name: value for name, value in changes.items() if value is not None})


def _times(times: Times, options: argparse.Namespace) -> Times:
    given = {name: getattr(options, name) for name in (field.name for field in fields(times))}
    return replace(times, **{name: value or None for name, value in given.items() if value is not None})


def _id_or_all(text: str) -> int | str:
    return text if text == "all" else row_id(text)


_id_or_all.__name__ = "id"  # argparse says "invalid id value: 'x'"


def _ask_key(options: argparse.Namespace) -> None:
    if options.key == "-":
        options.key = typed("key")


def _mapping(pairs: list[str] | None, flag: str) -> MappingProxyType[str, str] | None:
    if pairs is None:
        return None
    split = [pair.partition("=") for pair in pairs if pair]
    if not all(equals and name for name, equals, _ in split):
        raise StoreError(f"{flag}: expected NAME=VALUE")
    return MappingProxyType({name: value for name, _, value in split})


def _pairs(row: ChannelRow) -> list[str]:
    return [f"{name}={upstream}" for name, upstream in row.mapping.items()]
