"""A body is looked into and changed without touching what the client sent elsewhere."""

import json

import pytest
from canalgate.plugins import BodyError, JsonBody
from hypothesis import given, settings
from hypothesis import strategies as st


def spliced(raw, **edits):
    return JsonBody(raw if isinstance(raw, bytes) else raw.encode()).spliced(edits)


SPLICES = [
    ('{"model":"a"}', '{"model":"NEW"}'),
    ('{"model":"a","x":1}', '{"model":"NEW","x":1}'),
    ('{"x":1,"model":"a"}', '{"x":1,"model":"NEW"}'),
    (' {\n "model" :\t"a" ,\r\n "x" : 1 }\n ', ' {\n "model" :\t"NEW" ,\r\n "x" : 1 }\n '),
    ('{"x":{"model":"inner"},"model":"a"}', '{"x":{"model":"inner"},"model":"NEW"}'),
    ('{"x":[{"model":"inner"}],"model":"a"}', '{"x":[{"model":"inner"}],"model":"NEW"}'),
    ('{"x":"\\"model\\":\\"a\\"","model":"a"}', '{"x":"\\"model\\":\\"a\\"","model":"NEW"}'),
    ('{"x":"}","model":"a"}', '{"x":"}","model":"NEW"}'),
    ('{"x":"\\\\","model":"a","y":"{"}', '{"x":"\\\\","model":"NEW","y":"{"}'),
    ('{"模型":"值","model":"模","😀":"😀"}', '{"模型":"值","model":"NEW","😀":"😀"}'),
    ('{"\\u006dodel":"a"}', '{"\\u006dodel":"NEW"}'),
    ('{"\\"":1,"a\\\\":2,"model":"a"}', '{"\\"":1,"a\\\\":2,"model":"NEW"}'),
    ('{"seed":18446744073709551615,"model":1}', '{"seed":18446744073709551615,"model":"NEW"}'),
    ('{"seed":-9223372036854775808,"model":1}', '{"seed":-9223372036854775808,"model":"NEW"}'),
    ('{"t":1.0E+2,"u":0.10,"model":null}', '{"t":1.0E+2,"u":0.10,"model":"NEW"}'),
    ('{"model":{"a":[1,2,{"b":"}"}]},"x":2}', '{"model":"NEW","x":2}'),
    ('{"model":""}', '{"model":"NEW"}'),
]


@pytest.mark.parametrize(("raw", "expected"), SPLICES)
def test_an_edit_replaces_one_value_and_no_other_byte(raw, expected):
    assert spliced(raw, model="NEW") == expected.encode()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("{}", '{"model":"NEW"}'),
        ("{ }", '{ "model":"NEW"}'),
        (" {} \n", ' {"model":"NEW"} \n'),
        ('{"x":1}', '{"x":1,"model":"NEW"}'),
        ('{"x":{"model":1} }', '{"x":{"model":1} ,"model":"NEW"}'),
    ],
)
def test_a_new_field_is_put_at_the_end(raw, expected):
    assert spliced(raw, model="NEW") == expected.encode()


def test_several_edits_keep_the_order_of_the_body():
    raw = '{"stream":true,"x":1,"model":"a"}'
    expected = b'{"stream":false,"x":1,"model":"m\\"","n":{"k":[1]},"s":null}'
    assert spliced(raw, model='m"', stream=False, n={"k": [1]}, s=None) == expected


def test_no_edit_changes_nothing():
    assert spliced(' {"a" : 1}\n') == b' {"a" : 1}\n'


def test_editing_leaves_the_body_as_it_was():
    body = JsonBody(b'{"model":"a"}')
    body.spliced({"model": "b"})
    assert (body.raw, body.get("model", str)) == (b'{"model":"a"}', "a")


DOUBLES = [
    '{"model":"a","model":"b"}',
    '{"model":"a","model":"a"}',
    '{"model":"a","x":1,"model":"b"}',
    '{"model":"a","\\u006dodel":"b"}',
    '{"\\u006dodel":"a","model":"b"}',
    '{"\\u006Dodel":"a","mode\\u006c":"b"}',
    '{"stream":true,"stream":false}',
    '{"stream":true,"str\\u0065am":true}',
    '{"stream_options":{},"stream_options":{}}',
    '{"model":"a", "model" :"b"}',
    '{"model":"a","Model":"b"}',
    '{"MODEL":"a"}',
    '{"Stream":true}',
    '{"\\u004dodel":"a","model":"b"}',
    '{"model":"a","STREAM_OPTIONS":{}}',
    '{"x":"model","model":"a","model":"b"}',
]


@pytest.mark.parametrize("raw", DOUBLES)
def test_a_field_that_decides_and_stands_there_twice_is_refused(raw):
    with pytest.raises(BodyError):
        JsonBody(raw.encode())


@pytest.mark.parametrize(
    "raw",
    [
        '{"model":"a","x":{"model":"b"}}',
        '{"model":"model","x":"\\"model\\":"}',
        '{"model":"a","messages":[{"model":"b","stream":1},{"model":"c"}]}',
        '{"model":"a","x":"\\u006dodel"}',
        '{"model":"a","models":["model"],"model_":"b"}',
        '{"a":"x","a":"y","model":"m"}',
    ],
)
def test_the_same_word_elsewhere_is_no_double(raw):
    assert JsonBody(raw.encode()).get("model", str) is not None


def test_a_double_that_decides_nothing_is_refused_only_when_something_must_be_edited():
    with pytest.raises(BodyError, match="twice"):
        spliced('{"a":1,"a":2,"model":"m"}', model="n")


NOT_OBJECTS = [
    "", " ", "[]", '"x"', "1", "null", "{", '{"a":1', '{"a":1}x', '{"a":1}{}', "{a:1}", '{"a":1,}',
    '{"a":NaN}', "\ufeff{}", '{"a":"\n"}', '{"a":01}', "[" * 200_000, '{"a":' * 200_000,
]  # fmt: skip


@pytest.mark.parametrize("raw", NOT_OBJECTS, ids=range(len(NOT_OBJECTS)))
def test_what_is_no_json_object_is_refused(raw):
    with pytest.raises(BodyError):
        JsonBody(raw.encode())


def test_bytes_that_are_no_utf8_are_refused_where_they_are_read():
    with pytest.raises(BodyError):
        JsonBody(b'{"model":"\xff\xfe"}').get("model", str)


@pytest.mark.parametrize(
    ("raw", "kind", "value"),
    [
        ('{"f":"x"}', str, "x"),
        ('{"f":"\\u4f60\\n"}', str, "你\n"),
        ('{"f":true}', bool, True),
        ('{"f":{"a":1}}', dict, {"a": 1}),
        ('{"f":3}', int, 3),
        ('{"f":null}', str, None),
        ("{}", str, None),
    ],
)
def test_a_field_is_read_as_its_type(raw, kind, value):
    assert JsonBody(raw.encode()).get("f", kind) == value


@pytest.mark.parametrize(
    ("raw", "kind"),
    [('{"f":1}', str), ('{"f":"true"}', bool), ('{"f":1}', bool), ('{"f":[]}', dict)],
)
def test_a_field_of_another_type_is_named(raw, kind):
    with pytest.raises(BodyError) as caught:
        JsonBody(raw.encode()).get("f", kind)
    assert caught.value.param == "f"


def test_the_tree_is_parsed_once():
    body = JsonBody(b'{"a":[1]}')
    assert body.tree is body.tree == {"a": [1]}


NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(-1e9, 1e9)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["model", "stream", "a", "模", '"', "\\", "model\\"]) | st.text(max_size=5)
STYLES = st.fixed_dictionaries(
    {"ensure_ascii": st.booleans(), "indent": st.sampled_from([None, 1, "\t"]),
     "separators": st.sampled_from([(",", ":"), (" , ", " : "), ("\n,", "\r:")])}
)  # fmt: skip


def is_plain(name):
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return name.lower() not in {"model", "stream", "stream_options"} or name == name.lower()


PLAIN = NAMES.filter(is_plain)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(PLAIN, VALUES, max_size=6), PLAIN, VALUES, STYLES)
def test_a_spliced_body_parses_to_the_same_object_with_the_edit(fields, name, value, style):
    raw = json.dumps(fields, **style).encode()
    assert json.loads(JsonBody(raw).spliced({name: value})) == {**fields, name: value}


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(PLAIN, VALUES, min_size=1, max_size=6), STYLES, st.data())
def test_an_edit_leaves_every_byte_before_and_after_the_value(fields, style, data):
    name = data.draw(st.sampled_from(sorted(fields)))
    parts = [(json.dumps(key, **style), json.dumps(value, **style)) for key, value in fields.items()]
    at = list(fields).index(name)
    before = ",".join(f" {key} :\n{value}\t" for key, value in parts[:at])
    after = ",".join(f" {key} :\n{value}\t" for key, value in parts[at + 1 :])
    start = "{" + before + ("," if before else "") + f"{parts[at][0]}: "
    end = ("," if after else "") + after + "} "
    raw = (start + parts[at][1] + end).encode()
    assert JsonBody(raw).spliced({name: "EDIT"}) == f'{start}"EDIT"{end}'.encode()


def test_a_body_that_was_let_go_holds_nothing():
    body = JsonBody(b'{"model":"m","messages":[]}')
    assert body.tree["model"] == "m"
    body.release()
    assert (body.raw, body.get("model", str), body._tree) == (b"", None, None)


@pytest.mark.parametrize(("name", "part"), [("a", b"[1, 2]"), ("b", b"null"), ("c", b"")])
def test_a_part_of_the_body_is_given_as_it_was_received(name, part):
    assert JsonBody(b'{"a": [1, 2], "b":null}').part(name) == part
