"""What all requests share: who may ask, which channels serve, and the parts that carry an answer.

One request on its way is an Exchange (exchange.py). Binding a request to a channel is here too, since tests
of a channel do the same.
"""

from __future__ import annotations

import random
import time
from urllib.parse import urlsplit

from ...plugins import Call, Credential, UpstreamError
from ...plugins.hooks import Hooks
from .. import auth
from ..access_log import AccessLog
from ..alarms import Alarms
from ..billing.account_pages import AccountPages
from ..billing.bill import Billing
from ..config import Config
from ..credentials import Credentials
from ..errors import GatewayError
from ..live import Live
from ..routing import choice as routing
from ..routing.health import Notice
from ..routing.snapshot import UsableChannel
from ..tasks import Owner
from ..upstream import Upstream
from ..wire import pages
from ..wire.asked import Asked
from ..wire.endpoints import Route
from ..wire.inbound import Inbound
from .attempts import Again, Attempts, RetryBudget
from .bodies import BodyLog
from .gate import Gate
from .heartbeats import Heartbeats
from .kept import Keeper
from .replays import Replays

_RESTING = frozenset({429, 503})
"""Statuses of `errors.channels_rest`."""


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
        alarms: Alarms,
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
        self.alarms = alarms
        self.replays = replays
        self.bodies = bodies
        self.retries = RetryBudget(config.routing.retry_share)
        self.gate = Gate(config.overload)
        self.heartbeats = Heartbeats(config.server)
        self.keeper = Keeper(config.server)
        self.owner = Owner()
        self.draining = False
        """Connections end with the answer under way."""
        self.stopping = False
        """And nobody goes on in our place."""
        self.rng = random.Random()

    def take_settings(self, config: Config) -> None:
        """Go by other settings from the next request on; those that were looked at once stay as they were."""
        self.config = config

    async def __aenter__(self) -> Relay:
        self.heartbeats.start(self.owner)
        self.keeper.start(self.owner)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.keeper.close()
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
        self.retries.earn()
        if principal.pin is not None:
            await live.catch_up()
            return [routing.pinned(live.snapshot, principal.pin, asked.endpoint)]
        group = principal.user.group
        try:
            return routing.candidates(self._look(principal, asked), group, asked.endpoint)
        except GatewayError as exc:
            # What is not there may have been added a moment ago. That channels rest is known here alone, and
            # in an outage every request is told so: none of them may wait for the database.
            if exc.status in _RESTING or not await live.catch_up():
                raise
            return routing.candidates(self._look(principal, asked), group, asked.endpoint)

    def _look(self, principal: auth.Principal, asked: Asked) -> routing.Look:
        live, mode = self.live, self.config.routing.mode
        now, caller = time.monotonic(), principal.subjects[0]
        return routing.Look(live.snapshot, live.health, self.rng, now, mode, asked.model, asked.body, caller)

    def attempts(self, candidates: list[UsableChannel], model: str, now: float) -> Attempts:
        """Return where a request begins with these channels."""
        return Attempts(candidates, model, self.live.health, self.retries, self.config.routing, now)

    def next_of(self, attempts: Attempts, error: UpstreamError) -> Again:
        """Return how a request goes on after a failure. Raises the error to answer if it does not."""
        return attempts.after(error, time.monotonic(), self.rng)

    def note_success(self, chosen: UsableChannel, model: str, first_byte_s: float) -> None:
        """A channel has served a request."""
        now, served = time.monotonic(), chosen.model or model
        if notices := self.live.health.succeeded(chosen, served, first_byte_s, now):
            self._tell(chosen, notices)

    def note_failure(self, chosen: UsableChannel, model: str, error: UpstreamError) -> None:
        """A channel has failed a request; `error` is without secrets from here on."""
        error.message = without_secrets(error.message, chosen)
        served = chosen.model or model
        notices = self.live.health.failed(chosen, served, error, time.monotonic())
        if any(notice.what == "key_refused" for notice in notices):
            self.alarms.refused(chosen, error, error.message)
        self._tell(chosen, notices)

    def _tell(self, chosen: UsableChannel, notices: list[Notice]) -> None:
        for what, model, for_s in notices:
            if what != "key_refused":
                detail = {"name": chosen.row.name, "model": model or None, "for_s": round(for_s, 1) or None}
                self.alarms.tell(f"channel_{what}", f"channel:{chosen.row.id}", detail)

    async def page(self, route: Route, inbound: Inbound) -> object:
        """Return what a page of ours shows. Raises GatewayError for a wrong key or an unknown model."""
        if route.page == "live":
            return {"status": "live"}
        if route.page == "ready":
            return pages.ready(lambda: self.stopping)
        if route.page == "status":
            return pages.status()
        if route.page == "preflight":
            return pages.preflight(inbound)
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
    row = chosen.row
    for secret in (row.key, *row.keys, row.base_url, urlsplit(row.base_url).netloc):
        if secret:
            text = text.replace(secret, "[...]")
    return text
