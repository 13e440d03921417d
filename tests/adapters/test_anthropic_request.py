"""What Anthropic is sent for a request of OpenAI's shape."""

import orjson
import pytest
from canalgate.adapters.anthropic.adapter import AnthropicAdapter
from canalgate.plugins import BodyError
from wired import asked, call, chat, dropped, function, sent

ADAPTER = AnthropicAdapter()
BUDGET = "claude-sonnet-4-20250514"
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
WEATHER = function("weather", description="d", parameters={"type": "object", "properties": {"city": {}}})


def send(model="claude-haiku-4-5", **fields):
    return sent(ADAPTER, chat(**fields), model=model)


def test_a_plain_chat_has_a_limit_all_the_same():
    assert send("claude-haiku-4-5") == {
        "model": "claude-haiku-4-5",
        "max_tokens": 8192,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


@pytest.mark.parametrize(
    ("fields", "options", "limit"),
    [
        ({}, {"max_tokens": "100"}, 100),
        ({}, {"max_tokens": ""}, 8192),
        ({"max_tokens": 7}, {"max_tokens": "100"}, 7),
        ({"max_completion_tokens": 9, "max_tokens": 7}, {}, 9),
        ({"reasoning_effort": "low"}, {"max_tokens": "100"}, 2148),
        ({"reasoning_effort": "low", "max_tokens": 5000}, {}, 5000),
    ],
)
def test_the_limit_is_the_clients_or_the_channels_and_thinking_comes_on_top(fields, options, limit):
    assert sent(ADAPTER, chat(**fields), model=BUDGET, **options)["max_tokens"] == limit


def test_settings_have_their_places():
    assert send(
        "claude-3-5-haiku-latest",
        temperature=1.5,
        top_p=0.5,
        stop=["a", "\n"],
        user="u",
        stream=True,
        top_k=3,
    ) == {
        "top_k": 3,
        "model": "claude-3-5-haiku-latest",
        "max_tokens": 8192,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "temperature": 1,
        "top_p": 0.5,
        "stop_sequences": ["a"],
        "metadata": {"user_id": "u"},
        "stream": True,
    }


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
            {"type": "tool", "name": "weather"},
        ),
        ({"parallel_tool_calls": True}, None),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"parallel_tool_calls": False, "tool_choice": "required"},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        ({"parallel_tool_calls": False, "tool_choice": "none"}, {"type": "none"}),
    ],
)
def test_a_choice_of_tools_in_anthropics_words(fields, choice):
    assert send(tools=[WEATHER], **fields).get("tool_choice") == choice


def test_tools_have_a_schema_even_without_parameters():
    own = {"type": "web_search_20250305", "name": "web_search"}
    cached = function("clock", cache_control={"type": "ephemeral"})
    assert send(tools=[WEATHER, cached, own])["tools"] == [
        {
            "name": "weather",
            "input_schema": {"type": "object", "properties": {"city": {}}},
            "description": "d",
        },
        {
            "name": "clock",
            "input_schema": {"type": "object", "properties": {}},
            "cache_control": {"type": "ephemeral"},
        },
        own,
    ]


def test_a_choice_without_tools_is_nothing():
    assert set(send(tool_choice="auto", parallel_tool_calls=False)) == {"model", "max_tokens", "messages"}


def test_a_schema_becomes_an_output_format():
    body = send("claude-sonnet-4-5", response_format=FORMAT)
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}


def test_effort_schema_and_the_clients_own_output_settings_go_together():
    body = send("claude-opus-4-6", response_format=FORMAT, reasoning_effort="low", output_config={"x": 1})
    assert body["thinking"] == {"type": "adaptive"}
    assert body["output_config"] == {
        "x": 1,
        "effort": "low",
        "format": {"type": "json_schema", "schema": SCHEMA},
    }


def test_the_clients_own_words_for_thinking_pass():
    body = send(BUDGET, thinking={"type": "enabled", "budget_tokens": 3000}, reasoning_effort="low")
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 3000}


@pytest.mark.parametrize(
    ("model", "fields", "names"),
    [
        ("claude-haiku-4-5", {}, ()),
        ("claude-haiku-4-5", {"invented": 1}, ()),
        ("claude-haiku-4-5", {"n": 1, "presence_penalty": 0, "logprobs": False, "seed": None}, ()),
        ("claude-haiku-4-5", {"seed": 1, "n": 2, "logprobs": True}, ("seed", "n", "logprobs")),
        ("claude-haiku-4-5", {"metadata": {"a": "b"}, "service_tier": "flex"}, ("metadata", "service_tier")),
        ("claude-haiku-4-5", {"temperature": 0.5, "top_p": 0.5}, ("top_p",)),
        ("claude-haiku-4-5", {"response_format": {"type": "json_object"}}, ("response_format",)),
        ("claude-haiku-4-5", {"response_format": {"type": "text"}}, ()),
        (BUDGET, {"response_format": FORMAT}, ("response_format",)),
        (BUDGET, {"reasoning_effort": "low", "temperature": 0.5}, ("temperature",)),
        (BUDGET, {"reasoning_effort": "low", "temperature": 1}, ()),
        (BUDGET, {"reasoning_effort": "low", "max_tokens": 10}, ("reasoning_effort",)),
        ("claude-sonnet-5", {"temperature": 0.5, "top_k": 3}, ("temperature", "top_k")),
        ("claude-sonnet-5", {"temperature": 1, "top_p": 1}, ()),
    ],
)
def test_what_a_model_cannot_take_is_named(model, fields, names):
    assert dropped(ADAPTER, chat(**fields), model=model) == names
    assert not set(names) & set(send(model, **fields))


def test_an_effort_is_not_spent_on_calls_without_their_signed_thinking():
    messages = (
        "hi",
        {"role": "assistant", "tool_calls": [asked("a", "f")]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    )
    assert dropped(ADAPTER, chat(*messages, reasoning_effort="low"), model=BUDGET) == ("reasoning_effort",)


@pytest.mark.parametrize("fields", [{"seed": 1}, {"n": 2}, {"temperature": 0.5, "top_p": 0.5}])
def test_a_channel_may_refuse_what_would_be_lost(fields):
    with pytest.raises(BodyError):
        ADAPTER.request(call(ADAPTER, chat(**fields), model="claude-haiku-4-5", unsupported_fields="reject"))


def test_a_channel_may_pass_what_it_knows_better():
    body = sent(ADAPTER, chat(seed=1, temperature=0.5), model="claude-sonnet-5", unsupported_fields="pass")
    assert (body["seed"], body["temperature"]) == (1, 0.5)


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": "hi"},
        {"max_tokens": 0},
        {"stop": 1},
        {"temperature": "warm"},
        {"tool_choice": "any of them"},
        {"response_format": "json"},
        {"reasoning_effort": "most"},
    ],
)
def test_what_is_wrong_is_the_clients_fault(fields):
    with pytest.raises(BodyError):
        ADAPTER.request(call(ADAPTER, {**chat(), **fields}))


def test_the_clients_body_stays_as_it_was():
    messages = ("a", "b", {"role": "assistant", "content": "c "})
    made = call(ADAPTER, chat(*messages, tools=[WEATHER], output_config={"x": 1}), model="claude-opus-4-6")
    before = orjson.dumps(made.body.tree)
    ADAPTER.request(made)
    assert orjson.dumps(made.body.tree) == before
