"""The settings: which are in force and where from; the root user changes some while gateways run."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import msgspec

from ...config import Config, is_secret
from ...errors import ConfigError, GatewayError
from ...settings import LIVE, Fixed, Settings, helps, names, value_of, with_value
from ...store import Missing
from ..fields import Given, Name, Page, Shown
from ..operations import Call, Operations

operations = Operations("installation")

Kind = Literal["text", "whole", "number", "switch", "choice", "texts", "tables"]
Source = Literal["default", "file", "console", "environment"]


class OptionInForce(Shown, frozen=True, kw_only=True):
    """A setting. `value` and `default` are null for a secret, of which only is said whether it is set.

    `source` is where its value is from; the later goes before the former: default, file, console (here),
    environment. `fixed` says why it cannot be changed here: it is given in the `environment`, is a `secret`,
    is needed at the `start` or is the machine's own, or keeps administrators within bounds (`guard`).

    `restart`: a change holds from a gateway's next start. `waiting`: one does, and `next` is what holds then.
    Of what plugins are set to only the names are shown, as nobody knows what is a secret there.
    """

    section: str
    name: str
    value: Any
    default: Any
    secret: bool
    changed: bool
    kind: Kind
    choices: list[str]
    help: str
    source: Source
    fixed: Fixed | None
    restart: bool
    waiting: bool
    next: Any


class NewValue(Given, frozen=True, kw_only=True):
    """What a setting is to be: a text, a number, or true or false, as its `kind` says."""

    value: str | float | int | bool


@operations.get("/options", "admin")
async def list_options(call: Call) -> Page[OptionInForce]:
    """List the settings as they are in the gateway that answers, without secrets."""
    settings = call.desk.settings
    return Page([_shown(settings, name) for name in names()])


@operations.put("/options/{name}", "root")
async def set_option(call: Call, name: Name, body: NewValue) -> OptionInForce:
    """Set a setting for all gateways on the database, over their files; `name` has its section.

    Those with `restart` hold from a gateway's next start, the others at once.
    """
    settings, store = call.desk.settings, call.desk.store
    _check_free(settings, name)
    config = settings.over(await store.settings.all())
    before = value_of(config, name)
    try:
        after = value_of(with_value(config, name, body.value), name)
    except ConfigError as exc:
        raise GatewayError(400, str(exc), code="invalid_value", param="value") from exc
    await store.settings.set(name, after)
    call.note(f"option:{name}", value=[before, after])
    return await _now(call, name)


@operations.delete("/options/{name}", "root")
async def unset_option(call: Call, name: Name) -> None:
    """Forget what a setting was set to here; what the file says holds again, or the default."""
    settings, store = call.desk.settings, call.desk.store
    if name not in names():
        raise Missing(f"there is no setting {name[:100]!r}")
    before = settings.over(await store.settings.all())
    await store.settings.unset(name)
    after = settings.over(await store.settings.all())
    call.note(f"option:{name}", value=[value_of(before, name), value_of(after, name)])


def _check_free(settings: Settings, name: str) -> None:
    if name not in names():
        raise Missing(f"there is no setting {name[:100]!r}")
    why = settings.why_fixed(name)
    if why is not None:
        raise GatewayError(409, _WHY[why], code=f"fixed_{why}", param="name")


_WHY: dict[Fixed, str] = {
    "environment": "this is set in the environment, which goes before what is set here",
    "secret": "this may hold a secret: it is set where the gateway is started",
    "start": "this is the machine's own, or needed early: it is set where the gateway is started",
    "guard": "this keeps administrators within bounds: it is set where the gateway is started",
}


async def _now(call: Call, name: str) -> OptionInForce:
    await call.desk.live.catch_up()
    return _shown(call.desk.settings, name)


def _shown(settings: Settings, name: str) -> OptionInForce:
    section, _, key = name.partition(".")
    value, usual = value_of(settings.config, name), value_of(Config(), name)
    coming = value_of(settings.coming, name)
    secret, fixed = is_secret(section, key), settings.why_fixed(name)
    is_changed = value != usual
    if name == "plugins.settings":
        value = coming = {plugin: sorted(tables) for plugin, tables in value.items()}
    kind = _type(section, key)
    return OptionInForce(
        section=section, name=key, value=None if secret else value, default=None if secret else usual,
        secret=secret, changed=is_changed, kind=_kind(kind), choices=_choices(kind),
        help=helps().get(name, ""), source=_source(settings, name, is_changed),
        fixed=fixed, restart=name not in LIVE,
        waiting=coming != value, next=None if secret else coming,
    )  # fmt: skip


def _source(settings: Settings, name: str, is_changed: bool) -> Source:
    if settings.why_fixed(name) == "environment":
        return "environment"
    if name in settings.stored and settings.why_fixed(name) is None:
        return "console"
    return "file" if is_changed else "default"


def _type(section: str, key: str) -> Any:
    kinds = {one.name: one.type for one in msgspec.structs.fields(type(getattr(Config(), section)))}
    return kinds[key]


def _kind(kind: Any) -> Kind:
    kinds: dict[Any, Kind] = {
        str: "text", int: "whole", float: "number", bool: "switch", tuple: "texts", dict: "tables",
    }  # fmt: skip
    return kinds.get(get_origin(kind) if get_origin(kind) in kinds else kind, "choice")


def _choices(kind: Any) -> list[str]:
    return list(get_args(kind)) if _kind(kind) == "choice" else []
