"""One API's numbers of channel types: which adapter of ours one means, and which number one of ours has.

Pure. The table of types and what is special about some is that of the importer, so that a channel made here
is the one that a move would have made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from ....plugins import Adapter
from ...importers.special import Special, made
from ...importers.types import ONE_API, Target
from ...manage.refused import Refused
from ...records import ChannelRow

_COMPATIBLE, _SPARK = 50, 18

_NUMBERS: Mapping[str, int] = {
    "openai": 1, "azure": 3, "zhipu": 16, "chatglm": 16, "dashscope": 17, "spark": 48, "hunyuan": 23,
    "ollama": 30,
}  # fmt: skip
"""Numbers of adapters that have several, or none in the table."""


def with_kind(row: ChannelRow, kind: int, base_url: str, key: str, settings: Mapping[str, str]) -> ChannelRow:
    """Return a channel as one of a type, at an address as One API has it. Raises Refused."""
    target = ONE_API.get(kind, "there is no such type")
    if isinstance(target, str):
        raise Refused("type", f"{kind}: {target}")
    ours = "" if kind == _SPARK else target.base_url(base_url)
    try:
        become = made(Special(target.adapter, ours, key, settings), row.models)
    except ValueError as exc:
        raise Refused("type", str(exc)) from exc
    return replace(
        row,
        type=become.adapter,
        base_url=become.base_url,
        key=become.key,
        options=MappingProxyType({**_kept(row, become.adapter), **become.options}),
        mapping=MappingProxyType({**become.mapping, **row.mapping}),
    )


def kind_of(row: ChannelRow) -> int:
    """Return the number that a channel is shown with: 50, OpenAI-compatible, for what One API has not."""
    if row.type == "openai" and row.base_url:
        there = ((number, target.default + target.path) for number, target in _targets() if target.is_other)
        return next((number for number, base_url in there if base_url == row.base_url), _COMPATIBLE)
    if row.type in _NUMBERS:
        return _NUMBERS[row.type]
    return next((number for number, target in _targets() if target.adapter == row.type), _COMPATIBLE)


def base_url_of(row: ChannelRow, adapter: Adapter | None) -> str:
    """Return the address that a channel is shown with, empty for that of its type."""
    target = ONE_API[kind_of(row)]
    assert isinstance(target, Target)
    if row.base_url and row.base_url == target.default + target.path:
        return ""
    if not row.base_url and target.adapter != row.type:
        return adapter.base_url if adapter is not None else ""
    return row.base_url.removesuffix(target.path) if target.path else row.base_url


def _targets() -> Iterator[tuple[int, Target]]:
    for number, target in ONE_API.items():
        if isinstance(target, Target) and number:
            yield number, target


def _kept(row: ChannelRow, adapter: str) -> Mapping[str, str]:
    return row.options if adapter == row.type else {}
