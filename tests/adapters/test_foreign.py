"""What adapters for wires of their own share: whole answers, streams, failures, addresses."""

import orjson
import pytest
from canalgate.adapters.foreign import (
    EventsOrDocument,
    ForeignAdapter,
    JsonStream,
    at,
    count,
    is_document,
    json_object,
    objects,
    text,
)
from canalgate.adapters.ndjson import LineDecoder
from canalgate.plugins import (
    Call,
    Channel,
    Credential,
    ErrorKind,
    JsonBody,
    UpstreamError,
    UpstreamResponse,
    Usage,
)

EVENTS = {"content-type": "text/event-stream; charset=utf-8"}


class Letters(ForeignAdapter):
    """A provider whose events are `{"letter": "a"}` and, last, `{"last": true}`."""

    name = "letters"
    title = "Letters"
    base_url = "https://letters.example"
    endpoints = frozenset({"chat/completions"})
    codes = {"Slow": (ErrorKind.RATE, ""), "Bad": (ErrorKind.REQUEST, "")}

    def request(self, call):
        return self.post(call, f"{self.root(call.channel)}/letters", {"want": call.upstream_model})

    def reply(self, call, response):
        raise NotImplementedError

    def stream(self, call, response):
        return None if is_document(call, response) else LetterStream(self, call, response)


class LetterStream(JsonStream):
    def event(self, name, value):
        if value.get("last"):
            self.ended = True
            self.usage = Usage(1, 2)
            return self.out.finish("stop")
        return self.out.text(text(value.get("letter")) + name.decode())


ADAPTER = Letters()


def call(stream=True, key="k", url="") -> Call:
    body = JsonBody(orjson.dumps({"stream": stream, "stream_options": {"include_usage": True}}))
    channel = Channel(1, "c", url, key)
    return Call(
        "r", "chat/completions", "m", "up", stream, body, "application/json", channel, Credential(key), 1.0
    )


def run(*pieces: bytes, decoder=None, headers=EVENTS) -> tuple[str, UpstreamError | None]:
    """The text that comes out, and how it ended."""
    stream = LetterStream(ADAPTER, call(), UpstreamResponse(200, headers), decoder)
    sent = b""
    try:
        for piece in pieces:
            sent += stream.feed(piece)
        sent += stream.close()
    except UpstreamError as error:
        return letters(sent), error
    assert sent.endswith(b"data: [DONE]\n\n")
    return letters(sent), None


def letters(sent: bytes) -> str:
    chunks = [orjson.loads(line[6:]) for line in sent.split(b"\n\n") if line.startswith(b"data: {")]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content", "") for delta in deltas)


def each(stream: bytes, size: int) -> list[bytes]:
    return [stream[place : place + size] for place in range(0, len(stream), size)]


# Streams.

GOOD = 'data: {"letter":"a"}\n\ndata: {"letter":"ü"}\n\ndata: {"last":true}\n\n'.encode()
BROKEN_OFF = b'data: {"letter":"a"}\n\ndata: {"letter":"b"}\n\n'
FAILED = BROKEN_OFF + b'data: {"error":{"code":"Slow","message":"too fast"}}\n\ndata: {"letter":"c"}\n\n'
NO_JSON = BROKEN_OFF + b"data: {oh\n\n" + GOOD


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_good_stream_is_translated_in_any_split(size):
    assert run(*each(GOOD, size)) == ("aü", None)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    ("stream", "shown", "kind"),
    [
        (BROKEN_OFF, "ab", ErrorKind.FAULT),
        (BROKEN_OFF + b"data: [DONE]\n\n", "ab", ErrorKind.FAULT),
        (FAILED, "ab", ErrorKind.RATE),
        (NO_JSON, "ab", ErrorKind.FAULT),
        (BROKEN_OFF + b"data: []\n\n" + GOOD, "ab", ErrorKind.FAULT),
        (BROKEN_OFF + b'data: {"last":', "ab", ErrorKind.FAULT),
        (b"", "", ErrorKind.FAULT),
        (b"\r\n\r\n", "", ErrorKind.FAULT),
        (b": hello\n\n", "", ErrorKind.FAULT),
        (b'data: {"error":{"code":"Slow"}}\n\n', "", ErrorKind.RATE),
        (b'{"error":{"code":"Slow"}}', "", ErrorKind.RATE),
        (b'\xef\xbb\xbf\n {"error":{"code":"Slow"}}\n', "", ErrorKind.RATE),
        (b'{"letter":"a"}', "", ErrorKind.FAULT),
        (b'{"letter"', "", ErrorKind.FAULT),
        (b"<html>", "", ErrorKind.FAULT),
    ],
)
def test_what_came_before_a_failure_is_shown_in_any_split(stream, shown, kind, size):
    text, error = run(*each(stream, size))
    assert (text, error.kind) == (shown, kind)


def test_a_failure_that_comes_first_is_raised_at_once():
    stream = LetterStream(ADAPTER, call(), UpstreamResponse(200, EVENTS))
    with pytest.raises(UpstreamError) as caught:
        stream.feed(b'data: {"error":{"code":"Slow","message":"too fast"}}\n\n')
    assert (caught.value.kind, caught.value.status) == (ErrorKind.RATE, 429)


def test_a_failure_after_text_is_raised_by_every_later_call():
    stream = LetterStream(ADAPTER, call(), UpstreamResponse(200, EVENTS))
    assert stream.feed(FAILED)
    for later in (lambda: stream.feed(b""), lambda: stream.feed(GOOD), stream.close):
        with pytest.raises(UpstreamError, match="too fast"):
            later()


def test_the_wait_a_provider_asks_for_is_kept_in_a_stream_too():
    _, error = run(FAILED, headers={**EVENTS, "retry-after": "7"})
    assert error.retry_after == 7.0


@pytest.mark.parametrize("done", [b"data: [DONE]\n\n", b'event: done\ndata: "[DONE]"\n\n', b"data:\n\n"])
def test_an_end_marker_is_no_event(done):
    assert run(GOOD + done) == ("aü", None)


def test_the_name_of_an_event_is_given():
    assert run(b'event: x\ndata: {"letter":"a"}\n\n', GOOD) == ("axaü", None)


def test_lines_are_translated_like_events():
    assert run(b'{"letter":"a"}\n{"la', b'st":true}', decoder=LineDecoder()) == ("a", None)


def test_usage_is_known_and_shown_at_the_end():
    stream = LetterStream(ADAPTER, call(), UpstreamResponse(200, EVENTS))
    stream.feed(GOOD)
    assert stream.usage == Usage(1, 2)
    assert b'"total_tokens":3' in stream.close()


def test_bytes_of_a_document_are_one_event_at_the_end():
    decoder = EventsOrDocument()
    assert decoder.feed(b"\n") + decoder.feed(b'{"a":\n\n') + decoder.feed(b"1}\n") == []
    assert [event.data for event in decoder.flush()] == [b'{"a":\n\n1}']


# Whole answers.


@pytest.mark.parametrize(
    ("kind", "stream", "document"),
    [
        ("application/json", True, True),
        ("application/json; charset=utf-8", True, True),
        ("text/html", True, True),
        ("", True, False),
        ("text/plain", True, False),
        ("", False, True),
        ("text/plain", False, True),
        ("text/event-stream", False, False),
        ("text/event-stream;charset=UTF-8", True, False),
        ("application/x-ndjson", False, False),
    ],
)
def test_the_content_type_says_whether_an_answer_is_whole(kind, stream, document):
    headers = {"content-type": kind} if kind else {}
    assert is_document(call(stream), UpstreamResponse(200, headers)) is document


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"<html></html>", b"\xff"])
def test_an_answer_that_is_no_object_is_the_providers_fault(body):
    with pytest.raises(UpstreamError) as caught:
        json_object(UpstreamResponse(200, {}, body))
    assert caught.value.kind is ErrorKind.FAULT


def test_a_web_page_means_a_wrong_address():
    with pytest.raises(UpstreamError) as caught:
        json_object(UpstreamResponse(200, {"content-type": "text/html"}, b"<html>"))
    assert caught.value.kind is ErrorKind.MODEL


def test_a_failure_under_200_has_the_status_it_means():
    body = b'{"error":{"code":"Bad","message":"no letter"}}'
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.document(call(), UpstreamResponse(200, {}, body))
    assert (caught.value.kind, caught.value.status) == (ErrorKind.REQUEST, 400)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"a": {"b": 1}}, 1),
        ({"a": {}}, None),
        ({"a": [1]}, None),
        ({"a": None}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_path_leads_to_a_value_or_to_nothing(value, found):
    assert at(value, "a", "b") == found


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3), (3.0, 3), (0, 0), (None, 0), ("3", 0), (True, 0), (-1, 0), (2.0**60, 0), (float("nan"), 0)],
)
def test_what_is_no_count_counts_nothing(value, number):
    assert count(value) == number


def test_only_objects_and_only_texts_are_taken():
    assert objects([{"a": 1}, None, "x", [], {}]) == [{"a": 1}, {}]
    assert [objects(None), objects({"a": 1}), objects("x")] == [[], [], []]
    assert [text("x"), text(None), text(1), text(["x"])] == ["x", "", "", ""]


# Requests and errors.


def test_a_request_is_json_with_a_bearer_key():
    request = ADAPTER.request(call(url="https://other.example/"))
    assert request.url == "https://other.example/letters"
    assert request.headers == {"content-type": "application/json", "authorization": "Bearer k"}
    assert orjson.loads(request.body) == {"want": "up"}


def test_without_a_key_nothing_is_signed():
    assert "authorization" not in ADAPTER.request(call(key="")).headers


@pytest.mark.parametrize(
    ("url", "key"), [("ftp://x", "k"), ("x", "k"), ("https://u:p@x", "k"), ("", "a b"), ("", "ключ")]
)
def test_an_address_or_a_key_that_cannot_work_is_refused(url, key):
    with pytest.raises(ValueError, match=r"base URL|key"):
        ADAPTER.check(Channel(1, "c", url, key))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"code":"Slow"}', ErrorKind.RATE),
        (400, b'{"code":"Slow.Down"}', ErrorKind.RATE),
        (400, b'{"code":"Slowly"}', ErrorKind.REQUEST),
        (500, b'{"code":"Bad"}', ErrorKind.REQUEST),
        (400, b'{"code":"Bad","message":"your account is in arrears"}', ErrorKind.BALANCE),
        (400, b'{"code":"Slow","message":"your account is in arrears"}', ErrorKind.RATE),
        (401, b"", ErrorKind.CREDENTIAL),
        (502, b"<html>", ErrorKind.FAULT),
    ],
)
def test_a_providers_own_codes_come_before_the_common_rules(status, body, kind):
    assert ADAPTER.error(call(), UpstreamResponse(status, {}, body)).kind is kind
