"""`canalgate log ...`: the requests that were made, newest first, and what each of them cost."""

from __future__ import annotations

import argparse
import time

import msgspec

from ..billing.pricing import Price
from ..billing.receipts import dollars, explain, receipt
from ..host import Opened
from ..ledger.entry import Entry
from ..prices.book import make_book
from ..store import StoreError
from ..store.requests import Filters
from .command import Commands, on_installation, row_id
from .named import Names, names_of, seconds
from .output import show

_MOST = 1000


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser("log", help="list the requests that were made, or show one and its cost")
    parser.set_defaults(parser=parser)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")

    listing = verbs.add_parser("list", help="list requests, newest first")
    listing.add_argument("--user", metavar="NAME", help="only those of this user")
    listing.add_argument("--token", metavar="ID", type=row_id, help="only those with this token")
    listing.add_argument("--channel", metavar="ID", type=row_id, help="only those served by this channel")
    listing.add_argument("--model", help="only those for this model")
    listing.add_argument("--errors", action="store_true", help="only those that failed")
    listing.add_argument("--since", metavar="1h", type=seconds, help="not older than: 30m, 12h, 7d, 8w")
    listing.add_argument(
        "--limit", metavar="N", type=_limit, default=20, help=f"at most {_MOST} (default 20)"
    )
    listing.add_argument("--before", metavar="CURSOR", help="go on where a list ended")
    listing.set_defaults(run=on_installation(_list))

    one = verbs.add_parser("show", help="show a request and the sum that makes its cost")
    one.add_argument("request_id", help="as in x-request-id of the answer, and in `canalgate log list`")
    one.set_defaults(run=on_installation(_show))


async def _list(parts: Opened, options: argparse.Namespace) -> None:
    names = await names_of(parts.store)
    filters = Filters(
        user_id=names.user_id(options.user) if options.user is not None else None,
        token_id=options.token,
        channel_id=options.channel,
        model=options.model,
        failed=True if options.errors else None,
        from_ms=int(time.time() - options.since) * 1000 if options.since is not None else None,
    )
    try:
        found, cursor = await parts.store.requests.page(filters, options.before, options.limit)
    except ValueError as exc:
        raise StoreError(f"--before {options.before!r}: {exc}") from exc
    show([_row(entry, names) for entry in found], options.json, "no requests")
    if cursor is not None and not options.json:
        print(f"more: --before {cursor}")


async def _show(parts: Opened, options: argparse.Namespace) -> None:
    entry = await parts.store.requests.one(options.request_id)
    if entry is None:
        raise StoreError(f"there is no request {options.request_id!r}")
    shown = receipt(entry, is_booked=True, for_admin=True)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(shown)).decode())
        return
    show([{"what": name, "value": _text(value)} for name, value in shown.items()], False, "")
    print()
    print("\n".join(explain(entry, await _price(parts, entry))))


async def _price(parts: Opened, entry: Entry) -> Price | None:
    """Return the price a request had, if it is still the one in force."""
    channel = await parts.store.channel(entry.channel_id) if entry.channel_id else None
    adapter = channel.type if channel is not None else ""
    book = make_book(parts.config.prices, await parts.store.prices.all())
    price = book.find(entry.model, entry.upstream_model, adapter)
    return price if price is not None and price.name == entry.price else None


def _row(entry: Entry, names: Names) -> dict[str, object]:
    counts = entry.counts
    return {
        "request": entry.request_id,
        "time": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(entry.at_ms / 1000)),
        "user": names.user(entry.user_id),
        "token": names.token(entry.token_id),
        "channel": names.channel(entry.channel_id),
        "model": entry.model,
        "prompt": counts.prompt_tokens,
        "completion": counts.completion_tokens,
        "dollars": dollars(entry.charged),
        "ms": entry.total_ms,
        "status": entry.status,
        "error": entry.error_type,
    }


def _text(value: object) -> object:
    """A value on one line: a table's parts that are not nothing."""
    if isinstance(value, dict):
        return " ".join(f"{name}={part}" for name, part in value.items() if part not in (0, None))
    return [_text(part) for part in value] if isinstance(value, list) else value


def _limit(text: str) -> int:
    if not 0 < int(text) <= _MOST:
        raise ValueError
    return int(text)


_limit.__name__ = "number"  # argparse says "invalid number value: 'x'"
