"""The values that a measurement deals in: a site, a gateway that runs, a target that can be started."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from canalgate.bench.machine import Process

CLIENT: tuple[str, ...] = ("Authorization: Bearer sk-client",)
"""Header fields of a client, where a gateway needs no others."""

_USED = rb" request request_id=.* completion_tokens=(\d+)"


@dataclass(frozen=True, slots=True)
class Site:
    """What gateways work with: a folder for their files, and the provider's ports.

    `tls_port` is 0 where there is no TLS; `certificate` is then not there either.
    """

    folder: Path
    port: int
    tls_port: int
    certificate: Path

    def log(self, name: str) -> Path:
        """File for a process's output."""
        return self.folder / f"{name}.log"


@dataclass
class UsageLog:
    """Counts the requests and completion tokens in canalgate's log."""

    path: Path
    requests: int = 0
    tokens: int = 0
    _read: int = field(default=0, repr=False)

    def after(self, requests: int, tokens: int) -> tuple[int, int]:
        """Return what the counts will be after so much more."""
        self._update()
        return self.requests + requests, self.tokens + tokens

    def becomes(self, counts: tuple[int, int], within_s: float) -> bool:
        """Wait until the counts are these; False if they are not in time."""
        end = time.monotonic() + within_s
        while (self.requests, self.tokens) != counts and time.monotonic() < end:
            time.sleep(0.01)
            self._update()
        return (self.requests, self.tokens) == counts

    def _update(self) -> None:
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")
        new = whole[0] + whole[1]
        self._read += len(new)
        counted = [
            int(found) for found in re.findall(rb" request request_id=.* completion_tokens=(\d+)", new)
        ]
        self.requests += len(counted)
        self.tokens += sum(counted)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that runs. `fields` are header fields its clients send.

    `exact` says that it passes answers on byte for byte; `slowness` divides how much it is asked.
    `usage` counts what it has recorded, where that can be seen; `command` runs one of canalgate's commands on
    its data; `provider` is the provider's port.
    """

    name: str
    process: Process
    port: int
    tls_port: int = 0
    fields: tuple[str, ...] = CLIENT
    exact: bool = True
    slowness: int = 1
    usage: UsageLog | None = None
    command: Callable[..., None] | None = None
    provider: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway that can be started. `missing` says what it lacks, in a word, or nothing."""

    name: str
    start: Callable[[Site], AbstractContextManager[Gateway]]
    missing: Callable[[], str] = lambda: ""
