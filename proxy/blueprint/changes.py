"""What a file would change, thing by thing and field by field. Holds no secret. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

import msgspec

from ..billing.limits import Limit
from ..billing.money import show_quota, show_ratio
from ..billing.pricing import Price
from ..records import ROLES, ChannelRow, ModelRoute, Times, Token, User
from .describe import Adapters, has_password, moment, price_fields, secret_options

Action = Literal["added", "changed", "removed"]

_ROLES = {number: name for name, number in ROLES.items()}
_NOT_TOLD = {"id", "name", "user_id", "created_at", "limited", "model", "hint"}
_SECRET = {"key", "password_hash", "key_hash"}
_NAMES = {"password_hash": "password", "key_hash": "key"}

Value = ChannelRow | User | Token | ModelRoute | Limit | Price | int | None
"""What is set, a ratio being an int; None where nothing is."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field that differs, as people read it; of a secret only that it is there."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to one thing."""

    kind: str
    name: str
    action: Action
    fields: tuple[Field, ...] = ()


def change(kind: str, name: str, before: Value, after: Value, adapters: Adapters) -> Change | None:
    """Compare a thing that is here with what it is to be; None where they are the same."""
    old, new = _shown(before, adapters), _shown(after, adapters)
    differing = tuple(
        Field(field, old.get(field, ("", None))[0], new.get(field, ("", None))[0])
        for field in dict.fromkeys((*old, *new))
        if old.get(field) != new.get(field)
    )
    if before is None:
        return Change(kind, name, "added", differing)
    if after is None:
        return Change(kind, name, "removed")
    return Change(kind, name, "changed", differing) if differing else None


Shown = dict[str, tuple[str, object]]
"""By field: what people read, and what is compared."""


def _shown(value: Value, adapters: Adapters) -> Shown:
    if value is None:
        return {}
    if isinstance(value, int):
        return {"ratio": (show_ratio(value), value)}
    if isinstance(value, Price):
        return {name: (str(part), part) for name, part in price_fields(value).items()}
    if isinstance(value, Limit):
        return {name: (_limit(name, part), part) for name, part in msgspec.structs.asdict(value).items()}
    found: Shown = {}
    for field in fields(value):
        if field.name not in _NOT_TOLD:
            part = getattr(value, field.name)
            found[_NAMES.get(field.name, field.name)] = (_text(field.name, part), _plain(part))
    if isinstance(value, ChannelRow):
        del found["options"]
        secret = secret_options(adapters, value)
        for name, option in value.options.items():
            found[f"options.{name}"] = (_hidden(option) if name in secret else option, option)
        if has_password(value.proxy):
            found["proxy"] = (_hidden(value.proxy), value.proxy)
    return found


def _plain(part: object) -> object:
    return dict(part) if isinstance(part, Mapping) else part


def _text(name: str, part: object) -> str:
    if name in _SECRET:
        return _hidden(part)
    if part is None:
        return "never" if name == "expires_at" else ""
    if name == "role" and isinstance(part, int):
        return _ROLES.get(part, str(part))
    if name == "ratio" and isinstance(part, int):
        return show_ratio(part)
    if name == "expires_at" and isinstance(part, int):
        return moment(part).isoformat().replace("+00:00", "Z")
    if isinstance(part, Times):
        return _pairs({name: value for name, value in asdict(part).items() if value is not None})
    if isinstance(part, Mapping):
        return _pairs(part)
    return ", ".join(map(str, part)) if isinstance(part, tuple) else str(part)


def _hidden(part: object) -> str:
    return "(set)" if part else ""


def _pairs(table: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in table.items())


def _limit(name: str, part: int) -> str:
    return show_quota(part) if name.endswith("_budget") else str(part)


def as_rows(changes: Iterable[Change]) -> list[dict[str, object]]:
    """Return changes for programs."""
    return [asdict(one) for one in changes]
