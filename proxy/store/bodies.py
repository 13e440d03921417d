"""What requests asked and were answered, kept sealed for an hour or so, in a bounded number."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..errors import ConfigError
from ..keys.vault import Vault
from .database import Database
from .request_rows import split_id
from .upsert import insert

MOST_ROWS = 5000
"""About 80 MB where all of them are as long as they may be."""

_SEALED = "request body"
_SQL = insert("request_bodies", ("at_ms", "tail", "sealed"))
_AT_ONCE = 100


class Body(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of both bodies of a request, and whether that is all."""

    request_id: str
    asked: str
    is_asked_cut: bool
    answered: str
    is_answered_cut: bool


_decode = msgspec.json.Decoder(Body).decode


class Bodies:
    """The bodies of a database."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def put(self, bodies: Sequence[Body]) -> None:
        """Keep these. None of them may be there already."""
        rows = [row for body in bodies if (row := self._row(body)) is not None]
        for at in range(0, len(rows), _AT_ONCE):
            async with self._database.transaction() as transaction:
                await transaction.many(_SQL, rows[at : at + _AT_ONCE])

    async def one(self, request_id: str) -> Body | None:
        """Return the bodies of a request, None where they are not kept."""
        key = split_id(request_id)
        if key is None:
            return None
        row = await self._database.one(
            "SELECT sealed FROM request_bodies WHERE at_ms = :at_ms AND tail = :tail",
            {"at_ms": key[0], "tail": key[1]},
        )
        if row is None:
            return None
        try:
            return _decode(self._vault.open(row["sealed"], _SEALED))
        except ConfigError:  # of a key that was forgotten since
            return None

    async def drop_before(self, at_ms: int) -> None:
        """Forget the bodies of requests that came before a time, and the oldest where there are too many."""
        beyond = await self._database.one(
            f"SELECT at_ms FROM request_bodies ORDER BY at_ms DESC, tail DESC LIMIT 1 OFFSET {MOST_ROWS}"
        )
        last = max(at_ms - 1, int(beyond["at_ms"]) if beyond else 0)
        async with self._database.transaction() as transaction:
            await transaction.run("DELETE FROM request_bodies WHERE at_ms <= :last", {"last": last})

    def _row(self, body: Body) -> dict[str, object] | None:
        key = split_id(body.request_id)
        sealed = self._vault.seal(msgspec.json.encode(body).decode(), _SEALED)
        return {"at_ms": key[0], "tail": key[1], "sealed": sealed} if key else None
