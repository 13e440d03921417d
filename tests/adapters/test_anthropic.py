"""Anthropic: addresses, keys, answers, streams, errors. More of its streams are in tests/wire/anthropic."""

import orjson
import pytest
from canalgate.adapters.anthropic.adapter import AnthropicAdapter
from canalgate.plugins import Channel, Credential, ErrorKind, UpstreamError, UpstreamResponse, Usage
from canalgate.proxy.conformance import SPLITS, differences, replay
from wired import NOW, call, chat, composed, deltas, failed, streamed, whole

ADAPTER = AnthropicAdapter()
CASES = composed("anthropic")
EVENTS = {"content-type": "text/event-stream; charset=utf-8"}


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_composed_answer_is_understood(case, split):
    assert differences(case, replay(ADAPTER, case, split)) == []


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("", "https://api.anthropic.com/v1/messages"),
        ("https://h.example", "https://h.example/v1/messages"),
        ("https://h.example/v1/", "https://h.example/v1/messages"),
        ("https://h.example/v1/messages", "https://h.example/v1/messages"),
        ("https://h.example/anthropic", "https://h.example/anthropic/v1/messages"),
    ],
)
def test_the_version_may_be_left_out_of_an_address(url, address):
    assert ADAPTER.request(call(ADAPTER, url=url)).url == address


def test_a_request_is_signed_with_the_key_and_the_version():
    headers = ADAPTER.request(call(ADAPTER, key="sk-ant")).headers
    assert headers == {
        "content-type": "application/json",
        "x-api-key": "sk-ant",
        "anthropic-version": "2023-06-01",
    }


def test_beta_features_are_the_channels():
    assert ADAPTER.request(call(ADAPTER, beta="a,b")).headers["anthropic-beta"] == "a,b"


@pytest.mark.parametrize(
    ("url", "key", "options"),
    [
        ("ftp://h", "k", {}),
        ("https://u:p@h", "k", {}),
        ("", "k k", {}),
        ("", "ключ", {}),
        ("", "k", {"max_tokens": "many"}),
        ("", "k", {"max_tokens": "0"}),
        ("", "k", {"max_tokens": "-1"}),
        ("", "k", {"max_tokens": "1.5"}),
    ],
)
def test_a_channel_that_cannot_work_is_refused(url, key, options):
    with pytest.raises(ValueError):
        ADAPTER.check(Channel(1, "c", url, key, options))


def test_a_channel_with_nothing_but_a_key_works():
    ADAPTER.check(Channel(1, "c", "", "sk-ant"))


def test_models_are_asked_for_with_the_same_key():
    request = ADAPTER.models_request(Channel(1, "c", "", "k"), Credential("k"), 1.0)
    assert (request.method, request.url) == ("GET", "https://api.anthropic.com/v1/models?limit=1000")
    assert request.headers["x-api-key"] == "k"


@pytest.mark.parametrize("body", [b"[]", b"<html>", b""])
def test_a_list_of_models_that_is_none_is_a_fault(body):
    with pytest.raises(UpstreamError):
        ADAPTER.model_names(UpstreamResponse(200, {}, body))


def event(**value):
    return b"event: %b\ndata: %b\n\n" % (value["type"].encode(), orjson.dumps(value))


def start(index, **block):
    return event(type="content_block_start", index=index, content_block=block)


def delta(index, kind, **more):
    return event(type="content_block_delta", index=index, delta={"type": kind, **more})


def stop(index):
    return event(type="content_block_stop", index=index)


END = event(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5})
END += event(type="message_stop")
BEGIN = event(type="message_start", message={"usage": {"input_tokens": 3, "output_tokens": 1}})


def test_a_stream_carries_the_signature_of_its_thinking():
    data = (
        BEGIN
        + start(0, type="thinking", thinking="", signature="")
        + delta(0, "thinking_delta", thinking="h")
        + delta(0, "thinking_delta", thinking="m")
        + delta(0, "signature_delta", signature="s1")
        + delta(0, "signature_delta", signature="s2")
        + stop(0)
        + start(1, type="redacted_thinking", data="enc")
        + stop(1)
        + start(2, type="text", text="so")
        + stop(2)
        + END
    )
    assert deltas(streamed(ADAPTER, data)) == [
        {"reasoning_content": "h"},
        {"reasoning_content": "m"},
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "signature": "s1s2", "index": 0},
            ]
        },
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "enc", "index": 1}]},
        {"content": "so"},
    ]


def test_a_stream_without_the_thinkings_text_still_carries_its_signature():
    data = BEGIN + start(0, type="thinking", thinking="", signature="s") + stop(0) + END
    details = [{"type": "reasoning.text", "text": "", "signature": "s", "index": 0}]
    assert deltas(streamed(ADAPTER, data)) == [{"reasoning_details": details}]


def test_a_whole_answer_carries_signed_thinking_too():
    blocks = [
        {"type": "thinking", "thinking": "a", "signature": "s"},
        {"type": "redacted_thinking", "data": "enc"},
        {"type": "thinking", "thinking": "b"},
        {"type": "text", "text": "so"},
    ]
    message = whole(ADAPTER, {"content": blocks, "stop_reason": "end_turn"})["choices"][0]["message"]
    assert message == {
        "role": "assistant",
        "content": "so",
        "reasoning_content": "ab",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "a", "signature": "s", "index": 0},
            {"type": "reasoning.encrypted", "data": "enc", "index": 1},
        ],
    }


def test_tokens_of_the_cache_are_part_of_the_prompt():
    translator = ADAPTER.stream(call(ADAPTER, chat(stream=True)), UpstreamResponse(200, EVENTS))
    counts = {"input_tokens": 1, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 300}
    translator.feed(event(type="message_start", message={"usage": {**counts, "output_tokens": 1}}))
    assert translator.usage == Usage(321, 1, 20, cache_write_tokens=300)
    translator.feed(event(type="message_delta", delta={}, usage={"output_tokens": 9, "input_tokens": None}))
    assert translator.usage == Usage(321, 9, 20, cache_write_tokens=300)


def test_nothing_is_shown_before_the_model_says_something():
    translator = ADAPTER.stream(call(ADAPTER, chat(stream=True)), UpstreamResponse(200, EVENTS))
    assert translator.feed(BEGIN + event(type="ping") + start(0, type="text", text="")) == b""


def test_a_failure_does_not_swallow_what_came_before_it_in_the_same_read():
    translator = ADAPTER.stream(call(ADAPTER, chat(stream=True)), UpstreamResponse(200, EVENTS))
    error = event(type="error", error={"type": "overloaded_error", "message": "Overloaded"})
    assert b'"content":"ha"' in translator.feed(BEGIN + start(0, type="text", text="ha") + error)
    with pytest.raises(UpstreamError) as caught:
        translator.close()
    assert caught.value.kind is ErrorKind.BUSY


@pytest.mark.parametrize(
    ("content_type", "stream", "translated"),
    [
        ("text/event-stream", True, True),
        ("text/event-stream", False, True),
        ("application/json", True, False),
        ("text/html", True, False),
    ],
)
def test_only_a_stream_is_translated_as_one(content_type, stream, translated):
    made = call(ADAPTER, chat(stream=stream))
    found = ADAPTER.stream(made, UpstreamResponse(200, {"content-type": content_type}))
    assert (found is not None) is translated


@pytest.mark.parametrize(
    ("type", "message", "status", "kind", "code"),
    [
        ("invalid_request_error", "messages: required", 400, "REQUEST", ""),
        ("invalid_request_error", "prompt is too long: 9 tokens", 400, "REQUEST", "context_length_exceeded"),
        (
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
            400,
            "REQUEST",
            "context_length_exceeded",
        ),
        ("invalid_request_error", "Your credit balance is too low to access", 400, "BALANCE", ""),
        (
            "invalid_request_error",
            "You have reached your specified API usage limits. You will regain access on 2026-01-01",
            400,
            "BALANCE",
            "",
        ),
        ("invalid_request_error", "This organization has been disabled.", 400, "CREDENTIAL", ""),
        (
            "invalid_request_error",
            "Output blocked by content filtering policy",
            400,
            "REQUEST",
            "content_filter",
        ),
        ("authentication_error", "invalid x-api-key", 401, "CREDENTIAL", ""),
        ("billing_error", "pay first", 402, "BALANCE", ""),
        ("permission_error", "not for you", 403, "MODEL", ""),
        ("permission_error", "OAuth token has been revoked", 403, "CREDENTIAL", ""),
        ("not_found_error", "model: claude-x", 404, "MODEL", "model_not_found"),
        ("not_found_error", "Not found", 404, "MODEL", ""),
        ("request_too_large", "too many bytes", 413, "REQUEST", ""),
        ("rate_limit_error", "requests per minute", 429, "RATE", ""),
        ("api_error", "Internal server error", 500, "FAULT", ""),
        ("timeout_error", "timed out", 504, "FAULT", ""),
        ("overloaded_error", "Overloaded", 529, "BUSY", ""),
        ("invented_error", "slow down", 429, "RATE", ""),
        ("invented_error", "what", 500, "FAULT", ""),
    ],
)
def test_an_error_is_classified_by_type_and_words(type, message, status, kind, code):
    error = failed(ADAPTER, status, {"type": "error", "error": {"type": type, "message": message}})
    assert (error.kind.name, error.code, error.status) == (kind, code, status)
    assert error.message == message


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", "CREDENTIAL"),
        (404, b"<html>no</html>", "MODEL"),
        (429, b"slow down", "RATE"),
        (502, b"bad gateway", "FAULT"),
        (529, b"", "BUSY"),
    ],
)
def test_an_error_without_a_type_is_classified_by_its_status(status, body, kind):
    assert failed(ADAPTER, status, body).kind.name == kind


def test_the_wait_that_is_asked_for_is_kept():
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": "m"}}
    assert failed(ADAPTER, 429, body, retry_after="17").retry_after == 17.0


def test_an_error_under_200_has_the_status_it_means():
    with pytest.raises(UpstreamError) as caught:
        whole(ADAPTER, {"type": "error", "error": {"type": "rate_limit_error", "message": "m"}})
    assert (caught.value.kind, caught.value.status) == (ErrorKind.RATE, 429)


@pytest.mark.parametrize(
    ("content_type", "body", "kind"),
    [
        ("text/html", b"<html>", "MODEL"),
        ("application/json", b"", "FAULT"),
        ("application/json", b"[]", "FAULT"),
        ("application/json", b'{"content":"text"}', "FAULT"),
        ("application/json", b'{"content":', "FAULT"),
    ],
)
def test_an_answer_that_is_none_is_a_failure(content_type, body, kind):
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.reply(call(ADAPTER), UpstreamResponse(200, {"content-type": content_type}, body))
    assert caught.value.kind.name == kind


def test_a_key_needs_no_exchange():
    assert ADAPTER.credential(Channel(1, "c", "", "k"), None, NOW) == Credential("k")
