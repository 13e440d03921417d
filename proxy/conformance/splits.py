"""Ways in which the bytes of a body may arrive."""

from __future__ import annotations

import itertools
import random
import re
import struct
from typing import Literal, get_args

Split = Literal["whole", "events", "bytes", "random"]
SPLITS: tuple[Split, ...] = get_args(Split)

_EVENT_END = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)|(?<=\r\r)")
_LINE_END = re.compile(rb"(?<=\n)")


def pieces(body: bytes, split: Split, form: str = "sse", seed: int = 0) -> list[bytes]:
    """Cut a body: `whole`, after each of its `events` (lines, frames), into `bytes`, or at `random` places.

    `form` is sse, ndjson or eventstream; anything else has one event. Random places depend on `seed` only.
    """
    if split == "whole":
        return [body]
    if split == "events":
        return [piece for piece in _events(body, form) if piece]
    if split == "bytes":
        return [body[at : at + 1] for at in range(len(body))]
    rng = random.Random(seed)
    places = {rng.randrange(len(body) + 1) for _ in range(min(40, len(body)))}
    return [body[a:b] for a, b in itertools.pairwise(sorted({0, len(body), *places}))]


def _events(body: bytes, form: str) -> list[bytes]:
    if form == "sse":
        return _EVENT_END.split(body)
    if form == "ndjson":
        return _LINE_END.split(body)
    if form == "eventstream":
        return _frames(body)
    return [body]


def _frames(body: bytes) -> list[bytes]:
    """Cut an AWS event stream: each frame begins with its length in four bytes, big end first."""
    frames = []
    at = 0
    while at + 4 <= len(body):
        length = max(4, struct.unpack_from(">I", body, at)[0])
        frames.append(body[at : at + length])
        at += length
    return [*frames, body[at:]]
