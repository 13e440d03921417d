"""Conversations as content blocks, in Anthropic's words."""

import orjson
import pytest
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.adapters.parts.blocks import conversation, tool_id
from canalgate.plugins import BodyError
from wired import asked, call, chat

PNG = "data:image/png;base64,iVBORw0KGgo="
TEXT = {"type": "text", "text": "see"}
CACHED = {"cache_control": {"type": "ephemeral"}}


def talk(*messages):
    return conversation(call(OpenAIAdapter(), chat(*messages)))


def image(url):
    return {"type": "image_url", "image_url": {"url": url}}


def file(**what):
    return {"type": "file", "file": what}


def source(part):
    (turn,) = talk({"role": "user", "content": [part]}).turns
    return turn["content"][0]["type"], turn["content"][0]["source"]


def base64(media_type, data):
    return {"type": "base64", "media_type": media_type, "data": data}


def test_the_systems_messages_stand_apart_wherever_they_were():
    found = talk(
        {"role": "system", "content": "be brief"},
        "hi",
        {"role": "developer", "content": [{"type": "text", "text": "be kind", **CACHED}]},
    )
    assert found.system == [
        {"type": "text", "text": "be brief"},
        {"type": "text", "text": "be kind", **CACHED},
    ]
    assert found.turns == [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]


def test_turns_of_one_role_are_joined():
    found = talk("a", "b", {"role": "assistant", "content": "c"}, {"role": "assistant", "content": "d"}, "e")
    assert [(turn["role"], len(turn["content"])) for turn in found.turns] == [
        ("user", 2),
        ("assistant", 2),
        ("user", 1),
    ]


def test_parallel_calls_and_their_results_are_two_turns():
    found = talk(
        "hi",
        {
            "role": "assistant",
            "content": "so",
            "tool_calls": [asked("a", "f", '{"x":1}'), asked("b", "g", "")],
        },
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": [TEXT, image(PNG)]},
        "and?",
    )
    picture = {"type": "image", "source": base64("image/png", "iVBORw0KGgo=")}
    assert found.turns[1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "so"},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
                {"type": "tool_use", "id": "b", "name": "g", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "1"}]},
                {"type": "tool_result", "tool_use_id": "b", "content": [TEXT, picture]},
                {"type": "text", "text": "and?"},
            ],
        },
    ]


def test_a_result_may_be_empty():
    calls = {"role": "assistant", "tool_calls": [asked("a", "f")]}
    found = talk("hi", calls, {"role": "tool", "tool_call_id": "a", "content": ""})
    assert found.turns[-1]["content"] == [{"type": "tool_result", "tool_use_id": "a"}]


def test_signed_thinking_goes_back_before_what_came_of_it():
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0},
        {"type": "reasoning.encrypted", "data": "enc", "index": 1},
        {"type": "reasoning.text", "text": "unsigned", "index": 2},
    ]
    message = {"role": "assistant", "content": "so", "reasoning_content": "hm", "reasoning_details": details}
    assert talk("hi", message, "and?").turns[1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "enc"},
        {"type": "text", "text": "so"},
    ]


SIGNED = [{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}]
RESULT = {"role": "tool", "tool_call_id": "a", "content": "1"}


@pytest.mark.parametrize(
    ("messages", "proven"),
    [
        (["hi"], True),
        ([{"role": "assistant", "tool_calls": [asked("a", "f")]}, RESULT], False),
        ([{"role": "assistant", "tool_calls": [asked("a", "f")], "reasoning_details": SIGNED}, RESULT], True),
        ([{"role": "assistant", "tool_calls": [asked("a", "f")]}, RESULT, "and?"], True),
        ([RESULT], True),
    ],
)
def test_only_calls_being_answered_need_their_signed_thinking(messages, proven):
    assert talk(*messages).proven is proven


@pytest.mark.parametrize("content", [None, "", "  \n", [], [{"type": "text", "text": " "}]])
def test_text_of_white_space_is_left_out_and_its_turn_with_it(content):
    found = talk("hi", {"role": "assistant", "content": content}, "and?")
    assert [turn["role"] for turn in found.turns] == ["user"]


def test_a_beginning_to_go_on_from_does_not_end_in_white_space():
    assert talk("hi", {"role": "assistant", "content": "So: \n"}).turns[-1]["content"] == [
        {"type": "text", "text": "So:"}
    ]


@pytest.mark.parametrize(
    ("part", "made"),
    [
        (image(PNG), ("image", base64("image/png", "iVBORw0KGgo="))),
        ({"type": "image_url", "image_url": PNG}, ("image", base64("image/png", "iVBORw0KGgo="))),
        (image("data:image/jpg;base64,/9j/"), ("image", base64("image/jpeg", "/9j/"))),
        (image("https://x.example/a.png"), ("image", {"type": "url", "url": "https://x.example/a.png"})),
        (image("https://x/a.PDF?b"), ("document", {"type": "url", "url": "https://x/a.PDF?b"})),
        (
            file(file_data="data:application/pdf;base64,JVBERg=="),
            ("document", base64("application/pdf", "JVBERg==")),
        ),
        (
            file(file_data="data:text/markdown;base64,w7w="),
            ("document", {"type": "text", "media_type": "text/plain", "data": "ü"}),
        ),
    ],
)
def test_images_and_files_have_their_source(part, made):
    assert source(part) == made


def test_a_file_keeps_its_name_and_its_place_in_the_cache():
    part = {**file(filename="a.pdf", file_data="data:application/pdf;base64,JVBERg=="), **CACHED}
    (turn,) = talk({"role": "user", "content": [part]}).turns
    assert turn["content"][0]["title"] == "a.pdf"
    assert turn["content"][0]["cache_control"] == CACHED["cache_control"]


def test_blocks_in_the_providers_own_words_pass():
    own = {"type": "search_result", "source": "x", "content": []}
    (turn,) = talk({"role": "user", "content": [own]}).turns
    assert turn["content"] == [own]


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": "alone"}],
        [""],
        [{"role": "function", "name": "f", "content": "1"}],
        [{"role": "narrator", "content": "x"}],
        [{"content": "x"}],
        [{"role": "user", "content": 5}],
        [{"role": "user", "content": ["x"]}],
        [{"role": "user", "content": [{"type": "text"}]}],
        [{"role": "user", "content": [{"type": "text", "text": 5}]}],
        [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA=="}}]}],
        [{"role": "user", "content": [image("")]}],
        [{"role": "user", "content": [image("/etc/passwd")]}],
        [{"role": "user", "content": [image("data:image/png,plain")]}],
        [{"role": "user", "content": [{"type": "image_url"}]}],
        [{"role": "user", "content": [file(file_id="file-1")]}],
        [{"role": "user", "content": [file(file_data="data:text/plain;base64,//8=")]}],
        [{"role": "user", "content": [file(file_data="data:text/plain;base64,?")]}],
        ["hi", {"role": "assistant", "tool_calls": {"id": "a"}}],
        ["hi", {"role": "assistant", "tool_calls": ["a"]}],
        ["hi", {"role": "assistant", "tool_calls": [{"id": "a"}]}],
        ["hi", {"role": "assistant", "tool_calls": [asked("", "f")]}],
        ["hi", {"role": "assistant", "tool_calls": [asked("a", "f", "{")]}],
        ["hi", {"role": "assistant", "tool_calls": [asked("a", "f", "[1]")]}],
        ["hi", {"role": "tool", "content": "1"}],
    ],
)
def test_what_cannot_be_said_is_the_clients_fault(messages):
    with pytest.raises(BodyError) as caught:
        talk(*messages)
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    ("given", "made"), [("call_1-A", "call_1-A"), ("functions.f:0", "functions_f_0"), ("ü", "_")]
)
def test_an_id_loses_the_characters_that_are_refused(given, made):
    assert tool_id(given) == made


def test_the_clients_body_stays_as_it_was():
    own = {"type": "search_result", "content": []}
    messages = [{"role": "user", "content": [own]}, "x", {"role": "assistant", "content": "y "}]
    made = call(OpenAIAdapter(), chat(*messages))
    before = orjson.dumps(made.body.tree)
    conversation(made)
    assert orjson.dumps(made.body.tree) == before
