"""Dify: chats with an app, which its key names. The model is a name for the channel only.

Wire: docs.dify.ai, "Send Chat Message" of the chat, chatflow and agent apps, with its events and errors.
An app takes one question: what was said before is put in front of it, unless the request says in
`conversation_id` that the app remembers. Agents only stream, and whole answers are cut off after a
while, so that a stream is asked for always.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..plugins import (
    BodyError,
    Call,
    ErrorKind,
    Json,
    Reply,
    StreamTranslator,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
    hookimpl,
)
from .chat import completion, message, messages_of, parts_of, text_of
from .collect import Collected
from .failures import CONTENT_FILTER, MODEL_NOT_FOUND, Failure, Verdict, coded
from .fields import CHAT_FIELDS, others
from .foreign import ForeignAdapter, JsonStream, at, is_document, text
from .parts.usage import read_usage

CODES: Mapping[str, Verdict] = coded(
    (ErrorKind.CREDENTIAL, "", "unauthorized"),
    (ErrorKind.MODEL, "", "app_unavailable provider_not_initialize not_chat_app not_completion_app"),
    (ErrorKind.MODEL, "", "not_workflow_app forbidden provider_not_support_speech_to_text"),
    (ErrorKind.MODEL, MODEL_NOT_FOUND, "model_currently_not_support"),
    (ErrorKind.BALANCE, "", "provider_quota_exceeded"),
    (ErrorKind.RATE, "", "rate_limit_error invoke_rate_limit too_many_requests"),
    (ErrorKind.REQUEST, CONTENT_FILTER, "content_filter"),
    (ErrorKind.REQUEST, "", "invalid_param bad_request conversation_completed not_found no_file_uploaded"),
    (ErrorKind.REQUEST, "", "too_many_files file_too_large unsupported_file_type filename_not_exists_error"),
    (ErrorKind.FAULT, "", "completion_request_error internal_server_error"),
)
"""Source: "Send Chat Message", its errors. `completion_request_error` is a failure of the model's host."""

SPEAKERS: Mapping[str, str] = {
    "system": "System",
    "developer": "System",
    "assistant": "Assistant",
    "tool": "Tool",
}
"""Who said what, in the history in front of a question; anybody else is the user."""

_ANSWERS = frozenset({"message", "agent_message"})
_HANDLED = frozenset({"model", "messages", "stream", "stream_options", "user", "files"})


class DifyAdapter(ForeignAdapter):
    """Dify."""

    name = "dify"
    title = "Dify"
    base_url = "https://api.dify.ai/v1"
    endpoints = frozenset({"chat/completions"})
    key_help = "the app's key, app-..."
    codes = CODES

    def request(self, call: Call) -> UpstreamRequest:
        assert call.body is not None
        rest, dropped = others(call, _HANDLED, CHAT_FIELDS)
        messages = messages_of(call)
        body: Json = {
            "inputs": {},
            "query": _query(messages, bool(rest.get("conversation_id"))),
            "response_mode": "streaming",
            "user": call.body.get("user", str) or "canalgate",
            "auto_generate_name": False,
        }
        if files := [*(call.body.get("files", list) or ()), *_files(messages[-1])]:
            body["files"] = files
        return self.post(call, f"{self.root(call.channel)}/chat-messages", {**body, **rest}, dropped)

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        value = self.document(call, response)
        if not isinstance(value.get("answer"), str):
            raise UpstreamError(ErrorKind.FAULT, "the provider's answer has no text")
        usage = read_usage(at(value, "metadata", "usage"))
        return completion(call, message(value["answer"]), "stop", usage, id=text(value.get("message_id")))

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        if is_document(call, response):
            return None
        made = DifyStream(self, call, response)
        return made if call.stream else Collected(call, made)

    def failure(self, value: Json) -> Failure | None:
        if value.get("event") == "error" or (value.get("code") and "answer" not in value):
            return Failure(text(value.get("message")), "", str(value.get("code") or ""))
        failed = value.get("event") == "workflow_finished" and at(value, "data", "status") == "failed"
        return Failure(text(at(value, "data", "error"))) if failed else None


class DifyStream(JsonStream):
    """Dify's events. What one is stands in its JSON."""

    _reason = "stop"
    _said = False

    def event(self, name: bytes, value: Json) -> bytes:
        kind = value.get("event")
        if kind in _ANSWERS:
            self._said = self._said or bool(value.get("answer"))
            return self.out.text(text(value.get("answer")))
        if kind == "message_replace":  # a filter took the answer back; what was sent stays sent
            self._reason = "content_filter"
            return b"" if self._said else self.out.text(text(value.get("answer")))
        if kind == "message_end":
            self.ended = True
            self.usage = read_usage(at(value, "metadata", "usage"))
            return self.out.finish(self._reason)
        return b""


def _query(messages: list[Json], remembers: bool) -> str:
    last = text_of(messages[-1].get("content"))
    if remembers or len(messages) == 1:
        return last
    said = [(SPEAKERS.get(text(item.get("role")), "User"), text_of(item.get("content"))) for item in messages]
    return "\n\n".join(f"{speaker}: {words}" for speaker, words in said if words)


def _files(given: Json) -> list[Json]:
    """The images of a message; they have to be at an address."""
    return [_file(part) for part in parts_of(given.get("content")) if part.get("type") != "text"]


def _file(part: Json) -> Json:
    url = text(at(part, "image_url", "url"))
    if part.get("type") != "image_url" or not url.startswith(("http://", "https://")):
        raise BodyError("this provider takes text, and images by their address", "messages")
    return {"type": "image", "transfer_method": "remote_url", "url": url}


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(DifyAdapter())
