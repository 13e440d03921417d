"""Named parameters in the words of drivers that have only positional ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from .database import Values

# What may hold a colon and is no parameter comes first: texts, quoted names, remarks, casts.
_PARTS = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|--[^\n]*|::|:([A-Za-z_]\w*)|%""")

_ROW = re.compile(r"\bVALUES (\((?:\?(?:, )?)+\))")

Statement = tuple[str, tuple[str, ...]]
"""What the driver gets, and the names of the parameters in the order it wants them."""


@cache
def numbered(sql: str) -> Statement:
    """Write parameters as `$1`, `$2`, each name once."""
    names: list[str] = []

    def place(name: str) -> str:
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _written(sql, place, percent="%"), tuple(names)


@cache
def formatted(sql: str) -> Statement:
    """Write parameters as `%s`, in the order of their use, and a percent sign as two."""
    names: list[str] = []

    def place(name: str) -> str:
        names.append(name)
        return "%s"

    return _written(sql, place, percent="%%"), tuple(names)


@cache
def questioned(sql: str) -> Statement:
    """Write parameters as `?`, in the order of their use."""
    names: list[str] = []

    def place(name: str) -> str:
        names.append(name)
        return "?"

    return _written(sql, place, percent="%"), tuple(names)


def several(sql: str, rows: int) -> str | None:
    """Return an INSERT of one row, its parameters `?`, as one of many; None for another statement."""
    row = _ROW.search(sql)
    return sql[: row.end()] + f", {row[1]}" * (rows - 1) + sql[row.end() :] if row is not None else None


def in_order(names: tuple[str, ...], values: Values | tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a statement's values in the order the driver wants them, in which a tuple has them already."""
    return values if isinstance(values, tuple) else tuple([values[name] for name in names])


def _written(sql: str, place: Callable[[str], str], percent: str) -> str:
    def part(found: re.Match[str]) -> str:
        return place(found[1]) if found[1] else found[0].replace("%", percent)

    return _PARTS.sub(part, sql)
