"""Settings: `config.toml` and the environment into frozen values, strictly.

Read once, at start; what is set in the console lies over them (settings.py). What an operator changes while
running (channels, tokens, users) is data in the store. An unknown key, a wrong type or a contradiction is a
ConfigError of one line.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from .billing.money import parse_balance, parse_quota, parse_ratio
from .errors import ConfigError
from .keys.keyring import parse
from .other_names import Meaning, understood
from .records import RouteMode

ENV_PREFIX = "CANALGATE_"
CONFIG_ENV = "CANALGATE_CONFIG"


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The port clients talk to."""

    host: str = "127.0.0.1"
    port: int = 3000
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ("*",)
    head_timeout_s: float = 10.0
    body_idle_s: float = 30.0
    send_idle_s: float = 120.0
    keepalive_s: float = 75.0
    max_body_bytes: int = 64 * 1024 * 1024
    grace_s: float = 30.0
    notice_s: float = 0.3
    fast_lane: bool = True
    heartbeat_s: float = 15.0
    early_heartbeat_s: float = 0.0
    resume_s: float = 0.0
    resume_bytes: int = 1024 * 1024
    resume_total_bytes: int = 64 * 1024 * 1024


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept, and where. `database` is empty for a file in `dir`, else an address with a password."""

    dir: str = "data"
    database: str = ""
    secret_key: str = ""

    def __repr__(self) -> str:
        return f"Data(dir={self.dir!r})"  # the others are secrets


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Connections to providers. `private` and `allow`: see upstream/reach.py."""

    connect_s: float = 10.0
    first_byte_s: float = 600.0
    idle_s: float = 300.0
    keepalive_s: float = 30.0
    max_reply_bytes: int = 64 * 1024 * 1024
    ca_file: str = ""
    private: bool = True
    allow: tuple[str, ...] = ()


class Routing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which channels are asked, and how often."""

    mode: RouteMode = "priority"
    attempts: int = 4
    retry_share: float = 0.2
    retry_pause_s: float = 0.2
    deadline_s: float = 900.0
    eject_after: int = 5
    test_every_s: float = 0.0
    continuation: bool = False


class Overload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much is done at a time: see gate.py."""

    running: int = 5000
    waiting: int = 1000
    wait_s: float = 10.0


class Events(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Word to administrators. `webhook` is empty for none."""

    webhook: str = ""

    def __repr__(self) -> str:
        return "Events()"  # an address may hold a secret


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is written to standard error, and how long bodies of requests are kept, 0 for not at all."""

    format: Literal["human", "json"] = "human"
    level: Literal["debug", "info", "warning", "error"] = "info"
    keep_bodies_s: float = 3600.0
    keep_all_bodies: bool = False


class Plugins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Adapters and features. `settings` are the tables `[plugins.NAME]`, which the plugins judge."""

    dir: str = ""
    enabled: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    settings: dict[str, dict[str, Any]] = {}


class Ledger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of requests and their cost. `keep_days` is 0 for ever."""

    durability: Literal["process", "power", "database"] = "process"
    flush_s: float = 0.2
    completion_tokens: int = 4096
    idempotent_answers: bool = False
    keep_days: int = 400


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What models cost. Amounts are dollars per million tokens, as text."""

    file: str = ""
    unpriced: Literal["free", "refuse", "default"] = "free"
    default_prompt: str = "0"
    default_completion: str = "0"


class Users(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may make an account by themselves: nobody, who has an invitation, or anybody."""

    sign_up: Literal["closed", "invited", "open"] = "closed"


class Quota(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What new users may spend, and what an invitation gives to who was invited and who has invited."""

    new_user: str = "0"
    invited: str = "0"
    inviter: str = "0"


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In what the console shows money and takes it: `per_dollar` units of `currency` are a US dollar."""

    currency: str = "USD"
    per_dollar: str = "1"


class Admin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The pages of administrators. `key` is empty for none; it may do what the root user may.

    `setup_secret` sets the root user's password, once; empty for one that the first start makes and shows.
    `root_token` and `root_access_token` are the root user's at the first start, empty for one that is made
    and for none.
    """

    key: str = ""
    setup_secret: str = ""
    root_token: str = ""
    root_access_token: str = ""

    def __repr__(self) -> str:
        return "Admin()"  # a secret


class Demo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The channel that answers as long as there is no other."""

    enabled: bool = True


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings."""

    server: Server = Server()
    data: Data = Data()
    upstream: Upstream = Upstream()
    routing: Routing = Routing()
    overload: Overload = Overload()
    events: Events = Events()
    log: Log = Log()
    plugins: Plugins = Plugins()
    ledger: Ledger = Ledger()
    prices: Prices = Prices()
    users: Users = Users()
    quota: Quota = Quota()
    money: Money = Money()
    admin: Admin = Admin()
    demo: Demo = Demo()

    @property
    def data_dir(self) -> Path:
        """Folder of the database, the secret key and drop-in plugins."""
        return Path(self.data.dir)

    @property
    def plugin_dir(self) -> Path:
        """Folder of drop-in plugin files."""
        return Path(self.plugins.dir) if self.plugins.dir else self.data_dir / "plugins"


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the settings from `path`, else from CANALGATE_CONFIG, else from ./config.toml if it is there."""
    if path is None and environ.get(CONFIG_ENV):
        path = Path(environ[CONFIG_ENV])
    if path is None:
        path = Path("config.toml")
        table = _read(path) if path.exists() else {}
    else:
        table = _read(path)
    config = _checked(convert(table, Config, str(path)), str(path))
    overrides = from_environment(environ)
    if overrides:
        config = _checked(convert(_merged(table, overrides), Config, "environment"), "environment")
    return config


def _checked(config: Config, source: str) -> Config:
    try:
        check(config)
    except ConfigError as exc:
        raise ConfigError(f"{source}: {exc}") from exc
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        return _with_plugin_tables(tomllib.loads(path.read_text("utf-8")))
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror}; check the path of the configuration file") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: not valid TOML: {exc}") from exc


def _with_plugin_tables(table: dict[str, Any]) -> dict[str, Any]:
    """Put the tables `[plugins.NAME]` where the settings have them."""
    plugins = table.get("plugins")
    if not isinstance(plugins, dict):
        return table
    own = {name: value for name, value in plugins.items() if not isinstance(value, dict)}
    tables = {name: value for name, value in plugins.items() if isinstance(value, dict)}
    return {**table, "plugins": {**own, "settings": tables}}


def from_environment(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return what the environment sets, by section. Raises ConfigError.

    `CANALGATE_SECTION__KEY=value`, the value as TOML has it; text needs no quotes, a list may be a,b,c.
    """
    tables: dict[str, dict[str, Any]] = {}
    for name, meaning in understood(environ):
        for setting, text in zip(meaning.settings, _read_other(name, meaning, environ[name]), strict=False):
            section, _, key = setting.partition(".")
            if text:
                tables.setdefault(section, {})[key] = _value(name, text, _type_of(section, key))
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX) or "__" not in name:
            continue
        section, _, key = name.removeprefix(ENV_PREFIX).lower().partition("__")
        kind = _type_of(section, key)
        if kind is None:
            raise ConfigError(f"environment: {name} names no setting; see config.example.toml")
        tables.setdefault(section, {})[key] = _value(name, environ[name], kind)
    return tables


def _read_other(name: str, meaning: Meaning, text: str) -> tuple[str, ...]:
    try:
        return meaning.read(text)
    except ValueError as exc:
        raise ConfigError(f"environment: {name}={text!r}: {exc}") from None


def _value(name: str, text: str, kind: object) -> Any:
    if kind == tuple[str, ...]:
        if not text.startswith("["):
            return [item.strip() for item in text.split(",") if item.strip()]
        kind = list[str]
    if kind in (int, float, bool, list[str]):
        try:
            return msgspec.json.decode(text, type=kind)
        except msgspec.DecodeError:
            words = {int: "a whole number", float: "a number", bool: "true or false"}
            word = words.get(kind, 'a,b,c or ["a", "b"]')
            raise ConfigError(f"environment: {name}={text!r}: expected {word}") from None
    return text


def _type_of(section: str, key: str) -> object | None:
    sections = {field.name: field.type for field in msgspec.structs.fields(Config)}
    if section not in sections:
        return None
    return {field.name: field.type for field in msgspec.structs.fields(sections[section])}.get(key)


def _merged(table: dict[str, Any], overrides: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {**table, **{name: {**table.get(name, {}), **values} for name, values in overrides.items()}}


T = TypeVar("T")

_LEAST_SECRET = 12
_PUBLIC_DATA = "data.dir"


def is_secret(section: str, name: str) -> bool:
    """Whether a setting may hold a secret, and so is never shown."""
    return section in ("data", "admin", "events") and f"{section}.{name}" != _PUBLIC_DATA


_REMEDIES = (
    (r"Expected `(int|float|int \| float|number)`, got `str`", "remove the quotes"),
    (r"Expected `str`, got", "put the value in quotes"),
    (r"Expected `bool`, got", "write true or false"),
    (r"Expected `array`, got", "write a list: [...]"),
    (r"unknown field", "see config.example.toml for the names"),
    (r"Invalid enum value", "see config.example.toml for the choices"),
)


def convert(table: dict[str, Any], kind: type[T], source: str) -> T:
    """Return a table as settings. Raises ConfigError naming the source, the key, the value and the remedy."""
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as exc:
        message, _, where = str(exc).partition(" - at `$.")
        where = where.rstrip("`")
        unknown = re.search(r"unknown field `(.*)`", message)
        if unknown:
            key = unknown[1]
            where = ".".join(part for part in (where.removeprefix("$"), key) if part)
        # A misspelt name of a secret is a secret too.
        section, _, name = where.partition(".")
        secret = is_secret(section, name)
        value = "..." if secret else _look_up(table, where)
        remedy = next((text for pattern, text in _REMEDIES if re.search(pattern, message)), "")
        raise ConfigError(
            f"{source}: {where} = {value!r}: {_lower(message)}" + (f"; {remedy}" if remedy else "")
        ) from exc


def _look_up(table: Any, where: str) -> Any:
    for part in re.split(r"[.\[]", where):
        name = part.rstrip("]").removesuffix("[...")
        if isinstance(table, dict) and name in table:
            table = table[name]
    return table


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _check_overload(overload: Overload) -> None:
    for name, least in (("running", 1), ("waiting", 0)):
        if not least <= getattr(overload, name) < 2**31:
            raise ConfigError(f"overload.{name} = {getattr(overload, name)}: expected {least} or more")
    if not 0 < overload.wait_s <= 3600:
        raise ConfigError(f"overload.wait_s = {overload.wait_s}: expected a number up to 3600")


def _check_routing(routing: Routing) -> None:
    for name, most in (("attempts", 20), ("retry_share", 10), ("retry_pause_s", 60), ("eject_after", 1000)):
        if not 0 < getattr(routing, name) <= most:
            raise ConfigError(f"routing.{name} = {getattr(routing, name)}: expected a number up to {most}")
    if not 0 <= routing.test_every_s < 2**40:
        raise ConfigError(f"routing.test_every_s = {routing.test_every_s}: expected 0 (for never) or more")
    if not 0 < routing.deadline_s < 2**40:
        raise ConfigError(f"routing.deadline_s = {routing.deadline_s}: expected a number above 0")


def _check_money(money: Money) -> None:
    if not re.fullmatch("[A-Z]{3}", money.currency):
        raise ConfigError(f"money.currency = {money.currency!r}: expected a code of ISO 4217 like CNY")
    try:
        is_none = not parse_ratio(money.per_dollar)
    except ValueError as exc:
        raise ConfigError(f"money.per_dollar = {exc}") from None
    if is_none:
        raise ConfigError(f"money.per_dollar = {money.per_dollar!r}: expected more than 0")
    if money.currency == "USD" and parse_ratio(money.per_dollar) != parse_ratio("1"):
        raise ConfigError(f"money.per_dollar = {money.per_dollar!r}: a USD is 1; set money.currency too")


def check(config: Config) -> None:
    """Refuse values that have the right type and make no sense. Raises ConfigError."""
    server, upstream = config.server, config.upstream
    if not 0 <= server.port <= 65535:
        raise ConfigError(f"server.port = {server.port}: expected 0 to 65535")
    for section, names in (
        (
            "server",
            (
                "head_timeout_s",
                "body_idle_s",
                "send_idle_s",
                "keepalive_s",
                "max_body_bytes",
                "grace_s",
                "resume_bytes",
                "resume_total_bytes",
            ),
        ),
        ("upstream", ("connect_s", "first_byte_s", "idle_s", "keepalive_s", "max_reply_bytes")),
    ):
        for name in names:
            value = getattr(getattr(config, section), name)
            if not 0 < value < 2**40:
                raise ConfigError(f"{section}.{name} = {value}: expected a number above 0")
    _check_routing(config.routing)
    _check_overload(config.overload)
    _check_money(config.money)
    if not 0 <= server.notice_s < server.grace_s:
        raise ConfigError(
            f"server.notice_s = {server.notice_s}: expected 0 or more, and less than server.grace_s"
        )
    for name in ("heartbeat_s", "early_heartbeat_s", "resume_s"):
        if not 0 <= getattr(server, name) < 2**40:
            raise ConfigError(f"server.{name} = {getattr(server, name)}: expected 0 (for none) or more")
    if server.early_heartbeat_s and not server.heartbeat_s:
        raise ConfigError(
            f"server.early_heartbeat_s = {server.early_heartbeat_s}: without effect while heartbeat_s is 0"
        )
    for origin in server.cors_origins:
        if not re.fullmatch(r"\*|https?://[!-.0-~]+", origin):
            raise ConfigError(
                f"server.cors_origins: {origin!r}: expected * or a site like https://example.com"
            )
    for name, networks in (
        ("server.trusted_proxies", server.trusted_proxies),
        ("upstream.allow", upstream.allow),
    ):
        for network in networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as exc:
                raise ConfigError(f"{name}: {exc}; write an address or a network like 10.0.0.0/8") from exc
    if not 0 <= config.log.keep_bodies_s < 2**40:
        raise ConfigError(f"log.keep_bodies_s = {config.log.keep_bodies_s}: expected 0 (none) or more")
    if not 0 <= config.ledger.keep_days < 2**20:
        raise ConfigError(f"ledger.keep_days = {config.ledger.keep_days}: expected 0 (for ever) or more")
    if not 0 < config.ledger.flush_s <= 3600:
        raise ConfigError(f"ledger.flush_s = {config.ledger.flush_s}: expected a number up to 3600")
    if not 0 < config.ledger.completion_tokens < 2**31:
        raise ConfigError(f"ledger.completion_tokens = {config.ledger.completion_tokens}: expected 1 or more")
    for name, read in (("new_user", parse_balance), ("invited", parse_quota), ("inviter", parse_quota)):
        try:
            read(getattr(config.quota, name))
        except ValueError as exc:
            raise ConfigError(f"quota.{name} = {exc}") from None
    for name in ("root_token", "root_access_token"):
        if not re.fullmatch(r"|[!-~]{8,191}", getattr(config.admin, name)):
            raise ConfigError(f"admin.{name}: expected 8 to 191 characters without blanks")
    if upstream.ca_file and not Path(upstream.ca_file).is_file():
        raise ConfigError(f"upstream.ca_file = {upstream.ca_file!r}: no such file")
    if config.admin.setup_secret and len(config.admin.setup_secret) < _LEAST_SECRET:
        raise ConfigError(f"admin.setup_secret: expected at least {_LEAST_SECRET} characters")
    if config.data.secret_key:
        try:
            parse(config.data.secret_key)
        except ValueError as exc:
            raise ConfigError(f"data.secret_key: {exc}; make some with `openssl rand -hex 32`") from None
