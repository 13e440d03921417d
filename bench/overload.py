"""`make bench-overload`: what comes through when five times as many ask as can be served.

wrk keeps so many connections busy that each asks again at once, whatever it was told: the hardest kind, since a
client that obeys Retry-After would wait. Good answers of each second are compared with those of the peak, which
is measured before and after it.
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
    with tempfile.TemporaryDirectory(prefix="canalgate-overload-") as folder, provider(Path(folder)) as site:
        settings = {
            "CANALGATE_OVERLOAD__RUNNING": str(_RUNNING),
            "CANALGATE_OVERLOAD__WAITING": str(_RUNNING),
        }
        with canalgate(site, **settings) as gateway:
            _table(gateway, site)


def _table(gateway: Gateway, site: Site) -> None:
    peaks, floods = [], []
    for _ in range(_ROUNDS):
        before = _ask(gateway, site, _RUNNING)
        floods.append(_ask(gateway, site, 5 * _RUNNING))
        after = _ask(gateway, site, _RUNNING)
        peaks.append((before.good + after.good) / 2)
    shares = [flood.good / peak for flood, peak in zip(floods, peaks, strict=True)]
    print(f"{_RUNNING} at a time, as many wait; {5 * _RUNNING} connections ask without a pause; {_ROUNDS} rounds")
    print(f"peak                 {median(peaks):8.0f} good answers a second")
    print(f"five times as many   {median(one.good for one in floods):8.0f} good, {median(shares):.0%} of the peak")
    print(f"                     ({min(shares):.0%} to {max(shares):.0%})")
    print(f"refused              {median(one.refused for one in floods):8.0f} a second")
    print(f"p99                  {median(one.p99_ms for one in floods):8.1f} ms")


def _ask(gateway: Gateway, site: Site, connections: int) -> Seen:
    script = site.folder / "ask.lua"
    fields = "\n".join(
        f'wrk.headers["{name}"] = "{value}"'
        for name, value in (line.split(": ", 1) for line in (*gateway.fields, "Content-Type: application/json"))
    )
    script.write_text(f"wrk.method = 'POST'\nwrk.body = '{_BODY}'\n{fields}\n", "utf-8")
    url = f"http://127.0.0.1:{gateway.port}/v1/chat/completions"
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{_SECONDS}s", "--latency"]
    done = subprocess.run([*command, "-s", str(script), url], capture_output=True, text=True, check=False)
    total = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout)
    if total is None:
        raise BenchError(done.stderr or done.stdout)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    refused, seconds = int(bad[1]) if bad else 0, float(total[2])
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    slow = float(p99[1]) * scale[p99[2]] if p99 else 0.0
    return Seen((int(total[1]) - refused) / seconds, refused / seconds, slow)


if __name__ == "__main__":
    main()
