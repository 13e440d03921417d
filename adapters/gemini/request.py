"""OpenAI's chat and embeddings requests as requests to the Gemini API.

Wire: ai.google.dev, API reference, "Generating content" and "Embeddings"; "Thinking", "Thought signatures",
"Function calling", "Structured outputs", "File input methods"; for what OpenAI's clients send besides,
"OpenAI compatibility".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf
from typing import Final

import orjson

from ...plugins import BodyError, Call, Json
from ..chat import arguments_of, data_url, inputs_of, messages_of, parts_of, text_of
from ..fields import CHAT_FIELDS, EMBEDDING_FIELDS, others
from ..parts.reasoning import effort_of
from ..parts.settings import choices_of, format_of, max_tokens_of, number_of, stop_of
from ..parts.tools import CHOICE_FIELDS, Tools, tools_of

_SETTINGS: Final[Mapping[str, tuple[str, float, float]]] = {
    "temperature": ("temperature", 0, 2),
    "top_p": ("topP", 0, 1),
    "top_k": ("topK", 1, inf),
    "presence_penalty": ("presencePenalty", -2, 2),
    "frequency_penalty": ("frequencyPenalty", -2, 2),
    "seed": ("seed", -(2**31), 2**31 - 1),
}
"""Numbers of `generationConfig`: the name there, and the range."""

_HANDLED: Final = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "stop"),
        *("n", "reasoning_effort", "response_format", "modalities", "extra_body"),
        *_SETTINGS,
        *CHOICE_FIELDS,
    }
)
_UNSUPPORTED: Final = CHAT_FIELDS - _HANDLED
"""What the Gemini API has no place for, or has another meaning for."""

_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY"}

_BUDGETS: Final[Mapping[str, int]] = {
    "none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576,
}  # fmt: skip
"""Thinking tokens of Gemini 2.5 by reasoning effort: "OpenAI compatibility", "Thinking"."""

_LEVELS: Final[Mapping[str, str]] = {
    "none": "minimal", "minimal": "minimal", "low": "low", "medium": "medium", "high": "high",
    "xhigh": "high", "max": "high",
}  # fmt: skip
"""Thinking levels of Gemini 3: the same page. Pro has no `minimal`, and thinking cannot be turned off."""

_MIN_PRO_BUDGET: Final = 128
"""Gemini 2.5 Pro cannot be kept from thinking: "Thinking", "Set thinking budget"."""

NO_SIGNATURE: Final = "skip_thought_signature_validator"
"""What stands for a signature that the client did not keep; Gemini 3 refuses a call without any."""

_HARMS: Final = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
_IMAGE_TYPES: Final = {"png": "image/png", "webp": "image/webp", "gif": "image/gif", "heic": "image/heic",
                       "pdf": "application/pdf", "mp4": "video/mp4"}  # fmt: skip
_VERSION: Final = re.compile(r"gemini-(\d+)(?:\.(\d+))?")


def version_of(model: str) -> tuple[float, float]:
    """Return the version in a model's name; the newest for a Gemini without one, (0, 0) for other models."""
    match = _VERSION.search(model)
    if match:
        return float(match[1]), float(match[2] or 0)
    return (inf, 0.0) if "gemini" in model else (0.0, 0.0)


def generate_request(call: Call, safety: str = "") -> tuple[Json, tuple[str, ...]]:
    """Return the body for generateContent, and the names of the client's fields that were left out.

    `safety` is a threshold for all harms, used where the client sets none; empty for the provider's own.
    """
    assert call.body is not None
    tools, google = tools_of(call), _google(call.body.tree)
    impossible: set[str] = set() if tools.parallel or not tools.functions else {"parallel_tool_calls"}
    thinking = _thinking(call, google)
    if thinking is None:
        impossible.add("reasoning_effort")
    rest, dropped = others(call, _HANDLED - impossible, _UNSUPPORTED | impossible)
    given = rest.get("generationConfig")
    config = {**_config(call), **(thinking or {}), **(given if isinstance(given, dict) else {})}
    system, contents = _conversation(call)
    made: Json = {**rest, "contents": contents, **_tools(tools)}
    if system:
        made["systemInstruction"] = {"parts": system}
    if config:
        made["generationConfig"] = config
    if cached := google.get("cached_content"):
        made["cachedContent"] = cached
    if safety and "safetySettings" not in rest:
        made["safetySettings"] = [
            {"category": f"HARM_CATEGORY_{harm}", "threshold": safety} for harm in _HARMS
        ]
    return made, dropped


def embed_request(call: Call) -> tuple[str, Json, tuple[str, ...]]:
    """Return the method, the body and the names of fields left out: one text, or a batch of them."""
    assert call.body is not None
    handled = {"model", "input", "dimensions", "encoding_format"}
    rest, dropped = others(call, handled, EMBEDDING_FIELDS - handled)
    if dimensions := call.body.get("dimensions", int):
        rest["outputDimensionality"] = dimensions
    requests = [{**rest, "content": {"parts": [{"text": item}]}} for item in inputs_of(call)]
    if isinstance(call.body.tree["input"], str):
        return "embedContent", requests[0], dropped
    model = model_path(call.upstream_model)
    return "batchEmbedContents", {"requests": [{"model": model, **each} for each in requests]}, dropped


def model_path(model: str) -> str:
    """Return a model's resource name: tuned models have a folder of their own, the others need theirs."""
    return model if "/" in model else f"models/{model}"


def _google(tree: Json) -> Json:
    """What OpenAI's clients say to Google alone: `extra_body.google`."""
    extra = tree.get("extra_body")
    google = extra.get("google") if isinstance(extra, dict) else None
    return google if isinstance(google, dict) else {}


def _thinking(call: Call, google: Json) -> Json | None:
    """`thinkingConfig` for what the client asks; None where the model cannot think."""
    own = google.get("thinking_config")
    if isinstance(own, dict):
        return {"thinkingConfig": own}
    effort, version = effort_of(call), version_of(call.upstream_model)
    if not effort:
        return {}
    if version < (2, 5):
        return None
    is_pro = "pro" in call.upstream_model
    made: Json = {}
    if version >= (3, 0):
        level = _LEVELS[effort]
        made["thinkingLevel"] = "low" if is_pro and level == "minimal" else level
    else:
        made["thinkingBudget"] = max(_BUDGETS[effort], _MIN_PRO_BUDGET if is_pro else 0)
    if effort != "none":
        made["includeThoughts"] = True
    return {"thinkingConfig": made}


def _config(call: Call) -> Json:
    assert call.body is not None
    tree = call.body.tree
    made: Json = {}
    for name, (ours, low, high) in _SETTINGS.items():
        value = number_of(call, name, low, high)
        if value is not None and not (value == 0 and name.endswith("_penalty")):
            made[ours] = value
    if limit := max_tokens_of(call):
        made["maxOutputTokens"] = limit
    if stops := stop_of(call):
        made["stopSequences"] = stops
    if (choices := choices_of(call, 8)) > 1:
        made["candidateCount"] = choices
    if isinstance(modalities := tree.get("modalities"), list) and modalities != ["text"]:
        made["responseModalities"] = [str(item).upper() for item in modalities]
    kind, schema = format_of(call)
    if kind != "text":
        made["responseMimeType"] = "application/json"
    if kind == "json_schema":
        made["responseJsonSchema"] = schema["schema"]
    return made


def _tools(tools: Tools) -> Json:
    declarations = [_declaration(function) for function in tools.functions]
    offered: list[Json] = [{"functionDeclarations": declarations}] if declarations else []
    if not offered and not tools.own:
        return {}
    made: Json = {"tools": [*offered, *tools.own]}
    if tools.mode and declarations:
        config: Json = {"mode": _MODES[tools.mode]}
        if tools.only:
            config["allowedFunctionNames"] = [tools.only]
        made["toolConfig"] = {"functionCallingConfig": config}
    return made


def _declaration(function: Json) -> Json:
    made: Json = {"name": function["name"]}
    if function.get("description"):
        made["description"] = function["description"]
    if function.get("parameters"):
        made["parametersJsonSchema"] = function["parameters"]
    return made


def _conversation(call: Call) -> tuple[list[Json], list[Json]]:
    """The parts of the system's instruction, and the turns."""
    system: list[Json] = []
    turns: list[Json] = []
    names: dict[str, str] = {}
    needs_signature = version_of(call.upstream_model) >= (3, 0)
    for message in messages_of(call):
        role = message.get("role")
        if role in ("system", "developer"):
            system += _parts(message.get("content"))
        elif role == "user":
            _add(turns, "user", _parts(message.get("content")))
        elif role == "assistant":
            _add(turns, "model", _assistant(message, names, needs_signature))
        elif role == "tool":
            _add(turns, "user", _tool_result(message, names))
        else:
            raise BodyError(f"this provider has no messages of the role {role!r}", "messages")
    if not turns:
        raise BodyError("'messages' must have something to answer", "messages")
    return system, turns


def _add(turns: list[Json], role: str, parts: list[Json]) -> None:
    """Add a turn. One of the same role is joined to the last, but functions' results stay by themselves."""
    if not parts:
        return
    last = turns[-1] if turns else None
    if last and last["role"] == role and _is_result(last["parts"][0]) is _is_result(parts[0]):
        last["parts"] += parts
    else:
        turns.append({"role": role, "parts": parts})


def _is_result(part: Json) -> bool:
    return "functionResponse" in part


def _assistant(message: Json, names: dict[str, str], needs_signature: bool) -> list[Json]:
    """The parts of a turn of the model's. Notes the names of the functions called, by the calls' ids."""
    parts = _parts(message.get("content"))
    if parts and (signature := _signature(message)):
        parts[-1] = {**parts[-1], "thoughtSignature": signature}
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise BodyError("'tool_calls' must be a list of objects", "messages")
    for position, call in enumerate(calls):
        function = call.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str) or not name:
            raise BodyError("a tool call must name its function", "messages")
        names[str(call.get("id"))] = name
        part: Json = {"functionCall": {"name": name, "args": arguments_of(call), **_id(call.get("id"))}}
        signature = _signature(call) or (NO_SIGNATURE if needs_signature and position == 0 else "")
        parts.append({**part, "thoughtSignature": signature} if signature else part)
    return parts


def _signature(value: Json) -> str:
    """The thought signature of a message or a call: "Thought signatures", OpenAI's clients."""
    extra = value.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) else ""


def _id(given: object) -> Json:
    """A call's id, if Gemini gave it: those made up for it are unknown there."""
    return {"id": given} if isinstance(given, str) and given and not given.startswith("call_") else {}


def _tool_result(message: Json, names: Mapping[str, str]) -> list[Json]:
    id, content = message.get("tool_call_id"), message.get("content")
    name = names.get(str(id)) or message.get("name")
    if not isinstance(name, str) or not name:
        raise BodyError("a tool's result must have the id of an earlier tool call", "messages")
    result: Json = {"name": name, "response": _response(text_of(content)), **_id(id)}
    return [{"functionResponse": result}, *(part for part in _parts(content) if "text" not in part)]


def _response(said: str) -> Json:
    """A function's result, which must be an object."""
    if said.lstrip().startswith("{"):
        try:
            value = orjson.loads(said)
        except orjson.JSONDecodeError:
            value = None
        if isinstance(value, dict):
            return value
    return {"output": said}


def _parts(content: object) -> list[Json]:
    parts = (_part(part) for part in parts_of(content))
    return [part for part in parts if part.get("text") != ""]


def _part(part: Json) -> Json:
    kind = part.get("type")
    if kind in ("text", "refusal"):
        said = part.get(kind)
        if not isinstance(said, str):
            raise BodyError("a part of the type 'text' must have its text", "messages")
        return {"text": said}
    if kind == "image_url":
        return _media(part.get("image_url"), "url")
    if kind == "file":
        return _media(part.get("file"), "file_data")
    if kind == "input_audio":
        audio = part.get("input_audio")
        if not isinstance(audio, dict) or not isinstance(audio.get("data"), str):
            raise BodyError("'input_audio' must have its data", "messages")
        return {"inlineData": {"mimeType": f"audio/{audio.get('format') or 'wav'}", "data": audio["data"]}}
    return part  # a part in the provider's own words


def _media(value: object, name: str) -> Json:
    address = value.get(name) if isinstance(value, dict) else value
    if not isinstance(address, str) or not address:
        raise BodyError("an image or a file must have its address or its data", "messages")
    found = data_url(address)
    if found is not None:
        return {"inlineData": {"mimeType": found[0], "data": found[1]}}
    if not address.startswith(("https://", "http://", "gs://")):
        raise BodyError("an image must be a data: address of base64, or an http address", "messages")
    ending = address.partition("?")[0].rpartition(".")[2].lower()
    return {"fileData": {"mimeType": _IMAGE_TYPES.get(ending, "image/jpeg"), "fileUri": address}}
