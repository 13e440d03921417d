"""Which header fields pass in which direction. Both are allow-lists: what is not named is dropped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

USER_AGENT = "canalgate"

_TO_CLIENT = frozenset(
    {
        "content-type",
        "content-encoding",
        "content-disposition",
        "content-language",
        "openai-processing-ms",
        "openai-version",
        "openai-model",
    }
)

_bad_value = re.compile(r"[^\t\x20-\x7e\x80-\xff]").search

Fields = Iterable[tuple[str, str]]


def to_upstream(client: Mapping[str, str], adapter: Mapping[str, str]) -> dict[str, str]:
    """Return the fields for a provider; those the adapter gives win.

    Of the client's it may see two: nothing that identifies the client or signs a request.
    """
    fields = {"accept": client.get("accept") or "*/*"}
    if beta := client.get("openai-beta"):
        fields["openai-beta"] = beta
    return {**fields, "accept-encoding": "identity", "user-agent": USER_AGENT, **adapter}


def to_client(upstream: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the fields of a provider's answer that the client gets."""
    return [(name, upstream[name]) for name in sorted(_TO_CLIENT.intersection(upstream)) if upstream[name]]


def serialize(first_line: str, fields: Fields) -> bytes:
    """Return an HTTP/1.1 head without the empty line that ends it.

    Raises ValueError for a value that could end its line.
    """
    lines = [first_line]
    for name, value in fields:
        if _bad_value(value):
            raise ValueError(f"header {name}: a line break or a control character in the value")
        lines.append(f"{name}: {value}")
    lines.append("")
    return "\r\n".join(lines).encode("latin-1")


@lru_cache(maxsize=1024)
def field_name(name: bytes) -> str:
    """Return a header field's name in lower case."""
    return name.decode("latin-1").lower()


@lru_cache(maxsize=1024)
def request_head(first_line: str, fields: tuple[tuple[str, str], ...]) -> bytes:
    """`serialize`, remembered: requests to one channel differ in little but their length."""
    return serialize(first_line, fields)
