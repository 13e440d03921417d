"""How hosts say that they will not answer: their statuses and the shapes of their bodies.

Composed from the hosts' error pages; see adapters/failures.py. Each is read by the adapter of its host.
"""

from __future__ import annotations

import orjson
from faulty import LENGTH, Fault, Seen, fault
from support import CUT, STREAM_END, STREAM_HEAD, chunk, event, json_answer


def _says(status: int, body: object, seen: Seen, adapter: str = "openai", **more: object) -> Fault:
    return fault(json_answer(body, status), seen=seen, adapter=adapter, **more)


def _error(**fields: object) -> dict[str, object]:
    return {"error": {"message": "no", **fields}}


def _limited(wait: str, shown: str | None, status: int = 429) -> Fault:
    body = orjson.dumps(_error())
    return fault(json_answer(body, status, f"retry-after: {wait}\r\n"), seen=status, wait=shown)


ANSWERS = {
    "OpenAI: bad key": _says(401, _error(type="invalid_request_error", code="invalid_api_key"), 502),
    "OpenAI: arrears": _says(429, _error(type="insufficient_quota", code="insufficient_quota"), 502),
    "OpenAI: too fast": _says(429, _error(type="requests", code="rate_limit_exceeded"), 429),
    "OpenAI: no such model": _says(404, _error(code="model_not_found", param="model"), 404),
    "OpenAI: bad request": _says(400, _error(type="invalid_request_error", param="messages"), 400),
    "OpenAI: too long": _says(400, _error(code="context_length_exceeded"), 400),
    "OpenAI: too large": _says(413, _error(type="invalid_request_error"), 413),
    "OpenAI: wrong type": _says(415, _error(type="invalid_request_error"), 415),
    "OpenAI: server error": _says(500, _error(type="server_error"), 502),
    "OpenAI: nothing at all": _says(500, b"", 502),
    "OpenAI: overloaded": _says(503, _error(type="server_error"), 503),
    "OpenAI: region": _says(403, _error(code="unsupported_country_region_territory"), 502),
    "Azure: bad key": _says(401, {"error": {"code": "401", "message": "Access denied"}}, 502, "azure"),
    "Azure: no such deployment": _says(404, _error(code="DeploymentNotFound"), 404, "azure"),
    "Azure: too fast": _says(429, _error(code="RateLimitReached", details="no"), 429, "azure"),
    "Azure: filtered": _says(400, _error(code="content_filter", innererror={"code": "X"}), 400, "azure"),
    "Anthropic: bad key": _says(
        401, {"type": "error", **_error(type="authentication_error")}, 502, "anthropic"
    ),
    "Anthropic: no credit": _says(
        400,
        {"type": "error", "error": {"type": "invalid_request_error", "message": "credit balance is too low"}},
        502,
        "anthropic",
    ),
    "Anthropic: too fast": _says(429, {"type": "error", **_error(type="rate_limit_error")}, 429, "anthropic"),
    "Anthropic: overloaded": _says(
        529, {"type": "error", **_error(type="overloaded_error")}, 503, "anthropic"
    ),
    "Anthropic: overloaded as first event": fault(
        STREAM_HEAD,
        chunk(b"event: error\n" + event({"type": "error", **_error(type="overloaded_error")})),
        STREAM_END,
        seen=503,
        adapter="anthropic",
    ),
    "Anthropic by OpenAI's API: overloaded": _says(
        529, {"type": "error", **_error(type="overloaded_error")}, 503
    ),
    "Gemini: bad key": _says(
        400,
        _error(code=400, status="INVALID_ARGUMENT", details=[{"reason": "API_KEY_INVALID"}]),
        502,
        "gemini",
    ),
    "Gemini: too fast": _says(
        429,
        _error(code=429, status="RESOURCE_EXHAUSTED", details=[{"@type": "x/RetryInfo", "retryDelay": "7s"}]),
        429,
        "gemini",
        wait="7",
    ),
    "Gemini: unavailable": _says(503, _error(code=503, status="UNAVAILABLE"), 503, "gemini"),
    "Gemini by OpenAI's API: a list": _says(429, [_error(code=429, status="RESOURCE_EXHAUSTED")], 429),
    "Zhipu: bad key": _says(401, {"error": {"code": "1002", "message": "no"}}, 502, "zhipu"),
    "Zhipu: arrears": _says(429, {"error": {"code": "1113", "message": "no"}}, 502, "zhipu"),
    "Zhipu: too fast": _says(429, {"error": {"code": "1302", "message": "no"}}, 429, "zhipu"),
    "Zhipu: no such model": _says(400, {"error": {"code": "1211", "message": "no"}}, 404, "zhipu"),
    "Zhipu: filtered": _says(400, {"error": {"code": "1301", "message": "no"}}, 400, "zhipu"),
    "Zhipu v3: arrears under 200": _says(200, {"code": 1113, "msg": "no", "success": False}, 502, "chatglm"),
    "Zhipu v3: too many at once": _says(200, {"code": 1302, "msg": "no", "success": False}, 429, "chatglm"),
    "Qianfan: no such model": _says(401, {"id": "as", **_error(code="invalid_model")}, 404, "qianfan"),
    "Qianfan: too fast": _says(429, _error(code="rpm_rate_limit_exceeded"), 429, "qianfan"),
    "Qianfan: overdue": _says(403, _error(code="account_overdue"), 502, "qianfan"),
    "Wenxin: busy under 200": _says(200, {"error_code": 336100, "error_msg": "no"}, 503, "wenxin"),
    "Wenxin: too fast under 200": _says(200, {"error_code": 18, "error_msg": "no"}, 429, "wenxin"),
    "Wenxin: no permission under 200": _says(200, {"error_code": 6, "error_msg": "no"}, 502, "wenxin"),
    "DashScope: arrears": _says(400, _error(code="Arrearage", type="Arrearage"), 502, "dashscope-compatible"),
    "DashScope: too fast": _says(429, _error(code="limit_requests"), 429, "dashscope-compatible"),
    "DashScope: busy": _says(503, _error(code="ServiceUnavailable"), 503, "dashscope-compatible"),
    "DashScope native: bad key": _says(401, {"code": "InvalidApiKey", "message": "no"}, 502, "dashscope"),
    "Hunyuan native: too fast under 200": _says(
        200, {"Response": {"Error": {"Code": "RequestLimitExceeded", "Message": "no"}}}, 429, "hunyuan-native"
    ),
    "Moonshot: arrears": _says(429, _error(type="exceeded_current_quota_error"), 502, "moonshot"),
    "Moonshot: too many at once": _says(
        429,
        {"error": {"type": "rate_limit_reached_error", "message": "please try again after 3 seconds"}},
        429,
        "moonshot",
        wait="3",
    ),
    "Moonshot: overloaded": _says(429, _error(type="engine_overloaded_error"), 503, "moonshot"),
    "SiliconFlow: a text": _says(401, b'"Invalid token"', 502, "siliconflow"),
    "SiliconFlow: overloaded": _says(503, {"code": 50505, "message": "no", "data": None}, 503, "siliconflow"),
    "PPIO: arrears": _says(
        403, {"code": 403, "reason": "NOT_ENOUGH_BALANCE", "message": "no", "metadata": {}}, 502, "ppio"
    ),
    "DeepSeek: arrears": _says(402, _error(code="invalid_request_error"), 502, "deepseek"),
    "MiniMax: arrears under 200": _says(
        200, {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "no"}}, 502, "minimax"
    ),
    "Spark: no licence under 200": _says(200, {"code": 11200, "message": "no", "sid": "s"}, 502, "spark"),
    "Mistral: a detail": _says(401, {"detail": "no"}, 502, "mistral"),
    "Cohere: bad key": _says(401, {"id": "i", "message": "no"}, 502, "cohere"),
    "Cohere: token gone": _says(498, {"message": "no"}, 502, "cohere"),
    "Bedrock: bad signature": _says(403, {"message": "no"}, 502, "bedrock"),
    "OpenRouter: arrears": _says(402, _error(code=402), 502, "openrouter"),
    "OpenRouter: error under 200": _says(200, _error(code=502), 502, "openrouter"),
    "xAI: bad key": _says(400, {"code": "x", "error": "Incorrect API key provided."}, 502, "xai"),
    "Ollama: no such model": _says(404, {"error": "model 'm' not found"}, 404, "ollama-native"),
    "llama.cpp: loading": _says(503, _error(code=503, type="unavailable_error"), 503, "llama-cpp"),
    "vLLM: too long": _says(
        400, {"object": "error", "message": "maximum context length is 9 tokens", "code": 400}, 400, "vllm"
    ),
    "FastAPI: a list of details": _says(422, {"detail": [{"loc": ["body"], "msg": "no"}]}, 422, "vllm"),
    "Dify: bad key": _says(401, {"code": "unauthorized", "message": "no", "status": 401}, 502, "dify"),
    "Coze: bad key under 200": _says(200, {"code": 4100, "msg": "no"}, 502, "coze"),
    "Cloudflare: a list of errors": _says(500, {"errors": [{"code": 1, "message": "no"}]}, 502),
    "nginx: a web page": fault(
        b"HTTP/1.1 502 X\r\ncontent-type: text/html\r\n" + LENGTH % 6 + b"<html>", CUT, seen=502
    ),
    "an error that breaks off": fault(b"HTTP/1.1 500 X\r\n" + LENGTH % 9 + b"{", CUT, seen=502),
    "an error without an end": fault(b"HTTP/1.1 400 X\r\n" + LENGTH % 2**40, *[b"x" * 2**20] * 4, seen=502),
    "an error nested a thousand deep": _says(500, b"[" * 1000 + b"]" * 1000, 502),
    "an error of numbers": _says(500, {"error": {"message": 1, "code": 1.5, "type": []}}, 502),
}

WAITS = {
    "429 without a wait": _says(429, _error(), 429),
    "429 with a wait": _limited("7", "7"),
    "503 with a wait": _limited("7", "7", 503),
    "429 with a huge wait": _limited("1000000000", None),
    "429 with a long wait": _limited("999999", "3600"),
    "429 with a negative wait": _limited("-5", None),
    "429 with a date": _limited("Fri, 31 Dec 9999 23:59:59 GMT", "3600"),
    "429 with a past date": _limited("Wed, 21 Oct 2015 07:28:00 GMT", "1"),
    "429 with words": _limited("soon", None),
    "429 with NaN": _limited("nan", None),
    "429 with infinity": _limited("inf", None),
    "429 with 1e400": _limited("1e400", None),
    "429 with 5000 digits": _limited("9" * 5000, None),
}
