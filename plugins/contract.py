"""What an adapter is and the values it turns into each other. Start here to write one.

An adapter translates for one provider and makes no I/O: it gets values and returns values, it gets
bytes and returns bytes. Sockets, clocks, retries and accounting are the gateway's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import ClassVar, Literal

from .body import JsonBody

Endpoint = Literal[
    "chat/completions",
    "completions",
    "embeddings",
    "moderations",
    "images/generations",
    "images/edits",
    "images/variations",
    "audio/speech",
    "audio/transcriptions",
    "audio/translations",
    "rerank",
    "responses",
]

Headers = Mapping[str, str]
"""HTTP header fields, names in lower case."""


@dataclass(frozen=True, slots=True)
class Option:
    """A setting of a channel that only this adapter knows. The console builds its form from these."""

    name: str
    label: str
    default: str = ""
    secret: bool = False
    help: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """A configured way to a provider, as far as an adapter needs to know it."""

    id: int
    name: str
    base_url: str
    key: str = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request is signed with: the channel's key itself, or something short-lived derived from it."""

    value: str = field(repr=False)
    expires_at: float = inf


@dataclass(frozen=True, slots=True)
class Call:
    """One client request bound to one channel.

    `model` is the name the client used, `upstream_model` the channel's name for it. `body` is None
    where the client sent a form (`content_type` then says so), which the gateway streams through.
    """

    request_id: str
    endpoint: Endpoint
    model: str
    upstream_model: str
    stream: bool
    body: JsonBody | None
    content_type: str
    channel: Channel
    credential: Credential
    now: float


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """What to ask the provider. A `body` of None stands for the client's form, passed on as it arrives."""

    url: str
    headers: Headers
    body: bytes | None = b""
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class UpstreamResponse:
    """A provider's answer; `body` is empty as long as only the head is known."""

    status: int
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """What an adapter answers by itself, without a provider: `parts` are sent `pause_s` apart."""

    headers: Headers
    parts: Iterable[bytes]
    status: int = 200
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Model tokens of one answer as the provider counted them.

    `cached_tokens` is part of `prompt_tokens`, `reasoning_tokens` is part of `completion_tokens`.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer in OpenAI's shape, ready for the client."""

    body: bytes
    usage: Usage | None = None
    content_type: str = "application/json"


class ErrorKind(Enum):
    """Whose fault a failed attempt is, and so what the gateway does next."""

    REQUEST = "request"
    """The client's: the same request fails everywhere, so it is answered at once."""
    MODEL = "model"
    """The channel's set-up: it lacks the model, or its address or permissions are wrong."""
    CREDENTIAL = "credential"
    """The channel's key is wrong, revoked or expired."""
    BALANCE = "balance"
    """The channel's account has no money left."""
    RATE = "rate"
    """The provider limits how fast this account may ask."""
    BUSY = "busy"
    """The provider is overloaded for everybody."""
    FAULT = "fault"
    """5xx, time-out, broken connection, nonsense."""


class UpstreamError(Exception):
    """A provider failed a request.

    `message` is the provider's own text: it reaches the client only for ErrorKind.REQUEST, and the log
    always. `status`, `type`, `code` and `param` are what OpenAI would have answered. `retry_after` is in
    seconds.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        status: int = 502,
        type: str = "",
        code: str = "",
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.retry_after = retry_after


class StreamTranslator(ABC):
    """Turns one provider stream into OpenAI's. One object per attempt, the only stateful thing here."""

    usage: Usage | None = None
    """What the stream said about usage so far."""

    @abstractmethod
    def feed(self, data: bytes) -> bytes:
        """Take bytes in any split, return what the client gets now, which may be nothing.

        Raises UpstreamError when the provider reports a failure inside its stream.
        """

    @abstractmethod
    def close(self) -> bytes:
        """The provider's stream ended: return what is still owed. Raises UpstreamError if it ended early."""


class Adapter(ABC):
    """Translation for one provider. One object for the whole process, so it keeps no state."""

    name: ClassVar[str]
    """Stored in channels as their type; unique."""
    title: ClassVar[str]
    """What people read."""
    base_url: ClassVar[str] = ""
    """Used where a channel states none."""
    endpoints: ClassVar[frozenset[Endpoint]]
    """What it can serve at all."""
    options: ClassVar[tuple[Option, ...]] = ()
    models: ClassVar[tuple[str, ...]] = ()
    """Suggestions for a new channel, nothing more."""

    def check(self, channel: Channel) -> None:
        """Raise ValueError with a message for the operator if the channel cannot work. Called on save."""

    @abstractmethod
    def request(self, call: Call) -> UpstreamRequest:
        """Say what to send. Raises BodyError or UpstreamError(REQUEST) for what the provider cannot serve."""

    def answer(self, call: Call) -> LocalAnswer | None:
        """Answer without any provider, instead of `request`; None for the usual case."""
        return None

    @abstractmethod
    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        """Turn a whole 2xx answer into OpenAI's. Raises UpstreamError for an error inside a 200."""

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        """Return a translator for an event stream, or None to pass it through untouched.

        `response` has no body yet.
        """
        return None

    def check_first_event(self, call: Call, data: bytes) -> None:
        """Raise UpstreamError if the first event of a stream (its data) is an error.

        Nothing has been sent to the client at that moment, so the failure can still have a status.
        """

    def is_complete(self, call: Call, tail: bytes) -> bool:
        """Say whether a stream's last bytes show its proper end.

        Asked only where a closed connection is the body's only end, so that HTTP cannot tell a cut.
        """
        return True

    def usage(self, call: Call, tail: bytes) -> Usage | None:
        """Read the usage from an answer's last bytes, where nothing has been translated."""
        return None

    @abstractmethod
    def error(self, call: Call, response: UpstreamResponse) -> UpstreamError:
        """Classify an answer whose status is not 2xx."""
