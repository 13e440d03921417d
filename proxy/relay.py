"""What all requests share: who may ask, which channels serve, and the parts that carry an answer.

One request on its way is an Exchange (exchange.py). Binding a request to a channel is here too, since tests
of a channel do the same.
"""

from __future__ import annotations

import random
import time
from urllib.parse import urlsplit

from ..plugins import Call, Credential
from ..plugins.hooks import Hooks
from . import auth, pages, routing
from .access_log import AccessLog
from .account_pages import AccountPages
from .asked import Asked
from .bill import Billing
from .bodies import BodyLog
from .config import Config
from .credentials import Credentials
from .endpoints import Route
from .errors import GatewayError
from .inbound import Inbound
from .live import Live
from .replays import Replays
from .snapshot import UsableChannel
from .tasks import Owner
from .upstream import Upstream


class Relay:
    """What all requests share. An async context manager; leaving it ends what still waits."""

    def __init__(
        self,
        config: Config,
        live: Live,
        upstream: Upstream,
        credentials: Credentials,
        access_log: AccessLog,
        hooks: Hooks,
        billing: Billing,
        account_pages: AccountPages,
        replays: Replays | None = None,
        bodies: BodyLog | None = None,
    ) -> None:
        self.config = config
        self.live = live
        self.upstream = upstream
        self.credentials = credentials
        self.access_log = access_log
        self.hooks = hooks
        self.billing = billing
        self.account_pages = account_pages
        self.replays = replays
        self.bodies = bodies
        self.owner = Owner()
        self.draining = False
        self._rng = random.Random()

    async def __aenter__(self) -> Relay:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.owner.close()

    async def principal(self, inbound: Inbound) -> auth.Principal:
        """Return who asks. Raises GatewayError 401 or 403."""
        key = auth.client_key(inbound.headers)
        principal = self.live.known(key) or await self.live.find(key)
        principal = auth.steered(principal, inbound.headers)
        auth.admit(principal, inbound.address, time.time())
        return principal

    async def choose(self, principal: auth.Principal, asked: Asked) -> list[UsableChannel]:
        """Return the channels to try, best first. Raises GatewayError if there is none."""
        live = self.live
        if principal.pin is not None:
            await live.catch_up()
            return [routing.pinned(live.snapshot, principal.pin, asked.endpoint)]
        group = principal.user.group
        try:
            return routing.candidates(live.snapshot, group, asked.model, asked.endpoint, self._rng)
        except GatewayError:
            if not await live.catch_up():
                raise
            return routing.candidates(live.snapshot, group, asked.model, asked.endpoint, self._rng)

    async def page(self, route: Route, inbound: Inbound) -> object:
        """Return what a page of ours shows. Raises GatewayError for a wrong key or an unknown model."""
        if route.page == "live":
            return {"status": "live"}
        if route.page == "ready":
            return pages.ready(lambda: self.draining)
        if route.page == "status":
            return pages.status()
        principal = await self.principal(inbound)
        await self.live.catch_up()
        if route.page in ("receipt", "subscription", "usage"):
            return await self._account_page(route, principal)
        if route.page == "model":
            return pages.model(self.live.snapshot, principal, route.model)
        return pages.models(self.live.snapshot, principal)

    async def _account_page(self, route: Route, principal: auth.Principal) -> object:
        shown = self.account_pages
        if route.page == "receipt":
            return await shown.receipt(principal, route.request_id)
        if route.page == "subscription":
            return await shown.subscription(principal)
        return await shown.usage(principal)


def make_call(
    chosen: UsableChannel, asked: Asked, request_id: str, credential: Credential, now: float
) -> Call:
    """Bind a request to a channel."""
    return Call(
        request_id=request_id,
        endpoint=asked.endpoint,
        model=asked.model,
        upstream_model=chosen.upstream_model(asked.model),
        stream=asked.stream,
        body=asked.body,
        content_type=asked.content_type,
        channel=chosen.channel,
        credential=credential,
        now=now,
    )


def without_secrets(text: str, chosen: UsableChannel) -> str:
    """Return a provider's words without the channel's key and the provider's address."""
    for secret in (chosen.row.key, chosen.row.base_url, urlsplit(chosen.row.base_url).netloc):
        if secret:
            text = text.replace(secret, "[...]")
    return text
