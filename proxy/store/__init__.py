"""All SQL. Rows come out as the values of records.py; secrets are sealed before they go in."""

from .changes import StoreError
from .database import DatabaseError
from .open import open_store
from .requests import Filters, Requests
from .rollups import SPANS, By, Span, Total
from .store import Store

__all__ = [
    "SPANS", "By", "DatabaseError", "Filters", "Requests", "Span", "Store", "StoreError", "Total",
    "open_store",
]  # fmt: skip
