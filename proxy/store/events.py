"""What happened that an administrator should know."""

from __future__ import annotations

import orjson

from ..records import Event
from .database import Database

_MOST_KEPT = 10_000


class Events:
    """The latest ones; old ones go as new ones come."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, event: Event) -> Event:
        """Keep an event; the id is given by the store."""
        row = {"at": event.at, "kind": event.kind, "subject": event.subject, "detail": _json(event.detail)}
        async with self._database.transaction() as transaction:
            new = await transaction.insert(
                "INSERT INTO events (at, kind, subject, detail) VALUES (:at, :kind, :subject, :detail)", row
            )
            await transaction.run("DELETE FROM events WHERE id <= :old", {"old": new - _MOST_KEPT})
        return Event(new, event.at, event.kind, event.subject, event.detail)

    async def latest(
        self, limit: int, before: int | None = None, kind: str | None = None, subject: str | None = None
    ) -> list[Event]:
        """Return so many events, newest first: older than the one with this id, of a kind, of a subject."""
        only = {name: text for name, text in (("kind", kind), ("subject", subject)) if text is not None}
        where = " AND ".join(["id < :before", *(f"{name} = :{name}" for name in only)])
        rows = await self._database.all(
            f"SELECT * FROM events WHERE {where} ORDER BY id DESC LIMIT :most",
            {"before": before if before is not None else 2**62, "most": limit, **only},
        )
        return [
            Event(row["id"], row["at"], row["kind"], row["subject"], orjson.loads(row["detail"]))
            for row in rows
        ]


def _json(detail: object) -> str:
    return orjson.dumps(detail).decode()
