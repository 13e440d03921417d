"""Redemption codes, for administrators. A code is in the answer that makes it, and in no other."""

from __future__ import annotations

import time
from dataclasses import replace

from ...manage.refused import Refused
from ...records import DISABLED, ENABLED
from ...store import StoreError
from ...store.codes import USED, Code
from .visit import Visit

_NUMBERS = {ENABLED: 1, DISABLED: 2, USED: 3}
_HIDDEN = "*" * 32
_MOST_AT_ONCE = 100


async def list_page(visit: Visit) -> object:
    """`GET /api/redemption/`: ten codes, newest first."""
    return visit.paged(await _all(visit))


async def search(visit: Visit) -> object:
    """`GET /api/redemption/search`: codes whose id is the keyword, or whose name begins with it."""
    word = visit.query("keyword")
    return [
        code for code in await _all(visit) if str(code["id"]) == word or str(code["name"]).startswith(word)
    ]


async def get(visit: Visit) -> object:
    """`GET /api/redemption/{id}`."""
    return _json(await _found(visit, visit.id))


async def create(visit: Visit) -> object:
    """`POST /api/redemption/`: up to a hundred codes; returns them."""
    fields = await visit.fields()
    name, count = fields.text("name"), fields.whole("count", 1)
    if not name:
        raise Refused("name", "expected a name")
    if not 0 < count <= _MOST_AT_ONCE:
        raise Refused("count", f"expected 1 to {_MOST_AT_ONCE}")
    quota = fields.whole("quota") or 100  # One API's own default
    codes = await visit.desk.store.codes.create(name, quota, count, None, int(time.time()))
    await visit.did("create codes", "codes", name=name, quota=quota, count=count)
    return codes


async def update(visit: Visit) -> object:
    """`PUT /api/redemption/`: name and quota, or with `status_only` the status. A used code stays."""
    fields = await visit.fields()
    code = await _found(visit, fields.whole("id"))
    if visit.query("status_only"):
        status = {1: ENABLED, 2: DISABLED}.get(fields.whole("status"))
        if status is None:
            raise Refused("status", "expected 1 (enabled) or 2 (disabled)")
        code = replace(code, status=status)
    else:
        name, quota = fields.text("name", code.name), fields.whole("quota", code.quota)
        code = replace(code, name=name, quota=quota)
    await visit.desk.store.codes.change(code)
    await visit.did("change code", f"code:{code.id}", name=code.name, quota=code.quota, status=code.status)
    return _json(code)


async def remove(visit: Visit) -> object:
    """`DELETE /api/redemption/{id}`."""
    await visit.desk.store.codes.remove(visit.id)
    await visit.did("delete code", f"code:{visit.id}")
    return None


async def _all(visit: Visit) -> list[dict[str, object]]:
    return [_json(code) for code in reversed(await visit.desk.store.codes.list())]


async def _found(visit: Visit, number: int) -> Code:
    found = next((code for code in await visit.desk.store.codes.list() if code.id == number), None)
    if found is None:
        raise StoreError(f"there is no code {number}")
    return found


def _json(code: Code) -> dict[str, object]:
    return {
        "id": code.id, "user_id": code.redeemed_by or 0, "key": _HIDDEN,
        "status": _NUMBERS.get(code.status, 2),
        "name": code.name, "quota": code.quota, "created_time": code.created_at,
        "redeemed_time": code.redeemed_at or 0, "count": 0,
    }  # fmt: skip
