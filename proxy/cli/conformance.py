"""`canalgate conformance`: find out whether an adapter keeps the contract."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...plugins import Adapter
from ..config import Config
from ..conformance import find, kit, loopback
from ..conformance.cases import cases
from ..conformance.replay import channel_for
from ..conformance.report import Report, Section
from ..conformance.subject import WIRES, Subject, subject
from .command import Commands, names
from .output import paint, print_json
from .progress import Bar

_SHOWN_FAILURES = 5

_WIRES = {
    "openai": "speaks OpenAI's wire; composed and recorded traffic",
    "own": "translates a wire of its own; recorded traffic",
    "local": "answers by itself",
}


def add_commands(commands: Commands) -> None:
    """Add this module's command."""
    parser = commands.add_parser("conformance", help="check an adapter against scripted traffic")
    parser.add_argument(
        "adapter", metavar="NAME_OR_FILE", help="an adapter's name, or a .py file that has one"
    )
    parser.add_argument(
        "--cases", type=Path, metavar="DIR", help="recorded answers of the provider, a folder each"
    )
    parser.add_argument("--provider", metavar="A,B", help="the only providers of --cases to take")
    parser.add_argument("--key", default="", help="a key as the adapter wants it (default: one is made up)")
    parser.add_argument("--base-url", default="", metavar="URL", help="base URL of the channel")
    parser.add_argument("--model", default="", help="the channel's model (default: the adapter's first)")
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="setting of the adapter"
    )
    parser.add_argument(
        "--wire", choices=WIRES, help="what the provider speaks (default: seen from the adapter)"
    )
    parser.add_argument("--no-sockets", action="store_true", help="leave out the part over a socket")
    parser.set_defaults(run=run)


def run(config: Config, options: argparse.Namespace) -> int:
    """Check the adapter, print what was found, fail if anything is wrong."""
    try:
        subjects = [_subject(adapter, options) for adapter in find.adapters(options.adapter, config)]
    except ValueError as exc:
        print(f"canalgate: {exc}", file=sys.stderr)
        return 2
    reports = []
    for each in subjects:
        with Bar(each.adapter.name) as bar:
            reports.append(_report(each, options.no_sockets, bar))
    if options.json:
        print_json([_as_json(report) for report in reports])
    else:
        for report in reports:
            _show(report)
    return 0 if all(report.passed == report.total for report in reports) else 1


def _subject(adapter: Adapter, options: argparse.Namespace) -> Subject:
    channel = channel_for(adapter, key=options.key)
    given = dict(text.partition("=")[::2] for text in options.option)
    channel = replace(channel, options={**channel.options, **given})
    if options.base_url:
        channel = replace(channel, base_url=options.base_url)
    found = []
    if options.cases is not None:
        found = list(cases(options.cases, names(options.provider) or None))
        if not found:
            raise ValueError(f"no recorded case below {str(options.cases)!r}; see docs/conformance.md")
    made = subject(adapter, channel, found, wire=options.wire, model=options.model)
    if made.wire == "own" and not made.cases:
        raise ValueError(
            f"{adapter.name} translates a wire of its own, which nobody else can compose: give recorded "
            "answers of the provider with --cases DIR; docs/conformance.md says how one looks"
        )
    return made


def _report(made: Subject, no_sockets: bool, bar: Bar) -> Report:
    report = kit.run(made, bar.steps)
    if no_sockets:
        return report
    return replace(report, sections=(*report.sections, asyncio.run(loopback.section(made))))


def _as_json(report: Report) -> dict[str, Any]:
    sections = [
        {"name": each.name, "passed": each.passed, "total": each.total, "failures": each.failures}
        for each in report.sections
    ]
    return {
        "adapter": report.adapter,
        "wire": report.wire,
        "ok": report.passed == report.total,
        "passed": report.passed,
        "total": report.total,
        "sections": sections,
    }


def _show(report: Report) -> None:
    print(f"{report.adapter}: {_WIRES[report.wire]}")
    for section in report.sections:
        _show_section(section)
    state = paint("ok" if report.passed == report.total else "FAILED")
    print(f"  {'all':28} {report.passed:5} of {report.total:<5} {state}")


def _show_section(section: Section) -> None:
    if not section.total:
        print(f"  {section.name:28} no case for it")
        return
    state = "" if section.passed == section.total else paint("FAILED")
    print(f"  {section.name:28} {section.passed:5} of {section.total:<5} {state}".rstrip())
    for failure in section.failures[:_SHOWN_FAILURES]:
        print(f"      {failure}")
    if len(section.failures) > _SHOWN_FAILURES:
        print(f"      and {len(section.failures) - _SHOWN_FAILURES} more")
