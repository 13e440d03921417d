"""`canalgate user ...`: the accounts."""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import replace

from ..billing.money import parse_balance, show_quota
from ..host import Opened
from ..keys.vault import hash_password, new_password
from ..manage import users
from ..records import DEFAULT_GROUP, DISABLED, ENABLED, ROLE_ROOT, ROLES, User
from ..store import StoreError
from ..store.rows import user_account
from .amounts import ACTOR, add_idempotency_option, allow_negative, balance, signed, standing
from .command import Commands, on_installation
from .output import say, say_when_live, show


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser("user", help="create, list, edit, top up users, or give a new password")
    parser.set_defaults(parser=parser)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")

    create = verbs.add_parser("create", help="add a user; the password is shown once")
    create.add_argument("name", help="by which they log in")
    create.add_argument(
        "--role", choices=("user", "admin"), default="user", help="what they may do (default user)"
    )
    create.add_argument(
        "--group",
        default=DEFAULT_GROUP,
        help=f"which channels and prices are theirs (default {DEFAULT_GROUP})",
    )
    _add_quota(create, "what they may spend (default: the setting quota.new_user)")
    create.add_argument("--invited-by", metavar="NAME", help="who has invited them: both get their gifts")
    create.set_defaults(run=on_installation(_create))

    listing = verbs.add_parser("list", help="list users")
    listing.set_defaults(run=on_installation(_list))

    edit = verbs.add_parser("edit", help="change what is given, leave the rest")
    edit.add_argument("name", help="who is changed")
    edit.add_argument("--role", choices=("user", "admin"), help="what they may do")
    edit.add_argument("--group", help="which channels and prices are theirs")
    _add_quota(edit, "what they may still spend")
    edit.set_defaults(run=on_installation(_edit), status=None)

    topup = verbs.add_parser("topup", help="add to what a user may spend, or take from it")
    topup.add_argument("name", help="whose balance it is")
    topup.add_argument("amount", type=signed, metavar="AMOUNT", help="like 10usd, $10, -5usd; 500000 is $1")
    topup.add_argument("--note", default="", help="why, for the account's history")
    add_idempotency_option(topup)
    allow_negative(topup)
    topup.set_defaults(run=on_installation(_topup))

    for verb, status in (("enable", ENABLED), ("disable", DISABLED)):
        change = verbs.add_parser(verb, help=f"{verb} a user and all tokens of theirs")
        change.add_argument("name", help=f"who is {status}")
        change.set_defaults(run=on_installation(_edit), status=status, role=None, group=None)

    password = verbs.add_parser("password", help="give a user a new password, shown once")
    password.add_argument("name", help="who gets it")
    password.set_defaults(run=on_installation(_password))


def _add_quota(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument(
        "--quota", type=balance, default=argparse.SUPPRESS, metavar="10usd", help=f"{help}, or unlimited"
    )


async def _create(parts: Opened, options: argparse.Namespace) -> None:
    password = new_password()
    now = int(time.time())
    hashed = await asyncio.to_thread(hash_password, password)
    user = User(0, options.name, ROLES[options.role], options.group, ENABLED, now, hashed)
    quota = options.quota if "quota" in options else parse_balance(parts.config.quota.new_user)
    invitation = await users.invitation(parts.store, options.invited_by or "", parts.config.quota)
    user = await users.create(parts.store, user, quota, invitation)
    if not options.json:
        print(f"password: {password}")
    done = f"user {user.name} created"
    await say_when_live(parts.store, done, options.json, id=user.id, name=user.name, password=password)


async def _topup(parts: Opened, options: argparse.Namespace) -> None:
    user, accounts = await _find(parts, options.name), parts.store.accounts
    name, now = user_account(user.id), int(time.time())
    await accounts.credit(name, options.amount, "topup", options.note, ACTOR, now, options.idempotency_key)
    state = await accounts.state(name)
    done = "added" if options.amount > 0 else "taken"
    remaining = standing(state, as_json=False)["remaining"]
    say(
        f"user {user.name}: {show_quota(abs(options.amount))} {done}, {remaining} remaining",
        options.json, id=user.id, name=user.name, amount=options.amount, **standing(state, as_json=True),
    )  # fmt: skip


async def _list(parts: Opened, options: argparse.Namespace) -> None:
    roles = {number: name for name, number in ROLES.items()}
    states = await parts.store.accounts.states()
    rows = [
        {
            "id": user.id, "name": user.name, "role": roles.get(user.role, user.role),
            "group": user.group, "status": user.status,
            **standing(states.get(user_account(user.id)), options.json),
        }
        for user in await parts.store.users()
    ]  # fmt: skip
    show(rows, options.json, "no users; the first start of `canalgate serve` makes one")


async def _edit(parts: Opened, options: argparse.Namespace) -> None:
    user = await _find(parts, options.name)

    def changed(user: User) -> User:
        return replace(
            user,
            role=ROLES[options.role] if options.role else user.role,
            group=options.group or user.group,
            status=options.status or user.status,
        )

    users.permitted(user, changed(user), ROLE_ROOT)  # before any of it is kept
    if "quota" in options:
        await parts.store.accounts.set_balance(user_account(user.id), options.quota, ACTOR, int(time.time()))
    await users.edit(parts.store, user.id, changed)
    await say_when_live(parts.store, f"user {user.name} changed", options.json, id=user.id, name=user.name)


async def _password(parts: Opened, options: argparse.Namespace) -> None:
    user = await _find(parts, options.name)
    password = new_password()
    hashed = await asyncio.to_thread(hash_password, password)
    await users.set_password(parts.store, user, hashed)
    if not options.json:
        print(f"password: {password}")
    done = f"user {user.name} changed"
    await say_when_live(parts.store, done, options.json, id=user.id, name=user.name, password=password)


async def _find(parts: Opened, name: str) -> User:
    user = await parts.store.user(name)
    if user is None:
        raise StoreError(f"there is no user {name!r}")
    return user
