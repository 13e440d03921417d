"""`canalgate price ...`: what models cost."""

from __future__ import annotations

import argparse
from fnmatch import fnmatchcase
from pathlib import Path

from ..billing.pricing import Price
from ..host import Opened
from ..manage.prices import Stated, set_price, stated
from ..manage.refused import Refused
from ..prices.amounts import BOUNDS, EACH, show_price
from ..prices.book import PriceBook, make_book
from ..prices.one_api import read_ratios
from ..store import StoreError
from .amounts import count
from .command import Commands, on_installation
from .output import say_when_live, show

_MILLION = EACH["prompt"]


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser(
        "price", help="list, show, set or unset what models cost, or import One API's"
    )
    parser.set_defaults(parser=parser)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")

    listing = verbs.add_parser("list", help="list what the models of all channels cost, in dollars")
    listing.add_argument("--model", metavar="PATTERN", default="*", help="only these: gpt-4o, claude-*")
    listing.add_argument("--unpriced", action="store_true", help="only those without a price")
    listing.set_defaults(run=on_installation(_list))

    one = verbs.add_parser("show", help="show every part of a model's price")
    one.add_argument("model", help="as clients name it")
    one.set_defaults(run=on_installation(_show))

    change = verbs.add_parser(
        "set", help="set a model's price, all of it: what is not given is not charged apart"
    )
    change.add_argument("model", help="as clients name it")
    for part in EACH:
        change.add_argument(f"--{part.replace('_', '-')}", metavar="2.5", help=f"dollars per {_unit(part)}")
    for bound in BOUNDS:
        change.add_argument(
            f"--{bound}", type=count, metavar="N", help="most tokens the model takes or gives"
        )
    change.set_defaults(run=on_installation(_set))

    unset = verbs.add_parser("unset", help="forget a price that was set")
    unset.add_argument("model", help="which has the shipped price again, if there is one")
    unset.set_defaults(run=on_installation(_unset))

    imports = verbs.add_parser("import", help="set prices and group ratios from One API's ratios")
    imports.add_argument("file", type=Path, metavar="FILE", help="JSON with ModelRatio and so on")
    imports.set_defaults(run=on_installation(_import))


async def _list(parts: Opened, options: argparse.Namespace) -> None:
    book = await _book(parts)
    found = {
        (model, price)
        for model, _, price in stated(book, await parts.store.channels())
        if fnmatchcase(model, options.model) and not (options.unpriced and price)
    }
    rows = [
        _row(model, price, options.json)
        for model, price in sorted(found, key=lambda one: (one[0], one[1].name if one[1] else ""))
    ]
    show(rows, options.json, "no such models")


async def _show(parts: Opened, options: argparse.Namespace) -> None:
    model, book = options.model, await _book(parts)
    found = [one for one in stated(book, await parts.store.channels()) if one.model == model]
    found = found or [Stated(model, None, book.stated(model, model, "openai"))]
    rows = [
        {
            "channel": channel and f"{channel.id} {channel.name}",
            "part": part,
            "dollars": dollars,
            "per": _unit(part),
            "from": price.name,
        }
        for _, channel, price in found
        if price is not None
        for part, dollars in show_price(price).items()
    ]
    if not rows:
        raise StoreError(f"{model!r} has no price")
    show(rows, options.json, "")


async def _set(parts: Opened, options: argparse.Namespace) -> None:
    given = {part: getattr(options, part) for part in (*EACH, *BOUNDS)}
    fields = {part: value for part, value in given.items() if value is not None}
    if not fields:
        raise StoreError("give a part of the price, such as --prompt 2.5 --completion 10")
    try:
        await set_price(parts.store, options.model, fields)
    except Refused as exc:
        raise StoreError(f"--{exc.field} = {exc.problem}") from exc
    await say_when_live(parts.store, f"price of {options.model} set", options.json, model=options.model)


async def _unset(parts: Opened, options: argparse.Namespace) -> None:
    await parts.store.prices.unset(options.model)
    done = f"price of {options.model} unset"
    await say_when_live(parts.store, done, options.json, model=options.model)


async def _import(parts: Opened, options: argparse.Namespace) -> None:
    try:
        prices, groups = read_ratios(options.file.read_text("utf-8"))
    except OSError as exc:
        raise StoreError(f"{options.file}: {exc.strerror}") from exc
    except ValueError as exc:
        raise StoreError(f"{options.file}: {exc}") from exc
    await parts.store.prices.set_all(prices, groups)
    done = f"prices of {len(prices)} models and ratios of {len(groups)} groups set"
    await say_when_live(parts.store, done, options.json, models=sorted(prices), groups=sorted(groups))


async def _book(parts: Opened) -> PriceBook:
    return make_book(parts.config.prices, await parts.store.prices.all())


def _row(model: str, price: Price | None, as_json: bool) -> dict[str, object]:
    more: dict[str, str] = show_price(price) if price else {}
    prompt, completion = more.pop("prompt", None), more.pop("completion", None)
    return {
        "model": model,
        "prompt": prompt,
        "completion": completion,
        "more": more if as_json else [f"{part}={dollars}" for part, dollars in more.items()],
        "from": price.name if price else None,
    }


def _unit(part: str) -> str:
    if EACH[part] != _MILLION:
        return part
    return "million characters" if part == "character" else "million tokens"
