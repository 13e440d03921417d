"""Who asks for a page of administrators, and from where.

By `Authorization`, with or without `Bearer`: the admin key, which may do what the root user may, or a user's
access token. Without that header by the session in the cookie; then a write must come from our own pages.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from ..auth import client_address, is_trusted
from ..errors import GatewayError, forbidden, unauthorized
from ..keys.vault import TOKEN_PREFIX
from ..live import ADMIN_KEY_NAME
from ..records import ENABLED, ROLE_ROOT, User
from .desk import DESK, Desk
from .sessions import session_of, user_of_session, user_of_token

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. `user_id` is None for the admin key, which is nobody's; `role` is one of records.ROLES."""

    name: str
    role: int
    user_id: int | None = None


async def actor_of(request: web.Request) -> Actor:
    """Return who asks. Raises GatewayError 401 if nobody is named, 403 if they may not act."""
    desk = request.app[DESK]
    key = _key(request)
    if key:
        return await _by_key(desk, key)
    session = session_of(request)
    if not session:
        raise unauthorized("log in, or send the admin key or an access token as Authorization")
    check_origin(request)
    user = await user_of_session(desk, session)
    if user is None:
        raise unauthorized("the session has ended; log in again")
    return _acting(user)


def is_admin_key(desk: Desk, key: str) -> bool:
    """Whether this is the admin key, with or without `sk-`; never where none is set."""
    wanted, given = (text.strip().removeprefix(TOKEN_PREFIX) for text in (desk.config.admin.key, key))
    return bool(wanted) and hmac.compare_digest(
        wanted.encode(errors="replace"), given.encode(errors="replace")
    )


def key_of(request: web.Request) -> str:
    """Return what a request carries as Authorization, without `Bearer`."""
    value = request.headers.get("authorization", "").strip()
    scheme, _, rest = value.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else value


def address_of(request: web.Request) -> str:
    """Return the client's address, as a trusted proxy tells it."""
    trusted = request.app[DESK].config.server.trusted_proxies
    forwarded = ", ".join(request.headers.getall("x-forwarded-for", []))
    return client_address(request.remote or "", forwarded, trusted)


def check_origin(request: web.Request) -> None:
    """Refuse a write that a browser sends for a page of somebody else. Raises GatewayError 403.

    Every browser says one of both; what says neither is no browser, and holds no cookie it was not given.
    """
    if request.method in _READS:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    is_own = (
        site in ("same-origin", "none") if site is not None else origin is None or _is_own(request, origin)
    )
    if not is_own:
        raise forbidden("this request comes from a page of another site", "foreign_origin")


def _is_own(request: web.Request, origin: str) -> bool:
    hosts = {request.headers.get("host", "").lower()}
    if is_trusted(request.remote or "", request.app[DESK].config.server.trusted_proxies):
        hosts.add(request.headers.get("x-forwarded-host", "").lower())
    try:
        return urlsplit(origin.lower()).netloc in hosts - {""}
    except ValueError:
        return False


def _key(request: web.Request) -> str:
    if len(request.headers.getall("authorization", [])) > 1:
        raise GatewayError(400, "the header authorization stands there twice", code="duplicate_header")
    return key_of(request)


async def _by_key(desk: Desk, key: str) -> Actor:
    if is_admin_key(desk, key):
        return Actor(ADMIN_KEY_NAME, ROLE_ROOT)
    user = await user_of_token(desk, key)
    if user is None:
        raise unauthorized("this is neither the admin key nor an access token")
    return _acting(user)


def _acting(user: User) -> Actor:
    if user.status != ENABLED:
        raise forbidden("this account is disabled", "account_disabled")
    return Actor(user.name, user.role, user.id)
