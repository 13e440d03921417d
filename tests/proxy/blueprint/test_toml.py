"""TOML that is written is read as what it was."""

import tomllib
from datetime import UTC, datetime

import pytest
from canalgate.proxy.blueprint.toml import written
from hypothesis import given, settings
from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
MOMENTS = st.datetimes(timezones=st.just(UTC), max_value=datetime(9999, 12, 31)).map(
    lambda moment: moment.replace(microsecond=0)
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.one_of(TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), FLOATS, MOMENTS)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_every_document_is_read_as_what_it_was(document):
    assert tomllib.loads(written(document)) == document


def test_a_list_of_tables_and_a_table_of_tables_are_sections():
    text = written({"a": {"b.c": {"d": 1}}, "e": [{"f": {"g": "h"}}], "v": 1, "none": []})
    assert text == 'v = 1\nnone = []\n\n[a."b.c"]\nd = 1\n\n[[e]]\nf = { g = "h" }\n'


def test_what_toml_has_no_word_for_is_an_error():
    with pytest.raises(TypeError, match="NoneType"):
        written({"a": None})
