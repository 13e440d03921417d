"""Named parameters for drivers that count them."""

import pytest
from canalgate.proxy.store.named import formatted, in_order, numbered

CASES = [
    ("SELECT 1", "SELECT 1", "SELECT 1", ()),
    ("a = :x AND b = :y", "a = $1 AND b = $2", "a = %s AND b = %s", ("x", "y")),
    (":x + :y + :x", "$1 + $2 + $1", "%s + %s + %s", ("x", "y", "x")),
    (":x1,:x,:x_2", "$1,$2,$3", "%s,%s,%s", ("x1", "x", "x_2")),
    ("':x' || :x || 'it''s :y'", "':x' || $1 || 'it''s :y'", "':x' || %s || 'it''s :y'", ("x",)),
    ('":x" = :x', '":x" = $1', '":x" = %s', ("x",)),
    (":x::text", "$1::text", "%s::text", ("x",)),
    ("a::x", "a::x", "a::x", ()),
    ("a LIKE '50%' AND b % :x", "a LIKE '50%' AND b % $1", "a LIKE '50%%' AND b %% %s", ("x",)),
    ("1 -- it's :x\n+ :y", "1 -- it's :x\n+ $1", "1 -- it's :x\n+ %s", ("y",)),
    ("''", "''", "''", ()),
    ("12:30", "12:30", "12:30", ()),
]


@pytest.mark.parametrize(("sql", "counted", "spelt", "names"), CASES)
def test_parameters_are_written_as_drivers_want_them(sql, counted, spelt, names):
    assert numbered(sql) == (counted, tuple(dict.fromkeys(names)))
    assert formatted(sql) == (spelt, names)


def test_values_come_in_the_order_of_their_names_and_others_are_left_out():
    assert in_order(("b", "a", "b"), {"a": 1, "b": 2, "c": 3}) == (2, 1, 2)


def test_a_value_that_is_missing_is_a_mistake_of_ours():
    with pytest.raises(KeyError, match="b"):
        in_order(("a", "b"), {"a": 1})
