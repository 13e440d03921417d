"""Logging in and out: the session in a cookie, and the access token that programs act by.

What a client holds is random; the database keeps its keyed hash. A session ends with its time, at logout and
when the password changes.
"""

from __future__ import annotations

import secrets
import time

from aiohttp import web

from ..auth import is_trusted
from ..errors import GatewayError, forbidden
from ..keys.vault import is_outdated
from ..records import ENABLED, User
from .desk import Desk

COOKIE = "canalgate_session"
SESSION_S = 7 * 86_400
_MOST_VALUE = 200


async def log_in(desk: Desk, name: str, password: str, address: str) -> tuple[User, str]:
    """Return the user and the value of a new session. Raises GatewayError 401, 403 or 429.

    An unknown name takes as long as a wrong password and is answered by the same words.
    """
    desk.door.knock(address, name, time.monotonic())
    user = await desk.store.user(name)
    if not await desk.door.is_password(password, user.password_hash if user else "") or user is None:
        raise GatewayError(401, "wrong name or password", code="wrong_password")
    desk.door.welcome(address, name)
    if user.status != ENABLED:
        raise forbidden("this account is disabled", "account_disabled")
    if is_outdated(user.password_hash):
        await desk.store.set_password(user, await desk.door.hashed(password))
    return user, await open_session(desk, user)


async def open_session(desk: Desk, user: User) -> str:
    """Begin a session and return its value."""
    value, now = secrets.token_urlsafe(32), int(time.time())
    await desk.store.sessions.open(desk.vault.token_hash(value), user.id, now, now + SESSION_S)
    return value


async def log_out(desk: Desk, session: str) -> None:
    """End a session, whoever's it is."""
    if session:
        await desk.store.sessions.close(desk.vault.token_hash(session))


async def new_access_token(desk: Desk, user: User) -> str:
    """Return a new access token of a user; the one before works no longer. 32 hexadecimal digits."""
    token = secrets.token_hex(16)
    await desk.store.sessions.set_access_token(user.id, desk.vault.token_hash(token), int(time.time()))
    return token


async def user_of_session(desk: Desk, session: str) -> User | None:
    """Return who is logged in; None if the session has ended or is none."""
    if not session or len(session) > _MOST_VALUE:
        return None
    user_id = await desk.store.sessions.user_id(desk.vault.token_hash(session), int(time.time()))
    return await desk.store.user_by_id(user_id) if user_id is not None else None


async def user_of_token(desk: Desk, token: str) -> User | None:
    """Return for whom an access token acts; None if it is none."""
    if not token or len(token) > _MOST_VALUE:
        return None
    user_id = await desk.store.sessions.holder(desk.vault.token_hash(token))
    return await desk.store.user_by_id(user_id) if user_id is not None else None


def session_of(request: web.Request) -> str:
    """Return the value of a request's session, empty for none."""
    return request.cookies.get(COOKIE, "")


def set_session(request: web.Request, response: web.StreamResponse, desk: Desk, session: str) -> None:
    """Put a session into the client's cookie; an empty one takes it away."""
    is_secure = is_https(request, desk)
    response.set_cookie(
        COOKIE, session, max_age=SESSION_S if session else 0, path="/api", httponly=True,
        samesite="Strict", secure=is_secure,
    )  # fmt: skip


def is_https(request: web.Request, desk: Desk) -> bool:
    """Whether the client speaks TLS to the proxy before us: only a trusted one can say so."""
    trusted = desk.config.server.trusted_proxies
    said = request.headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
    return said == "https" and is_trusted(request.remote or "", trusted)
