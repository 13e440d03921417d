"""Answer a deterministic request from memory when the same was answered before.

Deterministic are embeddings, and chat and text completions whose temperature is exactly 0. Goes last among
the plugins, so it sees what the others made of a request and may reject, and keeps what they made of an
answer. Leaves alone: requests pinned to a channel, answers that are not whole, and the demo's.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import msgspec

from . import (
    AnswerFilter,
    BodyError,
    Call,
    Caller,
    Draft,
    Host,
    LocalAnswer,
    Patterns,
    UsageRecord,
    hookimpl,
    settings_as,
)

NAME = "response_cache"

_ALWAYS = frozenset({"embeddings"})
_AT_TEMPERATURE_0 = frozenset({"chat/completions", "completions"})

_WITHOUT_EFFECT = ("metadata", "store", "user")
"""Fields that change no answer: OpenAI's API reference, "Create chat completion"."""

_HEADERS = ("accept", "openai-beta")
"""Fields of the client's head that reach the provider, so that its answer may depend on them."""

_MOST_BODY_BYTES = 512 * 1024
"""Requests above it are not looked up: reading one to the last field would hold up all others (10 ms)."""

_MOST_PENDING = 10_000
_ENTRY_BYTES = 512
"""What an entry takes beside its body, about."""

_JSON, _EVENTS = "application/json", "text/event-stream"
_failure = re.compile(rb'"error"\s*:\s*[^n\s]|"finish_reason"\s*:\s*"error"').search
"""A failure told inside an answer. Inside a text its quotes would be escaped, so a text cannot match."""

_stream_end = re.compile(rb"(?:^|[\r\n])data:[ \t]*\[DONE\]\s*\Z").search
_END_BYTES = 64
_check_json = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

Positive = Annotated[int, msgspec.Meta(ge=1)]


class Settings(msgspec.Struct, frozen=True):
    """The table `[plugins.response_cache]`; what each key means is in docs/plugins/response_cache.md."""

    max_bytes: Positive = 64 * 1024 * 1024
    max_entries: Positive = 10_000
    max_answer_bytes: Positive = 1024 * 1024
    ttl_s: Annotated[float, msgspec.Meta(gt=0)] = 3600.0
    models: Patterns = ("*",)
    scope: Literal["user", "token", "group"] = "user"


def read_settings(table: Mapping[str, Any]) -> Settings:
    """Check a table of settings. Raises ValueError that names key and value."""
    settings = settings_as(Settings, NAME, table)
    if settings.max_answer_bytes > settings.max_bytes:
        sizes = f"{settings.max_answer_bytes}: more than max_bytes = {settings.max_bytes}"
        raise ValueError(f"plugins.{NAME}.max_answer_bytes = {sizes}; lower it")
    return settings


class Entry(msgspec.Struct, frozen=True):
    """An answer as the client got it; `expires_at` is of the clock that `Cache` is told."""

    body: bytes
    content_type: str
    expires_at: float


class Cache:
    """The answers kept, by key. Bounded: the one not used for longest goes first. Times come in as `now`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._pending: OrderedDict[str, bytes] = OrderedDict()
        self.size = 0
        """Bytes taken, in the measure of `max_bytes`."""

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, now: float) -> Entry | None:
        """Return the answer for a key, if there is one that has not expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_at <= now:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: bytes, body: bytes, content_type: str, now: float) -> None:
        """Keep an answer, and let go of others until it fits."""
        self._drop(key)
        if len(body) > self.settings.max_answer_bytes or _cost(body) > self.settings.max_bytes:
            return
        self._entries[key] = Entry(body, content_type, now + self.settings.ttl_s)
        self.size += _cost(body)
        while len(self._entries) > self.settings.max_entries or self.size > self.settings.max_bytes:
            self._drop(next(iter(self._entries)))

    def expect(self, request_id: str, key: bytes) -> None:
        """Remember under which key a request's answer is to be kept, until `forget`."""
        self._pending[request_id] = key
        if len(self._pending) > _MOST_PENDING:  # overloaded, the gateway does not report every end
            self._pending.popitem(last=False)

    def expected(self, request_id: str) -> bytes | None:
        """Return the key that was remembered."""
        return self._pending.get(request_id)

    def forget(self, request_id: str) -> None:
        """The request has ended."""
        self._pending.pop(request_id, None)

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size -= _cost(entry.body)


def _cost(body: bytes) -> int:
    return len(body) + _ENTRY_BYTES


def key_of(draft: Draft, caller: Caller, settings: Settings) -> bytes | None:
    """Return what a request shares with its equals alone; None for one that is not for the cache."""
    body = draft.body
    if body is None or caller.pin is not None or len(body.raw) > _MOST_BODY_BYTES:
        return None
    if not _is_deterministic(draft) or not any(fnmatchcase(draft.model, one) for one in settings.models):
        return None
    try:
        fields = json.loads(body.raw, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        return None
    for name in _WITHOUT_EFFECT if draft.stream else (*_WITHOUT_EFFECT, "stream_options"):
        fields.pop(name, None)
    owner = {"user": caller.user_id, "token": caller.token_id, "group": 0}[settings.scope]
    sent = [draft.headers.get(name) for name in _HEADERS]
    told = [draft.endpoint, draft.model, draft.stream, settings.scope, owner, caller.group, sent, fields]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).digest()


def _is_deterministic(draft: Draft) -> bool:
    if draft.endpoint not in _AT_TEMPERATURE_0 or draft.body is None:
        return draft.endpoint in _ALWAYS
    try:
        return draft.body.get("temperature", float) == 0
    except BodyError:
        return False


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice: which of the two counts differs, so a key of one would lie."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands there twice")
    return fields


def _directives(headers: Mapping[str, str]) -> frozenset[str]:
    """Return what a client's Cache-Control says (RFC 9111, 5.2.1)."""
    words = headers.get("cache-control", "").lower().split(",")
    return frozenset(word.partition("=")[0].strip() for word in words)


def content_type_of(body: bytes) -> str | None:
    """Return the type of a whole good answer; None for half a one, or one that says that it failed."""
    if _failure(body):
        return None
    # Also of a stream that `close` was called for: without a length HTTP cannot tell an end from a cut.
    if _stream_end(body, max(0, len(body) - _END_BYTES)):
        return _EVENTS
    try:
        _check_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return _JSON


class Keeper(AnswerFilter):
    """Changes nothing, and keeps the answer once all of it has passed."""

    needs_body = False

    def __init__(self, cache: Cache, key: bytes) -> None:
        self._cache = cache
        self._key = key
        self._parts: list[bytes] = []
        self._room = cache.settings.max_answer_bytes

    def feed(self, data: bytes) -> bytes:
        if self._room >= 0:
            self._room -= len(data)
            self._parts.append(data)
            if self._room < 0:
                self._parts.clear()
        return data

    def close(self) -> bytes:
        self._keep(b"".join(self._parts))
        return b""

    def whole(self, body: bytes) -> bytes:
        self._room -= len(body)
        self._keep(body)
        return body

    def _keep(self, body: bytes) -> None:
        content_type = content_type_of(body) if self._room >= 0 else None
        if content_type is not None:
            self._cache.put(self._key, body, content_type, time.monotonic())


class _Running:
    """The cache of the gateway that serves; None before and after."""

    cache: Cache | None = None


_running = _Running()


@hookimpl
@asynccontextmanager
async def lifespan(host: Host) -> AsyncIterator[None]:
    _running.cache = Cache(read_settings(host.settings(NAME)))
    try:
        yield
    finally:
        _running.cache = None


@hookimpl(trylast=True)
def prepare_request(draft: Draft, caller: Caller) -> None:
    """Answer from the cache, or remember under which key the provider's answer is to be kept."""
    cache, wanted = _running.cache, _directives(draft.headers)
    if cache is None or "no-store" in wanted:
        return
    key = key_of(draft, caller, cache.settings)
    if key is None:
        return
    entry = cache.get(key, time.monotonic()) if "no-cache" not in wanted else None
    if entry is None:
        cache.expect(draft.request_id, key)
    else:
        draft.answer = LocalAnswer(_headers(entry), (entry.body,))


def _headers(entry: Entry) -> dict[str, str]:
    fields = {"content-type": entry.content_type, "x-canalgate-cache": "hit"}
    if entry.content_type == _EVENTS:
        fields |= {"cache-control": "no-cache", "x-accel-buffering": "no"}  # as on any other stream
    return fields


@hookimpl(trylast=True)
def filter_answer(call: Call) -> AnswerFilter | None:
    """Watch the answers that are to be kept, behind everyone who changes them."""
    cache = _running.cache
    if cache is None or call.channel.id == 0:  # the demo's words must not outlive it
        return None
    key = cache.expected(call.request_id)
    return Keeper(cache, key) if key is not None else None


@hookimpl
def on_usage(record: UsageRecord) -> None:
    if _running.cache is not None:
        _running.cache.forget(record.request_id)
