"""What is said of a change that cannot be made."""

from __future__ import annotations

from ..store import StoreError


class Refused(StoreError):
    """A change that was asked for cannot be made; nothing of it is kept. `field` names what is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem
