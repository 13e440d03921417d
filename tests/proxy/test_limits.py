"""Never more than a limit allows, and nothing taken from a request that is refused."""

import pytest
from canalgate.proxy.errors import GatewayError
from canalgate.proxy.limits import NOTHING, Limit, Limits, budget_ends, budgets_of
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_795_521_600.0
"""2026-11-24 12:00 UTC."""

ME = ("token:7", "user:1", "group:vip", "model:m")


def refusal(limits, tokens=0, now=NOW, state=None, subjects=ME):
    with pytest.raises(GatewayError) as caught:
        (state or Limits()).admit(limits, subjects, tokens, now)
    return caught.value


def test_without_any_limit_nothing_is_kept():
    assert Limits().admit({}, ME, 10**9, NOW) is NOTHING
    assert Limits().admit({"token:8": Limit(1)}, ME, 10**9, NOW) is NOTHING
    assert NOTHING.headers() == []


@pytest.mark.parametrize(
    ("subject", "whose"),
    [("token:7", "this API key"), ("user:1", "this account"), ("group:vip", "this group"),
     ("model:m", "this model"),
     ("token:*", "this API key"), ("user:*", "this account")],
)  # fmt: skip
def test_a_refusal_says_whose_limit_it_is_and_no_id(subject, whose):
    state, limits = Limits(), {subject: Limit(requests_per_minute=1)}
    state.admit(limits, ME, 0, NOW)
    error = refusal(limits, state=state)
    assert (error.status, error.type, error.code) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert error.message == f"rate limit reached: {whose} may use 1 requests per minute"
    assert int(error.headers["retry-after"]) == 61


def test_an_own_limit_stands_in_place_of_the_one_for_all():
    state, limits = Limits(), {"token:*": Limit(1), "token:7": Limit(2)}
    for _ in range(2):
        state.admit(limits, ME, 0, NOW)
    refusal(limits, state=state)


def test_one_subject_that_refuses_keeps_the_others_from_being_touched():
    state, limits = Limits(), {"token:7": Limit(5), "model:m": Limit(concurrent=1)}
    first = state.admit(limits, ME, 0, NOW)
    for _ in range(20):
        refusal(limits, state=state)
    first.close(0, NOW)
    assert state.admit(limits, ME, 0, NOW).headers()[1] == ("x-ratelimit-remaining-requests", "3")


def test_after_the_time_it_was_told_a_client_is_let_in():
    state, limits = Limits(), {"user:1": Limit(requests_per_minute=2)}
    state.admit(limits, ME, 0, NOW)
    state.admit(limits, ME, 0, NOW + 30)
    wait = int(refusal(limits, now=NOW + 40, state=state).headers["retry-after"])
    refusal(limits, now=NOW + 40 + wait - 2, state=state)
    state.admit(limits, ME, 0, NOW + 40 + wait)


def test_tokens_are_corrected_when_the_answer_is_known():
    state, limits = Limits(), {"user:1": Limit(tokens_per_minute=1000)}
    ticket = state.admit(limits, ME, 900, NOW)
    refusal(limits, tokens=200, state=state)
    ticket.close(100, NOW + 1)
    state.admit(limits, ME, 800, NOW + 2)
    error = refusal(limits, tokens=200, now=NOW + 2, state=state)
    assert error.headers["x-ratelimit-limit-tokens"] == "1000"
    assert error.headers["x-ratelimit-remaining-tokens"] == "100"


def test_a_request_larger_than_a_minutes_tokens_is_refused():
    assert "1000 tokens per minute" in refusal({"user:1": Limit(0, 1000)}, tokens=1001).message


def test_a_ticket_is_closed_once():
    state, limits = Limits(), {"user:1": Limit(concurrent=1)}
    ticket = state.admit(limits, ME, 0, NOW)
    ticket.close(0, NOW)
    ticket.close(0, NOW)
    state.admit(limits, ME, 0, NOW)
    refusal(limits, state=state)


def test_a_good_answer_tells_the_tightest_of_the_callers_own_limits():
    limits = {"token:7": Limit(10, 5000), "user:1": Limit(3), "model:m": Limit(2)}
    assert Limits().admit(limits, ME, 1000, NOW).headers() == [
        ("x-ratelimit-limit-requests", "3"),
        ("x-ratelimit-remaining-requests", "2"),
        ("x-ratelimit-reset-requests", "1m1s"),
        ("x-ratelimit-limit-tokens", "5000"),
        ("x-ratelimit-remaining-tokens", "4000"),
        ("x-ratelimit-reset-tokens", "1m1s"),
    ]


def test_a_channel_at_its_limit_says_how_long():
    state, limits = Limits(), {"channel:3": Limit(requests_per_minute=1)}
    assert not isinstance(state.may_use(limits, 3, 0, NOW), float)
    assert state.may_use(limits, 3, 0, NOW + 11) == 50.0
    assert state.may_use(limits, 4, 0, NOW) is NOTHING


def test_idle_subjects_are_forgotten(monkeypatch):
    monkeypatch.setattr("canalgate.proxy.limits._MOST_IDLE", 10)
    state, limits = Limits(), {"token:*": Limit(5)}
    for number in range(100):
        state.admit(limits, (f"token:{number}",), 0, NOW + 100 * number).close(0, NOW + 100 * number)
    assert len(state._uses) <= 11


def test_budgets_are_accounts_of_their_day_and_month():
    limits = {"user:*": Limit(day_budget=5), "group:vip": Limit(month_budget=9), "token:7": Limit(1)}
    assert budgets_of(limits, ME, NOW) == {"day:user:1:20261124": 5, "month:group:vip:202611": 9}
    assert budgets_of({}, ME, NOW) == {}


@pytest.mark.parametrize(
    ("account", "ends"),
    [("day:user:1:20261124", NOW + 12 * 3600), ("month:group:a:b:202611", NOW + 6.5 * 86400),
     ("month:token:7:202612", NOW + (6.5 + 31) * 86400)],
)  # fmt: skip
def test_a_budget_ends_with_its_period(account, ends):
    assert budget_ends(account) == ends


@given(
    st.lists(st.tuples(st.floats(0, 20), st.integers(0, 60), st.booleans()), min_size=1, max_size=80),
    st.integers(1, 6), st.integers(1, 100), st.integers(1, 4),
)  # fmt: skip
def test_in_no_minute_there_is_more_than_allowed(steps, requests, tokens, concurrent):
    state, limits, now = Limits(), {"user:1": Limit(requests, tokens, concurrent)}, NOW
    let_in, tickets = [], []
    for wait, size, close in steps:
        now += wait
        if close and tickets:
            tickets.pop().close(0, now)
        try:
            tickets.append(state.admit(limits, ME, size, now))
        except GatewayError:
            continue
        let_in.append((now, size))
        assert len(tickets) <= concurrent
        minute = [size for at, size in let_in if at > now - 60]
        assert len(minute) <= requests
    for ticket in tickets:
        ticket.close(0, now)
    assert all(use.open == 0 for use in state._uses.values())


@given(
    st.lists(st.tuples(st.floats(0, 20), st.integers(0, 60)), min_size=1, max_size=80), st.integers(1, 100)
)
def test_in_no_minute_there_are_more_tokens_than_allowed(steps, most):
    state, limits, now, let_in = Limits(), {"user:1": Limit(tokens_per_minute=most)}, NOW, []
    for wait, size in steps:
        now += wait
        try:
            state.admit(limits, ME, size, now).close(size, now)
        except GatewayError:
            continue
        let_in.append((now, size))
        assert sum(size for at, size in let_in if at > now - 60) <= most
