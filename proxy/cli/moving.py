"""`canalgate import ...`: move in from another gateway."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import Any

from ..host import Opened
from ..importers import KINDS, Plan, Report, SourceError, apply, bring_logs, verify, with_source
from ..importers.history import Kind
from ..store.source import Source
from .command import Commands, on_installation, typed
from .output import print_json, say_when_live, show
from .progress import Bar

_NAMES = {"user": "users", "token": "tokens", "channel": "channels", "code": "codes", "price": "prices",
          "group": "group ratios"}  # fmt: skip


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser(
        "import", help="move in from One API, New API, AI Proxy or LiteLLM", description=__doc__
    )
    parser.add_argument("kind", choices=KINDS, help="what to move in from")
    parser.add_argument(
        "place",
        metavar="DSN_OR_FILE",
        help="its database: an SQLite file, USER:PASSWORD@tcp(HOST:PORT)/NAME or postgres://...; - asks for"
        " it, so that no shell remembers it. For litellm its config.yaml",
    )
    parser.add_argument("database", nargs="?", default="", metavar="DSN", help="LiteLLM's database, if any")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")
    parser.add_argument("--logs", action="store_true", help="bring the call log too, as history")
    parser.add_argument("--verify", action="store_true", help="compare the two; 1 where they differ")
    parser.set_defaults(run=on_installation(_import, _ask_place))


async def _import(parts: Opened, options: argparse.Namespace) -> int:
    with Bar() as bar:
        async with with_source(options.kind, options.place, database=options.database, progress=bar) as (
            plan,
            source,
        ):
            if options.verify:
                bar.clear()
                return await _verify(parts, plan, options.json)
            if options.logs and source is None:
                raise SourceError("--logs: LiteLLM's log names keys by their hashes, and does not move")
            report, logs = await _moved(parts, plan, source, options, bar)
    _print(report, logs, options)
    if not options.json and not options.dry_run:
        await say_when_live(parts.store, f"imported from {report.source}", False)
    return 0


async def _moved(
    parts: Opened, plan: Plan, source: Source | None, options: argparse.Namespace, bar: Bar
) -> tuple[Report, tuple[int, int] | None]:
    """Write it; returns what came of it, and how many rows of the log came and how many are no requests."""
    now, adapters = int(time.time()), parts.plugins.adapters
    report = await apply(parts.store, parts.vault, adapters, plan, now, progress=bar, dry_run=options.dry_run)
    if not options.logs or source is None or options.dry_run:
        return report, None
    kind: Kind = options.kind
    logs = await bring_logs(parts.store, source, kind, plan, now, bar)
    await parts.store.requests.fold()
    return report, logs


async def _verify(parts: Opened, plan: Plan, as_json: bool) -> int:
    found = await verify(parts.store, parts.plugins.adapters, plan)
    show([asdict(one) for one in found], as_json, f"no differences between {plan.source} and what is here")
    return 1 if found else 0


def _print(report: Report, logs: tuple[int, int] | None, options: argparse.Namespace) -> None:
    if options.json:
        print_json(_json(report, logs))
        return
    if report.is_dry:
        items = [
            {"what": item.kind, "there": f"{item.source_id} {item.name}", "becomes": item.becomes,
             "done": item.fate}
            for item in report.items
        ]  # fmt: skip
        show(items, False, "nothing comes")
        print()
    show(_counts(report), False, "")
    if report.left_out:
        print("\nleft out, or not as it was:")
        show([{"what": one.what, "why": one.why} for one in report.left_out], False, "")
    if report.renumbered:
        print("\nother numbers, as theirs were taken:")
        rows = [
            {"what": one.kind, "there": one.source_id, "here": one.our_id, "name": one.name}
            for one in report.renumbered
        ]
        show(rows, False, "")
    print()
    if logs is not None:
        print(f"call log: {logs[0]} requests came, {logs[1]} rows are no requests")
    elif report.log_rows:
        print(f"call log: {report.log_rows} rows stay behind; --logs brings them")
    if report.is_dry:
        print("nothing was changed")


def _counts(report: Report) -> list[dict[str, Any]]:
    return [
        {
            "what": name,
            "new": report.count(kind, "new"),
            "joined": report.count(kind, "joined"),
            "there before": report.count(kind, "there"),
            "remarks": sum(one.kind == kind for one in report.left_out),
        }
        for kind, name in _NAMES.items()
    ]


def _json(report: Report, logs: tuple[int, int] | None) -> dict[str, Any]:
    return {
        "source": report.source,
        "dry_run": report.is_dry,
        "counts": _counts(report),
        "items": [asdict(item) for item in report.items],
        "left_out": [asdict(one) for one in report.left_out],
        "log_rows": report.log_rows,
        "logs": None if logs is None else {"came": logs[0], "no_requests": logs[1]},
    }


def _ask_place(options: argparse.Namespace) -> None:
    if options.place == "-":
        options.place = typed("database")
