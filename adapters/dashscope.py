"""Alibaba DashScope's own interface: generation of text and from images, embeddings, rerank.

Wire: help.aliyun.com/zh/model-studio, pages "DashScope API reference", "Qwen-VL API", "Text embedding",
"Text rerank" and "Error codes". Streams are asked for in increments, which is what OpenAI's chunks are;
for models that only repeat the whole text in each event the channel's option says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ..plugins import (
    BodyError,
    Call,
    Channel,
    Credential,
    ErrorKind,
    Headers,
    Json,
    Option,
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
from .failures import CONTENT_FILTER, MODEL_NOT_FOUND, Failure, Verdict, coded, read_failure
from .fields import CHAT_FIELDS, EMBEDDING_FIELDS, UNSUPPORTED, clamped, others
from .foreign import ForeignAdapter, JsonStream, at, is_document, json_object, objects, text
from .parts import rerank
from .parts.usage import latest, read_usage
from .sse import SSEDecoder

FINISH_REASONS: Mapping[str, str] = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}
"""Source: "DashScope API reference", `output.choices[].finish_reason`; "null", a text, until the end."""

_REQUEST, _MODEL, _FAULT, _BALANCE = ErrorKind.REQUEST, ErrorKind.MODEL, ErrorKind.FAULT, ErrorKind.BALANCE

CODES: Mapping[str, Verdict] = coded(
    (ErrorKind.CREDENTIAL, "", "InvalidApiKey invalid_api_key"),
    (_BALANCE, "", "Arrearage AllocationQuota CommodityNotPurchased PrepaidBillOverdue PostpaidBillOverdue"),
    (ErrorKind.RATE, "", "Throttling LimitRequests limit_requests"),
    (_MODEL, MODEL_NOT_FOUND, "ModelNotFound model_not_found model_not_supported"),
    (_MODEL, "", "AccessDenied access_denied Model.AccessDenied Workspace.AccessDenied App.AccessDenied"),
    (_MODEL, "", "WorkSpaceNotFound FlowNotPublished InvalidURL"),
    (_REQUEST, CONTENT_FILTER, "DataInspectionFailed data_inspection_failed IPInfringementSuspect"),
    (_REQUEST, CONTENT_FILTER, "FaqRuleBlocked CustomRoleBlocked InternalError.Algo.DataInspectionFailed"),
    (_REQUEST, "", "InvalidParameter invalid_parameter_error InternalError.Algo.InvalidParameter"),
    (_REQUEST, "", "BadRequest BadRequestException InvalidSchema InvalidSchemaFormat InvalidInputLength"),
    (_REQUEST, "", "InvalidFile InvalidImage InvalidImageFormat InvalidImageResolution"),
    (_REQUEST, "", "UnsupportedOperation Conflict"),
    (ErrorKind.BUSY, "", "ModelUnavailable ServiceUnavailable ServiceUnavailableError"),
    (_FAULT, "", "InternalError internal_error SystemError ModelServiceFailed ModelServingError"),
    (_FAULT, "", "InvokePluginFailed AppProcessFailed RewriteFailed RetrivalFailed"),
    (_FAULT, "", "RequestTimeOut ResponseTimeout ClientDisconnect"),
)
"""Source: "Error codes"."""

_FREE_QUOTA = "free allocated quota"
"""In the message of `Throttling.AllocationQuota`: no rate, but a free plan that is used up. Same source."""

SEES = re.compile(r"-vl\b|-vl-|^qvq|-omni|-audio|-ocr|-asr|^qwen3\.[5-9]")
"""Models behind the address for images, sound and video. Source: "Qwen-VL API" and the list of models."""

THINKS_BY_DEFAULT = re.compile(r"^qwen3-[\d.]+b(-a[\d.]+b)?$")
"""Models that think unless told not to, which they refuse outside streams. Source: "Deep thinking"."""

OPEN_RANGES: Mapping[str, tuple[float, float]] = {"top_p": (0.01, 0.99), "temperature": (0.0, 1.99)}
"""Ranges whose ends the provider refuses. Source: "DashScope API reference", `parameters`."""

_TAKEN = frozenset(
    {
        *("max_tokens", "n", "parallel_tool_calls", "presence_penalty", "response_format", "seed", "stop"),
        *("temperature", "tool_choice", "tools", "top_p", "logprobs", "top_logprobs"),
    }
)
_HANDLED = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "max_completion_tokens", "max_tokens"),
        *("functions", "function_call", "reasoning_effort"),
    }
)

_AS_TEXT = "/services/aigc/text-generation/generation"
_WITH_MEDIA = "/services/aigc/multimodal-generation/generation"
_EMBED = "/services/embeddings/text-embedding/text-embedding"
_RERANK = "/services/rerank/text-rerank/text-rerank"

WAY = Option(
    "way",
    "Address for chats",
    default="auto",
    choices=("auto", "text", "multimodal"),
    help="auto: by the model's name, and multimodal where a message holds an image",
)
INCREMENTS = Option(
    "incremental_output",
    "Ask for streams in increments",
    default="on",
    choices=("on", "off"),
    help="off for models that repeat the whole text in each event",
)


class DashScopeAdapter(ForeignAdapter):
    """DashScope, native."""

    name = "dashscope"
    title = "Alibaba DashScope (native)"
    base_url = "https://dashscope.aliyuncs.com/api/v1"
    endpoints = frozenset({"chat/completions", "embeddings", "rerank"})
    embedding_inputs = 10
    options = (UNSUPPORTED, WAY, INCREMENTS)
    models = ("qwen-plus", "qwen-max", "qwen-turbo", "qwen-vl-max", "text-embedding-v4", "gte-rerank-v2")
    codes = CODES

    def models_request(self, channel: Channel, credential: Credential, now: float) -> UpstreamRequest | None:
        """The list is that of the compatible interface, which is at the same host."""
        root = self.root(channel)
        if not root.endswith("/api/v1"):
            return None
        url = root.removesuffix("/api/v1") + "/compatible-mode/v1/models"
        return UpstreamRequest(url, self.auth(credential), method="GET")

    def model_names(self, response: UpstreamResponse) -> tuple[str, ...]:
        found = (text(model.get("id")) for model in objects(json_object(response).get("data")))
        return tuple(name for name in found if name)

    def request(self, call: Call) -> UpstreamRequest:
        root = self.root(call.channel)
        if call.endpoint == "embeddings":
            return self.post(call, root + _EMBED, *_embed_request(call))
        if call.endpoint == "rerank":
            return self.post(call, root + _RERANK, *_rerank_request(call))
        with_media = _has_media(call)
        path = _WITH_MEDIA if with_media else _AS_TEXT
        made = self.post(call, root + path, *_chat_request(call, with_media))
        if not call.stream:
            return made
        headers = {**made.headers, "accept": "text/event-stream", "x-dashscope-sse": "enable"}
        return UpstreamRequest(made.url, headers, made.body, dropped=made.dropped)

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        value = self.document(call, response)
        usage, id = read_usage(value.get("usage")), text(value.get("request_id"))
        output = value.get("output")
        if call.endpoint == "embeddings":
            found = sorted(objects(at(output, "embeddings")), key=lambda row: row.get("text_index", 0))
            return embeddings(call, [row.get("embedding") or [] for row in found], usage)
        if call.endpoint == "rerank":
            return rerank.ranked(call, objects(at(output, "results")), usage, id=id)
        choices = [_choice(choice) for choice in objects(at(output, "choices"))]
        said = at(output, "text")
        if not choices and isinstance(said, str):
            choices = [(message(said), _finish(at(output, "finish_reason")) or "stop")]
        if not choices:
            raise UpstreamError(ErrorKind.FAULT, "the provider's answer has no choices")
        return completions(call, choices, usage, id=id)

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        return None if is_document(call, response) else DashScopeStream(self, call, response)

    def error(self, call: Call, response: UpstreamResponse) -> UpstreamError:
        """An error status may come with an event stream whose one event holds the error."""
        body = response.body
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            decoder = SSEDecoder()
            events = decoder.feed(body) + decoder.flush()
            body = events[0].data if events else body
        return self.failed(read_failure(body), response.status, response.headers, call.now)

    def failure(self, value: Json) -> Failure | None:
        code = value.get("code")
        return Failure(text(value.get("message")), "", str(code)) if code else None

    def failed(self, failure: Failure, status: int, headers: Headers, now: float) -> UpstreamError:
        if _FREE_QUOTA in failure.message.lower():
            failure = replace(failure, code="AllocationQuota")
        return super().failed(failure, status, headers, now)


class DashScopeStream(JsonStream):
    """DashScope's events, in increments or each with the whole text so far."""

    def __init__(self, adapter: DashScopeAdapter, call: Call, response: UpstreamResponse) -> None:
        super().__init__(adapter, call, response)
        self._repeats = call.channel.options.get(INCREMENTS.name, INCREMENTS.default) == "off"
        self._said: dict[tuple[int, str], str] = {}
        self._opened: set[tuple[int, int]] = set()
        self._finished: set[int] = set()

    def event(self, name: bytes, value: Json) -> bytes:
        usage, before = read_usage(value.get("usage")), self.usage
        if usage is None or before is None or usage.completion_tokens <= before.completion_tokens:
            usage = latest(before, usage)
        self.usage = usage  # thinking models correct the prompt's count once the answer begins
        choices = objects(at(value, "output", "choices"))
        return b"".join(self._choice(index, choice) for index, choice in enumerate(choices))

    def _choice(self, place: int, choice: Json) -> bytes:
        index = choice["index"] if isinstance(choice.get("index"), int) else place
        given = choice.get("message")
        made = self.out.reasoning(self._new(index, "thought", text(at(given, "reasoning_content"))), index)
        made += self.out.text(self._new(index, "text", _said(at(given, "content"))), index)
        for position, item in enumerate(objects(at(given, "tool_calls"))):
            made += self._tool_call(index, item.get("index", position), item)
        reason = _finish(choice.get("finish_reason"))
        if reason and index not in self._finished:
            self._finished.add(index)
            self.ended = True
            made += self.out.finish(reason, index)
        return made

    def _tool_call(self, index: int, position: int, item: Json) -> bytes:
        function = item.get("function")
        key = (index, position)
        arguments = self._new(index, f"arguments {position}", text(at(function, "arguments")))
        if key in self._opened:
            return self.out.tool_call(position, arguments=arguments, index=index) if arguments else b""
        self._opened.add(key)
        name, id = text(at(function, "name")), text(item.get("id"))
        return self.out.tool_call(position, id=id, name=name, arguments=arguments, index=index)

    def _new(self, index: int, what: str, given: str) -> str:
        """The part of a text that earlier events did not have."""
        if not self._repeats or not given:
            return given
        before = self._said.get((index, what), "")
        self._said[index, what] = given
        return given.removeprefix(before)


# Requests.


def _chat_request(call: Call, with_media: bool) -> tuple[Json, tuple[str, ...]]:
    assert call.body is not None
    tree = call.body.tree
    rest, dropped = others(call, _HANDLED, CHAT_FIELDS - _TAKEN)
    parameters: Json = {"result_format": "message"}
    if limit := tree.get("max_completion_tokens") or tree.get("max_tokens"):
        parameters["max_tokens"] = limit
    if "tools" not in tree and (functions := functions_of(call)):
        parameters["tools"] = [{"type": "function", "function": function} for function in functions]
    parameters.update(_thinking(call, tree))
    parameters.update(rest)
    for name, (low, high) in OPEN_RANGES.items():
        if name in parameters:
            parameters[name] = clamped(parameters[name], low, high)
    if call.stream:
        option = call.channel.options.get(INCREMENTS.name, INCREMENTS.default)
        parameters["incremental_output"] = option == "on"
    messages = [_message(item, with_media) for item in messages_of(call)]
    return {"model": call.upstream_model, "input": {"messages": messages}, "parameters": parameters}, dropped


def _thinking(call: Call, tree: Json) -> Json:
    if "enable_thinking" in tree:
        return {}
    if effort := tree.get("reasoning_effort"):
        return {"enable_thinking": effort != "none"}
    if not call.stream and THINKS_BY_DEFAULT.search(call.upstream_model):
        return {"enable_thinking": False}
    return {}


def _has_media(call: Call) -> bool:
    way = call.channel.options.get(WAY.name, WAY.default)
    if way != "auto":
        return way == "multimodal"
    if SEES.search(call.upstream_model):
        return True
    kinds = {part.get("type") for item in messages_of(call) for part in parts_of(item.get("content"))}
    return bool(kinds - {"text"})


def _message(given: Json, with_media: bool) -> Json:
    made = {name: value for name, value in given.items() if name != "reasoning_content"}
    if made.get("role") == "developer":
        made["role"] = "system"
    content = given.get("content")
    made["content"] = [_part(part) for part in parts_of(content)] if with_media else text_of(content)
    return made


def _part(part: Json) -> Json:
    kind = part.get("type")
    if kind == "text":
        return {"text": text(part.get("text"))}
    if kind == "image_url":
        return {"image": text(at(part, "image_url", "url"))}
    if kind == "video_url":
        return {"video": text(at(part, "video_url", "url"))}
    if kind == "input_audio":
        sound = part.get("input_audio")
        return {"audio": f"data:audio/{at(sound, 'format') or 'wav'};base64,{at(sound, 'data') or ''}"}
    raise BodyError(f"this provider takes no {kind!r} parts", "messages")


def _embed_request(call: Call) -> tuple[Json, tuple[str, ...]]:
    assert call.body is not None
    handled = {"model", "input", "dimensions", "encoding_format"}
    rest, dropped = others(call, handled, EMBEDDING_FIELDS)
    if dimensions := call.body.get("dimensions", int):
        rest["dimension"] = dimensions
    return {
        "model": call.upstream_model,
        "input": {"texts": inputs_of(call)},
        "parameters": rest,
    }, dropped


def _rerank_request(call: Call) -> tuple[Json, tuple[str, ...]]:
    rest, dropped = others(call, rerank.HANDLED, ())
    given = {"query": rerank.query_of(call), "documents": rerank.documents_of(call)}
    return {"model": call.upstream_model, "input": given, "parameters": rest}, dropped


# Answers.


def _choice(choice: Json) -> tuple[Json, str]:
    given = choice.get("message")
    calls = [
        tool_call(place, text(at(item, "function", "name")), text(at(item, "function", "arguments")),
                  text(item.get("id")))
        for place, item in enumerate(objects(at(given, "tool_calls")))
    ]  # fmt: skip
    thought = text(at(given, "reasoning_content"))
    made = message(_said(at(given, "content")), reasoning=thought, tool_calls=calls)
    return made, _finish(choice.get("finish_reason")) or "stop"


def _said(content: object) -> str:
    """The text of a content, which models that see give as a list of parts."""
    if isinstance(content, list):
        return "".join(text(part.get("text")) for part in objects(content))
    return text(content)


def _finish(native: object) -> str:
    """OpenAI's reason; empty while there is none, which is said by null and by a text "null"."""
    if native in (None, "", "null"):
        return ""
    return FINISH_REASONS.get(str(native), "stop")


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(DashScopeAdapter())
