"""`canalgate limit ...`: how much at a time, a day, a month."""

from __future__ import annotations

import argparse

import msgspec

from ..billing.limits import Limit
from ..host import Opened
from ..manage.limits import SUBJECTS, set_limit
from ..store import StoreError
from .amounts import count, money, quota
from .command import Commands, on_installation
from .output import say_when_live, show

_FLAGS = {
    "rpm": "requests_per_minute", "tpm": "tokens_per_minute", "concurrent": "concurrent",
    "day": "day_budget", "month": "month_budget",
}  # fmt: skip
_BUDGETS = ("day", "month")


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser("limit", help="list, set or unset limits and budgets")
    parser.set_defaults(parser=parser)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")

    listing = verbs.add_parser("list", help="list what is set")
    listing.set_defaults(run=on_installation(_list))

    change = verbs.add_parser("set", help="change what is given of a subject's limit, leave the rest")
    change.add_argument("subject", metavar="SUBJECT", help=SUBJECTS)
    for flag, what in (
        ("rpm", "requests per minute"), ("tpm", "tokens per minute"), ("concurrent", "requests at a time"),
    ):  # fmt: skip
        change.add_argument(f"--{flag}", type=count, metavar="N", help=f"{what}; 0 is without limit")
    for flag in _BUDGETS:
        help = f"what may be spent in a {flag} (UTC); 0 is without limit"
        change.add_argument(f"--{flag}", type=quota, metavar="10usd", help=help)
    change.set_defaults(run=on_installation(_set))

    unset = verbs.add_parser("unset", help="take a subject's limit away")
    unset.add_argument("subject", metavar="SUBJECT", help=SUBJECTS)
    unset.set_defaults(run=on_installation(_unset))


async def _list(parts: Opened, options: argparse.Namespace) -> None:
    rows = [
        {"subject": subject, **{flag: _shown(limit, flag, options.json) for flag in _FLAGS}}
        for subject, limit in (await parts.store.limits.all()).items()
    ]
    show(rows, options.json, "no limits; set one with `canalgate limit set SUBJECT --rpm 60`")


def _shown(limit: Limit, flag: str, as_json: bool) -> object:
    value = getattr(limit, _FLAGS[flag])
    if as_json or not value:
        return value if as_json else None
    return money(value, as_json) if flag in _BUDGETS else value


async def _set(parts: Opened, options: argparse.Namespace) -> None:
    given = {name: getattr(options, flag) for flag, name in _FLAGS.items()}
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise StoreError("give a limit, such as --rpm 60; 0 takes one away")
    limit = (await parts.store.limits.all()).get(options.subject, Limit())
    await set_limit(parts.store, options.subject, msgspec.structs.replace(limit, **changes))
    done = f"limit of {options.subject} set"
    await say_when_live(parts.store, done, options.json, subject=options.subject)


async def _unset(parts: Opened, options: argparse.Namespace) -> None:
    await parts.store.limits.unset(options.subject)
    done = f"limit of {options.subject} unset"
    await say_when_live(parts.store, done, options.json, subject=options.subject)
