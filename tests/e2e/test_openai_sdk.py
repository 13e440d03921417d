"""The official `openai` client against the gateway, before a scripted provider and the demo channel."""

import base64
import struct

import openai
import orjson
import pytest
import support
from support import CUT, STREAM_END, STREAM_HEAD, chunk, delta, event, json_answer

HI = [{"role": "user", "content": "hi"}]
CHAT = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}
USAGE = event({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
               "usage": CHAT["usage"]})  # fmt: skip
TOOL = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"city": {}}}},
}


def streamed(*events: bytes) -> list[bytes]:
    return [STREAM_HEAD, *map(chunk, events), STREAM_END]


def sdk(gateway: support.Gateway, key: str = "") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key or gateway.key, max_retries=0)


@pytest.fixture
async def client(gateway):
    """The SDK; the provider serves the model `m` and whatever a test adds."""
    async with sdk(gateway) as made:
        yield made


@pytest.fixture
async def demo(tmp_path):
    """The SDK in front of a gateway without any channel."""
    async with support.gateway(tmp_path) as gateway, sdk(gateway) as made:
        yield made


async def test_a_chat_is_answered(client, provider):
    provider.says(json_answer(CHAT))
    answer = await client.chat.completions.create(model="m", messages=HI, seed=2**53)
    assert answer.choices[0].message.content == "hello"
    assert provider.asked[0].json["seed"] == 2**53


async def test_the_demo_answers_a_chat(demo):
    answer = await demo.chat.completions.create(model="demo", messages=HI)
    assert answer.choices[0].message.content.endswith("You said: hi")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_a_stream_is_read_to_its_end(client, provider):
    provider.says(*streamed(delta("he"), delta("llo", "stop"), b"data: [DONE]\n\n"))
    stream = await client.chat.completions.create(model="m", messages=HI, stream=True)
    assert "".join([part.choices[0].delta.content async for part in stream]) == "hello"


@pytest.mark.parametrize("wanted", [True, False])
async def test_usage_comes_only_if_it_was_asked_for(client, provider, wanted):
    provider.says(*streamed(delta("hi", "stop"), USAGE, b"data: [DONE]\n\n"))
    more = {"stream_options": {"include_usage": True}} if wanted else {}
    stream = await client.chat.completions.create(model="m", messages=HI, stream=True, **more)
    seen = [part.usage async for part in stream if part.usage]
    assert [usage.total_tokens for usage in seen] == ([4] if wanted else [])
    assert provider.asked[0].json["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("wanted", [True, False])
async def test_usage_comes_from_the_demo_only_if_it_was_asked_for(demo, wanted):
    more = {"stream_options": {"include_usage": True}} if wanted else {}
    stream = await demo.chat.completions.create(model="demo", messages=HI, stream=True, **more)
    assert len([part async for part in stream if part.usage]) == wanted


async def test_parallel_tool_calls_of_a_provider_stream_unchanged(client, provider):
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    function = {"name": "look_up", "arguments": ""}
    calls = [
        {"index": 0, "id": "call_a", "type": "function", "function": function},
        {"index": 0, "function": {"arguments": '{"city":'}},
        {"index": 1, "id": "call_b", "type": "function", "function": {**function, "arguments": "{}"}},
        {"index": 0, "function": {"arguments": '"杭州"}'}},
    ]
    deltas = [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None} for call in calls]
    events = [event({**head, "choices": [choice]}) for choice in deltas]
    provider.says(*streamed(*events, delta("", "tool_calls"), b"data: [DONE]\n\n"))
    stream = await client.chat.completions.create(model="m", messages=HI, tools=[TOOL], stream=True)
    got = [call async for part in stream for call in part.choices[0].delta.tool_calls or ()]
    assert [call.model_dump(exclude_unset=True) for call in got] == calls


async def test_tool_calls_come_whole_from_the_demo(demo):
    answer = await demo.chat.completions.create(model="demo", messages=HI, tools=[TOOL])
    call = answer.choices[0].message.tool_calls[0]
    assert (call.function.name, orjson.loads(call.function.arguments)) == ("look_up", {"city": "demo"})
    assert answer.choices[0].finish_reason == "tool_calls"


async def test_tool_calls_stream_from_the_demo(demo):
    stream = await demo.chat.completions.create(model="demo", messages=HI, tools=[TOOL], stream=True)
    parts = [call async for part in stream for call in part.choices[0].delta.tool_calls or ()]
    assert parts[0].function.name == "look_up"
    assert orjson.loads("".join(part.function.arguments or "" for part in parts)) == {"city": "demo"}


async def test_reasoning_streams_from_the_demo(demo):
    stream = await demo.chat.completions.create(model="demo-reasoning", messages=HI, stream=True)
    thoughts = [getattr(part.choices[0].delta, "reasoning_content", None) async for part in stream]
    assert "".join(filter(None, thoughts)).startswith("The user wants")


async def test_reasoning_comes_whole_from_the_demo(demo):
    answer = await demo.chat.completions.create(model="demo-reasoning", messages=HI)
    assert answer.choices[0].message.reasoning_content.startswith("The user wants")


async def test_the_sdk_decodes_the_base64_it_asks_for_by_itself(demo):
    plain = await demo.embeddings.create(model="demo-embedding", input="a", encoding_format="float")
    answer = await demo.embeddings.create(model="demo-embedding", input="a")
    assert answer.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_embeddings_come_in_the_encoding_asked_for(demo, encoding):
    answer = await demo.embeddings.create(
        model="demo-embedding", input=["a", "b"], encoding_format=encoding, dimensions=8
    )
    value = answer.data[1].embedding
    vector = struct.unpack("<8f", base64.b64decode(value)) if encoding == "base64" else value
    assert sum(x * x for x in vector) == pytest.approx(1)


async def test_completions_and_moderations_are_served(demo):
    answer = await demo.completions.create(model="demo", prompt="hi")
    assert answer.choices[0].text.endswith("hi")
    assert not (await demo.moderations.create(model="demo", input="hi")).results[0].flagged


async def test_a_completion_streams_from_the_demo(demo):
    stream = await demo.completions.create(model="demo", prompt="hi", stream=True)
    assert "".join([part.choices[0].text async for part in stream]).endswith("You said: hi")


async def test_models_are_listed_and_found(gateway, client, provider):
    await gateway.add_channel(provider, "vendor/name/community")
    assert {model.id async for model in client.models.list()} == {"m", "vendor/name/community"}
    assert (await client.models.retrieve("vendor/name/community")).object == "model"


async def test_a_recording_is_uploaded_for_transcription(client, provider):
    provider.says(json_answer({"text": "hello"}))
    sound = bytes(range(256)) * 400
    answer = await client.audio.transcriptions.create(model="m", file=("test.mp3", sound, "audio/mpeg"))
    assert answer.text == "hello"
    asked = provider.asked[0]
    assert asked.line == "POST /v1/audio/transcriptions HTTP/1.1"
    assert sound in asked.body
    assert b'filename="test.mp3"' in asked.body
    assert b'name="model"\r\n\r\nm\r\n' in asked.body


async def test_speech_is_streamed_as_it_is(client, provider):
    sound = b"ID3" + bytes(range(256)) * 100
    head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ntransfer-encoding: chunked\r\n\r\n"
    provider.says(head, chunk(sound[:1000]), chunk(sound[1000:]), STREAM_END)
    async with client.audio.speech.with_streaming_response.create(model="m", voice="v", input="hi") as answer:
        assert answer.headers["content-type"] == "audio/mpeg"
        assert await answer.read() == sound


async def test_images_are_generated(client, provider):
    provider.says(json_answer({"created": 1, "data": [{"b64_json": "aGk="}]}))
    answer = await client.images.generate(model="m", prompt="a boat")
    assert answer.data[0].b64_json == "aGk="


async def test_responses_stream_with_their_event_names(client, provider):
    first = {"type": "response.created", "sequence_number": 0, "response": {"id": "r", "error": None}}
    text = {"type": "response.output_text.delta", "sequence_number": 1, "delta": "hi", "item_id": "i",
            "output_index": 0, "content_index": 0, "logprobs": []}  # fmt: skip
    done = {"type": "response.completed", "sequence_number": 2, "response": {"id": "r"}}
    events = [b"event: %b\n%b" % (e["type"].encode(), event(e)) for e in (first, text, done)]
    provider.says(*streamed(*events))
    stream = await client.responses.create(model="m", input="hi", stream=True)
    assert [part.type async for part in stream] == [first["type"], text["type"], done["type"]]


async def test_the_event_lines_of_responses_pass(client, provider):
    raw = b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r"}}\n\n'
    provider.says(*streamed(raw))
    create = client.responses.with_streaming_response.create
    async with create(model="m", input="hi", stream=True) as answer:
        assert await answer.read() == raw


async def test_a_response_is_answered(client, provider):
    text = {"type": "output_text", "text": "hello", "annotations": []}
    said = {"type": "message", "id": "i", "role": "assistant", "status": "completed", "content": [text]}
    answer = {"id": "r", "object": "response", "created_at": 1, "status": "completed", "error": None,
              "model": "m", "output": [said], "parallel_tool_calls": True, "tools": []}  # fmt: skip
    provider.says(json_answer(answer))
    assert (await client.responses.create(model="m", input="hi")).output_text == "hello"
    assert provider.asked[0].line == "POST /v1/responses HTTP/1.1"


async def test_a_wrong_key_is_an_authentication_error(gateway):
    async with sdk(gateway, "sk-wrong") as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.chat.completions.create(model="m", messages=HI)
    assert caught.value.code == "invalid_api_key"


async def test_an_unknown_model_is_not_found_by_its_name(client):
    with pytest.raises(openai.NotFoundError, match="gpt-99") as caught:
        await client.chat.completions.create(model="gpt-99", messages=HI)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


async def test_a_providers_word_on_the_request_is_passed_on(client, provider):
    error = {"message": "too long", "type": "invalid_request_error", "param": "messages",
             "code": "context_length_exceeded"}  # fmt: skip
    provider.says(json_answer({"error": error}, 400))
    with pytest.raises(openai.BadRequestError, match="too long") as caught:
        await client.chat.completions.create(model="m", messages=HI)
    assert (caught.value.param, caught.value.code) == ("messages", "context_length_exceeded")


async def test_a_providers_401_is_not_the_clients(client, provider):
    provider.says(json_answer({"error": {"message": "Incorrect API key provided: sk-upstream-secret"}}, 401))
    with pytest.raises(openai.InternalServerError) as caught:
        await client.chat.completions.create(model="m", messages=HI)
    assert caught.value.status_code == 502
    assert "sk-upstream-secret" not in str(caught.value)


async def test_a_rate_limit_says_how_long_to_wait(client, provider):
    provider.says(json_answer({"error": {"message": "slow"}}, 429, "retry-after: 7\r\n"))
    with pytest.raises(openai.RateLimitError) as caught:
        await client.chat.completions.create(model="m", messages=HI)
    assert caught.value.response.headers["retry-after"] == "7"


async def test_a_cut_stream_raises(client, provider):
    provider.says(STREAM_HEAD, chunk(delta("he")), CUT)
    stream = await client.chat.completions.create(model="m", messages=HI, stream=True)
    got = []
    with pytest.raises(openai.APIError):
        async for part in stream:
            got.append(part.choices[0].delta.content)
    assert got == ["he"]


async def test_a_stream_broken_off_releases_the_provider(client, provider):
    provider.says(STREAM_HEAD, chunk(delta("a")), chunk(delta("b")), 30.0)
    stream = await client.chat.completions.create(model="m", messages=HI, stream=True)
    parts = aiter(stream)
    assert [(await anext(parts)).choices[0].delta.content for _ in "ab"] == ["a", "b"]
    await stream.close()
    await provider.gone.wait()
    assert len(provider.gone_at) == 1
