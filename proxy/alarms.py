"""Tell administrators what happened: in the log, among the events, and at an address of theirs.

Nothing here keeps a request waiting. A key that its provider has refused is written down too, so that no
gateway asks with it again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

import orjson

from ..plugins import UpstreamError, UpstreamRequest
from .keys.vault import Vault
from .records import Event, KeyFault
from .routing.snapshot import UsableChannel
from .store import DatabaseError, Store
from .tasks import Owner
from .upstream import Upstream, ask

log = logging.getLogger(__name__)


class Alarms:
    """Takes word of what happened. An async context manager; leaving it waits for what is under way."""

    def __init__(self, store: Store, vault: Vault, upstream: Upstream, webhook: str) -> None:
        self._store = store
        self._vault = vault
        self._upstream = upstream
        self._webhook = webhook
        self._owner = Owner()

    async def __aenter__(self) -> Alarms:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._owner.join()

    def refused(self, member: UsableChannel, error: UpstreamError, reason: str) -> None:
        """A provider has refused a channel's key; `reason` is its word without secrets."""
        fault = KeyFault(
            member.row.id,
            self._vault.key_hash(member.channel.key),
            error.kind.value,
            reason,
            int(time.time()),
        )
        self._owner.start(self._refused(member, fault), "alarm")

    async def good(self, member: UsableChannel) -> None:
        """A channel's key works: if it had been refused, it is asked with again."""
        key_hash = self._vault.key_hash(member.channel.key)
        if await self._store.faults.clear(member.row.id, key_hash):
            self.tell("key_good_again", f"channel:{member.row.id}", {"name": member.row.name})

    def tell(self, kind: str, subject: str, detail: Mapping[str, object]) -> None:
        """Something happened: see `records.Event`."""
        self._owner.start(self._tell(Event(0, int(time.time()), kind, subject, detail)), "alarm")

    async def _refused(self, member: UsableChannel, fault: KeyFault) -> None:
        try:
            if not await self._store.faults.add(fault):
                return
        except DatabaseError:
            log.exception("refused key not kept channel=%d", fault.channel_id)
        detail = {
            "name": member.row.name, "reason": fault.reason, "kind": fault.kind,
            "key": hint(member.channel.key), "keys_left": len(member.keys) - 1,
        }  # fmt: skip
        await self._tell(Event(0, fault.at, "key_refused", f"channel:{fault.channel_id}", detail))

    async def _tell(self, event: Event) -> None:
        log.warning("%s subject=%s detail=%s", event.kind, event.subject, orjson.dumps(event.detail).decode())
        try:
            event = await self._store.events.add(event)
        except DatabaseError:
            log.exception("event not kept kind=%s", event.kind)
        if self._webhook:
            await self._post(event)

    async def _post(self, event: Event) -> None:
        body = {
            "id": event.id, "at": event.at, "kind": event.kind, "subject": event.subject,
            "detail": event.detail,
        }  # fmt: skip
        request = UpstreamRequest(
            self._webhook, {"content-type": "application/json"}, orjson.dumps(body), "POST"
        )
        try:
            answer = await ask(self._upstream, request)
        except (UpstreamError, ValueError) as exc:
            log.warning("webhook failed kind=%s error=%s", event.kind, type(exc).__name__)
        else:
            if answer.status >= 300:
                log.warning("webhook failed kind=%s status=%d", event.kind, answer.status)


def hint(key: str) -> str:
    """Return the end of a key, by which people tell keys apart; nothing of a short one."""
    return f"...{key[-4:]}" if len(key) >= 16 else "..."
