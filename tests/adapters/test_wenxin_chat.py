"""OpenAI's chat requests in the strict shape of Baidu's legacy API."""

import copy
import json

import pytest
from canalgate.adapters.wenxin.chat import chat_body, image_question
from canalgate.adapters.wenxin.models import Service
from canalgate.plugins import BodyError, Call, Channel, Credential, JsonBody

ALL = Service("chat/x", "FCRMPYV", 2048)
GO_ON, RIGHT = "继续", "好的"
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def call(stream=False, rule="", **fields) -> Call:
    fields = {"model": "m", "messages": [user("hi")], **fields}
    body = JsonBody(json.dumps(fields).encode())
    channel = Channel(1, "c", "", "k", {"unsupported_fields": rule} if rule else {})
    return Call(
        "r", "chat/completions", "m", "m", stream, body, "application/json", channel, Credential("t"), 1.0
    )


def sent(service=ALL, **fields):
    return chat_body(call(**fields), service)[0]


def user(content):
    return {"role": "user", "content": content}


def said(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content, role="system"):
    return {"role": role, "content": content}


def called(*functions, content=None, ids=None):
    ids = ids or [f"call_{at}" for at in range(len(functions))]
    calls = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for id, (name, arguments) in zip(ids, functions, strict=True)
    ]
    return {"role": "assistant", "content": content, "tool_calls": calls}


def result(content, id="call_0"):
    return {"role": "tool", "tool_call_id": id, "content": content}


def calling(name, arguments, **more):
    return {"role": "assistant", **more, "function_call": {"name": name, "arguments": arguments}}


def answered(name, content):
    return {"role": "function", "name": name, "content": content}


# Turns.


@pytest.mark.parametrize(
    ("messages", "turns"),
    [
        pytest.param([user("a")], [user("a")], id="one"),
        pytest.param([user("a"), said("b"), user("c")], [user("a"), said("b"), user("c")], id="three"),
        pytest.param([user("a"), user("b")], [user("a\nb")], id="two-users"),
        pytest.param(
            [user("a"), said("b"), said("c"), user("d")],
            [user("a"), said("b\nc"), user("d")],
            id="two-assistants",
        ),
        pytest.param([said("a"), user("b")], [user(GO_ON), said("a"), user("b")], id="assistant-first"),
        pytest.param([user("a"), said("b")], [user("a"), said("b"), user(GO_ON)], id="assistant-last"),
        pytest.param([said("a")], [user(GO_ON), said("a"), user(GO_ON)], id="assistant-only"),
        pytest.param([user("a"), said(""), user("b")], [user("a\nb")], id="empty-assistant"),
        pytest.param([user("a"), said(None), user("b")], [user("a\nb")], id="null-assistant"),
        pytest.param([user("a"), said("b"), user("")], [user("a"), said("b"), user(GO_ON)], id="empty-user"),
        pytest.param(
            [user([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])], [user("a\nb")], id="parts"
        ),
        pytest.param([system("s")], [user("s")], id="system-only"),
        pytest.param([{**user("a"), "name": "ann"}], [user("a")], id="name"),
    ],
)
def test_turns_alternate_and_end_with_the_user(messages, turns):
    made = sent(messages=messages)
    assert made["messages"] == turns
    assert len(made["messages"]) % 2 == 1
    assert "system" not in made


@pytest.mark.parametrize(
    ("messages", "turns"),
    [
        pytest.param(
            [user("q"), called(("f", '{"x":1}')), result('{"y":2}')],
            [user("q"), calling("f", '{"x":1}'), answered("f", '{"y":2}')],
            id="one-call",
        ),
        pytest.param(
            [user("q"), called(("f", "{}"), content="wait"), result("{}")],
            [user("q"), calling("f", "{}", content="wait"), answered("f", "{}")],
            id="call-with-text",
        ),
        pytest.param(
            [user("q"), said("wait"), called(("f", "{}")), result("{}")],
            [user("q"), calling("f", "{}", content="wait"), answered("f", "{}")],
            id="text-then-call",
        ),
        pytest.param(
            [
                user("q"),
                called(("f", "{}"), ("g", "{}")),
                result("2", "call_1"),
                result("1", "call_0"),
                said("ok"),
                user("b"),
            ],
            [
                *(user("q"), calling("f", "{}"), answered("f", "1"), calling("g", "{}"), answered("g", "2")),
                *(said("ok"), user("b")),
            ],
            id="parallel-calls-results-swapped",
        ),
        pytest.param(
            [user("q"), called(("f", "{}")), result("1"), called(("f", "{}")), result("2")],
            [user("q"), calling("f", "{}"), answered("f", "1"), calling("f", "{}"), answered("f", "2")],
            id="the-same-id-in-two-turns",
        ),
        pytest.param(
            [user("q"), called(("f", "{}")), result("1"), user("b")],
            [user("q"), calling("f", "{}"), answered("f", "1"), said(RIGHT), user("b")],
            id="a-user-after-a-result",
        ),
        pytest.param(
            [called(("f", "{}")), result("1")],
            [user(GO_ON), calling("f", "{}"), answered("f", "1")],
            id="a-call-first",
        ),
        pytest.param([result("sunny"), user("b")], [user("sunny\nb")], id="a-result-without-its-call"),
        pytest.param(
            [user("q"), called(("f", "{}")), result("sunny")],
            [user("q"), calling("f", "{}"), answered("f", '{"result":"sunny"}')],
            id="a-result-that-is-no-json",
        ),
        pytest.param(
            [user("q"), called(("f", "{}")), result([{"type": "text", "text": "[1]"}])],
            [user("q"), calling("f", "{}"), answered("f", "[1]")],
            id="a-result-in-parts",
        ),
        pytest.param(
            [user("q"), called(("f", {"x": 1})), result("1", "another")],
            [user("q"), calling("f", '{"x":1}'), answered("f", "1")],
            id="arguments-as-an-object-and-an-unknown-id",
        ),
        pytest.param(
            [user("q"), called(("f", "")), result("1")],
            [user("q"), calling("f", "{}"), answered("f", "1")],
            id="no-arguments",
        ),
        pytest.param(
            [
                user("q"),
                {
                    "role": "assistant",
                    "content": None,
                    "function_call": {"name": "f", "arguments": "{}", "thoughts": "t"},
                },
                {"role": "function", "name": "f", "content": "1"},
            ],
            [
                user("q"),
                {"role": "assistant", "function_call": {"name": "f", "arguments": "{}", "thoughts": "t"}},
                answered("f", "1"),
            ],
            id="openais-older-form",
        ),
    ],
)
def test_tool_calls_become_function_calls_one_a_turn(messages, turns):
    made = sent(messages=messages)["messages"]
    assert made == turns
    assert len(made) % 2 == 1


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param(None, id="none"),
        pytest.param([], id="empty"),
        pytest.param("hi", id="text"),
        pytest.param([user("")], id="no-text"),
        pytest.param([said("")], id="no-text-of-the-assistant"),
        pytest.param([system("")], id="no-text-of-the-system"),
        pytest.param([{"content": "a"}], id="no-role"),
        pytest.param([{"role": "wizard", "content": "a"}], id="unknown-role"),
        pytest.param([user(7)], id="content-is-a-number"),
        pytest.param([user([{"type": "input_audio", "input_audio": {}}])], id="audio"),
        pytest.param([user("q"), called(("f", "{}"))], id="a-call-without-result"),
        pytest.param([user("q"), called(("f", "{}"), ("g", "{}")), result("1")], id="one-result-of-two"),
        pytest.param([user("q"), called(("", "{}")), result("1")], id="a-call-without-name"),
        pytest.param([user("q"), called(("f", "{}")), result("1"), result("2", "x")], id="a-result-too-many"),
        pytest.param([user("q"), {"role": "assistant", "function_call": "f"}], id="a-call-that-is-text"),
    ],
)
def test_a_conversation_that_cannot_be_said_is_the_clients_fault(messages):
    with pytest.raises(BodyError) as caught:
        sent(messages=messages)
    assert caught.value.param == "messages"


def test_the_request_is_not_changed():
    made = call(
        messages=[system("s"), user("a"), user([PICTURE]), called(("f", "{}")), result("1"), said("b")]
    )
    before = copy.deepcopy(made.body.tree)
    chat_body(made, Service("chat/x", "FCRMPV"))
    assert made.body.tree == before


# The system's text.


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([system("a"), user("q")], "a"),
        ([system("a"), user("q"), system("b", "developer")], "a\nb"),
        ([system([{"type": "text", "text": "a"}]), user("q")], "a"),
        ([system(""), system("b"), user("q")], "b"),
    ],
)
def test_what_the_system_says_stands_at_the_top(messages, text):
    made = sent(messages=messages)
    assert (made["system"], made["messages"]) == (text, [user("q")])


def test_baidus_own_field_for_it_is_kept():
    assert sent(messages=[system("a"), user("q")], system="b")["system"] == "b\na"


@pytest.mark.parametrize(
    ("messages", "turns"),
    [
        ([system("s"), user("q")], [user("s\nq")]),
        ([system("s"), said("a"), user("q")], [user(f"s\n{GO_ON}"), said("a"), user("q")]),
    ],
)
def test_a_service_without_a_place_for_it_gets_it_in_the_first_turn(messages, turns):
    made = sent(Service("chat/x", "TC"), messages=messages)
    assert made["messages"] == turns
    assert "system" not in made


# Pictures.


@pytest.mark.parametrize(
    ("messages", "content"),
    [
        ([user([{"type": "text", "text": "a"}, PICTURE])], [{"type": "text", "text": "a"}, PICTURE]),
        ([user("a"), user([PICTURE])], [{"type": "text", "text": "a"}, PICTURE]),
    ],
)
def test_a_service_that_takes_pictures_gets_the_parts(messages, content):
    assert sent(messages=messages)["messages"] == [user(content)]


def test_a_picture_for_a_service_of_text_is_the_clients_fault():
    with pytest.raises(BodyError, match="image_url"):
        sent(Service("chat/x", "FCRMPY"), messages=[user([PICTURE])])


def test_a_question_about_a_picture_has_its_own_shape():
    made = call(
        messages=[user([{"type": "text", "text": "what?"}, PICTURE])],
        temperature=0,
        top_k=3,
        stop="x",
        seed=1,
    )
    assert image_question(made) == (
        {"prompt": "what?", "image": "iVBORw0KGgo=", "top_k": 3, "temperature": 0.01, "stop": ["x"]},
        ("seed",),
    )


@pytest.mark.parametrize(
    "content",
    ["what?", [{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}], [{"type": "image_url"}]],
)
def test_a_question_without_the_pictures_bytes_is_the_clients_fault(content):
    with pytest.raises(BodyError):
        image_question(call(messages=[user(content)]))


# Settings.


@pytest.mark.parametrize(
    ("fields", "settings"),
    [
        ({}, {}),
        ({"temperature": 0}, {"temperature": 0.01}),
        ({"temperature": 0.3}, {"temperature": 0.3}),
        ({"temperature": 1.7}, {"temperature": 1.0}),
        ({"temperature": "hot"}, {"temperature": "hot"}),
        ({"temperature": None}, {}),
        ({"top_p": 1.2}, {"top_p": 1.0}),
        ({"top_p": 0}, {"top_p": 0.0}),
        ({"max_tokens": 1}, {"max_output_tokens": 2}),
        ({"max_tokens": 300}, {"max_output_tokens": 300}),
        ({"max_tokens": 100_000}, {"max_output_tokens": 2048}),
        ({"max_completion_tokens": 7, "max_tokens": 300}, {"max_output_tokens": 7}),
        ({"stop": "x"}, {"stop": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop": ["x", "y"]}),
        ({"user": "ann"}, {"user_id": "ann"}),
        ({"response_format": {"type": "json_object"}}, {"response_format": "json_object"}),
        ({"response_format": {"type": "text"}}, {"response_format": "text"}),
        (
            {"frequency_penalty": 0.5, "presence_penalty": 1},
            {"frequency_penalty": 0.5, "presence_penalty": 1},
        ),
        ({"n": 1}, {}),
        ({"stream": False, "stream_options": {"include_usage": True}}, {}),
        (
            {
                "disable_search": True,
                "enable_citation": True,
                "penalty_score": 1.2,
                "top_k": 5,
                "brand_new": {"a": 1},
            },
            {
                "disable_search": True,
                "enable_citation": True,
                "penalty_score": 1.2,
                "top_k": 5,
                "brand_new": {"a": 1},
            },
        ),
    ],
)
def test_settings_have_baidus_names_and_ranges(fields, settings):
    made, dropped = chat_body(call(**fields), ALL)
    assert (made, dropped) == ({"messages": [user("hi")], **settings}, ())


def test_a_stream_is_asked_for():
    assert chat_body(call(stream=True), ALL)[0]["stream"] is True


def test_a_service_whose_limit_is_not_known_gets_what_was_asked_for():
    assert sent(Service("chat/x"), max_tokens=100_000)["max_output_tokens"] == 100_000


def test_more_than_one_choice_is_the_clients_fault():
    with pytest.raises(BodyError) as caught:
        sent(n=2)
    assert caught.value.param == "n"


@pytest.mark.parametrize(
    ("takes", "fields"),
    [
        ("FCRMPY", {"seed": 1}),
        ("FCRMPY", {"logit_bias": {"1": 1}}),
        ("FCRMPY", {"logprobs": True}),
        ("FCRMPY", {"parallel_tool_calls": False}),
        ("FCRMPY", {"reasoning_effort": "low"}),
        ("FCRMPY", {"response_format": {"type": "json_schema", "json_schema": {}}}),
        ("FCMPY", {"response_format": {"type": "json_object"}}),
        ("FCRMY", {"frequency_penalty": 0.5}),
        ("FCRPY", {"max_tokens": 5}),
        ("FCRPY", {"max_completion_tokens": 5}),
        ("CRMPY", {"tools": [{"type": "function", "function": {"name": "f"}}]}),
        ("FRMPY", {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        ("FCRMPY", {"tool_choice": "required"}),
    ],
)
def test_what_a_service_has_no_place_for_is_dropped_refused_or_passed(takes, fields):
    service, (name,) = Service("chat/x", takes), fields
    assert chat_body(call(**fields), service) == ({"messages": [user("hi")]}, (name,))
    assert chat_body(call(rule="pass", **fields), service) == ({"messages": [user("hi")], **fields}, ())
    with pytest.raises(BodyError) as caught:
        chat_body(call(rule="reject", **fields), service)
    assert caught.value.param == name


# Functions.


TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
FUNCTION = TOOL["function"]
NAMED = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("takes", "fields", "made"),
    [
        ("FCY", {"tools": [TOOL]}, {"functions": [FUNCTION]}),
        ("TCY", {"tools": [TOOL]}, {"tools": [TOOL]}),
        ("FCY", {"functions": [FUNCTION]}, {"functions": [FUNCTION]}),
        ("TCY", {"functions": [FUNCTION]}, {"tools": [TOOL]}),
        ("FCY", {"tools": [TOOL], "tool_choice": "auto"}, {"functions": [FUNCTION]}),
        ("FY", {"tools": [TOOL], "tool_choice": "none"}, {}),
        ("FY", {"functions": [FUNCTION], "function_call": "none"}, {}),
        ("FCY", {"tools": [TOOL], "tool_choice": NAMED}, {"functions": [FUNCTION], "tool_choice": NAMED}),
        (
            "FCY",
            {"functions": [FUNCTION], "function_call": {"name": "f"}},
            {"functions": [FUNCTION], "tool_choice": NAMED},
        ),
        ("FCY", {"tools": []}, {}),
        (
            "FCY",
            {"tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": None}}]},
            {
                "functions": [
                    {"name": "f", "description": "f", "parameters": {"type": "object", "properties": {}}}
                ]
            },
        ),
        (
            "FCY",
            {"functions": [{**FUNCTION, "responses": {"type": "object"}, "examples": [[]]}]},
            {"functions": [{**FUNCTION, "responses": {"type": "object"}, "examples": [[]]}]},
        ),
    ],
)
def test_functions_are_offered_as_the_service_takes_them(takes, fields, made):
    assert chat_body(call(**fields), Service("chat/x", takes)) == ({"messages": [user("hi")], **made}, ())


def test_functions_that_are_no_list_are_the_clients_fault():
    with pytest.raises(BodyError):
        sent(functions="f")
