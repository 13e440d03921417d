"""Every hook of the gateway. A plugin implements one by a function of that name marked `@hookimpl`.

An implementation names only the parameters it wants. They are called in the order in which plugins were
loaded; one marked `@hookimpl(tryfirst=True)` or `@hookimpl(trylast=True)` goes before or after these.
Per-request hooks are called from the event loop: they must not block. One that fails is logged and the
others still run; a plugin that has failed three times is taken out of service. Only `prepare_request`
may raise Reject.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import pluggy

from .contract import Adapter, Call
from .requests import AnswerFilter, Caller, Draft, Host, UsageRecord

if TYPE_CHECKING:
    from aiohttp.web import UrlDispatcher

PROJECT = "canalgate"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

API_VERSION = (1, 0)
"""Of this package. The first number changes when plugins must; a plugin may state `REQUIRES_API`."""


@hookspec
def register_adapters(register: Callable[[Adapter], None]) -> None:
    """Offer adapters: call `register(adapter)` for each.

    When: once, at start. Raises: `register` raises ValueError on the plugin's own line for an adapter
    without name, title or endpoints, or whose name is taken; the plugin is then left out as a whole.
    Since: 1.0.
    """


@hookspec
def register_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add commands to the command line: `commands.add_parser(...).set_defaults(run=function)`.

    When: a command is asked for that is none of the gateway's own. `function(config, options)` returns
    the exit status. Since: 1.0.
    """


@hookspec
def register_routes(router: UrlDispatcher, host: Host) -> None:
    """Add pages, as aiohttp handlers.

    When: once, at start, after `lifespan`. Paths of the gateway's own go first: `/v1`, `/api` and
    `/health` are not to be had. The handlers have no authentication but their own. Since: 1.0.
    """


@hookspec
def lifespan(host: Host) -> AbstractAsyncContextManager[None] | None:
    """Return a context that is open while the gateway serves: entered before the port, left after it.

    When: once, at start, before `register_routes`; contexts are left in reverse order, after the last
    `on_usage`. One that fails to open leaves its plugin out of service. Since: 1.0.
    """


@hookspec
def prepare_request(draft: Draft, caller: Caller) -> None:
    """Look at a request, change it, answer it, or raise Reject.

    Once one has answered, the others are not asked: whoever answers goes last, so that the others can
    still reject. When: per request, after its key was found good, before a channel is chosen.
    Raises: Reject; BodyError for a JSON body that is not what it should be, which the client is answered
    with 400. Neither counts as a failure of the plugin. Since: 1.0.
    """


@hookspec
def filter_answer(call: Call) -> AnswerFilter | None:
    """Return a filter for the answer of this call, or None to leave it alone, which costs nothing.

    When: per attempt, once the provider has begun a 2xx answer. Since: 1.0.
    """


@hookspec
def on_usage(record: UsageRecord) -> None:
    """Take note of what came of a request.

    When: after its end, off the answer's path, within a second. Since: 1.0.
    """
