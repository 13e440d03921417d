"""`canalgate secrets ...`: the key that seals what providers' keys are kept by."""

from __future__ import annotations

import argparse

from ..host import Opened
from ..keys.keyfile import KEY_FILE, alone
from ..manage.rotation import add_key, begin, forget_older, is_on_one_machine
from ..store import StoreError
from .command import Commands, on_installation
from .output import are_live, say, say_when_live


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser("secrets", help="rotate the secret key")
    parser.set_defaults(parser=parser)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")
    rotate = verbs.add_parser(
        "rotate",
        help="seal everything with a new key, while gateways run; again after it was cut short goes on",
    )
    rotate.add_argument(
        "--forget", action="store_true", help="drop older keys in the end; older backups need theirs"
    )
    rotate.set_defaults(run=on_installation(_rotate))


async def _rotate(parts: Opened, options: argparse.Namespace) -> None:
    data, path = parts.config.data, parts.config.data_dir / KEY_FILE
    if data.secret_key:
        if options.forget:
            raise StoreError("--forget: the keys are in data.secret_key, which you can shorten yourself")
        await begin(parts.store, parts.vault, data.secret_key)
        await _reseal(parts, options)
        return
    with alone(path):
        if await add_key(parts.store, parts.vault, path, alone=is_on_one_machine(data.database)):
            await _reseal(parts, options)
            return
    done = (
        f"new key added to {path}; nothing is sealed with it yet\n"
        "copy this file to every machine with a gateway on this database, then run this again"
    )
    say(done, options.json, sealed=0)


async def _reseal(parts: Opened, options: argparse.Namespace) -> None:
    """Seal everything anew, and drop older keys where that is asked for.

    Raises StoreError where they must stay, as a gateway may still seal with one.
    """
    store, path = parts.store, parts.config.data_dir / KEY_FILE
    count = await store.sealed.reseal()
    await are_live(store)
    await store.sealed.reseal()  # what gateways have written before they took it
    done = f"{count} secrets sealed with the new key"
    if options.forget:
        if not await are_live(store) or await store.sealed.old():
            raise StoreError(f"{done}, but a gateway has not taken it; older keys stay, try again")
        forget_older(parts.vault, path)
        done += f", older keys dropped from {path}"
    await say_when_live(store, done, options.json, sealed=count)
