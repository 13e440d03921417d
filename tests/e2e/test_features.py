"""Feature plugins beside each other and beside others, in a running gateway."""

import sys
from dataclasses import replace

import pytest
import support
from canalgate.proxy.host import make_token
from support import STREAM_END, STREAM_HEAD, chunk, delta, event, json_answer

THOUGHT = "<think>why</think>so"

READER = """
from canalgate.plugins import hookimpl

seen = []

@hookimpl
def prepare_request(draft):
    seen.append(draft.body.get("temperature", float))
"""

KEEPER = """
from canalgate.plugins import AnswerFilter, hookimpl

calls = []

class Reading(AnswerFilter):
    pass

class Passing(AnswerFilter):
    needs_body = False

@hookimpl
def filter_answer(call):
    calls.append(call)
    return {"none": None, "passing": Passing(), "reading": Reading()}[call.model]
"""


@pytest.fixture
async def both(tmp_path, provider):
    async with support.gateway(tmp_path, plugins={"enabled": ("think_split", "response_cache")}) as made:
        await made.add_channel(provider, "m")
        yield made


def is_hit(answer):
    return answer.headers.get("x-canalgate-cache") == "hit"


def whole(text=THOUGHT):
    message = {"role": "assistant", "content": text}
    return json_answer({"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


async def test_what_is_kept_is_what_other_plugins_made_of_it(both, provider):
    events = delta("<thi") + delta("nk>why</think>so", "stop") + b"data: [DONE]\n\n"
    provider.says(STREAM_HEAD, *map(chunk, support.cuts(events, "events")), STREAM_END)
    first, second = [await both.chat(stream=True, temperature=0) for _ in range(2)]
    assert len(provider.asked) == 1
    assert b'"reasoning_content":"why"' in first.body
    assert (second.body, is_hit(second)) == (first.body, True)


async def test_a_stream_that_is_made_of_a_whole_answer_is_filtered_as_a_stream(both, provider):
    await both.add_channel(provider, "tidied", options={"tidy": "on"})
    provider.says(whole())
    first, second = [await both.chat("tidied", stream=True, temperature=0) for _ in range(2)]
    assert first.headers["content-type"] == "text/event-stream"
    assert b'"reasoning_content":"why"' in first.body
    assert b"<think>" not in first.body
    assert first.body.endswith(b"data: [DONE]\n\n")
    assert (second.body, is_hit(second)) == (first.body, True)


async def test_a_body_that_cannot_be_read_is_the_clients_fault_and_not_the_plugins(tmp_path, provider):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "reader.py").write_text(READER)
    provider.says(whole("hi"))
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        refused = [await gateway.chat(temperature="hot") for _ in range(5)]
        served = await gateway.chat(temperature=0.5)
        (plugin,) = [one for one in gateway.parts.plugins.plugins if one.name == "reader"]
    assert [(one.status, one.error["param"]) for one in refused] == [(400, "temperature")] * 5
    assert (served.status, plugin.problem) == (200, "")
    assert sys.modules["canalgate_plugin_reader"].seen == [0.5]
    assert len(provider.asked) == 1


async def test_an_answer_that_is_kept_is_not_for_a_token_without_the_model(tmp_path, provider, caplog):
    provider.says(whole("hi"))
    with caplog.at_level("INFO", "canalgate.request"):
        async with support.gateway(tmp_path, plugins={"enabled": ("response_cache",)}) as gateway:
            await gateway.add_channel(provider, "m")
            (root,) = await gateway.parts.store.users()
            token = make_token(gateway.parts.vault, root, "bound", "b" * 40, 1)
            await gateway.parts.store.add_token(replace(token, models=("other",)))
            await gateway.live.catch_up()
            await gateway.chat(temperature=0)
            refused = await gateway.chat(temperature=0, key="sk-" + "b" * 40)
    assert (refused.error["code"], is_hit(refused)) == ("model_not_allowed", False)
    assert "status=403" in caplog.text
    assert "answered_by" not in caplog.text


@pytest.mark.parametrize(("filter", "is_kept"), [("none", False), ("passing", False), ("reading", True)])
async def test_a_body_that_no_filter_reads_is_let_go_when_the_stream_begins(
    tmp_path, provider, filter, is_kept
):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "keeper.py").write_text(KEEPER)
    usage = event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}})
    provider.says(STREAM_HEAD, chunk(delta("a", "stop") + usage + b"data: [DONE]\n\n"), STREAM_END)
    features = ("think_split", "response_cache", "request_log")
    async with support.gateway(tmp_path, plugins={"enabled": features}) as gateway:
        await gateway.add_channel(provider, filter)
        # The first stream of a channel shows whether it says what was used, or the body has to be counted.
        for seed in (1, 2):
            assert (await gateway.chat(filter, stream=True, temperature=0, seed=seed)).complete
    *_, call = sys.modules["canalgate_plugin_keeper"].calls
    assert bool(call.body.raw) is is_kept


async def test_a_filtered_stream_keeps_the_content_type_it_came_with(tmp_path, provider):
    typed = STREAM_HEAD.replace(b"event-stream", b"event-stream; charset=utf-8")
    provider.says(typed, chunk(delta("a", "stop") + b"data: [DONE]\n\n"), STREAM_END)
    async with support.gateway(tmp_path, plugins={"enabled": ("think_split",)}) as gateway:
        await gateway.add_channel(provider, "m")
        answer = await gateway.chat(stream=True, stream_options={"include_usage": True})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"


async def test_a_plugin_that_would_change_a_form_is_at_fault_itself(tmp_path, provider):
    (tmp_path / "plugins").mkdir()
    changing = READER.replace("seen.append", "draft.change({}) or seen.append")
    (tmp_path / "plugins" / "changing.py").write_text(changing)
    provider.says(json_answer({"text": "hi"}))
    form = b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--x--\r\n'
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        kind = "Content-Type: multipart/form-data; boundary=x\r\n"
        answers = [await gateway.post("/v1/audio/transcriptions", form, headers=kind) for _ in range(3)]
        (plugin,) = [one for one in gateway.parts.plugins.plugins if one.name == "changing"]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert "BodyError" in plugin.problem
