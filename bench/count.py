"""`make bench-count`: instructions and system calls per request and per event, which no neighbour disturbs.

callgrind counts the instructions of canalgate's process, strace its system calls, each over a short run
and a long one on one connection; the difference is the work itself, without start and warm-up. What the
gateway does by itself meanwhile is counted at rest and taken off. Fails if a figure has grown over its
budget in counts.json; `--write` makes the figures of now the budget.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from canalgate.bench.cells import COUNTED, Cell
from canalgate.bench.gateway import Gateway, Site
from canalgate.bench.machine import HERE, BenchError, find, install_missing
from canalgate.bench.measure import ask
from canalgate.bench.ours import canalgate
from canalgate.bench.provider import provider

BUDGET = HERE / "counts.json"
MAY_GROW = 0.03
"""Share by which instructions may exceed their budget; repeated runs differ by 1 % at most."""

MAY_ADD = 0.25
"""System calls per unit of work that may be added; a real change adds one or more."""

INSTRUCTIONS, CALLS = "instructions", "system calls"
_REST_S = 5.0
_STILL = """
import canalgate.proxy.ledger.ledger as ledger
import canalgate.proxy.live as live
from canalgate.proxy.cli import main
ledger.BATCH += 1_000_000
live.POLL_S += 3600
main()
"""
"""canalgate without its look at the database ten times a second, and without the import of records into it:
what of them falls into a run is chance. bench/log.py measures the import."""

_ROW = r"(?m)^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$"
"""A line of strace's table: share, seconds, time a call, calls, errors, name."""


class Counter(ABC):
    """Counts something of a gateway's process between two moments."""

    def __init__(self, gateway: Gateway, folder: Path) -> None:
        self.gateway = gateway
        self.folder = folder
        self.pid = gateway.process.pid

    @abstractmethod
    def begin(self) -> None:
        """Begin counting at zero."""

    @abstractmethod
    def end(self) -> int:
        """Stop and return what was counted."""

    def per_unit(self, short: Cell, long: Cell, at_rest: float) -> float:
        """Count a short and a long run; return what a unit of work takes."""
        took = [self._run(cell, at_rest) for cell in (short, long)]
        units = [cell.requests * cell.units for cell in (short, long)]
        return (took[1] - took[0]) / (units[1] - units[0])

    def _run(self, cell: Cell, at_rest: float) -> float:
        self.begin()
        began = time.monotonic()
        ask(self.gateway, cell, self.folder)
        seconds = time.monotonic() - began
        return self.end() - at_rest * seconds

    def at_rest(self) -> float:
        """What is counted in a second without any request."""
        self.begin()
        time.sleep(_REST_S)
        return self.end() / _REST_S


class Callgrind(Counter):
    """Instructions, counted by callgrind, in which the gateway runs from its start."""

    def _tell(self, *command: str) -> None:
        told = ["vgdb", f"--vgdb-prefix={self.folder}/vgdb", f"--pid={self.pid}", *command]
        result = subprocess.run(told, capture_output=True, text=True, check=False, timeout=60)
        if result.returncode:
            raise BenchError(f"{' '.join(told)}: {result.stderr.strip()}")

    def begin(self) -> None:
        self._tell("instrumentation", "on")
        self._tell("zero")

    def end(self) -> int:
        self._tell("dump")
        newest = max(self.folder.glob(f"callgrind.{self.pid}.*"), key=lambda path: int(path.suffix[1:]))
        found = re.search(r"(?m)^(?:totals|summary): (\d+)", newest.read_text("utf-8"))
        if found is None:
            raise BenchError(f"{newest.name} states no total")
        return int(found[1])


class Strace(Counter):
    """System calls of all threads, counted by strace. Without futex: how often a thread waits is chance."""

    def begin(self) -> None:
        self._out = self.folder / "strace"
        command = ["strace", "-f", "-c", "-o", str(self._out), "-p", str(self.pid)]
        self._strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._strace.stderr is not None
        if "attached" not in (line := self._strace.stderr.readline()):
            raise BenchError(f"strace: {line.strip()}")

    def end(self) -> int:
        self._strace.send_signal(signal.SIGINT)
        self._strace.communicate(timeout=60)
        rows = re.findall(_ROW, self._out.read_text("utf-8"))
        return sum(int(calls) for calls, name in rows if name not in ("futex", "total"))


def counted(folder: Path) -> Iterator[tuple[str, str, float]]:
    """Yield what was counted: the unit of work, what was counted, how much."""
    out = (f"--callgrind-out-file={folder}/callgrind.%p", f"--vgdb-prefix={folder}/vgdb")
    valgrind = ("valgrind", "--tool=callgrind", "--instr-atstart=no", "--quiet", *out)
    program = (sys.executable, "-c", _STILL)
    with provider(folder) as site:
        with _warm_gateway(site, (*valgrind, *program)) as gateway:
            yield from _counted(Callgrind(gateway, folder))
        with _warm_gateway(site, program) as gateway:
            yield from _counted(Strace(gateway, folder))


@contextmanager
def _warm_gateway(site: Site, program: tuple[str, ...]) -> Iterator[Gateway]:
    with canalgate(site, program, PYTHONHASHSEED="0", CANALGATE_LEDGER__FLUSH_S="3600") as gateway:
        for cell in (cell for pair in COUNTED for cell in pair):
            ask(gateway, cell, site.folder)  # each model once: the first stream of a model is counted here
        yield gateway


def _counted(counter: Counter) -> Iterator[tuple[str, str, float]]:
    at_rest = counter.at_rest()
    what = INSTRUCTIONS if isinstance(counter, Callgrind) else CALLS
    for short, long in COUNTED:
        yield short.title, what, counter.per_unit(short, long, at_rest)


def main() -> int:
    """Count, print, compare."""
    parser = argparse.ArgumentParser(prog="bench/count.py", description=__doc__)
    parser.add_argument("--write", action="store_true", help="make the figures of now the budget")
    options = parser.parse_args()
    needed = ("valgrind", "strace", "cc")
    install_missing(needed)
    if missing := [name for name in needed if find(name) is None]:
        print(f"nothing counted: {' and '.join(missing)} not installed")
        return 1 if os.environ.get("CI") == "true" else 0
    with tempfile.TemporaryDirectory(prefix="canalgate-count-") as folder:
        figures = {f"{unit}: {what}": value for unit, what, value in counted(Path(folder))}
    if options.write:
        _write(figures)
    return _compare(figures)


def _write(figures: dict[str, float]) -> None:
    rounded = {name: round(value, 1 if CALLS in name else -1) for name, value in figures.items()}
    BUDGET.write_text(
        json.dumps({"python": platform.python_version(), "budget": rounded}, indent=2) + "\n", "utf-8"
    )


def _compare(figures: dict[str, float]) -> int:
    stored = json.loads(BUDGET.read_text("utf-8"))
    print(f"Python {platform.python_version()}; budget made with {stored['python']}\n")
    print("| per unit of work | now | budget | change |\n| --- | --- | --- | --- |")
    over = []
    for name, value in figures.items():
        budget = float(stored["budget"][name])
        print(f"| {name} | {_shown(value)} | {_shown(budget)} | {value / budget - 1:+.1%} |")
        if value > (budget + MAY_ADD if CALLS in name else budget * (1 + MAY_GROW)):
            over.append(name)
    if over:
        print(f"\nover budget: {', '.join(over)}")
        print(
            "Find out why; where the growth is worth it, say so in the commit and run bench/count.py --write."
        )
    return 1 if over else 0


def _shown(value: float) -> str:
    return f"{value:.2f}" if value < 1000 else f"{value:,.0f}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as exc:
        sys.exit(f"count: {exc}")
