"""`canalgate token ...`: the keys clients hold."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

from ..host import ROOT_NAME, Opened
from ..keys.vault import TOKEN_PREFIX
from ..manage.tokens import create
from ..records import DISABLED, ENABLED
from ..store import StoreError
from ..store.rows import token_account
from .amounts import ACTOR, balance, date, expiry, standing
from .command import Commands, names, on_installation, row_id
from .output import say_when_live, show


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser("token", help="create, list, edit, revoke or restore client tokens")
    parser.set_defaults(parser=parser)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")

    create = verbs.add_parser("create", help="make a token; its key is shown once")
    create.add_argument("name", help="what it is for")
    create.add_argument("--user", default=ROOT_NAME, help=f"whose it is (default {ROOT_NAME})")
    create.add_argument(
        "--expires", metavar="30d", help="a time like 12h, 30d, 8w, or a date 2027-01-31 (UTC)"
    )
    create.add_argument("--models", metavar="A,B", help="the only models it may use")
    create.add_argument("--subnets", metavar="A,B", help="the only networks it may be used from")
    create.add_argument(
        "--quota", type=balance, metavar="10usd", help="what it may spend of its user's (default: unlimited)"
    )
    create.add_argument("--priority", type=int, default=0, help="higher goes first under load (default 0)")
    create.set_defaults(run=on_installation(_create))

    listing = verbs.add_parser("list", help="list tokens")
    listing.set_defaults(run=on_installation(_list))

    edit = verbs.add_parser("edit", help="change what a token may spend")
    edit.add_argument("id", type=row_id, help="its number, as `canalgate token list` shows it")
    edit.add_argument(
        "--quota", type=balance, required=True, metavar="10usd", help="what it may still spend, or unlimited"
    )
    edit.set_defaults(run=on_installation(_edit))

    for verb, status in (("revoke", DISABLED), ("restore", ENABLED)):
        change = verbs.add_parser(
            verb, help="stop a token from working" if status == DISABLED else "let it work again"
        )
        change.add_argument("id", type=row_id, help="its number, as `canalgate token list` shows it")
        change.set_defaults(run=on_installation(_set_status), status=status)


async def _create(parts: Opened, options: argparse.Namespace) -> None:
    user = await parts.store.user(options.user)
    if user is None:
        raise StoreError(f"there is no user {options.user!r}")
    now = int(time.time())
    given: dict[str, Any] = {
        "name": options.name, "expires_at": expiry(options.expires, now),
        "models": names(options.models), "subnets": names(options.subnets),
        "priority": options.priority,
    }  # fmt: skip
    token, key = await create(
        parts.store, parts.vault, user, lambda token: replace(token, **given), options.quota, now
    )
    if not options.json:
        print(key)
    done = f"token {token.id} created, shown only now"
    await say_when_live(parts.store, done, options.json, id=token.id, key=key)


async def _list(parts: Opened, options: argparse.Namespace) -> None:
    names = {user.id: user.name for user in await parts.store.users()}
    states = await parts.store.accounts.states()
    rows = [
        {
            "id": token.id, "name": token.name, "key": f"{TOKEN_PREFIX}...{token.hint}",
            "user": names.get(token.user_id), "status": token.status, "expires": date(token.expires_at),
            "models": token.models, "subnets": token.subnets,
            **standing(states.get(token_account(token.id)), options.json),
        }
        for token in await parts.store.tokens()
    ]  # fmt: skip
    show(rows, options.json, "no tokens; make one with `canalgate token create NAME`")


async def _edit(parts: Opened, options: argparse.Namespace) -> None:
    if await parts.store.token(options.id) is None:
        raise StoreError(f"there is no token {options.id}")
    now = int(time.time())
    await parts.store.accounts.set_balance(token_account(options.id), options.quota, ACTOR, now)
    await say_when_live(parts.store, f"token {options.id} changed", options.json, id=options.id)


async def _set_status(parts: Opened, options: argparse.Namespace) -> None:
    await parts.store.set_token_status(options.id, options.status)
    await say_when_live(parts.store, f"token {options.id} {options.status}", options.json, id=options.id)
