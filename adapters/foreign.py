"""What adapters for wires of their own share: a base class, and translation of JSON streams.

A provider's own module holds its tables, its request and the meaning of its events; the mechanics that
are the same for all of them are here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

import orjson

from ..plugins import (
    Adapter,
    Call,
    Channel,
    Credential,
    ErrorKind,
    Headers,
    Json,
    Option,
    StreamTranslator,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
)
from .chat import ChunkWriter
from .failures import Failure, Verdict, classify_coded, failure_in, read_failure
from .fields import UNSUPPORTED
from .openai import check_address, trim_base_url
from .sse import Event, SSEDecoder

_STREAMS = frozenset({"text/event-stream", "application/x-ndjson", "application/stream+json"})
_DOCUMENTS = frozenset({"application/json", "text/html"})
_DONE = (b"[DONE]", b'"[DONE]"')
_MOST = 2**53
_SPACE = b" \t\r\n\xef\xbb\xbf"


class ForeignAdapter(Adapter):
    """Any host that takes JSON and a Bearer key, in a shape that is not OpenAI's."""

    options: ClassVar[tuple[Option, ...]] = (UNSUPPORTED,)
    codes: ClassVar[Mapping[str, Verdict]] = {}
    """What the provider's own error codes mean; a code without an entry counts as the part before its dot."""

    def check(self, channel: Channel) -> None:
        check_address(channel, self.base_url)

    def root(self, channel: Channel) -> str:
        """Return the channel's address without a last slash or a pasted endpoint."""
        return trim_base_url(channel.base_url or self.base_url)

    def auth(self, credential: Credential) -> dict[str, str]:
        """Return the header fields that sign a request."""
        return {"authorization": f"Bearer {credential.value}"} if credential.value else {}

    def post(self, call: Call, url: str, body: Json, dropped: tuple[str, ...] = ()) -> UpstreamRequest:
        """Return a signed JSON request."""
        headers = {"content-type": "application/json", **self.auth(call.credential)}
        return UpstreamRequest(url, headers, orjson.dumps(body), dropped=dropped)

    def error(self, call: Call, response: UpstreamResponse) -> UpstreamError:
        try:
            found = self.failure(_parsed(response.body))
        except UpstreamError:  # no JSON: it is of a host on the way
            found = None
        return self.failed(found or read_failure(response.body), response.status, response.headers, call.now)

    def failed(self, failure: Failure, status: int, headers: Headers, now: float) -> UpstreamError:
        """Classify what the provider said, by its own codes first. `status` is 200 inside a good answer."""
        return classify_coded(self.codes, failure, status, headers, now)

    def failure(self, value: Json) -> Failure | None:
        """Return the failure that an answer is, or an event of a stream; None for a good one."""
        return failure_in(value)

    def refuse(self, call: Call, value: Json, response: UpstreamResponse) -> None:
        """Raise UpstreamError if an answer under 200, or an event of a stream, is a failure."""
        if (failure := self.failure(value)) is not None:
            raise self.failed(failure, response.status, response.headers, call.now)

    def document(self, call: Call, response: UpstreamResponse) -> Json:
        """Parse a whole answer. Raises UpstreamError for a failure, and for what is no JSON object."""
        value = json_object(response)
        self.refuse(call, value, response)
        return value


def is_document(call: Call, response: UpstreamResponse) -> bool:
    """Whether an answer is one document and no stream. Its content type says so, else what was asked for."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in _DOCUMENTS or (kind not in _STREAMS and not call.stream)


def json_object(response: UpstreamResponse) -> Json:
    """Parse a whole answer. Raises UpstreamError for what is no JSON object."""
    if response.headers.get("content-type", "").startswith("text/html"):
        raise UpstreamError(ErrorKind.MODEL, "the base URL leads to a web page")
    return _parsed(response.body)


def at(value: object, *path: str) -> Any:
    """Return what stands at a path of keys; None where there is no such thing."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def objects(value: object) -> list[Json]:
    """Return the objects of a list; none where there is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a text; an empty one for anything else, such as null."""
    return value if isinstance(value, str) else ""


def count(value: Any) -> int:
    """Return a count; 0 for anything else, such as null."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return int(value) if is_number and 0 <= value < _MOST else 0


def _parsed(data: bytes) -> Json:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        raise UpstreamError(ErrorKind.FAULT, "the provider sent broken JSON") from exc
    if not isinstance(value, dict):
        raise UpstreamError(ErrorKind.FAULT, "the provider's answer is no JSON object")
    return value


class Decoder(Protocol):
    """Cuts bytes into events: SSEDecoder, LineDecoder."""

    def feed(self, data: bytes) -> Iterable[Event]:
        """Take bytes in any split, return the events that are complete now."""

    def flush(self) -> Iterable[Event]:
        """The stream ended: return an event that lacks its end."""


class EventsOrDocument:
    """Decodes an event stream. A body that starts with a brace is one document and becomes one event.

    Some hosts announce an event stream and answer with the JSON of an error.
    """

    def __init__(self) -> None:
        self._sse = SSEDecoder()
        self._document: list[bytes] | None = None
        self._begun = False

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes in any split, return the events that are complete now."""
        if not self._begun and (start := data.lstrip(_SPACE)):
            self._begun = True
            if start.startswith(b"{"):
                self._document = []
        if self._document is None:
            return self._sse.feed(data)
        self._document.append(data)
        return []

    def flush(self) -> list[Event]:
        """The stream ended: return the document, or an event that lacks its blank line."""
        if self._document is None:
            return self._sse.flush()
        return [Event(b"".join(self._document).strip(_SPACE))]


class JsonStream(StreamTranslator):
    """Translates a stream whose events, or lines, hold one JSON object each.

    A subclass gives the meaning of an object in `event` and sets `ended` at the provider's proper end.
    Objects that the adapter takes for a failure never get there. What came before a failure belongs to the
    client however the bytes were cut: it is returned first, and the failure is raised by the next call.
    """

    needs_body = False

    def __init__(
        self,
        adapter: ForeignAdapter,
        call: Call,
        response: UpstreamResponse,
        decoder: Decoder | None = None,
    ) -> None:
        self.adapter = adapter
        self.call = call
        self.response = response
        self.out = ChunkWriter(call)
        self.ended = False
        self._decoder = decoder or EventsOrDocument()
        self._failure: UpstreamError | None = None

    @abstractmethod
    def event(self, name: bytes, value: Json) -> bytes:
        """Return what the client gets for one object. Raises UpstreamError if it means a failure.

        `name` is the event's, empty where the stream gives none.
        """

    def feed(self, data: bytes) -> bytes:
        if self._failure is not None:
            raise self._failure
        return self._translate(self._decoder.feed(data))

    def close(self) -> bytes:
        rest = self.feed(b"") + self._translate(self._decoder.flush())
        if self._failure is not None:
            raise self._failure
        if not self.ended:
            raise UpstreamError(ErrorKind.FAULT, "the provider's stream ended early")
        return rest + self.out.end(self.usage)

    def _translate(self, events: Iterable[Event]) -> bytes:
        made: list[bytes] = []
        try:
            for event in events:
                if (data := event.data.strip()) and data not in _DONE:
                    value = _parsed(data)
                    self.adapter.refuse(self.call, value, self.response)
                    made.append(self.event(event.name, value))
        except UpstreamError as error:
            if not any(made):
                raise
            self._failure = error
        return b"".join(made)
