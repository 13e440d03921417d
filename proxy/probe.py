"""Ask one channel something for its operator: whether it works, and which models its provider has."""

from __future__ import annotations

import time

from ..plugins import Endpoint, JsonBody, UpstreamError
from .asked import Asked
from .relay import Relay, make_call, without_secrets
from .snapshot import UsableChannel
from .upstream import ask


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
        response = await ask(relay.upstream, request, chosen.row.proxy)
        if not 200 <= response.status < 300:
            asked = Asked("chat/completions", "", False, "application/json", JsonBody(b"{}"))
            raise chosen.adapter.error(make_call(chosen, asked, "models", credential, now), response)
        return chosen.adapter.model_names(response)
    except UpstreamError as exc:
        exc.message = without_secrets(exc.message, chosen)
        raise
