"""The text in requests and answers, whatever shape clients and hosts give them."""

import json

import pytest
from canalgate.proxy.metering.text import Said, parsed, prompt_of, said_in, take_event


def prompt(endpoint, body):
    return prompt_of(endpoint, body if isinstance(body, bytes) else json.dumps(body).encode())


def chat(*messages, **more):
    return prompt("chat/completions", {"messages": list(messages), **more})


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"role": "user", "content": "hi"}, ["user", "hi"]),
        ({"role": "user", "content": [{"text": "a"}, {"type": "text", "text": "b"}]}, ["user", "a", "b"]),
        ({"role": "assistant", "content": None}, ["assistant"]),
        ({"role": "user", "content": [None, 3, {"text": 5}, {}]}, ["user"]),
        ({"role": "user", "content": 7}, ["user"]),
        ({}, []),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
            ["assistant", "f", "{}"],
        ),
        ({"tool_calls": [{"function": {"arguments": {"a": 1}}}]}, ['{"a": 1}']),
        ({"role": "assistant", "tool_calls": [None, {}, {"function": 3}]}, ["assistant"]),
        ({"role": "assistant", "function_call": {"name": "f", "arguments": "x"}}, ["assistant", "f", "x"]),
        ({"role": "tool", "tool_call_id": "c", "content": "22 degrees"}, ["tool", "22 degrees"]),
        ({"role": "assistant", "content": "a", "reasoning_content": "not sent again"}, ["assistant", "a"]),
    ],
)  # fmt: skip
def test_the_text_of_a_message_is_found(message, found):
    made = chat(message)
    assert (made.texts, made.tokens) == (found, 6)


def test_a_chat_costs_tokens_of_its_own():
    made = chat({"role": "user", "name": "ann", "content": "a"}, {"role": "user", "content": "b"})
    assert (made.tokens, made.texts) == (3 + 2 * 3 + 1, ["user", "ann", "a", "user", "b"])


def test_tools_and_the_shape_of_the_answer_count():
    made = chat(tools=[{"function": {"name": "f"}}], response_format={"type": "json_object"}, functions=[])
    assert made.texts == ['[{"function":{"name":"f"}}]', '{"type":"json_object"}']


@pytest.mark.parametrize(
    ("part", "picture"),
    [
        ({"type": "image_url", "image_url": {"url": "u", "detail": "low"}}, ("u", "low")),
        ({"type": "image_url", "image_url": {"url": "u"}}, ("u", "None")),
        ({"type": "image_url", "image_url": "u"}, ("u", "None")),
        ({"type": "input_image", "image_url": "u", "detail": "high"}, ("u", "high")),
    ],
)
def test_pictures_are_found(part, picture):
    assert chat({"role": "user", "content": [part]}).pictures == [picture]


@pytest.mark.parametrize(
    "part", [{"image_url": None}, {"image_url": {}}, {"image_url": {"url": 3}}, {"input_audio": 4}]
)
def test_broken_parts_are_no_pictures_and_no_sound(part):
    made = chat({"role": "user", "content": [part]})
    assert (made.pictures, made.audio) == ([], [])


def test_sound_in_a_prompt_is_found():
    part = {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}
    assert chat({"role": "user", "content": [part]}).audio == ["UklG"]


@pytest.mark.parametrize(
    ("endpoint", "body", "found", "tokens"),
    [
        ("completions", {"prompt": "a", "suffix": "b"}, ["a", "b"], 0),
        ("completions", {"prompt": ["a", "b"]}, ["a", "b"], 0),
        ("completions", {"prompt": [1, 2, 3]}, [], 3),
        ("completions", {"prompt": [[1, 2], [3]]}, [], 3),
        ("completions", {"prompt": None}, [], 0),
        ("embeddings", {"input": "a"}, ["a"], 0),
        ("embeddings", {"input": ["a", "b"]}, ["a", "b"], 0),
        ("embeddings", {"input": [[1, 2], [3]]}, [], 3),
        ("embeddings", {"input": [None, {}, "a"]}, ["a"], 0),
        ("moderations", {"input": [{"type": "text", "text": "a"}]}, ["a"], 0),
        ("images/generations", {"prompt": "a cat"}, ["a cat"], 0),
        ("audio/speech", {"input": "say", "instructions": "slowly"}, ["say", "slowly"], 0),
        ("rerank", {"query": "q", "documents": ["a", {"text": "b"}]}, ["a", "q", "b", "q"], 0),
        ("rerank", {"query": "q", "documents": "a"}, [], 0),
        ("responses", {"input": "a", "instructions": "i"}, ["i", "a"], 3),
        ("responses", {"input": [{"role": "user", "content": "a"}]}, ["user", "a"], 6),
        (
            "responses",
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "a"}]}]},
            ["user", "a"],
            6,
        ),
        ("responses", {"input": [{"type": "function_call_output", "output": "22"}]}, ["22"], 6),
        ("responses", {"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, ["f", "{}"], 6),
    ],
)
def test_every_endpoint_has_its_text(endpoint, body, found, tokens):
    made = prompt(endpoint, body)
    assert (made.texts, made.tokens) == (found, tokens)


@pytest.mark.parametrize(
    "endpoint", ["chat/completions", "responses", "rerank", "embeddings", "audio/speech"]
)
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"3", b"{", b"\xff", b'{"messages":5,"input":5,"documents":5}', b"[" * 5000]
)
def test_a_body_that_makes_no_sense_has_no_text(endpoint, body):
    made = prompt_of(endpoint, body)
    assert (made.texts, made.pictures) == ([], [])


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a":1}', {"a": 1}),
        (b'{"a":"\\ud800"}', {"a": "\ud800"}),
        (b'{"a":' + b"9" * 30 + b"}", {"a": int("9" * 30)}),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, {}),
    ],
    ids=range(4),
)
def test_json_that_few_parsers_take_is_parsed_or_passed_over(body, value):
    assert parsed(body)["a"] == pytest.approx(value["a"]) if value else parsed(body) == {}


# Answers.


def parts(said):
    return "".join(said.content), "".join(said.thoughts), "".join(said.calls)


def message(**fields):
    return {"choices": [{"message": {"role": "assistant", **fields}}]}


ANSWERS = [
    (message(content="a"), ("a", "", "")),
    (message(content=[{"type": "text", "text": "a"}, {"thinking": "t"}]), ("a", "t", "")),
    (message(content=None, refusal="no"), ("no", "", "")),
    (message(content="a", reasoning_content="t"), ("a", "t", "")),
    (message(content="a", reasoning="t", reasoning_content="t"), ("a", "t", "")),
    (message(content="", reasoning="t"), ("", "t", "")),
    (message(content=None, tool_calls=[{"function": {"name": "f", "arguments": "{}"}}]), ("", "", "f{}")),
    (message(audio={"transcript": "a", "data": "UklG"}), ("a", "", "")),
    ({"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]}, ("ab", "", "")),
    ({"choices": [{"text": "a"}]}, ("a", "", "")),
    ({"text": "a transcript"}, ("a transcript", "", "")),
    (
        {
            "output": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}]},
                {"type": "message", "content": [{"type": "output_text", "text": "a"}]},
                {"type": "function_call", "name": "f", "arguments": "{}"},
            ]
        },
        ("a", "t", "f{}"),
    ),
    ({"choices": None, "output": 3, "text": []}, ("", "", "")),
    ({"choices": [None, {}, {"message": None, "delta": 3, "text": 4}]}, ("", "", "")),
    ({"choices": [{"message": {"content": 3, "tool_calls": 4, "function_call": 5}}]}, ("", "", "")),
    ({}, ("", "", "")),
]


@pytest.mark.parametrize(("body", "said"), ANSWERS, ids=range(len(ANSWERS)))
def test_what_a_whole_answer_says_is_found(body, said):
    assert parts(said_in(json.dumps(body).encode())) == said


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff\xfe", b"plain text"])
def test_an_answer_that_is_no_json_says_nothing(body):
    assert said_in(body).size() == 0


def test_an_answer_that_is_a_stream_is_read_as_one():
    events = [{"choices": [{"delta": {"content": word}}]} for word in ("a", "b")]
    body = b": hello\n\n" + b"".join(b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in events)
    assert parts(said_in(body + b"data: [DONE]\n\n")) == ("ab", "", "")


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"choices": [{"delta": {"content": "a"}}]}, ("a", "", "")),
        ({"choices": [{"delta": {"role": "assistant", "content": ""}}]}, ("", "", "")),
        ({"choices": [{"delta": {}, "finish_reason": "stop"}]}, ("", "", "")),
        ({"choices": [], "usage": {"prompt_tokens": 3}}, ("", "", "")),
        ({"choices": [{"delta": {"tool_calls": [{"function": {"arguments": "{"}}]}}]}, ("", "", "{")),
        ({"type": "response.output_text.delta", "delta": "a"}, ("a", "", "")),
        ({"type": "response.refusal.delta", "delta": "no"}, ("no", "", "")),
        ({"type": "response.reasoning_summary_text.delta", "delta": "t"}, ("", "t", "")),
        ({"type": "response.function_call_arguments.delta", "delta": "{"}, ("", "", "{")),
        ({"type": "response.output_item.added", "item": {"name": "f"}}, ("", "", "f")),
        ({"type": "response.output_text.done", "text": "again"}, ("", "", "")),
        ({"type": "response.completed", "output": [{"content": [{"text": "again"}]}]}, ("", "", "")),
        ({"type": "transcript.text.delta", "delta": "a"}, ("a", "", "")),
        ({"type": "transcript.text.done", "text": "again"}, ("", "", "")),
        ({"type": "response.output_text.delta", "delta": None}, ("", "", "")),
        ({"type": 3}, ("", "", "")),
        ({}, ("", "", "")),
    ],
)
def test_an_event_says_only_what_is_new(event, said):
    made = Said()
    take_event(made, event)
    assert parts(made) == said


def test_many_pieces_are_joined_and_few_are_not():
    said = Said()
    said.content += ["a"] * 2000
    said.thoughts += ["b"] * 5
    said.join()
    assert (said.pieces(), said.texts()) == (6, ["a" * 2000])
