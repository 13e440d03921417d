"""Metrics for Prometheus: what came of requests, in the names of OpenTelemetry's GenAI conventions.

Counts from `on_usage` alone, off the path of any answer, and serves one page. Labels come from the operator's
own set-up (channels, models that a channel was asked for) and from closed sets, never from what a client may
invent; what there is too much of all the same is `_OTHER`. Names, bucket boundaries and well-known values
are those of opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from ipaddress import ip_address
from typing import Any, get_args

import msgspec
from aiohttp import web

from . import Endpoint, Host, UsageRecord, hookimpl

try:
    from prometheus_client import (
        CONTENT_TYPE_LATEST,
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        ProcessCollector,
        disable_created_metrics,
        generate_latest,
    )
except ImportError as exc:
    raise ImportError("prometheus_client is missing: pip install 'canalgate[prometheus]'") from exc

NAME = "prometheus"
OTHER = "_OTHER"
MOST_MODELS, MOST_CHANNELS, MOST_ERRORS, MOST_STATUSES = 500, 500, 100, 100
"""Different values that a label may have; one more is `_OTHER`."""

_ENDPOINTS: frozenset[str] = frozenset(get_args(Endpoint))

OPERATIONS: Mapping[str, str] = {
    "chat/completions": "chat",
    "responses": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
}
"""The conventions' names of operations; an endpoint that has none goes by its own."""

_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
_DURATION_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_PER_TOKEN_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)

_MODEL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
_PATH = re.compile(r"(/[\w.~-]+)+/?", re.ASCII)
_OWN = ("v1", "api", "health")
"""First parts of paths that no plugin can have: see hookspecs.register_routes."""

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[plugins.prometheus]`. Without a `token` the page is for this machine only."""

    path: str = "/metrics"
    token: str = ""


def read_settings(table: Mapping[str, Any]) -> Settings:
    """Check the table. Raises ValueError naming key and value; of the token only that it is wrong."""
    try:
        settings = msgspec.convert(dict(table), Settings)
    except msgspec.ValidationError as exc:
        raise ValueError(f"[plugins.{NAME}]: {exc}") from exc
    if not _PATH.fullmatch(settings.path):
        raise ValueError(f"[plugins.{NAME}] path = {settings.path!r}: expected a path like /metrics")
    if settings.path.strip("/").partition("/")[0] in _OWN:
        raise ValueError(f"[plugins.{NAME}] path = {settings.path!r}: the gateway's own; choose another")
    if "token" in table and not settings.token.strip():
        raise ValueError(f"[plugins.{NAME}] token: empty; leave the line out for this machine only")
    return settings


class Bounded:
    """Lets so many different values through and calls any other `_OTHER`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        if value in self._known:
            return value
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(value)
        return value


class Metrics:
    """All metrics of one gateway, in a registry of their own."""

    def __init__(self, version: str) -> None:
        # A second series beside each, for a question that nobody asks.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library states no types here
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        build = Gauge("canalgate_build_info", "The running version", ["version"], registry=registry)
        build.labels(version).set(1)
        self._tokens = Histogram(
            "gen_ai_client_token_usage", "Input and output tokens used by a request",
            [*_MODEL, "gen_ai_token_type"], buckets=_TOKENS, registry=registry,
        )  # fmt: skip
        self._duration = Histogram(
            "gen_ai_server_request_duration_seconds", "From a request's head to its answer's last byte",
            [*_MODEL, "error_type"], buckets=_DURATION_S, registry=registry,
        )  # fmt: skip
        self._first = Histogram(
            "gen_ai_server_time_to_first_token_seconds", "From a request's head to its stream's first byte",
            _MODEL, buckets=_FIRST_S, registry=registry,
        )  # fmt: skip
        self._per_token = Histogram(
            "gen_ai_server_time_per_output_token_seconds", "Per output token after a stream's first byte",
            _MODEL, buckets=_PER_TOKEN_S, registry=registry,
        )  # fmt: skip
        self._requests = Counter(
            "canalgate_requests", "Requests that have ended",
            ["endpoint", "status", "channel"], registry=registry,
        )  # fmt: skip
        self._attempts = Counter(
            "canalgate_attempts", "Times a channel was asked", ["endpoint"], registry=registry
        )
        self._left = Counter(
            "canalgate_clients_left", "Clients that left before the end", ["endpoint"], registry=registry
        )
        self._model, self._channel = Bounded(MOST_MODELS), Bounded(MOST_CHANNELS)
        self._error, self._status = Bounded(MOST_ERRORS), Bounded(MOST_STATUSES)
        # The library checks labels and takes a lock at each look-up, which is half of what counting costs.
        self._child = cache(_child)

    def observe(self, record: UsageRecord) -> None:
        """Count a request."""
        endpoint = record.endpoint if record.endpoint in _ENDPOINTS else "other"
        channel = self._channel(record.channel_name) if record.channel_id is not None else ""
        self._child(self._requests, endpoint, self._status(str(record.status)), channel).inc()
        if record.error_type == "client_left":
            self._child(self._left, endpoint).inc()
        if record.channel_id is not None:
            self._child(self._attempts, endpoint).inc(record.attempts)
            self._observe_model(record)

    def _observe_model(self, record: UsageRecord) -> None:
        """Count for the model what a provider was asked for."""
        error = self._error(record.error_type) if record.error_type else ""
        operation = OPERATIONS.get(record.endpoint, record.endpoint)
        labels = (operation, record.adapter, self._model(record.model))
        self._child(self._duration, *labels, error).observe(record.total_s)
        usage = record.usage
        if usage is not None:
            self._child(self._tokens, *labels, "input").observe(usage.prompt_tokens)
            if usage.completion_tokens:
                self._child(self._tokens, *labels, "output").observe(usage.completion_tokens)
        first_s = record.first_byte_s
        if error or not record.stream or first_s is None:
            return
        self._child(self._first, *labels).observe(first_s)
        if usage is not None and usage.completion_tokens > 1:
            per_token_s = (record.total_s - first_s) / (usage.completion_tokens - 1)
            self._child(self._per_token, *labels).observe(per_token_s)


def _child(metric: Any, *labels: str) -> Any:
    return metric.labels(*labels)


def is_admitted(settings: Settings, remote: str, headers: Mapping[str, str]) -> bool:
    """Whether a reader may see the page: by the token, or, where there is none, from this machine.

    A request that a proxy passed on comes from elsewhere, though the proxy may stand on this machine.
    """
    if settings.token:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # aiohttp shows bytes that are no UTF-8 as surrogates, which `encode` alone would stumble over.
        shown = given.strip().encode("utf-8", "surrogateescape")
        return scheme.lower() == "bearer" and hmac.compare_digest(shown, settings.token.encode())
    return _is_here(remote) and not any(name in headers for name in _FORWARDED)


def _is_here(remote: str) -> bool:
    try:
        address = ip_address(remote)
    except ValueError:
        return False
    return bool((getattr(address, "ipv4_mapped", None) or address).is_loopback)


class Page:
    """The page of one gateway's metrics."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics

    async def show(self, request: web.Request) -> web.Response:
        """Answer with all metrics as text. The text is made in a thread: there may be thousands of lines."""
        if not is_admitted(self.settings, request.remote or "", request.headers):
            if self.settings.token:
                return web.Response(status=401, headers={"www-authenticate": "Bearer"}, text="wrong token\n")
            return web.Response(status=403, text=f"from this machine only; set [plugins.{NAME}] token\n")
        text = await asyncio.to_thread(generate_latest, self.metrics.registry)
        return web.Response(body=text, headers={"content-type": CONTENT_TYPE_LATEST})


class _Running:
    """The running gateway's page, from start to end."""

    page: Page | None = None


_running = _Running()


@hookimpl
def lifespan(host: Host) -> AbstractAsyncContextManager[None]:
    return _counting(Page(read_settings(host.settings(NAME)), Metrics(host.version)))


@asynccontextmanager
async def _counting(page: Page) -> AsyncIterator[None]:
    _running.page = page
    try:
        yield
    finally:
        _running.page = None


@hookimpl
def register_routes(router: web.UrlDispatcher) -> None:
    if _running.page is not None:
        router.add_get(_running.page.settings.path, _running.page.show)


@hookimpl
def on_usage(record: UsageRecord) -> None:
    if _running.page is not None:
        _running.page.metrics.observe(record)
