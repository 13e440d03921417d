"""Say what a request has used: what its provider reported, else what is counted here.

What counts here is loaded when it is first needed, which for providers that report usage is never.
"""

from __future__ import annotations

from ...plugins import Usage
from .report import Measured, Seen, Sent, provided


def measure(usage: Usage | None, sent: Sent, seen: Seen) -> Measured:
    """Return what a request has used.

    May be slow: call `provided` first, and where that gives None this in a thread.
    """
    found = provided(usage, sent, seen)
    if found is not None:
        return found
    from .local import count_here

    return count_here(usage, sent, seen)
