"""Embeddings of more inputs than a provider takes at once: asked for in parts, answered as one.

The parts go to one channel, a few side by side. One that fails fails the attempt, and so the whole request
goes to the next channel, or to the client as an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import msgspec
import orjson

from ..plugins import Call, ErrorKind, Json, JsonBody, Reply, UpstreamError, Usage
from .snapshot import UsableChannel
from .upstream import Upstream, ask

AT_ONCE = 4
"""Parts of one request that are asked for side by side."""

MOST_PARTS = 1000


def parts_of(call: Call, most: int) -> list[Call]:
    """Return the calls that make up this one, none if it can be sent as it is.

    `most` is how many inputs the provider takes, 0 for any number. A list of numbers is one input.
    """
    if not most or call.endpoint != "embeddings" or call.body is None:
        return []
    inputs = call.body.tree.get("input")
    if not isinstance(inputs, list) or len(inputs) <= most or isinstance(inputs[0], int):
        return []
    if len(inputs) > most * MOST_PARTS:
        raise UpstreamError(ErrorKind.REQUEST, f"too many inputs: {len(inputs)}", status=400, param="input")
    return [
        msgspec.structs.replace(call, body=JsonBody(call.body.spliced({"input": inputs[at : at + most]})))
        for at in range(0, len(inputs), most)
    ]


async def ask_parts(upstream: Upstream, chosen: UsableChannel, parts: Sequence[Call]) -> Reply:
    """Ask for every part and return the joined answer. Raises UpstreamError if one of them fails."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def ask_one(call: Call) -> Reply:
        async with turns:
            response = await ask(upstream, chosen.adapter.request(call), chosen.row.proxy)
        if not 200 <= response.status < 300:
            raise chosen.adapter.error(call, response)
        return chosen.adapter.reply(call, response)

    tasks = [asyncio.ensure_future(ask_one(call)) for call in parts]
    try:
        return _joined(parts, await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _joined(parts: Iterable[Call], replies: Iterable[Reply]) -> Reply:
    """Put the answers of the parts behind each other, counted through and with their usage added up."""
    whole: Json = {}
    data: list[Json] = []
    usage = Usage()
    for call, reply in zip(parts, replies, strict=True):
        answer = _object(reply.body)
        vectors = answer.get("data")
        if not isinstance(vectors, list) or len(vectors) != _inputs(call):
            raise UpstreamError(ErrorKind.FAULT, "the provider's answer has not one vector for each input")
        whole = whole or answer
        begun = len(data)
        data += [{**vector, "index": begun + at} for at, vector in enumerate(vectors)]
        if reply.usage is not None:
            usage = Usage(usage.prompt_tokens + reply.usage.prompt_tokens)
    counted = {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens}
    return Reply(orjson.dumps({**whole, "data": data, "usage": counted}), usage)


def _object(body: bytes) -> Json:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    return value if isinstance(value, dict) else {}


def _inputs(call: Call) -> int:
    return len(call.body.tree["input"]) if call.body is not None else 0
