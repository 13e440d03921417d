"""All SQL. Rows come out as the values of records.py; secrets are sealed before they go in."""

from .changes import Missing, StoreError
from .database import DatabaseError, Unavailable
from .open import open_store
from .store import Store

__all__ = ["DatabaseError", "Missing", "Store", "StoreError", "Unavailable", "open_store"]
