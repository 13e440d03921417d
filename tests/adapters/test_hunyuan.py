"""Hunyuan: what it is sent and how it is signed, what its whole answers and errors mean.

Its streams are in tests/wire/tencent-hunyuan.
"""

import orjson
import pytest
from calls import NOW, call, chat, failed, function, image, sent, tool_call
from canalgate.adapters.hunyuan import HunyuanAdapter
from canalgate.adapters.parts.tc3 import authorization
from canalgate.plugins import BodyError, Channel, ErrorKind, UpstreamError, UpstreamResponse, Usage

ADAPTER = HunyuanAdapter()
KEY = "AKIDexample|secret"


@pytest.mark.parametrize(
    ("endpoint", "action"), [("chat/completions", "ChatCompletions"), ("embeddings", "GetEmbedding")]
)
def test_a_request_is_signed_with_the_clock_that_comes_with_the_call(endpoint, action):
    body = {"input": "a", **chat()} if endpoint == "chat/completions" else {"input": "a"}
    request = ADAPTER.request(call(body, endpoint, key=KEY, url="https://x.example:8443/"))
    assert request.url == "https://x.example:8443/"
    assert request.headers == {
        "content-type": "application/json",
        "authorization": authorization(
            "AKIDexample",
            "secret",
            request.body,
            NOW,
            service="hunyuan",
            host="x.example:8443",
            action=action,
        ),
        "x-tc-action": action,
        "x-tc-version": "2023-09-01",
        "x-tc-timestamp": "1700000000",
    }


@pytest.mark.parametrize("key", ["", "id", "id|", "|key", "id|key|more", "id|k ey"])
def test_a_key_of_another_shape_is_refused(key):
    with pytest.raises(ValueError, match="key"):
        ADAPTER.check(Channel(1, "c", "", key))


def test_a_key_of_two_parts_is_taken():
    ADAPTER.check(Channel(1, "c", "", KEY))


def test_names_are_in_pascal_case():
    body = chat(
        {"role": "developer", "content": "be kind"},
        "hi",
        temperature=0.5,
        top_p=0.9,
        seed=3,
        stop="END",
        enable_enhancement=False,
        reasoning_effort="low",
        stream=True,
    )
    assert sent(ADAPTER, call(body, key=KEY)) == {
        "Model": "up",
        "Messages": [{"Role": "system", "Content": "be kind"}, {"Role": "user", "Content": "hi"}],
        "Stream": True,
        "Stop": ["END"],
        "EnableThinking": True,
        "Temperature": 0.5,
        "TopP": 0.9,
        "Seed": 3,
        "EnableEnhancement": False,
    }


def test_what_it_has_no_place_for_is_named():
    made = call(chat(max_tokens=9, user="u", response_format={"type": "json_object"}, n=1), key=KEY)
    assert ADAPTER.request(made).dropped == ("max_tokens", "user", "response_format")


def test_images_are_parts_of_contents():
    message = {
        "role": "user",
        "content": [{"type": "text", "text": "see"}, image("data:image/png;base64,AA")],
    }
    assert sent(ADAPTER, call(chat(message), key=KEY))["Messages"][0]["Contents"] == [
        {"Type": "text", "Text": "see"},
        {"Type": "image_url", "ImageUrl": {"Url": "data:image/png;base64,AA"}},
    ]


def test_parts_it_cannot_take_are_refused():
    with pytest.raises(BodyError, match="input_audio"):
        ADAPTER.request(call(chat({"role": "user", "content": [{"type": "input_audio"}]}), key=KEY))


def test_parameters_of_a_function_are_a_text():
    tools = [function("f", description="does"), {"type": "function", "function": {"name": "g"}}]
    body = sent(ADAPTER, call(chat(tools=tools, tool_choice="none"), key=KEY))
    assert body["Tools"] == [
        {
            "Type": "function",
            "Function": {"Name": "f", "Description": "does", "Parameters": '{"type":"object"}'},
        },
        {
            "Type": "function",
            "Function": {"Name": "g", "Description": "", "Parameters": '{"type":"object","properties":{}}'},
        },
    ]
    assert body["ToolChoice"] == "none"


def test_a_choice_of_one_function_is_a_custom_one():
    choice = {"type": "function", "function": {"name": "g"}}
    body = sent(ADAPTER, call(chat(tools=[function("f"), function("g")], tool_choice=choice), key=KEY))
    assert (body["ToolChoice"], body["CustomTool"]["Function"]["Name"]) == ("custom", "g")


def test_a_choice_that_is_not_there_is_refused():
    choice = {"type": "function", "function": {"name": "h"}}
    with pytest.raises(BodyError, match="h"):
        ADAPTER.request(call(chat(tools=[function("f")], tool_choice=choice), key=KEY))


def test_a_must_for_tools_is_named_as_lost():
    request = ADAPTER.request(call(chat(tools=[function("f")], tool_choice="required"), key=KEY))
    assert request.dropped == ("tool_choice",)
    assert "ToolChoice" not in orjson.loads(request.body)


def test_calls_and_their_answers_are_given_back():
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [tool_call("c", "f", '{"a":1}')]},
        {"role": "tool", "tool_call_id": "c", "content": "22"},
    ]
    assert sent(ADAPTER, call(chat(*messages), key=KEY))["Messages"] == [
        {
            "Role": "assistant",
            "Content": "",
            "ToolCalls": [{"Id": "c", "Type": "function", "Function": {"Name": "f", "Arguments": '{"a":1}'}}],
        },
        {"Role": "tool", "Content": "22", "ToolCallId": "c"},
    ]


def test_embeddings_are_translated_both_ways():
    made = call({"input": ["a", "b"], "dimensions": 8}, "embeddings", key=KEY)
    assert sent(ADAPTER, made) == {"InputList": ["a", "b"]}
    assert ADAPTER.request(made).dropped == ("dimensions",)
    data = [{"Embedding": [1.0], "Index": 0}, {"Embedding": [2.0], "Index": 1}]
    body = orjson.dumps({"Response": {"Data": data, "Usage": {"PromptTokens": 4, "TotalTokens": 4}}})
    reply = ADAPTER.reply(made, UpstreamResponse(200, {}, body))
    assert [row["embedding"] for row in orjson.loads(reply.body)["data"]] == [[1.0], [2.0]]
    assert reply.usage == Usage(4)


@pytest.mark.parametrize(
    ("code", "kind", "shown"),
    [
        ("AuthFailure.SignatureFailure", ErrorKind.CREDENTIAL, ""),
        ("AuthFailure.SecretIdNotFound", ErrorKind.CREDENTIAL, ""),
        ("AuthFailure.SignatureExpire", ErrorKind.EXPIRED, ""),
        ("AuthFailure.UnauthorizedOperation", ErrorKind.MODEL, ""),
        ("UnauthorizedOperation", ErrorKind.MODEL, ""),
        ("IpNotInWhitelist", ErrorKind.MODEL, ""),
        ("FailedOperation.ServiceNotActivated", ErrorKind.MODEL, ""),
        ("UnsupportedRegion", ErrorKind.MODEL, ""),
        ("InvalidParameterValue.Model", ErrorKind.MODEL, "model_not_found"),
        ("ActionOffline", ErrorKind.MODEL, "model_not_found"),
        ("FailedOperation.ResourcePackExhausted", ErrorKind.BALANCE, ""),
        ("FailedOperation.FreeResourcePackExhausted", ErrorKind.BALANCE, ""),
        ("FailedOperation.ServiceStop", ErrorKind.BALANCE, ""),
        ("FailedOperation.ServiceStopArrears", ErrorKind.BALANCE, ""),
        ("ResourceInsufficient.ChargeResourceExhaust", ErrorKind.BALANCE, ""),
        ("ResourceUnavailable.InArrears", ErrorKind.BALANCE, ""),
        ("ResourceUnavailable.LowBalance", ErrorKind.BALANCE, ""),
        ("RequestLimitExceeded", ErrorKind.RATE, ""),
        ("RequestLimitExceeded.UinLimitExceeded", ErrorKind.RATE, ""),
        ("LimitExceeded", ErrorKind.RATE, ""),
        ("FailedOperation.EngineServerLimitExceeded", ErrorKind.RATE, ""),
        ("OperationDenied.TextIllegalDetected", ErrorKind.REQUEST, "content_filter"),
        ("OperationDenied.ImageIllegalDetected", ErrorKind.REQUEST, "content_filter"),
        ("InvalidParameter", ErrorKind.REQUEST, ""),
        ("InvalidParameterValue.ParameterValueError", ErrorKind.REQUEST, ""),
        ("MissingParameter", ErrorKind.REQUEST, ""),
        ("ServiceUnavailable", ErrorKind.BUSY, ""),
        ("FailedOperation", ErrorKind.FAULT, ""),
        ("FailedOperation.EngineServerError", ErrorKind.FAULT, ""),
        ("FailedOperation.EngineRequestTimeout", ErrorKind.FAULT, ""),
        ("InternalError", ErrorKind.FAULT, ""),
        ("SomethingNew.Odd", ErrorKind.FAULT, ""),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_errors_are_classified_by_their_code_whatever_the_status(status, code, kind, shown):
    error = failed(ADAPTER, status, {"Response": {"Error": {"Code": code, "Message": "x"}, "RequestId": "r"}})
    if (status, code) == (400, "SomethingNew.Odd"):
        kind, shown = ErrorKind.REQUEST, code
    assert (error.kind, error.code, error.message) == (kind, shown, "x")


@pytest.mark.parametrize("body", [b"<html>", b"", b'"x"', b"{}", b"{", b'{"Response":{}}'])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, ErrorKind.CREDENTIAL), (404, ErrorKind.MODEL), (429, ErrorKind.RATE), (502, ErrorKind.FAULT)],
)
def test_an_error_of_a_host_on_the_way_goes_by_its_status(status, kind, body):
    response = UpstreamResponse(status, {"content-type": "text/html"}, body)
    assert ADAPTER.error(call(chat()), response).kind is kind


@pytest.mark.parametrize("value", [{}, {"Response": {}}, {"Response": {"Choices": []}}, {"Response": "x"}])
def test_an_answer_without_choices_is_a_fault(value):
    assert failed(ADAPTER, 200, value).kind is ErrorKind.FAULT


def test_a_failure_inside_a_stream_is_told_in_its_own_words():
    stream = ADAPTER.stream(
        call(chat(stream=True)), UpstreamResponse(200, {"content-type": "text/event-stream"})
    )
    with pytest.raises(UpstreamError, match="took too long"):
        stream.feed(b'data: {"Note":"","ErrorMsg":{"Code":4001,"Msg":"took too long"}}\n\n')
