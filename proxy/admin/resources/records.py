"""What has happened: requests, their sums, and the audit trail."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ...errors import GatewayError
from ...ledger.entry import Entry
from ...manage.refused import Refused
from ...pricing import RATIO_ONE, Price
from ...receipts import decimal, explain
from ...store.changes import Missing
from ...store.requests import Filters
from ...store.rollups import SPANS, By, Total
from ..fields import Given, Id, Page, Rows, Seconds, Shown, Text, Word, paged
from ..operations import Call, Operations

log_operations = Operations("logs")
usage_operations = Operations("usage")
audit_operations = Operations("audit")

_DAY_S = 86_400
_MOST_ROWS = 20_000
_BY: dict[str, By] = {"model": "model", "token": "token_id", "user": "user_id", "channel": "channel_id"}


class LogQuery(Given, frozen=True, kw_only=True):
    """Which requests; times are those at which they arrived: `since` is within, `until` is not."""

    after: Annotated[str, Meta(pattern="^[0-9a-f]{24}$")] | None = None
    limit: Rows = 100
    user_id: Id | None = None
    token_id: Id | None = None
    channel_id: Id | None = None
    model: Text | None = None
    failed: bool | None = None
    status: Annotated[int, Meta(ge=100, le=599)] | None = None
    since: Seconds | None = None
    until: Seconds | None = None


class LogRow(Shown, frozen=True, kw_only=True):
    """A request. `cost` and `charged` are quota; `status` is 499 where the client left."""

    request_id: str
    at_ms: int
    user_id: int
    token_id: int
    group: str
    channel_id: int | None
    endpoint: str
    model: str
    upstream_model: str
    stream: bool
    status: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost: int
    charged: int
    first_byte_ms: int | None
    total_ms: int
    attempts: int
    address: str
    error_type: str
    problem: str | None


class ChargeShown(Shown, frozen=True, kw_only=True):
    """What an account gave."""

    account: str
    quota: int


class LogDetail(LogRow, frozen=True, kw_only=True):
    """A request with the sum that makes its cost, in lines for people."""

    usage: dict[str, int]
    usage_source: str
    price: str
    group_ratio: str
    channel_ratio: str
    charges: list[ChargeShown]
    answered_by: str
    flags: list[str]
    explanation: list[str]


@log_operations.get("/logs", "user")
async def list_logs(call: Call, query: LogQuery) -> Page[LogRow]:
    """List requests, newest first: one's own, for administrators all."""
    filters = Filters(
        user_id=query.user_id if call.may("admin") else call.actor.user_id,
        token_id=query.token_id, channel_id=query.channel_id, model=query.model, failed=query.failed,
        status=query.status, from_ms=_ms(query.since), to_ms=_ms(query.until),
    )  # fmt: skip
    found, cursor = await call.desk.store.requests.page(filters, query.after, query.limit)
    return Page([LogRow(**_row(call, entry)) for entry in found], cursor)


@log_operations.get("/logs/{request_id}", "user")
async def show_log(call: Call, request_id: Word) -> LogDetail:
    """Show a request and what made its cost."""
    entry = await call.desk.store.requests.one(request_id)
    if entry is None or not (call.may("admin") or entry.user_id == call.actor.user_id):
        raise Missing(f"there is no request {request_id!r}")
    return LogDetail(
        **_row(call, entry),
        usage=msgspec.structs.asdict(entry.counts),
        usage_source=entry.usage_source,
        price=entry.price,
        group_ratio=decimal(entry.group_ratio, RATIO_ONE),
        channel_ratio=decimal(entry.channel_ratio, RATIO_ONE),
        charges=[ChargeShown(account=one.account, quota=one.amount) for one in entry.charges],
        answered_by=entry.answered_by,
        flags=list(entry.flags),
        explanation=explain(entry, await _price(call, entry)),
    )


def _ms(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * 1000


def _row(call: Call, entry: Entry) -> dict[str, Any]:
    counts = entry.counts
    return {
        "request_id": entry.request_id, "at_ms": entry.at_ms, "user_id": entry.user_id,
        "token_id": entry.token_id, "group": entry.group, "channel_id": entry.channel_id,
        "endpoint": entry.endpoint, "model": entry.model, "upstream_model": entry.upstream_model,
        "stream": entry.stream, "status": entry.status, "prompt_tokens": counts.prompt_tokens,
        "completion_tokens": counts.completion_tokens, "cached_tokens": counts.cached_tokens,
        "cost": entry.cost, "charged": entry.charged, "first_byte_ms": entry.first_byte_ms,
        "total_ms": entry.total_ms, "attempts": entry.attempts, "address": entry.address,
        "error_type": entry.error_type,
        # It is written for operators.
        "problem": entry.problem if call.may("admin") else None,
    }  # fmt: skip


async def _price(call: Call, entry: Entry) -> Price | None:
    """Return the price a request had, if it is still the one in force."""
    channel = await call.desk.store.channel(entry.channel_id) if entry.channel_id else None
    adapter = channel.type if channel is not None else ""
    price = call.desk.live.snapshot.prices.find(entry.model, entry.upstream_model, adapter)
    return price if price is not None and price.name == entry.price else None


class UsageQuery(Given, frozen=True, kw_only=True):
    """What to add up, from `since` until before `until`: by what, and for each hour or day of the time (UTC).

    Without `since` it is the last seven days. There are no sums by channel of one user or token.
    """

    by: Literal["model", "token", "user", "channel"] | None = None
    span: Literal["hour", "day"] | None = None
    since: Seconds | None = None
    until: Seconds | None = None
    user_id: Id | None = None
    token_id: Id | None = None
    channel_id: Id | None = None
    model: Text | None = None


class Sum(Shown, frozen=True, kw_only=True):
    """What was used. `first_byte_ms` is the sum over `first_bytes` requests, `total_ms` over all of them."""

    starts_at: int | None
    user_id: int | None
    token_id: int | None
    channel_id: int | None
    model: str | None
    requests: int
    failures: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost: int
    charged: int
    first_bytes: int
    first_byte_ms: int
    total_ms: int


@usage_operations.get("/usage", "user")
async def show_usage(call: Call, query: UsageQuery) -> Page[Sum]:
    """Add up what was used and spent: by oneself, for administrators by all."""
    now = int(time.time())
    since = query.since if query.since is not None else now - 7 * _DAY_S
    until = query.until if query.until is not None else now + _DAY_S
    span = query.span or ("hour" if until - since <= 62 * _DAY_S else "day")
    if query.span and (until - since) // SPANS[span] > _MOST_ROWS:
        raise Refused("since", f"more than {_MOST_ROWS} {span}s: ask for a shorter time")
    try:
        found = await call.desk.store.requests.totals(
            span, since - since % SPANS[span], until, only=_only(call, query),
            group_by=(_BY[query.by],) if query.by else (), over_time=query.span is not None,
        )  # fmt: skip
    except ValueError as exc:
        raise GatewayError(400, str(exc), code="invalid_value", param="by") from None
    if len(found) > _MOST_ROWS:
        raise Refused("since", f"more than {_MOST_ROWS} rows: ask for a shorter time")
    return Page([_sum(total) for total in found])


def _only(call: Call, query: UsageQuery) -> dict[By, int | str]:
    user_id = query.user_id if call.may("admin") else call.actor.user_id
    given: dict[By, int | str | None] = {
        "user_id": user_id, "token_id": query.token_id, "channel_id": query.channel_id, "model": query.model,
    }  # fmt: skip
    return {name: value for name, value in given.items() if value is not None}


def _sum(total: Total) -> Sum:
    return Sum(**msgspec.structs.asdict(total))


class AuditQuery(Given, frozen=True, kw_only=True):
    """Which changes: by whom, of what (`channel:3`)."""

    after: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None
    limit: Rows = 100
    actor: Word | None = None
    subject: Word | None = None


class Act(Shown, frozen=True, kw_only=True):
    """A change: when, by whom and from where, what was done (the operation's name) to what, and how."""

    id: int
    at: int
    actor: str
    act: str
    subject: str
    address: str
    detail: dict[str, Any]


@audit_operations.get("/audit", "root")
async def list_audit(call: Call, query: AuditQuery) -> Page[Act]:
    """List the changes that were made here, newest first."""
    found = await call.desk.store.trail.page(
        query.after or 2**63 - 1, query.limit + 1, query.actor, query.subject
    )
    rows = [
        Act(
            id=one.id, at=one.at, actor=one.actor, act=one.act, subject=one.subject, address=one.address,
            detail=dict(one.detail),
        )
        for one in found
    ]  # fmt: skip
    return paged(rows, [row.id for row in rows], query.limit)
