"""What has happened: requests, and the audit trail."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ...billing.pricing import RATIO_ONE, Price
from ...billing.receipts import decimal, explain
from ...ledger.entry import Entry
from ...store.changes import Missing
from ...store.requests import Filters
from ..fields import Given, Id, Page, Rows, Seconds, Shown, Text, Word, paged
from ..operations import Call, Operations

log_operations = Operations("logs")
audit_operations = Operations("audit")


class LogFilters(Given, frozen=True, kw_only=True):
    """Which requests; times are those at which they arrived: `since` is within, `until` is not."""

    user_id: Id | None = None
    token_id: Id | None = None
    channel_id: Id | None = None
    model: Text | None = None
    failed: bool | None = None
    status: Annotated[int, Meta(ge=100, le=599)] | None = None
    since: Seconds | None = None
    until: Seconds | None = None


class LogQuery(LogFilters, frozen=True, kw_only=True):
    """Which requests of which page."""

    after: Annotated[str, Meta(pattern="^[0-9a-f]{24}$")] | None = None
    limit: Rows = 100


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


class TryShown(Shown, frozen=True, kw_only=True):
    """A channel that was asked. `outcome` is `ok`, what went wrong, `left` or `slower`; `cost` is ours."""

    channel_id: int
    outcome: str
    ms: int
    cost: int


class Bodies(Shown, frozen=True, kw_only=True):
    """The beginning of what was asked and answered; `..._cut` where there was more."""

    asked: str
    asked_cut: bool
    answered: str
    answered_cut: bool


class LogDetail(LogRow, frozen=True, kw_only=True):
    """A request with the sum that makes its cost, in lines for people.

    `queue_ms` is how long it waited for a place, its own or a channel's, before its channel was asked; it is
    part of `first_byte_ms` and `total_ms`.
    `tries` and `bodies` are for administrators. `tries` is empty where the first one was good; `bodies` is
    null where they are not kept, as they are for an hour, of requests that failed.
    """

    queue_ms: int
    usage: dict[str, int]
    usage_source: str
    price: str
    group_ratio: str
    channel_ratio: str
    charges: list[ChargeShown]
    answered_by: str
    flags: list[str]
    explanation: list[str]
    tries: list[TryShown]
    bodies: Bodies | None


@log_operations.get("/logs", "user")
async def list_logs(call: Call, query: LogQuery) -> Page[LogRow]:
    """List requests, newest first: one's own, for administrators all."""
    found, cursor = await call.desk.store.requests.page(filters_of(call, query), query.after, query.limit)
    return Page([log_row(call, entry) for entry in found], cursor)


@log_operations.get("/logs/{request_id}", "user")
async def show_log(call: Call, request_id: Word) -> LogDetail:
    """Show a request and what made its cost."""
    entry = await call.desk.store.requests.one(request_id)
    if entry is None or not (call.may("admin") or entry.user_id == call.actor.user_id):
        raise Missing(f"there is no request {request_id!r}")
    return LogDetail(
        **_row(call, entry),
        queue_ms=entry.queue_ms,
        usage=msgspec.structs.asdict(entry.counts),
        usage_source=entry.usage_source,
        price=entry.price,
        group_ratio=decimal(entry.group_ratio, RATIO_ONE),
        channel_ratio=decimal(entry.channel_ratio, RATIO_ONE),
        charges=[ChargeShown(account=one.account, quota=one.amount) for one in entry.charges],
        answered_by=entry.answered_by,
        flags=list(entry.flags),
        explanation=explain(entry, await _price(call, entry)),
        tries=_tries(entry) if call.may("admin") else [],
        bodies=await _bodies(call, request_id) if call.may("admin") else None,
    )


def filters_of(call: Call, query: LogFilters) -> Filters:
    """Return which requests are asked for, of those that who asks may see."""
    return Filters(
        user_id=query.user_id if call.may("admin") else call.actor.user_id,
        token_id=query.token_id, channel_id=query.channel_id, model=query.model, failed=query.failed,
        status=query.status, from_ms=_ms(query.since), to_ms=_ms(query.until),
    )  # fmt: skip


def log_row(call: Call, entry: Entry) -> LogRow:
    """Return a request as it is listed."""
    return LogRow(**_row(call, entry))


def _tries(entry: Entry) -> list[TryShown]:
    return [
        TryShown(channel_id=one.channel_id, outcome=one.outcome, ms=one.milliseconds, cost=one.cost)
        for one in entry.tries
    ]


async def _bodies(call: Call, request_id: str) -> Bodies | None:
    body = await call.desk.store.bodies.one(request_id)
    if body is None:
        return None
    return Bodies(
        asked=body.asked, asked_cut=body.is_asked_cut, answered=body.answered,
        answered_cut=body.is_answered_cut,
    )  # fmt: skip


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
