"""A request's JSON body: looked into without building the tree, changed without rewriting the rest.

A gateway needs two or three fields of a body that may hold megabytes of text and images. The top
level is cut into raw values, which costs a fraction of a full parse, and an edit replaces exactly
the bytes of one value: key order, spelling of numbers and unknown fields stay as the client sent them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import orjson

Json = dict[str, Any]

T = TypeVar("T")

_top_level = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DECODERS: dict[type[Any], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind | None) for kind in (str, bool, dict, int)
}
_key = re.compile(rb'[ \t\n\r,]*"[^"\\]*(?:\\.[^"\\]*)*"[ \t\n\r]*:[ \t\n\r]*', re.DOTALL).match
"""A key with what stands before its value. The JSON has been parsed, so a comma is where one belongs."""

_end = re.compile(rb"[ \t\n\r]*\}[ \t\n\r]*").fullmatch

_WATCHED_NAMES = frozenset({"model", "stream", "stream_options"})


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

    def part(self, name: str) -> bytes:
        """Return the bytes of a top-level field as they were received; none if it is absent."""
        value = self._fields.get(name)
        return bytes(value) if value is not None else b""

    @property
    def tree(self) -> Json:
        """The whole body parsed, once. Read only: other attempts use it too."""
        if self._tree is None:
            try:
                self._tree = orjson.loads(self.raw)
            except orjson.JSONDecodeError as exc:
                raise BodyError(f"the body is not valid JSON: {exc}") from exc
        return self._tree

    def release(self) -> None:
        """Let go of the bytes: the request will not be sent again. Nothing can be read afterwards."""
        self.raw = b""
        self._fields = {}
        self._tree = None

    def spliced(self, edits: Mapping[str, object]) -> bytes:
        """Return the body with these top-level fields set; all other bytes are as received.

        A field that is there keeps its place, a new one is put at the end.
        """
        spans = _spans(self.raw, self._fields)
        if spans is None:
            raise BodyError("the body has a field twice")
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
        fields = self._fields
        alike = sum(map(_WATCHED_NAMES.__contains__, map(str.lower, fields)))
        if alike != len(_WATCHED_NAMES & fields.keys()):
            name = next(name for name in fields if name.lower() in _WATCHED_NAMES - {name})
            raise BodyError(f"unknown field {name!r}: did you mean {name.lower()!r}?", name)
        if not _is_compact(self.raw, fields) and _spans(self.raw, fields) is None:
            self._refuse_watched_doubles()

    def _refuse_watched_doubles(self) -> None:
        """Some field stands there twice, which is the client's affair unless it is one that decides."""
        try:
            pairs = json.loads(self.raw, object_pairs_hook=list)
        except (ValueError, RecursionError) as exc:
            raise BodyError("the body has a field twice") from exc
        seen = [name.lower() for name, _ in pairs]
        for name in _WATCHED_NAMES:
            if seen.count(name) > 1:
                raise BodyError(f"the body has the field {name!r} twice", name)


def _is_compact(raw: bytes, fields: Mapping[str, msgspec.Raw]) -> bool:
    """Whether the fields account for every byte, as most clients write: then nothing stands there twice."""
    marks = 1 + (4 * len(fields) or 1)  # two quotes, a colon, and a comma or the end
    values = sum([len(memoryview(value)) for value in fields.values()])
    return marks + sum(map(len, fields)) + values == len(raw)


def _spans(raw: bytes, fields: Mapping[str, msgspec.Raw]) -> dict[str, tuple[int, int]] | None:
    """Byte range of each top-level value; None if a field stands there twice.

    Walks the object beside the decoded fields. A dict keeps one of two equal keys, so a double makes the
    walk fail: a value is not where it should be, or something follows the last one.
    """
    spans: dict[str, tuple[int, int]] = {}
    at = raw.index(b"{") + 1
    for name, value in fields.items():
        key = _key(raw, at)
        if key is None:
            return None
        start = key.end()
        view = memoryview(value)
        if not raw.startswith(view, start):
            return None
        at = start + len(view)
        spans[name] = (start, at)
    return spans if _end(raw, at) else None
