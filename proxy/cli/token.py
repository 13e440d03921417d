"""`canalgate token ...`: the keys clients hold."""

from __future__ import annotations

import argparse
import ipaddress
import re
import time
from dataclasses import replace
from datetime import UTC, datetime

from ..host import ROOT_NAME, Opened, make_token
from ..records import DISABLED, ENABLED
from ..store import StoreError
from ..vault import TOKEN_PREFIX, new_token_key
from .command import Commands, names, on_installation, row_id
from .output import add_json_option, say_when_live, show

_UNITS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser("token", help="create, list, revoke or restore client tokens")
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
    create.set_defaults(run=on_installation(_create))

    listing = verbs.add_parser("list", help="list tokens")
    add_json_option(listing)
    listing.set_defaults(run=on_installation(_list))

    for verb, status in (("revoke", DISABLED), ("restore", ENABLED)):
        change = verbs.add_parser(
            verb, help="stop a token from working" if status == DISABLED else "let it work again"
        )
        change.add_argument("id", type=row_id)
        change.set_defaults(run=on_installation(_set_status), status=status)


async def _create(parts: Opened, options: argparse.Namespace) -> None:
    user = await parts.store.user(options.user)
    if user is None:
        raise StoreError(f"there is no user {options.user!r}")
    now = int(time.time())
    key = new_token_key()
    token = replace(
        make_token(parts.vault, user, options.name, key, now),
        expires_at=_expiry(options.expires, now),
        models=names(options.models),
        subnets=_networks(options.subnets),
    )
    token = await parts.store.add_token(token)
    print(f"{TOKEN_PREFIX}{key}")
    await say_when_live(parts.store, f"token {token.id} created, shown only now")


async def _list(parts: Opened, options: argparse.Namespace) -> None:
    names = {user.id: user.name for user in await parts.store.users()}
    rows = [
        {
            "id": token.id, "name": token.name, "key": f"{TOKEN_PREFIX}...{token.hint}",
            "user": names.get(token.user_id), "status": token.status, "expires": _date(token.expires_at),
            "models": token.models, "subnets": token.subnets,
        }
        for token in await parts.store.tokens()
    ]  # fmt: skip
    show(rows, options.json, "no tokens; make one with `canalgate token create NAME`")


async def _set_status(parts: Opened, options: argparse.Namespace) -> None:
    await parts.store.set_token_status(options.id, options.status)
    await say_when_live(parts.store, f"token {options.id} {options.status}")


def _expiry(text: str | None, now: int) -> int | None:
    if text is None:
        return None
    if span := re.fullmatch(r"(\d{1,4})([hdw])", text):
        return now + int(span[1]) * _UNITS[span[2]]
    try:
        end = int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError as exc:
        raise StoreError(f"--expires {text!r}: expected 12h, 30d, 8w or a date like 2027-01-31") from exc
    if end <= now:
        raise StoreError(f"--expires {text!r}: that is in the past")
    return end


def _networks(text: str | None) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_network(name, strict=False)) for name in names(text))
    except ValueError as exc:
        raise StoreError(f"--subnets: {exc}") from exc


def _date(seconds: int | None) -> str:
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
