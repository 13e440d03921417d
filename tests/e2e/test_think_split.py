"""The plugin think_split through a whole gateway: streams, whole answers, and what must stay as it is."""

from contextlib import asynccontextmanager

import orjson
import pytest
import support
from support import CUT, STREAM_END, STREAM_HEAD, TURN, chunk, cuts, delta, event, json_answer

DONE = b"data: [DONE]\n\n"
USAGE = event({"id": "c", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7}})
THOUGHT = b"".join(map(delta, ["\n", "<th", "ink>", "let me", " see</", "think>", "42"]))
STREAM = THOUGHT + delta("", "stop") + USAGE + DONE
PLAIN = b"".join(map(delta, ["\n", "<b>", "4", "2 <think>a</think>"])) + delta("", "stop") + USAGE + DONE
WHOLE = orjson.dumps(
    {"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "<think>a</think>b"}}]}
)

WATCH = """
from pathlib import Path
from canalgate.plugins import hookimpl

@hookimpl
def on_usage(record):
    Path({path!r}).write_text(f"{{record.usage.prompt_tokens}} {{record.usage.completion_tokens}}")
"""


@asynccontextmanager
async def splitting(tmp_path, provider, **settings):
    """A gateway with the plugin, whose models `m` and `n` are served by `provider`."""
    plugins = {"enabled": ("think_split",), "settings": {"think_split": settings}}
    async with support.gateway(tmp_path, plugins=plugins) as made:
        await made.add_channel(provider, "m", "n")
        yield made


def streams(provider, data, how="events", end=(STREAM_END,)):
    pieces = [step for piece in cuts(data, how) for step in (chunk(piece), TURN)]
    provider.says(STREAM_HEAD, *pieces, *end)


def heard(answer):
    """The reasoning and the content a client puts together."""
    lines = [line[6:] for line in answer.body.split(b"\n\n") if line.startswith(b"data: {")]
    choices = [choice for line in lines for choice in orjson.loads(line).get("choices", ())]
    return tuple(
        "".join(choice["delta"].get(key) or "" for choice in choices)
        for key in ("reasoning_content", "content")
    )


@pytest.mark.parametrize("how", ["whole", "events", "bytes", "random"])
async def test_the_thoughts_of_a_stream_arrive_by_themselves(tmp_path, provider, how):
    streams(provider, STREAM, how)
    async with splitting(tmp_path, provider) as gateway:
        answer = await gateway.chat(stream=True, stream_options={"include_usage": True})
    assert (answer.status, answer.complete) == (200, True)
    assert heard(answer) == ("let me see", "42")
    assert answer.body.endswith(delta("", "stop") + USAGE + DONE)


@pytest.mark.parametrize("how", ["whole", "events", "bytes", "random"])
async def test_a_stream_without_thoughts_is_the_same_bytes(tmp_path, provider, how):
    streams(provider, PLAIN, how)
    async with splitting(tmp_path, provider) as gateway:
        answer = await gateway.chat(stream=True, stream_options={"include_usage": True})
    assert answer.body == PLAIN


async def test_an_event_behind_the_thoughts_stays_in_the_frame_it_came_in(tmp_path, provider):
    thoughts, odd = delta("<think>a</think>"), b"0%b" % chunk(delta("42"))
    provider.says(STREAM_HEAD, chunk(thoughts), 0.05, odd, 0.05, chunk(DONE), STREAM_END)
    async with splitting(tmp_path, provider) as gateway:
        request = gateway.request("/v1/chat/completions", {"model": "m", "messages": [], "stream": True})
        raw = await gateway.raw(request)
    assert odd in raw


async def test_usage_is_read_behind_the_plugin(tmp_path, provider):
    seen = tmp_path / "seen"
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "watch.py").write_text(WATCH.format(path=str(seen)), "utf-8")
    streams(provider, STREAM)
    async with splitting(tmp_path, provider) as gateway:
        await gateway.chat(stream=True)
    assert seen.read_text("utf-8") == "5 7"


async def test_a_whole_answer_is_split(tmp_path, provider):
    provider.says(json_answer(WHOLE))
    async with splitting(tmp_path, provider) as gateway:
        answer = await gateway.chat()
    message = {"role": "assistant", "reasoning_content": "a", "content": "b"}
    assert answer.json == {"id": "c", "choices": [{"index": 0, "message": message}]}


async def test_a_whole_answer_to_a_request_for_a_stream_is_split(tmp_path, provider):
    provider.says(json_answer(WHOLE))
    async with splitting(tmp_path, provider) as gateway:
        answer = await gateway.chat(stream=True)
    assert answer.json["choices"][0]["message"]["reasoning_content"] == "a"


async def test_a_whole_answer_without_thoughts_is_the_same_bytes(tmp_path, provider):
    body = WHOLE.replace(b"<think>", b" b <think>")
    provider.says(json_answer(body))
    async with splitting(tmp_path, provider) as gateway:
        assert (await gateway.chat()).body == body


async def test_other_endpoints_are_left_alone(tmp_path, provider):
    body = b'{"choices":[{"index":0,"text":"<think>a</think>b"}]}'
    provider.says(json_answer(body))
    async with splitting(tmp_path, provider) as gateway:
        assert (await gateway.post("/v1/completions", {"model": "m", "prompt": "x"})).body == body


async def test_only_the_models_named_are_split(tmp_path, provider):
    provider.says(json_answer(WHOLE))
    async with splitting(tmp_path, provider, models=["n*"]) as gateway:
        assert (await gateway.chat("m")).body == WHOLE
        assert (await gateway.chat("n")).body != WHOLE


async def test_an_error_inside_the_thoughts_reaches_the_client_behind_them(tmp_path, provider):
    streams(provider, delta("<think>a</") + event({"error": {"message": "overloaded", "code": 503}}))
    async with splitting(tmp_path, provider) as gateway:
        answer = await gateway.chat(stream=True)
    assert heard(answer)[0].startswith("a")
    assert b"overloaded" in answer.body.split(b"\n\n")[-2]


async def test_a_provider_that_leaves_inside_the_thoughts_is_told_as_ever(tmp_path, provider):
    streams(provider, delta("<think>a") + b"data: {", end=(CUT,))
    async with splitting(tmp_path, provider) as gateway:
        answer = await gateway.chat(stream=True)
    assert not answer.complete
    assert heard(answer) == ("a", "")
    assert b'data: {"error":' in answer.body


async def test_a_provider_that_leaves_inside_the_tag_can_be_replaced(tmp_path, provider):
    answers = iter([(STREAM_HEAD, chunk(delta("<thi")), CUT), (STREAM_HEAD, chunk(STREAM), STREAM_END)])
    provider.script = lambda asked: next(answers)
    async with splitting(tmp_path, provider) as gateway:
        await gateway.add_channel(provider, "m", priority=-1)
        answer = await gateway.chat(stream=True)
    assert heard(answer) == ("let me see", "42")


async def test_a_wrong_setting_takes_the_plugin_alone_out_of_service(tmp_path, provider):
    provider.says(json_answer(WHOLE))
    async with splitting(tmp_path, provider, tags=["<think>"]) as gateway:
        assert (await gateway.chat()).body == WHOLE
        plugin = next(one for one in gateway.parts.plugins.plugins if one.name == "think_split")
    assert "ValueError" in plugin.problem
