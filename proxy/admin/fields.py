"""What the admin API's bodies and answers are made of: strict structs, and texts and numbers with bounds."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from ..store.accounts import MOST

T = TypeVar("T")

MOST_NAME = 191
MOST_ROWS = 200

Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
After = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Name = Annotated[str, Meta(min_length=1, max_length=MOST_NAME)]
Word = Annotated[str, Meta(max_length=MOST_NAME)]
"""A short text that may be empty."""
Text = Annotated[str, Meta(max_length=100_000)]
Quota = Annotated[int, Meta(ge=0, lt=MOST)]
"""Money: 500,000 is 1 US dollar."""
Seconds = Annotated[int, Meta(ge=0, lt=2**40)]
"""Unix time."""
Rows = Annotated[int, Meta(ge=1, le=MOST_ROWS)]
Status = Literal["enabled", "disabled"]
Role = Literal["user", "admin", "root"]


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a request gives; a field nobody knows is an error."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer shows."""


class Pages(Given, frozen=True, kw_only=True):
    """Where a list goes on (`next` of the answer before), and how long a page is."""

    after: After = 0
    limit: Rows = 100


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list. `next` is what to send as `after`; null where the list ends."""

    data: list[T]
    next: str | None = None


class Tagged(Generic[T]):
    """One thing with the tag of its state, which becomes the header `ETag`."""

    __slots__ = ("tag", "value")

    def __init__(self, value: T, tag: str) -> None:
        self.value = value
        self.tag = tag


def paged(rows: list[T], ids: list[int], limit: int) -> Page[T]:
    """Return the first `limit` rows as a page; one more has been read if there are more."""
    more = len(rows) > limit
    return Page(rows[:limit], str(ids[limit - 1]) if more else None)
