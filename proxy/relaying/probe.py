"""Ask a channel something for its operator: whether it works, which models it has, what its account holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from ...plugins import (
    Balance,
    Credential,
    Endpoint,
    ErrorKind,
    Json,
    JsonBody,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
)
from ..alarms import hint
from ..routing.snapshot import UsableChannel, bound
from ..upstream import ask
from ..upstream.whole import MAX_BYTES
from ..wire.asked import Asked
from .relay import Relay, make_call, without_secrets

BALANCE_WITHIN_S = 20.0
"""A person waits for it."""
_BALANCE_BYTES = 64 * 1024

_CHAT: Endpoint = "chat/completions"
_BODIES: Mapping[Endpoint, Json] = {
    _CHAT: {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 16},
    "embeddings": {"input": ["hi"]},
    "rerank": {"query": "hi", "documents": ["hi", "no"]},
    "audio/speech": {"input": "hi", "voice": "alloy"},
    "images/generations": {"prompt": "a dot", "n": 1},
}
ENDPOINTS: tuple[Endpoint, ...] = tuple(_BODIES)
"""What a channel can be tested by."""

_BY_NAME: Sequence[tuple[str, Endpoint]] = (
    ("rerank", "rerank"),
    ("embed", "embeddings"),
    ("bge-", "embeddings"),
    ("tts", "audio/speech"),
    ("dall-e", "images/generations"),
    ("gpt-image", "images/generations"),
)
"""What models are for, by a part of their name, where nobody says."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of testing one model on one key of a channel. `error` is empty where it works."""

    channel_id: int
    name: str
    model: str
    endpoint: Endpoint
    key: str
    milliseconds: int
    status: int
    error: str = ""


def endpoint_of(model: str) -> Endpoint:
    """Guess from its name what a model is for."""
    return next((endpoint for part, endpoint in _BY_NAME if part in model.lower()), _CHAT)


def ways(chosen: UsableChannel) -> tuple[UsableChannel, ...]:
    """Return a channel with each of its keys, those that were refused too."""
    every = bound(chosen.row, chosen.adapter)
    return tuple(every.with_key(key) for key in every.keys)


async def check(relay: Relay, chosen: UsableChannel, model: str, endpoint: Endpoint | None = None) -> Result:
    """Test one model on one key of a channel, and let its health follow from that.

    A key that was refused is good again if it works; whether an administrator has disabled the channel is
    another matter.
    """
    endpoint, began = endpoint or endpoint_of(model), time.monotonic()
    body = orjson.dumps({"model": model, **_BODIES[endpoint]})
    status, error = 0, ""
    try:
        if endpoint not in chosen.adapter.endpoints:
            raise UpstreamError(ErrorKind.MODEL, f"the channel does not serve {endpoint}")
        status, _ = await probe(relay, chosen, body, endpoint)
    except UpstreamError as exc:
        status, error = exc.status, f"{exc.kind.value}: {exc.message}"
        relay.note_failure(chosen, model, exc)
    else:
        relay.note_success(chosen, model, time.monotonic() - began)
        await relay.alarms.good(chosen)
    took_ms = round((time.monotonic() - began) * 1000)
    return Result(
        chosen.row.id, chosen.row.name, model, endpoint, hint(chosen.channel.key), took_ms, status, error
    )


async def probe(relay: Relay, chosen: UsableChannel, body: bytes, endpoint: Endpoint) -> tuple[int, bytes]:
    """Return the status and the body of the answer. Raises UpstreamError if the channel fails."""
    parsed = JsonBody(body)
    asked = Asked(endpoint, parsed.get("model", str) or "", False, "application/json", parsed)
    now = time.time()
    try:
        call = make_call(chosen, asked, "probe", await relay.credentials.get(chosen, now), now)
        local = chosen.adapter.answer(call)
        if local is not None:
            return local.status, b"".join(local.parts)
        response = await ask(relay.upstream, chosen.adapter.request(call), chosen.row.proxy)
        if not 200 <= response.status < 300:
            raise chosen.adapter.error(call, response)
        return response.status, chosen.adapter.reply(call, response).body
    except UpstreamError as exc:
        exc.message = without_secrets(exc.message, chosen)
        raise


async def model_names(relay: Relay, chosen: UsableChannel) -> tuple[str, ...] | None:
    """Return the names in the provider's list of models; None if it has no list that could be asked for.

    Raises UpstreamError if the provider refuses or what it answers is no list.
    """
    now = time.time()
    try:
        credential = await relay.credentials.get(chosen, now)
        request = chosen.adapter.models_request(chosen.channel, credential, now)
        if request is None:
            return None
        return chosen.adapter.model_names(await _told(relay, chosen, request, credential, now, MAX_BYTES))
    except UpstreamError as exc:
        exc.message = without_secrets(exc.message, chosen)
        raise


async def balances(
    relay: Relay, chosen: UsableChannel, within_s: float = BALANCE_WITHIN_S
) -> tuple[Balance, ...] | None:
    """Return what is left of the account that the channel's key belongs to; None if nobody could be asked.

    Raises UpstreamError if the provider refuses, does not answer in time or does not say it.
    """
    now = time.time()
    try:
        async with asyncio.timeout(within_s):
            credential = await relay.credentials.get(chosen, now)
            requests = chosen.adapter.balance_requests(chosen.channel, credential, now)
            told = [
                await _told(relay, chosen, request, credential, now, _BALANCE_BYTES) for request in requests
            ]
        return chosen.adapter.balances(chosen.channel, tuple(told)) if told else None
    except TimeoutError as exc:
        problem = f"no answer within {within_s:g} s"
        raise UpstreamError(ErrorKind.FAULT, problem, status=504) from exc
    except UpstreamError as exc:
        exc.message = without_secrets(exc.message, chosen)
        raise


async def _told(
    relay: Relay,
    chosen: UsableChannel,
    request: UpstreamRequest,
    credential: Credential,
    now: float,
    max_bytes: int,
) -> UpstreamResponse:
    """Return the 2xx answer to something that no client asks. Raises UpstreamError for any other."""
    response = await ask(relay.upstream, request, chosen.row.proxy, max_bytes)
    if not 200 <= response.status < 300:
        asked = Asked("chat/completions", "", False, "application/json", JsonBody(b"{}"))
        raise chosen.adapter.error(make_call(chosen, asked, "probe", credential, now), response)
    return response
