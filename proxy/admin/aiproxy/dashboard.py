"""What channels did for models over time: AI Proxy's second dashboard.

Spans begin at the minute, hour or day as it is in the client's time zone, since clients look for them there.
Where the time asked for has few enough requests, the log itself is summed, which knows everything. Where it
has more, the hourly sums are taken; the busiest minute is then the least it can have been, and answers from a
provider's cache are not counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aiohttp import web

from ...billing.money import QUOTA_PER_DOLLAR
from ...manage.refused import Refused
from ...store.peaks import Peak
from ...store.requests import Requests
from ...store.rollups import By, Total
from ..site import DESK
from .asked import answered, number_asked, text_asked, time_asked

MOST_FROM_LOG = 200_000
"""Requests that are summed one by one."""

_MINUTE_S, _QUARTER_S, _HOUR_S, _DAY_S = 60, 900, 3600, 86_400
_DEFAULT_DAYS = 7
_MOST = frozenset({"most_requests", "most_tokens"})
_KEYS = frozenset({"starts_at", "channel_id", "model"})
_SUMS = tuple(name for name in Peak.__struct_fields__ if name not in _KEYS)

Floor = Callable[[int], int]


async def figures(request: web.Request) -> web.Response:
    """`GET /api/dashboardv2/`: for each span, what each channel did for each model."""
    end_ms = time_asked(request, "end_timestamp") or int(time.time() * 1000)
    start_ms = time_asked(request, "start_timestamp") or end_ms - _DEFAULT_DAYS * _DAY_S * 1000
    floor, step_s = _spans(text_asked(request, "timespan"), _zone(text_asked(request, "timezone")))
    channel, model = number_asked(request, "channel"), text_asked(request, "model")
    only: dict[By, int | str] = {}
    if channel is not None:
        only["channel_id"] = channel
    if model is not None:
        only["model"] = model
    requests = request.app[DESK].store.requests
    peaks = await _peaks(requests, floor(start_ms // 1000), end_ms // 1000 + 1, step_s, only)
    return answered(_by_span(peaks, floor))


async def _peaks(
    requests: Requests, from_s: int, to_s: int, step_s: int, only: Mapping[By, int | str]
) -> Iterable[Peak]:
    first = from_s - from_s % _HOUR_S
    if step_s > _MINUTE_S:
        total = await requests.totals("hour", first, to_s, only=dict(only), over_time=False)
        if total and total[0].requests > MOST_FROM_LOG:
            found = await requests.totals(
                "hour", first, to_s, only=dict(only), group_by=("channel_id", "model")
            )
            return [_from_sums(one) for one in found if one.channel_id]
    return await requests.peaks(from_s * 1000, to_s * 1000, step_s, only)


def _from_sums(total: Total) -> Peak:
    good = total.requests - total.failures
    tokens = total.prompt_tokens + total.completion_tokens
    minutes = _HOUR_S // _MINUTE_S
    return Peak(
        starts_at=total.starts_at or 0,
        channel_id=total.channel_id or 0,
        model=total.model or "",
        requests=total.requests,
        failures=total.failures,
        prompt_tokens=total.prompt_tokens,
        completion_tokens=total.completion_tokens,
        cached_tokens=total.cached_tokens,
        cost=total.cost,
        cache_hits=0,
        good_ms=total.total_ms * good // max(1, total.requests),
        good_first_byte_ms=total.first_byte_ms * good // max(1, total.first_bytes),
        most_requests=-(-total.requests // minutes),
        most_tokens=-(-tokens // minutes),
    )


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused("timezone", "expected a name like Asia/Shanghai") from None


def _spans(name: str | None, zone: ZoneInfo) -> tuple[Floor, int]:
    """Return what gives the beginning of a time's span, and the steps in which the log is summed for it.

    Zones differ from UTC by whole quarters of an hour.
    """

    def local(at: int) -> datetime:
        return datetime.fromtimestamp(at, zone)

    def hour(at: int) -> int:
        there = local(at)
        return at - 60 * there.minute - there.second

    def day(at: int) -> int:
        return int(local(at).replace(hour=0, minute=0, second=0, fold=0).timestamp())

    def month(at: int) -> int:
        return int(local(at).replace(day=1, hour=0, minute=0, second=0, fold=0).timestamp())

    known: dict[str | None, Floor] = {"hour": hour, "day": day, "month": month}
    if name in known:
        return known[name], _QUARTER_S
    return (lambda at: at - at % _MINUTE_S), _MINUTE_S


def _by_span(peaks: Iterable[Peak], floor: Floor) -> list[dict[str, object]]:
    spans: dict[int, dict[tuple[int, str], dict[str, int]]] = {}
    for peak in peaks:
        sums = spans.setdefault(floor(peak.starts_at), {}).setdefault((peak.channel_id, peak.model), {})
        for name in _SUMS:
            value = getattr(peak, name)
            sums[name] = max(sums.get(name, 0), value) if name in _MOST else sums.get(name, 0) + value
    return [
        {"timestamp": at, "summary": [_item(*key, sums) for key, sums in sorted(spans[at].items())]}
        for at in sorted(spans)
    ]


def _item(channel_id: int, model: str, sums: Mapping[str, int]) -> dict[str, object]:
    prompt, completion = sums["prompt_tokens"], sums["completion_tokens"]
    return {
        "channel_id": channel_id, "model": model, "request_count": sums["requests"],
        "exception_count": sums["failures"], "used_amount": sums["cost"] / QUOTA_PER_DOLLAR,
        "input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion,
        "cached_tokens": sums["cached_tokens"], "total_time_milliseconds": sums["good_ms"],
        "total_ttfb_milliseconds": sums["good_first_byte_ms"], "max_rpm": sums["most_requests"],
        "max_tpm": sums["most_tokens"], "cache_hit_count": sums["cache_hits"],
    }  # fmt: skip
