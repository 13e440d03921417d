"""The form scanner: the model is found where it stands and nowhere else, in any split of the bytes."""

import itertools

import pytest
import support
from canalgate.plugins import BodyError
from canalgate.proxy.wire.multipart import FormScanner, boundary_of

END = b"--b--\r\n"


def part(disposition, value, more=b""):
    return (
        b"--b\r\nContent-Disposition: form-data; " + disposition + b"\r\n" + more + b"\r\n" + value + b"\r\n"
    )


MODEL = part(b'name="model"', b"whisper-1")
FILE = part(b'name="file"; filename="a.mp3"', bytes(range(256)) * 4, b"Content-Type: audio/mpeg\r\n")
BIG = part(b'name="file"; filename="a.mp3"', b"x" * 200_000)

FORMS = {
    "first": MODEL + FILE + END,
    "last": FILE + MODEL + END,
    "between": FILE + MODEL + FILE + END,
    "unquoted": FILE + part(b"name=model", b"whisper-1") + END,
    "upper case": FILE + part(b'NAME="model"', b"whisper-1") + END,
    "name behind the filename": part(b'filename="a"; name="file"', b"x") + MODEL + END,
    "trap in a filename": part(b'name="file"; filename="name=model"', b"wrong") + MODEL + END,
    "trap with a quote in a filename": part(b'name="file"; filename="a; name=model"', b"wrong") + MODEL + END,
    "trap in a filename ahead of the name": part(b'filename="a; name=model"; name="file"', b"x")
    + MODEL
    + END,
    "trap in another field": part(b'name="file"', b"x", b'X-Other: a; name="model"\r\n') + MODEL + END,
    "trap of a delimiter in mid-line": part(b'name="file"', b"x" + MODEL.replace(b"-1", b"-2")) + MODEL + END,
    "trap of a longer delimiter": part(b'name="file"', b"\r\n--bb\r\n" + MODEL[5:-2] + b"\r\n--bb--")
    + MODEL
    + END,
    "folded line": part(b'\r\n name="model"', b"whisper-1") + END,
    "trap in a value": part(b'name="prompt"', b'name="model"\r\n\r\nwrong') + MODEL + END,
    "trap in another name": part(b'name="my_model"', b"wrong")
    + part(b'name="model2"', b"wrong")
    + MODEL
    + END,
    "trap of a like boundary": part(b'name="file"', b"\r\n--a\r\n--c--\r\n\r\n-- b") + MODEL + END,
    "part with more fields": part(b'name="model"', b"whisper-1", b"Content-Type: text/plain\r\n") + END,
    "a preamble": b"This is a form.\r\n" + MODEL + END,
}


def scan(pieces):
    form = FormScanner(b"b", b"model")
    for piece in pieces:
        form.feed(piece)
    return form


@pytest.mark.parametrize("how", ["whole", "bytes", "random"])
@pytest.mark.parametrize("name", FORMS)
def test_the_model_is_found_in_every_split(name, how):
    form = scan(support.cuts(FORMS[name], how))
    start, end = form.span
    assert form.value == "whisper-1"
    assert form.seen == FORMS[name] and form.seen[start:end] == b"whisper-1"


@pytest.mark.parametrize("name", FORMS)
def test_every_single_cut_gives_the_same_result(name):
    data = FORMS[name]
    spans = {scan([data[:at], data[at:]]).span for at in range(len(data) + 1)}
    assert spans == {scan([data]).span}


def test_a_model_behind_a_big_file_is_found():
    data = BIG + MODEL + END
    form = scan(data[at : at + 1000] for at in range(0, len(data), 1000))
    assert form.value == "whisper-1"


def test_the_value_is_known_before_the_form_has_ended():
    assert scan([MODEL + b"--b\r\nContent-Dis"]).value == "whisper-1"


@pytest.mark.parametrize("how", ["whole", "bytes", "random"])
@pytest.mark.parametrize("data", [FILE + END, END, part(b'name="xmodel"', b"m") + END])
def test_a_form_without_the_field_comes_to_its_end(data, how):
    form = scan(support.cuts(data, how))
    assert (form.value, form.at_end) == (None, True)


@pytest.mark.parametrize("size", range(1, len(FILE + MODEL) - 1, 97))
def test_a_truncated_form_is_not_at_its_end(size):
    form = scan([(FILE + MODEL)[:size]])
    assert (form.value, form.at_end) == (None, False)


@pytest.mark.parametrize("value", [b"", b"gpt-4o", "模型".encode()])
def test_a_value_is_text(value):
    assert scan([part(b'name="model"', value) + END]).value == value.decode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"model":"m"}' * 2000, "boundary"),
        (part(b'name="model"', b"m" * 2000), "too long"),
        (part(b'name="model"', b"\xff\xfe") + END, "UTF-8"),
        (b"--b\r\nX: " + b"a" * 20_000, "head"),
    ],
)
@pytest.mark.parametrize("step", [1000, 10**9])
def test_what_is_no_proper_form_is_refused(data, words, step):
    with pytest.raises(BodyError, match=words):
        scan(data[at : at + step] for at in range(0, len(data), step))


@pytest.mark.parametrize("new", ["x", "whisper-1", "a-much-longer-name", "模型"])
def test_replaced_changes_the_value_and_nothing_else(new):
    data = FILE + MODEL + FILE + END
    assert scan([data]).replaced(new) == FILE + MODEL.replace(b"whisper-1", new.encode()) + FILE + END


@pytest.mark.parametrize(
    ("text", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; boundary="a b;c"', b"a b;c"),
        ("multipart/form-data; charset=utf-8; Boundary=abc; x=y", b"abc"),
    ],
)
def test_a_boundary_is_read(text, boundary):
    assert boundary_of(text) == boundary


@pytest.mark.parametrize(
    "text",
    [
        "multipart/form-data",
        "multipart/mixed; boundary=b",
        "application/json",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
    ],
)
def test_a_type_without_a_boundary_is_refused(text):
    with pytest.raises(BodyError):
        boundary_of(text)


def test_a_form_is_scanned_in_time_linear_to_its_size():
    form = FormScanner(b"b", b"model")
    for piece in itertools.repeat(b"\r\n--" * 250, 5000):
        form.feed(b"--b\r\nContent-Disposition: form-data; name=f\r\n\r\n" if not form.seen else piece)
    assert len(form.seen) > 4_000_000 and form.value is None
