"""Every hook of the gateway. A plugin implements one by a function of that name marked `@hookimpl`."""

from __future__ import annotations

from collections.abc import Callable

import pluggy

from .contract import Adapter

PROJECT = "canalgate"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

API_VERSION = (1, 0)
"""Of this package. The first number changes when plugins must; a plugin may state `REQUIRES_API`."""


@hookspec
def register_adapters(register: Callable[[Adapter], None]) -> None:
    """Offer adapters: call `register(adapter)` for each.

    When: once, at start. Raises: `register` raises ValueError on the plugin's own line for an adapter
    without name, title or endpoints, or whose name is taken; the plugin is then left out as a whole.
    Since: 1.0.
    """
