"""How long a host asks us to wait: `Retry-After`, the rate-limit headers, and what its message says.

Wire: RFC 9110, 10.2.3; OpenAI's guide "Rate limits", section "Headers"; the pages on rate limits and errors
of Azure, Cerebras, Groq, Moonshot, OpenRouter and Together. The caller caps what comes out.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

from ...plugins import Headers

_FIRST_TIME = 1e9
"""A larger number of seconds is a point in time."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = r"\d{1,9}(?:\.\d{1,9})? ?(?:ms|milliseconds?|s|seconds?|m|minutes?|h|hours?|d|days?)(?![a-z])"
_DURATION = re.compile(rf"(?:{_PART} ?){{1,5}}", re.IGNORECASE)
_TRY_AGAIN = re.compile(rf"(?:again|retry|wait) (?:in|after|for) ({_DURATION.pattern})", re.IGNORECASE)


def retry_after(headers: Headers, now: float) -> float | None:
    """Seconds a host asks us to wait, from `retry-after-ms` or `retry-after` (seconds or a date)."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if not value:
            continue
        if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value):
            return float(value) / unit
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - now)
        except (ValueError, OverflowError):
            continue
    return None


def rate_limit_reset(headers: Headers, now: float) -> float | None:
    """Seconds until the limits that are used up are whole again; None where no header says so.

    `x-ratelimit-reset`, also with `-requests`, `-tokens` or another limit behind it: a duration at OpenAI
    and Groq ("6m0s", "17ms"), seconds at Azure, Cerebras and Together, a time in milliseconds at
    OpenRouter. It counts only where its `x-ratelimit-remaining` is 0.
    """
    waits = []
    for name, value in headers.items():
        limit = name.removeprefix("x-ratelimit-reset")
        if limit != name and headers.get(f"x-ratelimit-remaining{limit}", "").strip() == "0":
            seconds = _seconds(value.strip())
            if seconds is not None and seconds > _FIRST_TIME:
                seconds = max(0.0, (seconds / 1000 if seconds > 1000 * _FIRST_TIME else seconds) - now)
            if seconds is not None:
                waits.append(seconds)
    return max(waits, default=None)


def wait_in(message: str) -> float | None:
    """The wait a message speaks of: OpenAI and Groq "in 1m20.5s", Moonshot "after 1 seconds"."""
    match = _TRY_AGAIN.search(message)
    return _total(match[1]) if match else None


def _seconds(text: str) -> float | None:
    """Read a number of seconds or a duration such as 1h2m3.5s or 20ms."""
    if re.fullmatch(r"\d{1,15}(\.\d{1,9})?", text):
        return float(text)
    return _total(text) if _DURATION.fullmatch(text) else None


def _total(duration: str) -> float:
    parts = re.findall(r"([\d.]+) ?(milli|ms|[smhd])", duration.lower())
    return sum(float(number) * _UNITS["ms" if unit == "milli" else unit] for number, unit in parts)
