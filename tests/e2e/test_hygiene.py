"""The listening side: bad HTTP, limits, framing, paths, keys, and what may never cross the gateway."""

import asyncio
import logging
import time
from contextlib import asynccontextmanager, suppress

import pytest
import support
from canalgate.proxy.records import DISABLED, ROLES, User
from canalgate.proxy.wire.endpoints import FORMS
from support import CUT, STREAM_HEAD, chunk, delta, json_answer, parse_answer

BODY = b'{"model":"m","messages":[]}'
ANSWER = b'{"id":"x","choices":[]}'
SECRET = "sk-client-secret-value"
CHAT = "POST /v1/chat/completions HTTP/1.1"


def head(*lines, first=CHAT):
    return "\r\n".join((first, "Host: gateway", *lines, "", "")).encode()


def auth(gateway):
    return f"Authorization: Bearer {gateway.key}"


def kept(gateway, body=BODY, first=CHAT):
    """A request that leaves the connection open."""
    return head(auth(gateway), f"Content-Length: {len(body)}", first=first) + body


@asynccontextmanager
async def limited(tmp_path, provider, **server):
    async with support.gateway(tmp_path, server=server) as gateway:
        await gateway.add_channel(provider, "m")
        yield gateway


@asynccontextmanager
async def connected(gateway):
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        async with asyncio.timeout(3):
            yield reader, writer
    finally:
        writer.close()


async def read_answer(reader):
    """Read one answer with a length."""
    top = await reader.readuntil(b"\r\n\r\n")
    return parse_answer(top + await reader.readexactly(int(parse_answer(top).headers["content-length"])))


# Time limits.


@pytest.mark.parametrize("data", [b"", b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_does_not_come_is_cut_off(tmp_path, provider, data):
    async with limited(tmp_path, provider, head_timeout_s=0.15) as gateway:
        begun = time.monotonic()
        assert await gateway.raw(data, timeout=2) == b""
        assert 0.1 < time.monotonic() - begun < 1


async def test_a_head_dripping_in_is_cut_off_too(tmp_path, provider):
    async with (
        limited(tmp_path, provider, head_timeout_s=0.2) as gateway,
        connected(gateway) as (reader, writer),
    ):
        for byte in b"POST /v1/":
            if not writer.transport.is_closing():
                writer.write(bytes([byte]))
            await asyncio.sleep(0.04)
        with suppress(ConnectionError):
            assert await reader.read() == b""


async def test_a_stalled_body_gets_408(tmp_path, provider):
    async with limited(tmp_path, provider, body_idle_s=0.15) as gateway:
        answer = parse_answer(await gateway.raw(head(auth(gateway), "Content-Length: 50") + b'{"mo'))
        assert (answer.status, answer.error["code"]) == (408, "body_timeout")


async def test_an_idle_connection_is_closed(tmp_path, provider):
    provider.says(json_answer(ANSWER))
    async with limited(tmp_path, provider, keepalive_s=0.2) as gateway:
        assert parse_answer(await gateway.raw(kept(gateway), timeout=2)).status == 200


async def test_a_slow_next_head_is_cut_off_too(tmp_path, provider):
    provider.says(json_answer(ANSWER))
    async with (
        limited(tmp_path, provider, head_timeout_s=0.2, keepalive_s=30.0) as gateway,
        connected(gateway) as (reader, writer),
    ):
        writer.write(kept(gateway))
        await read_answer(reader)
        writer.write(b"POST /v1/chat")
        async with asyncio.timeout(2):
            assert await reader.read() == b""


async def test_an_idle_connection_outlives_the_limit_for_a_head(tmp_path, provider):
    provider.says(json_answer(ANSWER))
    async with (
        limited(tmp_path, provider, head_timeout_s=0.2, keepalive_s=30.0) as gateway,
        connected(gateway) as (reader, writer),
    ):
        for _ in range(2):
            writer.write(kept(gateway))
            assert (await read_answer(reader)).status == 200
            await asyncio.sleep(0.4)


# Bad HTTP.

BAD_HTTP = {
    "garbage": f"\x00\x01 {SECRET}\r\n\r\n".encode(),
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SECRET.encode(),
    "bad version": head(f"Authorization: {SECRET}", first="GET / HTTP/x"),
    "version before 1.0": head(f"Authorization: {SECRET}", first="GET / HTTP/0.9"),
    "no version": b"GET /\r\n\r\n",
    "bad header name": head(f"Bad Name: {SECRET}"),
    "header without colon": head(SECRET),
    "line folding": head("X-A: b", f" {SECRET}"),
    "nul in value": head(f"Authorization: {SECRET}\x00"),
    "bad length": head(f"Authorization: {SECRET}", "Content-Length: 1x"),
    "negative length": head(f"Authorization: {SECRET}", "Content-Length: -1"),
    "double length": head(f"Authorization: {SECRET}", "Content-Length: 1", "Content-Length: 2"),
    "equal lengths": head(f"Authorization: {SECRET}", "Content-Length: 1", "Content-Length: 1"),
    "length and chunked": head(f"Authorization: {SECRET}", "Content-Length: 5", "Transfer-Encoding: chunked")
    + b"0\r\n\r\n",
    "unknown coding": head(f"Authorization: {SECRET}", "Transfer-Encoding: chunked, identity"),
    "double auth": head(f"Authorization: {SECRET}", f"Authorization: {SECRET}2", "Connection: close"),
    "double x-api-key": head(f"X-API-Key: {SECRET}", f"x-api-key: {SECRET}", "Connection: close"),
    "double host": head("Host: other", f"Authorization: {SECRET}", "Content-Length: 0"),
    "long header": head(f"X-Long: {SECRET}{'a' * 70000}"),
}


@pytest.mark.parametrize("name", BAD_HTTP)
async def test_bad_http_gets_400_that_quotes_nothing(gateway, caplog, name):
    caplog.set_level(logging.DEBUG)
    answer = parse_answer(await gateway.raw(BAD_HTTP[name]))
    assert answer.status == 400
    assert answer.error["message"]
    assert "x-request-id" in answer.headers
    assert SECRET.encode() not in answer.raw
    assert SECRET not in caplog.text


async def test_a_badly_framed_chunked_body_gets_400(gateway, provider):
    data = head(auth(gateway), "Transfer-Encoding: chunked") + b'5\r\n{"mod\r\nZZ\r\n'
    answer = parse_answer(await gateway.raw(data))
    assert (answer.status, provider.asked) == (400, [])


async def test_a_body_whose_framing_breaks_later_gets_400_at_once(gateway, caplog):
    async with connected(gateway) as (reader, writer):
        writer.write(head(auth(gateway), "Transfer-Encoding: chunked") + b'3\r\n{"m\r\n')
        await asyncio.sleep(0.05)
        writer.write(b"ZZ\r\n")
        answer = await read_answer(reader)
        assert await reader.read() == b""
    assert (answer.status, answer.error["code"]) == (400, "bad_body")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


# Connections.


async def test_two_requests_share_a_connection(gateway, provider):
    provider.says(json_answer(ANSWER))
    async with connected(gateway) as (reader, writer):
        writer.write(kept(gateway))
        first = await read_answer(reader)
        writer.write(kept(gateway))
        assert (first.body, (await read_answer(reader)).body) == (ANSWER, ANSWER)


async def test_pipelined_requests_are_answered_in_order(gateway, provider):
    provider.script = lambda asked: (0.1 if b"first" in asked.body else 0.001, json_answer(asked.body))
    bodies = [b'{"model":"m","user":"first"}', b'{"model":"m","user":"second"}']
    async with connected(gateway) as (reader, writer):
        writer.write(b"".join(kept(gateway, body) for body in bodies))
        assert [(await read_answer(reader)).body for _ in bodies] == bodies


@pytest.mark.parametrize("headers", [(), ("Connection: keep-alive",)])
async def test_a_chunked_request_is_the_last_of_its_connection(gateway, provider, headers):
    provider.says(json_answer(ANSWER))
    data = head(auth(gateway), "Transfer-Encoding: chunked", *headers) + chunk(BODY) + b"0\r\n\r\n"
    answer = parse_answer(await gateway.raw(data + kept(gateway)))
    assert (answer.body, answer.headers["connection"]) == (ANSWER, "close")
    assert len(provider.asked) == 1 and answer.raw.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("answered", [json_answer(ANSWER), STREAM_HEAD + chunk(delta("a")) + b"0\r\n\r\n"])
async def test_http_1_0_gets_no_chunks_and_a_close(gateway, provider, answered):
    provider.says(answered)
    data = kept(gateway, first="POST /v1/chat/completions HTTP/1.0")
    answer = parse_answer(await gateway.raw(data))
    assert answer.body in (ANSWER, delta("a"))
    assert "transfer-encoding" not in answer.headers and answer.headers["connection"] == "close"


async def test_100_continue_comes_once_the_key_is_known_to_be_good(gateway, provider):
    provider.says(json_answer(ANSWER))
    async with connected(gateway) as (reader, writer):
        writer.write(head(auth(gateway), f"Content-Length: {len(BODY)}", "Expect: 100-continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(BODY)
        assert (await read_answer(reader)).body == ANSWER


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Authorization: Bearer sk-wrong", "Content-Length: 9"], 401),
        (["Content-Length: 99999999999"], 413),
    ],
)
async def test_no_100_continue_for_a_request_that_is_refused(gateway, lines, status):
    lines = lines if status == 401 else [auth(gateway), *lines]
    answer = parse_answer(await gateway.raw(head(*lines, "Expect: 100-continue")))
    assert answer.status == status


# Bodies.


async def test_a_length_over_the_limit_gets_413_before_the_body(tmp_path, provider):
    async with limited(tmp_path, provider, max_body_bytes=100) as gateway:
        async with connected(gateway) as (reader, writer):
            writer.write(head(auth(gateway), "Content-Length: 101"))
            answer = await read_answer(reader)
        assert (answer.status, answer.error["code"]) == (413, "body_too_large")


async def test_a_chunked_body_that_grows_too_long_gets_413(tmp_path, provider):
    async with limited(tmp_path, provider, max_body_bytes=100) as gateway:
        data = head(auth(gateway), "Transfer-Encoding: chunked") + chunk(b"x" * 60) * 2
        answer = parse_answer(await gateway.raw(data))
        assert (answer.status, answer.error["code"]) == (413, "body_too_large")


BAD_BODIES = {
    "deep arrays": b'{"model":"m","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "only brackets": b"[" * 100_000,
    "malformed": b'{"model":"m",',
    "two values": BODY + BODY,
    "array": b'[{"model":"m"}]',
    "string": b'"m"',
    "null": b"null",
    "empty": b"",
    "not utf-8": b'{"model":"\xff"}',
    "no model": b'{"messages":[]}',
    "model null": b'{"model":null}',
    "model empty": b'{"model":""}',
    "model number": b'{"model":1}',
    "model list": b'{"model":["m"]}',
    "stream text": b'{"model":"m","stream":"true"}',
    "stream number": b'{"model":"m","stream":1}',
    "double model": b'{"model":"m","model":"n"}',
    "double stream": b'{"model":"m","stream":true,"stream":false}',
    "other case": b'{"model":"m","Model":"n"}',
    "escaped double": b'{"model":"m","\\u006dodel":"n"}',
    "form": b"model=m",
}


@pytest.mark.parametrize("name", BAD_BODIES)
async def test_a_bad_body_gets_400_in_openais_shape(gateway, provider, name):
    answer = await gateway.post("/v1/chat/completions", BAD_BODIES[name])
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert provider.asked == []


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_a_compressed_request_gets_415(gateway, coding):
    answer = await gateway.post("/v1/chat/completions", BODY, headers=f"Content-Encoding: {coding}\r\n")
    assert (answer.status, answer.error["code"]) == (415, "unsupported_encoding")


# Paths.

JSON_ENDPOINTS = (
    "chat/completions",
    "completions",
    "embeddings",
    "moderations",
    "images/generations",
    "audio/speech",
    "rerank",
    "responses",
    "engines/m/embeddings",
)
SPELLINGS = ("/v1/{}", "/{}", "/v1/{}/", "//v1//{}", "/v1/{}?x=1")
FORM = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--b--\r\n'


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("endpoint", [*JSON_ENDPOINTS, *sorted(FORMS)])
async def test_every_spelling_of_a_path_reaches_its_endpoint(gateway, provider, spelling, endpoint):
    provider.says(json_answer(ANSWER))
    headers = "Content-Type: multipart/form-data; boundary=b\r\n" if endpoint in FORMS else ""
    answer = await gateway.post(
        spelling.format(endpoint), FORM if endpoint in FORMS else BODY, headers=headers
    )
    name = "embeddings" if endpoint.startswith("engines/") else endpoint
    assert answer.status == 200
    assert provider.asked[0].line == f"POST /v1/{name} HTTP/1.1"


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/nothing", "/v1/chat", "/v1/files", "/v1/v1/models"])
async def test_an_unknown_path_gets_404_json(gateway, path):
    answer = await gateway.post(path, BODY)
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("PUT", "/v1/embeddings", "POST"),
        ("OPTIONS", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("DELETE", "/v1/models/m", "GET, HEAD"),
        ("POST", "/health/live", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_gets_405_with_the_right_ones(gateway, method, path, allow):
    answer = parse_answer(await gateway.raw(gateway.request(path, None, method)))
    assert (answer.status, answer.headers["allow"]) == (405, allow)
    assert answer.error["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/v1/models/"])
async def test_models_lists_what_the_key_may_use(gateway, path):
    answer = await gateway.get(path)
    assert [model["id"] for model in answer.json["data"]] == ["m"]


@pytest.mark.parametrize("path", ["/v1/models/org/name", "/v1/models/org%2Fname", "/models/org/name/"])
async def test_a_model_with_a_slash_has_a_page(gateway, provider, path):
    await gateway.add_channel(provider, "org/name")
    assert (await gateway.get(path)).json["id"] == "org/name"


async def test_an_unknown_models_page_gets_404(gateway):
    answer = await gateway.get("/v1/models/nothing")
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")


async def test_head_of_a_health_page_has_no_body(gateway):
    answer = parse_answer(await gateway.raw(gateway.request("/health/live", None, "HEAD", key="none")))
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


# Keys.


@pytest.mark.parametrize(
    "form",
    [
        "Authorization: Bearer {}",
        "Authorization: bearer {}",
        "Authorization: BEARER  {}",
        "Authorization: {}",
        "authorization: Bearer {}",
        "x-api-key: {}",
        "api-key: {}",
    ],
)
@pytest.mark.parametrize("with_prefix", [True, False])
async def test_a_key_is_taken_in_every_usual_form(gateway, form, with_prefix):
    key = gateway.key if with_prefix else gateway.key.removeprefix("sk-")
    answer = await gateway.get("/v1/models", headers=form.format(key) + "\r\n", key="none")
    assert answer.status == 200


BAD_KEYS = [
    "",
    "Authorization: Bearer",
    "Authorization: Bearer sk-",
    "Authorization: Bearer sk-wrong",
    "Authorization: Basic eDp5",
    "x-api-key: " + "a" * 600,
    "api-key: sk-wrong-1",
]


@pytest.mark.parametrize("line", BAD_KEYS)
async def test_a_missing_or_wrong_key_gets_401(gateway, provider, line):
    answer = await gateway.post(
        "/v1/chat/completions", BODY, headers=f"{line}\r\n" if line else "", key="none"
    )
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer" and provider.asked == []


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"status": DISABLED}, 401, "invalid_api_key"),
        ({"expires_at": 1}, 401, "invalid_api_key"),
        ({"subnets": ("10.0.0.0/8",)}, 403, "address_not_allowed"),
        ({"models": ("other",)}, 403, "model_not_allowed"),
    ],
)
async def test_a_tokens_limits_are_kept(gateway, provider, fields, status, code):
    answer = await gateway.chat(key=await gateway.add_token(**fields))
    assert (answer.status, answer.error["code"]) == (status, code)
    assert provider.asked == []


async def test_a_forged_forwarded_address_does_not_help(gateway):
    key = await gateway.add_token(subnets=("10.0.0.0/8",))
    answer = await gateway.get("/v1/models", headers="X-Forwarded-For: 10.0.0.1\r\n", key=key)
    assert answer.status == 403


async def test_a_disabled_users_key_gets_403(gateway):
    store = gateway.parts.store
    user = await store.add_user(User(0, "gone", ROLES["user"], "default", DISABLED, 1))
    key = await gateway.add_token(user_id=user.id)
    answer = await gateway.chat(key=key)
    assert (answer.status, answer.error["code"]) == (403, "account_disabled")


async def test_an_administrator_reaches_a_disabled_channel_by_its_number(gateway, provider):
    provider.says(json_answer(ANSWER))
    row = await gateway.add_channel(provider, "hidden", status=DISABLED)
    key = await gateway.add_token(role="admin")
    assert (await gateway.chat("hidden", key=f"{key}-{row.id}")).body == ANSWER
    assert (await gateway.chat("hidden", key=key)).status == 404


async def test_an_ordinary_user_may_not_choose_a_channel(gateway):
    answer = await gateway.chat(key=f"{await gateway.add_token()}-1")
    assert (answer.status, answer.error["code"]) == (403, "channel_not_allowed")


async def test_a_channel_number_that_does_not_exist_gets_400(gateway):
    answer = await gateway.chat(key=f"{gateway.key}-999")
    assert (answer.status, answer.error["code"]) == (400, "channel_not_usable")


async def test_an_unknown_model_is_named(gateway):
    answer = await gateway.chat("no-such-model")
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert "no-such-model" in answer.error["message"]


# What crosses the gateway, and what may not.


async def test_the_provider_sees_only_the_allowed_fields(gateway, provider):
    provider.says(json_answer(ANSWER))
    sent = (
        "Cookie: a=b",
        "X-Forwarded-For: 1.2.3.4",
        "Forwarded: for=1.2.3.4",
        "X-Api-Key: k",
        "Via: x",
        "Accept-Encoding: gzip, br",
        "OpenAI-Organization: org",
        "User-Agent: client",
        "X-Other: y",
        "OpenAI-Beta: assistants=v2",
        "Referer: http://x/",
    )
    await gateway.post("/v1/chat/completions", BODY, headers="".join(f"{line}\r\n" for line in sent))
    got = dict(provider.asked[0].headers)
    assert set(got) == {
        "host",
        "accept",
        "openai-beta",
        "accept-encoding",
        "user-agent",
        "content-type",
        "authorization",
        "content-length",
    }
    assert got["accept-encoding"] == "identity"
    assert got["authorization"] == "Bearer sk-upstream-secret"
    assert gateway.key.removeprefix("sk-") not in str(provider.asked)


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_the_client_sees_only_the_allowed_fields(gateway, provider, status):
    hidden = "set-cookie: a=b\r\nserver: nginx\r\nlocation: http://x/\r\nx-request-id: theirs\r\nvia: y\r\n"
    provider.says(json_answer({"error": {"message": "x"}} if status > 200 else ANSWER, status, hidden))
    answer = await gateway.chat()
    expected = {"content-type", "content-length", "x-request-id", "date", "connection", "x-canalgate-channel"}
    assert set(answer.headers) - {"retry-after", "x-canalgate-cost"} == expected
    assert ("x-canalgate-cost" in answer.headers) is (status == 200)
    assert answer.headers["x-request-id"] != "theirs"


@pytest.mark.parametrize("status", [401, 403, 402])
async def test_a_providers_refusal_of_our_key_is_never_a_401(gateway, provider, status):
    provider.says(json_answer({"error": {"message": "bad key sk-upstream-secret"}}, status))
    answer = await gateway.chat()
    assert answer.status == 502
    assert b"sk-upstream-secret" not in answer.raw


LEAKY = {
    "refused key": (json_answer({"error": {"message": "Incorrect API key: sk-upstream-secret"}}, 401),),
    "bad request": (json_answer({"error": {"message": "no: sk-upstream-secret"}}, 400),),
    "server error": (json_answer({"error": {"message": "no: sk-upstream-secret"}}, 500),),
    "garbage": (b"sk-upstream-secret\r\n\r\n",),
    "bad header": (b"HTTP/1.1 200 OK\r\nsk-upstream-secret\r\n\r\n",),
    "cut": (CUT,),
    "redirect": (b"HTTP/1.1 302 X\r\nlocation: /sk-upstream-secret\r\ncontent-length: 0\r\n\r\n",),
}


@pytest.mark.parametrize("name", LEAKY)
async def test_errors_tell_no_secret_and_no_address(gateway, provider, caplog, name):
    caplog.set_level(logging.DEBUG)
    provider.says(*LEAKY[name])
    answer = await gateway.chat()
    said = answer.raw.decode() + caplog.text
    secrets = ("sk-upstream-secret", gateway.key.removeprefix("sk-"))
    assert answer.status >= 400 and "x-request-id" in answer.headers
    assert [secret for secret in secrets if secret in said] == []
    assert f":{provider.port}" not in answer.raw.decode()


async def test_a_refused_connection_tells_no_address(gateway, caplog, unused_tcp_port):
    caplog.set_level(logging.DEBUG)
    await gateway.add_channel(f"http://127.0.0.1:{unused_tcp_port}/v1", "closed")
    answer = await gateway.chat("closed")
    assert answer.status == 502 and str(unused_tcp_port) not in answer.raw.decode()
    assert "sk-upstream-secret" not in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "body", "key"),
    [
        ("POST", "/v1/chat/completions", {"model": "none"}, ""),
        ("POST", "/v1/chat/completions", {}, ""),
        ("POST", "/v1/chat/completions", {}, "sk-wrong"),
        ("GET", "/v1/chat/completions", None, ""),
        ("GET", "/v1/nowhere", None, ""),
        ("GET", "/v1/models", None, "none"),
    ],
)
async def test_every_error_has_a_request_id(gateway, method, path, body, key):
    answer = parse_answer(await gateway.raw(gateway.request(path, body, method, key=key)))
    assert answer.status >= 400
    assert len(answer.headers["x-request-id"]) == 24 and answer.error["message"]


def test_the_path_table_covers_every_endpoint():
    from canalgate.proxy.wire.endpoints import _RELAYED

    assert {*JSON_ENDPOINTS, *FORMS} - {"engines/m/embeddings"} == _RELAYED
