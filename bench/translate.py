"""What an event costs that an adapter has to translate, beside one that passes through.

A file of `streams/` is a provider's stream, composed from its documentation: what stands between the lines
": repeat" is the event, said many times. The file's name is the adapter's; comments at its beginning state
the channel's `model` and `key` where the adapter looks at them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from canalgate.adapters import BUILTIN
from canalgate.adapters.sse import DONE, SSEDecoder
from canalgate.bench.cells import TRANSLATED
from canalgate.bench.gateway import Gateway
from canalgate.bench.machine import HERE, BenchError
from canalgate.bench.measure import Lost, Row, ask
from canalgate.bench.ours import canalgate
from canalgate.bench.provider import provider
from canalgate.plugins import Adapter, Call, Channel, Credential, JsonBody, UpstreamError, UpstreamResponse
from canalgate.plugins.manager import PluginManager

ALONE = "feed alone"
THROUGH = "through canalgate"
PASSED = "passed through"

_MARK = b"###### ###################"
_EVENTS = 2000


class Stream:
    """A provider's stream: `head`, an `event` to be repeated, `tail`, and what its channel must state."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.adapter = path.stem
        self.head, self.event, self.tail = path.read_bytes().split(b": repeat\n\n")
        self.model = self._stated("model", "bench")
        self.key = self._stated("key", "sk-provider")

    def _stated(self, name: str, default: str) -> str:
        found = re.search(rf"(?m)^: {name} (\S+)$", self.head.decode())
        return found[1] if found else default


def streams() -> list[Stream]:
    """Return all composed streams."""
    return [Stream(path) for path in sorted((HERE / "streams").glob("*.sse"))]


def translated(folder: Path, rounds: int, chosen: Iterable[Stream] | None = None) -> list[Row]:
    """Microseconds of CPU per event, a row for each adapter that translates."""
    adapters = PluginManager(BUILTIN).adapters
    rows = []
    for stream in streams() if chosen is None else chosen:
        row = Row(stream.adapter)
        rows.append(row)
        adapter = adapters.get(stream.adapter)
        if adapter is None:
            row.problems[THROUGH] = "there is no such adapter"
            continue
        try:
            row.values[ALONE] = [_alone(adapter, stream) for _ in range(rounds + 1)][1:]
        except (BenchError, UpstreamError) as exc:
            row.problems[ALONE] = str(exc)
        try:
            with _gateway(folder, stream) as gateway:
                _through(gateway, folder, rounds, row)
        except BenchError as exc:
            row.problems[THROUGH] = str(exc)
            row.values.pop(THROUGH, None)
    return rows


def _alone(adapter: Adapter, stream: Stream) -> float:
    """Feed each event by itself, as it arrives, with nothing else around."""
    body = b'{"messages":[{"role":"user","content":"hi"}],"stream":true,"model":"bench"}'
    channel = Channel(1, "bench", "http://127.0.0.1/v1", stream.key)
    call = Call(
        request_id="bench", endpoint="chat/completions", model="bench", upstream_model=stream.model,
        stream=True, body=JsonBody(body), content_type="application/json", channel=channel,
        credential=Credential(stream.key), now=time.time(),
    )  # fmt: skip
    translator = adapter.stream(call, UpstreamResponse(200, {"content-type": "text/event-stream"}))
    if translator is None:
        raise BenchError("the adapter passes this stream through")
    out = [translator.feed(stream.head)]
    began = time.process_time_ns()
    for _ in range(_EVENTS):
        out.append(translator.feed(stream.event))
    used = time.process_time_ns() - began
    out += [translator.feed(stream.tail), translator.close()]
    _check(b"".join(out), translator.usage is not None)
    return used / 1000 / _EVENTS


def _check(out: bytes, has_usage: bool) -> None:
    events = SSEDecoder().feed(out)
    marked = [event for event in events if _MARK in event.data]
    if len(marked) != _EVENTS or not out.endswith(DONE) or not has_usage:
        raise Lost(f"{len(marked)} of {_EVENTS} events, usage {'' if has_usage else 'not '}read")


@contextmanager
def _gateway(folder: Path, stream: Stream) -> Iterator[Gateway]:
    """canalgate with a channel of the stream's adapter, whose address names the stream to be played."""
    with provider(folder, stream.path) as site, canalgate(site) as gateway:
        assert gateway.command is not None
        address = f"http://127.0.0.1:{site.port}/{TRANSLATED.model}/v1"
        model = TRANSLATED.model
        options = ["--type", stream.adapter, "--name", "translated", "--key", stream.key]
        mapped = ["--models", model, "--map", f"{model}={stream.model}"]
        gateway.command("channel", "add", *options, *mapped, "--base-url", address)
        yield gateway


def _through(gateway: Gateway, folder: Path, rounds: int, row: Row) -> None:
    cells = {THROUGH: TRANSLATED, PASSED: replace(TRANSLATED, kind="stream")}
    for number in range(rounds + 1):
        for name in list(cells if number % 2 else reversed(cells)):
            before = gateway.process.cpu_s()
            answered = ask(gateway, cells[name], folder, share=1.0 if number else 0.25)
            time.sleep(0.05)
            used = (gateway.process.cpu_s() - before) * 1e6 / answered["events"]
            if number:
                row.values.setdefault(name, []).append(used)
