"""What the store returns and takes: users, tokens, channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

ROLE_USER, ROLE_ADMIN, ROLE_ROOT = 1, 10, 100
ROLES: Mapping[str, int] = MappingProxyType({"user": ROLE_USER, "admin": ROLE_ADMIN, "root": ROLE_ROOT})
"""Roles by name. The numbers are One API's, so that an import keeps them."""

ENABLED, DISABLED = "enabled", "disabled"

DEFAULT_GROUP = "default"

_ONE_KEY = ("{", "-----BEGIN")
"""How a key begins that has several lines itself: JSON of a service account, PEM."""


@dataclass(frozen=True, slots=True)
class User:
    """A person or program with tokens. Without a password (`password_hash` is empty) nobody can log in.

    `limited`: what they may spend is the balance of the account `user:ID`.
    """

    id: int
    name: str
    role: int
    group: str
    status: str
    created_at: int
    password_hash: str = field(default="", repr=False)
    limited: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """An API key a client holds; the key itself is not kept, only its keyed hash.

    `expires_at` is unix seconds, None for never. Empty `models` or `subnets` mean any.
    `hint` is the end of the key, for people to tell tokens apart. `limited`: it may spend no more than the
    balance of the account `token:ID`, whatever its user has. Under load a higher `priority` comes first.
    """

    id: int
    user_id: int
    name: str
    key_hash: bytes = field(repr=False)
    hint: str
    status: str
    created_at: int
    expires_at: int | None = None
    models: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    limited: bool = False
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Times:
    """Limits of a channel's own in seconds, None for the gateway's: see `config.Upstream`.

    After `hedge_s` without a byte a second channel is asked beside it; None for never.
    """

    connect_s: float | None = None
    first_byte_s: float | None = None
    idle_s: float | None = None
    total_s: float | None = None
    hedge_s: float | None = None


NO_TIMES = Times()

RouteMode = Literal["priority", "weight", "least_busy", "latency", "cheapest", "sticky"]
"""How the channels of a model are put in order: see routing.py."""


@dataclass(frozen=True, slots=True)
class ModelRoute:
    """How a model is served: by which mode, empty for the gateway's own, and which models stand in for it."""

    model: str
    mode: RouteMode | Literal[""] = ""
    fallbacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyFault:
    """A channel's key that its provider refused: `kind` is plugins.ErrorKind's word, `at` unix seconds."""

    channel_id: int
    key_hash: str
    kind: str
    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class ChannelBalance:
    """What was left of the account behind a channel when its provider was asked, at unix seconds.

    `micros` are millionths of a unit by currency, below zero for debts; `account` is a keyed hash that tells
    which account it was.
    """

    channel_id: int
    account: str
    at: int
    micros: dict[str, int]


@dataclass(frozen=True, slots=True)
class Event:
    """Something an administrator should know. `subject` is like `channel:7`."""

    id: int
    at: int
    kind: str
    subject: str
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A configured way to a provider. `mapping` turns the client's model name into the provider's.

    `key` may hold several keys, one a line. `ratio` multiplies what its answers cost, in millionths.
    """

    id: int
    type: str
    name: str
    base_url: str
    key: str = field(repr=False)
    models: tuple[str, ...]
    created_at: int
    mapping: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    weight: int = 1
    groups: tuple[str, ...] = (DEFAULT_GROUP,)
    status: str = ENABLED
    proxy: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    ratio: int = 1_000_000
    times: Times = NO_TIMES

    @property
    def keys(self) -> tuple[str, ...]:
        """Its keys, one a line in `key`; a single empty one where none is needed."""
        return keys_of(self.key) or ("",)


def keys_of(text: str) -> tuple[str, ...]:
    """Return the keys in a text, one a line, each once; a key of several lines is one."""
    if text.lstrip().startswith(_ONE_KEY):
        return (text,)
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
