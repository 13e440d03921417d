"""Foreign wires through the whole gateway: line-wise JSON, and providers that only stream."""

import orjson
import pytest
import support
from support import STREAM_END, chunk, json_answer

LINES_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
LINES = (
    b'{"message":{"role":"assistant","content":"H\xc3\xa9"},"done":false}\n'
    b'{"message":{"role":"assistant","content":"y"},"done":false}\n'
    b'{"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,'
    b'"eval_count":2}\n'
)
EVENTS_HEAD = support.STREAM_HEAD
EVENTS = (
    b'event:conversation.message.delta\ndata:{"type":"answer","content":"Hey"}\n\n'
    b'event:conversation.chat.completed\ndata:{"status":"completed","usage":{"output_count":2,"input_count":3}}'
    b'\n\nevent:done\ndata:"[DONE]"\n\n'
)


def shown(stream: bytes) -> str:
    """The text of a stream of OpenAI's chunks."""
    chunks = [orjson.loads(event[6:]) for event in stream.split(b"\n\n") if event.startswith(b"data: {")]
    return "".join(
        choice["delta"].get("content", "") for made in chunks for choice in made.get("choices", [])
    )


@pytest.mark.parametrize("how", ["whole", "bytes"])
async def test_lines_become_an_event_stream(gateway, provider, how):
    await gateway.add_channel(provider, "local", type="ollama-native", key="", base_url=provider.url)
    provider.says(LINES_HEAD, *map(chunk, support.cuts(LINES, how)), STREAM_END)
    answer = await gateway.chat("local", stream=True, stream_options={"include_usage": True})
    assert provider.asked[0].line == "POST /api/chat HTTP/1.1"
    assert answer.headers["content-type"] == "text/event-stream"
    assert (shown(answer.body), answer.complete) == ("Héy", True)
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert b'"total_tokens":5' in answer.body


async def test_a_failure_in_the_first_line_still_has_a_status(gateway, provider):
    await gateway.add_channel(provider, "local", type="ollama-native", key="")
    provider.says(LINES_HEAD, chunk(b'{"error":"model \'local\' not found"}\n'), STREAM_END)
    answer = await gateway.chat("local", stream=True)
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")


async def test_a_stream_that_ends_early_has_no_proper_end(gateway, provider):
    await gateway.add_channel(provider, "local", type="ollama-native", key="")
    provider.says(LINES_HEAD, chunk(LINES[:70]), STREAM_END)
    answer = await gateway.chat("local", stream=True)
    assert b"[DONE]" not in answer.body
    assert not answer.complete


async def test_a_client_that_wants_no_stream_gets_json_of_a_provider_that_only_streams(gateway, provider):
    await gateway.add_channel(provider, "7350", type="coze")
    provider.says(EVENTS_HEAD, chunk(EVENTS), STREAM_END)
    answer = await gateway.chat("7350")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["choices"][0]["message"]["content"] == "Hey"
    assert answer.json["usage"]["total_tokens"] == 5


async def test_a_half_stream_is_no_answer_for_a_client_that_wants_none(gateway, provider):
    await gateway.add_channel(provider, "7350", type="coze")
    provider.says(EVENTS_HEAD, chunk(EVENTS[:80]), STREAM_END)
    answer = await gateway.chat("7350")
    assert (answer.status, answer.error["type"]) == (502, "server_error")


async def test_an_error_under_200_of_a_streamed_call_has_its_status(gateway, provider):
    await gateway.add_channel(provider, "hy", type="hunyuan-native", key="id|key")
    error = {"Response": {"Error": {"Code": "RequestLimitExceeded", "Message": "slow"}, "RequestId": "r"}}
    provider.says(json_answer(error))
    answer = await gateway.chat("hy", stream=True)
    assert (answer.status, answer.error["code"]) == (429, "rate_limit_exceeded")


async def test_fields_that_were_left_out_are_named(gateway, provider):
    await gateway.add_channel(provider, "local", type="ollama-native", key="")
    provider.says(json_answer(LINES.split(b"\n")[2]))
    answer = await gateway.chat("local", user="u", logit_bias={"1": 1})
    assert answer.headers["x-canalgate-dropped"] == "user, logit_bias"
