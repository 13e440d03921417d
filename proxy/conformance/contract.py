"""Check what an adapter says of itself, and that it keeps nothing from one call to the next."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, get_args

from ...plugins import Adapter, Endpoint
from .report import Section, check
from .subject import Subject

State = dict[str, str]

_IMPURE = frozenset(
    {"asyncio", "aiohttp", "httpx", "logging", "os", "random", "requests", "secrets", "socket", "subprocess"}
    | {"threading", "time", "urllib3"}
)
"""What an adapter must not import: it has no clock, no chance, no input and no output."""

_ODD_CHANNELS: Mapping[str, dict[str, Any]] = {
    "a base URL that is none": {"base_url": "no address"},
    "a base URL of another scheme": {"base_url": "ftp://host"},
    "no key": {"key": ""},
    "a line break in the key": {"key": "line\nbreak"},
    "an option that nobody knows": {"options": {"conformance_unknown": "x"}},
}


def section(subject: Subject, before: State) -> Section:
    """Return the section about the contract; `before` is the adapter's state before it was used."""
    return Section(
        "contract",
        (
            check("what it states", partial(_stated_problems, subject)),
            check("no input and output", partial(_purity_problems, subject.adapter)),
            check("the channel is accepted", partial(_channel_problems, subject)),
            *(check(name, partial(_odd_problems, subject, odd)) for name, odd in _ODD_CHANNELS.items()),
            check("no state between calls", partial(_state_problems, subject.adapter, before)),
        ),
    )


def state(adapter: Adapter) -> State:
    """Return what an adapter holds, as text that can be compared later."""
    held = {f"its {name}": repr(value) for name, value in _held(adapter).items()}
    for kind in type(adapter).__mro__:
        if kind.__module__ != Adapter.__module__ and kind is not object:
            held |= {f"{kind.__name__}.{name}": repr(value) for name, value in vars(kind).items()
                     if not name.startswith("__") and not callable(value)}  # fmt: skip
    return held


def _held(adapter: Adapter) -> dict[str, object]:
    return vars(adapter) if hasattr(adapter, "__dict__") else {}


def _state_problems(adapter: Adapter, before: State) -> Iterator[str]:
    after = state(adapter)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"it keeps state between calls: {name} has changed"


def _stated_problems(subject: Subject) -> Iterator[str]:
    adapter = subject.adapter
    for name in ("name", "title", "endpoints"):
        if not getattr(adapter, name, None):
            yield f"it states no {name}"
    unknown = sorted(set(adapter.endpoints) - set(get_args(Endpoint)))
    if unknown:
        yield f"it states endpoints that there are not: {', '.join(unknown)}"
    for option in adapter.options:
        if option.choices and option.default not in option.choices:
            yield f"the default of the option {option.name!r} is none of its choices"


def _channel_problems(subject: Subject) -> Iterator[str]:
    try:
        subject.adapter.check(subject.channel)
    except ValueError as exc:
        yield f"check() refuses the channel: {exc}; say what it needs with --key, --base-url or --option"


def _odd_problems(subject: Subject, odd: dict[str, Any]) -> Iterator[str]:
    """A channel may be refused, but only by ValueError and with a reason that can be shown."""
    channel = replace(subject.channel, **odd)
    try:
        subject.adapter.check(channel)
    except ValueError as exc:
        if not str(exc):
            yield "check() gives no reason for the operator"
        if channel.key and channel.key in str(exc):
            yield "check() repeats the key in its reason"


def _purity_problems(adapter: Adapter) -> Iterator[str]:
    """Read the source of the adapter's own module; where there is none, nothing can be said."""
    module = sys.modules.get(type(adapter).__module__)
    try:
        tree = ast.parse(inspect.getsource(module)) if module is not None else ast.Module([], [])
    except (OSError, TypeError):
        return
    found = {name.partition(".")[0] for node in ast.walk(tree) for name in _imported(node)}
    for name in sorted(found & _IMPURE):
        yield f"its module imports {name}; an adapter makes no input and output and has no clock"


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
