"""Names as people give them: what of a text can be kept and shown."""

from __future__ import annotations

from collections.abc import Iterable

from .refused import Refused

MOST_NAME = 191


def checked_name(field: str, name: str) -> str:
    """Return a name without blanks around it. Raises Refused if nothing is left, or it cannot be shown."""
    name = name.strip()
    if not 0 < len(name) <= MOST_NAME or not name.isprintable():
        raise Refused(field, f"expected 1 to {MOST_NAME} printable characters")
    return name


def checked_names(field: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return names, each once, in their order. Raises Refused as `checked_name`."""
    return tuple(dict.fromkeys(checked_name(field, name) for name in names))
