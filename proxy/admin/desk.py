"""What the pages of administrators work on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from ...plugins import Adapter
from ...plugins.manager import PluginManager
from ..config import Config
from ..keys.vault import Vault
from ..live import Live
from ..relaying.holdings import Holdings
from ..relaying.relay import Relay
from ..settings import Settings
from ..store import Store
from .door import Door


@dataclass(frozen=True, slots=True)
class Desk:
    """An installation with everything that serves it. `config` is what it has started with."""

    config: Config
    store: Store
    vault: Vault
    plugins: PluginManager
    relay: Relay
    live: Live
    settings: Settings
    door: Door = field(default_factory=Door)
    sign_ups: Door = field(default_factory=Door)
    """Counts who makes accounts, apart from who logs in."""
    started_at: int = field(default_factory=lambda: int(time.time()))
    """Unix seconds."""
    importing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while another gateway is moved in."""

    @property
    def holdings(self) -> Holdings:
        """What is left of the accounts behind channels."""
        return Holdings(self.relay, self.store, self.vault)

    @property
    def adapters(self) -> Mapping[str, Adapter]:
        """The adapters that are loaded, by name."""
        return self.plugins.adapters


DESK = web.AppKey("desk", Desk)
"""Where handlers find it: `request.app[DESK]`."""
