"""Where a database is: `mysql://`, `postgresql://`, or One API's form, read without ever repeating it.

The text holds a password, so nothing of it but host and name gets into a message.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import ConfigError

Kind = Literal["mysql", "postgres"]

_KINDS: Mapping[str, Kind] = {
    "mysql": "mysql", "mariadb": "mysql", "postgres": "postgres", "postgresql": "postgres",
}  # fmt: skip
_PORTS: Mapping[Kind, int] = {"mysql": 3306, "postgres": 5432}

_ONE_API = re.compile(
    r"(?P<user>[^:@/]+)(:(?P<password>.*))?@tcp\((?P<host>\[[^]]+\]|[^():]+)(:(?P<port>\d{1,5}))?\)"
    r"/(?P<name>[^/?]+)(\?(?P<options>.*))?",
    re.DOTALL,
)

_TLS_OPTIONS = frozenset({"sslmode", "ssl", "tls"})
_TLS: Mapping[str, str] = {
    "disable": "off", "false": "off",
    "prefer": "", "preferred": "",
    "require": "unverified", "skip-verify": "unverified",
    "true": "verified", "verify-ca": "verified", "verify-full": "verified",
}  # fmt: skip

_EXPECTED = (
    "data.database: expected mysql://USER:PASSWORD@HOST:PORT/NAME or postgresql://...;"
    " write special characters of the password as %XX"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A database server and what to say to it. As text it has no password."""

    kind: Kind
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    name: str
    tls: str = ""

    def __str__(self) -> str:
        scheme = "mysql" if self.kind == "mysql" else "postgresql"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}/{self.name}"

    def tls_context(self) -> ssl.SSLContext | bool | None:
        """Return what drivers take: a context, False for never, None where nothing was said."""
        if self.tls in ("", "off"):
            return False if self.tls else None
        context = ssl.create_default_context()
        if self.tls == "unverified":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def parse(text: str) -> Address:
    """Read an address. Raises ConfigError."""
    found = _ONE_API.fullmatch(text)
    if found:
        host, port = found["host"].strip("[]"), int(found["port"] or _PORTS["mysql"])
        options = dict(parse_qsl(found["options"] or ""))  # all but one are for a driver in Go
        said = next((options[name] for name in _TLS_OPTIONS if name in options), "prefer")
        return Address("mysql", host, port, found["user"], found["password"] or "", found["name"], _tls(said))
    try:
        parts = urlsplit(text)
        kind = _KINDS[parts.scheme]
        host, port = parts.hostname or "", parts.port or _PORTS[kind]
    except (ValueError, KeyError):
        raise ConfigError(_EXPECTED) from None  # what they say holds pieces of the text
    name = unquote(parts.path.removeprefix("/"))
    if not (host and parts.username and name) or "/" in name or parts.fragment:
        raise ConfigError(_EXPECTED)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if options.keys() - _TLS_OPTIONS:
        raise ConfigError("data.database: the only option after `?` is sslmode")
    user, password = unquote(parts.username), unquote(parts.password or "")
    return Address(kind, host, port, user, password, name, _tls(next(iter(options.values()), "prefer")))


def _tls(word: str) -> str:
    if word not in _TLS:
        raise ConfigError(f"data.database: sslmode: expected one of {', '.join(_TLS)}")
    return _TLS[word]
