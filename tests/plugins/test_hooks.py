"""Hooks, called by whole gateways: with what they name, each plugin by itself, and only while it works."""

import asyncio
import logging
import sys
from contextlib import asynccontextmanager

import pytest
import support
from canalgate.adapters import openai
from canalgate.plugins import BodyError, Draft, JsonBody
from canalgate.plugins.manager import PluginManager
from canalgate.proxy.cli import main
from support import STREAM_END, STREAM_HEAD, TURN, chunk, delta, json_answer

PRELUDE = """
from contextlib import asynccontextmanager
from aiohttp import web
from canalgate.plugins import AnswerFilter, LocalAnswer, Reject, hookimpl
seen = []
"""

WHOLE = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}  # fmt: skip
PIECES = [delta("one"), delta("two"), delta("three", "stop"), b"data: [DONE]\n\n"]
STREAM = (STREAM_HEAD, *(step for piece in PIECES for step in (TURN, chunk(piece))), STREAM_END)


@pytest.fixture(autouse=True)
def forgotten_modules():
    """What plugin files left behind is no business of the next test."""
    yield
    for name in [name for name in sys.modules if name.startswith("canalgate_plugin_")]:
        del sys.modules[name]


def write(tmp_path, plugins):
    folder = tmp_path / "plugins"
    folder.mkdir()
    for name, text in plugins.items():
        (folder / f"{name}.py").write_text(PRELUDE + text)
    return folder


@asynccontextmanager
async def hooked(tmp_path, provider, files, **settings):
    """A gateway with these files in its plugin folder, and a channel for `m`."""
    write(tmp_path, files)
    async with support.gateway(tmp_path, **settings) as gateway:
        await gateway.add_channel(provider, "m")
        yield gateway


def seen(name):
    """What a plugin file has put into its list."""
    return sys.modules[f"canalgate_plugin_{name}"].seen


def problem(gateway, name):
    (plugin,) = [plugin for plugin in gateway.parts.plugins.plugins if plugin.name == name]
    return plugin.problem


async def until(is_so):
    async with asyncio.timeout(3):
        while not is_so():  # noqa: ASYNC110  observers are told within a moment, nothing says when
            await asyncio.sleep(0.01)


# Called with what they name.

WATCHER = """
@hookimpl
def prepare_request(draft, caller):
    asked = (draft.request_id, draft.endpoint, draft.model, draft.stream)
    seen.append((*asked, draft.headers["x-mine"], caller))

@hookimpl
def filter_answer(call):
    seen.append(call)

@hookimpl
def on_usage(record):
    seen.append(record)

@hookimpl
def register_routes(router, host):
    seen.append((router, host))

@hookimpl
def lifespan(host):
    seen.append(host)
"""


async def test_every_hook_gets_what_it_names(tmp_path, provider):
    provider.says(json_answer(WHOLE))
    settings = {"settings": {"watcher": {"depth": 3}}}
    async with hooked(tmp_path, provider, {"watcher": WATCHER}, plugins=settings) as gateway:
        body = {"model": "m", "messages": []}
        answered = await gateway.post("/v1/chat/completions", body, headers="X-Mine: yes\r\n")
        await until(lambda: len(seen("watcher")) == 5)
        host, (router, host_again), prepared, call, record = seen("watcher")
    assert (host.data_dir, host.settings("watcher"), host.settings("other")) == (tmp_path, {"depth": 3}, {})
    assert "openai" in host.adapters and host.version
    assert host_again == host and hasattr(router, "add_get")
    *asked, caller = prepared
    assert asked == [answered.headers["x-request-id"], "chat/completions", "m", False, "yes"]
    assert (caller.user_name, caller.token_name, caller.group) == ("root", "first", "default")
    assert (call.request_id, call.model, call.channel.name) == (asked[0], "m", "test")
    assert (record.request_id, record.status, record.channel_name, record.attempts) == (
        asked[0], 200, "test", 1,
    )  # fmt: skip
    assert (record.usage.prompt_tokens, record.usage.completion_tokens) == (3, 2)
    assert (record.problem, record.error_type, record.caller) == ("", "", caller)
    assert 0 < record.first_byte_s <= record.total_s < 5


async def test_a_hook_may_name_nothing(tmp_path, provider):
    provider.says(json_answer(WHOLE))
    hooks = ("prepare_request", "filter_answer", "on_usage", "register_routes", "lifespan")
    text = "".join(f"@hookimpl\ndef {hook}(): seen.append({hook!r})\n" for hook in hooks)
    async with hooked(tmp_path, provider, {"terse": text}) as gateway:
        assert (await gateway.chat()).status == 200
        await until(lambda: set(seen("terse")) == set(hooks))


async def test_hooks_are_called_in_the_order_of_loading(tmp_path, provider):
    provider.says(json_answer(WHOLE))
    added = "draft.change({'by': (draft.body.get('by', str) or '') + NAME})"
    text = f"@hookimpl\ndef prepare_request(draft): {added}"
    plugins = {name: text.replace("NAME", repr(name)) for name in ("c", "a", "b")}
    async with hooked(tmp_path, provider, plugins) as gateway:
        await gateway.chat()
    assert provider.asked[0].json["by"] == "abc"


@pytest.mark.parametrize(
    ("steps", "status", "error_type"),
    [
        ((json_answer({"error": {"message": "slow down"}}, 429),), 429, "rate"),
        ((json_answer({"error": {"message": "bad key"}}, 401),), 502, "credential"),
        ((json_answer({"error": {"message": "no"}}, 400),), 400, "request"),
        ((support.CUT,), 502, "fault"),
        ((STREAM_HEAD, chunk(PIECES[0]), support.CUT), 200, "fault"),
    ],
)
async def test_observers_get_a_failure_in_one_word(tmp_path, provider, steps, status, error_type):
    provider.says(*steps)
    async with hooked(tmp_path, provider, {"watcher": ON_USAGE}) as gateway:
        await gateway.chat(stream=status == 200)
        await until(lambda: seen("watcher"))
    (record,) = seen("watcher")
    assert (record.status, record.error_type) == (status, error_type)
    assert error_type in record.problem


async def test_observers_get_refusals_that_no_channel_has_seen(tmp_path, provider):
    async with hooked(tmp_path, provider, {"watcher": ON_USAGE}) as gateway:
        await gateway.chat(key="sk-wrong")
        await gateway.chat("unknown")
        await gateway.get("/nothing/here")
        await until(lambda: len(seen("watcher")) == 3)
    assert [(record.status, record.error_type, record.channel_id) for record in seen("watcher")] == [
        (401, "invalid_api_key", None), (404, "model_not_found", None), (404, "unknown_url", None),
    ]  # fmt: skip


async def test_observers_hear_of_a_client_that_left(tmp_path, provider):
    provider.says(STREAM_HEAD, chunk(PIECES[0]), 5.0)
    async with hooked(tmp_path, provider, {"watcher": ON_USAGE}) as gateway:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        body = {"model": "m", "stream": True, "messages": []}
        writer.write(gateway.request("/v1/chat/completions", body))
        await until(lambda: provider.asked)
        writer.close()
        await until(lambda: seen("watcher"))
    assert seen("watcher")[0].error_type == "client_left"


# A plugin that fails.

ON_USAGE = "@hookimpl\ndef on_usage(record): seen.append(record)\n"
PER_REQUEST = ("prepare_request", "filter_answer", "on_usage")
FAILS = "@hookimpl\ndef HOOK(): seen.append('called'); RAISE\n"


def failing(hook, how="1 / 0"):
    return FAILS.replace("HOOK", hook).replace("RAISE", how)


def noting(hook):
    return f"@hookimpl\ndef {hook}(): seen.append({hook!r})\n"


@pytest.mark.parametrize("hook", [*PER_REQUEST, "register_routes", "lifespan"])
async def test_a_plugin_that_fails_hides_no_other(tmp_path, provider, hook, caplog):
    provider.says(json_answer(WHOLE))
    plugins = {"a": noting(hook), "b": failing(hook), "c": noting(hook)}
    async with hooked(tmp_path, provider, plugins) as gateway:
        answered = await gateway.chat()
        await until(lambda: seen("c"))
    assert (answered.status, answered.json) == (200, WHOLE)
    assert (seen("a"), seen("b"), seen("c")) == ([hook], ["called"], [hook])
    (logged,) = [record for record in caplog.records if "plugin failed" in record.getMessage()]
    assert f"plugin=b hook={hook} faults=1" in logged.getMessage()
    assert logged.exc_info


@pytest.mark.parametrize("hook", PER_REQUEST)
async def test_three_faults_take_a_plugin_out_of_service(tmp_path, provider, hook):
    provider.says(json_answer(WHOLE))
    async with hooked(tmp_path, provider, {"a": failing(hook), "b": noting(hook)}) as gateway:
        for count in (1, 2):
            assert (await gateway.chat()).status == 200
            await until(lambda count=count: len(seen("b")) == count)
        assert problem(gateway, "a") == ""
        for count in (3, 4, 5):
            assert (await gateway.chat()).status == 200
            await until(lambda count=count: len(seen("b")) == count)
        assert len(seen("a")) == 3
        assert problem(gateway, "a") == (
            f"taken out of service: ZeroDivisionError in {hook}: division by zero"
        )
        assert problem(gateway, "b") == ""


async def test_faults_of_different_hooks_add_up(tmp_path, provider):
    provider.says(json_answer(WHOLE))
    plugins = {"a": "".join(map(failing, PER_REQUEST))}
    async with hooked(tmp_path, provider, plugins) as gateway:
        assert (await gateway.chat()).status == 200
        await until(lambda: problem(gateway, "a"))
    assert len(seen("a")) == 3


async def test_a_plugin_out_of_service_keeps_its_adapters(tmp_path, provider):
    adapter = (
        "from canalgate.adapters.openai import OpenAIAdapter\n"
        "class Made(OpenAIAdapter):\n    name = 'made'\n    title = 'Made'\n"
        "@hookimpl\ndef register_adapters(register): register(Made())\n"
    )
    provider.says(json_answer(WHOLE))
    async with hooked(tmp_path, provider, {"a": adapter + failing("lifespan")}) as gateway:
        assert "taken out of service" in problem(gateway, "a")
        await gateway.add_channel(provider, "mine", type="made")
        assert (await gateway.chat("mine")).status == 200


def test_only_the_plugin_in_service_is_marked_where_two_have_a_name(tmp_path):
    write(tmp_path, {"openai": ""})
    manager = PluginManager([openai], tmp_path / "plugins")
    manager._retire("openai", "gone")
    assert [plugin.problem for plugin in manager.plugins if plugin.source == "built-in"] == ["gone"]
    (file,) = [plugin for plugin in manager.plugins if plugin.source.endswith("openai.py")]
    assert file.problem.startswith("ValueError")


# Before a channel is chosen.


async def test_reject_is_the_clients_answer(tmp_path, provider):
    rejects = failing("prepare_request", "raise Reject(418, 'no tea today', 'teapot')")
    plugins = {"a": rejects, "b": noting("prepare_request"), "c": ON_USAGE}
    async with hooked(tmp_path, provider, plugins) as gateway:
        answers = [await gateway.chat() for _ in range(4)]
        await until(lambda: len(seen("c")) == 4)
        assert problem(gateway, "a") == ""
    assert {answer.status for answer in answers} == {418}
    assert (answers[0].error["message"], answers[0].error["code"]) == ("no tea today", "teapot")
    assert (seen("b"), provider.asked) == ([], [])
    assert (seen("c")[0].status, seen("c")[0].error_type) == (418, "teapot")


@pytest.mark.parametrize("hook", ["filter_answer", "on_usage"])
async def test_reject_from_another_hook_is_a_fault(tmp_path, provider, hook):
    provider.says(json_answer(WHOLE))
    plugins = {"a": failing(hook, "raise Reject(418, 'too late')"), "b": noting(hook)}
    async with hooked(tmp_path, provider, plugins) as gateway:
        for count in (1, 2, 3):
            assert (await gateway.chat()).json == WHOLE
            await until(lambda count=count: len(seen("b")) == count)
        assert "Reject in" in problem(gateway, "a")


async def test_a_changed_model_is_what_a_request_is_routed_by(tmp_path, provider):
    change = "@hookimpl\ndef prepare_request(draft): draft.change({'model': 'other', 'temperature': 0})\n"
    async with (
        support.provider(json_answer(WHOLE)) as other,
        hooked(tmp_path, provider, {"a": change, "b": ON_USAGE}) as gateway,
    ):
        await gateway.add_channel(other, "other")
        sent = b'{ "x":1.50, "model" : "m", "messages":[] }'
        assert (await gateway.post("/v1/chat/completions", sent)).status == 200
        await until(lambda: seen("b"))
    assert provider.asked == []
    assert seen("b")[0].model == "other"
    assert other.asked[0].body.startswith(b'{ "x":1.50, "model" : "other", "messages":[]')
    assert other.asked[0].json["temperature"] == 0


async def test_a_token_is_held_to_its_models_after_a_change_too(tmp_path, provider):
    change = "@hookimpl\ndef prepare_request(draft): draft.change({'model': 'm'})\n"
    async with hooked(tmp_path, provider, {"a": change}) as gateway:
        key = await gateway.add_token(models=("cheap",))
        assert (await gateway.chat("cheap", key=key)).status == 403
    assert provider.asked == []


async def test_a_plugin_may_answer_by_itself(tmp_path, provider):
    text = """
@hookimpl
def prepare_request(draft):
    draft.answer = LocalAnswer({"content-type": "text/plain"}, [b"by ", b"heart"], 203)
"""
    plugins = {"a": text, "b": noting("prepare_request"), "c": noting("filter_answer")}
    async with hooked(tmp_path, provider, plugins) as gateway:
        answered = await gateway.chat()
    assert (answered.status, answered.body, answered.complete) == (203, b"by heart", True)
    assert answered.headers["content-type"] == "text/plain"
    assert (provider.asked, seen("b"), seen("c")) == ([], [], [])


async def test_a_wrong_key_never_reaches_a_plugin(tmp_path, provider):
    async with hooked(tmp_path, provider, {"a": noting("prepare_request")}) as gateway:
        assert (await gateway.chat(key="sk-wrong")).status == 401
    assert seen("a") == []


BODY = b'{"model":"m","stream":true,"messages":[]}'


@pytest.mark.parametrize("fields", [{"model": 5}, {"stream": "yes"}, {"model": "x", "stream": 1}])
def test_a_change_of_a_wrong_type_changes_nothing(fields):
    draft = Draft("id", "chat/completions", "m", True, {}, JsonBody(BODY))
    with pytest.raises(BodyError):
        draft.change(fields)
    assert (draft.model, draft.stream, draft.body.raw) == ("m", True, BODY)


def test_a_form_cannot_be_changed():
    draft = Draft("id", "audio/transcriptions", "m", False, {}, None)
    with pytest.raises(BodyError, match="form"):
        draft.change({"model": "x"})
    assert draft.model == "m"


# The answer on its way.

UPPER = """
class Filter(AnswerFilter):
    def feed(self, data): return data.replace(b"t", b"T")
    def close(self): return b": end\\n\\n"
    def whole(self, body): return body.replace(b"hi", b"HI")
@hookimpl
def filter_answer(call): return Filter()
"""
BREAKS = {
    "feed raises": ("def feed(self, data): 1 / 0", "ZeroDivisionError in filter_answer.feed"),
    "feed returns nothing": ("def feed(self, data): pass", "TypeError in filter_answer.feed"),
    "feed returns text": ("def feed(self, data): return data.decode()", "TypeError in filter_answer.feed"),
    "close raises": ("def close(self): 1 / 0", "ZeroDivisionError in filter_answer.close"),
    "close returns nothing": ("def close(self): pass", "TypeError in filter_answer.close"),
    "whole raises": ("def whole(self, body): 1 / 0", "ZeroDivisionError in filter_answer.whole"),
    "whole returns nothing": ("def whole(self, body): pass", "TypeError in filter_answer.whole"),
}


def filtering(method):
    return f"class Filter(AnswerFilter):\n    {method}\n@hookimpl\ndef filter_answer(call): return Filter()\n"


async def test_filters_rewrite_an_answer_one_behind_the_other(tmp_path, provider):
    plugins = {"a": UPPER, "b": filtering("def feed(self, data): return data.replace(b'T', b'(T)')")}
    async with hooked(tmp_path, provider, plugins) as gateway:
        provider.says(*STREAM)
        streamed = await gateway.chat(stream=True)
        provider.says(json_answer(WHOLE))
        whole = await gateway.chat()
    assert streamed.body == b"".join(PIECES).replace(b"t", b"(T)") + b": end\n\n"
    assert streamed.complete
    assert whole.json["choices"][0]["message"]["content"] == "HI"


@pytest.mark.parametrize("case", BREAKS)
async def test_the_answer_passes_as_it_is_when_its_filter_fails(tmp_path, provider, case):
    method, reason = BREAKS[case]
    async with hooked(tmp_path, provider, {"a": filtering(method)}) as gateway:
        for _ in range(4):
            provider.says(*STREAM)
            streamed = await gateway.chat(stream=True)
            provider.says(json_answer(WHOLE))
            whole = await gateway.chat()
            assert (streamed.body, streamed.complete, whole.json) == (b"".join(PIECES), True, WHOLE)
        assert reason in problem(gateway, "a")


async def test_a_filter_that_fails_in_mid_stream_leaves_the_rest_as_it_is(tmp_path, provider):
    text = """
class Filter(AnswerFilter):
    count = 0
    def feed(self, data):
        self.count += 1
        return data.replace(b"one", b"ONE") if self.count == 1 else 1 / 0
@hookimpl
def filter_answer(call): return Filter()
"""
    provider.says(*STREAM)
    async with hooked(tmp_path, provider, {"a": text, "b": UPPER}) as gateway:
        answered = await gateway.chat(stream=True)
    assert answered.body == b"".join(PIECES).replace(b"one", b"ONE").replace(b"t", b"T") + b": end\n\n"
    assert answered.complete


async def test_a_filter_leaves_the_content_type_as_the_provider_has_it(tmp_path, provider):
    provider.says(STREAM_HEAD.replace(b"event-stream", b"event-stream; charset=utf-8"), *STREAM[1:])
    async with hooked(tmp_path, provider, {"a": UPPER}) as gateway:
        answered = await gateway.chat(stream=True, stream_options={"include_usage": True})
    assert answered.headers["content-type"] == "text/event-stream; charset=utf-8"


async def test_an_error_of_the_provider_is_not_filtered(tmp_path, provider):
    provider.says(json_answer({"error": {"message": "hi"}}, 400))
    async with hooked(tmp_path, provider, {"a": UPPER + noting("on_usage")}) as gateway:
        answered = await gateway.chat()
    assert answered.error["message"] == "hi"


# While the gateway serves.

ORDER = """
import pathlib
NOTES = pathlib.Path(__file__).parent / "notes"
def note(text):
    with NOTES.open("a") as file:
        file.write(text + "\\n")

@hookimpl
def on_usage(record): note("usage NAME")

@hookimpl
@asynccontextmanager
async def lifespan(host):
    note("open NAME")
    try:
        yield
    except BaseException:
        note("told NAME")
    note("close NAME")
    LEAVE
"""


def living(name, leave=""):
    return ORDER.replace("NAME", name).replace("LEAVE", leave)


def notes(tmp_path):
    return (tmp_path / "plugins" / "notes").read_text().splitlines()


async def test_contexts_are_left_in_reverse_and_after_the_last_record(tmp_path, provider):
    provider.says(json_answer(WHOLE))
    async with hooked(tmp_path, provider, {"a": living("a"), "b": living("b")}) as gateway:
        assert notes(tmp_path) == ["open a", "open b"]
        await gateway.chat()
    assert notes(tmp_path) == ["open a", "open b", "usage a", "usage b", "close b", "close a"]


@pytest.mark.parametrize(
    ("lifespan", "reason"),
    [
        ("def lifespan(host): raise ValueError('plugins.b.path = 5: expected text')", "plugins.b.path = 5"),
        ("def lifespan(host): return 5", "AttributeError in lifespan"),
        ("async def lifespan(host): yield", "AttributeError in lifespan"),
        ("@asynccontextmanager\nasync def lifespan(host):\n    1 / 0\n    yield", "ZeroDivisionError in"),
        ("@asynccontextmanager\nasync def lifespan(host):\n    if 0: yield", "RuntimeError in lifespan"),
    ],
)
async def test_a_lifespan_that_does_not_open_leaves_only_its_plugin_out(tmp_path, provider, lifespan, reason):
    provider.says(json_answer(WHOLE))
    plugins = {"a": living("a"), "b": f"@hookimpl\n{lifespan}\n{noting('prepare_request')}", "c": living("c")}
    async with hooked(tmp_path, provider, plugins) as gateway:
        assert reason in problem(gateway, "b")
        assert (await gateway.chat()).status == 200
        assert seen("b") == []
    assert [note for note in notes(tmp_path) if "usage" not in note] == [
        "open a", "open c", "close c", "close a",
    ]  # fmt: skip


async def test_a_lifespan_that_fails_to_close_hinders_nobody(tmp_path, provider, caplog):
    plugins = {"a": living("a"), "b": living("b", "1 / 0"), "c": living("c")}
    async with hooked(tmp_path, provider, plugins):
        pass
    assert notes(tmp_path)[3:] == ["close c", "close b", "close a"]
    assert "plugin failed plugin=b hook=lifespan" in caplog.text


async def test_a_lifespan_cannot_swallow_a_failure_of_the_gateway(tmp_path, provider):
    with pytest.raises(ZeroDivisionError):
        async with hooked(tmp_path, provider, {"a": living("a")}):
            raise ZeroDivisionError
    assert notes(tmp_path) == ["open a", "close a"]


# Pages.

PAGES = """
async def page(request): return web.Response(text="a page of mine")
async def fails(request): raise ValueError("a secret of mine")
async def gone(request): raise web.HTTPGone(text="no more")
@hookimpl
def register_routes(router):
    router.add_get("/mine", page)
    router.add_get("/fails", fails)
    router.add_get("/gone", gone)
    for path in ("/v1/models", "/v1/mine", "/api/mine", "/api/status", "/health/live", "/health", "/models"):
        router.add_get(path, page)
"""
EVERYTHING = """
async def page(request): return web.Response(text="a page of mine")
@hookimpl
def register_routes(router): router.add_route("*", "/{tail:.*}", page)
"""

lanes = pytest.mark.parametrize("fast_lane", [True, False], ids=["fast", "full"])


@lanes
async def test_a_page_is_served_without_a_key(tmp_path, provider, fast_lane):
    async with hooked(tmp_path, provider, {"a": PAGES}, server={"fast_lane": fast_lane}) as gateway:
        answered = await gateway.get("/mine?x=1", key="none")
        gone = await gateway.get("/gone", key="none")
    assert (answered.status, answered.body) == (200, b"a page of mine")
    assert (gone.status, gone.body) == (410, b"no more")


@lanes
async def test_a_page_that_fails_is_an_error_that_quotes_nothing(tmp_path, provider, fast_lane):
    async with hooked(tmp_path, provider, {"a": PAGES}, server={"fast_lane": fast_lane}) as gateway:
        answered = await gateway.get("/fails")
        assert (await gateway.get("/mine")).status == 200
    assert (answered.status, answered.error["code"]) == (500, "internal_error")
    assert b"secret" not in answered.raw


@lanes
@pytest.mark.parametrize("plugin", [PAGES, EVERYTHING], ids=["named", "everything"])
@pytest.mark.parametrize(
    "path",
    ["/v1/models", "/v1/mine", "/api/mine", "/api/status", "/health/live", "/health", "/models",
     "//v1/mine", "/%761/mine", "/v1", "/v1/chat/completions", "/chat/completions", "/embeddings"],
)  # fmt: skip
async def test_a_page_cannot_take_a_path_of_the_gateways_own(tmp_path, provider, path, plugin, fast_lane):
    async with hooked(tmp_path, provider, {"a": plugin}, server={"fast_lane": fast_lane}) as gateway:
        assert b"a page of mine" not in (await gateway.get(path)).body


async def test_a_page_that_can_never_be_seen_is_warned_of(tmp_path, provider, caplog):
    caplog.set_level(logging.WARNING)
    async with hooked(tmp_path, provider, {"a": PAGES}):
        pass
    hidden = [record.getMessage() for record in caplog.records if "hidden" in record.getMessage()]
    assert len(hidden) == 7
    assert "path=/v1/models" in hidden[0]


@pytest.mark.parametrize(("method", "path"), [("GET", "/other"), ("POST", "/mine"), ("GET", "/mine/more")])
async def test_other_paths_and_methods_are_still_unknown(tmp_path, provider, method, path):
    async with hooked(tmp_path, provider, {"a": PAGES}) as gateway:
        raw = await gateway.raw(gateway.request(path, b"{}" if method == "POST" else None, method))
    assert support.parse_answer(raw).error["code"] == "unknown_url"


async def test_a_plugin_that_fails_to_add_its_pages_is_out_of_service(tmp_path, provider):
    plugins = {"a": PAGES, "b": PAGES.replace('"/mine"', "'mine'"), "c": PAGES.replace('"/', '"/c')}
    async with hooked(tmp_path, provider, plugins) as gateway:
        assert "ValueError in register_routes" in problem(gateway, "b")
        assert (await gateway.get("/mine")).status == (await gateway.get("/cmine")).status == 200


# Commands.

COMMAND = """
@hookimpl
def register_commands(commands):
    parser = commands.add_parser("greet", help="say hello")
    parser.add_argument("name")
    parser.set_defaults(run=run)

def run(config, options):
    print("hello", options.name, config.data_dir)
    return 7
"""


@pytest.fixture
def command(tmp_path, capsys):
    """Run a command of an installation with these plugins; returns status and what it said."""
    config = tmp_path / "config.toml"
    config.write_text(f'[data]\ndir = "{tmp_path}"\n')

    def run(plugins, *arguments):
        write(tmp_path, plugins)
        try:
            status = main(["--config", str(config), *arguments])
        except SystemExit as exc:
            status = exc.code
        return status, *capsys.readouterr()

    return run


def test_a_command_of_a_plugin_is_a_command(command, tmp_path):
    assert command({"a": COMMAND}, "greet", "you") == (7, f"hello you {tmp_path}\n", "")


def test_a_command_of_a_plugin_has_its_usage_checked(command):
    status, out, err = command({"a": COMMAND}, "greet")
    assert (status, out) == (2, "")
    assert "required: name" in err


def test_a_plugin_that_fails_to_add_commands_hides_no_other(command):
    plugins = {"a": failing("register_commands"), "b": COMMAND}
    assert command(plugins, "greet", "you")[0] == 7


def test_a_plugin_cannot_take_a_command_of_ours(command):
    ours = COMMAND.replace('"greet"', '"check"')
    status, out, _ = command({"a": ours}, "check")
    assert (status, "hello" in out) == (0, False)


def test_the_second_plugin_to_claim_a_command_is_left_out(command):
    second = COMMAND.replace("hello", "second")
    status, out, _ = command({"a": COMMAND, "b": second}, "greet", "you")
    assert (status, out.split()[0]) == (7, "hello")


def test_an_unknown_command_is_unknown_with_plugins_too(command):
    status, _, err = command({"a": COMMAND}, "gret")
    assert status == 2
    assert "invalid choice: 'gret'" in err


# Packages beside the files.


@pytest.fixture
def path_kept(monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield
    sys.modules.pop("package_of_tests", None)


def install(folder, name, module, code):
    """What `pip install --target` leaves of a package of one module."""
    library = folder / "lib"
    described = library / f"{name}-1.5.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (described / "entry_points.txt").write_text(f"[canalgate]\n{name} = {module}\n")
    (library / f"{module}.py").write_text(code)


@pytest.mark.usefixtures("path_kept")
def test_packages_in_the_folder_lib_are_found(tmp_path):
    code = PRELUDE + noting("on_usage")
    install(tmp_path, "parrot", "package_of_tests", code)
    manager = PluginManager((), tmp_path)
    (plugin,) = [plugin for plugin in manager.plugins if plugin.name == "parrot"]
    assert (plugin.source, plugin.version, plugin.hooks) == ("package parrot", "1.5", ("on_usage",))
    assert plugin.problem == ""


@pytest.mark.usefixtures("path_kept")
@pytest.mark.parametrize("code", ["1 / 0", "import no_such_module", None])
def test_a_broken_package_is_left_out_with_a_reason(tmp_path, code):
    install(tmp_path, "parrot", "package_of_tests", code or "")
    if code is None:
        (tmp_path / "lib" / "package_of_tests.py").unlink()
    (plugin,) = [plugin for plugin in PluginManager((), tmp_path).plugins if plugin.name == "parrot"]
    assert plugin.problem and not plugin.disabled


@pytest.mark.usefixtures("path_kept")
def test_what_is_installed_goes_before_the_folder_lib(tmp_path):
    install(tmp_path, "parrot", "orjson", "1 / 0")
    (plugin,) = [plugin for plugin in PluginManager((), tmp_path).plugins if plugin.name == "parrot"]
    assert plugin.problem == ""


# Feature plugins.


def test_a_feature_that_is_not_enabled_is_off_and_one_that_is_not_there_has_a_problem():
    plugins = {plugin.name: plugin for plugin in PluginManager((), enabled=["no_such"]).plugins}
    assert plugins["prometheus"].disabled and plugins["prometheus"].problem == "not enabled"
    assert "there is none; there are prometheus" in plugins["no_such"].problem
    assert not plugins["no_such"].disabled


def test_a_feature_may_be_enabled_and_disabled_at_once():
    manager = PluginManager((), disabled=["prometheus"], enabled=["prometheus"])
    (plugin,) = [plugin for plugin in manager.plugins if plugin.name == "prometheus"]
    assert plugin.disabled
