"""Cohere: what it is sent, what its whole answers and errors mean. Its streams are in tests/wire/cohere."""

import orjson
import pytest
from calls import call, chat, failed, function, image, sent, tool_call
from canalgate.adapters.cohere import CohereAdapter
from canalgate.plugins import BodyError, Channel, Credential, ErrorKind, UpstreamResponse, Usage

ADAPTER = CohereAdapter()


@pytest.mark.parametrize(
    ("url", "endpoint", "address"),
    [
        ("", "chat/completions", "https://api.cohere.com/v2/chat"),
        ("https://x.example/v2/", "chat/completions", "https://x.example/v2/chat"),
        ("https://x.example/v1", "embeddings", "https://x.example/v2/embed"),
        ("https://x.example", "rerank", "https://x.example/v2/rerank"),
    ],
)
def test_every_endpoint_is_of_version_2(url, endpoint, address):
    body = {"input": "a", "query": "a", "documents": ["b"], **chat()}
    assert ADAPTER.request(call(body, endpoint, url=url)).url == address


def test_a_request_keeps_what_is_the_same_and_renames_the_rest():
    body = chat(
        "hi",
        max_completion_tokens=9,
        top_p=1,
        top_k=4,
        stop="END",
        temperature=0.3,
        seed=7,
        presence_penalty=-1.5,
        frequency_penalty=0.5,
        safety_mode="NONE",
        stream=True,
    )
    assert sent(ADAPTER, call(body)) == {
        "model": "up",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "max_tokens": 9,
        "p": 0.99,
        "k": 4,
        "stop_sequences": ["END"],
        "temperature": 0.3,
        "seed": 7,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.5,
        "safety_mode": "NONE",
    }


def test_what_it_has_no_place_for_is_named():
    request = ADAPTER.request(call(chat(user="u", logit_bias={"1": 1}, n=2, logprobs=False, metadata=None)))
    assert request.dropped == ("user", "logit_bias", "n")
    assert set(orjson.loads(request.body)) == {"model", "messages", "stream"}


def test_a_channel_may_refuse_what_would_be_lost():
    with pytest.raises(BodyError, match="user"):
        ADAPTER.request(call(chat(user="u"), unsupported_fields="reject"))


@pytest.mark.parametrize(
    ("message", "made"),
    [
        ({"role": "developer", "content": "be kind"}, {"role": "system", "content": "be kind"}),
        (
            {"role": "system", "content": [{"type": "text", "text": "be kind"}]},
            {"role": "system", "content": "be kind"},
        ),
        (
            {"role": "user", "content": [{"type": "text", "text": "see"}, image("data:image/png;base64,AA")]},
            {"role": "user", "content": [{"type": "text", "text": "see"}, image("data:image/png;base64,AA")]},
        ),
        ({"role": "assistant", "content": "yes"}, {"role": "assistant", "content": "yes"}),
        (
            {"role": "assistant", "content": "I ask", "tool_calls": [tool_call("c", "f", "{}")]},
            {"role": "assistant", "tool_calls": [tool_call("c", "f", "{}")], "tool_plan": "I ask"},
        ),
        (
            {"role": "tool", "tool_call_id": "c", "content": "22"},
            {"role": "tool", "tool_call_id": "c", "content": "22"},
        ),
    ],
)
def test_messages_take_coheres_shape(message, made):
    assert sent(ADAPTER, call(chat(message)))["messages"] == [made]


@pytest.mark.parametrize("content", [[{"type": "input_audio", "input_audio": {}}], [{"text": "a"}], 7, [1]])
def test_parts_it_cannot_take_are_refused(content):
    with pytest.raises(BodyError):
        ADAPTER.request(call(chat({"role": "user", "content": content})))


@pytest.mark.parametrize("messages", [None, [], "hi", ["hi"]])
def test_a_chat_without_messages_is_refused(messages):
    with pytest.raises(BodyError):
        ADAPTER.request(call({"messages": messages}))


@pytest.mark.parametrize(
    ("choice", "names", "made"),
    [
        (None, ["f", "g"], None),
        ("auto", ["f", "g"], None),
        ("none", ["f", "g"], "NONE"),
        ("required", ["f", "g"], "REQUIRED"),
        ({"type": "function", "function": {"name": "g"}}, ["g"], "REQUIRED"),
    ],
)
def test_a_choice_of_one_function_offers_no_other(choice, names, made):
    body = sent(ADAPTER, call(chat(tools=[function("f"), function("g")], tool_choice=choice)))
    assert [tool["function"]["name"] for tool in body["tools"]] == names
    assert body.get("tool_choice") == made


def test_strict_functions_are_said_once_for_all():
    body = sent(ADAPTER, call(chat(tools=[function("f", strict=True)])))
    assert body["strict_tools"] is True
    assert "strict" not in body["tools"][0]["function"]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            {"type": "json_object", "json_schema": {"type": "object"}},
        ),
    ],
)
def test_a_wish_for_json_takes_coheres_shape(given, made):
    assert sent(ADAPTER, call(chat(response_format=given))).get("response_format") == made


@pytest.mark.parametrize(("effort", "made"), [("none", "disabled"), ("low", "enabled"), ("high", "enabled")])
def test_an_effort_turns_thinking_on_or_off(effort, made):
    assert sent(ADAPTER, call(chat(reasoning_effort=effort)))["thinking"] == {"type": made}


def test_embeddings_say_what_they_are_for():
    body = {"input": ["a", "b"], "dimensions": 256, "encoding_format": "base64"}
    assert sent(ADAPTER, call(body, "embeddings", input_type="search_query")) == {
        "model": "up",
        "texts": ["a", "b"],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "output_dimension": 256,
    }
    own = sent(ADAPTER, call({"input": "a", "input_type": "clustering"}, "embeddings"))
    assert own["input_type"] == "clustering"


def test_embeddings_come_back_in_openais_shape():
    body = b'{"id":"i","embeddings":{"float":[[0.5],[1.5]]},"meta":{"billed_units":{"input_tokens":4}}}'
    reply = ADAPTER.reply(call({"input": ["a", "b"]}, "embeddings"), UpstreamResponse(200, {}, body))
    value = orjson.loads(reply.body)
    assert [row["embedding"] for row in value["data"]] == [[0.5], [1.5]]
    assert (value["usage"], reply.usage) == ({"prompt_tokens": 4, "total_tokens": 4}, Usage(4))


def test_rerank_sends_texts_and_gives_them_back():
    made = call(
        {"query": "q", "documents": ["a", {"text": "b"}], "top_n": 1, "return_documents": True}, "rerank"
    )
    assert sent(ADAPTER, made) == {"model": "up", "query": "q", "documents": ["a", "b"], "top_n": 1}
    body = (
        b'{"id":"i","results":[{"index":1,"relevance_score":0.5}],"meta":{"billed_units":{"search_units":1}}}'
    )
    value = orjson.loads(ADAPTER.reply(made, UpstreamResponse(200, {}, body)).body)
    assert value["results"] == [{"index": 1, "relevance_score": 0.5, "document": {"text": "b"}}]
    assert value["meta"] == {"billed_units": {"search_units": 1}}


def test_models_are_asked_for_in_version_1():
    request = ADAPTER.models_request(Channel(1, "c", "https://x.example/v2", "k"), Credential("k"), 1.0)
    assert (request.method, request.url) == ("GET", "https://x.example/v1/models?page_size=1000")
    assert request.headers == {"authorization": "Bearer k"}


@pytest.mark.parametrize(
    ("status", "message", "kind", "code"),
    [
        (400, "too many tokens: the prompt cannot exceed 4081", ErrorKind.REQUEST, "context_length_exceeded"),
        (400, "blocked output: please adjust your prompt", ErrorKind.REQUEST, "content_filter"),
        (400, "invalid request: list of documents must not be empty", ErrorKind.REQUEST, ""),
        (401, "no api key supplied", ErrorKind.CREDENTIAL, ""),
        (402, "Please add or update your payment method", ErrorKind.BALANCE, ""),
        (403, "not allowed", ErrorKind.MODEL, ""),
        (404, "model 'nope' not found, make sure it exists", ErrorKind.MODEL, "model_not_found"),
        (404, "404 page not found", ErrorKind.MODEL, ""),
        (422, "unknown field: parameter 'x' is not a valid field", ErrorKind.REQUEST, ""),
        (429, "You are using a Trial key, which is limited to 40 calls", ErrorKind.RATE, ""),
        (498, "expired", ErrorKind.CREDENTIAL, ""),
        (499, "request cancelled", ErrorKind.FAULT, ""),
        (500, "internal server error", ErrorKind.FAULT, ""),
        (501, "not implemented", ErrorKind.MODEL, ""),
        (503, "service unavailable", ErrorKind.BUSY, ""),
        (504, "gateway timeout", ErrorKind.FAULT, ""),
    ],
)
def test_errors_are_classified_by_word_message_and_status(status, message, kind, code):
    error = failed(ADAPTER, status, {"id": "i", "message": message})
    assert (error.kind, error.code, error.message, error.status) == (kind, code, message, status)


def test_the_wait_it_asks_for_is_kept():
    assert failed(ADAPTER, 429, {"message": "slow"}, retry_after="9").retry_after == 9.0


@pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT"])
def test_a_whole_answer_that_was_given_up_is_a_fault(reason):
    value = {"id": "i", "message": {"content": []}, "finish_reason": reason}
    assert failed(ADAPTER, 200, value).kind is ErrorKind.FAULT
