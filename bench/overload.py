"""`make bench-overload`: what comes through when five times as many ask as can be served.

wrk keeps its connections busy: each asks again at once, whatever it was told. That is the hardest kind, since
a client that obeys Retry-After would wait. Good answers a second are compared with the peak, measured
before and after.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from canalgate.bench.gateway import Gateway, Site
from canalgate.bench.machine import LOAD_CORE, BenchError
from canalgate.bench.ours import canalgate
from canalgate.bench.provider import provider

_RUNNING = 64
_SECONDS = 5
_ROUNDS = 5
_BODY = '{"model":"bench-json","messages":[{"role":"user","content":"hi"}]}'


class Seen(NamedTuple):
    """What came of some seconds: good answers and refusals a second, and the slowest of a hundred in ms."""

    good: float
    refused: float
    p99_ms: float


def main() -> None:
    """Measure and print."""
    bound = str(_RUNNING)
    settings = {"CANALGATE_OVERLOAD__RUNNING": bound, "CANALGATE_OVERLOAD__WAITING": bound}
    with (
        tempfile.TemporaryDirectory(prefix="canalgate-overload-") as folder,
        provider(Path(folder)) as site,
        canalgate(site, **settings) as gateway,
    ):
        _table(gateway, site)


def _table(gateway: Gateway, site: Site) -> None:
    peaks, floods = [], []
    for _ in range(_ROUNDS):
        before = _ask(gateway, site, _RUNNING)
        floods.append(_ask(gateway, site, 5 * _RUNNING))
        peaks.append((before.good + _ask(gateway, site, _RUNNING).good) / 2)
    shares = [flood.good / peak for flood, peak in zip(floods, peaks, strict=True)]
    good, refused, p99_ms = (median(column) for column in zip(*floods, strict=True))
    print(
        f"{_RUNNING} at a time, as many wait; {5 * _RUNNING} connections that never pause; {_ROUNDS} rounds"
    )
    print(f"peak       {median(peaks):8.0f} good answers a second")
    print(f"five times {good:8.0f} good, {median(shares):.0%} ({min(shares):.0%} to {max(shares):.0%})")
    print(f"refused    {refused:8.0f} a second")
    print(f"p99        {p99_ms:8.1f} ms")


def _ask(gateway: Gateway, site: Site, connections: int) -> Seen:
    script = site.folder / "ask.lua"
    fields = [line.split(": ", 1) for line in (*gateway.fields, "Content-Type: application/json")]
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in fields]
    script.write_text("\n".join(["wrk.method = 'POST'", f"wrk.body = '{_BODY}'", *lines]), "utf-8")
    command = [
        "taskset",
        "-c",
        str(LOAD_CORE),
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{_SECONDS}s",
        "--latency",
    ]
    url = f"http://127.0.0.1:{gateway.port}/v1/chat/completions"
    done = subprocess.run([*command, "-s", str(script), url], capture_output=True, text=True, check=False)
    return _read(done.stdout, done.stderr)


def _read(said: str, complained: str) -> Seen:
    total = re.search(r"(\d+) requests in ([\d.]+)s", said)
    if total is None:
        raise BenchError(complained or said)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    slow = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    refused, seconds = int(bad[1]) if bad else 0, float(total[2])
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    p99_ms = float(slow[1]) * scale[slow[2]] if slow else 0.0
    return Seen((int(total[1]) - refused) / seconds, refused / seconds, p99_ms)


if __name__ == "__main__":
    main()
