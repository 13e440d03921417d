"""Kill a gateway again and again under load, then compare what clients received with the ledger.

    python tests/kills.py --kills 100 --streams 50

Clients ask without a pause, streamed and not, over a provider that answers each request with a usage of its
own. The gateway is killed at random moments and started again on the same data. In the end every answer that
a client received whole must be in the ledger exactly once, with exactly its tokens and cost; nothing may be
there twice; and what the account lost must be the sum of what is written there. What a start takes is told
without its imports, see forked.py.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import processes
import support
from canalgate.proxy.billing.pricing import Price
from canalgate.proxy.config import Config, Data
from canalgate.proxy.host import make_token, opened
from canalgate.proxy.keys.vault import new_token_key
from canalgate.proxy.records import DEFAULT_GROUP, ENABLED, ROLES, ChannelRow, User
from canalgate.proxy.store.requests import Filters
from forked import Forked

PROMPT_PRICE, COMPLETION_PRICE = 2_000_000, 4_000_000
"""Pico-dollars a token: one and two units of quota."""

BALANCE = 10**12


@dataclass
class Outcome:
    """What was seen. `whole` are the answers received to their end: request id to (prompt, completion)."""

    kills: int = 0
    whole: dict[str, tuple[int, int]] = field(default_factory=dict)
    broken: int = 0
    refused: int = 0
    slowest_start_s: float = 0.0
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """What is wrong, in lines; empty where the ledger is true."""
        named = {"missing": self.missing, "wrong": self.wrong, "double": self.double, "": self.violations}
        lines = [f"{kind} {one}" for kind, some in named.items() for one in some]
        return lines if self.whole else [*lines, "no answer came whole"]

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {len(self.whole)} whole answers, {self.broken} broken off,"
            f" {self.refused} refused; "
            f"ready again in {self.slowest_start_s:.2f} s at most; missing {len(self.missing)}, "
            f"wrong {len(self.wrong)}, double {len(self.double)}, violations {len(self.violations)}"
        )


def answers(rng: random.Random) -> support.Callable[[support.Asked], support.Script]:
    """A provider whose every answer has a usage of its own."""

    def script(asked: support.Asked) -> support.Script:
        prompt, completion = rng.randrange(1, 5000), rng.randrange(1, 2000)
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        if not asked.json.get("stream"):
            yield support.json_answer(
                {"object": "chat.completion", "choices": [{"message": {"content": "x"}}], "usage": usage}
            )
            return
        yield support.STREAM_HEAD
        for _ in range(rng.randrange(1, 6)):
            yield support.chunk(support.delta(" word"))
            yield rng.random() / 100
        yield support.chunk(support.event({"object": "chat.completion.chunk", "choices": [], "usage": usage}))
        yield support.chunk(b"data: [DONE]\n\n")
        yield support.STREAM_END

    return script


class Kills:
    """One run of the program."""

    def __init__(self, folder: Path, *, kills: int, streams: int, seed: int, database: str = "") -> None:
        self._folder = folder
        self._kills = kills
        self._streams = streams
        self._rng = random.Random(seed)
        self._database = database
        self._port = 0
        self._key = ""
        self._stopping = False
        self.outcome = Outcome()

    async def run(self) -> Outcome:
        """Do it all."""
        async with support.provider() as provider:
            provider.script = answers(self._rng)
            await self._prepare(provider.url)
            process = await self._start()
            clients = [asyncio.ensure_future(self._client(number)) for number in range(self._streams)]
            for _ in range(self._kills):
                await asyncio.sleep(self._rng.uniform(0.05, 0.6))
                process.kill()
                await asyncio.to_thread(process.wait, 20)
                self.outcome.kills += 1
                process = await self._start()
            self._stopping = True
            await asyncio.gather(*clients)
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, 20)
        await self._compare()
        return self.outcome

    def _config(self) -> Config:
        return Config(data=Data(dir=str(self._folder), database=self._database))

    async def _prepare(self, url: str) -> None:
        async with opened(self._config()) as parts:
            store = parts.store
            user = await store.add_user(User(0, "user", ROLES["user"], DEFAULT_GROUP, ENABLED, 1), BALANCE)
            self._account = f"user:{user.id}"
            self._key = new_token_key()
            await store.add_token(make_token(parts.vault, user, "t", self._key, 1))
            await store.add_channel(ChannelRow(0, "openai", "fake", url, "sk-x", ("m",), 1))
            await store.prices.set("m", Price("", PROMPT_PRICE, COMPLETION_PRICE))

    async def _start(self) -> Forked:
        began = time.monotonic()
        settings = {
            "CANALGATE_LOG__LEVEL": "error", "CANALGATE_DATA__DIR": str(self._folder),
            "CANALGATE_DATA__DATABASE": self._database,
        }  # fmt: skip
        port = str(self._port)
        serving = await asyncio.to_thread(processes.start, self._folder, "g", "--port", port, **settings)
        self._port = serving.port
        if self.outcome.kills:
            self.outcome.slowest_start_s = max(self.outcome.slowest_start_s, time.monotonic() - began)
        return serving.process

    async def _client(self, number: int) -> None:
        """Ask again and again; note what came whole."""
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2000}
        while not self._stopping:
            try:
                streamed = {"stream": True, "stream_options": {"include_usage": True}} if number % 4 else {}
                answered = await self._ask(body | streamed)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                self.outcome.refused += 1
                await asyncio.sleep(0.02)
                continue
            if answered is None:
                self.outcome.broken += 1
            elif answered.status != 200:
                self.outcome.refused += 1
            else:
                self._note(answered)

    async def _ask(self, body: dict[str, object]) -> support.Answered | None:
        data = orjson.dumps(body)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
                b"content-type: application/json\r\nauthorization: Bearer sk-%b\r\n"
                b"content-length: %d\r\n\r\n%b" % (self._key.encode(), len(data), data)
            )
            raw = b""
            async with asyncio.timeout(20):
                while piece := await self._read(reader):
                    raw += piece
                    # A client stops at [DONE], and so does this one.
                    if b"\r\n\r\n" in raw and b"data: [DONE]\n\n" in raw:
                        raw = raw[: raw.rindex(b"[DONE]\n\n") + 8] + b"\r\n0\r\n\r\n"
                        break
        finally:
            writer.close()
        if b"\r\n\r\n" not in raw:
            return None
        answered = support.parse_answer(raw)
        whole = answered.complete and (not body.get("stream") or b"[DONE]" in answered.body)
        return answered if whole or answered.status != 200 else None

    @staticmethod
    async def _read(reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.read(65536)
        except ConnectionError:
            return b""

    def _note(self, answered: support.Answered) -> None:
        usage = re.findall(rb'"usage":(\{[^}]*\})', answered.body)[-1]
        tokens = orjson.loads(usage)
        self.outcome.whole[answered.headers["x-request-id"]] = (
            tokens["prompt_tokens"],
            tokens["completion_tokens"],
        )

    async def _compare(self) -> None:
        async with opened(self._config()) as parts:
            rows, before = [], None
            while True:
                page, before = await parts.store.requests.page(Filters(), before, 500)
                rows += page
                if before is None:
                    break
            state = await parts.store.accounts.state(self._account)
            self.outcome.violations = list(await parts.store.accounts.violations())
        seen = Counter(row.request_id for row in rows)
        self.outcome.double = [request_id for request_id, count in seen.items() if count > 1]
        by_id = {row.request_id: row for row in rows}
        for request_id, (prompt, completion) in self.outcome.whole.items():
            row = by_id.get(request_id)
            if row is None:
                self.outcome.missing.append(request_id)
            elif (row.counts.prompt_tokens, row.counts.completion_tokens, row.charged) != (
                prompt, completion, prompt + 2 * completion,
            ):  # fmt: skip
                self.outcome.wrong.append(f"{request_id}: {prompt}+{completion} received, ledger: {row}")
        charged = sum(row.charged for row in rows)
        if state.used != charged or state.balance + state.leased != BALANCE - charged:
            self.outcome.violations.append(f"the account lost {state.used}, the rows say {charged}")


def main() -> int:
    """Run it as a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--database", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(
            Kills(
                Path(folder),
                kills=options.kills,
                streams=options.streams,
                seed=options.seed,
                database=options.database,
            ).run()
        )
    print(f"seed {options.seed}: {outcome}")
    for line in outcome.faults[:10]:
        print(f"  {line}")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
