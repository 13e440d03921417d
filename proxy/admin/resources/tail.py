"""Requests as they end, while one watches."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from typing import Annotated

from msgspec import Meta

from ...access_log import Record
from ..fields import Given, Id, Shown, Text
from ..operations import Call, Operations
from ..streams import EVENTS, Stream, event

operations = Operations("logs")

_LONGEST_S = 900
_ALIVE_EVERY_S = 10.0
_LOOK_EVERY_S = 1.0


class TailQuery(Given, frozen=True, kw_only=True):
    """Which requests, and for how many seconds at most."""

    user_id: Id | None = None
    token_id: Id | None = None
    channel_id: Id | None = None
    model: Text | None = None
    failed: bool | None = None
    for_s: Annotated[int, Meta(ge=1, le=_LONGEST_S)] = _LONGEST_S


class TailRow(Shown, frozen=True, kw_only=True):
    """A request that has ended; its fields are those of the log. `user_id` is null where no key was good."""

    request_id: str
    at_ms: int
    user_id: int | None
    token_id: int | None
    channel_id: int | None
    endpoint: str
    model: str
    stream: bool
    status: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost: int
    first_byte_ms: int | None
    total_ms: int
    attempts: int
    error_type: str
    problem: str | None


class Missed(Shown, frozen=True, kw_only=True):
    """How many requests were too many to be shown: the data of the event `missed`."""

    missed: int


@operations.follow("/logs/tail", "user", EVENTS)
async def tail_logs(call: Call, query: TailQuery) -> Stream[TailRow]:
    """Show requests as they end in the gateway that answers: one's own, for administrators all.

    It ends after `for_s`; a browser's EventSource asks again by itself. An event `missed` says that
    there were more than could be shown.
    """
    return Stream(_events(call, query), EVENTS)


async def _events(call: Call, query: TailQuery) -> AsyncGenerator[bytes, None]:
    relay, is_wanted, until = call.desk.relay, _wanted(call, query), time.monotonic() + query.for_s
    with relay.access_log.watchers.one() as watcher:
        yield b"retry: 2000\n\n"
        alive_at = time.monotonic()
        while not relay.draining and (now := time.monotonic()) < until:
            records, missed = await watcher.wait(min(_LOOK_EVERY_S, until - now))
            events = [event(_row(call, record)) for record in records if is_wanted(record)]
            if missed:
                events.append(event(Missed(missed=missed), "missed"))
            if now - alive_at > _ALIVE_EVERY_S:
                events.append(b": alive\n\n")
            if events:
                alive_at = now
                yield b"".join(events)


def _wanted(call: Call, query: TailQuery) -> Callable[[Record], bool]:
    user_id = query.user_id if call.may("admin") else call.actor.user_id

    def is_wanted(record: Record) -> bool:
        who, channel = record.principal, record.channel
        return (
            (user_id is None or (who is not None and who.user.id == user_id))
            and (query.token_id is None or (who is not None and who.token.id == query.token_id))
            and (query.channel_id is None or (channel is not None and channel.row.id == query.channel_id))
            and query.model in (None, record.model)
            and query.failed in (None, _has_failed(record))
        )

    return is_wanted


def _has_failed(record: Record) -> bool:
    return not 0 < record.status < 400 or bool(record.error_type)


def _row(call: Call, record: Record) -> TailRow:
    who, usage, first = record.principal, record.usage, record.first_byte_at
    return TailRow(
        request_id=record.request_id,
        at_ms=int(record.request_id[:12], 16),
        user_id=who.user.id if who else None,
        token_id=who.token.id if who else None,
        channel_id=record.channel.row.id if record.channel else None,
        endpoint=record.endpoint,
        model=record.model,
        stream=record.stream,
        status=record.status or 499,
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
        cached_tokens=usage.cached_tokens if usage else 0,
        cost=record.cost,
        first_byte_ms=round(1000 * (first - record.received_at)) if first else None,
        total_ms=round(1000 * (record.ended_at - record.received_at)),
        attempts=record.attempts,
        error_type=record.error_type,
        problem=record.problem if call.may("admin") else None,
    )
