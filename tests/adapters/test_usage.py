"""Usage at the end of an answer, and the filter that takes our own usage event out of a stream."""

import json

import pytest
import support
from canalgate.adapters.parts.usage import UsageFilter, last_usage, read_usage
from canalgate.plugins import Usage
from recordings import recorded

APIS = {"chat.completions", "completions", "responses"}
HOWS = ("whole", "events", "bytes", "random")


def recorded_usages():
    """The last bytes of every recorded answer with its usage as the oracle counts it."""
    for path, meta, expected in recorded(APIS):
        if usage := expected.get("usage"):
            tail = (path / meta["response_file"]).read_bytes()[-8192:]
            yield pytest.param(tail, usage, id=f"{meta['provider']}/{meta['case']}")


USAGES = list(recorded_usages())


def test_the_recordings_are_at_hand(recordings):
    assert len(USAGES) > 90


@pytest.mark.parametrize(("tail", "usage"), USAGES)
def test_recorded_usage_is_read_from_the_last_bytes(tail, usage):
    prompt = usage["prompt_tokens"]
    completion = usage["completion_tokens"] + (usage.get("total_mismatch") or 0)
    cached = min(usage.get("cached_tokens") or 0, prompt)
    reasoning = min(usage.get("reasoning_tokens") or 0, completion)
    got = last_usage(tail)
    counted = (got.prompt_tokens, got.completion_tokens, got.cached_tokens, got.reasoning_tokens)
    assert counted == (prompt, completion, cached, reasoning)


@pytest.mark.parametrize(("tail", "usage"), USAGES)
def test_recorded_usage_is_odd_only_where_a_part_exceeds_its_whole(tail, usage):
    parts = usage.get("cached_tokens") or 0, usage.get("reasoning_tokens") or 0
    wholes = usage["prompt_tokens"], usage["completion_tokens"] + (usage.get("total_mismatch") or 0)
    is_odd = any(part > whole for part, whole in zip(parts, wholes, strict=True))
    assert last_usage(tail).odd == (("part_usage",) if is_odd else ())


def odd(*words: str, **counts: int) -> Usage:
    return Usage(**counts, odd=tuple("usage_twice" if word == "twice" else f"{word}_usage" for word in words))


THREE_ONE = {"prompt_tokens": 3, "completion_tokens": 1}
THREE_NINE = {"prompt_tokens": 3, "completion_tokens": 9}


@pytest.mark.parametrize(
    ("given", "usage"),
    [
        (None, None),
        ([], None),
        ("text", None),
        (7, None),
        ({}, None),
        ({"type": "string"}, None),
        ({"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}, odd("null")),
        ({"prompt_tokens": "3"}, odd("text")),
        ({"prompt_tokens": True}, odd("text")),
        ({"prompt_tokens": [3]}, odd("text")),
        ({"prompt_tokens": {"a": 1}}, odd("text")),
        ({"prompt_tokens": -1}, odd("negative")),
        ({"prompt_tokens": -(2**70)}, odd("negative")),
        ({"prompt_tokens": -0.5}, odd("negative")),
        ({"prompt_tokens": float("nan")}, odd("nan")),
        ({"prompt_tokens": float("inf")}, odd("huge")),
        ({"prompt_tokens": float("-inf")}, odd("negative")),
        ({"prompt_tokens": 2**40}, odd("huge")),
        ({"prompt_tokens": 2**40 - 1}, Usage(2**40 - 1)),
        ({"prompt_tokens": 10**400}, odd("huge")),
        ({"prompt_tokens": "3", "completion_tokens": -1}, odd("text", "negative")),
        ({"prompt_tokens": -5, "completion_tokens": 7}, odd("negative", completion_tokens=7)),
        ({"prompt_tokens": 3, "completion_tokens": "9", "total_tokens": 12}, odd("text", **THREE_NINE)),
        ({"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": -12}, odd("negative", **THREE_NINE)),
        ({"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 0}, Usage(3, 9)),
        ({"total_tokens": 2**50}, odd("huge")),
        ({"prompt_tokens": 3.0, "completion_tokens": 1}, Usage(3, 1)),
        ({"prompt_tokens": 3, "completion_tokens": -1}, odd("negative", prompt_tokens=3)),
        ({"prompt_tokens": 3.2}, Usage(4)),
        ({"input_tokens": 3, "output_tokens": 1}, Usage(3, 1)),
        ({"prompt_tokens": None, "input_tokens": 3}, Usage(3, 0)),
        ({"total_tokens": 5}, Usage(5, 0)),
        ({"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 9}, Usage(3, 6)),
        ({"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 2}, odd("total", **THREE_ONE)),
        (
            {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}},
            odd("part", prompt_tokens=3, cached_tokens=3),
        ),
        (
            {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": -9}},
            odd("negative", prompt_tokens=3),
        ),
        ({"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": None}}, Usage(3)),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 3}},
            Usage(9, cached_tokens=2, cache_write_tokens=3),
        ),
        (
            {"input_tokens": 9, "cache_read_input_tokens": 8, "cache_creation_input_tokens": 3},
            odd("part", prompt_tokens=9, cached_tokens=8, cache_write_tokens=1),
        ),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"audio_tokens": 4, "image_tokens": 5}},
            Usage(9, audio_prompt_tokens=4, image_prompt_tokens=5),
        ),
        (
            {"completion_tokens": 9, "completion_tokens_details": {"audio_tokens": 8, "image_tokens": 8}},
            odd("part", completion_tokens=9, audio_completion_tokens=8, image_completion_tokens=1),
        ),
        (  # images
            {"input_tokens": 50, "output_tokens": 6, "input_tokens_details": {"image_tokens": 40}},
            Usage(50, 6, image_prompt_tokens=40),
        ),
        (  # transcriptions
            {"type": "tokens", "input_tokens": 14, "input_token_details": {"audio_tokens": 14}},
            Usage(14, audio_prompt_tokens=14),
        ),
        ({"type": "duration", "seconds": 9}, Usage(milliseconds=9000)),
        ({"type": "duration", "seconds": 8.4701}, Usage(milliseconds=8471)),
        ({"type": "duration", "seconds": -1}, odd("negative")),
        ({"type": "duration", "seconds": "9"}, odd("text")),
        ({"type": "duration", "seconds": 1e300}, odd("huge")),
        ({"type": "duration", "seconds": float("nan")}, odd("nan")),
        ({"type": "duration", "seconds": None}, None),
        ({"prompt_tokens": 3, "prompt_tokens_details": None, "cached_tokens": 2}, Usage(3, 0, 2)),
        ({"prompt_tokens": 3, "prompt_tokens_details": [1]}, Usage(3, 0)),
        ({"prompt_tokens": 3, "prompt_cache_hit_tokens": 2}, Usage(3, 0, 2)),
        ({"input_tokens": 3, "input_tokens_details": {"cached_tokens": 2}}, Usage(3, 0, 2)),
        (
            {"completion_tokens": 4, "completion_tokens_details": {"reasoning_tokens": 9}},
            odd("part", completion_tokens=4, reasoning_tokens=4),
        ),
        ({"output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 2}}, Usage(0, 4, 0, 2)),
    ],
)
def test_usage_is_read_whatever_the_host_puts_there(given, usage):
    assert read_usage(given) == usage


@pytest.mark.parametrize(
    ("tail", "usage"),
    [
        (b"", None),
        (b'"usage":{"prompt_tokens":3', None),
        (b'"usage":null', None),
        (rb'{"content":"\"usage\":{\"prompt_tokens\":9}"}', None),
        (b'"usage":{"prompt_tokens":1} "usage":{"prompt_tokens":2}', odd("twice", prompt_tokens=2)),
        (b'"usage":{"prompt_tokens":2} "usage":{"prompt_tokens":1}', odd("twice", prompt_tokens=2)),
        (b'"usage":{"prompt_tokens":2} "usage":{"prompt_tokens":-1}', odd("negative", prompt_tokens=2)),
        (b'"usage":{"prompt_tokens":2} "usage":{"prompt_tokens":2}', Usage(2)),
        (b'"usage":{"completion_tokens":2} "usage":{"completion_tokens":7}', Usage(0, 7)),
        (
            b'"usage":{"completion_tokens":7} "usage":{"completion_tokens":2}',
            odd("twice", completion_tokens=7),
        ),
        (b'"usage":{"completion_tokens":7} "usage":{"completion_tokens":0}', Usage(0, 7)),
        (
            b'"choices":[],"usage":{"completion_tokens":2}\n"choices": [],"usage":{"completion_tokens":7}',
            odd("twice", completion_tokens=7),
        ),
        (b'"usage":{"prompt_tokens":2}' + b" " * 3000 + b'"usage":{"prompt_tokens":1}', Usage(1)),
        (b'"usage":{"prompt_tokens":1} "usage":{}', Usage(1)),
        (b'"usage":{"prompt_tokens":1} "usage":{"prompt_tok', Usage(1)),
        (b'"usage" : {"prompt_tokens":1}', Usage(1)),
        (b'\x9f\xff"usage":{"prompt_tokens":1}', Usage(1)),
        (b'"usage":{"prompt_tokens":NaN}', odd("nan")),
        (b'"usage":{"prompt_tokens":' + b"9" * 5000 + b"}", None),
        (b'"usage":' + b'{"a":' * 1600 + b"1" + b"}" * 1600, None),
    ],
    ids=range(20),
)
def test_the_last_usage_object_counts(tail, usage):
    assert last_usage(tail) == usage


def test_thousands_of_objects_of_that_name_cost_no_time():
    assert last_usage(b'{"usage":{"a":1}}' * 200_000) is None


def chunk(text: str, finish: str | None = None, **more) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return json.dumps({"id": "c", "choices": [choice], **more}, ensure_ascii=False).encode()


COUNTS = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
USAGE_ONLY = json.dumps({"id": "c", "choices": [], "usage": COUNTS}).encode()
NO_CHOICES = json.dumps({"id": "c", "usage": COUNTS}).encode()
STREAMS = {
    "plain": ([chunk("a"), chunk("b", "stop")], b"", None),
    "usage-only": ([chunk("a"), chunk("b", "stop")], USAGE_ONLY, Usage(3, 2)),
    "no-choices": ([chunk("a"), chunk("b", "stop")], NO_CHOICES, Usage(3, 2)),
    "usage-null": ([chunk("a", usage=None), chunk("b", "stop", usage=None)], USAGE_ONLY, Usage(3, 2)),
    "word-in-text": ([chunk('"usage":{"x":1}'), chunk("usage: {")], USAGE_ONLY, Usage(3, 2)),
    "in-finish-chunk": ([chunk("a"), chunk("b", "stop", usage=COUNTS)], b"", Usage(3, 2)),
    "in-every-chunk": ([chunk("a", usage=COUNTS), chunk("b", usage=COUNTS)], USAGE_ONLY, Usage(3, 2)),
    "beside-an-error": (
        [json.dumps({"error": {"message": "m"}, "usage": COUNTS}).encode()],
        b"",
        Usage(3, 2),
    ),
    "not-json": ([b'{"usage":{', b'broken "usage":{}'], b"", None),
    "many-bytes": ([chunk("日本語 🙂"), chunk("a\u2028b")], USAGE_ONLY, Usage(3, 2)),
}
ENDS = {"lf": b"\n\n", "crlf": b"\r\n\r\n", "cr": b"\r\r", "single-newline": b"\n"}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", STREAMS)
def test_only_our_usage_event_is_taken_out(name, end, how):
    kept, ours, usage = STREAMS[name]
    ending = ENDS[end]
    before = b"".join(b"data: " + data + ending for data in kept)
    done = b"data: [DONE]" + ending
    stream = before + (b"data: " + ours + ending if ours else b"") + done
    usage_filter = UsageFilter()
    got = b"".join(map(usage_filter.feed, support.cuts(stream, how))) + usage_filter.close()
    assert (got, usage_filter.usage) == (before + done, usage)


@pytest.mark.parametrize("tail", [b"", b"\n", b"\n\n", b"\r\n"])
def test_a_usage_event_at_the_very_end_is_taken_out(tail):
    usage_filter = UsageFilter()
    got = usage_filter.feed(b"data: {}\n\ndata: " + USAGE_ONLY + tail) + usage_filter.close()
    assert (got, usage_filter.usage) == (b"data: {}\n\n", Usage(3, 2))


def test_whole_lines_are_passed_on_at_once():
    data = b"data: " + chunk("a") + b"\n\n"
    assert UsageFilter().feed(data) is data


def test_an_endless_line_is_not_held():
    usage_filter = UsageFilter()
    assert len(usage_filter.feed(b"data: " + b"x" * 70_000)) == 70_006


def test_thousands_of_chunks_with_usage_in_one_piece_pass():
    stream = (b"data: " + chunk("a", usage=COUNTS) + b"\n\n") * 3000
    assert UsageFilter().feed(stream) == stream
