"""All SQL. Rows come out as the values of records.py; secrets are sealed before they go in."""

from .store import Store, StoreError, open_store

__all__ = ["Store", "StoreError", "open_store"]
