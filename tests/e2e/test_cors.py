"""Pages of other sites call the model API from a browser, with the same answers on both lanes."""

import pytest
import support
from support import STREAM_END, STREAM_HEAD, chunk, delta, json_answer, parse_answer

SITE = "https://chat.example.com"
CHAT = "/v1/chat/completions"
PREFLIGHT = {"Origin": SITE, "Access-Control-Request-Method": "POST"}


def head(method, path, **fields):
    lines = [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: gateway", *lines, "", "")).encode()


async def sent(gateway, method, path, body=b"", /, **fields):
    length = {"Content-Length": len(body)} if method == "POST" else {}
    request = head(method, path, Connection="close", **length, **fields) + body
    return parse_answer(await gateway.raw(request))


@pytest.mark.parametrize(
    "path", [CHAT, "/v1/embeddings", "/models", "/v1/audio/transcriptions", "/v1/models/m"]
)
async def test_a_browser_that_asks_before_a_call_is_told_that_it_may(gateway, path):
    fields = {**PREFLIGHT, "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang"}
    answer = await sent(gateway, "OPTIONS", path, **fields)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == "authorization, *"
    assert answer.headers["access-control-allow-methods"] == "GET, POST"
    assert "access-control-allow-credentials" not in answer.headers


async def test_answers_streams_and_errors_can_be_read_by_the_page(gateway, provider):
    provider.script = lambda asked: (
        (STREAM_HEAD, chunk(delta("hi")), STREAM_END)
        if b'"stream":true' in asked.body
        else (json_answer({"id": "x", "choices": []}),)
    )
    body = b'{"model":"m","messages":[],"stream":%b}'
    key = {"Origin": SITE, "Authorization": f"Bearer {gateway.key}"}
    for answer, status in (
        (await sent(gateway, "POST", CHAT, body % b"false", **key), 200),
        (await sent(gateway, "POST", CHAT, body % b"true", **key), 200),
        (await sent(gateway, "POST", CHAT, b"{}", **key), 400),
        (await sent(gateway, "POST", CHAT, body % b"false", Origin=SITE), 401),
        (await sent(gateway, "POST", "/v1/nothing", b"", **key), 404),
        (await sent(gateway, "GET", "/v1/models", **key), 200),
    ):
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, "*")
        assert answer.headers["access-control-expose-headers"] == "*"
        assert "access-control-allow-methods" not in answer.headers


async def test_clients_that_are_no_browsers_are_told_nothing(gateway):
    answer = await sent(gateway, "GET", "/v1/models", Authorization=f"Bearer {gateway.key}")
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/api/v1/session", "/api/v1/channels", "/"])
async def test_nothing_is_allowed_where_a_session_counts(gateway, path):
    for method, fields in (("OPTIONS", PREFLIGHT), ("GET", {"Origin": SITE})):
        answer = await sent(gateway, method, path, **fields)
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("origins", "origin", "told"),
    [
        ([SITE], SITE, SITE),
        ([SITE, "http://localhost:5173"], "http://localhost:5173", "http://localhost:5173"),
        ([SITE], "https://evil.example.com", None),
        ([SITE], f"{SITE}.evil.com", None),
        ([SITE], "null", None),
        ([], SITE, None),
        (["*"], "null", "*"),
    ],
)
async def test_an_operator_names_the_sites(tmp_path, origins, origin, told):
    async with support.gateway(tmp_path, server={"cors_origins": origins}) as gateway:
        for method, path in (("OPTIONS", CHAT), ("GET", "/health/live"), ("GET", "/v1/nothing")):
            answer = await sent(gateway, method, path, **{**PREFLIGHT, "Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == told
            assert answer.headers.get("vary") == ("origin" if told not in (None, "*") else None)
