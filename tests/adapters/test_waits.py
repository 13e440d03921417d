"""How long a host asks us to wait, whatever it says it with."""

import pytest
from canalgate.adapters.parts.waits import rate_limit_reset, wait_in

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("20s", 20.0),
        ("17ms", 0.017),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("2d", 172_800.0),
        (" 5 ", 5.0),
        ("33011.382867", 33011.382867),
        ("0", 0.0),
        ("1700000060", 60.0),
        ("1700000060000", 60.0),
        ("1600000000", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("5 x", None),
        ("1.2.3", None),
        ("nan", None),
        ("9" * 400, None),
        ("2026-01-01T00:00:17Z", None),
    ],
)
def test_a_limit_that_is_used_up_says_when_it_is_whole_again(reset, seconds):
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}
    assert rate_limit_reset(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"x-ratelimit-reset": "7"}, None),
        ({"x-ratelimit-reset": "7", "x-ratelimit-remaining": "1"}, None),
        ({"x-ratelimit-reset": "7", "x-ratelimit-remaining": "0"}, 7.0),
        ({"x-ratelimit-reset-tokens": "7s", "x-ratelimit-remaining-requests": "0"}, None),
        (
            {
                "x-ratelimit-remaining-requests": "3",
                "x-ratelimit-reset-requests": "1h",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "2s",
            },
            2.0,
        ),
        (
            {
                "x-ratelimit-remaining-tokens-minute": "0",
                "x-ratelimit-reset-tokens-minute": "30.5",
                "x-ratelimit-remaining-requests-day": "0",
                "x-ratelimit-reset-requests-day": "900",
            },
            900.0,
        ),
    ],
)
def test_only_limits_that_are_used_up_count_and_the_longest_of_them_wins(headers, seconds):
    assert rate_limit_reset(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Limit 3, Used 3, Requested 1. Please try again in 20s. Visit", 20.0),
        ("Please try again in 2m59.56s. Need more tokens?", 179.56),
        ("Please try again in 460ms.", 0.46),
        ("request reached max organization concurrency: 3, please try again after 1 seconds", 1.0),
        ("Try again in 3 minutes", 180.0),
        ("Retry after 2 hours", 7200.0),
        ("please wait for 1 day", 86400.0),
        ("try again in 3 moons", None),
        ("try again in 5", None),
        ("try again later", None),
        ("I slept for 20s", None),
        ("", None),
    ],
)
def test_a_message_may_speak_of_a_wait(message, seconds):
    assert wait_in(message) == seconds
