"""Where one is logged in, and ending that."""

from __future__ import annotations

import time
from typing import Annotated

from msgspec import Meta

from ...manage import users
from ...store.changes import Missing
from ...store.sessions import Session
from .. import sessions
from ..fields import Id, Page, Shown
from ..operations import Call, Operations
from .account import own

operations = Operations("sessions")

Handle = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]


class SessionShown(Shown, frozen=True, kw_only=True):
    """A session. `id` names it and opens nothing. `is_this`: the one that asks."""

    id: str
    created_at: int
    expires_at: int
    is_this: bool


@operations.get("/me/sessions", "user")
async def list_own_sessions(call: Call) -> Page[SessionShown]:
    """List one's own sessions, newest first."""
    return Page([_shown(call, one) for one in await _of(call, (await own(call)).id)])


@operations.delete("/me/sessions/{id}", "user")
async def end_own_session(call: Call, id: Handle) -> None:
    """End one of one's own sessions."""
    user = await own(call)
    found = next((one for one in await _of(call, user.id) if _handle(one) == id), None)
    if found is None:
        raise Missing(f"there is no session {id!r}")
    await call.desk.store.sessions.close(found.session_hash)
    call.note(f"user:{user.id}", session=id)


@operations.delete("/me/sessions", "user")
async def end_other_sessions(call: Call) -> None:
    """End all of one's own sessions but the one that asks."""
    user = await own(call)
    await call.desk.store.sessions.close_all(user.id, _this(call))
    call.note(f"user:{user.id}")


@operations.get("/users/{id}/sessions", "admin")
async def list_user_sessions(call: Call, id: Id) -> Page[SessionShown]:
    """List a user's sessions, newest first."""
    await users.find(call.desk.store, id)
    return Page([_shown(call, one) for one in await _of(call, id)])


@operations.delete("/users/{id}/sessions", "admin")
async def end_user_sessions(call: Call, id: Id) -> None:
    """End all sessions of a user. Their access token stays."""
    users.check_rank(call.actor.role, await users.find(call.desk.store, id))
    await call.desk.store.sessions.close_all(id)
    call.note(f"user:{id}")


async def _of(call: Call, user_id: int) -> list[Session]:
    return await call.desk.store.sessions.of(user_id, int(time.time()))


def _handle(session: Session) -> str:
    return session.session_hash[:8].hex()


def _this(call: Call) -> bytes:
    value = sessions.session_of(call.request)
    return call.desk.vault.token_hash(value) if value else b""


def _shown(call: Call, session: Session) -> SessionShown:
    return SessionShown(
        id=_handle(session), created_at=session.created_at, expires_at=session.expires_at,
        is_this=session.session_hash == _this(call),
    )  # fmt: skip
