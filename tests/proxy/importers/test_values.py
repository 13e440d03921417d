"""Awkward values of other databases."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from canalgate.proxy.billing.money import MOST_QUOTA
from canalgate.proxy.importers.values import (
    expiry,
    mapping,
    names,
    networks,
    quota_of,
    seconds,
    text,
    whole,
)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (None, 0), ("", 0), ("x", 0), (" 12 ", 12), (True, 1), (Decimal("7.9"), 7), (-3, -3), ("1e400", 0),
        ("nan", 0), ("Infinity", 0), (2**63 - 1, MOST_QUOTA), (-(2**63), -MOST_QUOTA), (1.5, 1), (b"5", 0),
    ],
)  # fmt: skip
def test_a_whole_number_is_read_as_far_as_it_is_one(value, number):
    assert whole(value) == number


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, ()), ("", ()), ("a, b,a", ("a", "b")), ('["a", "b"]', ("a", "b")), ("[]", ()), ("null", ()),
        ('["a"', ('["a"',)), ("a\nb", ("a", "b")), (["x", None, ""], ("x",)), (" , ,", ()),
        ("[1, 2]", ("1", "2")),
    ],
)  # fmt: skip
def test_names_come_of_lists_of_every_sort(value, found):
    assert names(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, {}), ("", {}), ("{}", {}), ("{oops", {}), ("[]", {}), ('{"a": "b"}', {"a": "b"}),
        ('{"a": 1, "b": null, "c": "d"}', {"c": "d"}), ('{"a": "a"}', {}), ("[" * 100_000, {}),
        ({" a ": "b "}, {"a": "b"}),
    ],
)  # fmt: skip
def test_a_mapping_is_what_of_json_names_names(value, found):
    assert mapping(value) == found


@pytest.mark.parametrize(
    ("value", "ends"),
    [(None, None), (-1, None), (0, 0), (-7, 0), (1_700_000_000, 1_700_000_000), (10**13, None), ("", None)],
)
def test_an_expiry_is_a_time_or_never(value, ends):
    assert expiry(value) == ends


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (datetime(2025, 1, 1, tzinfo=UTC), 1_735_689_600),
        (datetime(2025, 1, 1), 1_735_689_600),
        (datetime(2025, 1, 1, 8, tzinfo=timezone(timedelta(hours=8))), 1_735_689_600),
        ("2025-01-01 00:00:00+00:00", 1_735_689_600),
        ("2025-01-01T00:00:00.5", 1_735_689_600),
        ("yesterday", 0), (None, 0), (-5, 0), (1_735_689_600, 1_735_689_600), ("1735689600", 1_735_689_600),
    ],
)  # fmt: skip
def test_a_time_is_read_in_every_form(value, at):
    assert seconds(value) == at


@pytest.mark.parametrize(
    ("value", "quota"),
    [
        (1, 500_000),
        (0.1, 50_000),
        ("0.000001", 1),
        (None, 0),
        (-2, -1_000_000),
        (1e300, 0),
        (3e20, MOST_QUOTA),
    ],
)
def test_dollars_become_quota_exactly(value, quota):
    assert quota_of(value) == quota


def test_text_loses_padding_and_what_no_database_takes():
    assert text("key  \0 ") == "key"
    assert text(b"\xff") == "\ufffd"


def test_networks_are_told_from_what_is_none():
    assert networks("10.0.0.1, 10.1.2.3/8, x, ::1") == (("10.0.0.1/32", "10.0.0.0/8", "::1/128"), ("x",))
