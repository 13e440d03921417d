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

import msgspec

from .body import Json, JsonBody

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
    choices: tuple[str, ...] = ()
    """The only values allowed; empty where any text is."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A configured way to a provider, as far as an adapter needs to know it.

    The demo that stands in while no channel is configured has the id 0.
    """

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


class Call(msgspec.Struct, frozen=True):
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


class UpstreamRequest(msgspec.Struct, frozen=True):
    """What to ask the provider. A `body` of None stands for the client's form, passed on as it arrives.

    `dropped` names fields of the client's body that the provider cannot take and that were left out; the
    client is told in a response header.
    """

    url: str
    headers: Headers
    body: bytes | None = b""
    method: str = "POST"
    dropped: tuple[str, ...] = ()


class UpstreamResponse(msgspec.Struct, frozen=True):
    """A provider's answer; `body` is empty as long as only the head is known."""

    status: int
    headers: Headers
    body: bytes = b""


class LocalAnswer(msgspec.Struct, frozen=True):
    """What an adapter answers by itself, without a provider: `parts` are sent `pause_s` apart."""

    headers: Headers
    parts: Iterable[bytes]
    status: int = 200
    pause_s: float = 0.0


class Usage(msgspec.Struct, frozen=True):
    """What one answer used, as the provider counted it.

    `cached_tokens` (read from the provider's prompt cache), `cache_write_tokens` (put into it),
    `audio_prompt_tokens` and `image_prompt_tokens` are part of `prompt_tokens`; `reasoning_tokens`,
    `audio_completion_tokens` and `image_completion_tokens` are part of `completion_tokens`. `milliseconds`
    of audio, `images` made. `odd` names what was wrong with the report and has been left out of it, such as
    `negative_usage`; where nothing else was in it, all counts are 0 and the gateway counts by itself.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0
    audio_prompt_tokens: int = 0
    audio_completion_tokens: int = 0
    image_prompt_tokens: int = 0
    image_completion_tokens: int = 0
    milliseconds: int = 0
    images: int = 0
    odd: tuple[str, ...] = ()


class Reply(msgspec.Struct, frozen=True):
    """A whole answer in OpenAI's shape, ready for the client."""

    body: bytes
    usage: Usage | None = None
    content_type: str = "application/json"


class Balance(msgspec.Struct, frozen=True):
    """What is left of an account at a provider: millionths of a unit of `currency`, below zero for debts.

    `currency` is the code of ISO 4217.
    """

    currency: str
    micros: int


class ErrorKind(Enum):
    """Whose fault a failed attempt is, and so what the gateway does next."""

    REQUEST = "request"
    """The client's: the same request fails everywhere, so it is answered at once."""
    MODEL = "model"
    """The channel's set-up: it lacks the model, or its address or permissions are wrong."""
    CREDENTIAL = "credential"
    """The channel's key is wrong, revoked or expired."""
    EXPIRED = "expired"
    """The short-lived credential is no longer good: a fresh one is fetched, the channel asked again."""
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

    content_type: str = "text/event-stream"
    """What the client gets, whatever the provider's stream is made of."""
    usage: Usage | None = None
    """What the stream said about usage so far."""
    needs_body: ClassVar[bool] = True
    """Whether the request's body is looked at after the stream has begun. Bodies are large and streams are
    long: where nobody needs it, it is let go as soon as the request cannot be sent again."""
    key: ClassVar[bytes] = b""
    """Bytes that whole events must have to be fed: those without go to the client as they came, for far less.
    Empty where all have to be fed. Once the client has something; pieces of events are always fed."""

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
    key_help: ClassVar[str] = "API key"
    """What a channel's key is and looks like, for the person who enters one; empty where none is needed."""
    options: ClassVar[tuple[Option, ...]] = ()
    models: ClassVar[tuple[str, ...]] = ()
    """Suggestions for a new channel, nothing more."""
    has_balance: bool = False
    """Whether the provider can be asked what is left of an account: `balance_requests` then says how."""
    embedding_inputs: int = 0
    """The most inputs the provider takes in one embeddings request, 0 for any number. The gateway splits
    a request that has more and joins the answers."""

    def check(self, channel: Channel) -> None:
        """Raise ValueError with a message for the operator if the channel cannot work. Called on save."""

    def credential_request(self, channel: Channel, now: float) -> UpstreamRequest | None:
        """Say how to fetch a short-lived credential; None where the key needs no exchange.

        The gateway sends it when it has no credential or the one it has is about to expire or was refused.
        """
        return None

    def credential(self, channel: Channel, response: UpstreamResponse | None, now: float) -> Credential:
        """Return what requests are signed with: by default the key itself, which never expires.

        `response` answers `credential_request`, whatever its status, and is None where that gave none. The
        gateway keeps the result until shortly before it expires. Raises UpstreamError if there is none.
        """
        return Credential(channel.key)

    def models_request(self, channel: Channel, credential: Credential, now: float) -> UpstreamRequest | None:
        """Say how to ask which models there are; None if the provider has no list."""
        return None

    def model_names(self, response: UpstreamResponse) -> tuple[str, ...]:
        """Read the names out of a 2xx answer to `models_request`."""
        return ()

    def balance_requests(
        self, channel: Channel, credential: Credential, now: float
    ) -> tuple[UpstreamRequest, ...]:
        """Say how to ask what is left of the account that the key belongs to; nothing where none can."""
        return ()

    def balances(self, channel: Channel, responses: tuple[UpstreamResponse, ...]) -> tuple[Balance, ...]:
        """Read 2xx answers to all of `balance_requests`, in their order; each currency once.

        Raises UpstreamError for answers that do not say it.
        """
        return ()

    @abstractmethod
    def request(self, call: Call) -> UpstreamRequest:
        """Say what to send. Raises BodyError or UpstreamError(REQUEST) for what the provider cannot serve."""

    def answer(self, call: Call) -> LocalAnswer | None:
        """Answer without any provider, instead of `request`; None for the usual case."""
        return None

    def continued(self, channel: Channel, body: Json, text: str) -> Json | None:
        """Return the fields of a chat's body that have the provider go on behind `text`, said already.

        None where a channel's provider cannot do so. `body` is the client's, and is not to be changed.
        """
        return None

    @abstractmethod
    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        """Turn a whole 2xx answer into OpenAI's. Raises UpstreamError for an error inside a 200."""

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        """Return a translator for a streamed 2xx answer, or None.

        Asked for event streams, and for any answer to a call that asked to stream. With None an event
        stream passes through untouched; any other answer is collected and given to `reply`, which is how
        an error inside a 200 is found. `response` has no body yet. Any content type can be translated.
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
