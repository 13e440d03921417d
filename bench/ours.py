"""canalgate, as it is measured: everything on that is on for an operator."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from canalgate.bench.cells import models
from canalgate.bench.gateway import Gateway, Site, Target, UsageLog
from canalgate.bench.machine import GATEWAY_CORE, BenchError, Process, free_port

PROGRAM = (sys.executable, "-m", "canalgate")


@contextmanager
def canalgate(site: Site, program: Sequence[str] = PROGRAM, **settings: str) -> Iterator[Gateway]:
    """canalgate as an operator runs it, on a data directory that has its channels.

    `program` goes before "serve", `settings` are added to its environment.
    """
    folder = site.folder / f"canalgate-{free_port()}"
    folder.mkdir()
    environment = {"CANALGATE_DATA__DIR": str(folder / "data"), **settings}
    if site.tls_port:
        environment["CANALGATE_UPSTREAM__CA_FILE"] = str(site.certificate)

    def command(*arguments: str) -> None:
        whole = {**os.environ, **environment}
        result = subprocess.run([*PROGRAM, *arguments], cwd=folder, env=whole, capture_output=True, text=True)
        if result.returncode:
            raise BenchError((result.stderr or result.stdout).strip())

    with _serving(PROGRAM, folder, "first", environment):
        key = _first_key(folder / "first")
        for arguments in _channels(site):
            command("channel", "add", *arguments)
    with _serving(program, folder, "log", environment) as (process, port):
        yield Gateway(
            "canalgate", process, port, port if site.tls_port else 0, (f"Authorization: Bearer {key}",),
            usage=UsageLog(folder / "log"), command=command, provider=site.port,
        )  # fmt: skip


@contextmanager
def _serving(
    program: Sequence[str], folder: Path, log: str, environment: dict[str, str]
) -> Iterator[tuple[Process, int]]:
    port = free_port()
    serve = [*program, "serve", "--port", str(port)]
    with Process(serve, GATEWAY_CORE, folder / log, folder, environment) as process:
        process.wait_for_port(port, 30 if program == PROGRAM else 300)  # others run inside valgrind
        yield process, port


def _channels(site: Site) -> Iterator[list[str]]:
    for scheme, port in (("http", site.port), ("https", site.tls_port)):
        names = ",".join(models(tls=scheme == "https"))
        if port:
            address = f"{scheme}://127.0.0.1:{port}/v1"
            yield ["--name", scheme, "--key", "sk-provider", "--base-url", address, "--models", names]


def _first_key(log: Path) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if found := re.search(r"sk-\w{48}", log.read_text("utf-8")):
            return found[0]
        time.sleep(0.05)
    raise BenchError("canalgate did not print its first key")


@contextmanager
def quiet(site: Site) -> Iterator[Gateway]:
    """canalgate without its request log, to see what that costs; usage cannot be seen then."""
    with canalgate(site, CANALGATE_LOG__LEVEL="warning") as gateway:
        yield replace(gateway, name="canalgate-quiet", usage=None)


@contextmanager
def limited(site: Site) -> Iterator[Gateway]:
    """canalgate where everything is limited that can be, to see what that costs; nothing is refused."""
    subjects = ("token:1", "user:1", "group:default", "channel:1", "model:*")
    numbers = ("--rpm", "1000000", "--tpm", "1000000000", "--concurrent", "10000", "--day", "1000000usd")
    with canalgate(site) as gateway:
        assert gateway.command is not None
        for subject in subjects:
            gateway.command("limit", "set", subject, *numbers)
        gateway.command("token", "edit", "1", "--quota", "1000000usd")
        yield replace(gateway, name="canalgate-limits")


def durable(site: Site, durability: str) -> AbstractContextManager[Gateway]:
    """canalgate whose answers end only when their record would survive more than its own death."""
    return _named(f"canalgate-{durability}", canalgate(site, CANALGATE_LEDGER__DURABILITY=durability))


@contextmanager
def _named(name: str, started: AbstractContextManager[Gateway]) -> Iterator[Gateway]:
    with started as gateway:
        yield replace(gateway, name=name)


OURS = Target("canalgate", canalgate)
VARIANTS = (
    Target("canalgate-quiet", quiet),
    Target("canalgate-limits", limited),
    Target("canalgate-power", partial(durable, durability="power")),
    Target("canalgate-database", partial(durable, durability="database")),
)
"""Measured only when asked for by name."""
