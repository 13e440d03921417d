"""The plugin API: everything a third party needs to teach canalgate something new."""

from .body import BodyError, Json, JsonBody
from .contract import (
    Adapter,
    Balance,
    Call,
    Channel,
    Credential,
    Endpoint,
    ErrorKind,
    Headers,
    LocalAnswer,
    Option,
    Reply,
    StreamTranslator,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
)
from .hookspecs import API_VERSION, hookimpl
from .requests import AnswerFilter, Caller, Draft, Host, Reject, UsageRecord
from .settings import Patterns, settings_as

__all__ = [
    "API_VERSION",
    "Adapter",
    "AnswerFilter",
    "Balance",
    "BodyError",
    "Call",
    "Caller",
    "Channel",
    "Credential",
    "Draft",
    "Endpoint",
    "ErrorKind",
    "Headers",
    "Host",
    "Json",
    "JsonBody",
    "LocalAnswer",
    "Option",
    "Patterns",
    "Reject",
    "Reply",
    "StreamTranslator",
    "UpstreamError",
    "UpstreamRequest",
    "UpstreamResponse",
    "Usage",
    "UsageRecord",
    "hookimpl",
    "settings_as",
]
