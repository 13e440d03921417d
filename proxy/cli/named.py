"""What commands call users, tokens and channels by, and how they are told a length of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..store import Store, StoreError

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_MOST_S = 100 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class Names:
    """Names by id. What is gone is shown by its number alone."""

    users: Mapping[int, str]
    tokens: Mapping[int, str]
    channels: Mapping[int, str]

    def user(self, number: int) -> str:
        """Name of a user."""
        return self.users.get(number, f"({number})")

    def token(self, number: int) -> str:
        """Number and name of a token: people number them in commands."""
        return _numbered(number, self.tokens)

    def channel(self, number: int | None) -> str | None:
        """Number and name of a channel; 0 or None is none."""
        return _numbered(number, self.channels) if number else None

    def user_id(self, name: str) -> int:
        """Find a user. Raises StoreError if there is none."""
        for number, known in self.users.items():
            if known == name:
                return number
        raise StoreError(f"there is no user {name!r}")


async def names_of(store: Store) -> Names:
    """Read all names."""
    return Names(
        {user.id: user.name for user in await store.users()},
        {token.id: token.name for token in await store.tokens()},
        {channel.id: channel.name for channel in await store.channels()},
    )


def seconds(text: str) -> int:
    """Read a length of time like 30m, 12h, 7d, 8w. Raises ValueError for what is none."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isascii() or not number.isdigit() or len(number) > 9:
        raise ValueError
    return min(int(number) * _UNITS[unit], _MOST_S)


seconds.__name__ = "time"  # argparse says "invalid time value: 'x'"


def _numbered(number: int, names: Mapping[int, str]) -> str:
    return f"{number} {names[number]}" if number in names else f"({number})"
