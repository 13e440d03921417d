"""OpenAI's chat request as a request to Bedrock's Converse API.

Wire: docs.aws.amazon.com, Bedrock API reference, "Converse"; user guide, "Tool use", "Prompt caching",
"Structured outputs", "Inference request parameters".
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

import orjson

from ...plugins import BodyError, Call, Json
from ..fields import CHAT_FIELDS, others
from ..parts.blocks import Conversation, conversation
from ..parts.claude import Thinking, asked, traits
from ..parts.reasoning import effort_of
from ..parts.settings import format_of, max_tokens_of, number_of, stop_of
from ..parts.tools import CHOICE_FIELDS, Tools, parameters_of, tools_of

_HANDLED: Final = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "stop"),
        *("temperature", "top_p", "reasoning_effort", "response_format"),
        *CHOICE_FIELDS,
    }
)
_UNSUPPORTED: Final = CHAT_FIELDS - _HANDLED
"""What Converse has no place for. The channel's rule `pass` hands it to the model."""

_OWN: Final = frozenset(
    {
        "additionalModelRequestFields", "additionalModelResponseFieldPaths", "guardrailConfig",
        "outputConfig", "performanceConfig", "promptVariables", "requestMetadata", "serviceTier",
    }
)  # fmt: skip
"""Fields of Converse itself. Any other field that we do not know is meant for the model."""

_IMAGE_FORMATS: Final = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
"""API reference, "ImageBlock"."""

_WORD: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_SHEET: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_DOCUMENT_FORMATS: Final = {
    "application/pdf": "pdf", "application/msword": "doc", _WORD: "docx", "application/vnd.ms-excel": "xls",
    _SHEET: "xlsx", "text/plain": "txt",
}  # fmt: skip
"""API reference, "DocumentBlock"."""

_NO_NAME_CHARACTER: Final = re.compile(r"[^a-zA-Z0-9\s\-()\[\]]+")
_CACHE_POINT: Final[Json] = {"cachePoint": {"type": "default"}}

_WITHOUT_SCHEMA: Final = re.compile(r"\b(amazon|meta|cohere|ai21|writer|stability)\.")
"""Makers whose models take no schema: user guide, "Structured outputs", supported models."""

_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium"}
"""Reasoning efforts of Amazon's and OpenAI's models at Bedrock; what is above them is `high`."""

_NOT_WITH_HIGH: Final = frozenset({"temperature", "top_p", "max_tokens", "max_completion_tokens"})
"""Nova refuses these with the effort `high`: Nova 2 user guide, "Extended thinking"."""

DEFAULT_MAX_TOKENS: Final = 8192
"""Room for an answer beside a thinking budget, where the client names no limit."""


def converse_request(call: Call) -> tuple[Json, tuple[str, ...]]:
    """Return the body for Converse, and the names of the client's fields that were left out."""
    talk, tools = conversation(call), tools_of(call)
    thinking, impossible = _thinking(call, talk, tools)
    impossible |= _impossible(call, talk, tools)
    rest, dropped = others(call, _HANDLED - impossible, _UNSUPPORTED | impossible)
    made: Json = {name: value for name, value in rest.items() if name in _OWN}
    made["messages"] = [{**turn, "content": _dressed(turn["content"])} for turn in talk.turns]
    _tell_apart(made["messages"])
    if talk.system:
        made["system"] = _dressed(talk.system)
    if config := _config(call, thinking, impossible):
        made["inferenceConfig"] = config
    if offered := _tools(tools, talk):
        made["toolConfig"] = offered
    if "response_format" not in impossible and (schema := _schema(call)):
        made["outputConfig"] = {**_object(made.get("outputConfig")), "textFormat": schema}
    of_model = {name: value for name, value in rest.items() if name not in _OWN}
    of_model |= {**thinking.fields, **_object(made.get("additionalModelRequestFields"))}
    if of_model:
        made["additionalModelRequestFields"] = of_model
    return made, dropped


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _thinking(call: Call, talk: Conversation, tools: Tools) -> tuple[Thinking, frozenset[str]]:
    """How to ask this maker's model for the effort, and which fields cannot be had with it."""
    model = call.upstream_model
    if "anthropic." in model:
        return asked(call, proven=talk.proven, forced=tools.mode == "required")
    effort = effort_of(call)
    if effort in ("", "none"):
        return Thinking({}), frozenset()
    wanted = _EFFORTS.get(effort, "high")
    if "amazon.nova-2" in model:
        fields = {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": wanted}}
        return Thinking(fields), _NOT_WITH_HIGH if wanted == "high" else frozenset()
    if "openai." in model:
        return Thinking({"reasoning_effort": wanted}), frozenset()
    return Thinking({}), frozenset({"reasoning_effort"})


def _impossible(call: Call, talk: Conversation, tools: Tools) -> frozenset[str]:
    """The fields that cannot be had with this model, or in this conversation."""
    model = call.upstream_model
    impossible: set[str] = set()
    if not tools.parallel and tools.functions:
        impossible.add("parallel_tool_calls")
    if tools.mode == "none" and _names_called(talk):
        impossible.add("tool_choice")
    kind, _ = format_of(call)
    takes_schema = traits(model).takes_schema if "anthropic." in model else not _WITHOUT_SCHEMA.search(model)
    if kind == "json_object" or (kind == "json_schema" and not takes_schema):
        impossible.add("response_format")
    return frozenset(impossible)


def _config(call: Call, thinking: Thinking, impossible: frozenset[str]) -> Json:
    made: Json = {}
    limit = max_tokens_of(call)
    if limit is None and thinking.budget:
        limit = DEFAULT_MAX_TOKENS + thinking.budget
    if limit is not None and "max_tokens" not in impossible:
        made["maxTokens"] = limit
    for name, ours in (("temperature", "temperature"), ("top_p", "topP")):
        value = None if name in impossible else number_of(call, name, 0, 1)
        if value is not None:
            made[ours] = value
    if stops := stop_of(call):
        made["stopSequences"] = stops
    return made


def _schema(call: Call) -> Json:
    kind, said = format_of(call)
    if kind != "json_schema":
        return {}
    schema: Json = {"schema": orjson.dumps(said["schema"]).decode()}
    schema |= {name: said[name] for name in ("name", "description") if said.get(name)}
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}


def _tools(tools: Tools, talk: Conversation) -> Json:
    """`toolConfig`: it must be there if the conversation has tool calls in it, and cannot say none."""
    called = _names_called(talk)
    offered = [_tool(function) for function in tools.functions] + list(tools.own)
    if not offered or (tools.mode == "none" and not called):
        return {"tools": [_tool({"name": name}) for name in called]} if called else {}
    made: Json = {"tools": [tool for each in offered for tool in _with_cache_point(each)]}
    if tools.only:
        made["toolChoice"] = {"tool": {"name": tools.only}}
    elif tools.mode in ("auto", "required"):
        made["toolChoice"] = {"any": {}} if tools.mode == "required" else {"auto": {}}
    return made


def _tool(function: Json) -> Json:
    spec: Json = {"name": function["name"], "inputSchema": {"json": parameters_of(function)}}
    if function.get("description"):
        spec["description"] = function["description"]
    made: Json = {"toolSpec": spec}
    return {**made, "cache_control": function["cache_control"]} if function.get("cache_control") else made


def _with_cache_point(block: Json) -> list[Json]:
    """The block, and after it a cache point where the client wants the prompt cached up to here."""
    if "cache_control" not in block:
        return [block]
    return [{name: value for name, value in block.items() if name != "cache_control"}, _CACHE_POINT]


def _names_called(talk: Conversation) -> list[str]:
    blocks = (block for turn in talk.turns for block in turn["content"])
    return list(dict.fromkeys(block["name"] for block in blocks if block.get("type") == "tool_use"))


# Blocks in Bedrock's words.


def _dressed(blocks: list[Json]) -> list[Json]:
    dressed: list[Json] = []
    for block in blocks:
        if "type" not in block:  # a block in Bedrock's own words already
            dressed.append(block)
            continue
        dress = _DRESSERS.get(block["type"])
        if dress is None:
            raise BodyError(f"this provider takes no content of the type {block['type']!r}", "messages")
        dressed.append(dress(block))
        if "cache_control" in block:
            dressed.append(_CACHE_POINT)
    return dressed


def _tell_apart(turns: list[Json]) -> None:
    """Number the documents of one name: Bedrock refuses a conversation that has two of them."""
    seen: Counter[str] = Counter()
    for turn in turns:
        for place, block in enumerate(turn["content"]):
            if document := _object(block.get("document")):
                name = str(document.get("name"))
                seen[name] += 1
                if seen[name] > 1:
                    renamed = {**document, "name": f"{name} ({seen[name]})"}
                    turn["content"][place] = {**block, "document": renamed}


def _text(block: Json) -> Json:
    return {"text": block["text"]}


def _image(block: Json) -> Json:
    source = block["source"]
    if source["type"] == "url":
        ending = source["url"].rpartition(".")[2].lower()
        given = {"jpg": "image/jpeg"}.get(ending, f"image/{ending}")
    else:
        given = source["media_type"]
    if given not in _IMAGE_FORMATS:
        raise BodyError(f"this provider takes no images of the type {given!r}", "messages")
    return {"image": {"format": _IMAGE_FORMATS[given], "source": _source(source)}}


def _document(block: Json) -> Json:
    source = block["source"]
    given = "application/pdf" if source["type"] == "url" else source["media_type"]
    if given not in _DOCUMENT_FORMATS:
        raise BodyError(f"this provider takes no files of the type {given!r}", "messages")
    name = _NO_NAME_CHARACTER.sub(" ", block.get("title") or "document").strip()
    return {
        "document": {
            "format": _DOCUMENT_FORMATS[given],
            "name": re.sub(r"\s+", " ", name)[:200] or "document",
            "source": _source(source),
        }
    }


def _source(source: Json) -> Json:
    """Bytes, or an object in S3: Bedrock fetches nothing else."""
    if source["type"] == "url":
        if not source["url"].startswith("s3://"):
            raise BodyError("this provider takes images as data: or s3: addresses only", "messages")
        return {"s3Location": {"uri": source["url"]}}
    if source["type"] == "text":
        return {"bytes": base64.b64encode(source["data"].encode()).decode()}
    return {"bytes": source["data"]}


def _tool_use(block: Json) -> Json:
    return {"toolUse": {"toolUseId": block["id"], "name": block["name"], "input": block["input"]}}


def _tool_result(block: Json) -> Json:
    content = _dressed(block.get("content") or [{"type": "text", "text": "(empty)"}])
    return {"toolResult": {"toolUseId": block["tool_use_id"], "content": content}}


def _thought(block: Json) -> Json:
    text = {"text": block["thinking"], "signature": block["signature"]}
    return {"reasoningContent": {"reasoningText": text}}


def _sealed(block: Json) -> Json:
    return {"reasoningContent": {"redactedContent": block["data"]}}


_DRESSERS: Final[Mapping[str, Callable[[Json], Json]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "thinking": _thought,
    "redacted_thinking": _sealed,
}
"""Anthropic's blocks, as `blocks` makes them, in Converse's words: API reference, "ContentBlock"."""
