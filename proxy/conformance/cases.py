"""Recorded cases: one answer of a provider and what must come out of it, a folder each.

A folder holds `meta.json` (provider, api, status, headers, stream or not, model), `request.json` (the
body the provider got), `response.json`, `.sse`, `.ndjson`, `.bin` or `.txt`, and mostly `expected.json`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from ...plugins import Endpoint, ErrorKind, Usage
from .outcome import Choice, ToolCall

ERROR_KINDS: Mapping[str, frozenset[ErrorKind]] = {
    "auth": frozenset({ErrorKind.CREDENTIAL}),
    "auth_refresh": frozenset({ErrorKind.EXPIRED}),
    "quota": frozenset({ErrorKind.BALANCE}),
    "rate_limit": frozenset({ErrorKind.RATE}),
    "upstream": frozenset({ErrorKind.BUSY, ErrorKind.FAULT}),
    "model_not_found": frozenset({ErrorKind.MODEL}),
    "channel_config": frozenset({ErrorKind.MODEL}),
    "context_length": frozenset({ErrorKind.REQUEST}),
    "content_filter": frozenset({ErrorKind.REQUEST}),
    "invalid_request": frozenset({ErrorKind.REQUEST}),
}
"""The kinds that a class of error may have."""

ERROR_CODES: Mapping[str, str] = {
    "model_not_found": "model_not_found",
    "context_length": "context_length_exceeded",
    "content_filter": "content_filter",
}
"""The code that an error of this class must have."""

OPENAI_APIS = frozenset(
    {"chat.completions", "completions", "embeddings", "moderations", "images.generations", "rerank"}
)
"""Interfaces whose requests and answers are OpenAI's or nearly so. `responses` has shapes of its own."""

_ENDPOINTS: Mapping[str, Endpoint] = {
    "completions": "completions",
    "embeddings": "embeddings",
    "wenxin.embeddings": "embeddings",
    "moderations": "moderations",
    "images.generations": "images/generations",
    "wenxin.text2image": "images/generations",
    "audio.transcriptions": "audio/transcriptions",
    "rerank": "rerank",
    "responses": "responses",
}
"""The endpoint a client calls to reach an interface; chat where nothing is said."""

_DROPPED_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})
"""About the framing of a body that is kept here without it."""

_CONTENT_TYPES = {
    "json": "application/json",
    "sse": "text/event-stream",
    "ndjson": "application/x-ndjson",
    "eventstream": "application/vnd.amazon.eventstream",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What any correct adapter gets out of a case.

    `choices` is None where only the error counts. `native_finish` are the provider's own words by choice.
    `usage` is what has to be billed; `shown_usage` is what the provider's own numbers say, which differs
    where reasoning is kept out of the completion tokens.
    """

    choices: tuple[Choice, ...] | None = None
    native_finish: Mapping[int, str | None] = field(default_factory=dict)
    usage: Usage | None = None
    shown_usage: Usage | None = None
    complete: bool = True
    error_class: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded answer. `form` is json, sse, ndjson, eventstream, text or empty."""

    provider: str
    name: str
    api: str
    url: str
    status: int
    headers: Mapping[str, str]
    stream: bool
    model: str
    form: str
    request: Any
    body: bytes = field(repr=False)
    expected: Expected | None = None

    @property
    def title(self) -> str:
        """Provider and name."""
        return f"{self.provider}/{self.name}"

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint a client called."""
        return _ENDPOINTS.get(self.api, "chat/completions")

    @property
    def is_openai_shaped(self) -> bool:
        """Whether the provider's wire is OpenAI's, so that an adapter may pass it on unchanged."""
        return self.api in OPENAI_APIS

    @property
    def is_credential(self) -> bool:
        """Whether it answers a request for a short-lived credential."""
        return self.api.endswith(".token")

    @property
    def is_model_list(self) -> bool:
        """Whether it answers a request for the names of models."""
        return self.api == "models"


def load(folder: Path) -> Case:
    """Read the case in a folder. Raises ValueError with the folder's name for what is no case."""
    try:
        meta = orjson.loads((folder / "meta.json").read_bytes())
        request = folder / "request.json"
        expected = folder / "expected.json"
        return Case(
            provider=meta.get("provider") or folder.parent.name,
            name=meta.get("case") or folder.name,
            api=meta["api"],
            url=meta.get("url", ""),
            status=meta["status"],
            headers=_headers(meta),
            stream=meta["stream"],
            model=meta.get("model") or "model",
            form=meta["body_form"],
            request=orjson.loads(request.read_bytes()) if request.is_file() else None,
            body=(folder / meta["response_file"]).read_bytes(),
            expected=_expected(orjson.loads(expected.read_bytes())) if expected.is_file() else None,
        )
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ValueError(f"{folder}: no recorded case: {type(exc).__name__}: {exc}") from exc


def cases(directory: Path, providers: Collection[str] | None = None) -> Iterator[Case]:
    """Yield the cases below a directory in the order of their paths, of these providers if any are named."""
    for path in sorted(directory.rglob("meta.json")):
        case = load(path.parent)
        if providers is None or case.provider in providers:
            yield case


def _headers(meta: Mapping[str, Any]) -> Mapping[str, str]:
    given = meta.get("response_headers") or {}
    headers = {name.lower(): value for name, value in given.items() if name.lower() not in _DROPPED_HEADERS}
    if "content-type" not in headers and meta["body_form"] in _CONTENT_TYPES:
        headers["content-type"] = _CONTENT_TYPES[meta["body_form"]]
    return headers


def _expected(value: Mapping[str, Any]) -> Expected:
    found = value.get("choices")
    choices = None if found is None else tuple(_choice(choice) for choice in found)
    usage = value.get("usage")
    mismatch = (usage or {}).get("total_mismatch") or 0
    return Expected(
        choices,
        {choice["index"]: choice.get("native_finish_reason") for choice in found or ()},
        None if usage is None else _usage(usage, mismatch),
        None if usage is None else _usage(usage, 0),
        value.get("complete", True),
        value.get("error_class"),
    )


def _choice(value: Mapping[str, Any]) -> Choice:
    calls = tuple(ToolCall(call["id"], call["name"], call["arguments"]) for call in value["tool_calls"])
    return Choice(value["index"], value["text"], value["reasoning"], calls, value["finish_reason"])


def _usage(usage: Mapping[str, Any], more: int) -> Usage:
    return Usage(
        prompt_tokens=usage["prompt_tokens"] or 0,
        completion_tokens=(usage["completion_tokens"] or 0) + more,
        cached_tokens=usage.get("cached_tokens") or 0,
        reasoning_tokens=usage.get("reasoning_tokens") or 0,
    )
