"""Secrets in a channel's form: masked on the way out, and recognised when they come back.

A mask shows the two ends of a secret that is long enough, so that people can tell keys apart. It cannot be
taken for a key: no provider's has eight stars in it.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from ...manage.refused import Refused

_STARS = "*" * 8
_LONG_ENOUGH = 16


def masked(key: str) -> str:
    """Return a key as it may be shown; empty for none, a line for each of several."""
    return "\n".join(_masked(line) for line in key.splitlines())


def _masked(line: str) -> str:
    return f"{line[:4]}{_STARS}{line[-4:]}" if len(line) >= _LONG_ENOUGH else _STARS if line else ""


def masked_proxy(url: str) -> str:
    """Return a proxy's address as it may be shown: with its user, without the password."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    user, host = parts.netloc.rpartition("@")[0].partition(":")[0], parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{user}:{_STARS}@{host}").geturl()


def kept_or_new(field: str, given: str, stored: str, mask: Callable[[str], str]) -> str:
    """Return the stored secret for its own mask, else what was given. Raises Refused for another's mask."""
    if given.split() == (shown := mask(stored)).split() or given == "".join(shown.split()):
        return stored  # a line of text in a browser loses the breaks between several
    if _STARS in given:
        raise Refused(
            field, "this is the mask of another value; enter the value itself, or leave it as it was"
        )
    return given
