"""A channel as AI Proxy's clients write it and read it, and as it is here. Pure.

AI Proxy's priority is a share of the traffic among all channels of a model. Here that is the weight, and all
channels made this way have one priority, so the numbers mean what they mean there. The priority proper, which
an administrator may set elsewhere, is left as it is. Sets of models are groups here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from ....plugins import Adapter
from ...billing.money import QUOTA_PER_DOLLAR
from ...importers.special import taken_apart
from ...manage.channels import checked
from ...manage.refused import Refused
from ...records import DEFAULT_GROUP, DISABLED, ENABLED, ChannelBalance, ChannelRow
from ...relaying.holdings import first_amount
from ...store.rollups import Total
from .keys import kept_or_new, masked, masked_proxy
from .types import Kind, kind_numbered, kind_of

STATUSES: Mapping[int, str] = {1: ENABLED, 2: DISABLED}
_DEFAULT_SHARE, _MOST_SHARE = 10, 1_000_000
_MOST_NAME = 191
_NAMES = {"weight": "priority", "proxy": "proxy_url", "options": "configs", "groups": "sets"}
"""Their names of fields of ours."""
_SWITCHES = {True: "on", False: "off"}
_CONFIGS = {("openai", "map_reasoning_to_reasoning_content"): "tidy"}
"""Options by the names they have at AI Proxy, where those differ."""


class Form(msgspec.Struct, frozen=True):
    """What a client sends; what is None was not sent."""

    type: int | None = None
    name: str | None = None
    base_url: str | None = None
    proxy_url: str | None = None
    key: str | None = None
    models: list[str] | None = None
    model_mapping: dict[str, str] | None = None
    status: int | None = None
    priority: int | None = None
    sets: list[str] | None = None
    configs: dict[str, Any] | None = None
    skip_tls_verify: bool | None = None
    balance_threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A channel that may be kept, and the number of its type where only that tells what it is."""

    row: ChannelRow
    number: int | None


def new_channels(form: Form, adapters: Mapping[str, Adapter], now: int) -> list[Made]:
    """Return the channels that a form makes: one for each line of its key. Raises Refused."""
    kind = kind_numbered(form.type, adapters)
    empty = ChannelRow(0, kind.adapter, "", "", "", (), now, weight=_DEFAULT_SHARE)
    whole = msgspec.structs.replace(form, base_url=form.base_url or "")
    keys = [line for line in (form.key or "").splitlines() if line.strip()] or [""]
    return [_filled(empty, kind, msgspec.structs.replace(whole, key=key), adapters) for key in keys]


def edited(row: ChannelRow, kept: int | None, form: Form, adapters: Mapping[str, Adapter]) -> Made:
    """Return a channel with what a form changes. Raises Refused."""
    kind = kind_of(row, kept, adapters)
    if form.type and form.type != kind.number:
        new = kind_numbered(form.type, adapters)
        base_url = kind.shown_base(row) if form.base_url is None else form.base_url
        form, kind = msgspec.structs.replace(form, base_url=base_url), new
        known = {option.name for option in adapters[new.adapter].options}
        options = {name: value for name, value in row.options.items() if name in known}
        row = replace(row, type=new.adapter, options=options if new.adapter == row.type else {})
    return _filled(row, kind, form, adapters)


def _filled(row: ChannelRow, kind: Kind, form: Form, adapters: Mapping[str, Adapter]) -> Made:
    _check_unmet(form)
    adapter = adapters.get(row.type)
    if adapter is None:
        raise Refused("type", f"the adapter {row.type!r} is not loaded")
    options = {**row.options, **kind.options}
    key, proxy = row.key, row.proxy
    if form.configs is not None:
        options = {**_own(options, adapter), **kind.options, **_options(form.configs, adapter)}
    if form.key is not None:
        given = kept_or_new("key", form.key.strip(), row.key, masked)
        if given != row.key:
            key, more = taken_apart(row.type, given)
            options |= more
    if form.proxy_url is not None:
        proxy = kept_or_new("proxy_url", form.proxy_url.strip(), row.proxy, masked_proxy)
    filled = replace(
        row,
        name=_name(form.name) if form.name else row.name,
        base_url=row.base_url if form.base_url is None else kind.stored_base(form.base_url, adapter),
        key=key,
        proxy=proxy,
        models=row.models if form.models is None else _models(form.models),
        mapping=row.mapping if form.model_mapping is None else form.model_mapping,
        weight=_share(form.priority) or row.weight,
        groups=tuple(form.sets or ()) or row.groups,
        status=_status(form.status) or row.status,
        options=options,
    )
    made = _checked(adapters, filled)
    guessed = kind_of(made, None, adapters).number
    return Made(made, kind.number if kind.number != guessed else None)


def _checked(adapters: Mapping[str, Adapter], row: ChannelRow) -> ChannelRow:
    try:
        return checked(adapters, row)
    except Refused as exc:
        raise Refused(_NAMES.get(exc.field, exc.field), exc.problem) from exc


def _check_unmet(form: Form) -> None:
    """Refuse what we would not do, rather than keep it and do nothing."""
    if form.skip_tls_verify:
        raise Refused("skip_tls_verify", "not possible; name the authority in upstream.ca_file instead")
    if form.balance_threshold:
        raise Refused("balance_threshold", "the balance at a provider is not watched")


def _name(text: str) -> str:
    name = text.strip()
    if not name.isprintable() or len(name) > _MOST_NAME:
        raise Refused("name", f"expected at most {_MOST_NAME} printable characters")
    return name


def _models(names: list[str]) -> tuple[str, ...]:
    if not all(name.strip() for name in names):
        raise Refused("models", "a model needs a name")
    return tuple(dict.fromkeys(names))


def _share(priority: int | None) -> int | None:
    if priority is not None and not 0 <= priority <= _MOST_SHARE:
        raise Refused("priority", f"expected 0 to {_MOST_SHARE}")
    return priority or None


def _status(number: int | None) -> str | None:
    """Return a status; None for one that leaves it as it is: unknown, and disabled by the gateway itself."""
    if number in (None, 0, 3):
        return None
    if number not in STATUSES:
        raise Refused("status", "expected 1 (enabled) or 2 (disabled)")
    return STATUSES[number]


def _options(configs: Mapping[str, Any], adapter: Adapter) -> dict[str, str]:
    """Return settings of a type as options of the adapter. Those that are off and unknown say nothing."""
    known = {option.name for option in adapter.options if not option.secret}
    options = dict[str, str]()
    for name, value in configs.items():
        option = _CONFIGS.get((adapter.name, name), name)
        if option in known and isinstance(value, (str, int, bool)):
            options[option] = _SWITCHES[value] if isinstance(value, bool) else str(value)
        elif value:
            there = ", ".join(sorted(known)) or "none"
            raise Refused("configs", f"{name[:100]!r} is no setting of this type; there are: {there}")
    return options


def _own(options: Mapping[str, str], adapter: Adapter) -> dict[str, str]:
    """Return the options that a form does not show, and so cannot mean to clear."""
    hidden = {option.name for option in adapter.options if option.secret} | _IN_KEY
    return {name: value for name, value in options.items() if name in hidden}


_IN_KEY = {"region", "api_version"}
"""Options that are parts of a key at AI Proxy."""


def shown(
    row: ChannelRow,
    kept: int | None,
    adapters: Mapping[str, Adapter],
    used: Total,
    *,
    refused: bool,
    told: ChannelBalance | None = None,
) -> dict[str, object]:
    """Return a channel as it is listed. `refused`: all its keys were, so nobody asks it."""
    kind, adapter = kind_of(row, kept, adapters), adapters.get(row.type)
    secret = {option.name for option in adapter.options if option.secret} if adapter else set[str]()
    configs = {k: v for k, v in row.options.items() if k not in kind.options and k not in secret}
    status = 2 if row.status != ENABLED else 3 if refused else 1
    return {
        "id": row.id, "name": row.name, "type": kind.number, "key": masked(row.key),
        "base_url": kind.shown_base(row), "proxy_url": masked_proxy(row.proxy),
        "models": row.models, "model_mapping": dict(row.mapping), "status": status,
        "priority": row.weight, "sets": row.groups or (DEFAULT_GROUP,), "configs": configs,
        "created_at": row.created_at * 1000,
        "request_count": used.requests, "used_amount": used.cost / QUOTA_PER_DOLLAR,
        "retry_count": 0, "balance": msgspec.Raw(first_amount(told).encode()), "balance_threshold": 0,
        "balance_updated_at": told.at * 1000 if told is not None else 0, "enabled_auto_balance_check": False,
        "skip_tls_verify": False, "enabled_no_permission_ban": False,
        "warn_error_rate": 0, "max_error_rate": 0,
    }  # fmt: skip
