"""What Gemini is sent for a request of OpenAI's shape."""

import orjson
import pytest
from canalgate.adapters.gemini.adapter import GeminiAdapter
from canalgate.adapters.gemini.request import NO_SIGNATURE, version_of
from canalgate.plugins import BodyError
from wired import asked, call, chat, dropped, function, sent

ADAPTER = GeminiAdapter()
PNG = "data:image/png;base64,iVBORw0KGgo="
WEATHER = function("weather", description="d", parameters={"type": "object", "$defs": {}})
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}


def send(model="gemini-2.5-flash", **fields):
    return sent(ADAPTER, chat(**fields), model=model)


def contents(*messages, model="gemini-2.5-flash"):
    return sent(ADAPTER, chat(*messages), model=model)["contents"]


def signed(signature):
    return {"extra_content": {"google": {"thought_signature": signature}}}


def test_a_plain_chat_is_nothing_but_its_contents():
    assert send() == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def test_settings_have_their_places():
    body = send(
        temperature=2.5,
        top_p=0.5,
        top_k=3,
        seed=7,
        presence_penalty=0.5,
        frequency_penalty=0,
        max_tokens=9,
        stop="END",
        n=2,
        modalities=["text", "image"],
        response_format=SCHEMA,
    )
    assert body["generationConfig"] == {
        "temperature": 2,
        "topP": 0.5,
        "topK": 3,
        "presencePenalty": 0.5,
        "seed": 7,
        "maxOutputTokens": 9,
        "stopSequences": ["END"],
        "candidateCount": 2,
        "responseModalities": ["TEXT", "IMAGE"],
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
    }


def test_any_json_is_a_media_type_without_a_schema():
    config = send(response_format={"type": "json_object"})["generationConfig"]
    assert config == {"responseMimeType": "application/json"}


def test_the_clients_own_configuration_wins():
    body = send(temperature=1, generationConfig={"temperature": 0, "audioTimestamp": True}, labels={"a": "b"})
    assert body["generationConfig"] == {"temperature": 0, "audioTimestamp": True}
    assert body["labels"] == {"a": "b"}


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("gemini-1.5-flash", (1, 5)),
        ("gemini-2.5-pro-preview-05-06", (2, 5)),
        ("models/gemini-3-pro-preview", (3, 0)),
        ("gemini-3.1-pro", (3, 1)),
        ("gemini-flash-latest", (float("inf"), 0)),
        ("gemma-3-27b-it", (0, 0)),
    ],
)
def test_a_models_version_is_in_its_name(model, version):
    assert version_of(model) == version


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-flash", "minimal", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-flash", "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-flash", "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        ("gemini-2.5-flash", "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
        ("gemini-3-flash", "none", {"thinkingLevel": "minimal"}),
        ("gemini-3-flash", "xhigh", {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-3-pro-preview", "minimal", {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "medium", "includeThoughts": True}),
        ("gemini-flash-latest", "low", {"thinkingLevel": "low", "includeThoughts": True}),
    ],
)
def test_an_effort_becomes_a_budget_or_a_level(model, effort, config):
    assert send(model, reasoning_effort=effort)["generationConfig"] == {"thinkingConfig": config}


def test_what_clients_say_to_google_alone_is_heard():
    google = {"thinking_config": {"thinking_budget": 5}, "cached_content": "cachedContents/1"}
    body = send(reasoning_effort="high", extra_body={"google": google})
    assert body["generationConfig"] == {"thinkingConfig": {"thinking_budget": 5}}
    assert body["cachedContent"] == "cachedContents/1"
    assert "extra_body" not in body


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (None, None),
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (
            {"type": "function", "function": {"name": "weather"}},
            {"mode": "ANY", "allowedFunctionNames": ["weather"]},
        ),
    ],
)
def test_a_choice_of_tools_in_geminis_words(choice, config):
    body = send(tools=[WEATHER], tool_choice=choice)
    assert body.get("toolConfig") == (config and {"functionCallingConfig": config})


def test_functions_are_declared_and_own_tools_pass():
    assert send(tools=[WEATHER, function("clock", parameters={}), {"googleSearch": {}}])["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "d",
                    "parametersJsonSchema": {"type": "object", "$defs": {}},
                },
                {"name": "clock"},
            ]
        },
        {"googleSearch": {}},
    ]


def test_the_systems_messages_become_one_instruction():
    body = sent(
        ADAPTER, chat({"role": "system", "content": "a"}, "hi", {"role": "developer", "content": "b"})
    )
    assert body["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]


@pytest.mark.parametrize(
    ("part", "made"),
    [
        ({"type": "text", "text": "a"}, {"text": "a"}),
        (
            {"type": "image_url", "image_url": {"url": PNG}},
            {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://h/a.webp?x=1"}},
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://h/a.webp?x=1"}},
        ),
        (
            {"type": "image_url", "image_url": "https://h/a"},
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://h/a"}},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg=="}},
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBERg=="}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
            {"inlineData": {"mimeType": "audio/mp3", "data": "AA=="}},
        ),
        ({"videoMetadata": {"fps": 1}}, {"videoMetadata": {"fps": 1}}),
    ],
)
def test_parts_of_a_message_in_geminis_words(part, made):
    assert contents({"role": "user", "content": [part]})[0]["parts"] == [made]


def test_calls_and_results_find_each_other_by_name_and_by_geminis_own_id():
    calls = [asked("fc-1", "f", '{"x":1}'), asked("call_r_0_1", "g", "")]
    found = contents(
        "hi",
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "fc-1", "content": '{"t":3}'},
        {"role": "tool", "tool_call_id": "call_r_0_1", "content": "[1]"},
        "and?",
    )
    assert found[1:] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"name": "f", "args": {"x": 1}, "id": "fc-1"}},
                {"functionCall": {"name": "g", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "f", "response": {"t": 3}, "id": "fc-1"}},
                {"functionResponse": {"name": "g", "response": {"output": "[1]"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "and?"}]},
    ]


@pytest.mark.parametrize(
    ("content", "response"),
    [
        ("", {"output": ""}),
        ("sunny", {"output": "sunny"}),
        ("{broken", {"output": "{broken"}),
        (' {"a": 1}', {"a": 1}),
    ],
)
def test_a_functions_result_is_always_an_object(content, response):
    calls = {"role": "assistant", "tool_calls": [asked("call_1", "f")]}
    found = contents("hi", calls, {"role": "tool", "tool_call_id": "call_1", "content": content})
    assert found[-1]["parts"][0]["functionResponse"]["response"] == response


def test_a_picture_among_a_result_follows_it():
    calls = {"role": "assistant", "tool_calls": [asked("call_1", "f")]}
    content = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": PNG}}]
    found = contents("hi", calls, {"role": "tool", "tool_call_id": "call_1", "content": content})
    assert [next(iter(part)) for part in found[-1]["parts"]] == ["functionResponse", "inlineData"]


def test_signatures_go_back_to_where_they_came_from():
    message = {
        "role": "assistant",
        "content": "so",
        "tool_calls": [asked("call_1", "f", **signed("s1"))],
        **signed("s0"),
    }
    assert contents("hi", message)[1]["parts"] == [
        {"text": "so", "thoughtSignature": "s0"},
        {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "s1"},
    ]


@pytest.mark.parametrize(
    ("model", "signatures"),
    [("gemini-2.5-pro", [None, None]), ("gemini-3-pro-preview", [NO_SIGNATURE, None])],
)
def test_a_signature_the_client_did_not_keep_is_made_up_for_where_one_must_be(model, signatures):
    message = {"role": "assistant", "tool_calls": [asked("call_1", "f"), asked("call_2", "g")]}
    parts = contents("hi", message, model=model)[1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == signatures


@pytest.mark.parametrize(
    ("model", "fields", "names"),
    [
        ("gemini-2.5-pro", {"invented": 1, "n": 1, "logprobs": False}, ()),
        ("gemini-2.5-pro", {"user": "u", "logit_bias": {"1": 1}}, ("user", "logit_bias")),
        ("gemini-2.5-pro", {"tools": [WEATHER], "parallel_tool_calls": False}, ("parallel_tool_calls",)),
        ("gemini-2.5-pro", {"parallel_tool_calls": False}, ()),
        ("gemini-2.0-flash", {"reasoning_effort": "low"}, ("reasoning_effort",)),
        ("gemma-3-27b-it", {"reasoning_effort": "none"}, ("reasoning_effort",)),
    ],
)
def test_what_a_model_cannot_take_is_named(model, fields, names):
    assert dropped(ADAPTER, chat(**fields), model=model) == names


def test_a_channel_may_refuse_what_would_be_lost():
    with pytest.raises(BodyError, match="user"):
        ADAPTER.request(call(ADAPTER, chat(user="u"), unsupported_fields="reject"))


@pytest.mark.parametrize(
    ("own", "threshold"), [(None, "BLOCK_NONE"), ([{"category": "x", "threshold": "OFF"}], "OFF")]
)
def test_a_channel_may_set_what_is_blocked_unless_the_client_does(own, threshold):
    body = sent(ADAPTER, chat(**({"safetySettings": own} if own else {})), safety="BLOCK_NONE")
    assert {each["threshold"] for each in body["safetySettings"]} == {threshold}


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": "alone"}],
        [""],
        [{"role": "narrator", "content": "x"}],
        [{"role": "user", "content": [{"type": "text", "text": None}]}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "/etc/passwd"}}]}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}],
        [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}],
        [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"format": "wav"}}]}],
        ["hi", {"role": "assistant", "tool_calls": [{"id": "a", "function": {}}]}],
        ["hi", {"role": "assistant", "tool_calls": "a"}],
        ["hi", {"role": "assistant", "tool_calls": [asked("a", "f", "{")]}],
        ["hi", {"role": "tool", "tool_call_id": "unknown", "content": "1"}],
    ],
)
def test_what_cannot_be_said_is_the_clients_fault(messages):
    with pytest.raises(BodyError) as caught:
        ADAPTER.request(call(ADAPTER, chat(*messages)))
    assert caught.value.param == "messages"


@pytest.mark.parametrize("fields", [{"n": 9}, {"seed": "x"}, {"stop": 3}, {"reasoning_effort": "most"}])
def test_what_is_wrong_is_the_clients_fault(fields):
    with pytest.raises(BodyError):
        ADAPTER.request(call(ADAPTER, chat(**fields), model="gemini-2.5-pro"))


def embed(**fields):
    request = ADAPTER.request(call(ADAPTER, fields, endpoint="embeddings", model="gemini-embedding-001"))
    return request.url.rpartition("/")[2], orjson.loads(request.body), request.dropped


def test_one_text_is_embedded_by_itself():
    assert embed(input="a", dimensions=8, user="u", encoding_format="base64") == (
        "gemini-embedding-001:embedContent",
        {"outputDimensionality": 8, "content": {"parts": [{"text": "a"}]}},
        ("user",),
    )


def test_several_texts_are_a_batch():
    each = {"model": "models/gemini-embedding-001", "taskType": "CLUSTERING"}
    assert embed(input=["a", "b"], taskType="CLUSTERING")[:2] == (
        "gemini-embedding-001:batchEmbedContents",
        {
            "requests": [
                {**each, "content": {"parts": [{"text": "a"}]}},
                {**each, "content": {"parts": [{"text": "b"}]}},
            ]
        },
    )


@pytest.mark.parametrize("given", [None, [], [[1, 2]], [1, 2], {"a": 1}, ["a", None]])
def test_what_is_no_text_cannot_be_embedded(given):
    with pytest.raises(BodyError):
        embed(input=given)


def test_the_clients_body_stays_as_it_was():
    own = {"videoMetadata": {"fps": 1}}
    messages = ({"role": "user", "content": [own]}, {"role": "assistant", "content": [own], **signed("s")})
    made = call(ADAPTER, chat(*messages, tools=[WEATHER], generationConfig={}), model="gemini-3-pro")
    before = orjson.dumps(made.body.tree)
    ADAPTER.request(made)
    assert orjson.dumps(made.body.tree) == before
