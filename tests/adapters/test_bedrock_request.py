"""What Bedrock is sent for a request of OpenAI's shape."""

import orjson
import pytest
from canalgate.adapters.bedrock.adapter import BedrockAdapter
from canalgate.plugins import BodyError
from wired import asked, call, chat, dropped, function, sent

ADAPTER = BedrockAdapter()
CLAUDE = "us.anthropic.claude-sonnet-4-20250514-v1:0"
CLAUDE_45 = "anthropic.claude-haiku-4-5-20251001-v1:0"
ADAPTIVE = "us.anthropic.claude-opus-4-7"
NOVA = "us.amazon.nova-2-lite-v1:0"
OSS = "openai.gpt-oss-120b-1:0"
KIMI = "moonshot.kimi-k2-thinking"
PNG = "data:image/png;base64,iVBORw0KGgo="
WEATHER = function("weather", description="d", parameters={"type": "object", "properties": {"city": {}}})
SPEC = {
    "toolSpec": {
        "name": "weather",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {}}}},
        "description": "d",
    }
}
EMPTY_SPEC = {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}
CACHED = {"cache_control": {"type": "ephemeral"}}
POINT = {"cachePoint": {"type": "default"}}
CALLED = (
    "hi",
    {"role": "assistant", "tool_calls": [asked("a", "f", '{"x":1}')]},
    {"role": "tool", "tool_call_id": "a", "content": "1"},
)


def send(model=NOVA, **fields):
    return sent(ADAPTER, chat(**fields), model=model)


def blocks(*parts):
    (turn,) = sent(ADAPTER, chat({"role": "user", "content": list(parts)}))["messages"]
    return turn["content"]


def test_a_plain_chat_is_nothing_but_its_messages():
    assert send() == {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}


def test_settings_have_their_places_and_the_rest_is_the_models():
    assert send(
        KIMI,
        temperature=1.5,
        top_p=0.5,
        stop="END",
        max_tokens=9,
        stream=True,
        top_k=3,
        additionalModelRequestFields={"a": 1},
        guardrailConfig={"guardrailIdentifier": "g"},
    ) == {
        "guardrailConfig": {"guardrailIdentifier": "g"},
        "messages": [{"role": "user", "content": [{"text": "hi"}]}],
        "inferenceConfig": {"maxTokens": 9, "temperature": 1, "topP": 0.5, "stopSequences": ["END"]},
        "additionalModelRequestFields": {"top_k": 3, "a": 1},
    }


def test_system_tools_and_messages_have_cache_points_where_the_client_wants_them():
    part = {"type": "text", "text": "a", **CACHED}
    body = sent(
        ADAPTER,
        chat(
            {"role": "system", "content": [part]},
            {"role": "user", "content": [part, {"type": "text", "text": "b"}]},
            tools=[function("f", **CACHED), WEATHER],
        ),
    )
    assert body["system"] == [{"text": "a"}, POINT]
    assert body["messages"] == [{"role": "user", "content": [{"text": "a"}, POINT, {"text": "b"}]}]
    assert body["toolConfig"] == {"tools": [{"toolSpec": EMPTY_SPEC}, POINT, SPEC]}


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (None, {"tools": [SPEC]}),
        ("auto", {"tools": [SPEC], "toolChoice": {"auto": {}}}),
        ("required", {"tools": [SPEC], "toolChoice": {"any": {}}}),
        (
            {"type": "function", "function": {"name": "weather"}},
            {"tools": [SPEC], "toolChoice": {"tool": {"name": "weather"}}},
        ),
        ("none", None),
    ],
)
def test_a_choice_of_tools_in_bedrocks_words(choice, config):
    assert send(tools=[WEATHER], tool_choice=choice).get("toolConfig") == config


def test_tools_stay_where_the_conversation_has_calls_in_it():
    body = chat(*CALLED, tools=[WEATHER], tool_choice="none")
    assert sent(ADAPTER, body)["toolConfig"] == {"tools": [SPEC]}
    assert dropped(ADAPTER, body) == ("tool_choice",)


def test_calls_of_tools_that_are_offered_no_more_still_have_a_declaration():
    assert sent(ADAPTER, chat(*CALLED))["toolConfig"] == {"tools": [{"toolSpec": EMPTY_SPEC}]}


def test_calls_results_and_thinking_in_bedrocks_words():
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0},
        {"type": "reasoning.encrypted", "data": "enc", "index": 1},
    ]
    messages = ("hi", {**CALLED[1], "content": "so", "reasoning_details": details}, CALLED[2])
    assert sent(ADAPTER, chat(*messages))["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
                {"reasoningContent": {"redactedContent": "enc"}},
                {"text": "so"},
                {"toolUse": {"toolUseId": "a", "name": "f", "input": {"x": 1}}},
            ],
        },
        {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": [{"text": "1"}]}}]},
    ]


def test_an_empty_result_says_so():
    messages = (*CALLED[:2], {"role": "tool", "tool_call_id": "a", "content": ""})
    result = sent(ADAPTER, chat(*messages))["messages"][-1]["content"][0]["toolResult"]
    assert result["content"] == [{"text": "(empty)"}]


@pytest.mark.parametrize(
    ("part", "made"),
    [
        (
            {"type": "image_url", "image_url": {"url": PNG}},
            {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "s3://b/a.jpg"}},
            {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://b/a.jpg"}}}},
        ),
        (
            {
                "type": "file",
                "file": {"filename": "a/b_c.pdf", "file_data": "data:application/pdf;base64,JVBE"},
            },
            {"document": {"format": "pdf", "name": "a b c pdf", "source": {"bytes": "JVBE"}}},
        ),
        (
            {"type": "file", "file": {"filename": "ü", "file_data": "data:text/csv;base64,YSxi"}},
            {"document": {"format": "txt", "name": "document", "source": {"bytes": "YSxi"}}},
        ),
        ({"guardContent": {"text": {"text": "a"}}}, {"guardContent": {"text": {"text": "a"}}}),
    ],
)
def test_parts_of_a_message_in_bedrocks_words(part, made):
    assert blocks(part) == [made]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://h/a.png"}},
        {"type": "image_url", "image_url": {"url": "https://h/a.pdf"}},
        {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AA=="}},
        {"type": "image_url", "image_url": {"url": "s3://b/a"}},
        {"type": "file", "file": {"file_data": "data:application/zip;base64,AA=="}},
        {"type": "input_audio", "input_audio": {"data": "AA=="}},
        {"type": "search_result", "content": []},
    ],
)
def test_what_bedrock_does_not_take_is_the_clients_fault(part):
    with pytest.raises(BodyError) as caught:
        blocks(part)
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    ("model", "effort", "fields", "limit"),
    [
        (CLAUDE, "low", {"thinking": {"type": "enabled", "budget_tokens": 2048}}, 10240),
        (CLAUDE, "none", None, None),
        (
            ADAPTIVE,
            "high",
            {
                "thinking": {"type": "adaptive", "display": "summarized"},
                "output_config": {"effort": "high"},
            },
            24576,
        ),
        (NOVA, "minimal", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}, None),
        (NOVA, "none", None, None),
        (OSS, "medium", {"reasoning_effort": "medium"}, None),
        (OSS, "xhigh", {"reasoning_effort": "high"}, None),
    ],
)
def test_an_effort_is_asked_for_in_each_makers_way(model, effort, fields, limit):
    body = send(model, reasoning_effort=effort)
    assert body.get("additionalModelRequestFields") == fields
    assert body.get("inferenceConfig", {}).get("maxTokens") == limit


def test_documents_of_one_name_are_told_apart():
    part = {"type": "file", "file": {"filename": "a", "file_data": "data:application/pdf;base64,JVBE"}}
    made = sent(
        ADAPTER, chat({"role": "user", "content": [part, part]}, "b", {"role": "user", "content": [part]})
    )
    documents = [block["document"]["name"] for block in made["messages"][0]["content"] if "document" in block]
    assert documents == ["a", "a (2)", "a (3)"]


def test_a_schema_and_the_clients_own_output_settings_go_together():
    body = send(CLAUDE_45, response_format=FORMAT, outputConfig={"effort": "low"})
    assert set(body["outputConfig"]) == {"effort", "textFormat"}


def test_a_schema_is_text_inside_the_output_settings():
    assert send(CLAUDE_45, response_format=FORMAT)["outputConfig"] == {
        "textFormat": {
            "type": "json_schema",
            "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "n"}},
        }
    }


@pytest.mark.parametrize(
    ("model", "fields", "names"),
    [
        (NOVA, {"n": 1, "presence_penalty": 0, "invented": 1}, ()),
        (NOVA, {"seed": 1, "user": "u", "n": 2}, ("seed", "user", "n")),
        (NOVA, {"tools": [WEATHER], "parallel_tool_calls": False}, ("parallel_tool_calls",)),
        (NOVA, {"response_format": FORMAT}, ("response_format",)),
        (KIMI, {"response_format": FORMAT}, ()),
        (CLAUDE, {"response_format": FORMAT}, ("response_format",)),
        (CLAUDE_45, {"response_format": {"type": "json_object"}}, ("response_format",)),
        (CLAUDE_45, {"temperature": 0.5, "top_p": 0.5}, ("top_p",)),
        (CLAUDE, {"temperature": 0.5, "reasoning_effort": "low"}, ("temperature",)),
        (ADAPTIVE, {"temperature": 0.5}, ("temperature",)),
        (
            NOVA,
            {"temperature": 0.5, "max_tokens": 9, "reasoning_effort": "high"},
            ("temperature", "max_tokens"),
        ),
        (KIMI, {"reasoning_effort": "low"}, ("reasoning_effort",)),
        (KIMI, {"reasoning_effort": "none"}, ()),
        (
            CLAUDE,
            {"tools": [WEATHER], "tool_choice": "required", "reasoning_effort": "low"},
            ("reasoning_effort",),
        ),
    ],
)
def test_what_a_model_cannot_take_is_named(model, fields, names):
    assert dropped(ADAPTER, chat(**fields), model=model) == names


def test_what_is_left_out_is_nowhere():
    body = send(NOVA, temperature=0.5, max_tokens=9, reasoning_effort="high")
    assert "inferenceConfig" not in body


def test_a_channel_may_refuse_what_would_be_lost():
    with pytest.raises(BodyError, match="seed"):
        ADAPTER.request(call(ADAPTER, chat(seed=1), unsupported_fields="reject"))


def test_a_channel_may_hand_everything_to_the_model():
    body = sent(ADAPTER, chat(seed=1, temperature=0.5), model=ADAPTIVE, unsupported_fields="pass")
    assert body["additionalModelRequestFields"] == {"seed": 1, "temperature": 0.5}


@pytest.mark.parametrize("given", ["x", 5, [1]])
def test_fields_for_the_model_that_are_no_object_are_bedrocks_to_judge(given):
    assert send(additionalModelRequestFields=given)["additionalModelRequestFields"] == given


def test_the_clients_body_stays_as_it_was():
    own = {"document": {"name": "a", "format": "pdf", "source": {"bytes": "JVBE"}}}
    part = {"type": "text", "text": "a", **CACHED}
    tool = function("f", **CACHED)
    user = {"role": "user", "content": [part, own, own]}
    made = call(ADAPTER, chat(user, *CALLED, tools=[tool]), model=CLAUDE)
    before = orjson.dumps(made.body.tree)
    ADAPTER.request(made)
    assert orjson.dumps(made.body.tree) == before
