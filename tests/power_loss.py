"""Cut the power of a ledger at every point of its life, and look at what the disk would hold.

    python tests/power_loss.py --requests 60 --points 1000

A ledger with `durability = "power"` settles requests while strace records what it writes to files and when
it syncs them. Then, for points between any two of these calls, the disk is made as a loss of power there
could leave it: what was synced is there, of what was not, nothing, all, or some. On each such disk the
database must be sound, the ledger must start, and every request that had been acknowledged must be booked.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from canalgate.proxy.config import Config, Data
from canalgate.proxy.host import opened
from canalgate.proxy.ledger.entry import Counts, Entry
from canalgate.proxy.ledger.importer import recover
from canalgate.proxy.ledger.ledger import Ledger
from canalgate.proxy.records import DEFAULT_GROUP, ENABLED, ROLES, User
from canalgate.proxy.store.requests import Filters

BALANCE = 10**9
ACKNOWLEDGED = "acknowledged"
SECTOR = 512

_CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")
_FD = re.compile(r"\d+<([^>]*)>")
_TRACED = "pwrite64,write,ftruncate,fsync,fdatasync,rename,renameat,link,linkat,unlink,unlinkat,fallocate"


def request_id(number: int) -> str:
    """An id like the gateway's."""
    return f"{1_764_000_000_000 + number:012x}{number:012x}"


async def work(folder: Path, requests: int) -> None:
    """Settle requests, and say which are acknowledged: what runs under strace."""
    acknowledged = (folder.parent / ACKNOWLEDGED).open("wb", buffering=0)
    async with opened(Config(data=Data(dir=str(folder)))) as parts:
        user = await parts.store.add_user(User(0, "u", ROLES["user"], DEFAULT_GROUP, ENABLED, 1), BALANCE)
        account = f"user:{user.id}"
        async with Ledger(parts.store, folder, "power") as ledger:
            for number in range(requests):
                reservation = ledger.reserve_now((account,), 100)
                if reservation is None:
                    reservation = await ledger.reserve((account,), 100, {})
                charges = ledger.charge_now(reservation, number % 90)
                written = asyncio.Event()
                ledger.write(entry(number, user.id, charges), written.set)
                await written.wait()
                acknowledged.write(f"{request_id(number)}\n".encode())
                if number % 7 == 0:
                    await asyncio.sleep(0.05)


def entry(number: int, user_id: int, charges: object) -> Entry:
    """One request, ended."""
    cost = number % 90
    return Entry(
        request_id(number), 1_764_000_000_000 + number, user_id, 1, "default", 1, "chat", "m",
        "m", True, 200, Counts(cost, 0), "provider", cost, cost, "test", 1, 2, 1, "::1", charges=charges,
    )  # fmt: skip


@dataclass
class File:
    """One file as the disk has it: what is synced, and what was done since."""

    synced: bytearray = field(default_factory=bytearray)
    pending: list[tuple[str, int, bytes]] = field(default_factory=list)

    def sync(self) -> None:
        """Everything so far is on the disk."""
        self.synced = self.content(self.pending)
        self.pending = []

    def content(self, kept: list[tuple[str, int, bytes]]) -> bytearray:
        """The file with these of the later changes."""
        data = bytearray(self.synced)
        for kind, at, new in kept:
            if kind == "truncate":
                del data[at:]
            data.extend(bytes(max(0, at + len(new) - len(data))))
            data[at : at + len(new)] = new
        return data


class Disk:
    """The files of a folder, replayed call by call."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.acknowledged: list[str] = []
        self._ends: dict[str, int] = {}

    def apply(self, call: str, arguments: str, result: int, root: str) -> None:
        """Take the next call into account."""
        paths = [_text(part) for part in _FD.findall(arguments)] or _quoted(arguments)
        if not paths:
            return
        path = paths[0]
        if path.endswith(ACKNOWLEDGED) and call == "write":
            self.acknowledged.append(_bytes(arguments).decode().strip())
        if not path.startswith(root) or result < 0 or path.endswith("-shm"):
            return
        if call.startswith(("unlink", "rename", "link")):
            self._name(call, arguments)
        elif call.startswith(("fsync", "fdatasync")):
            if path in self.files:  # else it is a folder
                self.files[path].sync()
        else:
            self._change(self.files.setdefault(path, File()), path, call, arguments, result)

    def _name(self, call: str, arguments: str) -> None:
        """A change of names reaches the disk at once: the worst that can happen to what is not synced."""
        if call.startswith("unlink"):
            self.files.pop(_last_path(arguments), None)
            return
        old, new = _quoted(arguments)[-2:]
        if call.startswith("link"):
            self.files[new] = self.files[old]
        else:
            self.files = {
                new + name[len(old) :] if name.startswith(old) else name: one
                for name, one in self.files.items()
            }

    def _change(self, file: File, path: str, call: str, arguments: str, result: int) -> None:
        if call in ("pwrite64", "write"):
            data = _bytes(arguments)[:result]
            at = int(arguments.rpartition(",")[2]) if call == "pwrite64" else self._ends.get(path, 0)
            self._ends[path] = at + len(data)
            file.pending.append(("write", at, data))
        elif call == "ftruncate":
            file.pending.append(("truncate", int(arguments.rpartition(",")[2]), b""))
        elif call == "fallocate":
            start, size = (int(part) for part in arguments.split(",")[-2:])
            file.pending.append(("write", start + size, b""))

    def write_to(self, folder: Path, root: str, how: str, rng: random.Random) -> None:
        """Make the folder as it would be found after a loss of power."""
        for name, file in self.files.items():
            if how == "nothing":
                kept = []
            elif how == "all":
                kept = file.pending
            else:
                kept = [one for one in _torn(file.pending) if rng.random() < 0.5]
            path = folder / name.removeprefix(root).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content(kept))


def _torn(pending: list[tuple[str, int, bytes]]) -> Iterator[tuple[str, int, bytes]]:
    """A write may reach the disk in parts, sector by sector."""
    for kind, at, data in pending:
        if kind == "truncate" or not data:
            yield kind, at, data
            continue
        while data:
            size = SECTOR - at % SECTOR
            yield kind, at, data[:size]
            at, data = at + size, data[size:]


def _quoted(arguments: str) -> list[str]:
    return [_text(part) for part in re.findall(r'"((?:[^"\\]|\\.)*)"', arguments)]


def _text(quoted: str) -> str:
    return bytes.fromhex(quoted.replace("\\x", "")).decode() if quoted.startswith("\\x") else quoted


def _bytes(arguments: str) -> bytes:
    match = re.search(r'"((?:\\x[0-9a-f]{2})*)"', arguments)
    return bytes.fromhex(match[1].replace("\\x", "")) if match else b""


def _last_path(arguments: str) -> str:
    base = _text((_FD.findall(arguments) or [""])[0])
    name = _quoted(arguments)[-1]
    return name if name.startswith("/") else f"{base}/{name}"


def trace(folder: Path, requests: int) -> list[tuple[str, str, int]]:
    """Run the work under strace; returns its calls in order."""
    folder.mkdir()
    out = folder.parent / "trace"
    command = ["strace", "-f", "-y", "-xx", "-s", "2000000", "-e", f"trace={_TRACED}", "-o", str(out)]
    subprocess.run(
        [*command, sys.executable, __file__, "--work", str(folder), "--requests", str(requests)], check=True
    )
    calls = []
    unfinished: dict[str, str] = {}
    for line in out.read_text().splitlines():
        pid, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            unfinished[pid] = rest.removesuffix("<unfinished ...>").rstrip()
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", rest):
            rest = unfinished.pop(pid) + resumed[1]
        if match := _CALL.match(f"{pid} {rest}"):
            calls.append((match[1], match[2], int(match[3])))
    return calls


async def faults(folder: Path, acknowledged: list[str]) -> list[str]:
    """What is wrong with a disk after a loss of power."""
    database = folder / "canalgate.db"
    if not database.exists():
        return ["acknowledged and no database"] if acknowledged else []
    with sqlite3.connect(database) as connection:
        (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    if sound != "ok":
        return [f"the database is not sound: {sound}"]
    async with opened(Config(data=Data(dir=str(folder)))) as parts:
        await recover(parts.store, folder / "ledger")
        rows, _ = await parts.store.requests.page(Filters(), None, 100_000)
        found = [row.request_id for row in rows]
        missing = set(acknowledged) - set(found)
        wrong = [f"missing {one}" for one in sorted(missing)]
        if len(found) != len(set(found)):
            wrong.append("a request is there twice")
        return wrong + list(await parts.store.accounts.violations())


async def check(requests: int, points: int, seed: int) -> tuple[int, list[str]]:
    """Try so many points; returns how many disks were looked at, and what was wrong."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as base:
        root = Path(base, "data")
        calls = trace(root, requests)
        disk, looked, wrong = Disk(), 0, []
        chosen = set(rng.sample(range(len(calls)), min(points, len(calls))))
        for at, (call, arguments, result) in enumerate(calls):
            disk.apply(call, arguments, result, str(root))
            if at not in chosen:
                continue
            how = rng.choice(("nothing", "all", "some", "some"))
            image = Path(base, "image")
            shutil.rmtree(image, ignore_errors=True)
            disk.write_to(image, str(root), how, rng)
            wrong += [
                f"call {at}, {how} of the rest: {fault}" for fault in await faults(image, disk.acknowledged)
            ]
            looked += 1
        if len(disk.acknowledged) != requests:
            wrong.append(f"only {len(disk.acknowledged)} of {requests} requests were seen in the trace")
        return looked, wrong


def main() -> int:
    """Run it as a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        asyncio.run(work(options.work, options.requests))
        return 0
    looked, wrong = asyncio.run(check(options.requests, options.points, options.seed))
    print(f"seed {options.seed}: {looked} disks, {len(wrong)} faults")
    for line in wrong[:20]:
        print(f"  {line}")
    return 1 if wrong or not looked else 0


if __name__ == "__main__":
    sys.exit(main())
