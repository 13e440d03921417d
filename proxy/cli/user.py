"""`canalgate user ...`: the accounts."""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import replace

from ..host import Opened
from ..records import DEFAULT_GROUP, DISABLED, ENABLED, ROLES, User
from ..store import StoreError
from ..vault import hash_password, new_password
from .command import Commands, on_installation
from .output import add_json_option, say_when_live, show


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser("user", help="create, list, edit users, or give a new password")
    parser.set_defaults(parser=parser)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")

    create = verbs.add_parser("create", help="add a user; the password is shown once")
    create.add_argument("name")
    create.add_argument("--role", choices=("user", "admin"), default="user")
    create.add_argument("--group", default=DEFAULT_GROUP)
    create.set_defaults(run=on_installation(_create))

    listing = verbs.add_parser("list", help="list users")
    add_json_option(listing)
    listing.set_defaults(run=on_installation(_list))

    edit = verbs.add_parser("edit", help="change what is given, leave the rest")
    edit.add_argument("name")
    edit.add_argument("--role", choices=("user", "admin"))
    edit.add_argument("--group")
    edit.set_defaults(run=on_installation(_edit), status=None)

    for verb, status in (("enable", ENABLED), ("disable", DISABLED)):
        change = verbs.add_parser(verb, help=f"{verb} a user and all tokens of theirs")
        change.add_argument("name")
        change.set_defaults(run=on_installation(_edit), status=status, role=None, group=None)

    password = verbs.add_parser("password", help="give a user a new password, shown once")
    password.add_argument("name")
    password.set_defaults(run=on_installation(_password))


async def _create(parts: Opened, options: argparse.Namespace) -> None:
    password = new_password()
    now = int(time.time())
    hashed = await asyncio.to_thread(hash_password, password)
    user = User(0, options.name, ROLES[options.role], options.group, ENABLED, now, hashed)
    user = await parts.store.add_user(user)
    print(f"password: {password}")
    await say_when_live(parts.store, f"user {user.name} created")


async def _list(parts: Opened, options: argparse.Namespace) -> None:
    roles = {number: name for name, number in ROLES.items()}
    rows = [
        {
            "id": user.id, "name": user.name, "role": roles.get(user.role, user.role),
            "group": user.group, "status": user.status,
        }
        for user in await parts.store.users()
    ]  # fmt: skip
    show(rows, options.json, "no users; the first start of `canalgate serve` makes one")


async def _edit(parts: Opened, options: argparse.Namespace) -> None:
    user = await _find(parts, options.name)
    if user.role == ROLES["root"] and (options.role or options.status == DISABLED):
        raise StoreError("the root user stays as it is")
    changed = replace(
        user,
        role=ROLES[options.role] if options.role else user.role,
        group=options.group or user.group,
        status=options.status or user.status,
    )
    await parts.store.change_user(changed)
    await say_when_live(parts.store, f"user {user.name} changed")


async def _password(parts: Opened, options: argparse.Namespace) -> None:
    user = await _find(parts, options.name)
    password = new_password()
    hashed = await asyncio.to_thread(hash_password, password)
    await parts.store.change_user(replace(user, password_hash=hashed))
    print(f"password: {password}")
    await say_when_live(parts.store, f"user {user.name} changed")


async def _find(parts: Opened, name: str) -> User:
    user = await parts.store.user(name)
    if user is None:
        raise StoreError(f"there is no user {name!r}")
    return user
