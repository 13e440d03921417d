"""`canalgate code ...`: redemption codes."""

from __future__ import annotations

import argparse
import time

from ..billing.money import show_quota
from ..host import Opened
from ..records import ENABLED
from ..store.codes import Code
from .amounts import add_idempotency_option, count, date, expiry, money, quota
from .command import Commands, on_installation, row_id
from .named import names_of
from .output import print_json, say, show


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser("code", help="create, list, disable or redeem redemption codes")
    parser.set_defaults(parser=parser)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")

    create = verbs.add_parser("create", help="make codes; they are shown once, one a line")
    create.add_argument("--quota", type=quota, required=True, metavar="5usd", help="what each is worth")
    create.add_argument("--count", type=count, default=1, metavar="N", help="how many (default 1)")
    create.add_argument("--name", default="", help="what they are for")
    create.add_argument("--expires", metavar="30d", help="a time like 12h, 30d, 8w, or a date (UTC)")
    create.set_defaults(run=on_installation(_create))

    listing = verbs.add_parser("list", help="list codes, without the codes themselves")
    listing.set_defaults(run=on_installation(_list))

    disable = verbs.add_parser("disable", help="let a code be worth nothing")
    disable.add_argument("id", type=row_id, help="its number, as `canalgate code list` shows it")
    disable.set_defaults(run=on_installation(_disable))

    redeem = verbs.add_parser("redeem", help="add a code's worth to a user's balance")
    redeem.add_argument("code", help="as `canalgate code create` has shown it")
    redeem.add_argument("--user", required=True, metavar="NAME", help="whose balance it goes to")
    add_idempotency_option(redeem)
    redeem.set_defaults(run=on_installation(_redeem))


async def _create(parts: Opened, options: argparse.Namespace) -> None:
    now = int(time.time())
    codes = await parts.store.codes.create(
        options.name, options.quota, options.count, expiry(options.expires, now), now
    )
    print_json({"codes": codes}) if options.json else print("\n".join(codes))


async def _list(parts: Opened, options: argparse.Namespace) -> None:
    names, now = await names_of(parts.store), int(time.time())

    def status(code: Code) -> str:
        is_over = code.expires_at is not None and code.expires_at <= now
        return "expired" if code.status == ENABLED and is_over else code.status

    rows = [
        {
            "id": code.id, "name": code.name, "quota": money(code.quota, options.json),
            "status": status(code),
            "created": date(code.created_at), "expires": date(code.expires_at),
            "redeemed": date(code.redeemed_at) if code.redeemed_at else None,
            "by": names.user(code.redeemed_by) if code.redeemed_by else None,
        }
        for code in await parts.store.codes.list()
    ]  # fmt: skip
    show(rows, options.json, "no codes; make one with `canalgate code create --quota 5usd`")


async def _disable(parts: Opened, options: argparse.Namespace) -> None:
    await parts.store.codes.disable(options.id)
    say(f"code {options.id} disabled", options.json, id=options.id)


async def _redeem(parts: Opened, options: argparse.Namespace) -> None:
    user_id = (await names_of(parts.store)).user_id(options.user)
    now = int(time.time())
    amount = await parts.store.codes.redeem(options.code, user_id, now, options.idempotency_key)
    say(f"user {options.user}: {show_quota(amount)} added", options.json, name=options.user, amount=amount)
