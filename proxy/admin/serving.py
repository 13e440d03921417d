"""Serve an operation: who asks, what they give, the work, its answer, and its row in the audit trail.

A write goes on if its client leaves, so that no change is without its row.
"""

from __future__ import annotations

import asyncio
import logging
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from ..errors import GatewayError, forbidden
from ..store import StoreError
from ..store.idempotency import claim, keep, release
from ..store.trail import Deed
from ..tasks import Owner
from .actors import Actor, actor_of, address_of, check_origin
from .desk import DESK, Desk
from .fields import Tagged
from .operations import ONCE, RANKS, Call, Operation
from .reading import read_arguments
from .sessions import set_session
from .streams import JSON, Stream, send

log = logging.getLogger(__name__)

NOBODY = Actor("", RANKS["public"])
OWNER = web.AppKey("owner", Owner)

_KEPT = "kept answer"
_NO_STORE = {"cache-control": "no-store"}


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """An answer, to be given again to the same request."""

    status: int
    body: bytes
    tag: str = ""


def handler_of(operation: Operation) -> Handler:
    """Return the aiohttp handler of an operation."""

    async def handle(request: web.Request) -> web.StreamResponse:
        actor = await _admitted(operation, request)
        desk = request.app[DESK]
        arguments = await read_arguments(operation, request, desk.config.server.body_idle_s)
        key = request.headers.get("idempotency-key", "")
        if operation.once == "passed":
            arguments[ONCE] = key
        call = Call(desk, actor, address_of(request), request)
        if operation.is_read:
            value = await operation.handler(call, **arguments)
            if isinstance(value, Stream):
                return await send(request, value)
            return _response(_answered(operation, value))
        if operation.media != (JSON,):
            return await send(request, await _begun(operation, call, arguments))
        work = request.app[OWNER].start(_write(operation, call, arguments, key), operation.name)
        return await asyncio.shield(work)

    return handle


def tag_of(desk: Desk, row: Any) -> str:
    """Return the tag of a row's state: it changes with any field, and tells nothing of them."""
    values = [getattr(row, field.name) for field in fields(row)]
    state = repr([sorted(one.items()) if isinstance(one, Mapping) else one for one in values])
    return desk.vault.token_hash(f"tag {state}")[:12].hex()


async def _admitted(operation: Operation, request: web.Request) -> Actor:
    if operation.least == "public":
        check_origin(request)
        return NOBODY
    actor = await actor_of(request)
    if actor.role < RANKS[operation.least]:
        raise forbidden(f"this needs the role {operation.least!r}", "role_too_low")
    return actor


async def _write(operation: Operation, call: Call, arguments: dict[str, Any], key: str) -> web.Response:
    if not key or operation.once != "kept":
        return await _written(operation, call, arguments)
    desk = call.desk
    scope = f"{call.actor.user_id or 'key'}:{operation.name}"[:64]
    asked = msgspec.json.encode([call.request.path.rstrip("/"), arguments.get("body")]).decode()
    known = await claim(desk.store.database, scope, key, asked, int(time.time()))
    if known is not None:
        kept = msgspec.json.decode(desk.vault.open(b64decode(known), _KEPT), type=Kept)
        response = _response(kept)
        response.headers["idempotent-replayed"] = "true"
        return response
    try:
        response = await _written(operation, call, arguments)
    except (GatewayError, StoreError):
        await release(desk.store.database, scope, key)
        raise
    body = response.body if isinstance(response.body, bytes) else b""
    kept = Kept(response.status, body, response.headers.get("etag", "").strip('"'))
    sealed = desk.vault.seal(msgspec.json.encode(kept).decode(), _KEPT)
    await keep(desk.store.database, scope, key, b64encode(sealed).decode())
    return response


async def _written(operation: Operation, call: Call, arguments: dict[str, Any]) -> web.Response:
    value = await operation.handler(call, **arguments)
    await _audit(operation, call)
    with suppress(GatewayError):  # it is loaded later
        await call.desk.live.catch_up()
    response = _response(_answered(operation, value))
    if call.noted.session is not None:
        set_session(call.request, response, call.desk, call.noted.session)
    return response


async def _begun(operation: Operation, call: Call, arguments: dict[str, Any]) -> Stream[Any]:
    stream: Stream[Any] = await operation.handler(call, **arguments)
    await _audit(operation, call)
    return stream


async def _audit(operation: Operation, call: Call) -> None:
    noted = call.noted
    actor = noted.actor or call.actor.name
    deed = Deed(0, int(time.time()), actor, operation.name, noted.subject, call.address, noted.detail)
    try:
        await call.desk.store.trail.write(deed)
    except Exception:
        log.error("change without a row in the audit trail act=%s subject=%s", deed.act, deed.subject)
        raise


def _answered(operation: Operation, value: Any) -> Kept:
    tag = value.tag if isinstance(value, Tagged) else ""
    value = value.value if isinstance(value, Tagged) else value
    return Kept(operation.status, b"" if operation.answer is None else msgspec.json.encode(value), tag)


def _response(answer: Kept) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body, headers=_NO_STORE)
    if answer.body:
        response.content_type = "application/json"
    if answer.tag:
        response.headers["etag"] = f'"{answer.tag}"'
    return response
