"""`canalgate doctor`: what is wrong, what soon will be, and what to do about it."""

from __future__ import annotations

import argparse
import asyncio
import logging
from dataclasses import asdict

from ..config import Config
from ..process.doctor import Finding, examine
from .command import Commands
from .output import paint, show


def add_commands(commands: Commands) -> None:
    """Add this module's command."""
    parser = commands.add_parser(
        "doctor", help="look everything over and say what to do; 1 where something fails"
    )
    parser.add_argument(
        "--online",
        action="store_true",
        help="also connect to each provider, and ask what time it is there; no key is sent",
    )
    parser.set_defaults(run=run, needs_config=False)


def run(config: Config, options: argparse.Namespace) -> int:
    """Say what is found, part by part."""
    logging.getLogger("canalgate").propagate = False  # what plugins log is among the findings
    found = asyncio.run(_examine(options))
    if options.json:
        show([asdict(one) for one in found], True, "")
    return 1 if any(one.state == "fail" for one in found) else 0


async def _examine(options: argparse.Namespace) -> list[Finding]:
    found = []
    async for one in examine(options.config, online=options.online):
        found.append(one)
        if not options.json:
            _say(one)
    return found


def _say(one: Finding) -> None:
    what = "".join(sign if sign.isprintable() else "\ufffd" for sign in one.what)
    print(f"{paint(f'{one.state:5}')} {one.part:14} {what}", flush=True)
    if one.advice:
        print(f"{'':20} -> {one.advice}", flush=True)
