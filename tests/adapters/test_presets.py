"""The rows of the compatible hosts and servers: what is sent to each, and what becomes of its answers."""

import orjson
import pytest
import strict
import support
from canalgate.adapters.presets.china import CHINESE_HOSTS
from canalgate.adapters.presets.hosts import HOSTS
from canalgate.adapters.presets.preset import PresetAdapter, short_id
from canalgate.adapters.presets.servers import SERVERS
from canalgate.plugins import (
    BodyError,
    Call,
    Channel,
    Credential,
    ErrorKind,
    JsonBody,
    UpstreamError,
    UpstreamResponse,
    Usage,
)
from canalgate.proxy.conformance import SPLITS, Case, cases, replay
from recordings import RECORDINGS

PRESETS = (*HOSTS, *CHINESE_HOSTS, *SERVERS)
ADAPTERS = {preset.name: PresetAdapter(preset) for preset in PRESETS}

ROWS = {
    # name: base URL, list of models, asks for usage, most inputs of an embeddings request (None: none served)
    "ppio": ("https://api.ppinfra.com/v3/openai", "/v3/openai/models", True, 0),
    "novita": ("https://api.novita.ai/v3/openai", "/v3/openai/models", True, 0),
    "siliconflow": ("https://api.siliconflow.cn/v1", "/v1/models", True, 32),
    "dashscope-compatible": (
        "https://dashscope.aliyuncs.com/compatible-mode/v1", "/compatible-mode/v1/models", True, 10,
    ),
    "deepseek": ("https://api.deepseek.com", "/models", True, None),
    "moonshot": ("https://api.moonshot.cn/v1", "/v1/models", True, None),
    "hunyuan": ("https://api.hunyuan.cloud.tencent.com/v1", "/v1/models", True, 200),
    "doubao": ("https://ark.cn-beijing.volces.com/api/v3", "/api/v3/models", True, 256),
    "minimax": ("https://api.minimaxi.com/v1", "/v1/models", False, None),
    "baichuan": ("https://api.baichuan-ai.com/v1", None, True, 16),
    "stepfun": ("https://api.stepfun.com/v1", "/v1/models", True, None),
    "yi": ("https://api.lingyiwanwu.com/v1", "/v1/models", True, None),
    "spark": ("https://spark-api-open.xf-yun.com/v1", None, False, None),
    "ai360": ("https://api.360.cn/v1", "/v1/models", True, 0),
    "openrouter": ("https://openrouter.ai/api/v1", "/api/v1/models", True, 0),
    "groq": ("https://api.groq.com/openai/v1", "/openai/v1/models", True, None),
    "mistral": ("https://api.mistral.ai/v1", "/v1/models", False, 0),
    "xai": ("https://api.x.ai/v1", "/v1/models", True, None),
    "together": ("https://api.together.xyz/v1", "/v1/models", True, 0),
    "perplexity": ("https://api.perplexity.ai", None, False, None),
    "nvidia": ("https://integrate.api.nvidia.com/v1", "/v1/models", True, 0),
    "github": ("https://models.github.ai/inference", "/catalog/models", True, 0),
    "cerebras": ("https://api.cerebras.ai/v1", "/v1/models", True, None),
    "huggingface": ("https://router.huggingface.co/v1", "/v1/models", True, None),
    "ollama": ("http://localhost:11434/v1", "/v1/models", True, 0),
    "vllm": ("http://localhost:8000/v1", "/v1/models", True, 0),
    "xinference": ("http://localhost:9997/v1", "/v1/models", True, 0),
    "llama-cpp": ("http://localhost:8080/v1", "/v1/models", True, 0),
    "lm-studio": ("http://localhost:1234/v1", "/v1/models", True, 0),
    "chatglm-openai-api": ("http://localhost:8000/v1", "/v1/models", False, 0),
}  # fmt: skip
LOCAL = {preset.name for preset in SERVERS}
NAMED = [pytest.param(name, id=name) for name in ROWS]


def call(name, body=None, endpoint="chat/completions", key="sk-k", url="", **options) -> Call:
    raw = JsonBody(orjson.dumps({"model": "m", **(body or {})}))
    stream = raw.get("stream", bool) is True
    channel = Channel(1, "c", url, key, options)
    return Call("r1", endpoint, "m", "m", stream, raw, "application/json", channel, Credential(key), 1.0)


def sent(name, body=None, **how) -> dict:
    """The body that a host gets for a client's."""
    return orjson.loads(ADAPTERS[name].request(call(name, body, **how)).body)


def error(name, body: object, status: int, **headers: str) -> UpstreamError:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return ADAPTERS[name].error(call(name), UpstreamResponse(status, headers, raw))


def test_every_preset_has_its_row():
    assert list(ADAPTERS) and set(ADAPTERS) == set(ROWS)
    assert len(PRESETS) == len(ADAPTERS)


@pytest.mark.parametrize("name", NAMED)
def test_a_chat_goes_to_the_hosts_address_signed_with_the_key(name):
    request = ADAPTERS[name].request(call(name))
    assert request.url == f"{ROWS[name][0]}/chat/completions"
    assert request.headers["authorization"] == "Bearer sk-k"


@pytest.mark.parametrize("name", NAMED)
def test_a_body_that_needs_no_change_is_the_same_object(name):
    made = call(name, {"messages": [{"role": "user", "content": "hi"}], "temperature": 0.5, "max_tokens": 5})
    request = ADAPTERS[name].request(made)
    assert request.body is made.body.raw
    assert request.dropped == ()


@pytest.mark.parametrize("name", NAMED)
def test_the_models_are_listed_where_the_host_has_its_list(name):
    request = ADAPTERS[name].models_request(Channel(1, "c", "", "sk-k"), Credential("sk-k"), 1.0)
    base, path, *_ = ROWS[name]
    root = "/".join(base.split("/")[:3])
    assert (request.url if request else None) == (f"{root}{path}" if path else None)


@pytest.mark.parametrize("name", NAMED)
def test_usage_is_asked_for_where_the_host_takes_that(name):
    assert ("stream_options" in sent(name, {"stream": True})) is ROWS[name][2]


@pytest.mark.parametrize("name", NAMED)
def test_the_limit_of_embeddings_is_stated(name):
    limit = ROWS[name][3]
    adapter = ADAPTERS[name]
    assert ("embeddings" in adapter.endpoints) is (limit is not None)
    assert adapter.embedding_inputs == (limit or 0)


@pytest.mark.parametrize("name", NAMED)
def test_a_key_is_wanted_only_by_hosts_that_have_accounts(name):
    channel = Channel(1, "c", "", "")
    if name in LOCAL:
        ADAPTERS[name].check(channel)
        assert "authorization" not in ADAPTERS[name].request(call(name, key="")).headers
    else:
        with pytest.raises(ValueError, match="needs a key"):
            ADAPTERS[name].check(channel)


@pytest.mark.parametrize("name", NAMED)
def test_a_proxy_of_ones_own_in_front_may_have_the_key(name):
    ADAPTERS[name].check(Channel(1, "c", "http://proxy.internal/v1", ""))


@pytest.mark.parametrize("name", NAMED)
def test_a_row_says_who_it_is_and_how_to_use_it(name):
    adapter = ADAPTERS[name]
    assert adapter.title and "chat/completions" in adapter.endpoints
    assert bool(adapter.key_help) is (name not in LOCAL)
    assert {option.name for option in adapter.options} >= {"ask_usage", "tidy"}
    assert adapter.models or name in LOCAL


# What is sent.


@pytest.mark.parametrize(
    ("name", "endpoint", "url"),
    [
        ("dashscope-compatible", "rerank", "https://dashscope.aliyuncs.com/compatible-api/v1/reranks"),
        (
            "dashscope-compatible",
            "embeddings",
            "https://dashscope.aliyuncs.com/compatible-mode/v1/embeddings",
        ),
        ("siliconflow", "rerank", "https://api.siliconflow.cn/v1/rerank"),
        ("github", "embeddings", "https://models.github.ai/inference/embeddings"),
        ("groq", "audio/transcriptions", "https://api.groq.com/openai/v1/audio/transcriptions"),
    ],
)
def test_an_endpoint_is_asked_where_the_host_has_it(name, endpoint, url):
    assert ADAPTERS[name].request(call(name, endpoint=endpoint)).url == url


def test_another_region_keeps_the_odd_places():
    url = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/"
    request = ADAPTERS["dashscope-compatible"].request(call("x", endpoint="rerank", url=url))
    assert request.url == "https://dashscope-intl.aliyuncs.com/compatible-api/v1/reranks"


def test_github_wants_its_version_named():
    assert ADAPTERS["github"].request(call("github")).headers["x-github-api-version"] == "2022-11-28"
    listed = ADAPTERS["github"].models_request(Channel(1, "c", "", "k"), Credential("k"), 1.0)
    assert listed.headers["x-github-api-version"] == "2022-11-28"


@pytest.mark.parametrize(
    ("name", "body", "wanted"),
    [
        ("siliconflow", {"max_completion_tokens": 5}, {"max_tokens": 5}),
        ("spark", {"max_completion_tokens": 5, "max_tokens": 7}, {"max_tokens": 7}),
        ("openrouter", {"max_completion_tokens": 5}, {"max_completion_tokens": 5}),
        ("mistral", {"seed": 1, "max_completion_tokens": 5}, {"random_seed": 1, "max_tokens": 5}),
        ("dashscope-compatible", {"top_p": 1, "temperature": 2}, {"top_p": 0.9999, "temperature": 1.9999}),
        ("dashscope-compatible", {"top_p": 0}, {"top_p": 0.0001}),
        ("moonshot", {"temperature": 1.5}, {"temperature": 1.0}),
        ("minimax", {"temperature": 0, "top_p": 0}, {"temperature": 0.01, "top_p": 0.01}),
        ("chatglm-openai-api", {"temperature": 0}, {"temperature": 0.01}),
        ("doubao", {"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}),
        ("vllm", {"guided_json": {}, "top_k": 5}, {"guided_json": {}, "top_k": 5}),
    ],
)
def test_parameters_are_put_as_the_host_knows_them(name, body, wanted):
    assert sent(name, body) == {"model": "m", **wanted}


@pytest.mark.parametrize(
    ("name", "body", "dropped"),
    [
        ("mistral", {"user": "u", "logit_bias": {"1": 2}}, ("user", "logit_bias")),
        ("mistral", {"stream": True, "stream_options": {"include_usage": True}}, ("stream_options",)),
        ("groq", {"logprobs": True}, ("logprobs",)),
        ("cerebras", {"presence_penalty": 0.5}, ("presence_penalty",)),
        ("cerebras", {"presence_penalty": 0}, ()),
    ],
)
def test_what_a_host_refuses_is_left_out_and_named(name, body, dropped):
    request = ADAPTERS[name].request(call(name, body))
    assert request.dropped == dropped
    assert not set(orjson.loads(request.body)) & {*dropped, "presence_penalty"}


def test_what_a_host_refuses_can_be_the_clients_fault():
    with pytest.raises(BodyError) as caught:
        sent("mistral", {"user": "u"}, unsupported_fields="reject")
    assert caught.value.param == "user"


ONE_CHOICE = {preset.name for preset in PRESETS if preset.one_choice}


@pytest.mark.parametrize("name", NAMED)
def test_more_choices_than_a_host_gives_are_refused_and_not_ignored(name):
    if name in ONE_CHOICE:
        with pytest.raises(BodyError) as caught:
            sent(name, {"n": 2})
        assert caught.value.param == "n"
    else:
        assert sent(name, {"n": 2})["n"] == 2
    assert sent(name, {"n": 1})["n"] == 1


THOUGHT = {"role": "assistant", "content": "a", "reasoning_content": "t"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("deepseek", THOUGHT),
        ("siliconflow", THOUGHT),
        ("groq", {"role": "assistant", "content": "a", "reasoning": "t"}),
        ("openrouter", {"role": "assistant", "content": "a", "reasoning": "t"}),
        ("mistral", {"role": "assistant", "content": "a"}),
        ("cerebras", {"role": "assistant", "content": "a"}),
    ],
)
def test_thoughts_go_back_under_the_name_their_host_takes(name, message):
    user = {"role": "user", "content": '"reasoning_content" is a field'}
    assert sent(name, {"messages": [user, THOUGHT, "odd"]})["messages"] == [user, message, "odd"]


def test_mistral_gets_short_ids_that_still_match():
    made = {"id": "call_0fypS1hVXabc", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    own = {**made, "id": "abcDEF123"}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [made, own, "odd"]},
        {"role": "tool", "tool_call_id": made["id"], "content": "1"},
        {"role": "tool", "tool_call_id": own["id"], "content": "2"},
    ]
    assistant, first, second = sent("mistral", {"messages": messages})["messages"]
    ids = [one["id"] for one in assistant["tool_calls"][:2]]
    assert ids == [first["tool_call_id"], second["tool_call_id"]]
    assert ids[1] == "abcDEF123"
    assert len(ids[0]) == 9 and ids[0].isalnum()
    assert sent("groq", {"messages": messages})["messages"] == messages


@pytest.mark.parametrize("id", [None, 7, ["x"]])
def test_what_is_no_id_stays_for_the_host_to_judge(id):
    assert short_id(id) is id


@pytest.mark.parametrize("messages", [None, "hi", {"role": "user"}])
def test_messages_that_are_no_list_go_to_the_host_as_they_are(messages):
    body = {"messages": messages, "x": {"reasoning_content": 1, "tool_calls": 1}}
    assert sent("mistral", body)["messages"] == messages


def test_the_clients_messages_are_not_changed():
    made = call("mistral", {"messages": [THOUGHT]})
    ADAPTERS["mistral"].request(made)
    assert made.body.tree["messages"] == [THOUGHT]


# What comes back.


@pytest.mark.parametrize(
    ("name", "body", "status", "kind", "code"),
    [
        ("ppio", {"code": 403, "reason": "NOT_ENOUGH_BALANCE", "message": "m"}, 403, ErrorKind.BALANCE, ""),
        ("ppio", {"code": 403, "message": "real name"}, 403, ErrorKind.MODEL, ""),
        ("novita", {"code": 404, "reason": "MODEL_NOT_FOUND"}, 404, ErrorKind.MODEL, "model_not_found"),
        ("siliconflow", b'"Invalid token"', 401, ErrorKind.CREDENTIAL, ""),
        ("siliconflow", {"code": 30003, "message": "m"}, 403, ErrorKind.MODEL, ""),
        ("siliconflow", {"message": "TPM limit reached.", "data": None}, 429, ErrorKind.RATE, ""),
        ("siliconflow", b"404 page not found", 404, ErrorKind.MODEL, ""),
        ("dashscope-compatible", {"error": {"code": "Arrearage"}}, 400, ErrorKind.BALANCE, ""),
        ("dashscope-compatible", {"error": {"code": "AllocationQuota.New"}}, 403, ErrorKind.BALANCE, ""),
        ("dashscope-compatible", {"error": {"code": "AccessDenied.Word"}}, 403, ErrorKind.MODEL, ""),
        ("dashscope-compatible", {"error": {"code": "insufficient_quota", "message": "tokens per minute"}},
         429, ErrorKind.RATE, ""),
        ("dashscope-compatible",
         {"error": {"code": "invalid_parameter_error", "message": "Range of input length should be [1, 9]"}},
         400, ErrorKind.REQUEST, "context_length_exceeded"),
        ("deepseek", {"error": {"message": "Insufficient Balance", "code": "invalid_request_error"}},
         402, ErrorKind.BALANCE, ""),
        ("moonshot", {"error": {"type": "exceeded_current_quota_error"}}, 429, ErrorKind.BALANCE, ""),
        ("moonshot", {"error": {"type": "engine_overloaded_error"}}, 429, ErrorKind.BUSY, ""),
        ("hunyuan", {"error": {"code": "AuthFailure.SecretIdNotFound"}}, 400, ErrorKind.CREDENTIAL, ""),
        ("hunyuan", {"error": {"code": "RequestLimitExceeded.GlobalRegion"}}, 400, ErrorKind.RATE, ""),
        ("doubao", {"error": {"code": "AccountOverdueError"}}, 403, ErrorKind.BALANCE, ""),
        ("doubao", {"error": {"code": "InvalidEndpointOrModel.NotFound", "type": "NotFound"}}, 404,
         ErrorKind.MODEL, "model_not_found"),
        ("doubao", {"error": {"code": "InvalidEndpoint.ClosedEndpoint"}}, 400, ErrorKind.MODEL, ""),
        ("doubao", {"error": {"code": "SensitiveContentDetected.Violence"}}, 400, ErrorKind.REQUEST,
         "content_filter"),
        ("doubao", {"error": {"code": "RateLimitExceeded.EndpointRPMExceeded"}}, 429, ErrorKind.RATE, ""),
        ("doubao", {"error": {"code": "ServerOverloaded"}}, 429, ErrorKind.BUSY, ""),
        ("doubao", {"error": {"code": "InvalidParameter"}}, 400, ErrorKind.REQUEST, "InvalidParameter"),
        ("stepfun", {"error": {"message": "m"}}, 451, ErrorKind.REQUEST, "content_filter"),
        ("openrouter", {"error": {"code": 404, "message": "No endpoints found for x"}}, 404,
         ErrorKind.MODEL, "model_not_found"),
        ("openrouter", {"error": {"code": 403, "message": 'Your input was flagged for "x"'}}, 403,
         ErrorKind.REQUEST, "content_filter"),
        ("openrouter", {"error": {"code": 403, "message": "Key limit exceeded"}}, 403, ErrorKind.BALANCE, ""),
        ("groq", {"error": {"message": "m", "code": "tool_use_failed"}}, 400, ErrorKind.REQUEST,
         "tool_use_failed"),
        ("groq", {"error": {"message": "m", "code": "rate_limit_exceeded"}}, 413, ErrorKind.RATE, ""),
        ("groq", {"error": {"message": "m"}}, 498, ErrorKind.BUSY, ""),
        ("groq", {"error": {"code": "organization_restricted"}}, 400, ErrorKind.CREDENTIAL, ""),
        ("mistral", {"detail": "Invalid API Key"}, 401, ErrorKind.CREDENTIAL, ""),
        ("mistral", {"object": "error", "type": "invalid_model", "code": "1500"}, 400, ErrorKind.MODEL,
         "model_not_found"),
        ("mistral", {"detail": [{"loc": ["body", "x"], "msg": "extra"}]}, 422, ErrorKind.REQUEST, ""),
        ("xai", {"code": "invalid-argument", "error": "Incorrect API key provided"}, 400,
         ErrorKind.CREDENTIAL, ""),
        ("together", {"error": {"code": "model_not_available"}}, 404, ErrorKind.MODEL, "model_not_found"),
        ("together", {"error": {"type": "credit_limit"}}, 429, ErrorKind.BALANCE, ""),
        ("cerebras", {"message": "m", "code": "wrong_api_key"}, 401, ErrorKind.CREDENTIAL, ""),
        ("cerebras", {"message": "m", "code": "token_quota_exceeded"}, 429, ErrorKind.RATE, ""),
        ("cerebras", {"message": "m", "code": "queue_exceeded"}, 429, ErrorKind.BUSY, ""),
        ("github", {"error": {"code": "unknown_model"}}, 400, ErrorKind.MODEL, "model_not_found"),
        ("github", {"error": {"code": "tokens_limit_reached"}}, 413, ErrorKind.REQUEST,
         "context_length_exceeded"),
        ("nvidia", {"status": 404, "detail": "Function 'x': Not found"}, 404, ErrorKind.MODEL, ""),
        ("huggingface", {"error": "You have exceeded your monthly included credits"}, 402,
         ErrorKind.BALANCE, ""),
        ("ollama", {"error": {"message": "model 'x' not found", "type": "not_found_error"}}, 404,
         ErrorKind.MODEL, "model_not_found"),
        ("vllm", {"object": "error", "message": "no", "type": "NotFoundError", "code": 404}, 404,
         ErrorKind.MODEL, "model_not_found"),
        ("vllm", {"error": "Unauthorized"}, 401, ErrorKind.CREDENTIAL, ""),
        ("xinference", {"detail": "Model not found in the model list, uid: x"}, 400, ErrorKind.MODEL,
         "model_not_found"),
        ("llama-cpp", {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503,
         ErrorKind.BUSY, ""),
        ("chatglm-openai-api", {"detail": "Invalid request"}, 400, ErrorKind.REQUEST, ""),
    ],
)  # fmt: skip
def test_a_hosts_errors_are_of_their_kind(name, body, status, kind, code):
    made = error(name, body, status)
    assert (made.kind, made.code) == (kind, code)


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (10007, ErrorKind.RATE, ""),
        (10013, ErrorKind.REQUEST, "content_filter"),
        (10015, ErrorKind.CREDENTIAL, ""),
        (10110, ErrorKind.BUSY, ""),
        (10163, ErrorKind.REQUEST, ""),
        (10907, ErrorKind.REQUEST, "context_length_exceeded"),
        (11200, ErrorKind.BALANCE, ""),
        (11201, ErrorKind.BALANCE, ""),
        (19999, ErrorKind.FAULT, ""),
    ],
)
def test_sparks_numbers_under_200_are_failures(number, kind, code):
    body = orjson.dumps({"code": number, "message": "m", "sid": "s"})
    with pytest.raises(UpstreamError) as caught:
        ADAPTERS["spark"].reply(call("spark"), UpstreamResponse(200, {}, body))
    assert (caught.value.kind, caught.value.code) == (kind, code)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1002, ErrorKind.RATE),
        (1004, ErrorKind.CREDENTIAL),
        (1008, ErrorKind.BALANCE),
        (1024, ErrorKind.FAULT),
        (1026, ErrorKind.REQUEST),
        (2013, ErrorKind.REQUEST),
        (2056, ErrorKind.RATE),
    ],
)
def test_minimaxs_numbers_under_200_are_failures(number, kind):
    body = orjson.dumps({"choices": None, "base_resp": {"status_code": number, "status_msg": "m"}})
    with pytest.raises(UpstreamError, match="m") as caught:
        ADAPTERS["minimax"].reply(call("minimax"), UpstreamResponse(200, {}, body))
    assert caught.value.kind is kind


def test_a_number_means_something_only_at_its_host():
    assert error("spark", {"code": 10013, "message": "m"}, 400).code == "content_filter"
    assert error("vllm", {"code": 10013, "message": "m"}, 400).code == "10013"


def test_openrouter_says_its_status_under_200():
    body = orjson.dumps({"error": {"code": 404, "message": "No endpoints found"}, "user_id": "u"})
    with pytest.raises(UpstreamError) as caught:
        ADAPTERS["openrouter"].reply(call("openrouter"), UpstreamResponse(200, {}, body))
    assert (caught.value.kind, caught.value.code) == (ErrorKind.MODEL, "model_not_found")


def event(**chunk) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


SPARK = b"".join(
    b"data:" + orjson.dumps({"code": 0, "message": "Success", "sid": "s", **more}) + b"\n\n"
    for more in (
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "你"}}]},
        {"choices": [{"index": 0, "delta": {"content": "好"}}]},
        {"choices": [{"index": 0, "delta": {"content": ""}}],
         "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
    )
) + b"data:[DONE]\n\n"  # fmt: skip
MINIMAX = (
    event(choices=[{"index": 0, "delta": {"content": "你"}}], usage=None, input_sensitive=False)
    + event(choices=[{"index": 0, "delta": {"content": "好"}, "finish_reason": "stop"}], usage=None)
    + event(
        choices=[{"index": 0, "message": {"role": "assistant", "content": "你好"}, "finish_reason": "stop"}],
        usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        base_resp={"status_code": 0, "status_msg": ""},
    )
)
HUNYUAN = (
    event(choices=[{"index": 0, "delta": {"role": "assistant", "content": "你"}, "finish_reason": ""}])
    + event(choices=[{"index": 0, "delta": {"content": "好"}, "finish_reason": ""}])
    + event(choices=[{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}])
    + event(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})
    + b"data: [DONE]\n\n"
)
PERPLEXITY = b"".join(
    event(
        choices=[{"index": 0, "delta": {"content": said}, "message": {"content": all}, "finish_reason": end}],
        usage={"prompt_tokens": 3, "completion_tokens": count},
        search_results=[{"title": "x" * 4000}] * 3,
    )
    for said, all, end, count in (("你", "你", None, 1), ("好", "你好", None, 2), ("", "你好", "stop", 2))
)
STREAMS = {"spark": SPARK, "minimax": MINIMAX, "hunyuan": HUNYUAN, "perplexity": PERPLEXITY}
"""The same answer as these hosts stream it, composed from their pages."""


@pytest.mark.parametrize("usage", [True, False])
@pytest.mark.parametrize("how", ["whole", "events", "bytes", "random"])
@pytest.mark.parametrize("name", STREAMS)
def test_a_hosts_own_stream_is_understood_by_a_strict_client(name, how, usage):
    body = {"stream": True, "stream_options": {"include_usage": True}} if usage else {"stream": True}
    response = UpstreamResponse(200, {"content-type": "text/event-stream"})
    stream = ADAPTERS[name].stream(call(name, body), response)
    out = b"".join(map(stream.feed, support.cuts(STREAMS[name], how))) + stream.close()
    choice = strict.read_stream(out)[0]
    assert (choice.text, choice.finish, stream.usage) == ("你好", "stop", Usage(3, 2))
    assert out.endswith(b"[DONE]\n\n")


def test_a_channel_may_want_the_bytes_as_they_are():
    adapter = ADAPTERS["minimax"]
    made = call("minimax", {"stream": True}, tidy="off")
    assert adapter.stream(made, UpstreamResponse(200, {"content-type": "text/event-stream"})) is None


# Against the recordings, as a strict client reads them.

RECORDED = {
    name: {name}
    for name in (
        "cerebras", "chatglm-openai-api", "dashscope-compatible", "deepseek", "groq", "llama-cpp", "minimax",
        "mistral", "moonshot", "ollama", "openrouter", "perplexity", "ppio", "siliconflow", "spark",
        "together", "xai", "xinference",
    )
} | {
    "huggingface": {"huggingface-router"},
    "novita": {"ppio-novita"},
    "vllm": {"vllm", "quirks", "openai"},
}  # fmt: skip
"""The recorded providers of each preset; vLLM's, which adds nothing of its own, takes the nameless too."""

DOUBLED = "together/chat-stream-text"
"""The oracle takes both the `text` and the `delta` of its chunks; a client takes one."""


def chats():
    """The recorded chats with what they mean, and the adapter of each."""
    if not RECORDINGS.is_dir():
        return
    pairs = [(name, case) for name, of in RECORDED.items() for case in cases(RECORDINGS, of)]
    for name, case in pairs:
        expected = case.expected
        if case.api == "chat.completions" and expected and expected.choices and case.title != DOUBLED:
            yield pytest.param(name, case, id=case.title)


CHATS = list(chats())


def test_the_recordings_are_at_hand(recordings):
    assert len(CHATS) > 90


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("name", "case"), CHATS)
def test_a_recorded_chat_is_understood_by_a_strict_client(name, case: Case, split):
    out = replay(ADAPTERS[name], case, split).sent
    read = strict.read_stream(out) if case.stream else strict.read(out)
    for wanted in case.expected.choices:
        said = read[wanted.index]
        assert (said.text, said.reasoning, said.finish) == (
            wanted.text, wanted.reasoning, wanted.finish_reason,
        )  # fmt: skip
        assert [one[1] for one in said.calls.values()] == [one.name for one in wanted.tool_calls]
        for one, tool in zip(said.calls.values(), wanted.tool_calls, strict=True):
            assert tool.id is None or one[0] == tool.id
            assert orjson.loads(one[2] or "{}") == orjson.loads(tool.arguments or "{}")
