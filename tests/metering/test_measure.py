"""What a request has used: the provider's word where it makes sense, else what is counted here."""

import json
import subprocess
import sys

import pytest
import texts
from canalgate.plugins import Usage
from canalgate.proxy.ledger.entry import Counts
from canalgate.proxy.metering import EventCount, Seen, Sent, TextCount, measure, provided
from canalgate.proxy.metering.local import count_here
from canalgate.proxy.metering.tokenizer import count_tokens

CHAT = {"model": "m", "messages": [{"role": "user", "content": texts.ENGLISH}]}
PROMPT = count_tokens(["user", texts.ENGLISH], "gpt-4o")[0] + 6
ANSWER = {"choices": [{"message": {"role": "assistant", "content": texts.ENGLISH}}]}
SAID = count_tokens([texts.ENGLISH], "gpt-4o")[0]


def sent(endpoint="chat/completions", body=CHAT, model="gpt-4o", **more):
    raw = json.dumps(body).encode() if body is not None else b""
    return Sent(endpoint, model, raw, **{"estimated": Counts(300, 4096), **more})


def seen(body=ANSWER, **more):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Seen(len(raw), raw, **more)


def event(word):
    return b"data: " + json.dumps({"choices": [{"delta": {"content": word}}]}).encode() + b"\n\n"


def streamed(meter, words, complete=True):
    data = b"".join(map(event, words))
    meter.add(data)
    return Seen(len(data), meter=meter, complete=complete)


WORDS = ["The", " harbour", " wakes", " before", " the"]

# The provider's word.


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (Usage(130, 120), Counts(130, 120)),
        (Usage(130, 120, 100, 50, 20), Counts(130, 120, 100, 20, 50)),
        (
            Usage(19, 9, 1, 2, 3, 4, 5, 6, 7, 8, 10),
            Counts(19, 9, 1, 3, 2, 4, 5, 6, 7, 8, 10),
        ),
    ],
)
def test_usage_of_the_provider_is_taken_as_it_is(usage, counts):
    assert measure(usage, sent(), seen({})) == (found := provided(usage, sent(), seen({})))
    assert (found.counts, found.source, found.flags) == (counts, "provider", ())


def test_what_the_adapter_found_odd_is_a_flag():
    assert provided(Usage(130, 120, odd=("part_usage",)), sent(), seen()).flags == ("part_usage",)


def test_a_request_whose_provider_reports_usage_loads_nothing_that_counts():
    program = (
        "import sys\n"
        "from canalgate.plugins import Usage\n"
        "from canalgate.proxy.ledger.entry import Counts\n"
        "from canalgate.proxy.metering import Seen, Sent, measure\n"
        "measure(Usage(9, 9), Sent('chat/completions', 'gpt-4o', b'{}'), Seen(500, b'{}'))\n"
        "names = ('tokenizer', 'local', 'pictures', 'audio')\n"
        "loaded = [name for name in names if f'canalgate.proxy.metering.{name}' in sys.modules]\n"
        "print(loaded, 'toktok' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert ran.stdout.strip() == "[] False"


@pytest.mark.parametrize(
    ("usage", "flag"),
    [
        (Usage(130, 4097 + 50 * 900), "implausible_usage"),
        (Usage(2**18 + 1, 120), "implausible_usage"),
        (Usage(130, 4096), None),
        (Usage(2**18, 120), None),
    ],
)
def test_an_absurd_report_is_kept_and_flagged(usage, flag):
    found = provided(usage, sent(), Seen(900, b"{}"))
    assert found.counts == Counts(usage.prompt_tokens, usage.completion_tokens)
    assert found.flags == ((flag,) if flag else ())


def test_without_a_bound_nothing_is_implausible():
    assert provided(Usage(2**30, 2**30), sent(estimated=Counts()), seen()).flags == ()


@pytest.mark.parametrize(
    ("usage", "flag", "counts"),
    [
        (Usage(-5, 120), "negative_usage", Counts(PROMPT, 120)),
        (Usage(130, -(2**70)), "negative_usage", Counts(130, SAID)),
        (Usage(130, 2**40), "huge_usage", Counts(130, SAID)),
        (Usage(130, "120"), "text_usage", Counts(130, SAID)),
        (Usage(130, None), "text_usage", Counts(130, SAID)),
        (Usage(130, 120.0), "text_usage", Counts(130, SAID)),
        (Usage(130, float("nan")), "text_usage", Counts(130, SAID)),
        (Usage(130, True), "text_usage", Counts(130, SAID)),
        (Usage(130, 120, cached_tokens=-100), "negative_usage", Counts(130, 120)),
    ],
)
def test_a_report_that_no_adapter_has_checked_never_credits(usage, flag, counts):
    found = measure(usage, sent(), seen())
    assert found.counts == counts
    assert flag in found.flags


# What is counted here.


@pytest.mark.parametrize(
    ("usage", "counts", "source", "flags"),
    [
        (None, Counts(PROMPT, SAID), "tokenizer", ()),
        (Usage(), Counts(PROMPT, SAID), "tokenizer", ("zero_usage",)),
        (Usage(130, 0), Counts(130, SAID), "tokenizer", ("zero_usage",)),
        (Usage(0, 120), Counts(PROMPT, 120), "tokenizer", ("zero_usage",)),
        (Usage(0, 0, odd=("text_usage",)), Counts(PROMPT, SAID), "tokenizer", ("text_usage", "zero_usage")),
        (Usage(5, 120), Counts(5, 120), "provider", ()),
        (Usage(PROMPT // 2, 120), Counts(PROMPT // 2, 120), "provider", ()),
    ],
)
def test_what_is_missing_is_counted_here_and_the_rest_is_the_providers_word(usage, counts, source, flags):
    found = measure(usage, sent(), seen())
    assert (found.counts, found.source, found.flags) == (counts, source, flags)


def test_a_report_is_not_too_small_because_of_what_is_no_text():
    padded = {**ANSWER, "x": "y" * 100_000}
    assert measure(Usage(130, SAID), sent(), seen(padded)).source == "provider"
    spaces = {"messages": [{"role": "user", "content": " " * 100_000}]}
    assert (
        measure(Usage(900, SAID), sent(body=spaces, estimated=Counts(50_000, 9)), seen()).source == "provider"
    )


def test_a_model_without_a_tokenizer_is_estimated():
    found = measure(None, sent(model="claude"), seen())
    assert found.source == "estimate"
    assert abs(found.counts.completion_tokens - SAID) < SAID / 5


def test_thoughts_are_part_of_the_completion():
    answer = {"choices": [{"message": {"content": "a", "reasoning_content": texts.ENGLISH}}]}
    assert measure(None, sent(), seen(answer)).counts == Counts(PROMPT, SAID + 1, reasoning_tokens=SAID)


def test_an_empty_answer_has_no_completion():
    empty = {"choices": [{"message": {"content": ""}}]}
    found = measure(Usage(130, 0), sent(), seen(empty))
    assert (found.counts, found.source, found.flags) == (Counts(130), "provider", ())


@pytest.mark.parametrize("body", [b"\x1f\x8b\x08" + bytes(397), b"<html>" + b"x" * 394])
def test_an_answer_that_cannot_be_read_is_not_free(body):
    found = measure(None, sent(), seen(body))
    assert (found.counts.completion_tokens, found.source) == (100, "estimate")


def test_a_request_that_was_not_kept_is_half_its_bound():
    found = measure(Usage(0, 120), sent(body=None), seen())
    assert (found.counts, found.source) == (Counts(150, 120), "estimate")


def test_nothing_sent_and_nothing_seen_is_nothing_used():
    found = measure(None, sent(body=None, estimated=Counts()), Seen())
    assert (found.counts, found.source) == (Counts(), "none")


# Streams.


@pytest.mark.parametrize("meter", [EventCount, TextCount])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("model", ["gpt-4o", "claude"])
def test_a_cut_stream_is_billed_for_what_was_delivered(meter, count, model):
    found = measure(None, sent(model=model), streamed(meter(), WORDS[:count], complete=False))
    assert found.counts.completion_tokens == count
    assert found.source == ("tokenizer" if (meter, model) == (TextCount, "gpt-4o") else "estimate")


@pytest.mark.parametrize(
    ("said", "billed", "source"), [(1, 5, "estimate"), (0, 5, "estimate"), (9, 9, "provider")]
)
def test_of_a_cut_stream_the_larger_count_holds(said, billed, source):
    found = measure(Usage(130, said), sent(), streamed(EventCount(), WORDS, complete=False))
    assert (found.counts.completion_tokens, found.source, found.flags) == (billed, source, ())


def test_a_whole_stream_with_usage_is_the_providers():
    found = provided(Usage(130, 5), sent(), streamed(EventCount(), WORDS))
    assert (found.counts, found.source) == (Counts(130, 5), "provider")


def test_the_text_decides_over_events_that_hold_a_letter_each():
    found = measure(None, sent(model="claude"), streamed(TextCount(), texts.ENGLISH))
    assert abs(found.counts.completion_tokens - SAID) < SAID / 5


# Other endpoints.


@pytest.mark.parametrize(
    ("endpoint", "body", "prompt"),
    [
        ("embeddings", {"input": ["hello world", "hello"]}, 3),
        ("embeddings", {"input": [1, 2, 3, 4]}, 4),
        ("moderations", {"input": "hello world"}, 2),
        ("rerank", {"query": "hello", "documents": ["hello world", "hello"]}, 5),
    ],
)
def test_what_only_reads_is_counted_by_what_it_read(endpoint, body, prompt):
    found = measure(None, sent(endpoint, body), seen({"data": [{"embedding": [0.5] * 100}]}))
    assert (found.counts, found.source) == (Counts(prompt), "tokenizer")


def test_what_only_reads_may_have_read_only_the_beginning():
    found = provided(Usage(5), sent("embeddings", {"input": texts.ENGLISH}), seen({}))
    assert (found.counts, found.flags) == (Counts(5), ())


PAINTED = {"data": [{"b64_json": "AAAA"}, {"b64_json": "BBBB", "revised_prompt": 'a "url":"x"'}]}


@pytest.mark.parametrize(
    ("usage", "answer", "counts", "source"),
    [
        (Usage(9, 200), PAINTED, Counts(9, 200, image_completion_tokens=200, images=2), "provider"),
        (Usage(9, images=4), PAINTED, Counts(9, images=4), "provider"),
        (None, PAINTED, Counts(2, images=2), "tokenizer"),
        (None, {"data": [{"url": "https://x", "b64_json": None}]}, Counts(2, images=1), "tokenizer"),
        (None, {"data": []}, Counts(2, images=3), "tokenizer"),
    ],
)
def test_images_are_those_of_the_answer(usage, answer, counts, source):
    asked = sent("images/generations", {"prompt": "a cat", "n": 3}, estimated=Counts(9, 9, images=3))
    found = measure(usage, asked, seen(answer))
    assert (found.counts, found.source) == (counts, source)


def test_speech_is_counted_in_characters_and_seconds():
    asked = sent("audio/speech", {"input": "你好, world"})
    found = measure(None, asked, Seen(160_000))
    assert found.counts.characters == 9
    assert found.counts.completion_tokens == found.counts.audio_completion_tokens == 210


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\0\xfa\0\0"
)


@pytest.mark.parametrize(
    ("usage", "answer", "milliseconds", "source"),
    [
        (Usage(milliseconds=9000), {"text": "hello world"}, 9000, "provider"),
        (Usage(20, 2, milliseconds=0), {"text": "hello world"}, 0, "provider"),
        (None, {"text": "hello world"}, 2000, "estimate"),
        (None, {"text": "hello world", "duration": 8.5}, 8500, "estimate"),
        (None, {"text": "hello world", "duration": -8.5}, 2000, "estimate"),
        (None, {"text": "hello world", "duration": "long"}, 2000, "estimate"),
        (None, b"hello world", 2000, "estimate"),
    ],
)
def test_a_transcript_is_billed_by_the_length_of_the_recording(usage, answer, milliseconds, source):
    asked = sent("audio/transcriptions", None, "whisper-1", form_head=FORM, form_length=64_200)
    found = measure(usage, asked, seen(answer))
    assert (found.counts.milliseconds, found.source) == (milliseconds, source)


def test_a_transcript_has_tokens_too():
    asked = sent("audio/transcriptions", None, "gpt-4o-transcribe", form_head=FORM, form_length=64_200)
    for answer in ({"text": "hello world"}, b"hello world"):
        counts = measure(None, asked, seen(answer)).counts
        assert (counts.prompt_tokens, counts.audio_prompt_tokens, counts.completion_tokens) == (20, 20, 2)


def test_pictures_and_sound_of_a_prompt_count():
    parts = [
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "A" * 10_670}},
    ]
    found = measure(None, sent(body={"messages": [{"role": "user", "content": parts}]}), seen())
    assert found.source == "estimate"
    assert found.counts == Counts(7 + 85 + 10, SAID, audio_prompt_tokens=10, image_prompt_tokens=85)


@pytest.mark.parametrize(
    "endpoint", ["chat/completions", "completions", "responses", "embeddings", "audio/speech"]
)
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 3000])
def test_no_body_and_no_answer_stop_the_count(endpoint, body):
    found = count_here(Usage(), Sent(endpoint, "gpt-4o", body or b"{}"), seen(body))
    assert found.source in ("tokenizer", "estimate", "provider", "none")
