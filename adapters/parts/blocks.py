"""A conversation as content blocks, in Anthropic's words; Bedrock's blocks are the same in others.

Wire: platform.claude.com, "Messages", "Vision", "PDF support", "Tool use" and "Thinking". Turns of one
role are joined, as some models insist that the roles alternate.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

from ...plugins import BodyError, Call, Json
from ..chat import arguments_of, data_url, messages_of, parts_of
from .reasoning import details_of, is_signed

_NO_ID_CHARACTER = re.compile(r"[^a-zA-Z0-9_-]")
_MEDIA_TYPES = {"image/jpg": "image/jpeg"}


@dataclass(slots=True)
class Conversation:
    """System blocks, turns, and whether the tool calls being answered carry their signed thinking."""

    system: list[Json] = field(default_factory=list)
    turns: list[Json] = field(default_factory=list)
    proven: bool = True

    def add(self, role: str, blocks: list[Json]) -> None:
        """Add blocks to the last turn if it is of the same role, else as a turn of their own."""
        if not blocks:
            return
        if self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"] += blocks
        else:
            self.turns.append({"role": role, "content": blocks})


def conversation(call: Call) -> Conversation:
    """Return the messages of a request as blocks. Raises BodyError for what cannot be said in them."""
    messages = messages_of(call)
    talk = Conversation(proven=_is_proven(messages))
    for message in messages:
        role = message.get("role")
        if role in ("system", "developer"):
            talk.system += _blocks(message.get("content"))
        elif role == "user":
            talk.add("user", _blocks(message.get("content")))
        elif role == "assistant":
            talk.add("assistant", _assistant(message))
        elif role == "tool":
            talk.add("user", [_tool_result(message)])
        else:
            raise BodyError(f"this provider has no messages of the role {role!r}", "messages")
    if not talk.turns:
        raise BodyError("'messages' must have something to answer", "messages")
    _trim_end(talk.turns[-1])
    return talk


def tool_id(given: object) -> str:
    """Return a tool call's id without the characters that Anthropic and Bedrock refuse."""
    if not isinstance(given, str) or not given:
        raise BodyError("a tool call and its result must have the call's id", "messages")
    return _NO_ID_CHARACTER.sub("_", given)


def _is_proven(messages: list[Json]) -> bool:
    """Whether the tool calls that the last messages answer came with their signed thinking."""
    for message in reversed(messages):
        if message.get("role") == "assistant" and message.get("tool_calls"):
            return bool(details_of(message))
        if message.get("role") != "tool":
            return True
    return True


def _assistant(message: Json) -> list[Json]:
    blocks = [_thought(detail) for detail in details_of(message)]
    blocks += _blocks(message.get("content"))
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise BodyError("'tool_calls' must be a list of objects", "messages")
    return blocks + [_tool_use(call) for call in calls]


def _thought(detail: Json) -> Json:
    if is_signed(detail):
        return {"type": "thinking", "thinking": detail.get("text") or "", "signature": detail["signature"]}
    return {"type": "redacted_thinking", "data": detail["data"]}


def _tool_use(call: Json) -> Json:
    function = call.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str) or not name:
        raise BodyError("a tool call must name its function", "messages")
    return {"type": "tool_use", "id": tool_id(call.get("id")), "name": name, "input": arguments_of(call)}


def _tool_result(message: Json) -> Json:
    block: Json = {"type": "tool_result", "tool_use_id": tool_id(message.get("tool_call_id"))}
    if content := _blocks(message.get("content")):
        block["content"] = content
    return block


def _blocks(content: object) -> list[Json]:
    """Return the blocks of a message's content. Text of white space only is refused, so left out."""
    blocks = []
    for part in parts_of(content):
        block = _block(part)
        if block.get("type") == "text" and not block["text"].strip():
            continue
        if "cache_control" in part and "cache_control" not in block:
            block = {**block, "cache_control": part["cache_control"]}
        blocks.append(block)
    return blocks


def _block(part: Json) -> Json:
    kind = part.get("type")
    if kind == "text":
        return {"type": "text", "text": _said(part.get("text"))}
    if kind == "refusal":
        return {"type": "text", "text": _said(part.get("refusal"))}
    if kind == "image_url":
        return _media(_address(part.get("image_url"), "url"))
    if kind == "file":
        return _file(part.get("file"))
    if kind == "input_audio":
        raise BodyError("this provider takes no audio", "messages")
    return part  # a block in the provider's own words


def _said(value: object) -> str:
    if not isinstance(value, str):
        raise BodyError("a part of the type 'text' must have its text", "messages")
    return value


def _address(value: object, name: str) -> str:
    address = value.get(name) if isinstance(value, dict) else value
    if not isinstance(address, str) or not address:
        raise BodyError("an image or a file must have its address or its data", "messages")
    return address


def _file(file: object) -> Json:
    block = _media(_address(file, "file_data"))
    name = file.get("filename") if isinstance(file, dict) else None
    if block["type"] == "document" and isinstance(name, str) and name:
        block["title"] = name
    return block


def _media(address: str) -> Json:
    """A block for a `data:` or `https:` address. What is no image is a document, PDF or text."""
    found = data_url(address)
    if found is None:
        if not address.startswith(("https://", "http://", "s3://")):
            raise BodyError("an image must be a data: address of base64, or an http address", "messages")
        kind = "document" if address.partition("?")[0].lower().endswith(".pdf") else "image"
        return {"type": kind, "source": {"type": "url", "url": address}}
    given, data = found
    media_type = _MEDIA_TYPES.get(given, given)
    source: Json = {"type": "base64", "media_type": media_type, "data": data}
    if media_type.startswith("image/"):
        return {"type": "image", "source": source}
    if media_type.startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": _decoded(data)}
    return {"type": "document", "source": source}


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise BodyError("a file of text must be base64 of UTF-8", "messages") from exc


def _trim_end(turn: Json) -> None:
    """A last turn of the assistant's is a beginning to go on from; it may not end in white space."""
    last = turn["content"][-1]
    if turn["role"] == "assistant" and last.get("type") == "text":
        turn["content"][-1] = {**last, "text": last["text"].rstrip()}
