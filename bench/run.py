"""`make bench`: CPU per JSON request and per streamed event, beside the plain aiohttp way.

Both gateways run at the same time and are asked in turn, A B A B; what is compared is the CPU time the
kernel has charged to each process, as a ratio inside each round. Absolute figures depend on the machine.
"""

from __future__ import annotations

import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CELLS = (
    # name, model, clients, requests each, units of work per request
    ("JSON request, 2 KB in, 1 KB out", "json", 16, 150, 1),
    ("streamed event, 200 a stream, 5 ms apart", "stream-200-5", 30, 1, 200),
)
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    end = time.monotonic() + 15
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process, all threads, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


def _pinned(core: int, command: list[str], **options: object) -> subprocess.Popen[str]:
    cores = sorted(os.sched_getaffinity(0))
    chosen = cores[min(core, len(cores) - 1)]
    return subprocess.Popen(["taskset", "-c", str(chosen), *command], text=True, **options)


def _canalgate(folder: str, port: int, upstream: int) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "canalgate"]
    quiet = {**os.environ, "CANALGATE_LOG__LEVEL": "warning"}
    options = {"cwd": folder, "stdout": subprocess.PIPE, "env": quiet}
    process = _pinned(0, [*command, "serve", "--port", str(port)], **options)
    _wait(port)
    key = ""
    while not (found := re.search(r"sk-\w{48}", key)):
        key = process.stdout.readline()
    models = ",".join(cell[1] for cell in CELLS)
    address = f"http://127.0.0.1:{upstream}/v1"
    # The plain way does not ask for usage, so for equal work neither does this channel.
    channel = ["--name", "bench", "--base-url", address, "--models", models, "--option", "ask_usage=off"]
    subprocess.run([*command, "channel", "add", *channel], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return process, found[0]


def main() -> None:
    """Measure and print."""
    upstream, ours, plain = _free_port(), _free_port(), _free_port()
    with tempfile.TemporaryDirectory() as folder:
        processes = [_pinned(1, [sys.executable, str(HERE / "upstream.py"), str(upstream)])]
        _wait(upstream)
        gateway, key = _canalgate(folder, ours, upstream)
        reference = _pinned(0, [sys.executable, str(HERE / "reference.py"), str(plain), str(upstream)])
        processes += [gateway, reference]
        try:
            _wait(plain)
            print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {ROUNDS} rounds\n")
            print("| unit of work | canalgate us | plain aiohttp us | ratio, median (min..max) |")
            print("| --- | --- | --- | --- |")
            for cell in CELLS:
                print(_row(cell, key, (ours, gateway.pid), (plain, reference.pid)), flush=True)
            resident = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{gateway.pid}/status").read_text())
            print(f"\ncanalgate resident after the run: {int(resident[1]) / 1024:.0f} MB")
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()


def _row(
    cell: tuple[str, str, int, int, int], key: str, ours: tuple[int, int], plain: tuple[int, int]
) -> str:
    name, model, clients, count, units = cell
    used: dict[int, list[float]] = {ours[0]: [], plain[0]: []}
    for number in range(ROUNDS + 1):
        for port, pid in (ours, plain) if number % 2 else (plain, ours):
            before = _cpu_s(pid)
            arguments = [str(port), key, model, str(clients), str(count)]
            load = _pinned(1, [sys.executable, str(HERE / "load.py"), *arguments])
            if load.wait() != 0:
                raise SystemExit(f"{name}: the load failed; no figure")
            if number:  # the first round warms up
                used[port].append((_cpu_s(pid) - before) * 1e6 / (clients * count * units))
    ratios = [a / b for a, b in zip(used[ours[0]], used[plain[0]], strict=True)]
    a, b = (statistics.median(values) for values in used.values())
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})"
    return f"| {name} | {a:.0f} | {b:.0f} | {spread} |"


if __name__ == "__main__":
    main()
