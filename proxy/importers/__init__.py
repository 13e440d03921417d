"""Move in from another gateway: read its database into a plan, apply the plan, compare the two.

`with_source` gives what reads the call log too; `plan_of` is enough where that stays behind.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from ..store.source import Source, SourceError, open_source
from . import ai_proxy, litellm, one_api
from .apply import apply
from .history import bring_logs
from .plan import LeftOut, Plan, Progress, quiet
from .report import Item, Report
from .verify import Difference, verify

KINDS = ("oneapi", "newapi", "aiproxy", "litellm")


async def plan_of(
    kind: str,
    place: str,
    *,
    database: str = "",
    allow_files: bool = True,
    environ: Mapping[str, str] | None = None,
    progress: Progress = quiet,
) -> Plan:
    """Return what comes from a gateway of a kind, one of KINDS. Raises SourceError, without secrets.

    `place` is its database (see store/source.py), for LiteLLM its config file, and `database` then its
    database if it has one. `allow_files` is False where a stranger names the place.
    """
    async with with_source(
        kind, place, database=database, allow_files=allow_files, environ=environ, progress=progress
    ) as (plan, _):
        return plan


@asynccontextmanager
async def with_source(
    kind: str,
    place: str,
    *,
    database: str = "",
    allow_files: bool = True,
    environ: Mapping[str, str] | None = None,
    progress: Progress = quiet,
) -> AsyncIterator[tuple[Plan, Source | None]]:
    """The same, with the source open for its call log; None where there is none to read."""
    now = int(time.time())
    if kind == "litellm":
        if not allow_files:
            raise SourceError("a config file cannot be named here")
        variables = os.environ if environ is None else environ
        plan = await litellm.read(Path(place), variables, progress, now)
        if database:
            async with open_source(database, allow_files=allow_files) as source:
                await litellm.read_database(plan, source, now)
        yield plan, None
        return
    if kind not in KINDS:
        raise SourceError(f"{kind[:60]!r}: expected one of {', '.join(KINDS)}")
    async with open_source(place, allow_files=allow_files) as source:
        if kind == "aiproxy":
            yield await ai_proxy.read(source, progress, now), source
        else:
            flavour = one_api.ONE if kind == "oneapi" else one_api.NEW
            yield await one_api.read(flavour, source, progress, now), source


__all__ = [
    "KINDS", "Difference", "Item", "LeftOut", "Plan", "Progress", "Report", "SourceError", "apply",
    "bring_logs", "plan_of", "quiet", "verify", "with_source",
]  # fmt: skip
