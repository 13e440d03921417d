"""The document of the admin API explains each field and parameter, and says who heeds `Idempotency-Key`."""

import inspect

import pytest
from canalgate.proxy.admin import glossary
from canalgate.proxy.admin.openapi import document
from canalgate.proxy.admin.operations import ONCE, PREFIX
from canalgate.proxy.admin.resources import OPERATIONS

DOCUMENT = document(OPERATIONS)
SCHEMAS = DOCUMENT["components"]["schemas"]
TOLD = {
    f"{method.upper()} {path}": operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}


def sentence(text):
    return text[0] in "`" or (text[0].isupper() and text.endswith(".") and len(text) < 150)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_says_what_it_is(name):
    fields = SCHEMAS[name].get("properties", {})
    assert [field for field, one in fields.items() if not sentence(one.get("description", "x"))] == []


@pytest.mark.parametrize("name", TOLD)
def test_every_parameter_says_what_it_is(name):
    assert [
        one["name"] for one in TOLD[name]["parameters"] if not sentence(one.get("description", "x"))
    ] == []


def test_nothing_is_explained_that_is_not_there():
    structs = [*SCHEMAS, *(one.query.__name__ for one in OPERATIONS if one.query is not None)]
    known = {struct.partition("_")[0] for struct in structs}
    apart = [name.split(".")[0] for name in glossary.FIELDS if "." in name]
    assert [name for name in apart if name not in known] == []


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
def test_the_key_is_in_the_document_where_the_gateway_or_the_handler_heeds_it(operation):
    told = TOLD[f"{operation.method} {PREFIX}{operation.path}"]["parameters"]
    assert ("Idempotency-Key" in [one["name"] for one in told]) == bool(operation.once)
    assert (ONCE in inspect.signature(operation.handler).parameters) == (operation.once == "passed")


def test_who_makes_something_or_moves_money_heeds_the_key():
    heeds = {one.path for one in OPERATIONS if one.once}
    assert heeds == {"/channels", "/tokens", "/users", "/codes", "/me/redeem", "/users/{id}/topup"}
