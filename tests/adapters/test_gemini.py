"""Gemini: addresses, keys, answers and streams. More of its streams are in tests/wire/gemini."""

import base64
import struct

import orjson
import pytest
from canalgate.adapters.gemini.adapter import FINISH_REASONS, GeminiAdapter
from canalgate.plugins import Channel, Credential, ErrorKind, UpstreamError, UpstreamResponse, Usage
from canalgate.proxy.conformance import SPLITS, differences, replay
from wired import call, chat, composed, deltas, failed, streamed, whole

ADAPTER = GeminiAdapter()
CASES = composed("gemini")


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_composed_answer_is_understood(case, split):
    assert differences(case, replay(ADAPTER, case, split)) == []


@pytest.mark.parametrize(
    ("url", "model", "stream", "address"),
    [
        ("", "g", False, "https://generativelanguage.googleapis.com/v1beta/models/g:generateContent"),
        ("https://h", "g", True, "https://h/v1beta/models/g:streamGenerateContent?alt=sse"),
        ("https://h/v1beta/models", "g", False, "https://h/v1beta/models/g:generateContent"),
        ("https://h/x/v1", "models/g", False, "https://h/x/v1/models/g:generateContent"),
        ("https://h", "tunedModels/ü g", False, "https://h/v1beta/tunedModels/%C3%BC%20g:generateContent"),
        ("https://h", "g?key=x#", False, "https://h/v1beta/models/g%3Fkey%3Dx%23:generateContent"),
    ],
)
def test_the_model_is_in_the_address(url, model, stream, address):
    assert ADAPTER.request(call(ADAPTER, chat(stream=stream), url=url, model=model)).url == address


def test_the_key_is_in_a_header_and_not_in_the_address():
    request = ADAPTER.request(call(ADAPTER, key="secret"))
    assert request.headers == {"content-type": "application/json", "x-goog-api-key": "secret"}
    assert "secret" not in request.url


@pytest.mark.parametrize(("url", "key"), [("ftp://h", "k"), ("https://h?key=x", "k"), ("", "k k")])
def test_a_channel_that_cannot_work_is_refused(url, key):
    with pytest.raises(ValueError):
        ADAPTER.check(Channel(1, "c", url, key))


def test_models_are_asked_for_with_the_key_in_a_header():
    request = ADAPTER.models_request(Channel(1, "c", "https://h", "k"), Credential("k"), 1.0)
    assert (request.method, request.url) == ("GET", "https://h/v1beta/models?pageSize=1000")
    assert request.headers == {"x-goog-api-key": "k"}


def test_only_models_that_answer_or_embed_are_named():
    models = [
        {"name": "models/a", "supportedGenerationMethods": ["generateContent", "countTokens"]},
        {"name": "models/b", "supportedGenerationMethods": ["embedContent"]},
        {"name": "tunedModels/c", "supportedGenerationMethods": ["generateContent"]},
        {"name": "models/d", "supportedGenerationMethods": ["predict"]},
        {"name": "models/e"},
        {"name": None, "supportedGenerationMethods": ["generateContent"]},
    ]
    body = orjson.dumps({"models": models})
    assert ADAPTER.model_names(UpstreamResponse(200, {}, body)) == ("a", "b", "tunedModels/c")


def chunk(*parts, finish=None, **more):
    candidate = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return b"data: " + orjson.dumps({"candidates": [candidate], **more}) + b"\r\n\r\n"


def test_a_stream_carries_signatures_and_ids_of_its_own_making():
    data = (
        chunk({"text": "hm", "thought": True})
        + chunk({"text": "so", "thoughtSignature": "s0"})
        + chunk(
            {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "s1"},
            {"functionCall": {"name": "g", "id": "fc-1"}},
        )
        + chunk({"text": ""}, finish="STOP")
    )
    signed = {"google": {"thought_signature": "s1"}}
    assert deltas(streamed(ADAPTER, data)) == [
        {"reasoning_content": "hm"},
        {"content": "so"},
        {"extra_content": {"google": {"thought_signature": "s0"}}},
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "call_r_0_0",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"x":1}'},
                    "extra_content": signed,
                }
            ]
        },
        {
            "tool_calls": [
                {
                    "index": 1,
                    "id": "fc-1",
                    "type": "function",
                    "function": {"name": "g", "arguments": "{}"},
                }
            ]
        },
    ]


def test_a_whole_answer_carries_signatures_too():
    parts = [
        {"text": "so", "thoughtSignature": "s0"},
        {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "s1"},
    ]
    message = whole(ADAPTER, {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]})[
        "choices"
    ][0]["message"]
    assert message["extra_content"] == {"google": {"thought_signature": "s0"}}
    assert message["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "s1"}}


@pytest.mark.parametrize("word", sorted(FINISH_REASONS))
def test_every_finish_reason_is_openais(word):
    value = {"candidates": [{"finishReason": word}]}
    assert whole(ADAPTER, value)["choices"][0]["finish_reason"] in ("stop", "length", "content_filter")


def test_a_tool_call_is_the_reason_whatever_the_word():
    parts = [{"functionCall": {"name": "f"}}]
    value = {"candidates": [{"content": {"parts": parts}, "finishReason": "MAX_TOKENS"}]}
    assert whole(ADAPTER, value)["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"promptTokenCount": 5}, Usage(5)),
        ({"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 3}, Usage(5, 5, 0, 3)),
        ({"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 10}, Usage(5, 5)),
        ({"promptTokenCount": 5, "toolUsePromptTokenCount": 4, "totalTokenCount": 9}, Usage(9)),
        ({"promptTokenCount": 5, "cachedContentTokenCount": 9}, Usage(5, 0, 5, odd=("part_usage",))),
        ({"promptTokenCount": None, "candidatesTokenCount": "2"}, Usage(odd=("text_usage",))),
        ({"promptTokenCount": 5, "candidatesTokenCount": -2}, Usage(5, odd=("negative_usage",))),
        ({"promptTokenCount": 5, "thoughtsTokenCount": 2**60}, Usage(5, odd=("huge_usage",))),
        (
            {"promptTokenCount": 5, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}]},
            Usage(5, audio_prompt_tokens=4),
        ),
        (
            {"candidatesTokenCount": 5, "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": -4}]},
            Usage(0, 5, odd=("negative_usage",)),
        ),
    ],
)
def test_thoughts_and_what_only_the_total_has_are_completion(counts, usage):
    value = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": counts}
    response = UpstreamResponse(200, {}, orjson.dumps(value))
    assert ADAPTER.reply(call(ADAPTER), response).usage == usage


def test_the_last_usage_of_a_stream_counts():
    data = chunk({"text": "a"}, usageMetadata={"promptTokenCount": 5, "totalTokenCount": 5})
    data += chunk({"text": "b"}, usageMetadata={"promptTokenCount": 5, "candidatesTokenCount": 2})
    data += chunk(finish="STOP")
    assert streamed(ADAPTER, data)[-1]["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"candidates": []},
        {"candidates": None, "usageMetadata": {}},
        {"candidates": "x"},
        {"promptFeedback": {}},
        [],
        [{"usageMetadata": {}}],
    ],
)
def test_an_answer_without_candidates_is_a_fault(value):
    with pytest.raises(UpstreamError) as caught:
        whole(ADAPTER, value)
    assert caught.value.kind is ErrorKind.FAULT


@pytest.mark.parametrize("body", [b"", b"{", b"[", b"[1", b"null", b'"x"'])
def test_an_answer_that_is_no_json_is_a_fault(body):
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.reply(call(ADAPTER), UpstreamResponse(200, {"content-type": "application/json"}, body))
    assert caught.value.kind is ErrorKind.FAULT


def test_a_failure_does_not_swallow_what_came_before_it_in_the_same_read():
    response = UpstreamResponse(200, {"content-type": "text/event-stream"})
    translator = ADAPTER.stream(call(ADAPTER, chat(stream=True)), response)
    error = b'data: {"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"slow"}}\r\n\r\n'
    assert b'"content":"ha"' in translator.feed(chunk({"text": "ha"}) + error)
    with pytest.raises(UpstreamError) as caught:
        translator.close()
    assert caught.value.kind is ErrorKind.RATE


def test_an_error_keeps_how_long_to_wait():
    details = [{"retryDelay": "3s"}]
    body = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow", "details": details}}
    error = failed(ADAPTER, 429, body)
    assert (error.kind, error.retry_after) == (ErrorKind.RATE, 3.0)


def embedded(value, **fields):
    made = call(ADAPTER, {"input": ["a"], **fields}, endpoint="embeddings", model="e")
    return whole(ADAPTER, value, made)


@pytest.mark.parametrize(
    ("value", "vectors"),
    [
        ({"embedding": {"values": [0.5, 1]}}, [[0.5, 1]]),
        ({"embeddings": [{"values": [0.5]}, {"values": [1.0]}]}, [[0.5], [1.0]]),
    ],
)
def test_embeddings_are_openais_list(value, vectors):
    answer = embedded(value)
    assert [row["embedding"] for row in answer["data"]] == vectors
    assert [row["index"] for row in answer["data"]] == list(range(len(vectors)))
    assert (answer["model"], "usage" in answer) == ("m", False)


def test_embeddings_are_packed_for_a_client_that_wants_it():
    (row,) = embedded({"embedding": {"values": [0.5, 1]}}, encoding_format="base64")["data"]
    assert struct.unpack("<2f", base64.b64decode(row["embedding"])) == (0.5, 1.0)


@pytest.mark.parametrize("value", [{}, {"embedding": None}, {"embedding": {}}, {"embeddings": [{}]}])
def test_an_answer_without_embeddings_is_a_fault(value):
    with pytest.raises(UpstreamError) as caught:
        embedded(value)
    assert caught.value.kind is ErrorKind.FAULT


def test_an_error_inside_embeddings_is_raised():
    with pytest.raises(UpstreamError) as caught:
        embedded({"error": {"code": 503, "status": "UNAVAILABLE", "message": "m"}})
    assert caught.value.kind is ErrorKind.BUSY
