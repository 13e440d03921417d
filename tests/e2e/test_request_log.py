"""The request log behind a gateway: what a request of each fate leaves in it, and what never gets there."""

import asyncio
import stat

import orjson
import pytest
import support
from support import CUT, STREAM_END, STREAM_HEAD, chunk, delta, event, json_answer

ANSWER = {
    "id": "x",
    "object": "chat.completion",
    "choices": [],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4},
}
UPSTREAM_KEY = "sk-upstream-secret"


def logging(tmp_path, **settings):
    """A gateway with the log."""
    return support.gateway(
        tmp_path, plugins={"enabled": ("request_log",), "settings": {"request_log": settings}}
    )


def read(tmp_path):
    """The lines, once the gateway has stopped."""
    paths = sorted((tmp_path / "request_log").iterdir())
    return [orjson.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def told(line, *names):
    return tuple(line[name] for name in names)


async def test_a_whole_answer_is_logged_with_its_request_and_its_fate(tmp_path, provider):
    provider.says(json_answer(ANSWER))
    async with logging(tmp_path) as gateway:
        channel = await gateway.add_channel(provider, "m")
        answer = await gateway.chat(user="somebody")
    (line,) = read(tmp_path)
    assert line["request_id"] == answer.headers["x-request-id"]
    assert told(line, "endpoint", "model", "status", "problem") == ("chat/completions", "m", 200, "")
    assert told(line, "channel_id", "attempts", "stream") == (channel.id, 1, False)
    assert (line["usage"]["prompt_tokens"], line["caller"]["user_name"]) == (3, "root")
    assert line["request"]["json"]["user"] == "somebody"
    assert line["answer"]["json"] == answer.json


@pytest.mark.parametrize("how", ["whole", "events", "bytes", "random"])
async def test_a_stream_is_logged_as_the_client_got_it(tmp_path, provider, how):
    stream = delta("水") + delta("b", "stop") + b"data: [DONE]\n\n"
    provider.says(STREAM_HEAD, *[chunk(piece) for piece in support.cuts(stream, how)], STREAM_END)
    async with logging(tmp_path) as gateway:
        await gateway.add_channel(provider, "m", options={"ask_usage": "off"})
        answer = await gateway.chat(stream=True)
    (line,) = read(tmp_path)
    assert answer.body == stream
    assert line["answer"] == {"text": stream.decode(), "bytes": len(stream)}
    assert told(line, "stream", "status", "problem") == (True, 200, "")


async def test_a_translated_stream_is_logged_in_openais_shape(tmp_path):
    async with logging(tmp_path) as gateway:
        await gateway.add_channel("http://127.0.0.1:1/v1", "m", type="demo")
        answer = await gateway.chat(stream=True)
    (line,) = read(tmp_path)
    assert line["answer"]["text"] == answer.body.decode()


FAULTS = {
    "a refusal": ([json_answer({"error": {"message": "no such thing"}}, 400)], 400, "no such thing", None),
    "a fault": ([json_answer({"error": {"message": "broken"}}, 500)], 502, "broken", None),
    "an error in a 200": ([json_answer({"error": {"message": "in a 200"}})], 502, "in a 200", ""),
    "nothing": ([CUT], 502, "", None),
    "half an answer": ([json_answer(ANSWER)[:-5], CUT], 502, "", ""),
    "half a stream": ([STREAM_HEAD, chunk(delta("a")), 0.02, CUT], 200, "cut: ", delta("a").decode()),
    "an error at the start of a stream": (
        [STREAM_HEAD, chunk(event({"error": {"message": "at the start"}})), STREAM_END],
        502,
        "at the start",
        "",
    ),
}


@pytest.mark.parametrize("only", ["all", "errors"])
@pytest.mark.parametrize("name", FAULTS)
async def test_a_failure_is_logged_with_its_problem_and_what_there_was(tmp_path, provider, name, only):
    steps, status, problem, text = FAULTS[name]
    provider.says(*steps)
    async with logging(tmp_path, only=only) as gateway:
        await gateway.add_channel(provider, "m", options={"ask_usage": "off"})
        answer = await gateway.chat(stream="stream" in name)
    (line,) = read(tmp_path)
    assert (answer.status, line["status"]) == (status, status)
    assert line["problem"]
    assert problem in line["problem"]
    assert line["request"]["json"]["model"] == "m"
    assert (line["answer"] and line["answer"]["text"]) == text


async def test_good_answers_are_left_out_where_only_errors_are_wanted(tmp_path, provider):
    provider.says(json_answer(ANSWER))
    async with logging(tmp_path, only="errors") as gateway:
        await gateway.add_channel(provider, "m")
        assert (await gateway.chat()).status == 200
        assert (await gateway.chat("unknown")).status == 404
    assert [told(line, "model", "status") for line in read(tmp_path)] == [("unknown", 404)]


async def test_models_that_are_not_wanted_are_left_out(tmp_path, provider):
    provider.says(json_answer(ANSWER))
    async with logging(tmp_path, models=["a*"]) as gateway:
        await gateway.add_channel(provider, "a1", "b1")
        for model in ("a1", "b1", "a1"):
            assert (await gateway.chat(model)).status == 200
    assert [line["model"] for line in read(tmp_path)] == ["a1", "a1"]


async def test_the_answer_after_a_second_attempt_is_the_one_logged(tmp_path, provider):
    async with support.provider(
        STREAM_HEAD, chunk(event({"error": {"message": "first"}})), STREAM_END
    ) as bad:
        provider.says(STREAM_HEAD, chunk(delta("good")), STREAM_END)
        async with logging(tmp_path) as gateway:
            await gateway.add_channel(bad, "m", priority=10)
            await gateway.add_channel(provider, "m", priority=1)
            answer = await gateway.chat(stream=True)
    (line,) = read(tmp_path)
    assert told(line, "attempts", "status") == (2, 200)
    assert line["answer"]["text"] == answer.body.decode()
    assert "good" in line["answer"]["text"]


async def test_a_client_that_leaves_is_logged_with_what_it_got(tmp_path, provider):
    provider.says(STREAM_HEAD, chunk(delta("a")), 5.0, STREAM_END)
    async with logging(tmp_path) as gateway:
        await gateway.add_channel(provider, "m", options={"ask_usage": "off"})
        _reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(gateway.request("/v1/chat/completions", {"model": "m", "stream": True}))
        await _reader.readuntil(b"data: ")
        writer.close()
        async with asyncio.timeout(3):
            await provider.gone.wait()
    (line,) = read(tmp_path)
    assert line["problem"] == "the client left"
    assert line["answer"]["text"] == delta("a").decode()


async def test_no_key_and_no_header_gets_into_the_log(tmp_path, provider):
    headers = "X-Api-Key: sk-anotheranother\r\nCookie: c00kie\r\nX-Mine: my-header\r\n"

    def script(asked):
        """A provider that repeats what it was sent, the key and all."""
        shown = {"error": {"message": f"wrong {asked.headers} {asked.body}"}}
        return [
            json_answer({**ANSWER, "said": repr(asked.headers)} if "a" in asked.json["user"] else shown, 200)
        ]

    provider.script = script
    async with logging(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        key = gateway.key
        for user in ("a", "b", f"a {key} sk-anotheranother", f"b {key.removeprefix('sk-')}"):
            body = {"model": "m", "user": user}
            answer = await gateway.post("/v1/chat/completions", body, headers=headers)
            assert answer.status in (200, 502)
    lines = read(tmp_path)
    written = b"".join(path.read_bytes() for path in (tmp_path / "request_log").iterdir())
    assert len(lines) == 4
    secrets = (
        key,
        key.removeprefix("sk-"),
        UPSTREAM_KEY,
        "upstream-secret",
        "anotheranother",
        "c00kie",
        "my-header",
    )
    assert [secret for secret in secrets if secret.encode() in written] == []


async def test_a_wrong_key_and_a_body_that_is_no_json_leave_nothing(tmp_path, provider):
    async with logging(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        assert (await gateway.chat(key="sk-wrong")).status == 401
        assert (await gateway.post("/v1/chat/completions", b"{")).status == 400
    assert read(tmp_path) == []


async def test_an_answer_of_bytes_is_logged_without_them(tmp_path, provider):
    sound = b"\xff\xfb\x90" * 100
    provider.says(b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 300\r\n\r\n" + sound)
    async with logging(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        answer = await gateway.post("/v1/audio/speech", {"model": "m", "input": "hi", "voice": "v"})
    (line,) = read(tmp_path)
    assert answer.body == sound
    assert told(line, "status", "bytes_sent") == (200, 300)
    assert line["answer"] is None or line["answer"]["bytes"] == 0


async def test_long_bodies_are_cut_in_the_log_and_nowhere_else(tmp_path, provider):
    provider.says(json_answer({**ANSWER, "long": "y" * 5000}))
    async with logging(tmp_path, max_body_bytes=100) as gateway:
        await gateway.add_channel(provider, "m")
        answer = await gateway.chat(user="x" * 5000)
    (line,) = read(tmp_path)
    assert (answer.json["long"], provider.asked[0].json["user"]) == ("y" * 5000, "x" * 5000)
    assert [(len(line[body]["text"]), line[body]["cut"]) for body in ("request", "answer")] == [
        (100, True)
    ] * 2
    assert (line["request"]["bytes"], line["answer"]["bytes"]) == (
        len(provider.asked[0].body),
        len(answer.body),
    )


async def test_many_requests_at_once_are_all_there_and_readable_by_the_owner_only(tmp_path, provider):
    provider.script = lambda asked: [json_answer({**ANSWER, "id": asked.json["user"]})]
    async with logging(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        await asyncio.gather(*(gateway.chat(user=str(number)) for number in range(60)))
    lines = read(tmp_path)
    assert sorted(int(line["request"]["json"]["user"]) for line in lines) == list(range(60))
    assert all(line["request"]["json"]["user"] == line["answer"]["json"]["id"] for line in lines)
    folder = tmp_path / "request_log"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert (modes, stat.S_IMODE(folder.stat().st_mode)) == ({0o600}, 0o700)


async def test_what_cannot_be_written_is_dropped_and_the_answers_are_as_ever(tmp_path, provider, caplog):
    provider.says(json_answer(ANSWER))
    async with logging(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        (tmp_path / "request_log").rmdir()
        (tmp_path / "request_log").write_text("in the way")
        answers = [await gateway.chat() for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert "request log dropped entries" in caplog.text


@pytest.mark.parametrize(
    "settings", [{"keep_hours": 0}, {"max_body_bytes": "64k"}, {"only": "some"}, {"models": "m"}, {"keep": 1}]
)
async def test_a_wrong_setting_leaves_the_log_out_and_the_gateway_serves(
    tmp_path, provider, caplog, settings
):
    provider.says(json_answer(ANSWER))
    async with logging(tmp_path, **settings) as gateway:
        await gateway.add_channel(provider, "m")
        answer = await gateway.chat()
    ((key, value),) = settings.items()
    assert answer.status == 200
    assert f"ValueError: plugins.request_log.{key} = {value!r}: " in caplog.text
    assert not (tmp_path / "request_log").exists()


async def test_a_folder_that_cannot_be_made_leaves_the_log_out_and_the_gateway_serves(tmp_path, provider):
    provider.says(json_answer(ANSWER))
    (tmp_path / "request_log").write_text("in the way")
    async with logging(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        answer = await gateway.chat()
        (plugin,) = [one for one in gateway.parts.plugins.plugins if one.name == "request_log"]
    assert (answer.status, bool(plugin.problem)) == (200, True)


async def test_without_being_enabled_nothing_is_logged(tmp_path, provider):
    provider.says(json_answer(ANSWER))
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m")
        await gateway.chat()
    assert not (tmp_path / "request_log").exists()
