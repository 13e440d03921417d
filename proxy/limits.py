"""Placeholder of the limits, which a branch of its own brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Ticket:
    """What a request holds of limits."""

    def headers(self) -> list[tuple[str, str]]:
        """Fields for the client."""
        return []

    def close(self, tokens: int, now: float) -> None:
        """The request has ended."""


NOTHING = Ticket()


class Limits:
    """State of all limits."""

    def admit(self, limits: Mapping[str, Any], subjects: Sequence[str], tokens: int, now: float) -> Ticket:
        """Let a request in."""
        return NOTHING

    def may_use(self, limits: Mapping[str, Any], channel_id: int, tokens: int, now: float) -> Ticket | float:
        """Let a request on a channel."""
        return NOTHING


def budget_ends(name: str) -> float:
    """End of a budget's period."""
    return 0.0
