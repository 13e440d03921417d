"""Put the parts together in the order they need each other, and take them apart in reverse."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from .. import __version__
from ..adapters import BUILTIN
from ..plugins import Adapter
from ..plugins.manager import PluginManager
from .access_log import AccessLog
from .alarms import Alarms
from .billing.account_pages import AccountPages
from .billing.bill import Billing
from .config import Config
from .credentials import Credentials
from .errors import ConfigError
from .front import Front
from .keys.vault import TOKEN_PREFIX, Vault, is_awaiting_setup, new_password, new_token_key, open_vault
from .ledger.ledger import Ledger
from .ledger.upkeep import Upkeep
from .live import Live
from .manage.tokens import make_token as make_token
from .manage.users import ROOT_NAME as ROOT_NAME
from .process import systemd
from .process.handover import Handover, Successor, meet
from .process.signals import Signals
from .records import DEFAULT_GROUP, ENABLED, ROLE_ROOT, User
from .relaying.bodies import BodyLog
from .relaying.checkups import Checkups
from .relaying.relay import Relay
from .relaying.replays import Replays
from .routing.snapshot import Snapshot
from .settings import Settings
from .store import Store, StoreError, open_store
from .upstream import Upstream

log = logging.getLogger(__name__)

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


@dataclass(frozen=True, slots=True)
class FirstStart:
    """What is made once, when there are no users yet, and shown once.

    `setup_secret` sets the root user's password. Either is empty where it is a setting, which nobody needs to
    be shown.
    """

    setup_secret: str
    token_key: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The durable side of an installation: what commands work on."""

    settings: Settings
    vault: Vault
    store: Store
    plugins: PluginManager

    @property
    def config(self) -> Config:
        """The settings it has started with, those in the database among them."""
        return self.settings.start

    @property
    def host(self) -> HostView:
        """The gateway as plugins see it."""
        return HostView(self.config, self.plugins.adapters)


@dataclass(frozen=True, slots=True)
class HostView:
    """What plugins may know of the gateway: `plugins.Host`."""

    _config: Config
    adapters: Mapping[str, Adapter]
    version: str = __version__

    @property
    def data_dir(self) -> Path:
        """Folder for what must be kept."""
        return self._config.data_dir

    def settings(self, name: str) -> Mapping[str, Any]:
        """The table `[plugins.NAME]`."""
        return self._config.plugins.settings.get(name, {})


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[Opened]:
    """Open an installation's data directory, which is made if it is not there."""
    directory = config.data_dir
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(
            f"data.dir = {str(directory)!r}: {exc.strerror}; choose a folder you may write to"
        ) from exc
    if not os.access(directory, os.W_OK):
        raise ConfigError(f"data.dir = {str(directory)!r}: not writable; choose a folder you may write to")
    vault = open_vault(directory, config.data.secret_key)
    async with open_store(config.data.database, directory, vault) as store:
        settings = Settings(config, await store.settings.all())
        store.requests.keep_days = settings.start.ledger.keep_days
        yield Opened(settings, vault, store, load_plugins(config))


def load_plugins(config: Config) -> PluginManager:
    """Find and load the plugins of an installation."""
    chosen = config.plugins
    return PluginManager(BUILTIN, config.plugin_dir, chosen.disabled, chosen.enabled)


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[tuple[Opened, Relay, Live]]:
    """Open an installation with everything that serves requests, short of a port."""
    async with opened(config) as parts, _serving(parts) as (relay, live):
        yield parts, relay, live


@asynccontextmanager
async def _serving(parts: Opened) -> AsyncIterator[tuple[Relay, Live]]:
    config = parts.config
    async with (
        parts.plugins.hooks.lifespan(parts.host),
        Live(
            parts.store,
            parts.vault,
            parts.plugins.adapters,
            config.prices,
            demo=config.demo.enabled,
            admin_key=config.admin.key,
            eject_after=config.routing.eject_after,
            settings=parts.settings,
        ) as live,
        Upkeep(parts.store),
        Ledger(parts.store, config.data_dir, config.ledger.durability, config.ledger.flush_s) as ledger,
        Billing(live, ledger, config.ledger.completion_tokens) as billing,
        Upstream(config.upstream) as upstream,
        Credentials(upstream) as credentials,
        Alarms(parts.store, parts.vault, upstream, config.events.webhook) as alarms,
        AccessLog(parts.plugins.hooks) as access_log,
        Replays(parts.store) as replays,
        BodyLog(parts.store.bodies, config.log.keep_bodies_s, keep_all=config.log.keep_all_bodies) as bodies,
    ):
        pages = AccountPages(parts.store.requests, parts.store.accounts, ledger.pending)
        hooks = parts.plugins.hooks
        relay = Relay(
            config,
            live,
            upstream,
            credentials,
            access_log,
            hooks,
            billing,
            pages,
            alarms,
            replays if config.ledger.idempotent_answers else None,
            bodies if config.log.keep_bodies_s else None,
        )
        parts.settings.followers.append(relay.take_settings)
        async with relay, Checkups(relay, config.routing.test_every_s):
            yield relay, live


def site_of(parts: Opened, relay: Relay, live: Live) -> web.Application:
    """Return the pages of administrators. Their modules are many, and are loaded only for who asks."""
    from .admin import aiproxy, oneapi
    from .admin.console import add_console
    from .admin.desk import Desk
    from .admin.dialects import add_dialects
    from .admin.site import make_site

    site = make_site(Desk(parts.config, parts.store, parts.vault, parts.plugins, relay, live, parts.settings))
    add_dialects(site, aiproxy.ROUTES, oneapi.ROUTES)
    add_console(site)
    return site


async def first_start(parts: Opened) -> FirstStart | None:
    """Make the root user and a token, unless somebody has that role already."""
    given = parts.config.admin.setup_secret
    root = await parts.store.user(ROOT_NAME)
    if root is not None and given and is_awaiting_setup(root.password_hash):
        await parts.store.set_password(root, parts.vault.setup_hash(given))
    if root is not None or any(user.role == ROLE_ROOT for user in await parts.store.users()):
        return None
    admin, secret = parts.config.admin, given or new_password()
    key = admin.root_token.removeprefix(TOKEN_PREFIX) or new_token_key()
    now, hashed = int(time.time()), parts.vault.setup_hash(secret)
    try:
        root = await parts.store.add_user(User(0, ROOT_NAME, ROLE_ROOT, DEFAULT_GROUP, ENABLED, now, hashed))
    except StoreError:
        return None  # another gateway on the same database was first
    await parts.store.add_token(make_token(parts.vault, root, "first", key, now))
    if admin.root_access_token:
        access = parts.vault.token_hash(admin.root_access_token)
        await parts.store.sessions.set_access_token(root.id, access, now)
    return FirstStart("" if given else secret, "" if admin.root_token else key)


def bind(config: Config) -> socket.socket:
    """Open the port. Raises ConfigError if it is taken or not allowed."""
    host, port = config.server.host, config.server.port
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, proto)
        try:
            if sys.platform != "win32":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
    except OSError as exc:
        raise ConfigError(
            f"server.host = {host!r}, server.port = {port}: {exc.strerror or exc}; choose another port"
        ) from exc
    sock.setblocking(False)
    return sock


def _tune_memory() -> None:
    """Make the collector and the allocator fit a process that relays: little garbage, some large bodies.

    What is there at start is never looked at again, and cycles are rare, so the collector comes seldom. What
    the start alone needed is given back to the kernel, and a body of megabytes is not each time (glibc only).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    mallopt, trim = getattr(libc, "mallopt", None), getattr(libc, "malloc_trim", None)
    if trim is not None:
        trim(0)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 64 * 1024 * 1024)
        mallopt(_M_TRIM_THRESHOLD, 256 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Ready:
    """A gateway that has opened its port. `first` is there at the very first start only."""

    host: str
    port: int
    first: FirstStart | None
    snapshot: Snapshot


async def serve(config: Config, on_ready: Callable[[Ready], None], *, replace: bool = False) -> None:
    """Run the gateway until a signal ends it or another takes its place: see signals.py and handover.py.

    `on_ready` is called once the port is open. With `replace` it is the port of the gateway that runs here.
    """
    signals = Signals(config.server.grace_s)
    async with systemd.watched(), running(config) as (parts, relay, live):
        predecessor = await meet(config) if replace else None
        sock = predecessor.listener if predecessor else systemd.listener() or bind(config)
        first = await first_start(parts)
        await live.catch_up()
        front = Front(parts.config, relay, parts.host, partial(site_of, parts, relay, live))
        await front.start(sock)
        signals.limit = front.limit
        _tune_memory()
        successor = None
        try:
            async with Handover(config, sock, signals.replaced) as handover:
                if predecessor:
                    predecessor.take_over(front.adopt)
                signals.replace = handover.start_successor
                host, port = sock.getsockname()[:2]
                log.info("gateway started address=%s:%d", host, port)
                on_ready(Ready(host, port, first, live.snapshot))
                systemd.notify("READY=1")
                successor = await signals.end
        finally:
            signals.replace = _too_late
            if predecessor:
                predecessor.close()
            await _end(config, front, relay, successor)
    log.info("gateway stopped")


async def _end(config: Config, front: Front, relay: Relay, successor: Successor | None) -> None:
    if successor is not None:
        log.info("gateway replaced; it ends with its last request")
        relay.billing.ledger.keep_no_spare()
        await front.hand_over(successor.give)
        successor.close()
        return
    systemd.notify("STOPPING=1")
    log.info("gateway stopping grace_s=%.0f", config.server.grace_s)
    await front.stop(config.server.grace_s, config.server.notice_s)


def _too_late() -> None:
    log.warning("no successor is started: this gateway is ending")
