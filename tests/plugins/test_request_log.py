"""The request log by itself: which settings are good, what a line shows, what is dropped."""

import base64
import logging

import msgspec
import orjson
import pytest
from canalgate.plugins import Call, Channel, Credential, Draft, JsonBody, UsageRecord, settings_as
from canalgate.plugins.request_log import LOST_AFTER_S, NAME, RequestLog, Settings

CLIENT_KEY, CHANNEL_KEY, CREDENTIAL = "sk-clientclientclient", "zq7/upstream:secret", "derived-credential"
BODY = b'{"model":"m","messages":[]}'
RECORD = UsageRecord(
    request_id="r1", endpoint="chat/completions", model="m", upstream_model="m", stream=False, status=200,
    caller=None, channel_id=1, channel_name="c", adapter="openai", usage=None, attempts=1, bytes_sent=2,
    first_byte_s=0.1, total_s=0.2, ended_at=1_800_000_000.25, problem="",
)  # fmt: skip

BAD_SETTINGS = {
    "keep_hours": [0, -1, 1.5, "1", True, None, 10**9],
    "max_body_bytes": [-1, "64k", 1e3, False, 2**40],
    "only": ["error", "", None, ["all"], "ALL"],
    "models": ["gpt-*", [], [1], [""], None, {}],
    "max_queue": [0, "many", None, 10**9],
    "keep_minutes": [1],
    "": [1],
}


@pytest.mark.parametrize(("key", "value"), [(key, v) for key, values in BAD_SETTINGS.items() for v in values])
def test_a_wrong_setting_is_named_with_its_value(key, value):
    with pytest.raises(ValueError) as caught:
        settings_as(Settings, NAME, {"keep_hours": 2, key: value})
    assert str(caught.value).startswith(f"plugins.request_log.{key} = {value!r}: ")


def test_nothing_has_to_be_set():
    assert settings_as(Settings, NAME, {}) == Settings(1, 65536, "all", ("*",), 1000)


def test_what_is_set_counts():
    table = {"keep_hours": 5, "max_body_bytes": 0, "only": "errors", "models": ["a", "b*"], "max_queue": 7}
    assert settings_as(Settings, NAME, table) == Settings(5, 0, "errors", ("a", "b*"), 7)


@pytest.fixture
def clock():
    """A clock that stands; a test moves it by setting its only element."""
    return [1_800_000_000.0]


@pytest.fixture
def make(tmp_path, clock):
    """Makes a log with settings and starts its thread."""

    def made(**settings):
        log = RequestLog(tmp_path, settings_as(Settings, NAME, settings), lambda: clock[0])
        log.writer.start()
        return log

    return made


@pytest.fixture
def lines(tmp_path):
    """Closes a log and reads what it wrote."""

    def read(log):
        log.close()
        return [orjson.loads(line) for path in tmp_path.iterdir() for line in path.read_bytes().splitlines()]

    return read


def begin(log, body=BODY, model="m", request_id="r1", headers=None):
    made = None if body is None else JsonBody(body)
    log.begin(Draft(request_id, "chat/completions", model, False, headers or {}, made))


def answer(log, *pieces, request_id="r1", whole=False):
    channel = Channel(1, "c", "https://provider.example/v1", CHANNEL_KEY)
    call = Call(
        request_id, "chat/completions", "m", "m", False, None, "", channel, Credential(CREDENTIAL), 0.0
    )
    found = log.answer(call)
    if found is not None:
        take = found.whole if whole else found.feed
        assert all(take(piece) is piece for piece in pieces)
        assert whole or found.close() == b""
    return found


def end(log, **changes):
    log.end(msgspec.structs.replace(RECORD, **changes))


def test_a_line_has_the_fate_and_both_bodies(make, lines):
    log = make()
    begin(log)
    answer(log, b'{"id": 1}', whole=True)
    end(log)
    (line,) = lines(log)
    assert line == {
        "time": "2027-01-15T08:00:00.250+00:00",
        **msgspec.to_builtins(RECORD),
        "request": {"json": {"model": "m", "messages": []}, "bytes": len(BODY)},
        "answer": {"json": {"id": 1}, "bytes": 9},
    }


EVENTS = b'data: {"a":1}\n\n'
SHOWN = {
    "an object": ([b'{"a":1}'], {"json": {"a": 1}}),
    "something else in JSON": ([b"[1]"], {"json": [1]}),
    "JSON on many lines": ([b'{\r\n "a": 1,\n "b": "\\n"\n}\n'], {"json": {"a": 1, "b": "\n"}}),
    "JSON in pieces": ([b'{"a', b'":"\xe6', b"\xb0\xb4", b'"}'], {"json": {"a": "水"}}),
    "events": ([EVENTS, EVENTS], {"text": (EVENTS + EVENTS).decode()}),
    "half a JSON": ([b'{"a":'], {"text": '{"a":'}),
    "no number": ([b"NaN"], {"text": "NaN"}),
    "half a surrogate": ([b'"\\ud800"'], {"text": '"\\ud800"'}),
    "nested too deep": ([b"[" * 5000 + b"]" * 5000], {"text": "[" * 5000 + "]" * 5000}),
    "nothing": ([], {"text": ""}),
    "no UTF-8": ([b"\xff\xfe{}"], {"base64": base64.b64encode(b"\xff\xfe{}").decode()}),
    "JSON but for its UTF-8": ([b'{"a":"\xff"}'], {"base64": base64.b64encode(b'{"a":"\xff"}').decode()}),
    "half a character": ([b"ab\xe6\xb0"], {"base64": base64.b64encode(b"ab\xe6\xb0").decode()}),
    "UTF-16": (["{}".encode("utf-16")], {"base64": base64.b64encode("{}".encode("utf-16")).decode()}),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_body_is_shown_as_what_it_is(make, lines, name):
    pieces, shown = SHOWN[name]
    log = make()
    begin(log)
    answer(log, *pieces)
    end(log)
    (line,) = lines(log)
    assert line["answer"] == {**shown, "bytes": sum(map(len, pieces))}


def test_json_keeps_its_spelling(make, lines, tmp_path):
    body = b'{"model":"m", "n":1.10, "big":123456789012345678901234567890, "n":2}'
    log = make()
    begin(log, body)
    end(log)
    lines(log)
    (path,) = tmp_path.iterdir()
    assert body in path.read_bytes()


@pytest.mark.parametrize(
    ("limit", "text"), [(0, ""), (1, "a"), (2, "a"), (3, "a"), (4, "a水"), (5, "a水b"), (6, "a水b")]
)
@pytest.mark.parametrize("step", [1, 2, 1000])
def test_a_long_body_is_cut_between_characters_and_marked(make, lines, limit, text, step):
    body = "a水b".encode() + b"c" * 9000
    log = make(max_body_bytes=limit)
    begin(log)
    answer(log, *[body[at : at + step] for at in range(0, len(body), step)])
    end(log)
    (line,) = lines(log)
    expected = text + "c" * max(0, limit - 5)
    assert line["answer"] == {"text": expected, "bytes": 9005, "cut": True}


@pytest.mark.parametrize(("limit", "is_cut"), [(len(BODY) - 1, True), (len(BODY), False)])
def test_a_request_is_cut_only_over_the_limit(make, lines, limit, is_cut):
    log = make(max_body_bytes=limit)
    begin(log)
    end(log)
    (line,) = lines(log)
    assert ("cut" in line["request"], "json" in line["request"]) == (is_cut, not is_cut)


def test_no_more_is_held_than_has_to_be(make):
    log = make(max_body_bytes=1000)
    begin(log, b'{"model":"m","x":"' + b"x" * 1_000_000 + b'"}')
    found = answer(log, *[b"x" * 700] * 100)
    (entry,) = log._open.values()
    log.close()
    assert len(entry.request.beginning) <= 5096
    assert len(found._body.beginning) <= 5096


SECRETS = {
    "the client's key": CLIENT_KEY,
    "the client's key without sk-": CLIENT_KEY.removeprefix("sk-"),
    "the channel's key": CHANNEL_KEY,
    "what the channel's key was changed for": CREDENTIAL,
}
PLACES = {
    "JSON": lambda secret: [b'{"a":"' + secret + b'"}'],
    "pieces": lambda secret: [secret[:9], secret[9:]],
    "no UTF-8": lambda secret: [b"\xff" + secret],
    "at the cut": lambda secret: [b"x" * (100 - len(secret) + 1) + secret],
    "over the cut": lambda secret: [b"x" * 95 + secret],
    "many over the cut": lambda secret: [secret * 400],
}


@pytest.mark.parametrize("field", ["authorization", "x-api-key", "api-key"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", SECRETS)
def test_a_key_that_a_body_repeats_is_masked(make, lines, tmp_path, name, place, field):
    secret = SECRETS[name].encode()
    log = make(max_body_bytes=100)
    value = f"Bearer {CLIENT_KEY}" if field == "authorization" else CLIENT_KEY
    begin(log, b'{"model":"m","user":"' + secret + b'"}', headers={field: value, "cookie": "c00kie"})
    answer(log, *PLACES[place](secret))
    end(log, problem=f"bad key {secret.decode()}", model=secret.decode())
    (line,) = lines(log)
    (path,) = tmp_path.iterdir()
    written = path.read_bytes() + base64.b64decode(line["answer"].get("base64", ""))
    beginning = secret.removeprefix(b"sk-")[:5]
    assert beginning not in written
    assert b"Bearer" not in written
    assert b"c00kie" not in written


def test_a_word_too_short_for_a_key_is_not_masked(make, lines):
    log = make()
    begin(log, headers={"authorization": "Bearer m"})
    end(log)
    assert lines(log)[0]["request"]["json"]["model"] == "m"


def test_a_form_has_no_body_here(make, lines):
    log = make()
    begin(log, None)
    end(log)
    (line,) = lines(log)
    assert (line["request"], line["answer"]) == (None, None)


def test_the_answer_of_the_last_attempt_counts(make, lines):
    log = make()
    begin(log)
    answer(log, b"first")
    answer(log, b"second")
    end(log)
    (line,) = lines(log)
    assert line["answer"] == {"text": "second", "bytes": 6}


def test_requests_side_by_side_keep_their_bodies(make, lines):
    log = make()
    for name in ("r1", "r2", "r3"):
        begin(log, b'{"model":"%b"}' % name.encode(), request_id=name)
    for name in ("r3", "r1", "r2"):
        answer(log, name.encode(), request_id=name)
    for name in ("r2", "r3", "r1"):
        end(log, request_id=name)
    found = lines(log)
    told = [(one["request_id"], one["request"]["json"]["model"], one["answer"]["text"]) for one in found]
    assert told == [("r2", "r2", "r2"), ("r3", "r3", "r3"), ("r1", "r1", "r1")]


@pytest.mark.parametrize(
    ("changes", "is_written"),
    [({}, False), ({"status": 399}, False), ({"status": 400}, True), ({"status": 499}, True),
     ({"status": 502}, True), ({"problem": "cut: fault: gone"}, True)],
)  # fmt: skip
def test_only_errors_are_written_where_that_is_asked_for(make, lines, changes, is_written):
    log = make(only="errors")
    begin(log)
    end(log, **changes)
    assert bool(lines(log)) is is_written


@pytest.mark.parametrize(
    ("model", "is_written"),
    [("gpt-4o", True), ("gpt-", True), ("o3", True), ("o33", False), ("GPT-4o", False), ("a/gpt-4", False)],
)
def test_only_the_models_wanted_are_written(make, lines, model, is_written):
    log = make(models=["gpt-*", "o3"])
    begin(log, model=model)
    assert (answer(log, b"x") is not None) is is_written
    end(log)
    assert bool(lines(log)) is is_written


def test_an_end_without_a_beginning_is_nothing(make, lines):
    log = make()
    end(log)
    begin(log)
    end(log)
    end(log)
    assert len(lines(log)) == 1


def test_what_never_ends_is_dropped_and_counted(make, lines, clock, caplog):
    log = make()
    begin(log, request_id="lost")
    clock[0] += LOST_AFTER_S
    begin(log)
    assert list(log._open) == ["r1"]
    end(log, request_id="lost")
    end(log)
    assert [one["request_id"] for one in lines(log)] == ["r1"]
    assert "dropped entries count=1 reason='no word of their end'" in caplog.text


def test_what_may_still_end_is_kept(make, lines, clock):
    log = make()
    begin(log, request_id="slow")
    clock[0] += LOST_AFTER_S - 1
    begin(log)
    end(log, request_id="slow")
    end(log)
    assert [one["request_id"] for one in lines(log)] == ["slow", "r1"]


def test_what_is_open_at_the_end_is_counted(make, lines, caplog):
    log = make()
    begin(log)
    assert lines(log) == []
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "count=1" in caplog.text
