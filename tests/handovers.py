"""Replace a gateway again and again under load: every request must be answered, every stream be whole.

    python tests/handovers.py --times 50 --streams 50

As kills.py, but that nothing may be refused or broken off, as nobody is killed. Some clients keep their
connections, some open one for each request, some wait for long streams that outlast several gateways.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

import kills
import orjson
import processes
import support

LONG_S = 1.5


class Handovers(kills.Kills):
    """One run. Every second successor is started by a command, the others by their predecessor."""

    def __init__(self, folder: Path, *, times: int, streams: int, seed: int) -> None:
        super().__init__(folder, kills=times, streams=streams, seed=seed)
        self._environment = {"CANALGATE_LOG__LEVEL": "warning", "CANALGATE_DATA__DIR": str(folder)}
        self._started: list[processes.Serving] = []
        self.closed = 0
        """Kept connections that were closed while they were idle: each might have cost a request."""

    async def run(self) -> kills.Outcome:
        """Do it all."""
        async with support.provider() as provider:
            short = kills.answers(self._rng)
            provider.script = lambda asked: _slowly(short(asked)) if asked.json.get("user") else short(asked)
            await self._prepare(provider.url)
            pid = await self._begin()
            self._port = self._started[0].port
            clients = [asyncio.ensure_future(self._some_client(number)) for number in range(self._streams)]
            for number in range(self._kills):
                pid = await self._replace(number, pid)
                self.outcome.kills += 1
            self._stopping = True
            await asyncio.gather(*clients)
            await _ended(pid, signal.SIGTERM)
        for serving in self._started:
            await asyncio.to_thread(serving.process.wait, 10)
        await self._compare()
        return self.outcome

    async def _begin(self, *arguments: str) -> int:
        """Start a gateway by a command; returns its process."""
        name = str(len(self._started))
        serving = await asyncio.to_thread(
            processes.start, self._folder, name, *arguments, **self._environment
        )
        self._started.append(serving)
        return int(serving.process.pid)

    async def _replace(self, number: int, pid: int) -> int:
        """Have the gateway replaced; returns who serves now."""
        if number % 2:
            return await self._begin("--replace")
        os.kill(pid, signal.SIGUSR2)
        return await asyncio.to_thread(successor_of, pid, self._folder)

    async def _some_client(self, number: int) -> None:
        if number % 3:
            await self._client(number)
        elif number % 2:
            await self._client_that_keeps(number)
        else:
            await self._patient_client()

    async def _patient_client(self) -> None:
        while not self._stopping:
            await self._note_answer(await self._ask(_body(user="slow", stream=True)))

    async def _client_that_keeps(self, number: int) -> None:
        """Ask on one connection as long as the gateway says that it may be kept."""
        reader = writer = None
        while not self._stopping:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            elif reader.at_eof():
                self.closed += 1
                writer = None
                continue
            answered = await self._ask_on(reader, writer, _body(stream=bool(number % 4)))
            await self._note_answer(answered)
            if answered is None or answered.headers.get("connection") == "close":
                writer.close()
                writer = None
            await asyncio.sleep(self._rng.choice((0, 0, 0.05, 0.3)))
        if writer is not None:
            writer.close()

    async def _ask_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: dict[str, object]
    ) -> support.Answered | None:
        data = orjson.dumps(body)
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer sk-%b\r\ncontent-length: %d\r\n\r\n%b"
            % (self._key.encode(), len(data), data)
        )
        raw = b""
        while piece := await self._read(reader):
            raw += piece
            if b"\r\n\r\n" in raw:
                answered = support.parse_answer(raw)
                if answered.complete:
                    return answered
        return None

    async def _note_answer(self, answered: support.Answered | None) -> None:
        if answered is None:
            self.outcome.broken += 1
        elif answered.status != 200:
            self.outcome.refused += 1
        else:
            self._note(answered)


def _body(**more: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2000,
            "stream_options": {"include_usage": True}, **more}  # fmt: skip


def _slowly(script: support.Script) -> support.Script:
    """The same, but that the beginning takes its time."""
    for number, step in enumerate(script):
        yield step
        if number == 1:
            yield LONG_S


def serving_pid(folder: Path, place: str = "127.0.0.1:0") -> int:
    """Return the process that a successor would replace now, by asking the socket."""
    with socket.socket(socket.AF_UNIX) as asker:
        there = os.open(folder, os.O_PATH)
        try:
            asker.connect(f"/proc/self/fd/{there}/gateway-{place}.sock")
        finally:
            os.close(there)
        return struct.unpack("3i", asker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


def successor_of(pid: int, folder: Path) -> int:
    """Wait until another process serves; returns it."""
    end = time.monotonic() + 15
    while (now := serving_pid(folder)) == pid:
        assert time.monotonic() < end
        time.sleep(0.02)
    return now


async def _ended(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that need not be our child, and wait for its end."""
    handle = os.pidfd_open(pid)
    there = asyncio.Event()
    try:
        signal.pidfd_send_signal(handle, number)
        asyncio.get_running_loop().add_reader(handle, there.set)
        async with asyncio.timeout(20):
            await there.wait()
    finally:
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)


def main() -> int:
    """Run it as a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Handovers(Path(folder), times=options.times, streams=options.streams, seed=options.seed)
        outcome = asyncio.run(work.run())
        for path in sorted(Path(folder).glob("*.err")):
            print(path.name, path.read_text()[-500:])
    print(f"seed {options.seed}: {outcome}; idle connections closed {work.closed}")
    for line in outcome.faults[:10]:
        print(f"  {line}")
    return 1 if outcome.faults or outcome.refused or outcome.broken or work.closed else 0


if __name__ == "__main__":
    sys.exit(main())
