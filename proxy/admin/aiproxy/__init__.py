"""AI Proxy's management API, as far as FastGPT and people who move between the two use it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aiohttp.typedefs import Handler

from . import channels, dashboard, importing, logs

_ID = r"{id:\d{1,17}}"

ROUTES: Mapping[tuple[str, str], Handler] = MappingProxyType({
    ("GET", "/api/channels/all"): channels.list_all,
    ("GET", "/api/channels/type_metas"): channels.type_metas,
    ("GET", "/api/channels"): channels.list_page,
    ("GET", "/api/channels/search"): channels.list_page,
    ("POST", "/api/channels/batch_delete"): channels.remove_many,
    ("POST", "/api/channels/import/oneapi"): importing.import_one_api,
    ("POST", "/api/channel"): channels.add,
    ("GET", f"/api/channel/{_ID}"): channels.get,
    ("PUT", f"/api/channel/{_ID}"): channels.edit,
    ("GET", f"/api/channel/{_ID}/update_balance"): channels.update_balance,
    ("GET", "/api/channels/update_balance"): channels.update_balances,
    ("DELETE", f"/api/channel/{_ID}"): channels.remove,
    ("POST", f"/api/channel/{_ID}/status"): channels.switch,
    ("GET", "/api/logs/search"): logs.search,
    ("GET", f"/api/logs/detail/{_ID}"): logs.detail,
    ("GET", "/api/dashboardv2"): dashboard.figures,
})  # fmt: skip
"""Handlers by method and path."""
