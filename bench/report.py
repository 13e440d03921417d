"""The tables, in markdown, as docs/speed.md quotes them."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from canalgate.bench.machine import find
from canalgate.bench.measure import DIRECT, Row
from canalgate.bench.translate import ALONE, PASSED, THROUGH


def surroundings(rounds: int) -> str:
    """Say where and how the figures came about."""
    model = re.search(r"(?m)^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text("utf-8"))
    cores = f"{len(os.sched_getaffinity(0))} cores" + (f" of {model[1]}" if model else "")
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    programs = ", ".join(filter(None, (_version("nginx", "-v"), _version("haproxy", "-v"))))
    python = f"Python {platform.python_version()}"
    return f"{python}, Linux {platform.release()}, {cores}, load {load}, {rounds} rounds; {programs}"


def _version(program: str, option: str) -> str:
    path = find(program)
    if path is None:
        return ""
    result = subprocess.run([path, option], capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", result.stdout + result.stderr)
    return f"{program} {found[0]}" if found else program


def times(rows: Sequence[Row], names: Sequence[str], base: str, unit: str = "us") -> str:
    """A table of medians of the base, and of the others as multiples of it, median and range."""
    others = [name for name in names if name != base]
    lines = [_line("", f"{base}, {unit}", *(f"{name}, x {base}" for name in others)), _rule(len(others) + 2)]
    for row in rows:
        figures = [_spread(row.ratios(name, base)) for name in others]
        lines.append(_line(row.title, _plain(row.values.get(base, ())), *figures))
    return "\n".join([*lines, *_problems(rows)])


def added(rows: Sequence[Row], names: Sequence[str], base: str) -> str:
    """A table of what each adds to the direct way, and that as a multiple of what the base adds."""
    ways = [DIRECT, *names]
    lines = [_line("microseconds added, p50", *ways), _rule(len(ways) + 1)]
    for row in rows:
        figures = [_with_ratio(row, name, base) for name in names]
        lines.append(_line(row.title, f"({_plain(row.values.get(DIRECT, ()))})", *figures))
    return "\n".join([*lines, *_problems(rows)])


def _with_ratio(row: Row, name: str, base: str) -> str:
    ratios = row.ratios(name, base)
    figure = _plain(row.values.get(name, ()))
    return f"{figure}, x {median(ratios):.2f}" if ratios and name != base else figure


def plain(rows: Sequence[Row], names: Sequence[str]) -> str:
    """A table of medians."""
    lines = [_line("", *names), _rule(len(names) + 1)]
    lines += [_line(row.title, *(_plain(row.values.get(name, ())) for name in names)) for row in rows]
    return "\n".join([*lines, *_problems(rows)])


def translated(rows: Sequence[Row]) -> str:
    """The table of translated events."""
    head = ("adapter", f"{ALONE}, us", f"{THROUGH}, us", f"{PASSED}, us", "x passed through")
    lines = [_line(*head), _rule(len(head))]
    for row in rows:
        figures = [_plain(row.values.get(name, ()), digits=1) for name in (ALONE, THROUGH, PASSED)]
        lines.append(_line(row.title, *figures, _spread(row.ratios(THROUGH, PASSED))))
    return "\n".join([*lines, *_problems(rows)])


def _problems(rows: Iterable[Row]) -> list[str]:
    found = [f"- {row.title}: {name}: no figure: {why}" for row in rows for name, why in row.problems.items()]
    return ["", *found] if found else []


def _spread(ratios: Sequence[float]) -> str:
    return f"{median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})" if ratios else "-"


def _plain(values: Sequence[float], digits: int = 0) -> str:
    if not values:
        return "-"
    middle = median(values)
    return f"{middle:,.{max(digits, 1 if abs(middle) < 20 else 0)}f}"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(count: int) -> str:
    return _line(*["---"] * count)
