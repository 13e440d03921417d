"""The call log as AI Proxy's clients read it: numbered pages with a total, and the bodies of one request."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from ...billing.money import QUOTA_PER_DOLLAR
from ...errors import GatewayError
from ...ledger.entry import Entry
from ...manage.refused import Refused
from ...store.request_rows import has_failed, short_number
from ...store.requests import Filters
from ..site import DESK
from .asked import answered, id_in, number_asked, text_asked, time_asked

MOST_COUNTED = 100_000
"""Where a search finds more, its total says so many and later pages are empty."""

_MOST_PER_PAGE = 100
_CODES: Mapping[str | None, bool | None] = {None: None, "all": None, "success": False, "error": True}
_MODES = {
    "chat/completions": 1, "completions": 2, "embeddings": 3, "moderations": 4, "images/generations": 5,
    "images/edits": 6, "audio/speech": 7, "audio/transcriptions": 8, "audio/translations": 9, "rerank": 10,
    "responses": 16,
}  # fmt: skip
"""AI Proxy's numbers of endpoints; 0 is none of them."""


async def search(request: web.Request) -> web.Response:
    """`GET /api/logs/search`: requests, newest first, and how many there are."""
    page = number_asked(request, "p") or number_asked(request, "page") or 1
    size = min(number_asked(request, "per_page") or 10, _MOST_PER_PAGE)
    filters, store = _filters(request), request.app[DESK].store
    if request_id := text_asked(request, "request_id"):
        one = await store.requests.one(request_id)
        entries = [one] if one is not None and _passes(one, filters) else []
        total, entries = len(entries), entries[(page - 1) * size :]
    else:
        skip = min((page - 1) * size, MOST_COUNTED)
        entries, total = await store.requests.stretch(filters, skip, size, MOST_COUNTED)
    names = {token.id: token.name for token in await store.tokens()}
    return answered({"logs": [_shown(entry, names) for entry in entries], "total": total})


async def detail(request: web.Request) -> web.Response:
    """`GET /api/logs/detail/{id}`: what a request asked and was answered, as long as that is kept."""
    desk, number = request.app[DESK], id_in(request)
    if desk.relay.bodies is not None:
        await desk.relay.bodies.flush()
    entry = await desk.store.requests.numbered(number)
    body = await desk.store.bodies.one(entry.request_id) if entry is not None else None
    if body is None:
        raise GatewayError(404, f"log {number}: record not found", code="not_found")
    return answered({
        "id": number, "log_id": number, "request_body": body.asked, "response_body": body.answered,
        "request_body_truncated": body.is_asked_cut, "response_body_truncated": body.is_answered_cut,
    })  # fmt: skip


def _filters(request: web.Request) -> Filters:
    code = text_asked(request, "code_type")
    if code not in _CODES:
        raise Refused("code_type", f"expected one of {', '.join(name for name in _CODES if name)}")
    end = time_asked(request, "end_timestamp")
    return Filters(
        channel_id=number_asked(request, "channel"),
        model=text_asked(request, "model_name"),
        failed=_CODES[code],
        from_ms=time_asked(request, "start_timestamp"),
        to_ms=end + 1 if end is not None else None,
    )


def _passes(entry: Entry, filters: Filters) -> bool:
    """Whether a request that was found by its id is among those asked for."""
    return (
        filters.channel_id in (None, entry.channel_id)
        and filters.model in (None, entry.model)
        and filters.failed in (None, has_failed(entry))
        and (filters.from_ms or 0) <= entry.at_ms
        and (filters.to_ms is None or entry.at_ms < filters.to_ms)
    )


def _shown(entry: Entry, names: Mapping[int, str]) -> dict[str, object]:
    shown = {
        "id": short_number(entry.request_id), "request_id": entry.request_id, "model": entry.model,
        "code": _code(entry), "content": entry.problem, "endpoint": f"/v1/{entry.endpoint}",
        "mode": _MODES.get(entry.endpoint, 0), "request_at": entry.at_ms,
        "created_at": entry.at_ms + entry.total_ms, "ttfb_milliseconds": entry.first_byte_ms or 0,
        "retry_times": max(0, entry.attempts - 1), "ip": entry.address, "token_id": entry.token_id,
        "token_name": names.get(entry.token_id, ""), "group": entry.group, "usage": _usage(entry),
        "used_amount": entry.cost / QUOTA_PER_DOLLAR,
    }  # fmt: skip
    return {**shown, "channel": entry.channel_id} if entry.channel_id else shown


def _code(entry: Entry) -> int:
    """Return 200 for exactly those that did not fail: clients take any other for a failure.

    An answer that broke off began with a 200, which is not what became of it.
    """
    if not has_failed(entry):
        return 200
    if entry.status >= 400:
        return entry.status
    return 499 if entry.error_type in ("client_left", "client_stalled") else 502


def _usage(entry: Entry) -> dict[str, int]:
    counts = entry.counts
    usage = {
        "input_tokens": counts.prompt_tokens, "output_tokens": counts.completion_tokens,
        "total_tokens": counts.prompt_tokens + counts.completion_tokens,
        "cached_tokens": counts.cached_tokens, "cache_creation_tokens": counts.cache_write_tokens,
        "reasoning_tokens": counts.reasoning_tokens, "image_input_tokens": counts.image_prompt_tokens,
        "audio_input_tokens": counts.audio_prompt_tokens,
        "image_output_tokens": counts.image_completion_tokens,
        "audio_output_tokens": counts.audio_completion_tokens,
    }  # fmt: skip
    return {name: count for name, count in usage.items() if count}
