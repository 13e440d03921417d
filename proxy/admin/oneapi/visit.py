"""One request to One API's management API: who asks, what they send, and the trail they leave."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web

from ...errors import forbidden
from ...live import ADMIN_KEY_NAME
from ...manage.refused import Refused
from ...records import ROLE_ROOT, User
from ...store import StoreError
from ...store.trail import Deed
from ..actors import Actor, actor_of, address_of
from ..desk import DESK, Desk
from .fields import Fields, fields_of

T = TypeVar("T")

PER_PAGE = 10
"""Rows of a page; One API knows no other number."""

_MOST_PAGE = 10_000
_NOBODY = Actor("", 0)


@dataclass(frozen=True, slots=True)
class Visit:
    """A request and who makes it; on pages for everybody the actor is nobody."""

    request: web.Request
    desk: Desk
    actor: Actor

    async def me(self) -> User:
        """Return the user who asks: for the admin key the root user."""
        number = self.actor.user_id
        if number is not None:
            user = await self.desk.store.user_by_id(number)
        else:
            roots = (one for one in await self.desk.store.users() if one.role == ROLE_ROOT)
            user = next((one for one in roots if one.name != ADMIN_KEY_NAME), None)
        if user is None:
            raise StoreError("there is no such user any more")
        return user

    async def fields(self) -> Fields:
        """Return the fields of the JSON object that was sent."""
        return fields_of(await self.request.read())

    def query(self, name: str) -> str:
        """Return a parameter of the address, empty where there is none."""
        return self.request.query.get(name, "").strip()

    def number(self, name: str, default: int = 0) -> int:
        """Return a whole number of the address."""
        return Fields(self.request.query).whole(name, default) if self.query(name) else default

    @property
    def page(self) -> int:
        """The page that is asked for, from 0."""
        number = self.number("p")
        if number > _MOST_PAGE:
            raise Refused("p", f"expected at most {_MOST_PAGE}")
        return max(0, number)

    def paged(self, rows: Sequence[T]) -> Sequence[T]:
        """Return the rows of the page that is asked for."""
        first = self.page * PER_PAGE
        return rows[first : first + PER_PAGE]

    @property
    def id(self) -> int:
        """The number that the path ends with."""
        return int(self.request.match_info["id"])

    async def did(self, act: str, subject: str, **detail: object) -> None:
        """Write a change down, and let this gateway follow it before it is answered."""
        address, name = address_of(self.request), self.actor.name
        await self.desk.store.trail.write(Deed(0, int(time.time()), name, act, subject, address, detail))
        await self.desk.live.catch_up()


async def enter(request: web.Request, role: int) -> Visit:
    """Return the visit of somebody of this role or above, 0 for everybody. Raises GatewayError 401 or 403."""
    actor = await actor_of(request) if role else _NOBODY
    if actor.role < role:
        raise forbidden("your role is not enough for this", "role_too_low")
    return Visit(request, request.app[DESK], actor)
