"""What requests to a channel are signed with: the key itself, or something short-lived made from it.

Kept in memory by channel and key; one fetch at a time, renewed before it expires, dropped when it is refused.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from ..plugins import Channel, Credential, UpstreamRequest, UpstreamResponse
from .routing.snapshot import UsableChannel
from .tasks import Owner
from .upstream import Upstream, ask

_RENEW_S = 60.0
"""A credential is renewed this long before it expires, or at nine tenths of a shorter life."""


class _Kept(NamedTuple):
    channel: Channel
    credential: Credential
    renew_at: float


class Credentials:
    """The book of credentials. Leaving its context ends fetches that are under way."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._owner = Owner()
        self._kept: dict[tuple[int, str], _Kept] = {}
        self._fetches: dict[tuple[int, str], asyncio.Task[Credential]] = {}

    async def __aenter__(self) -> Credentials:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._owner.close()

    async def get(self, chosen: UsableChannel, now: float) -> Credential:
        """Return a credential that is good at `now`. Raises UpstreamError if there is none to be had."""
        channel = chosen.channel
        name = channel.id, channel.key
        kept = self._kept.get(name)
        if kept is not None and now < kept.renew_at and (kept.channel is channel or kept.channel == channel):
            return kept.credential
        fetch = self._fetches.get(name)
        if fetch is None:
            request = chosen.adapter.credential_request(channel, now)
            if request is None:
                return self._keep(chosen, None, now)
            fetch = self._owner.start(self._fetch(chosen, request, now), "credential")
            self._fetches[name] = fetch
            fetch.add_done_callback(lambda _: self._fetches.pop(name, None))
        # A client that leaves must not take the credential from others who wait for it.
        return await asyncio.shield(fetch)

    def drop(self, chosen: UsableChannel) -> None:
        """Forget a credential that was refused."""
        self._kept.pop((chosen.channel.id, chosen.channel.key), None)

    async def _fetch(self, chosen: UsableChannel, request: UpstreamRequest, now: float) -> Credential:
        return self._keep(chosen, await ask(self._upstream, request, chosen.row.proxy), now)

    def _keep(self, chosen: UsableChannel, response: UpstreamResponse | None, now: float) -> Credential:
        credential = chosen.adapter.credential(chosen.channel, response, now)
        early = min(_RENEW_S, (credential.expires_at - now) / 10)
        channel = chosen.channel
        self._kept[channel.id, channel.key] = _Kept(channel, credential, credential.expires_at - early)
        return credential
