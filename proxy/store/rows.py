"""Rows of users and tokens as the values of records.py, and what their accounts are called. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import orjson

from ..records import Token, User
from .database import Row


class State(NamedTuple):
    """An account. `balance` is what is free, None if unlimited; `leased` what gateways have taken of it."""

    balance: int | None
    leased: int
    used: int
    credited: int

    @property
    def remaining(self) -> int | None:
        """What can still be spent, None where unlimited."""
        return None if self.balance is None else self.balance + self.leased


def user_account(user_id: int) -> str:
    """Name of a user's account."""
    return f"user:{user_id}"


def token_account(token_id: int) -> str:
    """Name of a token's account."""
    return f"token:{token_id}"


def _is_limited(name: str, states: Mapping[str, State]) -> bool:
    state = states.get(name)
    return state is not None and state.balance is not None


def user_of(row: Row, states: Mapping[str, State]) -> User:
    """Return a user; their account is among `states`."""
    return User(
        row["id"],
        row["name"],
        row["role"],
        row["user_group"],
        row["status"],
        row["created_at"],
        row["password_hash"],
        _is_limited(user_account(row["id"]), states),
    )


def token_of(row: Row, states: Mapping[str, State]) -> Token:
    """Return a token; its account is among `states`."""
    return Token(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        key_hash=row["key_hash"],
        hint=row["hint"],
        status=row["status"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        models=texts(row["models"]),
        subnets=texts(row["subnets"]),
        limited=_is_limited(token_account(row["id"]), states),
        priority=row["priority"],
    )


def as_json(value: object) -> str:
    """Write a value of a column that is JSON."""
    return orjson.dumps(value).decode()


def texts(text: str) -> tuple[str, ...]:
    """Read a column that is a list of texts in JSON."""
    return tuple(orjson.loads(text))
