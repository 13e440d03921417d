"""A request's JSON body: looked into without building the tree, changed without rewriting the rest.

A gateway needs two or three fields of a body that may hold megabytes of text and images. The top
level is cut into raw values, which costs a fraction of a full parse, and an edit replaces exactly
the bytes of one value: key order, spelling of numbers and unknown fields stay as the client sent them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import orjson

Json = dict[str, Any]

T = TypeVar("T")

_top_level = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DECODERS: dict[type[Any], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind | None) for kind in (str, bool, dict)
}
_SPACE = re.compile(rb"[ \t\n\r]*")
_KEY = re.compile(rb'[ \t\n\r]*"[^"\\]*(?:\\.[^"\\]*)*"[ \t\n\r]*:[ \t\n\r]*', re.DOTALL)

_WATCHED = (b'"model"', b'"stream"', b'"stream_options"')
_WATCHED_NAMES = frozenset(name.decode().strip('"') for name in _WATCHED)


class BodyError(ValueError):
    """The body is not what it should be; `param` names the field at fault, if one is."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class JsonBody:
    """A JSON object as it was received. `raw` is never changed; edits make new bytes.

    Raises BodyError for what is not one JSON object, nests too deep, or says `model`, `stream` or
    `stream_options` twice (in any mix of cases): servers differ in which of the two they take, so one
    model could be accounted and another one served.
    """

    __slots__ = ("_fields", "_tree", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._tree: Json | None = None
        try:
            self._fields: dict[str, msgspec.Raw] = _top_level.decode(raw)
        except RecursionError as exc:
            raise BodyError("the JSON body nests too deep") from exc
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise BodyError(f"the body is not a JSON object: {exc}") from exc
        self._refuse_doubles()

    def get(self, name: str, kind: type[T]) -> T | None:
        """Return a top-level field as `kind`; None if it is absent or null. BodyError for another type."""
        value = self._fields.get(name)
        if value is None:
            return None
        try:
            decoder = _DECODERS.get(kind) or msgspec.json.Decoder(kind | None)
            decoded: T | None = decoder.decode(value)
            return decoded
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
            raise BodyError(f"invalid value for {name!r}: {exc}", name) from exc

    @property
    def tree(self) -> Json:
        """The whole body parsed, once. Read only: other attempts use it too."""
        if self._tree is None:
            try:
                self._tree = orjson.loads(self.raw)
            except orjson.JSONDecodeError as exc:
                raise BodyError(f"the body is not valid JSON: {exc}") from exc
        return self._tree

    def spliced(self, edits: Mapping[str, object]) -> bytes:
        """Return the body with these top-level fields set; all other bytes are as received.

        A field that is there keeps its place, a new one is put at the end.
        """
        spans = self._spans()
        pieces: list[bytes] = []
        at = 0
        for name in sorted((name for name in edits if name in spans), key=lambda name: spans[name]):
            start, end = spans[name]
            pieces += (self.raw[at:start], orjson.dumps(edits[name]))
            at = end
        close = self.raw.rindex(b"}")
        pieces.append(self.raw[at:close])
        comma = b"," if self._fields else b""
        for name in edits:
            if name not in spans:
                pieces += (comma, orjson.dumps(name), b":", orjson.dumps(edits[name]))
                comma = b","
        pieces.append(self.raw[close:])
        return b"".join(pieces)

    def _refuse_doubles(self) -> None:
        for name in self._fields:
            if name.lower() in _WATCHED_NAMES and name not in _WATCHED_NAMES:
                raise BodyError(f"unknown field {name!r}: did you mean {name.lower()!r}?", name)
        if any(self.raw.count(name) > 1 for name in _WATCHED) or b"\\u" in self.raw:
            self._spans()

    def _spans(self) -> dict[str, tuple[int, int]]:
        """Byte range of each top-level value.

        Walks the object beside the decoded fields. A dict keeps one of two equal keys, so a double makes
        the walk fail: that is how doubles are found.
        """
        raw = self.raw
        spans: dict[str, tuple[int, int]] = {}
        at = raw.index(b"{") + 1
        for name, value in self._fields.items():
            key = _KEY.match(raw, at)
            start = key.end() if key else at
            end = start + len(memoryview(value))
            if key is None or not raw.startswith(bytes(value), start):
                raise BodyError("the body has a field twice")
            spans[name] = (start, end)
            at = _end_of_space(raw, end)
            if raw[at : at + 1] == b",":
                at += 1
        if raw[_end_of_space(raw, at) :].rstrip(b" \t\n\r") != b"}":
            raise BodyError("the body has a field twice")
        return spans


def _end_of_space(raw: bytes, at: int) -> int:
    match = _SPACE.match(raw, at)
    return match.end() if match else at
