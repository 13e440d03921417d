"""Coze: what it is sent, what its errors mean. Its streams are in tests/wire/coze."""

import orjson
import pytest
from calls import call, chat, failed, image, sent, tool_call
from canalgate.adapters.coze import CozeAdapter
from canalgate.plugins import BodyError, ErrorKind, UpstreamError, UpstreamResponse, Usage

ADAPTER = CozeAdapter()
EVENTS = UpstreamResponse(200, {"content-type": "text/event-stream"})


def said(kind, content, role="user"):
    return {"role": role, "type": kind, "content": content, "content_type": "text"}


@pytest.mark.parametrize("stream", [True, False])
def test_a_stream_is_asked_for_always(stream):
    request = ADAPTER.request(call(chat(stream=stream, user="u"), model="7350"))
    assert request.url == "https://api.coze.cn/v3/chat"
    assert orjson.loads(request.body) == {
        "bot_id": "7350",
        "user_id": "u",
        "stream": True,
        "auto_save_history": False,
        "additional_messages": [said("question", "hi")],
    }


def test_what_only_coze_has_passes():
    body = chat(custom_variables={"a": "b"}, auto_save_history=True, conversation_id="42")
    request = ADAPTER.request(call(body))
    assert request.url.endswith("/v3/chat?conversation_id=42")
    made = orjson.loads(request.body)
    assert (made["custom_variables"], made["auto_save_history"]) == ({"a": "b"}, True)
    assert "conversation_id" not in made


@pytest.mark.parametrize("conversation", ["", "a&b=c", "../x", "a b"])
def test_a_conversation_cannot_change_the_address(conversation):
    assert ADAPTER.request(call(chat(conversation_id=conversation))).url.endswith("/v3/chat")


def test_a_bot_cannot_be_tuned():
    request = ADAPTER.request(call(chat(temperature=0.5, max_tokens=5, tools=[], n=1)))
    assert request.dropped == ("temperature", "max_tokens", "tools")


@pytest.mark.parametrize(
    ("message", "made"),
    [
        ({"role": "system", "content": "be kind"}, [said("question", "be kind")]),
        ({"role": "assistant", "content": "yes"}, [said("answer", "yes", "assistant")]),
        (
            {"role": "assistant", "content": None, "tool_calls": [tool_call("c", "f", "{}")]},
            [said("function_call", '{"name":"f","arguments":"{}"}', "assistant")],
        ),
        ({"role": "tool", "tool_call_id": "c", "content": "22"}, [said("tool_response", "22", "assistant")]),
        (
            {"role": "user", "content": [{"type": "text", "text": "see"}, image("https://x.example/a.png")]},
            [
                {
                    "role": "user",
                    "type": "question",
                    "content": '[{"type":"text","text":"see"},{"type":"image","file_url":"https://x.example/a.png"}]',
                    "content_type": "object_string",
                }
            ],
        ),
    ],
)
def test_messages_have_types(message, made):
    assert sent(ADAPTER, call(chat(message)))["additional_messages"] == made


@pytest.mark.parametrize("part", [image("data:image/png;base64,AA"), image(""), {"type": "input_audio"}, {}])
def test_parts_it_cannot_take_are_refused(part):
    with pytest.raises(BodyError):
        ADAPTER.request(call(chat({"role": "user", "content": [part]})))


STREAM = (
    b'event:conversation.message.delta\ndata:{"type":"answer","content":"He"}\n\n'
    b'event:conversation.message.delta\ndata:{"type":"answer","content":"y"}\n\n'
    b'event:conversation.chat.completed\ndata:{"status":"completed","usage":{"token_count":5,"output_count":2,'
    b'"input_count":3}}\n\nevent:done\ndata:"[DONE]"\n\n'
)


def test_a_client_that_wants_no_stream_gets_one_answer():
    stream = ADAPTER.stream(call(chat()), EVENTS)
    assert [stream.feed(STREAM[:50]), stream.feed(STREAM[50:])] == [b"", b""]
    value = orjson.loads(stream.close())
    assert (value["object"], value["choices"][0]["message"]["content"]) == ("chat.completion", "Hey")
    assert (stream.content_type, stream.usage) == ("application/json", Usage(3, 2))


@pytest.mark.parametrize("cut", [0, 50, 120])
def test_a_client_that_wants_no_stream_gets_no_half_answer(cut):
    stream = ADAPTER.stream(call(chat()), EVENTS)
    assert stream.feed(STREAM[:cut]) == b""
    with pytest.raises(UpstreamError):
        stream.close()


@pytest.mark.parametrize(
    ("code", "kind", "shown"),
    [
        (4000, ErrorKind.REQUEST, ""),
        (4009, ErrorKind.RATE, ""),
        (4013, ErrorKind.RATE, ""),
        (4011, ErrorKind.BALANCE, ""),
        (4027, ErrorKind.BALANCE, ""),
        (4028, ErrorKind.BALANCE, ""),
        (4015, ErrorKind.MODEL, ""),
        (4016, ErrorKind.BUSY, ""),
        (4100, ErrorKind.CREDENTIAL, ""),
        (700012006, ErrorKind.CREDENTIAL, ""),
        (4101, ErrorKind.MODEL, ""),
        (4200, ErrorKind.MODEL, "model_not_found"),
        (5000, ErrorKind.FAULT, ""),
        (999999, ErrorKind.FAULT, ""),
    ],
)
def test_errors_under_200_are_classified_by_their_code(code, kind, shown):
    error = failed(ADAPTER, 200, {"code": code, "msg": "x", "detail": {"logid": "l"}})
    assert (error.kind, error.code, error.message) == (kind, shown, "x")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(401, 4100, ErrorKind.CREDENTIAL), (401, 1, ErrorKind.CREDENTIAL), (429, 1, ErrorKind.RATE),
     (502, 1, ErrorKind.FAULT)],
)  # fmt: skip
def test_an_error_status_counts_where_the_code_says_nothing(status, code, kind):
    assert failed(ADAPTER, status, {"code": code, "msg": "x"}).kind is kind


@pytest.mark.parametrize("value", [{}, {"code": 0, "data": {"status": "in_progress"}, "msg": ""}])
def test_an_answer_that_would_have_to_be_polled_for_is_a_fault(value):
    assert failed(ADAPTER, 200, value).kind is ErrorKind.FAULT
