"""Dify: what it is sent, what its errors mean. Its streams are in tests/wire/dify."""

import orjson
import pytest
from calls import call, chat, failed, image, sent
from canalgate.adapters.dify import DifyAdapter
from canalgate.plugins import BodyError, ErrorKind, UpstreamError, UpstreamResponse, Usage

ADAPTER = DifyAdapter()
EVENTS = UpstreamResponse(200, {"content-type": "text/event-stream"})


@pytest.mark.parametrize("stream", [True, False])
def test_a_stream_is_asked_for_always(stream):
    request = ADAPTER.request(call(chat(stream=stream, user="u")))
    assert request.url == "https://api.dify.ai/v1/chat-messages"
    assert orjson.loads(request.body) == {
        "inputs": {},
        "query": "hi",
        "response_mode": "streaming",
        "user": "u",
        "auto_generate_name": False,
    }


def test_what_only_dify_has_passes():
    made = sent(ADAPTER, call(chat(inputs={"a": "b"}, conversation_id="c", workflow_id="w")))
    assert (made["inputs"], made["conversation_id"], made["workflow_id"]) == ({"a": "b"}, "c", "w")


def test_what_was_said_before_is_put_in_front_of_the_question():
    messages = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "tool", "content": "22"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "well?"}]},
    ]
    history = "System: be kind\n\nUser: hi\n\nAssistant: hello\n\nTool: 22\n\nUser: well?"
    assert sent(ADAPTER, call(chat(*messages)))["query"] == history
    assert sent(ADAPTER, call(chat(*messages, conversation_id="c")))["query"] == "well?"


def test_images_are_files_at_an_address():
    message = {"role": "user", "content": [{"type": "text", "text": "see"}, image("https://x.example/a.png")]}
    given = [{"type": "document", "transfer_method": "local_file", "upload_file_id": "f"}]
    assert sent(ADAPTER, call(chat(message, files=given)))["files"] == [
        *given,
        {"type": "image", "transfer_method": "remote_url", "url": "https://x.example/a.png"},
    ]


@pytest.mark.parametrize("part", [image("data:image/png;base64,AA"), image(""), {"type": "input_audio"}, {}])
def test_parts_it_cannot_take_are_refused(part):
    with pytest.raises(BodyError):
        ADAPTER.request(call(chat({"role": "user", "content": [part]})))


def test_an_app_cannot_be_tuned():
    request = ADAPTER.request(call(chat(temperature=0.5, max_tokens=5, tools=[], n=1)))
    assert request.dropped == ("temperature", "max_tokens", "tools")


STREAM = (
    b'data: {"event":"message","answer":"He"}\n\nevent: ping\n\ndata: {"event":"message","answer":"y"}\n\n'
    b'data: {"event":"message_end","metadata":{"usage":{"prompt_tokens":3,"completion_tokens":2}}}\n\n'
)


def test_a_client_that_wants_no_stream_gets_one_answer():
    stream = ADAPTER.stream(call(chat()), EVENTS)
    assert stream.feed(STREAM) == b""
    value = orjson.loads(stream.close())
    assert (value["object"], value["choices"][0]["message"]["content"]) == ("chat.completion", "Hey")
    assert (stream.content_type, stream.usage) == ("application/json", Usage(3, 2))


@pytest.mark.parametrize("cut", [0, 45, 60, 120])
def test_a_client_that_wants_no_stream_gets_no_half_answer(cut):
    stream = ADAPTER.stream(call(chat()), EVENTS)
    assert stream.feed(STREAM[:cut]) == b""
    with pytest.raises(UpstreamError):
        stream.close()


@pytest.mark.parametrize(
    ("status", "code", "kind", "shown"),
    [
        (400, "app_unavailable", ErrorKind.MODEL, ""),
        (400, "not_chat_app", ErrorKind.MODEL, ""),
        (400, "provider_not_initialize", ErrorKind.MODEL, ""),
        (400, "provider_quota_exceeded", ErrorKind.BALANCE, ""),
        (400, "model_currently_not_support", ErrorKind.MODEL, "model_not_found"),
        (400, "completion_request_error", ErrorKind.FAULT, ""),
        (400, "invalid_param", ErrorKind.REQUEST, ""),
        (400, "bad_request", ErrorKind.REQUEST, ""),
        (400, "conversation_completed", ErrorKind.REQUEST, ""),
        (401, "unauthorized", ErrorKind.CREDENTIAL, ""),
        (403, "forbidden", ErrorKind.MODEL, ""),
        (404, "not_found", ErrorKind.REQUEST, ""),
        (413, "file_too_large", ErrorKind.REQUEST, ""),
        (415, "unsupported_file_type", ErrorKind.REQUEST, ""),
        (429, "rate_limit_error", ErrorKind.RATE, ""),
        (429, "something", ErrorKind.RATE, ""),
        (500, "internal_server_error", ErrorKind.FAULT, ""),
        (503, "something", ErrorKind.BUSY, ""),
    ],
)
def test_errors_are_classified_by_their_code(status, code, kind, shown):
    error = failed(ADAPTER, status, {"code": code, "message": "x", "status": status})
    assert (error.kind, error.code, error.status) == (kind, shown, status)


def test_the_wait_it_asks_for_is_kept():
    assert failed(ADAPTER, 429, {"code": "rate_limit_error"}, retry_after="5").retry_after == 5.0


@pytest.mark.parametrize("value", [{}, {"answer": None}, {"event": "workflow_finished", "data": {}}])
def test_an_answer_without_text_is_a_fault(value):
    assert failed(ADAPTER, 200, value).kind is ErrorKind.FAULT


def test_a_web_page_at_the_address_is_the_channels_fault():
    response = UpstreamResponse(404, {"content-type": "text/html"}, b"<html>not found</html>")
    assert ADAPTER.error(call(chat()), response).kind is ErrorKind.MODEL


@pytest.mark.parametrize(
    "event",
    [
        b'{"event":"workflow_finished","data":{"status":"failed","error":"node broke"}}',
        b'{"event":"error","status":500,"code":"internal_server_error","message":"node broke"}',
    ],
)
def test_a_failure_inside_a_stream_is_told_in_its_own_words(event):
    stream = ADAPTER.stream(call(chat(stream=True)), EVENTS)
    with pytest.raises(UpstreamError, match="node broke"):
        stream.feed(b"data: " + event + b"\n\n")
