"""Texts that anybody may read: One API's notice, about and home page, which are empty here."""

from __future__ import annotations

from ...store import StoreError
from .visit import Visit


async def nothing(visit: Visit) -> object:
    """Return an empty text: an operator of canalgate has none to show."""
    return ""


async def no_registration(visit: Visit) -> object:
    """Say where accounts are made."""
    raise StoreError("accounts are made by administrators, or in the console where users.sign_up lets people")
