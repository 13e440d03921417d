"""The most a request may use, told from its top-level fields."""

import base64
import json

import pytest
import texts
from canalgate.plugins import BodyError, JsonBody
from canalgate.proxy.billing.pricing import Price
from canalgate.proxy.ledger.entry import Counts
from canalgate.proxy.metering import DEFAULT_COMPLETION, estimate
from canalgate.proxy.metering.tokenizer import count_tokens

PRICE = Price("p")
KNOWN = Price("p", context=1000, output=300)


def of(endpoint, body, price=PRICE, **more):
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return estimate(endpoint, JsonBody(raw), None, price, **more)


def chat(text, *, ascii_only=False, **more):
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
    return of("chat/completions", json.dumps(body, ensure_ascii=ascii_only).encode())


def tokens(text, model="gpt-4o"):
    return count_tokens([text], model)[0] + 7


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4"])
@pytest.mark.parametrize("times", [1, 60], ids=["short", "long"])
@pytest.mark.parametrize("ascii_only", [False, True], ids=["utf-8", "escaped"])
@pytest.mark.parametrize("kind", [*texts.NATURAL, *texts.DENSE])
def test_the_prompt_is_a_bound_and_not_an_absurd_one(kind, ascii_only, times, model):
    text = {**texts.NATURAL, **texts.DENSE}[kind] * times
    bound, true = chat(text, ascii_only=ascii_only).prompt_tokens, tokens(text, model)
    assert true <= bound <= (8 if ascii_only else 4) * true + 40


def test_a_picture_in_the_body_is_no_text():
    url = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 4000).decode()
    parts = [{"type": "text", "text": texts.ENGLISH}, {"type": "image_url", "image_url": {"url": url}}]
    bound = chat([*parts, *parts]).prompt_tokens
    assert 2 * 765 <= bound <= 2 * 1600 + 4 * tokens(texts.ENGLISH) * 2


@pytest.mark.parametrize("space", ["", " "])
def test_sound_in_the_body_is_no_text(space):
    data = base64.b64encode(bytes(range(256)) * 4000).decode()
    messages = [
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}]}
    ]
    raw = json.dumps({"messages": messages}, separators=(",", ":" + space)).encode()
    assert 1000 < of("chat/completions", raw).prompt_tokens < 30_000


def test_a_file_in_the_body_counts_by_its_size():
    url = "data:application/pdf;base64," + "A" * 400_000
    bound = chat([{"type": "file", "file": {"file_data": url}}]).prompt_tokens
    assert 50_000 <= bound <= 51_000


@pytest.mark.parametrize(
    "part", [{"image_url": {"url": "https://x/y.png"}}, {"image_url": "https://x/y.png"}]
)
@pytest.mark.parametrize("text", ["", texts.ENGLISH * 40], ids=["small", "large"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
def test_a_picture_elsewhere_counts_by_its_key(part, text, separators):
    def raw(*parts):
        content = [{"type": "text", "text": text}, *parts]
        return json.dumps(
            {"messages": [{"role": "user", "content": content}]}, separators=separators
        ).encode()

    with_it, without = (of("chat/completions", raw(*parts)).prompt_tokens for parts in ([part], []))
    assert 1600 <= with_it - without <= 1700


@pytest.mark.parametrize(
    "text",
    [
        "the word ;base64, in a text of many words. " * 400,
        "data:image/png;base64, and then words. " * 400,
        '"input_audio" "data" ' * 700,
        ";base64," * 3000,
        "_" * 9000,
        "\\u" * 5000,
        "\\" * 9000,
        "A" * 40_000,
    ],
    ids=range(8),
)
def test_what_only_looks_like_data_is_text(text):
    assert chat(text).prompt_tokens >= tokens(text)


@pytest.mark.parametrize(
    ("raw", "least"),
    [
        (b'{"a":";base64,' + b"A" * 9000, 0),
        (b'{"a":"' + b"A" * 9000 + b'","input_audio":1}', 5000),
        (b'{"a":"' + b"A" * 9000 + b'","input_audio":{"data":3}}', 5000),
        (b'{"a":"' + b"A" * 9000 + b'","input_audio":"","data"', 0),
    ],
)
def test_data_that_is_cut_off_does_no_harm(raw, least):
    body = JsonBody(b"{}")
    body.raw = raw
    assert estimate("chat/completions", body, None, PRICE).prompt_tokens >= least


@pytest.mark.parametrize(
    ("endpoint", "fields", "price", "completion"),
    [
        ("chat/completions", {}, PRICE, DEFAULT_COMPLETION),
        ("chat/completions", {}, KNOWN, 300),
        ("chat/completions", {"max_tokens": 50}, KNOWN, 50),
        ("chat/completions", {"max_tokens": 500}, KNOWN, 500),
        ("chat/completions", {"max_tokens": 10**9}, KNOWN, 1000),
        ("chat/completions", {"max_tokens": None}, KNOWN, 300),
        ("chat/completions", {"max_tokens": 0}, KNOWN, 300),
        ("chat/completions", {"max_tokens": 5, "max_completion_tokens": 7}, PRICE, 7),
        ("chat/completions", {"max_tokens": 7, "max_completion_tokens": 5}, PRICE, 7),
        ("chat/completions", {"max_tokens": 50.0}, PRICE, 50),
        ("chat/completions", {"max_tokens": 5, "n": 3}, PRICE, 15),
        ("chat/completions", {"n": 3}, KNOWN, 900),
        ("chat/completions", {"max_tokens": 5, "n": None}, PRICE, 5),
        ("chat/completions", {"max_tokens": 5, "n": 0}, PRICE, 5),
        ("chat/completions", {"max_tokens": 5, "best_of": 9}, PRICE, 5),
        ("completions", {"max_tokens": 5, "n": 2, "best_of": 9}, PRICE, 45),
        ("completions", {"max_tokens": 5, "prompt": "a"}, PRICE, 5),
        ("completions", {"max_tokens": 5, "prompt": ["a", "b", "c"], "n": 2}, PRICE, 30),
        ("completions", {"max_tokens": 5, "prompt": [[1, 2], [3]]}, PRICE, 10),
        ("completions", {"max_tokens": 5, "prompt": [1, 2, 3]}, PRICE, 5),
        ("completions", {"max_tokens": 5, "prompt": []}, PRICE, 5),
        ("completions", {"max_tokens": 5, "prompt": {"a": 1}}, PRICE, 5),
        ("responses", {"max_output_tokens": 5, "max_tokens": 9, "n": 9}, PRICE, 5),
        ("responses", {}, KNOWN, 300),
        ("embeddings", {"max_tokens": 5}, KNOWN, 0),
        ("moderations", {}, KNOWN, 0),
        ("rerank", {"n": 5}, KNOWN, 0),
    ],
)
def test_the_completion_is_bounded_by_the_request_else_by_the_model(endpoint, fields, price, completion):
    assert of(endpoint, fields, price).completion_tokens == completion


def test_the_default_bound_is_an_argument():
    assert of("chat/completions", {}, default_completion=77).completion_tokens == 77


def test_a_prompt_is_not_larger_than_the_model_takes():
    body = {"messages": [{"content": texts.ENGLISH * 9}]}
    assert of("chat/completions", body).prompt_tokens > 1000
    assert of("chat/completions", body, KNOWN).prompt_tokens == 1000


HOSTILE = [
    '"5"',
    "-1",
    "-0.5",
    "1.5",
    "true",
    "[5]",
    "{}",
    "2147483648",
    "9223372036854775808",
    "1e400",
    "1e18",
]


@pytest.mark.parametrize("value", [*HOSTILE, "9" * 5000, "-9223372036854775809"])
@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        ("chat/completions", "max_tokens"),
        ("chat/completions", "max_completion_tokens"),
        ("chat/completions", "n"),
        ("completions", "best_of"),
        ("responses", "max_output_tokens"),
        ("images/generations", "n"),
    ],
)
def test_a_bound_that_no_provider_takes_is_refused_and_named(endpoint, name, value):
    with pytest.raises(BodyError, match=name) as caught:
        of(endpoint, f'{{"{name}":{value}}}'.encode())
    assert caught.value.param == name


@pytest.mark.parametrize("value", ["1e3", "1000.0", "1000"])
def test_a_whole_number_is_one_however_it_is_written(value):
    assert of("chat/completions", f'{{"max_tokens":{value}}}'.encode()).completion_tokens == 1000


def test_images_are_as_many_as_asked_for():
    counts = of("images/generations", {"prompt": "a cat", "n": 3})
    assert (counts.images, counts.image_completion_tokens) == (3, counts.completion_tokens)
    assert of("images/generations", {"prompt": "a cat"}).images == 1


def test_speech_is_counted_in_characters():
    assert of("audio/speech", {"input": "你好, world"}).characters == 9
    assert of("audio/speech", {"input": None}).characters == 0


def test_speech_of_no_text_is_refused():
    with pytest.raises(BodyError, match="input"):
        of("audio/speech", {"input": ["a"]})


@pytest.mark.parametrize(
    ("endpoint", "length", "milliseconds", "images"),
    [
        ("audio/transcriptions", 2_000_000, 1_000_000, 0),
        ("audio/translations", 0, 0, 0),
        ("audio/transcriptions", -3, 0, 0),
        ("audio/transcriptions", None, 13_107_200, 0),
        ("images/edits", 2_000_000, 0, 10),
        ("images/variations", None, 0, 10),
    ],
)
def test_a_form_is_estimated_by_its_length(endpoint, length, milliseconds, images):
    counts = estimate(endpoint, None, length, PRICE)
    assert (counts.milliseconds, counts.images) == (milliseconds, images)


@pytest.mark.parametrize(
    "endpoint", ["chat/completions", "responses", "embeddings", "rerank", "images/generations"]
)
def test_no_request_is_free_of_tokens(endpoint):
    assert of(endpoint, b"{}") != Counts()
    assert of(endpoint, b"{}").prompt_tokens > 0
