"""The plugin API: everything a third party needs to teach canalgate something new."""

from .body import BodyError, Json, JsonBody
from .contract import (
    Adapter,
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

__all__ = [
    "API_VERSION",
    "Adapter",
    "BodyError",
    "Call",
    "Channel",
    "Credential",
    "Endpoint",
    "ErrorKind",
    "Headers",
    "Json",
    "JsonBody",
    "LocalAnswer",
    "Option",
    "Reply",
    "StreamTranslator",
    "UpstreamError",
    "UpstreamRequest",
    "UpstreamResponse",
    "Usage",
    "hookimpl",
]
