"""Answers to requests with an `Idempotency-Key`: the same key and body get the first answer again, for a day.

Only whole answers are kept, no streams. A replay costs nothing. A key is a token's own; one whose first
request is still being answered by this gateway is refused, so that a client that repeats too early is not
served twice.
"""

from __future__ import annotations

import hashlib
import logging
import time

from ...plugins import LocalAnswer
from ..errors import GatewayError
from ..store import DatabaseError, Store, StoreError
from ..store.idempotency import once, recall
from ..tasks import Owner
from ..wire.asked import Asked

log = logging.getLogger(__name__)

HEADER = "idempotency-key"
ANSWERED_BY = "idempotency"
MOST_BYTES = 1024 * 1024
"""A larger answer is not kept."""


class Replay:
    """One request with a key, until its answer is kept or it has failed."""

    __slots__ = ("body", "key", "scope")

    def __init__(self, token_id: int, key: str, asked: Asked) -> None:
        assert asked.body is not None
        self.scope = f"answer:{token_id}"
        self.key = key
        self.body = [asked.endpoint, hashlib.sha256(asked.body.raw).hexdigest()]


class Replays:
    """The answers kept. An async context manager; leaving it waits for those being written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owner = Owner()
        self._running: set[tuple[str, str]] = set()

    async def __aenter__(self) -> Replays:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._owner.join()

    async def find(self, replay: Replay) -> LocalAnswer | None:
        """Return the answer a key had; None for a new one, which `end` must end.

        Raises GatewayError: 422 for another body, 409 while the first is being answered.
        """
        if (replay.scope, replay.key) in self._running:
            raise GatewayError(
                409, "a request with this idempotency key is being answered", code="idempotency_key_in_use"
            )
        self._running.add((replay.scope, replay.key))
        try:
            found = await recall(
                self._store.database, replay.scope, replay.key, replay.body, int(time.time())
            )
        except StoreError as exc:
            self.end(replay)
            raise GatewayError(422, str(exc), code="idempotency_key_reused") from exc
        except BaseException:
            self.end(replay)
            raise
        if found is None:
            return None
        self.end(replay)
        return LocalAnswer({"content-type": "application/json"}, (found.encode(),))

    def keep(self, replay: Replay, body: bytes) -> None:
        """Keep the answer of a request, behind it."""
        if len(body) <= MOST_BYTES:
            self._owner.start(self._keep(replay, body), "replay")

    def end(self, replay: Replay) -> None:
        """The request has ended."""
        self._running.discard((replay.scope, replay.key))

    async def _keep(self, replay: Replay, body: bytes) -> None:
        async def result(_: object) -> str:
            return body.decode()

        try:
            await once(self._store.database, replay.scope, replay.key, replay.body, int(time.time()), result)
        except (DatabaseError, StoreError, UnicodeDecodeError) as exc:
            log.warning("answer not kept for its idempotency key: %s", exc)
