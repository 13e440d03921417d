"""Metrics of a running gateway: scraped as Prometheus does, beside the traffic they are about."""

import asyncio
import re
import socket
from contextlib import asynccontextmanager

import pytest
import support
from support import CUT, STREAM_END, STREAM_HEAD, chunk, delta, event, json_answer

WHOLE = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 37},
}  # fmt: skip
USAGE = event({"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": WHOLE["usage"]})
STREAM = (STREAM_HEAD, chunk(delta("a") + delta("b", "stop") + USAGE + b"data: [DONE]\n\n"), STREAM_END)


@asynccontextmanager
async def measured(tmp_path, provider, **settings):
    plugins = {"enabled": ("prometheus",), "settings": {"prometheus": settings}}
    async with support.gateway(tmp_path, plugins=plugins) as gateway:
        await gateway.add_channel(provider, "m", name="main")
        yield gateway


async def scraped(gateway, path="/metrics", **more):
    """Every sample by its name and labels as the text has them."""
    answered = await gateway.get(path, key="none", **more)
    assert answered.status == 200, answered.raw
    lines = answered.body.decode().splitlines()
    return {name: float(value) for name, _, value in (one.rpartition(" ") for one in lines if one[0] != "#")}


async def ended(gateway, count):
    """The samples once so many requests have been counted; observers are told within a moment."""
    async with asyncio.timeout(3):
        while True:
            found = await scraped(gateway)
            if total(found, "canalgate_requests_total") >= count:
                return found
            await asyncio.sleep(0.05)


def total(found, name, *labels):
    return sum(
        value for key, value in found.items()
        if key.partition("{")[0] == name and all(label in key for label in labels)
    )  # fmt: skip


async def test_a_stream_and_a_whole_answer_are_counted_with_their_tokens(tmp_path, provider):
    async with measured(tmp_path, provider) as gateway:
        provider.says(*STREAM)
        assert (await gateway.chat(stream=True)).complete
        provider.says(json_answer(WHOLE))
        assert (await gateway.chat()).status == 200
        found = await ended(gateway, 2)
    good = 'canalgate_requests_total{channel="main",endpoint="chat/completions",status="200"}'
    assert found[good] == 2
    usage = "gen_ai_client_token_usage_sum"
    assert total(found, usage, 'token_type="input"', 'provider_name="openai"', 'request_model="m"') == 60
    assert total(found, usage, 'token_type="output"') == 14
    assert total(found, "gen_ai_server_request_duration_seconds_count", 'error_type=""') == 2
    assert total(found, "gen_ai_server_time_to_first_token_seconds_count") == 1


async def test_a_mapped_model_goes_by_the_clients_name_of_it(tmp_path, provider):
    provider.says(json_answer(WHOLE))
    async with measured(tmp_path, provider) as gateway:
        await gateway.add_channel(provider, "nice", mapping={"nice": "ugly-20260101"})
        await gateway.chat("nice")
        found = await ended(gateway, 1)
    assert total(found, "gen_ai_server_request_duration_seconds_count", 'request_model="nice"') == 1
    assert not [key for key in found if "ugly" in key]


async def test_every_channel_that_was_tried_is_an_attempt(tmp_path, provider):
    provider.says(json_answer(WHOLE))
    async with support.provider(json_answer({}, 500)) as broken, measured(tmp_path, provider) as gateway:
        await gateway.add_channel(broken, "m", name="first", priority=9)
        assert (await gateway.chat()).status == 200
        found = await ended(gateway, 1)
    assert total(found, "canalgate_attempts_total") == 2
    assert total(found, "canalgate_requests_total", 'channel="main"', 'status="200"') == 1


def own_address():
    """An address of this machine that is not loopback; None if it has none. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = one.getsockname()[0]
    return None if address.startswith("127.") else address


async def test_without_a_token_another_machine_is_refused(tmp_path):
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback")
    plugins = {"enabled": ("prometheus",)}
    async with support.gateway(tmp_path, plugins=plugins, server={"host": "0.0.0.0"}) as gateway:
        reader, writer = await asyncio.open_connection(address, gateway.port)
        writer.write(gateway.request("/metrics", method="GET", key="none"))
        answered = support.parse_answer(await reader.read())
        writer.close()
        assert (await gateway.get("/metrics", key="none")).status == 200
    assert answered.status == 403
    assert b"canalgate_" not in answered.raw


@pytest.mark.parametrize(
    ("steps", "status", "error_type"),
    [
        ((json_answer({"error": {"message": "slow down"}}, 429),), 429, "rate"),
        ((json_answer({"error": {"message": "no"}}, 500),), 502, "fault"),
        ((CUT,), 502, "fault"),
        ((STREAM_HEAD, chunk(delta("a")), CUT), 200, "fault"),
    ],
)
async def test_a_failure_of_the_provider_is_counted_by_its_kind(
    tmp_path, provider, steps, status, error_type
):
    provider.says(*steps)
    async with measured(tmp_path, provider) as gateway:
        await gateway.chat(stream=True)
        found = await ended(gateway, 1)
    assert total(found, "canalgate_requests_total", f'status="{status}"', 'channel="main"') == 1
    assert total(found, "gen_ai_server_request_duration_seconds_count", f'error_type="{error_type}"') == 1
    assert total(found, "gen_ai_server_time_to_first_token_seconds_count") == 0


async def test_a_client_that_leaves_in_mid_stream_is_counted(tmp_path, provider):
    provider.says(STREAM_HEAD, chunk(delta("a")), 5.0)
    async with measured(tmp_path, provider) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(gateway.request("/v1/chat/completions", {"model": "m", "messages": [], "stream": True}))
        await reader.readuntil(b"\n\n")
        writer.transport.abort()
        found = await ended(gateway, 1)
    assert total(found, "canalgate_clients_left_total", 'endpoint="chat/completions"') == 1


async def test_strangers_make_no_series(tmp_path, provider):
    async with measured(tmp_path, provider) as gateway:
        await gateway.chat("invented0")
        await gateway.chat(key="sk-wrong")
        await gateway.get("/wp-admin/0")
        before = await ended(gateway, 3)
        for at in range(1, 8):
            await gateway.chat(f"invented{at}")
            await gateway.chat(key=f"sk-wrong{at}")
            await gateway.get(f"/wp-admin/{at}")
        after = await ended(gateway, 24)
    assert set(after) == set(before)
    assert not [key for key in after if re.search("invented|wrong|wp-admin", key)]


async def test_a_scrape_is_no_request(tmp_path, provider):
    async with measured(tmp_path, provider) as gateway:
        for _ in range(5):
            await scraped(gateway)
        await asyncio.sleep(0.3)
        found = await scraped(gateway)
    assert total(found, "canalgate_requests_total") == 0


@pytest.mark.parametrize("header", ["", "Authorization: Bearer wrong\r\n", "Authorization: s3cret\r\n"])
async def test_with_a_token_nobody_reads_it_without(tmp_path, provider, header):
    async with measured(tmp_path, provider, token="s3cret") as gateway:
        answered = await gateway.get("/metrics", key="none", headers=header)
    assert (answered.status, answered.headers["www-authenticate"]) == (401, "Bearer")
    assert b"canalgate_" not in answered.raw


async def test_a_clients_key_does_not_open_it(tmp_path, provider):
    async with measured(tmp_path, provider, token="s3cret") as gateway:
        assert (await gateway.get("/metrics")).status == 401


async def test_a_token_that_is_no_text_is_refused(tmp_path, provider):
    async with measured(tmp_path, provider, token="s3cret") as gateway:
        raw = (
            b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\nConnection: close\r\n\r\n"
        )
        assert support.parse_answer(await gateway.raw(raw)).status == 401


async def test_the_token_opens_the_page_at_its_path(tmp_path, provider):
    async with measured(tmp_path, provider, path="/private/numbers", token="s3cret") as gateway:
        header = "Authorization: Bearer s3cret\r\n"
        found = await scraped(gateway, "/private/numbers", headers=header)
        assert (await gateway.get("/metrics", key="none", headers=header)).status == 404
    assert total(found, "canalgate_build_info") == 1


async def test_without_a_token_a_proxy_cannot_pass_it_on(tmp_path, provider):
    async with measured(tmp_path, provider) as gateway:
        answered = await gateway.get("/metrics", key="none", headers="X-Forwarded-For: 127.0.0.1\r\n")
    assert answered.status == 403
    assert b"canalgate_" not in answered.raw


async def test_a_wrong_setting_leaves_the_gateway_without_metrics_and_says_why(tmp_path, provider):
    provider.says(json_answer(WHOLE))
    async with measured(tmp_path, provider, pth="/x") as gateway:
        assert (await gateway.chat()).status == 200
        assert (await gateway.get("/metrics")).status == 404
        (plugin,) = [one for one in gateway.parts.plugins.plugins if one.name == "prometheus"]
    assert "[plugins.prometheus]" in plugin.problem and "pth" in plugin.problem


async def test_a_path_of_the_gateways_own_is_not_taken(tmp_path, provider, caplog):
    async with measured(tmp_path, provider, path="/models") as gateway:
        assert (await gateway.get("/models")).json["object"] == "list"
    assert "hidden" in caplog.text and "path=/models" in caplog.text


async def test_it_is_off_where_it_is_not_enabled(gateway):
    assert (await gateway.get("/metrics")).status == 404


async def test_a_connection_may_ask_for_both_an_answer_and_the_metrics(tmp_path, provider):
    provider.says(json_answer(WHOLE))
    async with measured(tmp_path, provider) as gateway:
        body = {"model": "m", "messages": []}
        chat = gateway.request("/v1/chat/completions", body).replace(b"Connection: close\r\n", b"")
        raw = await gateway.raw(chat + gateway.request("/metrics", method="GET"))
    assert raw.count(b"HTTP/1.1 200") == 2
    assert b"canalgate_build_info{version=" in raw


async def test_the_next_gateway_of_the_process_begins_at_nothing(tmp_path, provider):
    provider.says(json_answer(WHOLE))
    async with measured(tmp_path / "one", provider) as gateway:
        await gateway.chat()
        await ended(gateway, 1)
    async with measured(tmp_path / "two", provider) as gateway:
        assert total(await scraped(gateway), "canalgate_requests_total") == 0
