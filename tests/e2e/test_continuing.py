"""A stream that its provider breaks off is gone on with by another channel, for a client that asks for it."""

import asyncio
from contextlib import asynccontextmanager

import orjson
import pytest
import strict
import support
from support import CUT, STREAM_END, STREAM_HEAD, chunk, delta, event, json_answer

ASKS = "X-Canalgate-Continue: 1\r\n"
BODY = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "count"}]}
USAGE = event({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 7}})
REST = (
    STREAM_HEAD,
    chunk(delta(" three")),
    chunk(delta(" four", "stop")),
    chunk(USAGE + b"data: [DONE]\n\n"),
    STREAM_END,
)


@asynccontextmanager
async def two(tmp_path, *begins, allowed=True, **options):
    """A gateway whose first channel breaks off after this, and a second one that goes on."""
    async with (
        support.provider(STREAM_HEAD, *begins, CUT) as first,
        support.provider(*REST) as second,
        support.gateway(tmp_path, routing={"continuation": allowed}) as gateway,
    ):
        await gateway.add_channel(first, "m", priority=2)
        await gateway.add_channel(second, "m", priority=1, options={"continue": "prefix", **options})
        yield gateway, first, second


async def ask(gateway, headers=ASKS, body=BODY):
    return await gateway.post("/v1/chat/completions", body, headers=headers)


async def row(gateway, answer):
    for _ in range(300):
        found = await gateway.parts.store.requests.one(answer.headers["x-request-id"])
        if found is not None:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("no row")


BEGUN = (chunk(delta("one")), chunk(delta(" two")))


async def test_the_client_has_one_answer_from_two_channels_and_pays_for_both(tmp_path):
    async with two(tmp_path, *BEGUN) as (gateway, _, second):
        answer = await ask(gateway)
        assert (answer.status, answer.complete) == (200, True)
        assert strict.read_stream(answer.body)[0].text == "one two three four"
        assert answer.body.count(b": canalgate: another channel goes on\n\n") == 1
        assert second.asked[0].json["messages"] == [
            *BODY["messages"],
            {"role": "assistant", "content": "one two", "prefix": True},
        ]
        entry = await row(gateway, answer)
        assert [(one.channel_id, one.outcome) for one in entry.tries] == [(1, "fault"), (2, "ok")]
        assert entry.counts.completion_tokens > 7
        assert entry.counts.prompt_tokens > 20
        assert "continued" in entry.flags


async def test_half_an_event_is_never_sent(tmp_path):
    async with two(tmp_path, *BEGUN, chunk(delta("lost")[:30])) as (gateway, *_):
        answer = await ask(gateway)
        assert strict.read_stream(answer.body)[0].text == "one two three four"
        assert b"lost" not in answer.body


@pytest.mark.parametrize("way", ["plain", "prefix", "partial", "final"])
async def test_each_host_is_told_in_its_own_way(tmp_path, way):
    async with two(tmp_path, *BEGUN, **{"continue": way}) as (gateway, _, second):
        await ask(gateway)
        sent = second.asked[0].json
        last = sent["messages"][-1]
        told = {"plain": set(), "prefix": {"prefix"}, "partial": {"partial"}, "final": set()}[way]
        assert set(last) == {"role", "content", *told}
        assert ("continue_final_message" in sent) == (way == "final")


async def test_what_fails_behind_the_seam_is_tried_on_the_next_channel(tmp_path):
    async with two(tmp_path, *BEGUN) as (gateway, _, second), support.provider(*REST) as third:
        second.says(json_answer({"error": {"message": "no"}}, 500))
        await gateway.add_channel(third, "m", priority=0, options={"continue": "plain"})
        answer = await ask(gateway)
        assert strict.read_stream(answer.body)[0].text == "one two three four"
        assert len(third.asked) == 1


async def test_a_channel_may_go_on_with_its_own_answer(tmp_path):
    async with (
        support.gateway(tmp_path, routing={"continuation": True}) as gateway,
        support.provider() as only,
    ):
        answers = iter([(STREAM_HEAD, *BEGUN, CUT), REST])
        only.script = lambda asked: next(answers)
        await gateway.add_channel(only, "m", options={"continue": "plain"})
        answer = await ask(gateway)
        assert strict.read_stream(answer.body)[0].text == "one two three four"


CALL = event({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "c"}]}}]})
NOT = {
    "nobody asked for it": {"headers": ""},
    "it is not allowed": {"allowed": False},
    "nothing was said yet": {
        "begins": (chunk(event({"choices": [{"index": 0, "delta": {"role": "assistant"}}]})),)
    },
    "a tool was called": {"begins": (*BEGUN, chunk(CALL))},
    "the answer was over": {"begins": (chunk(delta("all", "stop")),)},
    "no channel can": {"continue": "off"},
    "there is more than one answer": {"body": {**BODY, "n": 2}},
}


@pytest.mark.parametrize("name", NOT)
async def test_a_stream_that_cannot_be_gone_on_with_is_cut_as_ever(tmp_path, name):
    given = dict(NOT[name])
    how = {key: given.pop(key) for key in ("headers", "body") if key in given}
    begins = given.pop("begins", BEGUN)
    async with two(tmp_path, *begins, **given) as (gateway, _, second):
        answer = await ask(gateway, **how)
        assert (answer.status, answer.complete, second.asked) == (200, False, [])
        assert b"[DONE]" not in answer.body
        assert orjson.loads(answer.body.split(b"data: ")[-1])["error"]["code"]


async def test_what_was_delivered_is_owed_when_nobody_can_go_on_after_all(tmp_path):
    async with two(tmp_path, *BEGUN) as (gateway, _, second):
        second.says(json_answer({"error": {"message": "no"}}, 400))
        answer = await ask(gateway)
        assert (answer.status, answer.complete) == (200, False)
        assert orjson.loads(answer.body.split(b"data: ")[-1])["error"]
        entry = await row(gateway, answer)
        assert entry.counts.completion_tokens > 0
        assert entry.error_type


async def test_a_client_that_leaves_behind_the_seam_ends_it_all(tmp_path):
    async with two(tmp_path, *BEGUN) as (gateway, _, second):
        second.says(STREAM_HEAD, chunk(delta(" three")), 5.0)
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(gateway.request("/v1/chat/completions", BODY, headers=ASKS))
        async with asyncio.timeout(3):
            await reader.readuntil(b" three")
            writer.close()
            await second.gone.wait()
