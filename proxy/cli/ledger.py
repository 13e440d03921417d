"""`canalgate ledger verify`: the proof that no money is lost or made."""

from __future__ import annotations

import argparse

from ..host import Opened
from ..store.audit import lasting
from .command import Commands, on_installation
from .output import show


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser("ledger", help="prove that the accounts are true")
    parser.set_defaults(parser=parser)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")

    verify = verbs.add_parser("verify", help="print what is wrong with any account; a gateway may be running")
    verify.set_defaults(run=on_installation(_verify))


async def _verify(parts: Opened, options: argparse.Namespace) -> int:
    found = await lasting(parts.store)
    if options.json:
        show([{"problem": one} for one in found], True, "")
    else:
        print("\n".join(found) if found else "the ledger is true")
    return 1 if found else 0
