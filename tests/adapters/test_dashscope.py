"""DashScope: what it is sent, what its whole answers and errors mean. Its streams are in tests/wire."""

import orjson
import pytest
from calls import call, chat, failed, function, image, sent, tool_call
from canalgate.adapters.dashscope import DashScopeAdapter
from canalgate.plugins import BodyError, Channel, Credential, ErrorKind, UpstreamResponse, Usage

ADAPTER = DashScopeAdapter()
ROOT = "https://dashscope.aliyuncs.com/api/v1"
TEXT = f"{ROOT}/services/aigc/text-generation/generation"
MEDIA = f"{ROOT}/services/aigc/multimodal-generation/generation"
SEEN = {"role": "user", "content": [{"type": "text", "text": "see"}, image("https://x.example/a.png")]}


@pytest.mark.parametrize(
    ("model", "message", "way", "url"),
    [
        ("qwen-plus", "hi", "auto", TEXT),
        ("qwen-plus", SEEN, "auto", MEDIA),
        ("qwen-vl-max", "hi", "auto", MEDIA),
        ("qwen3-vl-plus", "hi", "auto", MEDIA),
        ("qvq-max", "hi", "auto", MEDIA),
        ("qwen-vl-max", "hi", "text", TEXT),
        ("my-model", "hi", "multimodal", MEDIA),
    ],
)
def test_the_address_depends_on_what_a_model_sees(model, message, way, url):
    assert ADAPTER.request(call(chat(message), model=model, way=way)).url == url


def test_a_stream_is_asked_for_in_increments_by_a_header():
    request = ADAPTER.request(call(chat(stream=True)))
    assert request.headers["x-dashscope-sse"] == "enable"
    assert request.headers["accept"] == "text/event-stream"
    assert orjson.loads(request.body)["parameters"] == {
        "result_format": "message",
        "incremental_output": True,
    }


def test_a_whole_answer_asks_for_no_stream():
    request = ADAPTER.request(call(chat()))
    assert "x-dashscope-sse" not in request.headers
    assert orjson.loads(request.body) == {
        "model": "up",
        "input": {"messages": [{"role": "user", "content": "hi"}]},
        "parameters": {"result_format": "message"},
    }


def test_tuning_goes_to_the_parameters():
    body = chat(max_tokens=9, top_p=1, temperature=2, seed=1, stop=["x"], n=2, enable_search=True, user="u")
    request = ADAPTER.request(call(body))
    assert orjson.loads(request.body)["parameters"] == {
        "result_format": "message",
        "max_tokens": 9,
        "top_p": 0.99,
        "temperature": 1.99,
        "seed": 1,
        "stop": ["x"],
        "n": 2,
        "enable_search": True,
    }
    assert request.dropped == ("user",)


@pytest.mark.parametrize(
    ("model", "fields", "thinks"),
    [
        ("qwen3-8b", {}, False),
        ("qwen3-235b-a22b", {}, False),
        ("qwen3-8b", {"stream": True}, None),
        ("qwen3-8b", {"enable_thinking": True}, True),
        ("qwen3-30b-a3b-instruct-2507", {}, None),
        ("qwen-plus", {}, None),
        ("qwen-plus", {"reasoning_effort": "high"}, True),
        ("qwen-plus", {"reasoning_effort": "none"}, False),
    ],
)
def test_a_model_that_thinks_by_default_is_kept_from_it_outside_streams(model, fields, thinks):
    parameters = sent(ADAPTER, call(chat(**fields), model=model))["parameters"]
    assert parameters.get("enable_thinking") == thinks


def test_tools_keep_openais_shape():
    tools, choice = [function("f")], {"type": "function", "function": {"name": "f"}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [tool_call("c", "f", "{}")]},
        {"role": "tool", "tool_call_id": "c", "content": "22"},
    ]
    body = sent(ADAPTER, call(chat(*messages, tools=tools, tool_choice=choice)))
    assert (body["parameters"]["tools"], body["parameters"]["tool_choice"]) == (tools, choice)
    assert body["input"]["messages"] == [
        messages[0],
        {"role": "assistant", "content": "", "tool_calls": [tool_call("c", "f", "{}")]},
        messages[2],
    ]


def test_old_functions_become_tools():
    parameters = sent(ADAPTER, call(chat(functions=[{"name": "f"}])))["parameters"]
    assert parameters["tools"] == [{"type": "function", "function": {"name": "f"}}]
    assert "functions" not in parameters


@pytest.mark.parametrize(
    ("part", "made"),
    [
        (image("https://x.example/a.png"), {"image": "https://x.example/a.png"}),
        (image("data:image/png;base64,AA"), {"image": "data:image/png;base64,AA"}),
        (
            {"type": "video_url", "video_url": {"url": "https://x.example/a.mp4"}},
            {"video": "https://x.example/a.mp4"},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}},
            {"audio": "data:audio/mp3;base64,AA"},
        ),
    ],
)
def test_media_take_dashscopes_shape(part, made):
    body = sent(
        ADAPTER, call(chat({"role": "developer", "content": "be kind"}, {"role": "user", "content": [part]}))
    )
    assert body["input"]["messages"] == [
        {"role": "system", "content": [{"text": "be kind"}]},
        {"role": "user", "content": [made]},
    ]


@pytest.mark.parametrize("part", [{"type": "file", "file": {}}, {"type": "refusal"}, {}])
def test_parts_it_cannot_take_are_refused(part):
    with pytest.raises(BodyError):
        ADAPTER.request(call(chat({"role": "user", "content": [part]})))


def test_embeddings_are_put_in_order():
    made = call({"input": ["a", "b"], "dimensions": 8, "text_type": "query"}, "embeddings")
    assert sent(ADAPTER, made) == {
        "model": "up",
        "input": {"texts": ["a", "b"]},
        "parameters": {"text_type": "query", "dimension": 8},
    }
    rows = [{"text_index": 1, "embedding": [2.0]}, {"text_index": 0, "embedding": [1.0]}]
    body = orjson.dumps({"output": {"embeddings": rows}, "usage": {"total_tokens": 6}, "request_id": "q"})
    reply = ADAPTER.reply(made, UpstreamResponse(200, {}, body))
    assert [row["embedding"] for row in orjson.loads(reply.body)["data"]] == [[1.0], [2.0]]
    assert reply.usage == Usage(6)


def test_rerank_is_translated_both_ways():
    made = call({"query": "q", "documents": ["a", "b"], "top_n": 1}, "rerank")
    request = ADAPTER.request(made)
    assert request.url == f"{ROOT}/services/rerank/text-rerank/text-rerank"
    assert orjson.loads(request.body) == {
        "model": "up",
        "input": {"query": "q", "documents": ["a", "b"]},
        "parameters": {"top_n": 1},
    }
    body = b'{"output":{"results":[{"index":1,"relevance_score":0.5}]},"usage":{"total_tokens":9}}'
    value = orjson.loads(ADAPTER.reply(made, UpstreamResponse(200, {}, body)).body)
    assert (value["results"], value["usage"]["total_tokens"]) == ([{"index": 1, "relevance_score": 0.5}], 9)


@pytest.mark.parametrize(
    ("url", "models"),
    [("", "https://dashscope.aliyuncs.com/compatible-mode/v1/models"), ("https://x.example/proxy", None)],
)
def test_models_are_listed_by_the_compatible_interface(url, models):
    request = ADAPTER.models_request(Channel(1, "c", url, "k"), Credential("k"), 1.0)
    assert (request.url if request else None) == models


REPEATED = (
    b'data:{"output":{"choices":[{"message":{"content":"ha","reasoning_content":"h"},"finish_reason":"null"}]}}\n\n'
    b'data:{"output":{"choices":[{"message":{"content":"haha","reasoning_content":"h"},"finish_reason":"null"}]}}\n\n'
    b'data:{"output":{"choices":[{"message":{"content":"haha","tool_calls":[{"index":0,"id":"c","function":'
    b'{"name":"f","arguments":"{\\"a\\""}}]},"finish_reason":"null"}]}}\n\n'
    b'data:{"output":{"choices":[{"message":{"content":"haha!","tool_calls":[{"index":0,"id":"c","function":'
    b'{"name":"f","arguments":"{\\"a\\":1}"}}]},"finish_reason":"stop"}]}}\n\n'
)


def test_a_stream_that_repeats_everything_gives_each_piece_once():
    made = call(chat(stream=True), incremental_output="off")
    assert sent(ADAPTER, made)["parameters"]["incremental_output"] is False
    stream = ADAPTER.stream(made, UpstreamResponse(200, {"content-type": "text/event-stream"}))
    chunks = (stream.feed(REPEATED) + stream.close()).split(b"\n\n")
    deltas = [
        orjson.loads(chunk[6:])["choices"][0]["delta"] for chunk in chunks if chunk.startswith(b"data: {")
    ]
    calls = [delta["tool_calls"][0]["function"] for delta in deltas if "tool_calls" in delta]
    assert "".join(delta.get("content", "") for delta in deltas) == "haha!"
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "h"
    assert "".join(item["arguments"] for item in calls) == '{"a":1}'


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "shown"),
    [
        (400, "Arrearage", "please make sure your account is in good standing", ErrorKind.BALANCE, ""),
        (400, "InvalidParameter", "the account is in arrears", ErrorKind.BALANCE, ""),
        (400, "InvalidParameter", "Range of input length should be [1, 129024]", ErrorKind.REQUEST,
         "context_length_exceeded"),
        (400, "InvalidParameter", "enable_thinking must be false", ErrorKind.REQUEST, ""),
        (400, "InvalidParameter.NotSupportEnableThinking", "no", ErrorKind.REQUEST, ""),
        (400, "BadRequest.EmptyInput", "Required input missing", ErrorKind.REQUEST, ""),
        (400, "DataInspectionFailed", "inappropriate content", ErrorKind.REQUEST, "content_filter"),
        (400, "InternalError.Algo.InvalidParameter", "bad", ErrorKind.REQUEST, ""),
        (400, "InternalError.Algo.DataInspectionFailed", "bad", ErrorKind.REQUEST, "content_filter"),
        (401, "InvalidApiKey", "Invalid API-key provided.", ErrorKind.CREDENTIAL, ""),
        (403, "AllocationQuota.FreeTierOnly", "The free tier is used up", ErrorKind.BALANCE, ""),
        (403, "AccessDenied.Unpurchased", "denied", ErrorKind.MODEL, ""),
        (403, "Model.AccessDenied", "denied", ErrorKind.MODEL, ""),
        (403, "Workspace.AccessDenied", "denied", ErrorKind.MODEL, ""),
        (404, "ModelNotFound", "Model can not be found.", ErrorKind.MODEL, "model_not_found"),
        (429, "Throttling", "throttled", ErrorKind.RATE, ""),
        (429, "Throttling.RateQuota", "rate limit exceeded", ErrorKind.RATE, ""),
        (429, "Throttling.AllocationQuota", "Allocated quota exceeded", ErrorKind.RATE, ""),
        (429, "Throttling.AllocationQuota", "Free allocated quota exceeded.", ErrorKind.BALANCE, ""),
        (429, "PostpaidBillOverdue", "overdue", ErrorKind.BALANCE, ""),
        (429, "CommodityNotPurchased", "not purchased", ErrorKind.BALANCE, ""),
        (500, "InternalError.Algo", "inference error", ErrorKind.FAULT, ""),
        (500, "SystemError", "system", ErrorKind.FAULT, ""),
        (503, "ModelUnavailable", "unavailable", ErrorKind.BUSY, ""),
        (504, "RequestTimeOut", "timed out", ErrorKind.FAULT, ""),
        (418, "Unheard.Of", "tea", ErrorKind.REQUEST, "Unheard.Of"),
    ],
)  # fmt: skip
def test_errors_are_classified_by_their_code(status, code, message, kind, shown):
    error = failed(ADAPTER, status, {"code": code, "message": message, "request_id": "q"})
    assert (error.kind, error.code, error.message, error.status) == (kind, shown, message, status)


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [("Throttling.RateQuota", ErrorKind.RATE, 429), ("InvalidParameter", ErrorKind.REQUEST, 400),
     ("ModelNotFound", ErrorKind.MODEL, 404), ("Unheard.Of", ErrorKind.FAULT, 502)],
)  # fmt: skip
def test_an_error_under_200_has_the_status_it_means(code, kind, status):
    error = failed(ADAPTER, 200, {"code": code, "message": "x", "request_id": "q"})
    assert (error.kind, error.status) == (kind, status)


@pytest.mark.parametrize("output", [None, {}, {"choices": []}, {"choices": "x"}])
def test_an_answer_without_choices_is_a_fault(output):
    assert failed(ADAPTER, 200, {"output": output, "request_id": "q"}).kind is ErrorKind.FAULT


@pytest.mark.parametrize("body", [b"", b"id:1\nevent:error\n\n", b"<html>"])
def test_an_error_status_with_an_empty_event_stream_goes_by_its_status(body):
    response = UpstreamResponse(503, {"content-type": "text/event-stream"}, body)
    assert ADAPTER.error(call(chat()), response).kind is ErrorKind.BUSY
