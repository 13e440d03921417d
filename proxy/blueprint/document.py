"""The file of an installation, as values: strict where it is read, and without defaults where it is written.

A field that is left out is at its default; of secrets and of the sections themselves, it is left as it is
in the installation. Things are named, never numbered. Pure.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from ..records import DEFAULT_GROUP, RouteMode
from .toml import written

VERSION = 1

Status = Literal["enabled", "disabled"]
Role = Literal["user", "admin", "root"]
Form = Literal["toml", "json"]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the file."""


class Group(Entry, frozen=True):
    """A group, and what its prices are multiplied by."""

    ratio: str = "1"


class Route(Entry, frozen=True):
    """How a model is served: see records.ModelRoute."""

    mode: RouteMode | Literal[""] = ""
    fallbacks: tuple[str, ...] = ()


class Waits(Entry, frozen=True):
    """Limits of a channel's own in seconds: see records.Times."""

    connect_s: float | None = None
    first_byte_s: float | None = None
    idle_s: float | None = None
    total_s: float | None = None
    hedge_s: float | None = None


class Channel(Entry, frozen=True):
    """A channel. Key, secret options and a proxy with a password may be left out: they stay as they are."""

    name: str
    type: str = "openai"
    base_url: str = ""
    models: tuple[str, ...] = ()
    mapping: dict[str, str] = {}
    groups: tuple[str, ...] = (DEFAULT_GROUP,)
    priority: int = 0
    weight: int = 1
    ratio: str = "1"
    status: Status = "enabled"
    proxy: str | UnsetType = UNSET
    key: str | UnsetType = UNSET
    options: dict[str, str] = {}
    times: Waits = Waits()

    def __repr__(self) -> str:
        return f"Channel({self.name!r})"  # others may be secret


class User(Entry, frozen=True):
    """A user. The balance counts where the user is new, and is else only told."""

    name: str
    role: Role = "user"
    group: str = DEFAULT_GROUP
    status: Status = "enabled"
    balance: str | UnsetType = UNSET


class Token(Entry, frozen=True):
    """A client's token; `end` is that of its key, to tell tokens of one name apart. Balance: see User."""

    user: str
    name: str
    end: str = ""
    status: Status = "enabled"
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    models: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    balance: str | UnsetType = UNSET
    key: str | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"Token({self.user!r}, {self.name!r})"


class Bound(Entry, frozen=True):
    """A limit of one subject, or of each of a kind."""

    each: Literal["", "token", "user", "group", "model", "channel"] = ""
    user: str = ""
    token: str = ""
    end: str = ""
    group: str = ""
    model: str = ""
    channel: str = ""
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    concurrent: int = 0
    day_budget: str = "$0"
    month_budget: str = "$0"


class Locked(Entry, frozen=True):
    """Secrets, encrypted with a passphrase: see locked.py."""

    cipher: str
    salt: str
    sealed: str


class Document(Entry, frozen=True):
    """The file. A section that is not there is not touched; an empty one holds nothing."""

    version: int
    groups: dict[str, Group] | UnsetType = UNSET
    prices: dict[str, dict[str, Any]] | UnsetType = UNSET
    models: dict[str, Route] | UnsetType = UNSET
    channels: tuple[Channel, ...] | UnsetType = UNSET
    users: tuple[User, ...] | UnsetType = UNSET
    tokens: tuple[Token, ...] | UnsetType = UNSET
    limits: tuple[Bound, ...] | UnsetType = UNSET
    secrets: Locked | UnsetType = UNSET


HEAD = """\
# An installation of canalgate, by `canalgate export`; `canalgate apply FILE` brings one to this state.
# What is left out is at its default. Not here: config.toml, redemption codes, the call log, what was spent.
# Of tokens only hashes are kept: without [secrets] a token that is new where this is applied gets a new key.
"""


def read(text: str, form: Form) -> Document:
    """Read a file. Raises ValueError saying where what is wrong, in a line."""
    try:
        table = tomllib.loads(text) if form == "toml" else json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"not valid {form.upper()}: {exc}") from exc
    try:
        document = msgspec.convert(table, Document)
    except msgspec.ValidationError as exc:
        raise ValueError(_said(str(exc), table)) from None
    if document.version != VERSION:
        raise ValueError(f"version: this program reads files of version {VERSION}")
    return document


def write(document: Document, form: Form) -> str:
    """Return the text of a file."""
    table = _plain(document)
    if form == "json":
        return json.dumps(table, indent=2, ensure_ascii=False, default=_shown) + "\n"
    return f"{HEAD}\n{written(table)}"


def _plain(value: Any) -> Any:
    """Return a value in tables and lists, without fields at their defaults."""
    if isinstance(value, msgspec.Struct):
        fields = ((field, getattr(value, field.name)) for field in msgspec.structs.fields(value))
        return {field.name: _plain(one) for field, one in fields if one != _default(field)}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _default(field: msgspec.structs.FieldInfo) -> object:
    return field.default_factory() if callable(field.default_factory) else field.default


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError


def _said(message: str, table: object) -> str:
    """Say what msgspec says in our words: where first, with the name of a thing in a list."""
    problem, _, where = message.partition(" - at `$")
    where = where.rstrip("`").lstrip(".")
    unknown = re.search(r"unknown field `(.*)`", problem)
    if unknown:
        where = f"{where}.{unknown[1]}".lstrip(".")
        problem = "there is no such field"
    if "[...]" in where:
        where = where.replace("[...]", f" {_failing(where, table)!r}", 1)
    named = re.match(r"(\w+)\[(\d+)\]", where)
    if named and isinstance(table, Mapping):
        entry = table[named[1]][int(named[2])]
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if isinstance(name, str):
            where = where.replace(named[0], f"{named[1]} {name[:60]!r}", 1)
    return f"{where or 'the file'}: {problem[:1].lower()}{problem[1:]}"


def _failing(where: str, table: Any) -> str:
    """Return which of a section's named entries does not fit; msgspec does not say."""
    section = where.partition("[")[0]
    kind = {"groups": Group, "models": Route}.get(section, dict[str, Any])
    for name, entry in table[section].items():
        try:
            msgspec.convert(entry, kind)
        except msgspec.ValidationError:
            return str(name)[:60]
    return ""
