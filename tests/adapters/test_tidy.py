"""The rules by which odd answers become OpenAI's, on whole answers."""

import orjson
import pytest
from canalgate.adapters.parts.tidy import FAILED, FINISH_REASONS, tidy_answer, tidy_message
from canalgate.plugins import Call, Channel, Credential, JsonBody, UpstreamError


def call(endpoint="chat/completions") -> Call:
    body = JsonBody(b'{"model":"m"}')
    channel, credential = Channel(1, "c", "", "k"), Credential("k")
    return Call("r1", endpoint, "m", "m", False, body, "application/json", channel, credential, 1.0)


def tidied(choice: dict, endpoint="chat/completions") -> dict:
    body = orjson.dumps({"id": "x", "choices": [choice]})
    return orjson.loads(tidy_answer(call(endpoint), body))["choices"][0]


def said(finish="stop", **message) -> dict:
    return {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}


def tool(name="f", arguments="{}", **more) -> dict:
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}],"x":1.0e0}',
        b'\n\n{"choices":[{"message":{"content":null,"tool_calls":[{"id":"a","type":"function",'
        b'"function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}',
        b'{"choices":[{"message":{"content":"a","reasoning":null,"reasoning_content":"t"},"finish_reason":"stop"}]}',
        b'{"choices":[{"message":{"content":"a","tool_calls":[]},"finish_reason":"brand_new"}]}',
        b'{"choices":[]}',
        b'{"choices":null}',
        b'{"choices":{"0":1}}',
        b'{"object":"list"}',
        b"[]",
        b"null",
        b"no json",
        b"",
    ],
)
def test_an_answer_with_nothing_odd_is_the_same_object(body):
    assert tidy_answer(call(), body) is body


@pytest.mark.parametrize(("native", "reason"), FINISH_REASONS.items())
def test_a_finish_reason_is_put_into_openais_words(native, reason):
    assert tidied(said(native, content="hi"))["finish_reason"] == reason


@pytest.mark.parametrize(("native", "kind"), FAILED.items())
def test_a_finish_reason_that_is_a_failure_is_raised(native, kind):
    with pytest.raises(UpstreamError, match=native) as caught:
        tidied(said(native, content="hi"))
    assert caught.value.kind is kind


@pytest.mark.parametrize("finish", ["stop", "eos", "", None])
def test_an_answer_that_calls_a_tool_finishes_with_tool_calls(finish):
    assert tidied(said(finish, tool_calls=[tool(id="a")]))["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_an_answer_cut_short_stays_so_with_a_tool_call_in_it(finish):
    assert tidied(said(finish, tool_calls=[tool(id="a")]))["finish_reason"] == finish


@pytest.mark.parametrize("choice", [{"message": {"content": "a"}}, said(None), said("")])
def test_an_answer_without_a_finish_reason_has_stopped(choice):
    assert tidied(choice)["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ({"reasoning": "t", "content": "a"}, {"reasoning_content": "t", "content": "a"}),
        ({"reasoning": "t", "reasoning_content": None}, {"reasoning_content": "t"}),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, {"content": "ab"}),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "t"}, {"type": "text"}]},
                    {"type": "text", "text": "a"},
                    {"type": "reference", "reference_ids": [1]},
                    "loose",
                ]
            },
            {"content": "a", "reasoning_content": "t"},
        ),
        ({"content": [{"type": "thinking", "thinking": "t"}]}, {"content": "", "reasoning_content": "t"}),
        ({"content": []}, {"content": ""}),
    ],
)
def test_thoughts_and_text_go_where_clients_look_for_them(message, wanted):
    assert tidy_message(message)
    assert message == wanted


@pytest.mark.parametrize(
    "message",
    [
        {"reasoning": "t", "reasoning_content": "t"},
        {"reasoning": ""},
        {"reasoning": {"effort": "low"}},
        {"content": None},
        {"content": "[1]"},
    ],
)
def test_a_message_as_it_should_be_stays(message):
    before = dict(message)
    assert not tidy_message(message)
    assert message == before


def test_a_tool_call_gets_an_id_and_its_arguments_as_text():
    calls = [tool(arguments={"a": [1]}, id=""), tool(arguments=None)]
    made = tidied(said("tool_calls", tool_calls=calls))["message"]["tool_calls"]
    assert [one["id"] for one in made] == ["call_r1_0", "call_r1_1"]
    assert [one["function"]["arguments"] for one in made] == ['{"a":[1]}', None]
    assert "index" not in made[0]


def test_a_choice_without_a_message_gets_an_empty_one():
    assert tidied({"index": 0, "finish_reason": "content_filter"})["message"] == {
        "role": "assistant",
        "content": "",
    }


def test_a_completion_has_no_message_and_gets_none():
    choice = {"index": 0, "text": "a", "finish_reason": "eos"}
    assert tidied(choice, "completions") == {**choice, "finish_reason": "stop"}
