"""Users as administrators set them: what a name and a password must be, and who may change whom. Pure."""

from __future__ import annotations

from ..records import ROLE_ADMIN, ROLE_ROOT, ROLE_USER, User
from .refused import Refused

LEAST_PASSWORD, MOST_PASSWORD = 8, 128
MOST_NAME = 191


def checked_name(field: str, text: str) -> str:
    """Return the name of a user or group. Raises Refused for one that cannot be shown or kept."""
    name = text.strip()
    if not name or len(name) > MOST_NAME or not name.isprintable():
        raise Refused(field, f"expected 1 to {MOST_NAME} printable characters")
    return name


def checked_password(text: str) -> str:
    """Return a password. Raises Refused for one that is too short or too long."""
    if not LEAST_PASSWORD <= len(text) <= MOST_PASSWORD:
        raise Refused("password", f"expected {LEAST_PASSWORD} to {MOST_PASSWORD} characters")
    return text


def checked_role(role: int, by: int) -> int:
    """Return a role that a user may be given by somebody of the role `by`. Raises Refused."""
    if role not in (ROLE_USER, ROLE_ADMIN):
        raise Refused("role", f"expected {ROLE_USER} or {ROLE_ADMIN}; there is one root user")
    if role >= by:
        raise Refused("role", "only the root user makes administrators")
    return role


def check_may_change(user: User, by: int) -> None:
    """Refuse a change of a user by somebody whose role is not above theirs, unless it is root."""
    if user.role >= by and by != ROLE_ROOT:
        raise Refused("user", "their role is not below yours")
