"""What failed requests (by a setting all) asked and were answered, for administrators who look for reasons.

Requests are noted as they end and written together. Of a long body the beginning is kept; a header, and so a
key, never is. The answer to a request that failed is kept as what went wrong, in the provider's words.
"""

from __future__ import annotations

import logging
import time

import orjson

from ..access_log import Record
from ..store import DatabaseError
from ..store.bodies import Bodies, Body
from ..tasks import Owner
from ..wire.asked import Asked
from .transfer import Transfer

log = logging.getLogger(__name__)

MOST_BYTES = 8192
"""Kept of each body."""

_EVERY_S, _DROP_EVERY_S = 0.5, 60.0
_MOST_WAITING = 500


class BodyLog:
    """Keeps bodies for `keep_s`. An async context manager; leaving it writes what waits."""

    def __init__(self, bodies: Bodies, keep_s: float, *, keep_all: bool) -> None:
        self._bodies = bodies
        self._keep_s = keep_s
        self._owner = Owner()
        self._waiting: list[Body] = []
        self.keep_all = keep_all

    async def __aenter__(self) -> BodyLog:
        self._owner.repeat(self.flush, _EVERY_S, "bodies of requests")
        self._owner.repeat(self.drop_old, _DROP_EVERY_S, "old bodies")
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._owner.close()
        await self.flush()

    def note(self, record: Record, asked: Asked | None, transfer: Transfer | None) -> None:
        """A request has ended. One that finds hundreds waiting is not kept."""
        failed = record.status >= 400 or bool(record.error_type)
        if not (failed or self.keep_all) or record.principal is None or len(self._waiting) >= _MOST_WAITING:
            return
        sent = record.asked or beginning(asked)
        reply = _problem(record) if failed else transfer.kept if transfer is not None else b""
        self._waiting.append(Body(record.request_id, *_kept(sent), *_kept(reply)))

    async def flush(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            await self._bodies.put(waiting)
        except DatabaseError as exc:  # they explain a failure, no more: not worth a second try
            log.warning("bodies not kept requests=%d error=%s", len(waiting), exc)

    async def drop_old(self) -> None:
        """Forget what has been kept for long enough."""
        await self._bodies.drop_before(int(1000 * (time.time() - self._keep_s)))


def beginning(asked: Asked | None) -> bytes:
    """Return what is kept of a request's body, and a byte more; nothing of a form, which holds a file."""
    return asked.body.raw[: MOST_BYTES + 1] if asked is not None and asked.body is not None else b""


def _problem(record: Record) -> bytes:
    error = {"message": record.problem, "type": record.error_type, "status": record.status or 499}
    return orjson.dumps({"error": error})


def _kept(body: bytes) -> tuple[str, bool]:
    return body[:MOST_BYTES].decode("utf-8", "replace"), len(body) > MOST_BYTES
