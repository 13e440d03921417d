"""What an import did or would do, thing by thing. Holds no secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .plan import LeftOut

Fate = Literal["new", "joined", "there"]
"""A thing is made, joined with one that is here, or was brought before."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing: what it is at the source, what it becomes here, and what is done."""

    kind: str
    source_id: str
    name: str
    becomes: str
    fate: Fate
    our_id: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that came or would come. `log_rows` of the call log came, or are there to come."""

    source: str
    items: tuple[Item, ...]
    left_out: tuple[LeftOut, ...]
    log_rows: int = 0
    is_dry: bool = False

    def count(self, kind: str, fate: Fate) -> int:
        """Return how many things of a kind were treated so."""
        return sum(item.kind == kind and item.fate == fate for item in self.items)

    @property
    def renumbered(self) -> tuple[Item, ...]:
        """New things that could not keep their number."""
        return tuple(
            item for item in self.items
            if item.fate == "new" and item.our_id and item.source_id != str(item.our_id)
        )  # fmt: skip
