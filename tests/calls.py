"""Calls as the gateway makes them, for tests of adapters."""

from __future__ import annotations

import orjson
from canalgate.plugins import (
    Adapter,
    Call,
    Channel,
    Credential,
    Endpoint,
    Json,
    JsonBody,
    UpstreamError,
    UpstreamResponse,
)

NOW = 1_700_000_000.0


def call(
    body: Json,
    endpoint: Endpoint = "chat/completions",
    *,
    model: str = "up",
    key: str = "k",
    url: str = "",
    **options: str,
) -> Call:
    """Return a call with this body; the client's name of the model is `m`, the channel's is `model`."""
    channel = Channel(1, "c", url, key, options)
    raw = JsonBody(orjson.dumps({"model": "m", **body}))
    stream = body.get("stream") is True
    return Call("r", endpoint, "m", model, stream, raw, "application/json", channel, Credential(key), NOW)


def chat(*messages: Json | str, **fields: object) -> Json:
    """Return the body of a chat; a text is a message of the user."""
    given = [{"role": "user", "content": item} if isinstance(item, str) else item for item in messages]
    return {"messages": given or [{"role": "user", "content": "hi"}], **fields}


def sent(adapter: Adapter, made: Call) -> Json:
    """Return the JSON an adapter sends."""
    return orjson.loads(adapter.request(made).body)


def failed(
    adapter: Adapter, status: int, value: object, made: Call | None = None, **headers: str
) -> UpstreamError:
    """Return what an adapter makes of an answer that failed, inside a 200 too."""
    made = made or call(chat())
    fields = {"content-type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
    response = UpstreamResponse(status, fields, orjson.dumps(value))
    if status >= 300:
        return adapter.error(made, response)
    try:
        adapter.reply(made, response)
    except UpstreamError as error:
        return error
    raise AssertionError("the answer was taken for a good one")


def function(name: str, **more: object) -> Json:
    """Return a tool as OpenAI has it."""
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}, **more}}


def tool_call(id: str, name: str, arguments: str) -> Json:
    """Return a tool call of an assistant's message."""
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def image(url: str) -> Json:
    """Return the part of a message that is an image."""
    return {"type": "image_url", "image_url": {"url": url}}
