"""Coze: chats with a bot, whose id is the model.

Wire: www.coze.cn/open/docs/developer_guides, pages "chat_v3", "chat_stream" ("Streaming response"),
"message_object" and "error codes". A bot has its own instructions, model and tools, so none of a
request's tuning reaches it. Without a stream its answer would have to be polled for, so that a stream
is asked for always. Nothing of a chat is kept there (`auto_save_history`).
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

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
from .chat import messages_of, parts_of, text_of
from .collect import Collected
from .failures import MODEL_NOT_FOUND, Failure, Verdict, coded
from .fields import CHAT_FIELDS, others
from .foreign import ForeignAdapter, JsonStream, at, is_document, objects, text
from .parts.usage import read_renamed

CODES: Mapping[str, Verdict] = coded(
    (ErrorKind.CREDENTIAL, "", "4100 700012006"),
    (ErrorKind.MODEL, "", "4101 4015"),
    (ErrorKind.MODEL, MODEL_NOT_FOUND, "4200"),
    (ErrorKind.RATE, "", "4013 4009"),
    (ErrorKind.BALANCE, "", "4011 4027 4028"),
    (ErrorKind.REQUEST, "", "4000"),
    (ErrorKind.BUSY, "", "4016"),
    (ErrorKind.FAULT, "", "5000"),
)
"""Source: "error codes". 4015 is a bot that was not published for the API, 4016 a chat still going on."""

ANSWERS = frozenset({"", "answer"})
"""Types of messages that are the answer; the others are suggestions, the bot's tools and its log."""

_COUNTS = {
    "prompt_tokens": "input_count",
    "completion_tokens": "output_count",
    "total_tokens": "token_count",
}

_DELTA = b"conversation.message.delta"
_DONE = b"conversation.chat.completed"
_NEEDS_TOOLS = b"conversation.chat.requires_action"
_HANDLED = frozenset({"model", "messages", "stream", "stream_options", "user", "conversation_id"})


class CozeAdapter(ForeignAdapter):
    """Coze."""

    name = "coze"
    title = "Coze"
    base_url = "https://api.coze.cn"
    endpoints = frozenset({"chat/completions"})
    key_help = "personal access token, pat_..."
    codes = CODES

    def request(self, call: Call) -> UpstreamRequest:
        assert call.body is not None
        rest, dropped = others(call, _HANDLED, CHAT_FIELDS)
        body: Json = {
            "bot_id": call.upstream_model,
            "user_id": call.body.get("user", str) or "canalgate",
            "stream": True,
            "auto_save_history": False,
            "additional_messages": [made for item in messages_of(call) for made in _messages(item)],
            **rest,
        }
        conversation = call.body.get("conversation_id", str)
        query = f"?conversation_id={conversation}" if conversation and conversation.isalnum() else ""
        return self.post(call, f"{self.root(call.channel)}/v3/chat{query}", body, dropped)

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        self.document(call, response)
        raise UpstreamError(ErrorKind.FAULT, "the provider answered without a stream")

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        if is_document(call, response):
            return None
        made = CozeStream(self, call, response)
        return made if call.stream else Collected(call, made)

    def failure(self, value: Json) -> Failure | None:
        error = value.get("last_error") if at(value, "last_error", "code") else value
        code = at(error, "code")
        return Failure(text(at(error, "msg")), "", str(code)) if code else None


class CozeStream(JsonStream):
    """Coze's events. A message that is complete repeats its deltas."""

    def event(self, name: bytes, value: Json) -> bytes:
        if name == _DELTA and text(value.get("type")) in ANSWERS:
            thought, said = text(value.get("reasoning_content")), text(value.get("content"))
            return self.out.reasoning(thought) + self.out.text(said)
        if name == _DONE:
            return self._end(value, b"")
        if name == _NEEDS_TOOLS:
            wanted = objects(at(value, "required_action", "submit_tool_outputs", "tool_calls"))
            return self._end(value, b"".join(self._tool_call(*pair) for pair in enumerate(wanted)))
        return b""

    def _end(self, value: Json, made: bytes) -> bytes:
        self.ended = True
        self.usage = read_renamed(value.get("usage"), _COUNTS)
        return made + self.out.finish("stop")

    def _tool_call(self, position: int, item: Json) -> bytes:
        name, arguments = text(at(item, "function", "name")), text(at(item, "function", "arguments"))
        return self.out.tool_call(position, id=text(item.get("id")), name=name, arguments=arguments)


def _messages(given: Json) -> list[Json]:
    """A message as Coze's, or several: calls of tools are messages of their own. It has no system role."""
    content = given.get("content")
    if given.get("role") == "tool":
        return [_made("assistant", "tool_response", text_of(content))]
    if given.get("role") == "assistant":
        calls = [
            _made("assistant", "function_call", _call(item)) for item in objects(given.get("tool_calls"))
        ]
        said = text_of(content)
        return [*([_made("assistant", "answer", said)] if said or not calls else []), *calls]
    parts = parts_of(content)
    if all(part.get("type") == "text" for part in parts):
        return [_made("user", "question", text_of(content))]
    mixed = orjson.dumps([_part(part) for part in parts]).decode()
    return [{**_made("user", "question", mixed), "content_type": "object_string"}]


def _made(role: str, kind: str, content: str) -> Json:
    return {"role": role, "type": kind, "content": content, "content_type": "text"}


def _call(item: Json) -> str:
    function = item.get("function")
    called = {"name": at(function, "name"), "arguments": at(function, "arguments")}
    return orjson.dumps(called).decode()


def _part(part: Json) -> Json:
    if part.get("type") == "text":
        return {"type": "text", "text": text(part.get("text"))}
    url = text(at(part, "image_url", "url"))
    if part.get("type") != "image_url" or not url.startswith(("http://", "https://")):
        raise BodyError("this provider takes text, and images by their address", "messages")
    return {"type": "image", "file_url": url}


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(CozeAdapter())
