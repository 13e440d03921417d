"""The tools of a request and the forms of choosing among them."""

import pytest
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.adapters.parts.tools import Tools, parameters_of, tools_of
from canalgate.plugins import BodyError
from wired import call, chat, function

A, B = function("a"), function("b")
OWN = {"type": "web_search_20250305", "name": "web_search"}


def read(**fields):
    return tools_of(call(OpenAIAdapter(), chat(**fields)))


@pytest.mark.parametrize(
    ("choice", "mode", "only"),
    [
        (None, "", ""),
        ("auto", "auto", ""),
        ("none", "none", ""),
        ("required", "required", ""),
        ({"type": "function", "function": {"name": "b"}}, "required", "b"),
        ({"type": "function", "name": "b"}, "required", "b"),
    ],
)
def test_a_choice_is_a_mode_and_perhaps_one_name(choice, mode, only):
    tools = read(tools=[A, B], tool_choice=choice)
    assert (tools.mode, tools.only, len(tools.functions)) == (mode, only, 2)


@pytest.mark.parametrize(("mode", "meant"), [("auto", "auto"), ("required", "required"), (None, "auto")])
def test_a_choice_may_allow_only_some(mode, meant):
    allowed = {"mode": mode, "tools": [{"type": "function", "function": {"name": "b"}}]}
    tools = read(tools=[A, B], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert (tools.mode, [each["name"] for each in tools.functions]) == (meant, ["b"])


def test_tools_of_the_providers_own_are_kept_apart():
    assert read(tools=[A, OWN]) == Tools((A["function"],), (OWN,))


def test_the_older_functions_are_tools_too():
    tools = read(functions=[{"name": "a"}], function_call={"name": "a"})
    assert (tools.functions, tools.only) == (({"name": "a"},), "a")


@pytest.mark.parametrize(("given", "parallel"), [(None, True), (True, True), (False, False)])
def test_one_call_at_a_time_is_wanted_only_where_it_is_said(given, parallel):
    assert read(tools=[A], parallel_tool_calls=given).parallel is parallel


def test_a_request_without_tools_has_none():
    assert read() == Tools()


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "function", "function": {}}]},
        {"tools": [{"type": "function", "function": {"name": 5}}]},
        {"tools": [A], "tool_choice": "sometimes"},
        {"tools": [A], "tool_choice": 7},
        {"tools": [A], "tool_choice": {"type": "function"}},
        {"tools": [A], "tool_choice": {"type": "function", "function": {"name": "b"}}},
        {"tools": [A], "tool_choice": {"type": "allowed_tools"}},
        {"tools": [A], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}}},
        {"tool_choice": "required"},
        {"tools": [], "tool_choice": "required"},
        {"functions": {"name": "a"}},
    ],
)
def test_what_makes_no_sense_is_the_clients_fault(fields):
    with pytest.raises(BodyError):
        read(**fields)


@pytest.mark.parametrize("tools", [7, {"a": 1}, "x", None])
def test_tools_that_are_no_list_are_none(tools):
    assert read(tools=tools) == Tools()


@pytest.mark.parametrize(
    ("given", "schema"),
    [
        ({}, {"type": "object", "properties": {}}),
        ({"parameters": None}, {"type": "object", "properties": {}}),
        ({"parameters": {}}, {"type": "object", "properties": {}}),
        ({"parameters": {"properties": {"x": {}}}}, {"type": "object", "properties": {"x": {}}}),
        ({"parameters": {"type": "object", "$defs": {}}}, {"type": "object", "$defs": {}}),
    ],
)
def test_a_functions_schema_is_always_an_objects(given, schema):
    assert parameters_of(given) == schema
