"""Bedrock: addresses, keys, answers, streams and errors. More of its streams are in tests/wire/bedrock."""

import struct
from zlib import crc32

import orjson
import pytest
from canalgate.adapters.bedrock.adapter import FINISH_REASONS, BedrockAdapter
from canalgate.plugins import Channel, ErrorKind, UpstreamError, UpstreamResponse, Usage
from canalgate.proxy.conformance import SPLITS, differences, replay
from wired import NOW, call, chat, composed, deltas, failed, streamed, whole

ADAPTER = BedrockAdapter()
CASES = composed("bedrock")
FRAMES = "application/vnd.amazon.eventstream"
PAIR = "AKIDEXAMPLE|secret/part"
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_composed_answer_is_understood(case, split):
    assert differences(case, replay(ADAPTER, case, split)) == []


@pytest.mark.parametrize(
    ("url", "region", "model", "stream", "address"),
    [
        ("", "", "m", False, f"{HOST}/model/m/converse"),
        ("", "eu-west-1", "m", True, f"{HOST.replace('us-east', 'eu-west')}/model/m/converse-stream"),
        ("https://vpce.example/", "eu-west-1", "m", False, "https://vpce.example/model/m/converse"),
        ("", "", "a.b-v1:0", False, f"{HOST}/model/a.b-v1%3A0/converse"),
        (
            "",
            "",
            "arn:aws:bedrock:x:1:p/y",
            False,
            f"{HOST}/model/arn%3Aaws%3Abedrock%3Ax%3A1%3Ap%2Fy/converse",
        ),
    ],
)
def test_region_and_model_are_in_the_address(url, region, model, stream, address):
    made = call(ADAPTER, chat(stream=stream), url=url, model=model, region=region)
    assert ADAPTER.request(made).url == address


def test_an_api_key_is_a_bearer_token():
    headers = ADAPTER.request(call(ADAPTER, key="bedrock-api-key-x")).headers
    assert headers == {"content-type": "application/json", "authorization": "Bearer bedrock-api-key-x"}


@pytest.mark.parametrize(
    ("url", "region", "scope"),
    [
        ("", "", "us-east-1"),
        ("", "eu-west-1", "eu-west-1"),
        ("https://bedrock-runtime.ap-south-1.amazonaws.com/", "eu-west-1", "ap-south-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "", "us-gov-west-1"),
        ("https://vpce.example", "eu-west-1", "eu-west-1"),
    ],
)
def test_an_access_key_signs_for_the_region(url, region, scope):
    headers = ADAPTER.request(call(ADAPTER, key=PAIR, url=url, region=region)).headers
    assert headers["x-amz-date"] == "20231114T221320Z"
    assert f"Credential=AKIDEXAMPLE/20231114/{scope}/bedrock/aws4_request" in headers["authorization"]
    assert "secret" not in str(headers)


def test_a_session_token_is_sent():
    headers = ADAPTER.request(call(ADAPTER, key=f"{PAIR}|token")).headers
    assert headers["x-amz-security-token"] == "token"


@pytest.mark.parametrize(
    ("url", "key", "region"),
    [
        ("", "", "us-east-1"),
        ("", "k k", "us-east-1"),
        ("", "id|", "us-east-1"),
        ("", "|secret", "us-east-1"),
        ("", "a|b|c|d", "us-east-1"),
        ("", "k", "the moon"),
        ("", "k", "us-east-1.evil.example/"),
        ("ftp://h", "k", "us-east-1"),
        ("https://h?x=y", "k", "us-east-1"),
    ],
)
def test_a_channel_that_cannot_work_is_refused(url, key, region):
    with pytest.raises(ValueError):
        ADAPTER.check(Channel(1, "c", url, key, {"region": region}))


@pytest.mark.parametrize("key", ["bedrock-api-key-x", PAIR, f"{PAIR}|token"])
def test_a_channel_with_nothing_but_a_key_works(key):
    ADAPTER.check(Channel(1, "c", "", key))


def models_request(key, url=""):
    channel = Channel(1, "c", url, key)
    return ADAPTER.models_request(channel, ADAPTER.credential(channel, None, NOW), NOW)


def test_models_are_listed_by_another_host():
    request = models_request("k")
    assert (request.method, request.url) == (
        "GET",
        "https://bedrock.us-east-1.amazonaws.com/foundation-models?byOutputModality=TEXT",
    )
    assert request.headers == {"authorization": "Bearer k"}


def test_the_list_of_models_is_signed_with_the_time_of_the_credential():
    assert models_request(PAIR).headers["x-amz-date"] == "20231114T221320Z"


def test_an_endpoint_of_ones_own_has_no_list_of_models():
    assert models_request("k", "https://vpce.example") is None


def frame(payload, **headers):
    fields = b""
    for name, value in headers.items():
        name = f":{name.replace('_', '-')}".encode()
        fields += bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    body = orjson.dumps(payload) if payload is not None else b""
    prelude = struct.pack(">II", 16 + len(fields) + len(body), len(fields))
    made = prelude + struct.pack(">I", crc32(prelude)) + fields + body
    return made + struct.pack(">I", crc32(made))


def event(name, **payload):
    return frame({**payload, "p": "abc"}, message_type="event", event_type=name)


def delta(index, **value):
    return event("contentBlockDelta", contentBlockIndex=index, delta=value)


def stop(index):
    return event("contentBlockStop", contentBlockIndex=index)


END = event("messageStop", stopReason="end_turn")
END += event("metadata", usage={"inputTokens": 3, "outputTokens": 5, "totalTokens": 8})


def test_a_stream_carries_the_signature_of_its_thinking():
    data = (
        event("messageStart", role="assistant")
        + delta(0, reasoningContent={"text": "h"})
        + delta(0, reasoningContent={"text": "m"})
        + delta(0, reasoningContent={"signature": "s"})
        + stop(0)
        + delta(1, reasoningContent={"redactedContent": "enc"})
        + stop(1)
        + delta(2, text="so")
        + stop(2)
        + END
    )
    assert deltas(streamed(ADAPTER, data, FRAMES)) == [
        {"reasoning_content": "h"},
        {"reasoning_content": "m"},
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0},
            ]
        },
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "enc", "index": 1}]},
        {"content": "so"},
    ]


def test_a_stream_shows_its_usage_at_the_end():
    usage = streamed(ADAPTER, delta(0, text="a") + END, FRAMES)[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (3, 5)


def test_a_whole_answer_carries_signed_thinking_too():
    content = [
        {"reasoningContent": {"reasoningText": {"text": "a", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "enc"}},
        {"reasoningContent": {"reasoningText": {"text": "b"}}},
        {"text": "so"},
    ]
    value = {"output": {"message": {"content": content}}, "stopReason": "end_turn"}
    assert whole(ADAPTER, value)["choices"][0]["message"] == {
        "role": "assistant",
        "content": "so",
        "reasoning_content": "ab",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "a", "signature": "s", "index": 0},
            {"type": "reasoning.encrypted", "data": "enc", "index": 1},
        ],
    }


@pytest.mark.parametrize(("word", "reason"), sorted(FINISH_REASONS.items()))
def test_every_stop_reason_is_openais(word, reason):
    value = {"output": {"message": {"content": [{"text": "a"}]}}, "stopReason": word}
    assert whole(ADAPTER, value)["choices"][0]["finish_reason"] == reason


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({}, None),
        ({"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, Usage(1, 2)),
        (
            {"inputTokens": 1, "outputTokens": 2, "cacheReadInputTokens": 20, "cacheWriteInputTokens": 300},
            Usage(321, 2, 20, cache_write_tokens=300),
        ),
        ({"inputTokens": None, "outputTokens": "2"}, Usage(odd=("text_usage",))),
        ({"inputTokens": 5, "outputTokens": -2}, Usage(5, odd=("negative_usage",))),
        ({"inputTokens": 5, "cacheReadInputTokens": -9}, Usage(5, odd=("negative_usage",))),
        ({"inputTokens": 2**40, "outputTokens": 2}, Usage(0, 2, odd=("huge_usage",))),
    ],
)
def test_tokens_of_the_cache_are_part_of_the_prompt(counts, usage):
    value = {"output": {"message": {"content": []}}, "usage": counts}
    assert ADAPTER.reply(call(ADAPTER), UpstreamResponse(200, {}, orjson.dumps(value))).usage == usage


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b"{}", b'{"output":{}}', b'{"output":{"message":{"content":"a"}}}']
)
def test_an_answer_that_is_none_is_a_fault(body):
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.reply(call(ADAPTER), UpstreamResponse(200, {"content-type": "application/json"}, body))
    assert caught.value.kind is ErrorKind.FAULT


def test_a_failure_does_not_swallow_what_came_before_it_in_the_same_read():
    response = UpstreamResponse(200, {"content-type": FRAMES})
    translator = ADAPTER.stream(call(ADAPTER, chat(stream=True)), response)
    error = frame({"message": "slow"}, message_type="exception", exception_type="throttlingException")
    assert b'"content":"ha"' in translator.feed(delta(0, text="ha") + error)
    with pytest.raises(UpstreamError) as caught:
        translator.close()
    assert caught.value.kind is ErrorKind.RATE


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", "RATE"),
        ("serviceUnavailableException", "BUSY"),
        ("modelTimeoutException", "FAULT"),
        ("modelStreamErrorException", "FAULT"),
        ("internalServerException", "FAULT"),
        ("validationException", "REQUEST"),
        ("inventedException", "FAULT"),
    ],
)
def test_an_exception_in_a_stream_is_raised(name, kind):
    translator = ADAPTER.stream(
        call(ADAPTER, chat(stream=True)), UpstreamResponse(200, {"content-type": FRAMES})
    )
    with pytest.raises(UpstreamError) as caught:
        translator.feed(frame({"message": "m"}, message_type="exception", exception_type=name))
    assert (caught.value.kind.name, caught.value.message) == (kind, "m")


def test_an_exception_without_a_payload_is_raised_too():
    translator = ADAPTER.stream(
        call(ADAPTER, chat(stream=True)), UpstreamResponse(200, {"content-type": FRAMES})
    )
    with pytest.raises(UpstreamError) as caught:
        translator.feed(frame(None, message_type="exception", exception_type="throttlingException"))
    assert caught.value.kind is ErrorKind.RATE


@pytest.mark.parametrize(
    ("name", "message", "status", "kind", "code"),
    [
        ("UnrecognizedClientException", "The security token is invalid.", 403, "CREDENTIAL", ""),
        ("InvalidSignatureException", "Signature expired", 403, "CREDENTIAL", ""),
        ("ExpiredTokenException", "expired", 403, "CREDENTIAL", ""),
        ("MissingAuthenticationTokenException", "m", 403, "CREDENTIAL", ""),
        ("IncompleteSignatureException", "m", 400, "CREDENTIAL", ""),
        ("AccessDeniedException", "You don't have access to the model", 403, "MODEL", ""),
        (
            "AccessDeniedException",
            "Authentication failed: Please make sure your API Key is valid.",
            403,
            "CREDENTIAL",
            "",
        ),
        ("ResourceNotFoundException", "end of its life", 404, "MODEL", "model_not_found"),
        (
            "ResourceNotFoundException",
            "Model use case details have not been submitted for this account.",
            404,
            "MODEL",
            "",
        ),
        (
            "ValidationException",
            "The provided model identifier is invalid.",
            400,
            "MODEL",
            "model_not_found",
        ),
        (
            "ValidationException",
            "Invocation of model ID x with on-demand throughput isn’t supported.",
            400,
            "MODEL",
            "model_not_found",
        ),
        ("ValidationException", "Operation not allowed", 400, "MODEL", ""),
        (
            "ValidationException",
            "Input is too long for requested model.",
            400,
            "REQUEST",
            "context_length_exceeded",
        ),
        ("ValidationException", "messages: at least one is required", 400, "REQUEST", ""),
        ("ThrottlingException", "Too many requests", 429, "RATE", ""),
        ("ServiceQuotaExceededException", "m", 400, "RATE", ""),
        ("ModelNotReadyException", "m", 429, "BUSY", ""),
        ("ModelTimeoutException", "m", 408, "FAULT", ""),
        ("ModelErrorException", "m", 424, "FAULT", ""),
        ("InternalServerException", "m", 500, "FAULT", ""),
        ("ServiceUnavailableException", "m", 503, "BUSY", ""),
        ("InventedException", "m", 429, "RATE", ""),
        ("InventedException", "m", 500, "FAULT", ""),
    ],
)
def test_an_exception_is_classified_by_name_and_words(name, message, status, kind, code):
    header = f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"
    error = failed(ADAPTER, status, {"message": message}, x_amzn_errortype=header)
    assert (error.kind.name, error.code, error.status) == (kind, code, status)
    assert error.message == message


def test_a_name_in_the_body_counts_where_there_is_no_header():
    value = {"__type": "com.amazon.coral.service#ThrottlingException", "Message": "slow"}
    error = failed(ADAPTER, 400, value)
    assert (error.kind, error.message) == (ErrorKind.RATE, "slow")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [(403, b"", "MODEL"), (404, b"<html>", "MODEL"), (429, b"slow", "RATE"), (503, b"[]", "BUSY")],
)
def test_an_error_without_a_name_is_classified_by_its_status(status, body, kind):
    assert failed(ADAPTER, status, body).kind.name == kind


def test_the_wait_that_is_asked_for_is_kept():
    error = failed(ADAPTER, 429, {"message": "m"}, x_amzn_errortype="ThrottlingException", retry_after="3")
    assert error.retry_after == 3.0
