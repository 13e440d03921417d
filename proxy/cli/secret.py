"""`canalgate secrets ...`: the key that seals what providers' keys are kept by."""

from __future__ import annotations

import argparse

from ..host import Opened
from ..keys.keyfile import KEY_FILE, alone
from ..manage.rotation import add_key, begin, forget_older, is_on_one_machine
from ..store import StoreError
from .command import Commands, on_installation
from .output import are_live, say_when_live


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
        await _reseal(parts)
        return
    with alone(path):
        if not await add_key(parts.store, parts.vault, path, alone=is_on_one_machine(data.database)):
            print(f"new key added to {path}; nothing is sealed with it yet")
            print("copy this file to every machine with a gateway on this database, then run this again")
            return
        is_done = await _reseal(parts)
        if options.forget:
            if not is_done:
                raise StoreError("--forget: a gateway has not taken the new key; older keys stay, try again")
            forget_older(parts.vault, path)
            print(f"older keys dropped from {path}")


async def _reseal(parts: Opened) -> bool:
    """Seal everything anew; says whether all gateways have taken the key, so that none seals with another."""
    sealed = parts.store.sealed
    done = await sealed.reseal()
    await say_when_live(parts.store, f"{done} secrets sealed with the new key")
    await sealed.reseal()  # what gateways have written before they took it
    return await are_live(parts.store) and not await sealed.old()
