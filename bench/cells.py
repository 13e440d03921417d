"""What is measured: requests of every size, streams of every length, few connections and many.

A cell is one row of the table. The model's name tells the provider (upstream.c) what to answer.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass

TLS_SUFFIX = "-tls"
"""End of the names of models that gateways reach over TLS."""

REPLY_TOKENS = 180
"""Completion tokens of the provider's JSON answer."""

_TEXT = 'Sentences of a chat, with "quotes" and line ends,\nas people and programs write them. '


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of load. `events` is 0 for JSON answers; `pace_us` 0 is as fast as they go.

    `gap_us` is the time from one request of a connection to its next. With `hides_usage` the client does
    not ask for usage, though a gateway may. `kind` is upstream.c's: in a "step" stream the client calls
    for each next event, a "file" stream is another provider's.
    """

    key: str
    title: str
    requests: int
    connections: int
    body_bytes: int = 2048
    events: int = 0
    pace_us: int = 0
    gap_us: int = 0
    tls: bool = False
    hides_usage: bool = False
    kind: str = "stream"

    @property
    def model(self) -> str:
        """The model to ask for."""
        name = f"bench-{self.kind}-{self.events}-{self.pace_us}" if self.events else "bench-json"
        return name + TLS_SUFFIX * self.tls

    @property
    def units(self) -> int:
        """Units of work in a request: its events, or itself."""
        return self.events or 1

    @property
    def spread_us(self) -> int:
        """Streams with a pace start evenly over one pace, or their events would come all at once."""
        return min(self.pace_us, 1_500_000)

    def body(self) -> bytes:
        """Return the request's body, keys in the order of OpenAI's library: the model after the messages."""
        fields: dict[str, object] = {"messages": [], "model": self.model}
        if self.events:
            fields["stream"] = True
            if not self.hides_usage:
                fields["stream_options"] = {"include_usage": True}
        left = self.body_bytes - len(json.dumps(fields))
        fields["messages"] = _picture(left) if left > 1_000_000 else list(_chat(left))
        return json.dumps(fields, separators=(",", ":")).encode()


def _chat(size: int) -> Iterator[dict[str, str]]:
    """Messages of about 2 KB that together take about this many bytes."""
    role = "user"
    while size > 0:
        text = (_TEXT * 26)[: max(1, min(size, 2048) - 60)]
        yield {"role": role, "content": text}
        size -= len(json.dumps(text)) + 40
        role = "assistant" if role == "user" else "user"


def _picture(size: int) -> list[dict[str, object]]:
    data = base64.b64encode(bytes(range(256)) * (size // 256 * 3 // 4)).decode()
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
    ]
    return [{"role": "user", "content": parts}]


MAIN = (
    Cell("json-2k", "JSON request, 2 KB", 4000, 16),
    Cell("stream-200", "event, streams of 200, 10 ms apart", 100, 100, events=200, pace_us=10_000),
)
"""The two rows that count most; `--quick` measures these."""

CELLS = (
    *MAIN,
    Cell("json-1k", "JSON request, 1 KB", 4000, 16, 1024),
    Cell("json-20k", "JSON request, 20 KB", 2000, 16, 20 * 1024),
    Cell("json-200k", "JSON request, 200 KB", 400, 16, 200 * 1024),
    Cell("json-5m", "JSON request, 5 MB picture", 40, 4, 5 * 1024 * 1024),
    Cell("json-c1", "JSON request, 1 connection", 1000, 1),
    Cell("json-c64", "JSON request, 64 connections", 4000, 64),
    Cell("json-c1000", "JSON request, 1,000 connections", 4000, 1000),
    Cell("stream-1", "event, streams of 1", 2000, 16, events=1),
    Cell("stream-50", "event, streams of 50, 10 ms apart", 200, 100, events=50, pace_us=10_000),
    Cell("stream-2000", "event, streams of 2,000, 2 ms apart", 20, 20, events=2000, pace_us=2_000),
    Cell("burst-50", "event, streams of 50, no pace", 400, 16, events=50),
    Cell("burst-200", "event, streams of 200, no pace", 200, 16, events=200),
    Cell("burst-2000", "event, streams of 2,000, no pace", 30, 16, events=2000),
    Cell("stream-c1", "event, 1 stream, 2 ms apart", 2, 1, events=500, pace_us=2_000),
    Cell("stream-c64", "event, 64 streams, 10 ms apart", 64, 64, events=200, pace_us=10_000),
    Cell("stream-c1000", "event, 1,000 streams, 0.5 s apart", 1000, 1000, events=8, pace_us=500_000),
    Cell("stream-200-hidden", "event, usage asked for by the gateway", 100, 100,
         events=200, pace_us=10_000, hides_usage=True),
    Cell("json-2k-tls", "JSON request, 2 KB, TLS upstream", 4000, 16, tls=True),
    Cell("stream-200-tls", "event, streams of 200, TLS upstream", 100, 100,
         events=200, pace_us=10_000, tls=True),
)  # fmt: skip
"""Rows of the table of CPU time."""

LOW_LOAD = (
    Cell("latency-json", "JSON answer", 250, 4, gap_us=8_000),
    Cell("latency-first", "first event of a stream", 250, 4, events=1, gap_us=8_000),
    Cell("latency-event", "each event, 8 streams, 20 ms apart", 8, 8, events=50, pace_us=20_000),
)
"""What is added to the direct way at low load; the table `latency`."""

OPEN = Cell("memory", "open stream", 1000, 1000, events=2, pace_us=3_000_000)
"""Streams held open; the table `memory`."""

TRANSLATED = Cell("translated", "event", 50, 50, events=200, pace_us=10_000, kind="file")
"""Streams of another provider, translated; the table `translated`."""

COUNTED = (
    (Cell("count-json", "JSON request, 2 KB", 50, 1), Cell("count-json", "JSON request, 2 KB", 550, 1)),
    (Cell("count-event", "streamed event", 1, 1, events=500, kind="step"),
     Cell("count-event", "streamed event", 1, 1, events=2500, kind="step")),
    (Cell("count-hidden", "streamed event, usage hidden", 1, 1, events=500, kind="step", hides_usage=True),
     Cell("count-hidden", "streamed event, usage hidden", 1, 1, events=2500, kind="step", hides_usage=True)),
)  # fmt: skip
"""Pairs of a short and a long run, for count.py: what differs is the work itself."""


def models(*, tls: bool) -> list[str]:
    """Names of all models, of those over TLS or of the others."""
    cells = (*CELLS, *LOW_LOAD, OPEN, *(cell for pair in COUNTED for cell in pair))
    return sorted({cell.model for cell in cells if cell.tls == tls})
