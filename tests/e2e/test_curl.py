"""curl against the gateway, as the README shows it and as people use it."""

import asyncio
import os
import shutil

import pytest
from support import CUT, STREAM_END, STREAM_HEAD, chunk, delta, json_answer


@pytest.fixture(scope="session", autouse=True)
def curl_is_there():
    if shutil.which("curl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("curl is required under CI")
        pytest.skip("curl is not installed")


async def curl(gateway, *arguments: str, data: bytes = b"", key: str = "") -> tuple[int, bytes]:
    """Run curl and return its exit status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--max-time", "10", "-H", f"Authorization: Bearer {key or gateway.key}",
        "-H", "Content-Type: application/json", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    out, _ = await process.communicate(data)
    return process.returncode, out


CHAT = b'{"model":"m","messages":[]}'
STREAM = b'{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}'


def at(gateway, path: str = "/v1/chat/completions") -> str:
    return gateway.url + path


async def test_a_stream_is_printed_as_it_was_sent(gateway, provider):
    events = delta("a") + delta("b", "stop") + b"data: [DONE]\n\n"
    provider.says(STREAM_HEAD, chunk(events), STREAM_END)
    assert await curl(gateway, "-N", "--data-binary", "@-", at(gateway), data=STREAM) == (0, events)


async def test_json_is_printed_as_it_was_sent(gateway, provider):
    provider.says(json_answer(b'{"choices":  [1]}'))
    assert await curl(gateway, "--data-binary", "@-", at(gateway), data=CHAT) == (0, b'{"choices":  [1]}')


async def test_a_wrong_key_is_refused(gateway):
    status, out = await curl(gateway, "-f", "-d", "{}", at(gateway), key="sk-wrong")
    assert (status, out) == (22, b"")


async def test_a_large_body_that_waits_for_100_continue_arrives(gateway, provider):
    provider.says(json_answer(b'{"choices":[1]}'))
    body = b'{"model":"m","messages":["%b"]}' % (b"x" * 1_500_000)
    # Left alone, curl sends after a second even if no 100 came; a longer wait ends in --max-time.
    expect = ("-H", "Expect: 100-continue", "--expect100-timeout", "30")
    assert (await curl(gateway, *expect, "--data-binary", "@-", at(gateway), data=body))[0] == 0
    assert provider.asked[0].body == body


async def test_a_wrong_key_with_a_large_body_is_refused_before_it_is_sent(gateway):
    body = b'{"model":"m","messages":["%b"]}' % (b"x" * 1_500_000)
    arguments = ("--expect100-timeout", "30", "-o", os.devnull, "-w", "%{http_code} %{size_upload}")
    expect = ("-H", "Expect: 100-continue", "--data-binary", "@-")
    said = await curl(gateway, *arguments, *expect, at(gateway), data=body, key="sk-wrong")
    assert said == (0, b"401 0")


async def test_http_1_0_gets_an_unframed_stream(gateway, provider):
    events = delta("a", "stop") + b"data: [DONE]\n\n"
    provider.says(STREAM_HEAD, chunk(events), STREAM_END)
    assert await curl(gateway, "--http1.0", "--data-binary", "@-", at(gateway), data=STREAM) == (0, events)


async def test_a_chunked_upload_is_taken(gateway, provider):
    provider.says(json_answer(b'{"choices":[1]}'))
    assert (await curl(gateway, "-X", "POST", "-T", "-", at(gateway), data=CHAT))[0] == 0
    assert provider.asked[0].body == CHAT


async def test_head_of_a_health_page_has_no_body(gateway):
    status, out = await curl(gateway, "-I", at(gateway, "/health/live"))
    assert status == 0
    assert out.startswith(b"HTTP/1.1 200")


async def test_a_cut_stream_is_an_error_to_curl(gateway, provider):
    provider.says(STREAM_HEAD, chunk(delta("a")), CUT)
    status, out = await curl(gateway, "-N", "--data-binary", "@-", at(gateway), data=STREAM)
    assert status == 18
    assert b'"error"' in out
