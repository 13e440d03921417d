"""Logging in and out as One API has it, and the caller's own account."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from aiohttp import web

from ...manage.refused import Refused
from ...manage.users import checked_password, set_password
from ...store.rows import user_account
from ..actors import address_of, check_origin
from ..sessions import log_in, log_out, new_access_token, open_session, session_of, set_session
from .envelope import done
from .people import usage_of, user_json
from .visit import Visit

_DAY_S = 86_400


async def login(visit: Visit) -> web.StreamResponse:
    """`POST /api/user/login`: begin a session in a cookie."""
    check_origin(visit.request)
    fields = await visit.fields()
    address = address_of(visit.request)
    user, session = await log_in(visit.desk, fields.text("username"), fields.secret("password"), address)
    answer = done(
        {
            "id": user.id, "username": user.name, "display_name": user.name, "role": user.role, "status": 1,
            "email": "", "group": user.group,
        }
    )  # fmt: skip
    set_session(visit.request, answer, visit.desk, session)
    return answer


async def logout(visit: Visit) -> web.StreamResponse:
    """`GET /api/user/logout`: end the session of the cookie."""
    await log_out(visit.desk, session_of(visit.request))
    answer = done()
    set_session(visit.request, answer, visit.desk, "")
    return answer


async def show(visit: Visit) -> object:
    """`GET /api/user/self`."""
    user = await visit.me()
    state = await visit.desk.store.accounts.state(user_account(user.id))
    return user_json(user, state, await usage_of(visit.desk.store, user.id))


async def change(visit: Visit) -> object:
    """`PUT /api/user/self`: a new password; a name stays. All other sessions end."""
    fields, user, desk = await visit.fields(), await visit.me(), visit.desk
    if fields.text("username", user.name) not in ("", user.name):
        raise Refused("username", "a user keeps the name")
    password = fields.secret("password")
    if not password:
        return None
    hashed = await desk.door.hashed(checked_password(password))
    await set_password(desk.store, user, hashed)
    await visit.did("change password", f"user:{user.id}")
    answer = done()
    if session_of(visit.request):
        set_session(visit.request, answer, desk, await open_session(desk, user))
    return answer


async def access_token(visit: Visit) -> object:
    """`GET /api/user/token`: make a new access token, and show it this once."""
    user = await visit.me()
    token = await new_access_token(visit.desk, user)
    await visit.did("make access token", f"user:{user.id}")
    return token


async def invitation(visit: Visit) -> object:
    """`GET /api/user/aff`: what stands as `aff_code` where a user is made who was invited: the name."""
    return (await visit.me()).name


async def redeem(visit: Visit) -> object:
    """`POST /api/user/topup`: redeem a code; returns what it was worth."""
    code, user = (await visit.fields()).secret("key"), await visit.me()
    if not code:
        raise Refused("key", "expected a code")
    quota = await visit.desk.store.codes.redeem(code, user.id, int(time.time()))
    await visit.did("redeem code", f"user:{user.id}", quota=quota)
    return quota


async def dashboard(visit: Visit) -> object:
    """`GET /api/user/dashboard`: the caller's requests of the last seven days (UTC), by day and model."""
    user, now = await visit.me(), datetime.now(UTC)
    first = int((now - timedelta(days=6)).timestamp()) // _DAY_S * _DAY_S
    totals = await visit.desk.store.requests.totals(
        "day", first, int(now.timestamp()) + 1, only={"user_id": user.id}, group_by=("model",)
    )
    return [
        {
            "Day": f"{datetime.fromtimestamp(total.starts_at or 0, UTC):%Y-%m-%d}", "ModelName": total.model,
            "RequestCount": total.requests - total.failures, "Quota": total.charged,
            "PromptTokens": total.prompt_tokens, "CompletionTokens": total.completion_tokens,
        }
        for total in totals
    ]  # fmt: skip


async def models(visit: Visit) -> object:
    """`GET /api/user/available_models`: names of the models of the caller's group."""
    await visit.desk.live.catch_up()
    return visit.desk.live.snapshot.models((await visit.me()).group)
