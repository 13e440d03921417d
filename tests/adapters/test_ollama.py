"""Ollama: what it is sent, what its whole answers and errors mean. Its streams are in tests/wire/ollama."""

import orjson
import pytest
from calls import call, chat, failed, function, image, sent, tool_call
from canalgate.adapters.ollama import OllamaAdapter
from canalgate.plugins import BodyError, Channel, Credential, ErrorKind, UpstreamResponse, Usage

ADAPTER = OllamaAdapter()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("", "http://127.0.0.1:11434/api/chat"),
        ("http://box:11434/v1/", "http://box:11434/api/chat"),
        ("http://box:11434/api", "http://box:11434/api/chat"),
        ("https://ollama.com", "https://ollama.com/api/chat"),
    ],
)
def test_an_address_is_taken_as_people_paste_it(url, address):
    assert ADAPTER.request(call(chat(), url=url)).url == address


def test_no_key_is_needed():
    ADAPTER.check(Channel(1, "c", "", ""))
    assert ADAPTER.request(call(chat(), key="")).headers == {"content-type": "application/json"}
    assert ADAPTER.request(call(chat(), key="k")).headers["authorization"] == "Bearer k"


def test_tuning_goes_to_the_options():
    body = chat(
        max_tokens=9, temperature=0, top_p=0.9, seed=1, stop=["x"], options={"num_ctx": 8192}, keep_alive="1h"
    )
    assert sent(ADAPTER, call(body)) == {
        "model": "up",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": False,
        "options": {
            "num_predict": 9,
            "temperature": 0,
            "top_p": 0.9,
            "seed": 1,
            "stop": ["x"],
            "num_ctx": 8192,
        },
        "keep_alive": "1h",
    }


def test_a_stream_is_asked_for_only_where_the_client_does():
    assert sent(ADAPTER, call(chat()))["stream"] is False
    assert sent(ADAPTER, call(chat(stream=True)))["stream"] is True


def test_what_it_has_no_place_for_is_named():
    request = ADAPTER.request(call(chat(user="u", logit_bias={"1": 1}, parallel_tool_calls=True)))
    assert request.dropped == ("user", "logit_bias")


@pytest.mark.parametrize(
    ("fields", "think"),
    [
        ({}, None),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": "minimal"}, "low"),
        ({"reasoning_effort": "high"}, "high"),
        ({"enable_thinking": False}, False),
        ({"think": True, "reasoning_effort": "low"}, True),
    ],
)
def test_an_effort_says_whether_to_think(fields, think):
    body = sent(ADAPTER, call(chat(**fields)))
    assert body.get("think") == think
    assert set(body) <= {"model", "messages", "stream", "think"}


@pytest.mark.parametrize(
    ("fields", "made"),
    [
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, "json"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}},
         {"type": "object"}),
        ({"format": "json"}, "json"),
    ],
)  # fmt: skip
def test_a_wish_for_json_is_a_format(fields, made):
    assert sent(ADAPTER, call(chat(**fields))).get("format") == made


@pytest.mark.parametrize(
    ("choice", "names"),
    [(None, ["f", "g"]), ("auto", ["f", "g"]), ("none", []), ({"function": {"name": "g"}}, ["g"])],
)
def test_a_choice_of_tools_is_made_by_what_is_offered(choice, names):
    body = sent(ADAPTER, call(chat(tools=[function("f"), function("g")], tool_choice=choice)))
    assert [tool["function"]["name"] for tool in body.get("tools", [])] == names


def test_a_must_for_tools_is_named_as_lost():
    made = call(chat(tools=[function("f")], tool_choice="required"))
    assert ADAPTER.request(made).dropped == ("tool_choice",)
    with pytest.raises(BodyError, match="tool_choice"):
        ADAPTER.request(call(made.body.tree, unsupported_fields="reject"))


def test_a_tools_answer_names_the_tool_that_was_called_last_under_its_id():
    messages = [
        {"role": "assistant", "tool_calls": [tool_call("call_0", "f", "{}")]},
        {"role": "tool", "tool_call_id": "call_0", "content": "1"},
        {"role": "assistant", "tool_calls": [tool_call("call_0", "g", '{"a":1}')], "reasoning_content": "hm"},
        {"role": "tool", "tool_call_id": "call_0", "content": "2"},
    ]
    made = sent(ADAPTER, call(chat(*messages)))["messages"]
    assert [item.get("tool_name") for item in made] == [None, "f", None, "g"]
    assert made[2] == {
        "role": "assistant",
        "content": "",
        "thinking": "hm",
        "tool_calls": [{"id": "call_0", "function": {"index": 0, "name": "g", "arguments": {"a": 1}}}],
    }


@pytest.mark.parametrize("arguments", ["{", "[]", '"x"'])
def test_arguments_that_are_no_object_are_the_clients_fault(arguments):
    message = {"role": "assistant", "tool_calls": [tool_call("c", "f", arguments)]}
    with pytest.raises(BodyError):
        ADAPTER.request(call(chat(message)))


def test_images_are_bare_base64():
    message = {
        "role": "user",
        "content": [{"type": "text", "text": "see"}, image("data:image/png;base64,AA")],
    }
    assert sent(ADAPTER, call(chat(message)))["messages"] == [
        {"role": "user", "content": "see", "images": ["AA"]}
    ]


@pytest.mark.parametrize(
    "part", [image("https://x.example/a.png"), image("data:image/png,AA"), {"type": "input_audio"}, {"x": 1}]
)
def test_parts_it_cannot_take_are_refused(part):
    with pytest.raises(BodyError):
        ADAPTER.request(call(chat({"role": "user", "content": [part]})))


def test_embeddings_are_translated_both_ways():
    made = call({"input": ["a", "b"], "dimensions": 2, "truncate": False}, "embeddings")
    assert sent(ADAPTER, made) == {"model": "up", "input": ["a", "b"], "dimensions": 2, "truncate": False}
    body = b'{"model":"up","embeddings":[[1.0],[2.0]],"prompt_eval_count":4}'
    reply = ADAPTER.reply(made, UpstreamResponse(200, {}, body))
    assert [row["embedding"] for row in orjson.loads(reply.body)["data"]] == [[1.0], [2.0]]
    assert reply.usage == Usage(4)


def test_the_list_is_of_what_was_pulled():
    request = ADAPTER.models_request(Channel(1, "c", "http://box:11434/v1", ""), Credential(""), 1.0)
    assert (request.method, request.url, request.headers) == ("GET", "http://box:11434/api/tags", {})
    assert ADAPTER.model_names(UpstreamResponse(200, {}, b'{"models":[{"name":"a:b"},{"x":1}]}')) == ("a:b",)


@pytest.mark.parametrize(
    "value", [{}, {"message": None, "done": True}, {"done": True, "done_reason": "load"}]
)
def test_an_answer_without_a_message_is_an_empty_one(value):
    reply = ADAPTER.reply(call(chat()), UpstreamResponse(200, {}, orjson.dumps(value)))
    choice = orjson.loads(reply.body)["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"], reply.usage) == ("", "stop", None)


@pytest.mark.parametrize(
    ("status", "message", "kind", "code"),
    [
        (200, "model 'nope' not found", ErrorKind.MODEL, "model_not_found"),
        (200, "an error was encountered while running the model", ErrorKind.FAULT, ""),
        (400, "registry.ollama.ai/library/x:latest does not support tools", ErrorKind.REQUEST, ""),
        (400, "invalid character 'x'", ErrorKind.REQUEST, ""),
        (400, "the input length exceeds the context length", ErrorKind.REQUEST, "context_length_exceeded"),
        (401, "unauthorized", ErrorKind.CREDENTIAL, ""),
        (403, "cloud model access is disabled", ErrorKind.MODEL, ""),
        (404, 'model "llama9" not found, try pulling it first', ErrorKind.MODEL, "model_not_found"),
        (429, "too many requests", ErrorKind.RATE, ""),
        (500, "model requires more system memory", ErrorKind.FAULT, ""),
        (502, "could not reach the cloud model", ErrorKind.FAULT, ""),
        (503, "server busy, please try again", ErrorKind.BUSY, ""),
    ],
)
def test_errors_are_classified_by_message_and_status(status, message, kind, code):
    error = failed(ADAPTER, status, {"error": message})
    assert (error.kind, error.code, error.message) == (kind, code, message)


def test_the_wait_it_asks_for_is_kept():
    assert failed(ADAPTER, 429, {"error": "slow"}, retry_after="2").retry_after == 2.0


@pytest.mark.parametrize("body", [b"404 page not found", b"<html>", b""])
def test_another_server_at_the_address_is_the_channels_fault(body):
    assert ADAPTER.error(call(chat()), UpstreamResponse(404, {}, body)).kind is ErrorKind.MODEL


def test_a_call_without_an_id_gets_one_that_no_other_turn_has():
    value = {"message": {"content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}] * 2}}
    reply = ADAPTER.reply(call(chat()), UpstreamResponse(200, {}, orjson.dumps(value)))
    calls = orjson.loads(reply.body)["choices"][0]["message"]["tool_calls"]
    assert [made["id"] for made in calls] == ["call_r_0", "call_r_1"]
