"""`make bench`: what canalgate costs, beside other proxies and gateways, as markdown tables.

A cheap provider answers, a checking client asks, gateways run on one core and both of those on another.
See docs/speed.md for the method.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from canalgate.bench import measure, report, translate
from canalgate.bench.cells import CELLS, MAIN
from canalgate.bench.gateway import Gateway, Site, Target
from canalgate.bench.machine import BenchError, allow_many_files, install_missing
from canalgate.bench.ours import OURS, VARIANTS
from canalgate.bench.peers import PEERS, install
from canalgate.bench.provider import provider
from canalgate.bench.proxies import PROXIES

EXTRA = ("latency", "memory", "translated")
"""Tables that are no row of the table of CPU time; named like cells."""

ORDINARY = (OURS, *PROXIES)
BY_NAME = {target.name.lower(): target for target in (*ORDINARY, *PEERS, *VARIANTS)}
BASES = ("nginx", "haproxy", "aiohttp", "canalgate")
"""What others are compared with: the first of these that is there."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _options(arguments)
    allow_many_files()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    install_missing(("nginx", "haproxy"))
    if options.peers:
        install()
    present = _present([BY_NAME[name] for name in options.targets])
    print(report.surroundings(options.rounds), flush=True)
    with tempfile.TemporaryDirectory(prefix="canalgate-bench-") as folder:
        with provider(Path(folder)) as site:
            with ExitStack() as stack:
                gateways = [gateway for target in present if (gateway := _started(target, site, stack))]
                _running(options, site, gateways)
            if "memory" in options.cells:
                names = {gateway.name for gateway in gateways}
                chosen = [target for target in present if target.name in names]
                rows = measure.memory(site, chosen, min(3, options.rounds))
                _show("Memory", report.plain(rows, [target.name for target in chosen]))
        if "translated" in options.cells:
            _show("Translated streams", report.translated(translate.translated(Path(folder), options.rounds)))


def _started(target: Target, site: Site, stack: ExitStack) -> Gateway | None:
    try:
        return stack.enter_context(target.start(site))
    except BenchError as exc:
        print(f"left out: {target.name}: {exc}", flush=True)
        return None


def _running(options: argparse.Namespace, site: Site, gateways: Sequence[Gateway]) -> None:
    """Measure what needs all gateways to be up."""
    names = [gateway.name for gateway in gateways]
    base = next(name for name in (*BASES, *names) if name in names)
    rows = []
    for cell in CELLS:
        if cell.key in options.cells:
            print(f"{cell.key} ...", file=sys.stderr, flush=True)
            rows.append(measure.cpu(gateways, cell, site.folder, options.rounds))
    others = [target.name for target in PEERS if target.name in names]
    if rows:
        _show("CPU time per unit of work", report.times(rows, names, base))
    if rows and others and "canalgate" in names:
        _show("The same, beside canalgate", report.times(rows, ["canalgate", *others], "canalgate"))
    if "latency" in options.cells:
        _show(
            "Delay at low load", report.added(measure.low_load(site, gateways, options.rounds), names, base)
        )


def _present(wanted: Sequence[Target]) -> list[Target]:
    """The targets that can be started; a line for each that cannot."""
    missing = {target.name: target.missing() for target in wanted}
    for name, why in missing.items():
        if why:
            print(f"left out: {name} {why}", flush=True)
    return [target for target in wanted if not missing[target.name]]


def _show(title: str, table: str) -> None:
    print(f"\n**{title}**\n\n{table}", flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    cells = [*(cell.key for cell in CELLS), *EXTRA]
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the two main rows, in under a minute")
    parser.add_argument("--cells", type=_list(cells), metavar="A,B", help=f"some of: {', '.join(cells)}")
    names = list(BY_NAME)
    parser.add_argument("--targets", type=_list(names), metavar="A,B", help=f"some of: {', '.join(names)}")
    parser.add_argument("--rounds", type=int, help="rounds that count (default 7, 3 with --quick)")
    parser.add_argument("--peers", action="store_true", help="install other AI gateways first")
    options = parser.parse_args(arguments)
    options.cells = options.cells or ([cell.key for cell in MAIN] if options.quick else cells)
    ordinary = ORDINARY if options.quick else (*ORDINARY, *PEERS)
    options.targets = options.targets or [target.name.lower() for target in ordinary]
    options.rounds = options.rounds or (3 if options.quick else 7)
    return options


def _list(known: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        chosen = text.lower().split(",")
        if unknown := sorted(set(chosen) - set(known)):
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are: {', '.join(known)}")
        return chosen

    return parse


if __name__ == "__main__":
    try:
        main()
    except BenchError as exc:
        sys.exit(f"bench: {exc}")
