"""Meters of streams: what was delivered when a stream breaks off."""

import json

import pytest
import support
from canalgate.proxy.metering import EventCount, TextCount
from canalgate.proxy.metering.tokenizer import count_tokens, estimate_tokens

HOWS = ("whole", "events", "bytes", "random")
METERS = (EventCount, TextCount)


def tokens(texts):
    return count_tokens(texts, "gpt-4o")[0]


def no_counting(texts):
    raise AssertionError("nothing was to be counted")


def event(value, end=b"\n\n", **style):
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value, **style).encode()) + end


def delta(**fields):
    return {"id": "c", "choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


ROLE = delta(role="assistant", content="")
FINISH = {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"id": "c", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}
COMPACT = {"separators": (",", ":"), "ensure_ascii": False}
WORDS = ["The", " harbour", " wakes", " before", " the", " town", " does", ".", " By", " five"] * 10
"""Each of them one token."""

KINDS = {
    "content": lambda word: delta(content=word),
    "reasoning_content": lambda word: delta(content=None, reasoning_content=word),
    "empty content beside thoughts": lambda word: delta(content="", reasoning_content=word),
    "thoughts twice": lambda word: delta(reasoning=word, reasoning_details=[{"text": word}]),
    "arguments": lambda word: delta(tool_calls=[{"index": 0, "function": {"arguments": word}}]),
    "completions": lambda word: {"choices": [{"index": 0, "text": word, "finish_reason": None}]},
    "responses": lambda word: {"type": "response.output_text.delta", "delta": word},
    "usage in every event": lambda word: {**delta(content=word), "usage": {"completion_tokens": 1}},
    "the word data: in it": lambda word: {**delta(content=word), "data:": "data:"},
}


def stream(kind, count, **style):
    said = b"".join(event(KINDS[kind](word), **style) for word in WORDS[:count])
    return event(ROLE, **style) + said


@pytest.mark.parametrize("count", [0, 1, 2, 5, 20, 100])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", [{}, COMPACT], ids=["spaced", "compact"])
@pytest.mark.parametrize("how", HOWS)
def test_a_client_that_left_after_so_many_tokens_is_billed_for_them(kind, count, style, how):
    meter = EventCount()
    for piece in support.cuts(stream(kind, count, **style), how):
        meter.add(piece)
    assert (meter.completion(tokens), meter.events) == (count, count)


@pytest.mark.parametrize("meter_type", METERS)
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n"])
def test_events_without_text_do_not_count(meter_type, how, end):
    values = [ROLE, *(delta(content=word) for word in WORDS[:7]), FINISH, USAGE, b"[DONE]"]
    data = b": ping" + end + b"event: x" + end + b"".join(event(value, end) for value in values)
    meter = meter_type()
    for piece in support.cuts(data, how):
        meter.add(piece)
    assert (meter.completion(tokens), meter.events) == (7, 7)


@pytest.mark.parametrize("meter_type", METERS)
@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\n\n\n",
        b"data:\n\n",
        b"data: {\n\n",
        b"data: []\n\n",
        b"data: \xff\xfe\n\n",
        b"not an event\n\n",
        event(b'{"choices":[{"delta":{"content":3}}]}'),
        event(b'{"choices":[{"delta":null}]}'),
        event(b'{"choices":[{"delta":{"content":"\\"content\\":\\"x"}}' + b"\n\n"),
        event(b'{"error":{"message":"overloaded"}}'),
        event(b"[" * 3000),
        b"data: {" + b"}" * 3000 + b"\n",
    ],
    ids=range(13),
)
def test_nonsense_in_a_stream_neither_counts_nor_stops_the_count(meter_type, noise):
    meter = meter_type()
    meter.add(event(delta(content="The")) + noise + event(delta(content=" harbour")))
    meter.add(noise)
    assert (meter.completion(tokens), meter.events) == (2, 2)


@pytest.mark.parametrize("meter_type", METERS)
def test_the_last_event_counts_even_if_its_end_is_missing(meter_type):
    meter = meter_type()
    meter.add(event(delta(content="The")) + event(delta(content=" harbour"))[:-2])
    assert meter.completion(tokens) == 2
    assert meter.completion(tokens) == 2


@pytest.mark.parametrize("meter_type", METERS)
def test_half_an_event_does_not_count(meter_type):
    meter = meter_type()
    meter.add(event(delta(content="The")) + event(delta(content=" harbour"))[:40])
    assert meter.completion(tokens) == 1


@pytest.mark.parametrize("meter_type", METERS)
def test_a_line_without_end_is_not_held(meter_type):
    meter = meter_type()
    for _ in range(200):
        meter.add(b"data: " + b"x" * 2048)
    assert len(meter._held) <= 64 * 1024
    meter.add(b"x\n\n" + event(delta(content="The")))
    assert meter.events == 2


@pytest.mark.parametrize("meter_type", METERS)
@pytest.mark.parametrize(
    "some",
    [
        [delta(content="one")] * 40,
        [delta(content="")] * 40,
        [delta(content="one")] * 20 + [delta(reasoning_content="two")] * 20,
        [delta(content="one"), delta(role="assistant")] * 20,
    ],
)
def test_events_are_counted_alike_in_frames_and_without(meter_type, some):
    plain, framed = meter_type(), meter_type()
    for one in some:
        line = event(one)
        plain.add(line)
        framed.add_events(b"%x\r\n%b\r\n" % (len(line), line), 1)
    assert framed.events == plain.events
    assert framed.completion(tokens) == plain.completion(tokens)


def test_more_events_than_were_announced_are_counted():
    meter = EventCount()
    for _ in range(30):
        meter.add_events(event(delta(content="one")) * 2, 1)
    assert meter.events == 60


@pytest.mark.parametrize("per_event", [4, 20])
def test_events_of_many_tokens_count_as_many(per_event):
    meter = EventCount()
    produced = 50 * per_event
    for at in range(50):
        words = (WORDS * 20)[at * per_event : (at + 1) * per_event]
        meter.add(event(delta(content="".join(words))))
    assert abs(meter.completion(tokens) - produced) < produced / 20


def test_an_estimate_of_the_sample_does_not_change_what_the_events_say():
    meter = EventCount()
    meter.add(stream("content", 100))
    assert meter.completion(lambda texts: sum(map(estimate_tokens, texts))) == 100


def test_texts_are_counted_by_kind():
    meter = TextCount()
    meter.add(event(delta(reasoning_content="The harbour")) + event(delta(content="wakes before")))
    meter.add(event(delta(tool_calls=[{"function": {"name": "f", "arguments": "{}"}}])))
    assert meter.thoughts(tokens) == tokens(["The harbour"])
    assert meter.completion(tokens) == sum(tokens([text]) for text in ("The harbour", "wakes before", "f{}"))


def test_a_whole_text_is_kept_across_all_pieces():
    meter = TextCount()
    data = stream("content", 100, **COMPACT)
    for at in range(0, len(data), 777):
        meter.add(data[at : at + 777])
    assert meter.said.texts() == ["".join(WORDS)]


def test_an_empty_stream_has_no_tokens():
    assert EventCount().completion(no_counting) == 0
