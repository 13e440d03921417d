"""Which pages there are, from which role on: 0 is everybody."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aiohttp.typedefs import Handler

from ...records import ROLE_ADMIN, ROLE_ROOT, ROLE_USER
from . import channel, log, models, option, redemption, session, status, token, user
from .envelope import Work, page

_ID = r"{id:\d{1,17}}"

PAGES: Mapping[tuple[str, str], tuple[int, Work]] = MappingProxyType({
    ("GET", "/api/notice"): (0, status.nothing),
    ("GET", "/api/about"): (0, status.nothing),
    ("GET", "/api/home_page_content"): (0, status.nothing),
    ("POST", "/api/user/register"): (0, status.no_registration),
    ("POST", "/api/user/login"): (0, session.login),
    ("GET", "/api/user/logout"): (0, session.logout),
    ("GET", "/api/user/self"): (ROLE_USER, session.show),
    ("PUT", "/api/user/self"): (ROLE_USER, session.change),
    ("GET", "/api/user/token"): (ROLE_USER, session.access_token),
    ("GET", "/api/user/aff"): (ROLE_USER, session.invitation),
    ("POST", "/api/user/topup"): (ROLE_USER, session.redeem),
    ("GET", "/api/user/dashboard"): (ROLE_USER, session.dashboard),
    ("GET", "/api/user/available_models"): (ROLE_USER, session.models),
    ("GET", "/api/user/models"): (ROLE_USER, session.models),
    ("GET", "/api/models"): (ROLE_USER, models.by_type),
    ("GET", "/api/token"): (ROLE_USER, token.list_page),
    ("GET", "/api/token/search"): (ROLE_USER, token.search),
    ("GET", f"/api/token/{_ID}"): (ROLE_USER, token.get),
    ("POST", "/api/token"): (ROLE_USER, token.create),
    ("PUT", "/api/token"): (ROLE_USER, token.update),
    ("DELETE", f"/api/token/{_ID}"): (ROLE_USER, token.remove),
    ("GET", "/api/log/self"): (ROLE_USER, log.list_own),
    ("GET", "/api/log/self/stat"): (ROLE_USER, log.stat_own),
    ("GET", "/api/log/self/search"): (ROLE_USER, log.search_own),
    ("GET", "/api/log"): (ROLE_ADMIN, log.list_page),
    ("GET", "/api/log/stat"): (ROLE_ADMIN, log.stat),
    ("GET", "/api/log/search"): (ROLE_ADMIN, log.search),
    ("DELETE", "/api/log"): (ROLE_ADMIN, log.remove),
    ("GET", "/api/user"): (ROLE_ADMIN, user.list_page),
    ("GET", "/api/user/search"): (ROLE_ADMIN, user.search),
    ("GET", f"/api/user/{_ID}"): (ROLE_ADMIN, user.get),
    ("POST", "/api/user"): (ROLE_ADMIN, user.create),
    ("PUT", "/api/user"): (ROLE_ADMIN, user.update),
    ("DELETE", f"/api/user/{_ID}"): (ROLE_ADMIN, user.remove),
    ("POST", "/api/user/manage"): (ROLE_ADMIN, user.manage),
    ("POST", "/api/topup"): (ROLE_ADMIN, user.top_up),
    ("GET", "/api/group"): (ROLE_ADMIN, user.group_names),
    ("GET", "/api/channel"): (ROLE_ADMIN, channel.list_page),
    ("GET", "/api/channel/search"): (ROLE_ADMIN, channel.search),
    ("GET", "/api/channel/models"): (ROLE_ADMIN, models.everything),
    ("GET", f"/api/channel/{_ID}"): (ROLE_ADMIN, channel.get),
    ("POST", "/api/channel"): (ROLE_ADMIN, channel.create),
    ("PUT", "/api/channel"): (ROLE_ADMIN, channel.update),
    ("DELETE", "/api/channel/disabled"): (ROLE_ADMIN, channel.remove_disabled),
    ("DELETE", f"/api/channel/{_ID}"): (ROLE_ADMIN, channel.remove),
    ("GET", "/api/channel/test"): (ROLE_ADMIN, channel.test_all),
    ("GET", f"/api/channel/test/{_ID}"): (ROLE_ADMIN, channel.test),
    ("GET", "/api/channel/update_balance"): (ROLE_ADMIN, channel.update_balances),
    ("GET", f"/api/channel/update_balance/{_ID}"): (ROLE_ADMIN, channel.update_balance),
    ("GET", "/api/redemption"): (ROLE_ADMIN, redemption.list_page),
    ("GET", "/api/redemption/search"): (ROLE_ADMIN, redemption.search),
    ("GET", f"/api/redemption/{_ID}"): (ROLE_ADMIN, redemption.get),
    ("POST", "/api/redemption"): (ROLE_ADMIN, redemption.create),
    ("PUT", "/api/redemption"): (ROLE_ADMIN, redemption.update),
    ("DELETE", f"/api/redemption/{_ID}"): (ROLE_ADMIN, redemption.remove),
    ("GET", "/api/option"): (ROLE_ROOT, option.list_all),
    ("PUT", "/api/option"): (ROLE_ROOT, option.update),
})  # fmt: skip
"""Pages by method and path, with the least role and what makes them."""

SHARED = frozenset(
    {("POST", "/api/channel"), ("GET", f"/api/channel/{_ID}"), ("DELETE", f"/api/channel/{_ID}")}
)
"""Places that AI Proxy has too."""

ROUTES: Mapping[tuple[str, str], Handler] = MappingProxyType(
    {place: page(role, work, is_shared=place in SHARED) for place, (role, work) in PAGES.items()}
)
"""Handlers by method and path."""
