"""Bring an installation to the state of a file: decide what that changes, then write all of it or nothing.

What the file does not name stays, or goes where pruning is asked for; a section that it does not have stays
in any case, and so does the root user. A decision writes nothing, so a dry run is one that is not written.
"""

from __future__ import annotations

from ..keys.vault import Vault
from ..store import Store
from . import settings, things
from .decision import Decision, Options, Work
from .describe import Adapters, refuse_doubles
from .document import Document
from .here import Here
from .locked import Secrets

_SECTIONS = (
    things.channels, things.users, things.tokens, settings.groups, settings.prices, settings.models,
    settings.limits,
)  # fmt: skip


def decide(
    document: Document, secrets: Secrets, here: Here, adapters: Adapters, vault: Vault, options: Options
) -> Decision:
    """Return what a file changes. Raises Refused naming the entry and the field that cannot be."""
    refuse_doubles(here)
    work = Work(document, secrets, here, adapters, vault, options)
    for section in _SECTIONS:
        section(work)
    # A key or name that goes makes room for one that comes.
    work.decision.steps.sort(key=lambda step: step[0].action != "removed")
    return work.decision


async def write(store: Store, decision: Decision, now: int) -> None:
    """Write a decision. Raises StoreError if anything has changed since it was made; then nothing is."""
    if not decision.steps:
        return
    async with store.writing(decision.generation) as writing:
        for hash_key in decision.hash_keys:
            await store.hash_keys.add(writing.transaction, hash_key, now)
        for _, step in decision.steps:
            await step(writing)
