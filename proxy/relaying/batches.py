"""Embeddings of more inputs than a provider takes at once: asked for in parts, answered as one.

The parts go to one channel, a few side by side. One that fails fails the attempt, and so the whole request
goes to the next channel, or to the client as an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import msgspec
import orjson

from ...plugins import (
    Call,
    ErrorKind,
    Json,
    JsonBody,
    Reply,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
)
from ..routing.snapshot import UsableChannel
from ..upstream import Upstream, ask
from .transfer import bug

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


async def ask_parts(
    upstream: Upstream, chosen: UsableChannel, parts: Sequence[Call], max_bytes: int
) -> tuple[Reply, tuple[str, ...]]:
    """Ask for every part; return the joined answer and the names of fields that were left out.

    Raises UpstreamError if a part fails, or if all answers together have more than `max_bytes`.
    """
    turns = asyncio.Semaphore(AT_ONCE)
    requests = [chosen.adapter.request(call) for call in parts]
    left = max_bytes

    async def ask_one(call: Call, request: UpstreamRequest) -> Reply:
        nonlocal left
        async with turns:
            response = await ask(upstream, request, chosen.row.proxy, left)
        left -= len(response.body)
        if left < 0:
            raise UpstreamError(ErrorKind.FAULT, f"the provider's answers have more than {max_bytes} bytes")
        return _read(chosen, call, response)

    tasks = [asyncio.ensure_future(ask_one(*one)) for one in zip(parts, requests, strict=True)]
    try:
        return _joined(parts, await asyncio.gather(*tasks)), requests[0].dropped
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _read(chosen: UsableChannel, call: Call, response: UpstreamResponse) -> Reply:
    try:
        if not 200 <= response.status < 300:
            raise chosen.adapter.error(call, response)
        return chosen.adapter.reply(call, response)
    except UpstreamError:
        raise
    except Exception as exc:  # the border to adapters
        raise bug(exc) from exc


def _joined(parts: Iterable[Call], replies: Iterable[Reply]) -> Reply:
    """Put the answers of the parts behind each other, counted through and with their usage added up."""
    whole: Json = {}
    data: list[Json] = []
    usage: Usage | None = None
    for call, reply in zip(parts, replies, strict=True):
        answer = _object(reply.body)
        whole = whole or answer
        begun = len(data)
        data += [{**vector, "index": begun + at} for at, vector in enumerate(_vectors(answer, _inputs(call)))]
        if reply.usage is not None:
            before, odd = (usage.prompt_tokens, usage.odd) if usage else (0, ())
            odd = tuple(dict.fromkeys((*odd, *reply.usage.odd)))
            usage = Usage(before + reply.usage.prompt_tokens, odd=odd)
    whole = {**whole, "data": data}
    if usage is not None:
        whole["usage"] = {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens}
    return Reply(orjson.dumps(whole), usage)


def _vectors(answer: Json, count: int) -> list[Json]:
    """Return an answer's vectors in the order of the inputs. Raises UpstreamError if they are not `count`.

    Their `index` decides; where a host counts none, or states the same for all, the order they came in does.
    """
    vectors = answer.get("data")
    if isinstance(vectors, list) and len(vectors) == count and all(isinstance(one, dict) for one in vectors):
        places = [one.get("index") for one in vectors]
        if all(place == places[0] for place in places):
            return vectors
        if all(type(place) is int for place in places) and sorted(places) == list(range(count)):
            return sorted(vectors, key=lambda one: int(one["index"]))
    raise UpstreamError(ErrorKind.FAULT, "the provider's answer has not one vector for each input")


def _object(body: bytes) -> Json:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    return value if isinstance(value, dict) else {}


def _inputs(call: Call) -> int:
    return len(call.body.tree["input"]) if call.body is not None else 0
