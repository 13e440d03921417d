"""The response cache in a gateway: what is answered without a provider, and what must not be."""

import asyncio
import logging
import sys
from contextlib import asynccontextmanager

import pytest
import support
from support import CUT, STREAM_END, STREAM_HEAD, chunk, delta, event, json_answer

ANSWER = {
    "id": "a",
    "object": "chat.completion",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1},
}
FAILURE = {"error": {"message": "no"}}
DONE = b"data: [DONE]\n\n"
EVENTS = (delta("a"), delta("b", "stop"), DONE)
STREAM = (STREAM_HEAD, *(chunk(one) for one in EVENTS), STREAM_END)
UNFRAMED = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nconnection: close\r\n\r\n"

REWRITER = """
from canalgate.plugins import AnswerFilter, Reject, hookimpl
class Shout(AnswerFilter):
    def whole(self, body):
        return body.replace(b'"x"', b'"X"')
@hookimpl
def prepare_request(draft):
    if "x-evil" in draft.headers:
        raise Reject(418, "no")
@hookimpl
def filter_answer(call):
    return Shout()
"""


WATCHER = """
from canalgate.plugins import hookimpl
SEEN = []
@hookimpl
def on_usage(record):
    SEEN.append(record)
"""


def add_plugin(tmp_path, name, text):
    folder = tmp_path / "plugins"
    folder.mkdir(mode=0o700)
    (folder / f"{name}.py").write_text(text, "utf-8")


@asynccontextmanager
async def caching(tmp_path, provider, **settings):
    """A gateway with the cache, whose model `m` is served by `provider`."""
    plugins = {"enabled": ("response_cache",), "settings": {"response_cache": settings}}
    async with support.gateway(tmp_path, plugins=plugins) as made:
        await made.add_channel(provider, "m")
        yield made


@pytest.fixture
async def cached(tmp_path, provider):
    async with caching(tmp_path, provider) as made:
        yield made


def is_hit(answered):
    return answered.headers.get("x-canalgate-cache") == "hit"


async def twice(gateway, **more):
    more = {"temperature": 0, **more}
    return await gateway.chat(**more), await gateway.chat(**more)


async def with_header(gateway, header):
    body = {"model": "m", "messages": [], "temperature": 0}
    return await gateway.post("/v1/chat/completions", body, headers=f"{header}\r\n" if header else "")


async def test_an_equal_request_is_answered_without_the_provider(cached, provider):
    provider.says(json_answer(ANSWER))
    first, second = await twice(cached)
    assert (is_hit(first), is_hit(second), len(provider.asked)) == (False, True, 1)
    assert (second.status, second.body, second.complete) == (200, first.body, True)
    assert second.headers["content-type"] == "application/json"
    assert second.headers["x-request-id"] != first.headers["x-request-id"]


async def test_a_stream_is_answered_as_the_same_stream(cached, provider):
    provider.says(*STREAM)
    first, second = await twice(cached, stream=True)
    assert (is_hit(second), len(provider.asked)) == (True, 1)
    assert (second.body, second.complete) == (first.body, True) and second.body == b"".join(EVENTS)
    assert second.headers["content-type"] == first.headers["content-type"] == "text/event-stream"


async def test_a_stream_in_single_bytes_is_kept_whole(cached, provider):
    pieces = [chunk(piece) for piece in support.cuts(b"".join(EVENTS), "bytes")]
    provider.says(STREAM_HEAD, *pieces, STREAM_END)
    _, second = await twice(cached, stream=True)
    assert is_hit(second) and second.body == b"".join(EVENTS)


async def test_embeddings_are_answered_without_a_temperature(cached, provider):
    provider.says(json_answer({"object": "list", "data": []}))
    body = {"model": "m", "input": "a"}
    answers = [await cached.post("/v1/embeddings", body) for _ in range(2)]
    assert [is_hit(one) for one in answers] == [False, True]


@pytest.mark.parametrize("more", [{"temperature": 1}, {"temperature": None}, {"temperature": 0.1}])
async def test_any_other_temperature_goes_to_the_provider(cached, provider, more):
    provider.says(json_answer(ANSWER))
    assert not any(map(is_hit, await twice(cached, **more)))
    assert len(provider.asked) == 2


BAD = {
    "an error status": (json_answer(FAILURE, status=400),),
    "an error inside a 200": (json_answer(FAILURE),),
    "half a body": (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{", CUT),
    "half a body without a length": (UNFRAMED % b"application/json", b'{"choices":[', CUT),
    "not JSON": (UNFRAMED % b"text/plain", b"hello", CUT),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_answer_is_not_kept(cached, provider, case):
    provider.says(*BAD[case])
    assert not any(map(is_hit, await twice(cached)))
    assert len(provider.asked) >= 2


BAD_STREAMS = {
    "cut in mid-stream": (STREAM_HEAD, chunk(delta("a")), CUT),
    "cut after its last event": (STREAM_HEAD, *(chunk(one) for one in EVENTS), CUT),
    "cut without framing": (UNFRAMED % b"text/event-stream", delta("a"), CUT),
    "an error inside": (STREAM_HEAD, chunk(delta("a")), chunk(event(FAILURE)), chunk(DONE), STREAM_END),
    "an error at its beginning": (STREAM_HEAD, chunk(event(FAILURE)), STREAM_END),
    "without an event": (STREAM_HEAD, STREAM_END),
}


@pytest.mark.parametrize("case", BAD_STREAMS)
async def test_a_bad_stream_is_not_kept(cached, provider, case):
    provider.says(*BAD_STREAMS[case])
    assert not any(map(is_hit, await twice(cached, stream=True)))
    assert len(provider.asked) >= 2


async def test_a_stream_whose_client_left_is_not_kept(cached, provider):
    provider.says(STREAM_HEAD, chunk(delta("a")), 5.0)
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True, "temperature": 0}
    reader, writer = await asyncio.open_connection("127.0.0.1", cached.port)
    writer.write(cached.request("/v1/chat/completions", body))
    await reader.readuntil(b"data: ")
    writer.close()
    await asyncio.wait_for(provider.gone.wait(), 2)
    provider.says(*STREAM)
    answered = await cached.chat(stream=True, temperature=0)
    assert not is_hit(answered) and answered.body == b"".join(EVENTS)


async def test_an_answer_of_the_second_channel_is_kept(cached, provider):
    await cached.add_channel(provider, "m")
    answers = iter([json_answer({"error": {"message": "x"}}, status=500), json_answer(ANSWER)])
    provider.script = lambda asked: (next(answers),)
    _, second = await twice(cached)
    assert is_hit(second) and second.json == ANSWER


async def test_streams_and_whole_answers_are_kept_apart(cached, provider):
    provider.script = lambda asked: STREAM if asked.json["stream"] else (json_answer(ANSWER),)
    answers = [await cached.chat(temperature=0, stream=stream) for stream in (False, True, False, True)]
    assert [is_hit(one) for one in answers] == [False, False, True, True]
    assert answers[2].json == ANSWER and answers[3].body == b"".join(EVENTS)


async def test_no_cache_skips_the_look_up_and_keeps_the_new_answer(cached, provider):
    count = iter(range(9))
    provider.script = lambda asked: (json_answer({**ANSWER, "id": str(next(count))}),)
    headers = ("", "Cache-Control: no-cache", "Cache-Control: max-age=9")
    answers = [await with_header(cached, header) for header in headers]
    assert [(is_hit(one), one.json["id"]) for one in answers] == [(False, "0"), (False, "1"), (True, "1")]


async def test_no_store_neither_looks_up_nor_keeps(cached, provider):
    count = iter(range(9))
    provider.script = lambda asked: (json_answer({**ANSWER, "id": str(next(count))}),)
    headers = ("cache-control: No-Store", "", "cache-control: max-age=1, no-store", "")
    answers = [await with_header(cached, header) for header in headers]
    assert [(is_hit(one), one.json["id"]) for one in answers] == [
        (False, "0"), (False, "1"), (False, "2"), (True, "1"),
    ]  # fmt: skip


@pytest.mark.parametrize("scope", ["user", "token"])
async def test_another_user_gets_nothing_of_it(tmp_path, provider, scope):
    provider.says(json_answer(ANSWER))
    async with caching(tmp_path, provider, scope=scope) as gateway:
        key = await gateway.add_token()
        await twice(gateway)
        assert not is_hit(await gateway.chat(temperature=0, key=key))


async def test_a_group_shares_answers_and_no_other_group_has_them(tmp_path, provider):
    provider.says(json_answer(ANSWER))
    async with caching(tmp_path, provider, scope="group") as gateway:
        await gateway.add_channel(provider, "m", groups=("vip",))
        same, other = await gateway.add_token(), await gateway.add_token(group="vip")
        await gateway.chat(temperature=0)
        answers = [await gateway.chat(temperature=0, key=key) for key in (same, other)]
        assert [is_hit(one) for one in answers] == [True, False]


async def test_a_token_that_may_not_use_the_model_gets_no_hit(tmp_path, provider):
    provider.says(json_answer(ANSWER))
    async with caching(tmp_path, provider, scope="group") as gateway:
        key = await gateway.add_token(models=("other",))
        await gateway.chat(temperature=0)
        assert (await gateway.chat(temperature=0, key=key)).status == 403


@pytest.mark.parametrize("key", ["none", "sk-wrong"])
async def test_a_wrong_key_gets_no_hit(cached, provider, key):
    provider.says(json_answer(ANSWER))
    await twice(cached)
    assert (await cached.chat(temperature=0, key=key)).status == 401


async def test_a_request_pinned_to_a_channel_goes_to_that_channel(cached, provider):
    provider.says(json_answer(ANSWER))
    row = await cached.add_channel(provider, "m")
    await twice(cached)
    assert not any(map(is_hit, await twice(cached, key=f"{cached.key}-{row.id}")))
    assert len(provider.asked) == 3


async def test_an_answer_expires(tmp_path, provider):
    provider.says(json_answer(ANSWER))
    async with caching(tmp_path, provider, ttl_s=0.001) as gateway:
        await gateway.chat(temperature=0)
        await asyncio.sleep(0.002)
        assert not is_hit(await gateway.chat(temperature=0))


async def test_two_equal_requests_at_once_both_go_through(cached, provider):
    provider.says(0.1, json_answer(ANSWER))
    answers = await asyncio.gather(*(cached.chat(temperature=0) for _ in range(2)))
    assert [is_hit(one) for one in answers] == [False, False]
    assert len(provider.asked) == 2


async def test_what_the_demo_said_does_not_outlive_it(tmp_path, provider):
    provider.says(json_answer(ANSWER))
    plugins = {"enabled": ("response_cache",)}
    async with support.gateway(tmp_path, plugins=plugins) as gateway:
        demo = await gateway.chat("demo", temperature=0)
        await gateway.add_channel(provider, "demo")
        real = await gateway.chat("demo", temperature=0)
    assert demo.status == 200 and not is_hit(real) and real.json == ANSWER


async def test_other_plugins_still_reject_and_their_changes_are_kept(tmp_path, provider):
    provider.says(json_answer(ANSWER))
    add_plugin(tmp_path, "rewriter", REWRITER)
    async with caching(tmp_path, provider) as gateway:
        first, second, third = [await with_header(gateway, one) for one in ("", "", "x-evil: 1")]
    assert is_hit(second) and first.body == second.body and b'"X"' in second.body
    assert third.status == 418


async def test_a_hit_is_in_the_log_without_channel_and_tokens(tmp_path, provider, caplog):
    caplog.set_level(logging.INFO, "canalgate.request")
    provider.says(json_answer(ANSWER))
    async with caching(tmp_path, provider) as gateway:
        await twice(gateway)
    lines = [line for line in caplog.text.splitlines() if "chat/completions" in line]
    assert ["answered_by=response_cache" in line for line in lines] == [False, True]
    assert ["channel=" in line and "prompt_tokens=" in line for line in lines] == [True, False]


async def test_plugins_are_told_of_a_hit_as_what_it_was(tmp_path, provider):
    provider.says(json_answer(ANSWER))
    add_plugin(tmp_path, "watcher", WATCHER)
    async with caching(tmp_path, provider) as gateway:
        await twice(gateway)
    miss, hit = sys.modules["canalgate_plugin_watcher"].SEEN
    assert (miss.answered_by, miss.channel_id, miss.usage is None) == ("", 1, False)
    assert (hit.answered_by, hit.channel_id, hit.usage, hit.problem) == ("response_cache", None, None, "")
    assert (hit.status, hit.bytes_sent, hit.attempts) == (200, miss.bytes_sent, 0)


async def test_a_wrong_setting_leaves_the_cache_out_and_the_gateway_serves(tmp_path, provider, caplog):
    provider.says(json_answer(ANSWER))
    async with caching(tmp_path, provider, ttl_s="1h") as gateway:
        answers = await twice(gateway)
    assert [one.status for one in answers] == [200, 200] and not any(map(is_hit, answers))
    assert "plugins.response_cache.ttl_s = '1h'" in caplog.text


async def test_a_new_start_knows_nothing(tmp_path, provider):
    provider.says(json_answer(ANSWER))
    async with caching(tmp_path / "a", provider) as gateway:
        await twice(gateway)
    async with caching(tmp_path / "b", provider) as gateway:
        assert not is_hit(await gateway.chat(temperature=0))
