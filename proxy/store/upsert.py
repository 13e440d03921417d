"""INSERT or change, in the words that SQLite and PostgreSQL share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def insert(table: str, columns: Iterable[str]) -> str:
    """Return an INSERT whose parameters are named like the columns."""
    names = list(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})"


def update(table: str, columns: Iterable[str]) -> str:
    """Return an UPDATE of the row `:id` whose parameters are named like the columns."""
    return f"UPDATE {table} SET {', '.join(f'{name} = :{name}' for name in columns)} WHERE id = :id"


def on_conflict(table: str, keys: Sequence[str], replace: Sequence[str], add: Sequence[str]) -> str:
    """Return the statement that `Dialect.upsert` promises."""
    changes = [f"{name} = excluded.{name}" for name in replace]
    changes += [f"{name} = {table}.{name} + excluded.{name}" for name in add]
    then = f"UPDATE SET {', '.join(changes)}" if changes else "NOTHING"
    return f"{insert(table, [*keys, *replace, *add])} ON CONFLICT ({', '.join(keys)}) DO {then}"
