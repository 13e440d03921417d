"""What is leased is spent once, by whoever reserved it."""

import pytest
from canalgate.proxy.ledger.book import Account, Book, Reservation
from hypothesis import given
from hypothesis import strategies as st


def book_with(**left):
    book = Book()
    for name, amount in left.items():
        book.account(name).left = amount
    return book


def test_a_reservation_is_made_on_every_account():
    book = book_with(user=10, token=8)
    assert isinstance(book.reserve(("user", "token"), 8, 0.0), Reservation)
    assert (book.account("user").free, book.account("token").free) == (2, 0)


def test_one_account_that_has_too_little_keeps_all_from_being_touched():
    book = book_with(user=10, token=7)
    refused = book.reserve(("user", "token"), 8, 0.0)
    assert isinstance(refused, Account) and refused.name == "token"
    assert (book.account("user").free, book.account("token").free) == (10, 7)


def test_a_cost_below_the_reservation_gives_the_rest_back():
    book = book_with(user=10)
    (charge,) = book.settle(book.reserve(("user",), 8, 0.0), 3)
    assert (charge.account, charge.amount) == ("user", 3)
    assert book.account("user").free == 7


def test_a_cost_beyond_the_reservation_takes_what_is_free_and_nothing_that_others_hold():
    book = book_with(user=10)
    mine, theirs = book.reserve(("user",), 2, 0.0), book.reserve(("user",), 5, 0.0)
    assert book.missing(mine, 9) == [(book.account("user"), 4)]
    assert book.settle(mine, 9)[0].amount == 5
    assert book.settle(theirs, 5)[0].amount == 5
    assert book.account("user").left == 0


def test_a_cancelled_reservation_costs_nothing_and_may_be_cancelled_again():
    book = book_with(user=10)
    reservation = book.reserve(("user",), 8, 0.0)
    book.cancel(reservation)
    book.cancel(reservation)
    assert book.account("user").free == 10


def test_a_reservation_is_settled_once():
    book = book_with(user=10)
    reservation = book.reserve(("user",), 8, 0.0)
    book.settle(reservation, 3)
    with pytest.raises(ValueError):
        book.settle(reservation, 3)


def test_an_account_in_use_is_not_idle_and_an_empty_one_is_forgotten():
    book = book_with(busy=5, idle=5, empty=0)
    book.reserve(("busy",), 1, 0.0)
    assert [account.name for account in book.idle(before=1.0)] == ["idle"]
    assert book.account("empty") is not book.account("idle")


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 80)), max_size=30), st.integers(0, 300))
def test_whatever_is_reserved_and_spent_nothing_goes_below_zero(requests, left):
    book = book_with(user=left)
    account = book.account("user")
    open_, spent = [], 0
    for amount, cost in requests:
        made = book.reserve(("user",), amount, 0.0)
        if isinstance(made, Reservation):
            open_.append((made, cost))
        if len(open_) > 3:
            reservation, cost = open_.pop(0)
            (charge,) = book.settle(reservation, cost)
            assert charge.amount >= min(cost, reservation.amount)
            spent += charge.amount
        assert account.free >= 0
        assert account.left == left - spent
