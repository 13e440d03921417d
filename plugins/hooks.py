"""Call the hooks of plugins, each plugin by itself, and take out of service what keeps failing."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pluggy

from .body import BodyError
from .contract import Call
from .requests import AnswerFilter, Caller, Draft, Host, Reject, UsageRecord

if TYPE_CHECKING:
    from aiohttp.web import UrlDispatcher

log = logging.getLogger(__name__)

MOST_FAULTS = 3

PER_REQUEST = ("prepare_request", "filter_answer", "on_usage")


class Hooks:
    """The hooks other than `register_adapters`. `retire(name, reason)` is told whom to take out of service.

    `prepares` and `filters_answers` say whether anyone implements these, so that a request that nobody
    looks at pays nothing.
    """

    def __init__(self, manager: pluggy.PluginManager, retire: Callable[[str, str], None]) -> None:
        self._manager = manager
        self._retire = retire
        self._faults: dict[str, int] = {}
        self._implementations: dict[str, list[pluggy.HookImpl]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Look again at who implements what: a plugin came or went."""
        for hook in (*PER_REQUEST, "register_commands", "register_routes", "lifespan"):
            # pluggy calls the last registered first; here the order is that of loading, and what is
            # marked `tryfirst` or `trylast` stands at the ends.
            found = getattr(self._manager.hook, hook).get_hookimpls()
            self._implementations[hook] = sorted(found, key=lambda one: one.trylast - one.tryfirst)
        self.prepares = bool(self._implementations["prepare_request"])
        self.filters_answers = bool(self._implementations["filter_answer"])
        self.observes = bool(self._implementations["on_usage"])

    # At start.

    def register_commands(self, commands: object) -> None:
        """Let plugins add commands."""
        for implementation in self._implementations["register_commands"]:
            self._call(implementation, final=True, commands=commands)

    def register_routes(self, router: UrlDispatcher, host: Host) -> None:
        """Let plugins add pages."""
        for implementation in self._implementations["register_routes"]:
            self._call(implementation, final=True, router=router, host=host)

    @asynccontextmanager
    async def lifespan(self, host: Host) -> AsyncIterator[None]:
        """Keep open what plugins want open while the gateway serves."""
        async with AsyncExitStack() as stack:
            for implementation in self._implementations["lifespan"]:
                plugin = implementation.plugin_name
                context = self._call(implementation, final=True, host=host)
                if context is None:
                    continue
                try:
                    await context.__aenter__()
                except Exception as exc:  # the border to foreign code
                    self._fault(plugin, "lifespan", exc, final=True)
                else:
                    stack.push_async_callback(self._leave, plugin, context)
            yield

    async def _leave(self, plugin: str, context: AbstractAsyncContextManager[None]) -> None:
        """Leave a plugin's context. It is not told why: a failure of the gateway is not its to swallow."""
        try:
            await context.__aexit__(None, None, None)
        except Exception as exc:  # the border to foreign code
            self._fault(plugin, "lifespan", exc)

    # Per request.

    def prepare_request(self, draft: Draft, caller: Caller) -> None:
        """Let plugins look at a request. Raises Reject and BodyError where one does."""
        # A form has no body that could be at fault: there, the plugin is.
        lets = (Reject, BodyError) if draft.body is not None else (Reject,)
        for implementation in self._implementations["prepare_request"]:
            self._call(implementation, lets=lets, draft=draft, caller=caller)
            if draft.answer is not None:
                draft.answered_by = implementation.plugin_name
                return

    def filters(self, call: Call) -> list[AnswerFilter]:
        """Return the filters of an answer, each guarded against its own failures."""
        found: list[AnswerFilter] = []
        for implementation in self._implementations["filter_answer"]:
            made = self._call(implementation, call=call)
            if made is not None:
                found.append(_Guarded(made, self, implementation.plugin_name))
        return found

    def on_usage(self, record: UsageRecord) -> None:
        """Tell observers what came of a request."""
        for implementation in self._implementations["on_usage"]:
            self._call(implementation, record=record)

    def _call(
        self,
        implementation: pluggy.HookImpl,
        *,
        final: bool = False,
        lets: tuple[type[Exception], ...] = (),
        **values: object,
    ) -> Any:
        """Call a plugin. Raises what it `lets` it raise; `final` says that one fault is too many."""
        try:
            return implementation.function(*[values[name] for name in implementation.argnames])
        except lets:
            raise
        except Exception as exc:  # the border to foreign code
            self._fault(implementation.plugin_name, implementation.function.__name__, exc, final=final)
            return None

    def _fault(self, plugin: str, hook: str, exc: Exception, *, final: bool = False) -> None:
        faults = self._faults[plugin] = self._faults.get(plugin, 0) + 1
        log.error("plugin failed plugin=%s hook=%s faults=%d", plugin, hook, faults, exc_info=exc)
        if final or faults >= MOST_FAULTS:
            reason = f"taken out of service: {type(exc).__name__} in {hook}: {exc}"
            self._retire(plugin, " ".join(reason.split()))


class _Guarded(AnswerFilter):
    """Passes the answer on as it is from the moment its filter fails."""

    def __init__(self, filter: AnswerFilter, hooks: Hooks, plugin: str) -> None:
        self._filter: AnswerFilter | None = filter
        self._hooks = hooks
        self._plugin = plugin

    def feed(self, data: bytes) -> bytes:
        return self._guard("feed", data, data)

    def close(self) -> bytes:
        return self._guard("close", b"")

    def whole(self, body: bytes) -> bytes:
        return self._guard("whole", body, body)

    @property
    def needs_body(self) -> bool:  # type: ignore[override]  # read only here: it is the filter's
        return self._filter is not None and bool(getattr(self._filter, "needs_body", True))

    def _guard(self, method: str, otherwise: bytes, *values: bytes) -> bytes:
        if self._filter is None:
            return otherwise
        try:
            made: bytes = getattr(self._filter, method)(*values)
            if not isinstance(made, bytes):
                raise TypeError(f"{method} returned {type(made).__name__} and not bytes")
            return made
        except Exception as exc:  # the border to foreign code
            self._filter = None
            self._hooks._fault(self._plugin, f"filter_answer.{method}", exc)
            return otherwise
