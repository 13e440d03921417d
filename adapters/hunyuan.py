"""Tencent Hunyuan's own interface: `ChatCompletions` and `GetEmbedding`, signed as tc3.py says.

Wire: cloud.tencent.com/document/api/1729, pages "ChatCompletions", "GetEmbedding", "Data types"
and "Error codes". Names are in Pascal case; whole answers and all errors are wrapped in `Response`, events
of a stream are not. An error comes under status 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import orjson

from ..plugins import (
    BodyError,
    Call,
    Channel,
    ErrorKind,
    Json,
    Reply,
    StreamTranslator,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
    hookimpl,
)
from .chat import (
    completions,
    embeddings,
    functions_of,
    inputs_of,
    message,
    messages_of,
    parts_of,
    text_of,
    tool_call,
)
from .failures import CONTENT_FILTER, MODEL_NOT_FOUND, Failure, Verdict, coded
from .fields import CHAT_FIELDS, EMBEDDING_FIELDS, others
from .foreign import ForeignAdapter, JsonStream, at, is_document, objects, text
from .parts.tc3 import JSON_TYPE, authorization
from .parts.usage import latest, read_renamed

FINISH_REASONS: Mapping[str, str] = {
    "stop": "stop",
    "length": "length",
    "sensitive": "content_filter",
    "tool_calls": "tool_calls",
}
"""Source: "Data types", `Choice.FinishReason`; empty until the end."""

_REQUEST, _MODEL, _FAULT, _BALANCE = ErrorKind.REQUEST, ErrorKind.MODEL, ErrorKind.FAULT, ErrorKind.BALANCE

CODES: Mapping[str, Verdict] = coded(
    (ErrorKind.CREDENTIAL, "", "AuthFailure"),
    (ErrorKind.EXPIRED, "", "AuthFailure.SignatureExpire"),
    (_MODEL, "", "AuthFailure.UnauthorizedOperation UnauthorizedOperation IpInBlacklist IpNotInWhitelist"),
    (_MODEL, "", "FailedOperation.ServiceNotActivated FailedOperation.UserUnAuthError"),
    (_MODEL, "", "FailedOperation.PartnerAccountUnSupport ResourceUnavailable.NotExist"),
    (_MODEL, "", "InvalidAction NoSuchProduct NoSuchVersion UnsupportedRegion UnsupportedProtocol"),
    (_MODEL, MODEL_NOT_FOUND, "ActionOffline InvalidParameterValue.Model ResourceNotFound"),
    (_BALANCE, "", "FailedOperation.FreeResourcePackExhausted FailedOperation.ResourcePackExhausted"),
    (_BALANCE, "", "FailedOperation.ServiceStop FailedOperation.ServiceStopArrears ResourceInsufficient"),
    (_BALANCE, "", "FailedOperation.SetPayModeExceed ResourceUnavailable"),
    (ErrorKind.RATE, "", "RequestLimitExceeded LimitExceeded FailedOperation.EngineServerLimitExceeded"),
    (_REQUEST, CONTENT_FILTER, "OperationDenied FailedOperation.GenerateImageFailed"),
    (_REQUEST, "", "InvalidParameter InvalidParameterValue InvalidRequest MissingParameter"),
    (_REQUEST, "", "UnknownParameter UnsupportedOperation RequestSizeLimitExceeded"),
    (_REQUEST, "", "FailedOperation.DownloadError FailedOperation.ImageDownloadError"),
    (_REQUEST, "", "FailedOperation.ImageDecodeFailed DryRunOperation"),
    (ErrorKind.BUSY, "", "ServiceUnavailable ResourceInUse ResourcesSoldOut"),
    (_FAULT, "", "FailedOperation InternalError ResponseSizeLimitExceeded 4000 4001"),
)
"""Source: "Error codes"; the two numbers are of `ErrorMsg` inside a stream, "Data types"."""

NAMES: Mapping[str, str] = {
    "temperature": "Temperature",
    "top_p": "TopP",
    "seed": "Seed",
    "enable_enhancement": "EnableEnhancement",
    "enable_thinking": "EnableThinking",
    "enable_deep_search": "EnableDeepSearch",
    "search_info": "SearchInfo",
    "citation": "Citation",
    "stream_moderation": "StreamModeration",
}
"""Fields that only change their name. Source: "ChatCompletions", input parameters."""

_TAKEN = frozenset({"temperature", "top_p", "seed"})
_HANDLED = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "stop", "tools", "tool_choice", "functions"),
        *("function_call", "reasoning_effort"),
    }
)

SERVICE = "hunyuan"
VERSION = "2023-09-01"
_COUNTS = {
    "prompt_tokens": "PromptTokens",
    "completion_tokens": "CompletionTokens",
    "total_tokens": "TotalTokens",
}

ACTIONS: Mapping[str, str] = {"chat/completions": "ChatCompletions", "embeddings": "GetEmbedding"}


class HunyuanAdapter(ForeignAdapter):
    """Tencent Hunyuan, native."""

    name = "hunyuan-native"
    title = "Tencent Hunyuan (native)"
    base_url = "https://hunyuan.tencentcloudapi.com"
    endpoints = frozenset({"chat/completions", "embeddings"})
    embedding_inputs = 200
    key_help = "SecretId|SecretKey"
    models = ("hunyuan-turbos-latest", "hunyuan-t1-latest", "hunyuan-vision", "hunyuan-embedding")
    codes = CODES

    def check(self, channel: Channel) -> None:
        super().check(channel)
        secret_id, bar, secret_key = channel.key.partition("|")
        if not (secret_id and bar and secret_key) or "|" in secret_key:
            raise ValueError("the key must be SecretId|SecretKey")

    def request(self, call: Call) -> UpstreamRequest:
        made = _embed_request if call.endpoint == "embeddings" else _chat_request
        body, dropped = made(call)
        url, payload, action = self.root(call.channel), orjson.dumps(body), ACTIONS[call.endpoint]
        secret_id, _, secret_key = call.credential.value.partition("|")
        host = urlsplit(url).netloc
        signed = authorization(
            secret_id, secret_key, payload, call.now, service=SERVICE, host=host, action=action
        )
        headers = {
            "content-type": JSON_TYPE,
            "authorization": signed,
            "x-tc-action": action,
            "x-tc-version": VERSION,
            "x-tc-timestamp": str(int(call.now)),
        }
        return UpstreamRequest(f"{url}/", headers, payload, dropped=dropped)

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        value = self.document(call, response)
        answer = value.get("Response", value)
        usage = read_renamed(at(answer, "Usage"), _COUNTS)
        if call.endpoint == "embeddings":
            rows = objects(at(answer, "Data"))
            return embeddings(call, [row.get("Embedding") or [] for row in rows], usage)
        choices = [_choice(choice) for choice in objects(at(answer, "Choices"))]
        if not choices:
            raise UpstreamError(ErrorKind.FAULT, "the provider's answer has no choices")
        return completions(call, choices, usage, id=text(at(answer, "Id")))

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        return None if is_document(call, response) else HunyuanStream(self, call, response)

    def failure(self, value: Json) -> Failure | None:
        answer = value.get("Response", value)
        error = at(answer, "Error")
        if isinstance(error, dict):
            return Failure(text(error.get("Message")), "", str(error.get("Code") or ""))
        error = at(answer, "ErrorMsg")
        if isinstance(error, dict) and error.get("Code"):
            return Failure(text(error.get("Msg")), "", str(error["Code"]))
        return None


class HunyuanStream(JsonStream):
    """Hunyuan's events. A tool call's pieces are held together by its id."""

    def __init__(self, adapter: HunyuanAdapter, call: Call, response: UpstreamResponse) -> None:
        super().__init__(adapter, call, response)
        self._calls: dict[int, list[str]] = {}

    def event(self, name: bytes, value: Json) -> bytes:
        value = value.get("Response", value)
        self.usage = latest(self.usage, read_renamed(value.get("Usage"), _COUNTS))
        choices = objects(value.get("Choices"))
        return b"".join(self._choice(place, choice) for place, choice in enumerate(choices))

    def _choice(self, place: int, choice: Json) -> bytes:
        index = choice["Index"] if isinstance(choice.get("Index"), int) else place
        delta = choice.get("Delta")
        made = self.out.reasoning(text(at(delta, "ReasoningContent")), index)
        made += self.out.text(text(at(delta, "Content")), index)
        made += b"".join(self._tool_call(index, item) for item in objects(at(delta, "ToolCalls")))
        if reason := _finish(choice.get("FinishReason")):
            self.ended = True
            made += self.out.finish(reason, index)
        return made

    def _tool_call(self, index: int, item: Json) -> bytes:
        ids = self._calls.setdefault(index, [])
        id, function = text(item.get("Id")), item.get("Function")
        arguments = text(at(function, "Arguments"))
        if ids and (not id or id in ids):
            position = ids.index(id) if id in ids else len(ids) - 1
            return self.out.tool_call(position, arguments=arguments, index=index) if arguments else b""
        ids.append(id)
        name = text(at(function, "Name"))
        return self.out.tool_call(len(ids) - 1, id=id, name=name, arguments=arguments, index=index)


# Requests.


def _chat_request(call: Call) -> tuple[Json, tuple[str, ...]]:
    assert call.body is not None
    tree = call.body.tree
    handled = _HANDLED - {"tool_choice"} if tree.get("tool_choice") == "required" else _HANDLED
    rest, dropped = others(call, handled, CHAT_FIELDS - _TAKEN)
    body: Json = {
        "Model": call.upstream_model,
        "Messages": [_message(item) for item in messages_of(call)],
        "Stream": call.stream,
    }
    if stop := tree.get("stop"):
        body["Stop"] = [stop] if isinstance(stop, str) else stop
    if effort := tree.get("reasoning_effort"):
        body["EnableThinking"] = effort != "none"
    body.update(_tools(call, tree))
    body.update((NAMES.get(name, name), value) for name, value in rest.items())
    return body, dropped


def _message(given: Json) -> Json:
    role, content = text(given.get("role")), given.get("content")
    made: Json = {"Role": "system" if role == "developer" else role}
    parts = parts_of(content)
    if any(part.get("type") != "text" for part in parts):
        made["Contents"] = [_part(part) for part in parts]
    else:
        made["Content"] = text_of(content)
    if calls := objects(given.get("tool_calls")):
        made["ToolCalls"] = [_given_call(item) for item in calls]
    if given.get("tool_call_id"):
        made["ToolCallId"] = given["tool_call_id"]
    return made


def _part(part: Json) -> Json:
    kind = part.get("type")
    if kind == "text":
        return {"Type": "text", "Text": text(part.get("text"))}
    if kind == "image_url":
        return {"Type": "image_url", "ImageUrl": {"Url": text(at(part, "image_url", "url"))}}
    raise BodyError(f"this provider takes no {kind!r} parts", "messages")


def _given_call(item: Json) -> Json:
    function = item.get("function")
    called = {"Name": at(function, "name"), "Arguments": at(function, "arguments")}
    return {"Id": item.get("id"), "Type": "function", "Function": called}


def _tools(call: Call, tree: Json) -> Json:
    functions = functions_of(call)
    if not functions:
        return {}
    offered: list[Json] = [{"Type": "function", "Function": _function(function)} for function in functions]
    choice = tree.get("tool_choice") or tree.get("function_call")
    name = at(choice, "function", "name") or at(choice, "name")
    if not name:
        return {"Tools": offered, **({"ToolChoice": choice} if choice in ("none", "auto") else {})}
    chosen = [tool for tool in offered if tool["Function"]["Name"] == name]
    if not chosen:
        raise BodyError(f"'tool_choice' names {name!r}, which is not among the tools", "tool_choice")
    return {"Tools": offered, "ToolChoice": "custom", "CustomTool": chosen[0]}


def _function(function: Json) -> Json:
    """Here a function's parameters are JSON inside a text."""
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    return {
        "Name": function.get("name"),
        "Description": function.get("description") or "",
        "Parameters": orjson.dumps(parameters).decode(),
    }


def _embed_request(call: Call) -> tuple[Json, tuple[str, ...]]:
    handled = {"model", "input", "encoding_format"}
    rest, dropped = others(call, handled, EMBEDDING_FIELDS)
    return {"InputList": inputs_of(call), **rest}, dropped


# Answers.


def _choice(choice: Json) -> tuple[Json, str]:
    given = choice.get("Message")
    calls = [_made_call(place, item) for place, item in enumerate(objects(at(given, "ToolCalls")))]
    thought = text(at(given, "ReasoningContent"))
    made = message(text(at(given, "Content")), reasoning=thought, tool_calls=calls)
    return made, _finish(choice.get("FinishReason")) or "stop"


def _made_call(place: int, item: Json) -> Json:
    function = item.get("Function")
    name, arguments = text(at(function, "Name")), text(at(function, "Arguments"))
    return tool_call(place, name, arguments, text(item.get("Id")))


def _finish(native: object) -> str:
    return FINISH_REASONS.get(native, "stop") if isinstance(native, str) and native else ""


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(HunyuanAdapter())
