"""The call log and changes of balances, as One API's log has them: by type, page and filters.

Types: 1 top-ups and codes, 2 requests that succeeded, 3 a balance that was set, 4 gifts; 0 is all requests,
also those that failed. What a row's `id` is there, a number, is here when the request came, in milliseconds;
`request_id` is exact. Reading deep pages is refused: the time of the filters brings a reader there faster.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from ...ledger.entry import Entry
from ...manage.refused import Refused
from ...records import User
from ...store import Store, StoreError
from ...store.requests import Filters
from ...store.rollups import By, Span
from .visit import PER_PAGE, Visit

_ALL, _TOP_UP, _CONSUME, _MANAGE, _SYSTEM = 0, 1, 2, 3, 4
_KINDS: Mapping[int, tuple[str, ...]] = {_TOP_UP: ("topup", "code"), _MANAGE: ("set",), _SYSTEM: ("gift",)}
_MOST_FOUND = 100
_DEEPEST_PAGE = 500
_MOST_TOKENS = 100
_HOUR_S, _DAY_S = 3600, 86_400


async def list_page(visit: Visit) -> object:
    """`GET /api/log/`: ten rows, newest first."""
    return await _page(visit, None)


async def list_own(visit: Visit) -> object:
    """`GET /api/log/self`: the same of the caller."""
    return await _page(visit, await visit.me())


async def stat(visit: Visit) -> object:
    """`GET /api/log/stat`: what the requests of the filters were charged."""
    return await _sum(visit, None)


async def stat_own(visit: Visit) -> object:
    """`GET /api/log/self/stat`: the same of the caller."""
    return await _sum(visit, await visit.me())


async def search(visit: Visit) -> object:
    """`GET /api/log/search`: the latest requests of this id, or for this model."""
    return await _search(visit, None)


async def search_own(visit: Visit) -> object:
    """`GET /api/log/self/search`: the same of the caller."""
    return await _search(visit, await visit.me())


async def remove(visit: Visit) -> object:
    """`DELETE /api/log/`: not here: the log is what balances are proved by."""
    raise StoreError("the call log is kept as long as ledger.keep_days says, and cannot be deleted")


async def _page(visit: Visit, own: User | None) -> object:
    kind, names = visit.number("type"), await _Names.of(visit.desk.store)
    if visit.page > _DEEPEST_PAGE:
        raise Refused("p", f"expected at most {_DEEPEST_PAGE}; narrow the time instead")
    most = (visit.page + 1) * PER_PAGE
    if kind in _KINDS:
        user = own.id if own else names.user_id(visit.query("username"))
        rows = await visit.desk.store.accounts.latest(_KINDS[kind], most, user) if user != _NOBODY else []
        return [_change_json(row, kind, names) for row in visit.paged(rows)]
    if kind not in (_ALL, _CONSUME):
        return []
    found: list[Entry] = []
    for filters in await _filters(visit, own, names):
        if kind == _CONSUME:
            filters = msgspec.structs.replace(filters, failed=False)
        found += (await visit.desk.store.requests.page(filters, None, most))[0]
    found.sort(key=lambda entry: entry.request_id, reverse=True)
    return [_entry_json(entry, names, is_own=own is not None) for entry in visit.paged(found)]


async def _search(visit: Visit, own: User | None) -> object:
    word, requests, names = (
        visit.query("keyword"),
        visit.desk.store.requests,
        await _Names.of(visit.desk.store),
    )
    one = await requests.one(word)
    if one is not None:
        entries = [one] if own is None or one.user_id == own.id else []
    else:
        filters = Filters(user_id=own.id if own else None, model=word or None)
        entries, _ = await requests.page(filters, None, _MOST_FOUND)
    return [_entry_json(entry, names, is_own=own is not None) for entry in entries]


async def _sum(visit: Visit, own: User | None) -> object:
    """Sums are by the hour: those hours count that have begun in the time of the filters."""
    first, last = visit.number("start_timestamp"), visit.number("end_timestamp") or int(time.time()) + _DAY_S
    span: Span = "day" if not first % _DAY_S and not visit.number("end_timestamp") else "hour"
    quota = 0
    for filters in await _filters(visit, own, await _Names.of(visit.desk.store)):
        names = ("user_id", "token_id", "channel_id", "model")
        only = {name: value for name in names if (value := getattr(filters, name)) is not None}
        if "channel_id" in only and ("user_id" in only or "token_id" in only):
            raise Refused("channel", "there are no sums of a channel and a user or token together")
        start = first if span == "day" else first // _HOUR_S * _HOUR_S
        totals = await visit.desk.store.requests.totals(
            span, start, last, only=cast("dict[By, int | str]", only), over_time=False
        )
        quota += sum(total.charged for total in totals)
    return {"quota": quota}


async def _filters(visit: Visit, own: User | None, names: _Names) -> list[Filters]:
    """Return the filters of a query, one for each token of its name; none where a name is nobody's."""
    since, until = visit.number("start_timestamp"), visit.number("end_timestamp")
    user_id = own.id if own else names.user_id(visit.query("username"))
    common = Filters(
        user_id=user_id,
        channel_id=visit.number("channel") or None if own is None else None,
        model=visit.query("model_name") or None,
        from_ms=since * 1000 if since > 0 else None,
        to_ms=(until + 1) * 1000 if until > 0 else None,
    )
    word = visit.query("token_name")
    if user_id == _NOBODY:
        return []
    if not word:
        return [common]
    found = [
        number for number, (name, owner) in names.tokens.items() if name == word and user_id in (None, owner)
    ]
    return [msgspec.structs.replace(common, token_id=number) for number in found[:_MOST_TOKENS]]


_NOBODY = -1


class _Names(msgspec.Struct, frozen=True):
    """Names of users, and of tokens with whose they are, by id."""

    users: dict[int, str]
    tokens: dict[int, tuple[str, int]]

    @classmethod
    async def of(cls, store: Store) -> _Names:
        users = {user.id: user.name for user in await store.users()}
        return cls(users, {token.id: (token.name, token.user_id) for token in await store.tokens()})

    def user_id(self, name: str) -> int | None:
        """Return whose name this is: None for an empty one, no id at all for nobody's."""
        if not name:
            return None
        return next((number for number, other in self.users.items() if other == name), _NOBODY)


def _entry_json(entry: Entry, names: _Names, *, is_own: bool) -> dict[str, object]:
    return {
        "id": 0 if is_own else entry.at_ms, "user_id": entry.user_id, "created_at": entry.at_ms // 1000,
        "type": _CONSUME, "content": entry.error_type or f"price {entry.price}",
        "username": names.users.get(entry.user_id, ""),
        "token_name": names.tokens.get(entry.token_id, ("", 0))[0],
        "model_name": entry.model, "quota": entry.charged, "prompt_tokens": entry.counts.prompt_tokens,
        "completion_tokens": entry.counts.completion_tokens, "channel": entry.channel_id or 0,
        "request_id": entry.request_id, "elapsed_time": entry.total_ms, "is_stream": entry.stream,
        "system_prompt_reset": False,
    }  # fmt: skip


def _change_json(row: Mapping[str, Any], kind: int, names: _Names) -> dict[str, object]:
    user_id = int(str(row["account"]).partition(":")[2])
    return {
        "id": int(row["id"]), "user_id": user_id, "created_at": int(row["at"]), "type": kind,
        "content": f"{row['kind']} by {row['actor']}: {row['note']}".rstrip(": "),
        "username": names.users.get(user_id, ""), "token_name": "", "model_name": "",
        "quota": int(row["amount"]), "prompt_tokens": 0, "completion_tokens": 0, "channel": 0,
        "request_id": "",
        "elapsed_time": 0, "is_stream": False, "system_prompt_reset": False,
    }  # fmt: skip
