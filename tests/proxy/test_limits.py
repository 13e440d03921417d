"""What may be used in a minute, at once, in a day and a month."""

import math
import re
from datetime import UTC, datetime

import pytest
from canalgate.proxy.billing import limits as limits_module
from canalgate.proxy.billing.limits import NOTHING, Limit, Limits, Ticket, budget_accounts, budget_ends
from canalgate.proxy.errors import GatewayError
from hypothesis import example, given, settings
from hypothesis import strategies as st

CALLER = ("token:7", "user:1", "group:vip", "model:m")
REQUESTS = {"token:7": Limit(requests_per_minute=3)}
TOKENS = {"user:1": Limit(tokens_per_minute=100)}
CONCURRENT = {"group:vip": Limit(concurrent=2)}


def refused(state, limits, tokens=0, now=0.0, subjects=CALLER):
    """The error of a request that must be refused."""
    with pytest.raises(GatewayError) as caught:
        state.admit(limits, subjects, tokens, now)
    error = caught.value
    assert (error.status, error.type, error.code) == (429, "rate_limit_error", "rate_limit_exceeded")
    return error


def spent(limits, *tokens, now=0.0):
    """A state in which requests of so many tokens have come and are still open."""
    state = Limits()
    for each in tokens:
        state.admit(limits, CALLER, each, now)
    return state


FULL = [
    (
        REQUESTS,
        (1, 1, 1),
        "rate limit reached: this API key may use 3 requests per minute; try again in 61 s",
    ),
    (TOKENS, (60, 40), "rate limit reached: this account may use 100 tokens per minute; try again in 61 s"),
    (CONCURRENT, (1, 1), "rate limit reached: your group may use 2 concurrent requests; try again in 1 s"),
    (
        {"model:m": Limit(requests_per_minute=1)},
        (1,),
        "rate limit reached: this model may use 1 requests per",
    ),
]


@pytest.mark.parametrize(("limits", "tokens", "said"), FULL)
def test_a_request_over_a_limit_is_told_which(limits, tokens, said):
    error = refused(spent(limits, *tokens), limits, 1)
    assert error.message.startswith(said)
    assert error.headers["retry-after"] == re.search(r"(\d+) s$", error.message)[1]


@pytest.mark.parametrize(("limits", "tokens", "said"), FULL)
def test_what_the_client_is_told_names_nobody(limits, tokens, said):
    error = refused(spent(limits, *tokens), limits, 1)
    assert not re.search("token:|user:|group:|vip|model:", error.message + str(error.headers))


@pytest.mark.parametrize("limits", [REQUESTS, TOKENS])
def test_a_request_that_waits_as_long_as_it_was_told_fits(limits):
    state = spent(limits, 40, 30, 30, now=5.9)
    wait = int(refused(state, limits, 40, now=20.5).headers["retry-after"])
    refused(state, limits, 40, now=20.5 + wait - 2)
    state.admit(limits, CALLER, 40, 20.5 + wait)


@pytest.mark.parametrize("before", [(), (10,)])
def test_a_request_that_alone_is_too_large_is_told_so_and_not_to_come_again(before):
    error = refused(spent(TOKENS, *before), TOKENS, 101)
    assert error.message.startswith("the request is too large: it may need 101 tokens, and this account may")
    assert "retry-after" not in error.headers
    assert error.headers["x-should-retry"] == "false"


def test_of_several_limits_the_one_that_lasts_longest_is_told():
    limits = {**REQUESTS, **CONCURRENT, **TOKENS}
    state = spent(limits, 1, 1)
    assert "2 concurrent" in refused(state, limits).message
    assert "100 tokens" in refused(state, limits, 99).message


@pytest.mark.parametrize("limits", [REQUESTS, TOKENS, CONCURRENT])
def test_who_has_no_limit_holds_nothing(limits):
    state = spent(limits, 50, 50)
    others = ("token:8", "user:2", "group:poor", "model:m")
    assert all(state.admit(limits, others, 10**9, 0.0) is NOTHING for _ in range(5))
    assert (NOTHING.headers(), NOTHING.close(5, 0.0)) == ([], None)


def test_a_budget_alone_is_no_limit_of_a_minute():
    assert Limits().admit({"user:1": Limit(day_budget=1)}, CALLER, 5, 0.0) is NOTHING
    assert Limits().admit({}, CALLER, 5, 0.0) is NOTHING


def test_a_wildcard_counts_for_each_subject_and_gives_way_to_an_own_limit():
    limits = {"token:*": Limit(requests_per_minute=1), "token:8": Limit(), "token:9": Limit(concurrent=2)}
    state = Limits()
    for subject, times in (("token:1", 1), ("token:2", 1), ("token:8", 5), ("token:9", 2)):
        for _ in range(times):
            state.admit(limits, (subject,), 0, 0.0)
    for subject in ("token:1", "token:2", "token:9"):
        refused(state, limits, subjects=(subject,))


@pytest.mark.parametrize(("truth", "left"), [(0, 100), (10, 90), (60, 40), (90, 10), (500, 0), (-5, 100)])
def test_closing_corrects_the_estimate_once(truth, left):
    state = Limits()
    ticket = state.admit(TOKENS, CALLER, 60, 0.0)
    for _ in range(3):
        ticket.close(truth, 1.0)
    refused(state, TOKENS, left + 1, 1.0)
    state.admit(TOKENS, CALLER, left, 1.0) if truth <= 100 else refused(state, TOKENS, 0, 1.0)


def test_an_answer_that_lasted_minutes_gives_back_nothing_of_later_ones():
    state = Limits()
    ticket = state.admit(TOKENS, CALLER, 60, 0.0)
    state.admit(TOKENS, CALLER, 60, 61.0)
    ticket.close(0, 62.0)
    refused(state, TOKENS, 41, 62.0)


def test_a_place_is_free_when_a_ticket_is_closed_and_only_once():
    state = Limits()
    first, _ = (state.admit(CONCURRENT, CALLER, 0, 0.0) for _ in range(2))
    refused(state, CONCURRENT)
    first.close(0, 0.0)
    first.close(0, 0.0)
    state.admit(CONCURRENT, CALLER, 0, 0.0)
    refused(state, CONCURRENT)


def test_a_refused_request_takes_nothing_of_any_subject():
    limits = {**REQUESTS, "model:m": Limit(requests_per_minute=1, tokens_per_minute=10, concurrent=1)}
    state = spent(limits, 10)
    for _ in range(5):
        refused(state, limits, 10)
    assert dict(state.admit(REQUESTS, CALLER, 0, 0.0).headers())["x-ratelimit-remaining-requests"] == "1"


def test_a_limit_that_is_lowered_holds_at_once():
    state = spent(REQUESTS, 0, 0, 0)
    refused(state, {"token:7": Limit(requests_per_minute=1)})
    state.admit({"token:7": Limit(requests_per_minute=4)}, CALLER, 0, 0.0)


@pytest.mark.parametrize(("back", "is_free"), [(3, False), (3600, True)])
def test_a_clock_that_is_set_back_locks_nobody_out_for_long(back, is_free):
    state = spent(REQUESTS, 0, 0, 0, now=10_000.0)
    if is_free:
        state.admit(REQUESTS, CALLER, 0, 10_000.0 - back)
    else:
        assert int(refused(state, REQUESTS, now=10_000.0 - back).headers["retry-after"]) == 61 + back


# What the client is told of its limits.


def test_a_good_answer_tells_the_tightest_limits_of_the_caller_alone():
    limits = {
        "token:7": Limit(requests_per_minute=10), "user:1": Limit(requests_per_minute=5, concurrent=1),
        "group:vip": Limit(tokens_per_minute=1000), "model:m": Limit(1, 50),
    }  # fmt: skip
    assert Limits().admit(limits, CALLER, 50, 10.0).headers() == [
        ("x-ratelimit-limit-requests", "5"),
        ("x-ratelimit-remaining-requests", "4"),
        ("x-ratelimit-reset-requests", "1m1s"),
        ("x-ratelimit-limit-tokens", "1000"),
        ("x-ratelimit-remaining-tokens", "950"),
        ("x-ratelimit-reset-tokens", "1m1s"),
    ]


@pytest.mark.parametrize("limits", [CONCURRENT, {"model:m": Limit(5, 5)}])
def test_an_answer_without_limits_of_the_caller_in_a_minute_tells_nothing(limits):
    assert Limits().admit(limits, CALLER, 1, 0.0).headers() == []


def test_a_refused_request_is_told_its_own_limits_too():
    headers = refused(spent(REQUESTS, 0, 0, 0, now=3.0), REQUESTS, now=60.0).headers
    assert headers == {
        "retry-after": "4", "x-ratelimit-limit-requests": "3", "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "4s",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.0001, "1ms"), (0.006, "6ms"), (0.9989, "999ms"), (0.9999, "1s"), (1, "1s"), (1.2, "2s"),
     (59.5, "1m0s"), (61, "1m1s"), (360, "6m0s")],
)  # fmt: skip
def test_a_time_is_written_as_openai_does(seconds, text):
    assert limits_module._duration(seconds) == text


# Channels.


def test_a_channel_gives_a_ticket_or_the_time_to_wait():
    limits = {"channel:3": Limit(requests_per_minute=1, tokens_per_minute=10)}
    state = Limits()
    assert isinstance(state.may_use(limits, 3, 5, 0.5), Ticket)
    assert state.may_use(limits, 3, 5, 1.0) == 60.0
    assert state.may_use(limits, 3, 11, 1.0) == math.inf
    assert state.may_use(limits, 4, 11, 1.0) is NOTHING
    assert state.may_use({}, 3, 11, 1.0) is NOTHING


def test_a_channel_is_free_for_another_after_its_ticket_is_closed():
    limits, state = {"channel:*": Limit(concurrent=1)}, Limits()
    ticket = state.may_use(limits, 3, 0, 0.0)
    assert state.may_use(limits, 3, 0, 0.0) == 1.0
    ticket.close(0, 0.0)
    assert isinstance(state.may_use(limits, 3, 0, 0.0), Ticket)


# Memory.


def test_subjects_that_are_idle_are_forgotten_and_others_are_not():
    limits = {"model:*": Limit(requests_per_minute=1), "user:*": Limit(concurrent=1)}
    state = Limits()
    state.admit(limits, ("user:1",), 0, 0.0)
    for number in range(3 * limits_module._SWEEP_AT):
        state.admit(limits, (f"model:{number}",), 0, number / 50).close(0, number / 50)
    assert len(state._uses) < 62 * 50 + limits_module._SWEEP_AT
    refused(state, limits, subjects=("user:1",), now=1000.0)


@pytest.mark.parametrize("use", [Limit(requests_per_minute=1), Limit(concurrent=1)])
def test_a_request_counts_whichever_of_its_subjects_makes_the_idle_be_forgotten(use):
    limits = {"user:1": use, "model:*": Limit(requests_per_minute=10)}
    state, most = Limits(), limits_module._SWEEP_AT
    for number in range(most - 1):
        state.admit(limits, (f"model:{number}",), 0, 0.0)
    for now in (100.0, 100.5):  # user:1 is new, then makes one too many with the model after it
        subjects = ("user:1", f"model:new{now}")
        if now == 100.0:
            state.admit(limits, subjects, 0, now)
        else:
            refused(state, limits, subjects=subjects, now=now)


# Whatever comes: the promises hold.

STEPS = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 2), st.sampled_from([20.0, 29.9, 57.5, 59.0, 59.9])),  # seconds since the last
        st.sampled_from([("token:1", "user:1"), ("token:2", "user:1"), ("token:3", "user:2"), ("user:2",)]),
        st.integers(0, 12),  # tokens estimated
        st.floats(0, 1),  # used of them
        st.integers(0, 3),  # which of the open requests end before
    ),
    max_size=40,
)
SOME = st.builds(Limit, st.integers(0, 4), st.integers(0, 25), st.integers(0, 3))


@settings(max_examples=100, deadline=None)
@given(STEPS, st.dictionaries(st.sampled_from(["token:*", "token:2", "user:1", "user:*"]), SOME))
def test_no_sixty_seconds_see_more_than_a_limit(steps, limits):
    state, now, running, admitted = Limits(), 1_000_000.0, [], []
    for passed, subjects, tokens, share, ending in steps:
        now += passed
        for ticket, truth, _ in running[:ending]:
            ticket.close(truth, now)
        running = running[ending:]
        before = snapshot(state, now)
        try:
            ticket = state.admit(limits, subjects, tokens, now)
        except GatewayError:
            assert snapshot(state, now) == before  # all or nothing
            continue
        truth = int(tokens * share)
        running.append((ticket, truth, subjects))
        admitted.append((now, truth, subjects))
        for subject in subjects:
            check(subject, limits, now, admitted, running)
    for ticket, truth, _ in running:
        ticket.close(truth, now)
    assert all(use.running == 0 for use in state._uses.values())


@given(st.floats(0, 10_000), st.floats(0, 59.999))
@example(0.999, 58.01)
@example(0.0, 59.999)
def test_a_minute_is_never_shorter_than_a_minute_nor_longer_than_a_second_more(began, passed):
    limits = {"user:1": Limit(requests_per_minute=1)}
    state = spent(limits, 0, now=began)
    refused(state, limits, now=began + passed)
    state.admit(limits, CALLER, 0, began + 61)


def snapshot(state, now):
    """What counts of every subject that is not idle."""
    return {
        name: (use.running, use.requests.total, use.tokens.total)
        for name, use in state._uses.items()
        if not use.is_idle(now)
    }


def check(subject, limits, now, admitted, running):
    limit = limits.get(subject, limits.get(f"{subject.partition(':')[0]}:*", Limit()))
    minute = [tokens for at, tokens, subjects in admitted if subject in subjects and at > now - 60]
    assert len(minute) <= (limit.requests_per_minute or math.inf)
    assert sum(minute) <= (limit.tokens_per_minute or math.inf)
    assert sum(subject in subjects for _, _, subjects in running) <= (limit.concurrent or math.inf)


# Budgets.

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()


def test_budgets_are_named_by_subject_and_period():
    limits = {
        "token:7": Limit(day_budget=5), "group:*": Limit(month_budget=9), "user:1": Limit(concurrent=1),
        "model:m": Limit(day_budget=1, month_budget=2),
    }  # fmt: skip
    assert budget_accounts(limits, CALLER, NOON) == {
        "day:token:7:20261124": 5, "month:group:vip:202611": 9, "day:model:m:20261124": 1,
        "month:model:m:202611": 2,
    }  # fmt: skip
    assert budget_accounts({}, CALLER, NOON) == budget_accounts(REQUESTS, CALLER, NOON) == {}


@pytest.mark.parametrize("name", ["m" * 191, "m" * 500, "m" * 172])
def test_the_account_of_a_budget_fits_its_column_whatever_the_name_of_a_model(name):
    limits = {"model:*": Limit(day_budget=1, month_budget=2)}
    found = budget_accounts(limits, (f"model:{name}",), NOON)
    assert [len(account) for account in found] == [191, 191]
    assert [budget_ends(account) > NOON for account in found] == [True, True]


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("day:token:7:20261124", (2026, 11, 25)),
        ("day:user:1:20281231", (2029, 1, 1)),
        ("day:model:a:b:20240228", (2024, 2, 29)),
        ("month:group:vip:202611", (2026, 12, 1)),
        ("month:group:a:1:202612", (2027, 1, 1)),
        ("month:user:1:202602", (2026, 3, 1)),
        ("month:user:1:202601", (2026, 2, 1)),
    ],
)
def test_a_budget_ends_with_its_day_or_month(name, end):
    assert budget_ends(name) == datetime(*end, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("name", ["user:1", "token:7", "", "day:user:1", "month:group:vip:1", "year:a:2026"])
def test_other_accounts_have_no_end(name):
    with pytest.raises(ValueError):
        budget_ends(name)


@given(st.integers(0, 4_000_000_000), st.sampled_from(["day_budget", "month_budget"]))
def test_the_next_period_begins_when_one_ends_and_not_before(now, period):
    limits = {"user:1": Limit(**{period: 1})}
    (name,) = budget_accounts(limits, ("user:1",), now)
    end = budget_ends(name)
    assert now < end
    assert list(budget_accounts(limits, ("user:1",), end - 1)) == [name]
    assert list(budget_accounts(limits, ("user:1",), end)) != [name]
