"""Calls as the gateway makes them, and streams in every split: for adapters with a wire of their own."""

from __future__ import annotations

from pathlib import Path

import orjson
from canalgate.plugins import (
    Adapter,
    Call,
    Channel,
    Endpoint,
    Json,
    JsonBody,
    UpstreamError,
    UpstreamResponse,
)
from canalgate.proxy.conformance import SPLITS, Case, cases, pieces

NOW = 1_700_000_000.0
WIRE = Path(__file__).resolve().parent / "wire"


def composed(provider: str) -> list[Case]:
    """Return the cases of tests/wire/<provider>; `source` in a case's meta.json names the page."""
    return list(cases(WIRE / provider))


def call(
    adapter: Adapter,
    body: Json | None = None,
    *,
    endpoint: Endpoint = "chat/completions",
    model: str = "up",
    key: str = "k",
    url: str = "",
    **options: str,
) -> Call:
    """Return a call; the client's name of the model is `m`, the channel's is `model`."""
    given = {"model": "m", **(chat() if body is None else body)}
    channel = Channel(1, "c", url, key, options)
    credential = adapter.credential(channel, None, NOW)
    raw = JsonBody(orjson.dumps(given))
    stream = given.get("stream") is True
    return Call("r", endpoint, "m", model, stream, raw, "application/json", channel, credential, NOW)


def chat(*messages: Json | str, **fields: object) -> Json:
    """Return the body of a chat; a text is a message of the user."""
    given = [{"role": "user", "content": item} if isinstance(item, str) else item for item in messages]
    return {"messages": given or [{"role": "user", "content": "hi"}], **fields}


def sent(adapter: Adapter, body: Json, **more: str) -> Json:
    """Return the JSON that an adapter sends for a client's body."""
    return orjson.loads(adapter.request(call(adapter, body, **more)).body)


def dropped(adapter: Adapter, body: Json, **more: str) -> tuple[str, ...]:
    """Return the names of the client's fields that an adapter leaves out."""
    return adapter.request(call(adapter, body, **more)).dropped


def function(name: str, **more: object) -> Json:
    """Return a tool as OpenAI has it."""
    return {"type": "function", "function": {"name": name, **more}}


def asked(id: str, name: str, arguments: str = "{}", **more: object) -> Json:
    """Return a tool call of an assistant's message."""
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def streamed(adapter: Adapter, data: bytes, content_type: str = "text/event-stream") -> list[Json]:
    """Translate a whole stream in every split and return its chunks, which must be the same each time."""
    made = call(adapter, chat(stream=True, stream_options={"include_usage": True}))
    form = "eventstream" if "amazon" in content_type else "sse"
    outputs = set()
    for split in SPLITS:
        translator = adapter.stream(made, UpstreamResponse(200, {"content-type": content_type}))
        fed = [translator.feed(piece) for piece in pieces(data, split, form)]
        outputs.add(b"".join(fed) + translator.close())
    (output,) = outputs
    return [orjson.loads(event[6:]) for event in output.split(b"\n\n") if event and event != b"data: [DONE]"]


def deltas(chunks: list[Json]) -> list[Json]:
    """Return the deltas of a stream's chunks without what says nothing: the role, empty ones."""
    found = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    kept = [{name: value for name, value in delta.items() if name != "role"} for delta in found]
    return [delta for delta in kept if delta]


def whole(adapter: Adapter, value: object, made: Call | None = None) -> Json:
    """Return OpenAI's answer to a provider's whole answer."""
    response = UpstreamResponse(200, {"content-type": "application/json"}, orjson.dumps(value))
    return orjson.loads(adapter.reply(made or call(adapter), response).body)


def failed(adapter: Adapter, status: int, value: object, **headers: str) -> UpstreamError:
    """Return what an adapter makes of an answer that failed; bytes are sent as they are."""
    fields = {"content-type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    return adapter.error(call(adapter), UpstreamResponse(status, fields, body))
