"""The call log of another gateway, as history: it is shown and summed here, and nobody is charged for it.

One API keeps a token's name and not its number, so a request there belongs to the user's token of that name.
How far the log was brought is kept with it, so that the next time only what is newer comes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ..ledger.entry import Counts, Entry
from ..store.database import Row
from ..store.imports import Known
from ..store.source import Source
from ..store.store import Store
from .plan import Plan, Progress, quiet
from .values import milliseconds, quota_of, text, whole

Kind = Literal["oneapi", "newapi", "aiproxy"]

_ONE_API = ("id", "user_id", "created_at", "type", "token_id", "token_name", "model_name", "quota",
            "prompt_tokens", "completion_tokens", "channel_id", "elapsed_time", "use_time", "is_stream",
            "group", "content", "ip")  # fmt: skip
_AI_PROXY = ("id", "request_at", "created_at", "ttfb_milliseconds", "group_id", "token_id", "model",
             "channel_id", "code", "endpoint", "content", "ip", "retry_times", "input_tokens",
             "output_tokens", "cached_tokens", "cache_creation_tokens", "reasoning_tokens",
             "used_amount")  # fmt: skip

_CONSUMED, _FAILED = 2, 5
_AT_ONCE = 2000
_FIRST_MS = 1_420_070_400_000
"""2015, before which none of these gateways was there: an older time is none."""
_DAY_MS = 86_400_000
_PRICE = "imported"


@dataclass(frozen=True, slots=True)
class Ours:
    """Our numbers for the source's: users and channels by theirs, tokens by theirs and by user and name."""

    known: Known
    names: Mapping[tuple[str, str], int]

    def number(self, kind: str, source_id: object) -> int:
        """Return our number, 0 for what did not come."""
        return self.known.get((kind, text(source_id)), 0)

    def token(self, user: object, number: object, name: object) -> int:
        """Return our number of a token."""
        return self.number("token", number) or self.names.get((text(user), text(name)), 0)


async def bring_logs(
    store: Store, source: Source, kind: Kind, plan: Plan, now: int, progress: Progress = quiet
) -> tuple[int, int]:
    """Bring what is new of the call log, after the plan was applied.

    Returns how many requests came, and how many rows are none: top-ups, tests, times that make no sense.
    """
    known = await store.imports.known(plan.source)
    names = {(token.user, token.row.name): known.get(("token", token.source_id), 0) for token in plan.tokens}
    ours = Ours(known, names)
    at = await store.imports.begin_logs(plan.source, now)
    total, came, skipped = await source.count("logs", at), 0, 0
    columns = _AI_PROXY if kind == "aiproxy" else _ONE_API
    async for rows in source.pages("logs", columns, at, _AT_ONCE):
        entries = list(_entries(kind, plan.source, rows, ours, now * 1000 + _DAY_MS))
        last = whole(rows[-1]["id"])
        await store.imports.bring_logs(plan.source, entries, at, last)
        at, came, skipped = last, came + len(entries), skipped + len(rows) - len(entries)
        progress("call log", came + skipped, total)
    return came, skipped


def _entries(kind: Kind, source: str, rows: Iterable[Row], ours: Ours, until_ms: int) -> Iterable[Entry]:
    made = _of_ai_proxy if kind == "aiproxy" else _of_one_api
    found = [entry for row in rows if (entry := made(source, row, ours)) is not None]
    return sorted((one for one in found if _FIRST_MS <= one.at_ms < until_ms), key=lambda one: one.at_ms)


def _request_id(source: str, row: Row, at_ms: int) -> str:
    tail = hashlib.blake2b(f"{source} {row['id']}".encode(), digest_size=6).hexdigest()
    return f"{max(0, at_ms):012x}{tail}"


def _positive(value: object) -> int:
    return max(0, whole(value))


def _of_one_api(source: str, row: Row, ours: Ours) -> Entry | None:
    kind = whole(row["type"])
    if kind not in (_CONSUMED, _FAILED):
        return None
    user = ours.number("user", row["user_id"])
    if kind == _FAILED and not user:
        return None  # One API's type 5 is a test of a channel, New API's a request that failed
    took_ms = _positive(row["elapsed_time"]) or 1000 * _positive(row["use_time"])
    at_ms = milliseconds(whole(row["created_at"])) - took_ms
    cost = _positive(row["quota"])
    failed = kind == _FAILED
    return Entry(
        request_id=_request_id(source, row, at_ms),
        at_ms=at_ms,
        user_id=user,
        token_id=ours.token(row["user_id"], row["token_id"], row["token_name"]),
        group=text(row["group"]),
        channel_id=ours.number("channel", row["channel_id"]) or None,
        endpoint="",
        model=text(row["model_name"]),
        upstream_model="",
        stream=bool(whole(row["is_stream"])),
        status=502 if failed else 200,
        counts=Counts(_positive(row["prompt_tokens"]), _positive(row["completion_tokens"])),
        usage_source="provider",
        cost=cost,
        charged=cost,
        price=_PRICE,
        first_byte_ms=None,
        total_ms=took_ms,
        attempts=1,
        address=text(row["ip"]),
        error_type="upstream_error" if failed else "",
        problem=text(row["content"]) if failed else "",
    )


def _of_ai_proxy(source: str, row: Row, ours: Ours) -> Entry | None:
    ended_ms = milliseconds(row["created_at"])
    at_ms = milliseconds(row["request_at"]) or ended_ms
    code = whole(row["code"], 200)
    cost = max(0, quota_of(row["used_amount"]))
    first_ms = _positive(row["ttfb_milliseconds"])
    return Entry(
        request_id=_request_id(source, row, at_ms),
        at_ms=at_ms,
        user_id=ours.number("user", row["group_id"]),
        token_id=ours.number("token", row["token_id"]),
        group="",
        channel_id=ours.number("channel", row["channel_id"]) or None,
        endpoint=text(row["endpoint"]).removeprefix("/v1/"),
        model=text(row["model"]),
        upstream_model="",
        stream=False,
        status=code if 100 <= code < 600 else 500,
        counts=Counts(
            _positive(row["input_tokens"]),
            _positive(row["output_tokens"]),
            _positive(row["cached_tokens"]),
            _positive(row["cache_creation_tokens"]),
            _positive(row["reasoning_tokens"]),
        ),
        usage_source="provider",
        cost=cost,
        charged=cost,
        price=_PRICE,
        first_byte_ms=first_ms or None,
        total_ms=max(0, ended_ms - at_ms),
        attempts=1 + _positive(row["retry_times"]),
        address=text(row["ip"]),
        error_type="" if code < 400 else "upstream_error",
        problem="" if code < 400 else text(row["content"]),
    )
