"""Ask gateways in turn, check every answer, and take what each has used.

Each round visits every gateway once, every other round in reverse order, so that a neighbour who makes the
machine slow makes it slow for all. What is compared is compared within a round.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from canalgate.bench.cells import LOW_LOAD, OPEN, REPLY_TOKENS, Cell
from canalgate.bench.gateway import CLIENT, Gateway, Site, Target
from canalgate.bench.machine import LOAD_CORE, BenchError, compiled

DIRECT = "direct"
"""Name of the way without a gateway."""

_SETTLE_S = 0.05
_USAGE_S = 10.0


class Lost(BenchError):
    """An answer was not whole and right, or its usage was not recorded. There is no figure then."""


@dataclass(slots=True)
class Row:
    """What was measured in one cell: by gateway a value a round, and why there is none."""

    title: str
    values: dict[str, list[float]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def median(self, name: str) -> float:
        """The median of a gateway's values, NaN if it has none."""
        return median(self.values[name]) if self.values.get(name) else math.nan

    def ratios(self, name: str, base: str) -> list[float]:
        """A gateway's values over another's, round by round; none where either has lost something."""
        both = zip(self.values.get(name, ()), self.values.get(base, ()), strict=False)
        return [value / other for value, other in both if other > 0]


Answered = Mapping[str, Any]
"""What load.c prints."""


def ask(
    gateway: Gateway | Site,
    cell: Cell,
    folder: Path,
    *,
    share: float = 1.0,
    when_open: Callable[[], None] | None = None,
) -> Answered:
    """Load a gateway, or the provider itself, with a cell's requests, or a share of them.

    `when_open` is called once all streams are open. Raises Lost at the first answer that is not right.
    """
    port, fields, exact, slowness = gateway.port, CLIENT, True, 1
    if isinstance(gateway, Gateway):
        port = gateway.tls_port if cell.tls else gateway.port
        fields, exact, slowness = gateway.fields, gateway.exact, gateway.slowness
    requests = max(1, math.ceil(cell.requests * share / slowness))
    connections = max(1, math.ceil(cell.connections / slowness)) if cell.events else cell.connections
    command = [
        compiled("load"), "-p", port, "-f", _request_file(folder, cell, fields),
        "-c", min(connections, requests), "-n", requests, "-t", cell.gap_us * slowness, "-s", cell.spread_us,
        *(["-e", cell.events] if cell.events else []),
        *(["-u"] if cell.events and not cell.hides_usage else []),
        *([] if exact and cell.kind != "file" else ["-m"]),
        *(["-k", gateway.provider] if cell.kind == "step" and isinstance(gateway, Gateway) else []),
        *(["-o"] if when_open else []),
    ]  # fmt: skip
    expected = requests * (cell.events or REPLY_TOKENS)
    usage = gateway.usage if isinstance(gateway, Gateway) else None
    awaited = usage.after(requests, expected) if usage else (0, 0)
    answered = _run(list(map(str, command)), when_open)
    if answered["requests"] != requests or answered["events"] != requests * cell.events:
        raise Lost(f"{answered['requests']} answers with {answered['events']} events came")
    if usage and not usage.becomes(awaited, _USAGE_S):
        raise Lost(f"usage recorded: {usage.requests} requests, {usage.tokens} tokens; expected: {awaited}")
    return answered


def _request_file(folder: Path, cell: Cell, fields: Iterable[str]) -> Path:
    path = folder / "request"
    body = cell.body()
    lines = [
        "POST /v1/chat/completions HTTP/1.1", "Host: 127.0.0.1", "User-Agent: canalgate-bench", "Accept: */*",
        "Content-Type: application/json", f"Content-Length: {len(body)}", *fields,
    ]  # fmt: skip
    path.write_bytes("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return path


def _run(command: list[str], when_open: Callable[[], None] | None) -> Answered:
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CORE}),
    )
    assert process.stdout is not None
    first = process.stdout.readline() if when_open else ""
    if when_open and first == "open\n":
        when_open()
        first = ""
    output, errors = process.communicate()
    try:
        answered: Answered = json.loads(first + output)
    except ValueError:
        raise BenchError(f"the load failed with {process.returncode}: {errors[-1000:]}") from None
    if "problem" in answered:
        raise Lost(str(answered["problem"]))
    return answered


def _settled_cpu_s(gateway: Gateway) -> float:
    """CPU seconds once what follows an answer has been done too."""
    time.sleep(_SETTLE_S)
    return gateway.process.cpu_s()


def cpu(gateways: Iterable[Gateway], cell: Cell, folder: Path, rounds: int) -> Row:
    """Microseconds of CPU that each gateway needs for a unit of work."""
    row = Row(cell.title)
    alive = [gateway for gateway in gateways if gateway.tls_port or not cell.tls]
    for number in range(rounds + 1):
        for gateway in list(alive if number % 2 else reversed(alive)):
            before = _settled_cpu_s(gateway)
            try:
                answered = ask(gateway, cell, folder, share=1.0 if number else 0.25)  # the first warms up
            except Lost as lost:
                _lose(row, gateway.name, lost)
                alive.remove(gateway)
                continue
            used = (_settled_cpu_s(gateway) - before) * 1e6
            if number:
                row.values.setdefault(gateway.name, []).append(used / (answered["requests"] * cell.units))
    return row


def _lose(row: Row, name: str, lost: BenchError) -> None:
    row.problems[name] = str(lost)
    row.values.pop(name, None)


def low_load(site: Site, gateways: Iterable[Gateway], rounds: int) -> list[Row]:
    """Microseconds that each gateway adds to the median of the direct way, at low load."""
    ways: dict[str, Gateway | Site] = {DIRECT: site, **{gateway.name: gateway for gateway in gateways}}
    rows = []
    for cell in LOW_LOAD:
        row = Row(cell.title)
        measure = "delay_us" if cell.key == "latency-event" else "first_us"
        for number in range(rounds + 1):
            found: dict[str, float] = {}
            for name in list(ways if number % 2 else reversed(ways)):
                if name in row.problems:
                    continue
                try:
                    found[name] = ask(ways[name], cell, site.folder)[measure]["p50"]
                except Lost as lost:
                    _lose(row, name, lost)
            direct = found.get(DIRECT, math.nan)
            for name, value in found.items() if number else ():
                row.values.setdefault(name, []).append(value if name == DIRECT else value - direct)
        rows.append(row)
    return rows


def memory(site: Site, targets: Iterable[Target], rounds: int) -> tuple[Row, Row]:
    """Kilobytes of each gateway at rest, and what it grows by per open stream; started anew each round."""
    rest, growth = Row("MB at rest"), Row("KB per open stream")
    targets = list(targets)
    for number in range(rounds):
        for target in targets if number % 2 else targets[::-1]:
            if target.name in growth.problems:
                continue
            with target.start(site) as gateway:
                try:
                    at_rest, grown = _memory(site, gateway)
                except Lost as lost:
                    _lose(growth, target.name, lost)
                    continue
            rest.values.setdefault(target.name, []).append(at_rest / 1024)
            growth.values.setdefault(target.name, []).append(grown)
    return rest, growth


def _memory(site: Site, gateway: Gateway) -> tuple[float, float]:
    """Kilobytes at rest and the growth per open stream, once a stream has loaded all code and ended."""
    ask(gateway, LOW_LOAD[1], site.folder, share=0.2)
    ask(gateway, replace(OPEN, requests=gateway.slowness, connections=1), site.folder)
    count = max(100 * gateway.slowness, OPEN.requests)  # divided by the slowness again
    cell = replace(OPEN, requests=count, connections=count)
    at_rest, full = gateway.process.memory_kb(), 0

    def look() -> None:
        nonlocal full
        full = gateway.process.memory_kb()

    answered = ask(gateway, cell, site.folder, when_open=look)
    return at_rest, (full - at_rest) / answered["requests"]
