"""The state a running gateway works from, kept in step with the store.

Routing is a snapshot, tokens are read once and kept. Both are dropped when the store's generation
moves, which is looked at ten times a second and, so that nothing new is ever refused, before any
"no such model" or "no such key" is said.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

import orjson

from ..plugins import Adapter
from .auth import Principal, split_pin
from .config import Prices
from .errors import database_away, unauthorized
from .keys.vault import TOKEN_PREFIX, Vault
from .prices.book import PriceBook, make_book
from .records import DEFAULT_GROUP, ENABLED, ROLE_ROOT, Token, User
from .routing.health import Health
from .routing.snapshot import EMPTY, Rules, Snapshot, build, demo_channel
from .settings import Settings
from .store import DatabaseError, Store, StoreError, Unavailable
from .tasks import Owner

log = logging.getLogger(__name__)

POLL_S = 0.1
_HEARTBEAT_S = 5.0
_MAX_KNOWN = 50_000
ADMIN_KEY_NAME = "admin key"
"""Of whoever has the admin key: in the audit trail, and of the user and token its requests are booked on."""
NO_KEY = "\0admin key"


class Live:
    """Snapshot and token book. An async context manager; inside it they follow the store."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        adapters: Mapping[str, Adapter],
        prices: Prices,
        *,
        demo: bool,
        admin_key: str = "",
        eject_after: int = 5,
        settings: Settings | None = None,
    ) -> None:
        self._store = store
        self._vault = vault
        self._adapters = adapters
        self._prices = make_book(prices)
        self.health = Health(eject_after)
        self._demo = demo
        self._settings = settings
        admin_key = admin_key.strip().removeprefix(TOKEN_PREFIX)
        self._admin_hash = vault.token_hash(admin_key) if admin_key else None
        self._owner = Owner()
        self.name = f"{os.getpid()}-{secrets.token_hex(4)}"
        """Of this gateway, among those that run on the database."""
        self._reported_at = 0.0
        self._is_away = False
        self._loading = asyncio.Lock()
        self._known: dict[bytes, Principal | None] = {}
        self.snapshot: Snapshot = EMPTY

    async def __aenter__(self) -> Live:
        await self._catch_up()
        self._owner.repeat(self._watch, POLL_S, "store watch")
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._owner.close()
        with suppress(DatabaseError):  # it is forgotten in time
            await self._store.forget_instance(self.name)

    async def catch_up(self) -> bool:
        """Load what has changed in the store; says whether anything has since the call, whoever loaded it.

        Raises GatewayError 503 if the database cannot be reached.
        """
        with _reached():
            return await self._catch_up()

    async def _catch_up(self) -> bool:
        before = self.snapshot
        async with self._loading:
            generation = await self._store.generation()
            if generation == self.snapshot.generation:
                return self.snapshot is not before
            await self._load(generation)
            return True

    def known(self, key: str) -> Principal | None:
        """Return who holds this key, if that is in memory; `find` asks the store."""
        return self._known.get(self._vault.token_hash(key))

    async def find(self, key: str) -> Principal:
        """Return who holds this key, with the channel it names, if any. Raises GatewayError 401 or 503."""
        with _reached():
            found = await self._find(key)
            base, pin = split_pin(key)
            if found is None and pin is not None:
                found = await self._find(base)
                found = replace(found, pin=pin) if found is not None else None
        if found is None:
            raise unauthorized("incorrect API key")
        return found

    async def _find(self, key: str) -> Principal | None:
        key_hash = self._vault.token_hash(key)
        found = self._known.get(key_hash)
        if found is not None:
            return found
        if key_hash in self._known:
            await self._catch_up()
            if key_hash in self._known:  # still: another task may have loaded the change meanwhile
                return self._known[key_hash]
        if len(self._known) >= _MAX_KNOWN:
            self._known = {}
        # A load puts a new dict in place, so what was read before it cannot get into the new one.
        known = self._known
        if key_hash == self._admin_hash:
            found = await administrator(self._store, self._vault)
        else:
            row = await self._store.token_by_key(key)
            found = Principal(*row) if row is not None else None
        known[key_hash] = found
        return found

    async def _watch(self) -> None:
        """Follow the store. As long as it is away, what is in memory serves."""
        try:
            if not await self._catch_up() and time.monotonic() - self._reported_at > _HEARTBEAT_S:
                await self._report()
        except Unavailable as exc:
            if not self._is_away:
                log.warning("database cannot be reached error=%s", exc)
            self._is_away = True
            return
        if self._is_away:
            log.info("database is back")
        self._is_away = False

    async def _load(self, generation: int) -> None:
        snapshot = await read_snapshot(
            self._store, self._vault, self._adapters, self._prices, generation, demo=self._demo
        )
        if self._settings is not None:
            self._settings.follow(await self._store.settings.all())
        for channel_id, problem in snapshot.problems.items():
            log.warning("channel not in use channel=%d problem=%s", channel_id, problem)
        self._known = {}
        self.snapshot = snapshot
        self.health.follow(snapshot.usable.values())
        await self._report()

    async def _report(self) -> None:
        self._reported_at = time.monotonic()
        health = orjson.dumps(self.health.report(time.monotonic())).decode()
        await self._store.report_instance(self.name, self.snapshot.generation, int(time.time()), health)


async def read_snapshot(
    store: Store,
    vault: Vault,
    adapters: Mapping[str, Adapter],
    prices: PriceBook,
    generation: int,
    *,
    demo: bool,
) -> Snapshot:
    """Build the routing state of what is in the store, which is of this generation or newer."""
    rows = await store.channels()
    if not rows and demo and "demo" in adapters:
        rows = [demo_channel(adapters["demo"])]
    faults = {(fault.channel_id, fault.key_hash): fault for fault in await store.faults.all()}
    named = {(row.id, key): (row.id, vault.key_hash(key)) for row in rows for key in row.keys}
    rules = Rules(
        prices.with_set(await store.prices.all()),
        await store.prices.group_ratios(),
        await store.limits.all(),
        await store.routes.all(),
        {pair: faults[hashed] for pair, hashed in named.items() if hashed in faults},
    )
    return build(generation, rows, adapters, rules)


async def administrator(store: Store, vault: Vault) -> Principal | None:
    """Return whom the admin key stands for, None if there is nobody it could.

    What is asked with it is booked on a token and a user of its own, made at the first use, so that it is
    without limits whatever the root user has. The token has the hash of a text that no header can carry: it
    is good for nothing by itself, whatever the admin key was or will be.
    """
    key_hash = vault.token_hash(NO_KEY)
    row = await store.token_by_hash(key_hash)
    if row is None:
        owner = await _owner_of_admin_key(store)
        if owner is None:
            return None
        token = Token(0, owner.id, ADMIN_KEY_NAME, key_hash, "", ENABLED, int(time.time()))
        with suppress(StoreError):  # another gateway was first
            await store.add_token(token)
        row = await store.token_by_hash(key_hash)
    return Principal(*row) if row is not None else None


async def _owner_of_admin_key(store: Store) -> User | None:
    user = User(0, ADMIN_KEY_NAME, ROLE_ROOT, DEFAULT_GROUP, ENABLED, int(time.time()))
    with suppress(StoreError):  # somebody has that name already
        return await store.add_user(user)
    roots = [user for user in await store.users() if user.role == ROLE_ROOT]
    return min(roots, key=lambda user: user.name != ADMIN_KEY_NAME, default=None)


@contextmanager
def _reached() -> Iterator[None]:
    """Say to the client what keeps us from the database."""
    try:
        yield
    except Unavailable as exc:
        raise database_away() from exc
