"""What the per-request hooks get: who asks, what is asked, the answer on its way, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from .body import BodyError, JsonBody
from .contract import Adapter, Endpoint, Headers, LocalAnswer, StreamTranslator, Usage


class Caller(msgspec.Struct, frozen=True):
    """Who asks: a token, its user, and the group whose channels and prices are theirs.

    `pin` is the channel an administrator has chosen for this one request, by its id.
    """

    token_id: int
    token_name: str
    user_id: int
    user_name: str
    group: str
    pin: int | None = None


class Reject(Exception):
    """Raised by `prepare_request`: the client gets this status, message and code in OpenAI's shape."""

    def __init__(self, status: int, message: str, code: str = "rejected") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


class Draft:
    """A request before a channel is chosen. `body` is None for a form, which cannot be changed.

    `headers` are the client's, names in lower case, with its key in them: keep them to yourself.
    """

    __slots__ = ("_body", "answer", "answered_by", "endpoint", "headers", "model", "request_id", "stream")

    def __init__(
        self,
        request_id: str,
        endpoint: Endpoint,
        model: str,
        stream: bool,
        headers: Headers,
        body: JsonBody | None,
    ) -> None:
        self.request_id = request_id
        self.endpoint = endpoint
        self.model = model
        self.stream = stream
        self.headers = headers
        self._body = body
        self.answer: LocalAnswer | None = None
        """Set it to answer without any provider."""
        self.answered_by = ""
        """Name of the plugin that did; the gateway fills it in."""

    @property
    def body(self) -> JsonBody | None:
        """The JSON body as it stands now; look, do not touch: `change` is for that."""
        return self._body

    def change(self, fields: Mapping[str, object]) -> None:
        """Set top-level fields of the body; all its other bytes stay as the client sent them.

        A new `model` is what the request is routed by. Raises BodyError for a form, and for a `model` or
        `stream` of a wrong type; nothing is changed then.
        """
        if self._body is None:
            raise BodyError("a form cannot be changed")
        body = JsonBody(self._body.spliced(fields))
        model, stream = body.get("model", str) or self.model, body.get("stream", bool) or False
        self._body, self.model, self.stream = body, model, stream


class AnswerFilter(StreamTranslator):
    """Sees, and may rewrite, one answer in OpenAI's shape, whichever provider gave it.

    A stream goes through `feed` and `close`, any other answer through `whole`. Return the very object that
    was given where nothing changes: its bytes are then passed on in the frame they came in.
    """

    def feed(self, data: bytes) -> bytes:
        return data

    def close(self) -> bytes:
        return b""

    def whole(self, body: bytes) -> bytes:
        """Take a whole answer's body and return what the client gets."""
        return body


class UsageRecord(msgspec.Struct, frozen=True):
    """What came of a request. Times are in seconds, `ended_at` is unix time.

    `endpoint` is an Endpoint, or the path of a request to none. `status` is the one the client got, 499 if it
    left before there was one. `problem` says what went wrong, in words for operators, and `error_type` in
    one word for machines: the value of an ErrorKind where the provider failed, `client_left`,
    `client_stalled`, `internal_error`, or the code the client was refused with. Both are empty for a good
    answer. An answer that was cut has the status it began with. `channel_id` is None where none was asked.
    `answered_by` is the plugin that answered in place of a provider: there is no usage then. `cost` is quota,
    500,000 of which are one US dollar. `usage_source` is `provider` where the provider said what was used,
    `tokenizer` or `estimate` where it was counted here.
    """

    request_id: str
    endpoint: str
    model: str
    upstream_model: str
    stream: bool
    status: int
    caller: Caller | None
    channel_id: int | None
    channel_name: str
    adapter: str
    usage: Usage | None
    attempts: int
    bytes_sent: int
    first_byte_s: float | None
    total_s: float
    ended_at: float
    problem: str
    answered_by: str = ""
    error_type: str = ""
    cost: int = 0
    usage_source: str = ""


class Host(Protocol):
    """What a plugin may know of the gateway it runs in."""

    @property
    def version(self) -> str:
        """The gateway's version."""

    @property
    def data_dir(self) -> Path:
        """Folder for what must be kept; a plugin uses a folder of its own name in it."""

    @property
    def adapters(self) -> Mapping[str, Adapter]:
        """The adapters loaded, by name."""

    def settings(self, name: str) -> Mapping[str, Any]:
        """The table `[plugins.NAME]` of the configuration; empty if there is none."""
