"""`canalgate ledger verify`: the proof that no money is lost or made."""

from __future__ import annotations

import argparse
import asyncio

from ..host import Opened
from ..store import Store
from ..store.audit import disagreements
from .command import Commands, on_installation

_AGAIN_S = 0.5


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser("ledger", help="prove that the accounts are true")
    parser.set_defaults(parser=parser)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")

    verify = verbs.add_parser("verify", help="print what is wrong with any account; a gateway may be running")
    verify.set_defaults(run=on_installation(_verify))


async def _verify(parts: Opened, options: argparse.Namespace) -> int:
    found = await lasting(parts.store, _AGAIN_S)
    print("\n".join(found) if found else "the ledger is true")
    return 1 if found else 0


async def lasting(store: Store, again_s: float) -> list[str]:
    """Return what is wrong, a line for each, if it is still so a moment later: a gateway may be at work."""
    first = {_account(line) for line in await _violations(store)}
    if not first:
        return []
    await asyncio.sleep(again_s)
    return [line for line in await _violations(store) if _account(line) in first]


async def _violations(store: Store) -> list[str]:
    return [*await store.accounts.violations(), *await disagreements(store.database)]


def _account(line: str) -> str:
    # Its numbers may have moved, and it is the same violation.
    return line.partition(": ")[0]
