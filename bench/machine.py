"""What the benchmark needs of the machine: cores, our C programs, processes and what they have used.

CPU time is the kernel's own account of a process, to the nanosecond, all of its threads and those that have
ended included. Linux only.
"""

from __future__ import annotations

import hashlib
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "canalgate-bench"
"""Compiled programs and installed peers, outside the repository."""

SYSTEM_PACKAGES = {
    "nginx": "nginx-light",
    "haproxy": "haproxy",
    "valgrind": "valgrind",
    "strace": "strace",
    "cc": "gcc",
}
"""Programs by name and the Debian packages that have them."""

_CORES = sorted(os.sched_getaffinity(0))
GATEWAY_CORE, LOAD_CORE = _CORES[0], _CORES[-1]


class BenchError(Exception):
    """The measurement cannot go on; the message says why."""


def install_missing(programs: Iterable[str]) -> None:
    """Install what is missing of the programs from Debian packages, where that is allowed."""
    packages = [SYSTEM_PACKAGES[name] for name in programs if find(name) is None]
    if not packages or os.geteuid() != 0 or find("apt-get") is None:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["install", "-y", "-qq", "--no-install-recommends", *packages]
    for arguments in (["update", "-qq"], install):
        subprocess.run(["apt-get", *arguments], env=environment, capture_output=True, check=False)


def find(program: str) -> str | None:
    """Return where a program is; daemons are often outside a user's PATH."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/sbin")


def compiled(name: str) -> Path:
    """Return one of our C programs, compiled if its source has changed. Raises BenchError if it cannot be."""
    sources = b"".join((HERE / file).read_bytes() for file in ("wire.h", f"{name}.c"))
    program = CACHE / f"{name}-{hashlib.sha256(sources).hexdigest()[:16]}"
    if not program.exists():
        install_missing(["cc"])
        if find("cc") is None:
            raise BenchError("there is no C compiler (cc)")
        CACHE.mkdir(parents=True, exist_ok=True)
        made = program.with_suffix(f".{os.getpid()}")
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", made, HERE / f"{name}.c"], check=True)
        made.rename(program)
    return program


def allow_many_files() -> None:
    """Let this process and those it starts have as many open files as the machine grants."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port() -> int:
    """Return a port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Process:
    """A process on a core of its own, and its children. Its output goes to `log`."""

    command: Sequence[object]
    core: int
    log: Path
    cwd: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def __enter__(self) -> Process:
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                list(map(str, self.command)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.cwd,
                env={**os.environ, **self.environment},
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, {self.core}),
            )
        return self

    def __exit__(self, *exc: object) -> None:
        tree = list(self.tree())
        self._popen.terminate()
        try:
            self._popen.wait(10)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        for pid in tree[1:]:  # children that their parent has left behind
            if Path(f"/proc/{pid}").exists() and os.getpgid(pid) == self.pid:
                os.kill(pid, signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Number of the process that was started."""
        return self._popen.pid

    def tree(self) -> Iterator[int]:
        """Its number and those of its children."""
        left = [self.pid]
        while left:
            pid = left.pop()
            yield pid
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                left += map(int, children.read_text().split())

    def wait_for_port(self, port: int, seconds: float = 30.0) -> None:
        """Wait until it listens. Raises BenchError with the end of its output if it does not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._popen.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        tail = self.log.read_text("utf-8", "replace")[-2000:]
        raise BenchError(f"{self.command[0]} does not listen on port {port}:\n{tail}")

    def cpu_s(self) -> float:
        """CPU seconds that it and its living children have used."""
        # The clock of another process, as clock_getcpuclockid(3) makes it; Python has no name for it.
        return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in self.tree()) / 1e9

    def memory_kb(self) -> int:
        """Memory of it and its children, pages shared with others counted in part (PSS)."""
        rolled = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.tree())
        return sum(int(found[1]) for text in rolled if (found := re.search(r"(?m)^Pss:\s+(\d+)", text)))


if __name__ == "__main__":
    install_missing(SYSTEM_PACKAGES)
    for name in SYSTEM_PACKAGES:
        print(f"{name}: {find(name) or 'not installed'}")
