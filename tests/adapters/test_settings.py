"""The plain settings of a chat request."""

import orjson
import pytest
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.adapters.parts.settings import choices_of, format_of, max_tokens_of, number_of, stop_of
from canalgate.plugins import BodyError
from wired import call, chat

SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}


def made(**fields):
    return call(OpenAIAdapter(), chat(**fields))


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({}, None),
        ({"max_tokens": None}, None),
        ({"max_tokens": 5}, 5),
        ({"max_tokens": 5, "max_completion_tokens": 9}, 9),
        ({"max_completion_tokens": None, "max_tokens": 5}, 5),
    ],
)
def test_the_limit_has_two_names_and_the_new_one_wins(fields, limit):
    assert max_tokens_of(made(**fields)) == limit


@pytest.mark.parametrize("limit", [0, -1, 1.5, "9", True, [1]])
def test_a_limit_that_is_no_number_of_tokens_is_the_clients_fault(limit):
    with pytest.raises(BodyError) as caught:
        max_tokens_of(made(max_tokens=limit))
    assert caught.value.param == "max_tokens"


@pytest.mark.parametrize(("value", "moved"), [(None, None), (-1, 0), (0.3, 0.3), (1, 1), (1.7, 1)])
def test_a_number_is_moved_into_the_providers_range(value, moved):
    assert number_of(made(temperature=value), "temperature", 0, 1) == moved


@pytest.mark.parametrize("value", ["warm", True, {}, []])
def test_what_is_no_number_is_the_clients_fault(value):
    with pytest.raises(BodyError) as caught:
        number_of(made(temperature=value), "temperature", 0, 1)
    assert caught.value.param == "temperature"


@pytest.mark.parametrize(
    ("stop", "texts"),
    [(None, []), ("a", ["a"]), (["a", "b"], ["a", "b"]), ([], []), (["\n", " ", "x"], ["x"])],
)
def test_stops_of_white_space_are_left_out(stop, texts):
    assert stop_of(made(stop=stop)) == texts


@pytest.mark.parametrize("stop", [5, {"a": 1}, ["a", 1], [None]])
def test_what_is_no_stop_is_the_clients_fault(stop):
    with pytest.raises(BodyError):
        stop_of(made(stop=stop))


@pytest.mark.parametrize(("n", "choices"), [(None, 1), (1, 1), (8, 8)])
def test_choices_are_counted_up_to_the_most(n, choices):
    assert choices_of(made(n=n), 8) == choices


@pytest.mark.parametrize("n", [0, 9, "2", 1.0])
def test_more_choices_than_the_provider_has_are_refused(n):
    with pytest.raises(BodyError):
        choices_of(made(n=n), 8)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (None, "text"),
        ({"type": "text"}, "text"),
        ({"type": "json_object"}, "json_object"),
        (SCHEMA, "json_schema"),
    ],
)
def test_the_three_formats_are_told_apart(given, kind):
    assert format_of(made(response_format=given))[0] == kind


def test_a_schema_comes_with_its_name():
    assert format_of(made(response_format=SCHEMA))[1] == SCHEMA["json_schema"]


@pytest.mark.parametrize(
    "given",
    [
        "json",
        {"type": "xml"},
        {"schema": {}},
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": {"name": "n"}},
        {"type": "json_schema", "json_schema": {"name": "n", "schema": True}},
    ],
)
def test_what_is_no_format_is_the_clients_fault(given):
    with pytest.raises(BodyError) as caught:
        format_of(made(response_format=given))
    assert caught.value.param == "response_format"


def test_reading_changes_nothing():
    body = made(stop="a", response_format=SCHEMA, max_tokens=3)
    before = orjson.dumps(body.body.tree)
    stop_of(body), format_of(body), max_tokens_of(body)
    assert orjson.dumps(body.body.tree) == before
