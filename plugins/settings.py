"""Read a plugin's settings, the table `[plugins.NAME]`, into a value of its own, strictly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

Patterns = Annotated[tuple[Annotated[str, msgspec.Meta(min_length=1)], ...], msgspec.Meta(min_length=1)]
"""One glob pattern or more, as for names of models."""


def settings_as(kind: type[T], name: str, table: Mapping[str, Any]) -> T:
    """Return the settings of the plugin `name` as a msgspec Struct, whose annotations say what is good.

    Raises ValueError that names key and value, for a key that is unknown or a value that is not good. Not for
    tables with secrets in them: the value is shown.
    """
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in table.items():
        shown = f"plugins.{name}.{key} = {value!r}"
        if key not in fields:
            raise ValueError(f"{shown}: there is no such setting; there are {', '.join(fields)}")
        try:
            msgspec.convert(value, fields[key])
        except msgspec.ValidationError as exc:
            raise ValueError(f"{shown}: {exc}") from exc
    return msgspec.convert(dict(table), kind)
