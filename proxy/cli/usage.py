"""`canalgate usage`: what was used and spent, by model, token, user or channel."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping

from ..billing.receipts import dollars
from ..host import Opened
from ..store.rollups import SPANS, By, Span, Total
from .command import Commands, on_installation
from .named import Names, names_of, seconds
from .output import show

_BY: Mapping[str, By] = {
    "model": "model", "token": "token_id", "user": "user_id", "channel": "channel_id",
}  # fmt: skip
_DAY_S = 86_400
_MOST_HOURS_S = 62 * _DAY_S
"""Beyond this, whole days are added up, not hours."""


def add_commands(commands: Commands) -> None:
    """Add this module's command."""
    parser = commands.add_parser("usage", help="add up what was used and spent")
    parser.add_argument("--by", choices=list(_BY), default="model", help="what to add up by (default model)")
    parser.add_argument(
        "--since", metavar="7d", type=seconds, default=7 * _DAY_S,
        help="from the hour so long ago, beyond two months from the day (UTC): 12h, 30d, 8w",
    )  # fmt: skip
    parser.set_defaults(run=on_installation(_usage))


async def _usage(parts: Opened, options: argparse.Namespace) -> None:
    now, by = int(time.time()), _BY[options.by]
    span: Span = "hour" if options.since <= _MOST_HOURS_S else "day"
    first = max(0, now - options.since)
    found = await parts.store.requests.totals(
        span, first - first % SPANS[span], now + _DAY_S, group_by=(by,), over_time=False
    )
    found.sort(key=lambda total: (-total.cost, -total.requests))
    names = await names_of(parts.store)
    show([_row(total, options.by, names) for total in found], options.json, "nothing was used in this time")


def _row(total: Total, by: str, names: Names) -> dict[str, object]:
    key = getattr(total, _BY[by])
    shown = {"token": names.token, "user": names.user, "channel": names.channel}.get(by, str)(key)
    return {
        by: shown,
        "requests": total.requests,
        "failures": total.failures,
        "prompt": total.prompt_tokens,
        "cached": total.cached_tokens,
        "completion": total.completion_tokens,
        "dollars": dollars(total.cost),
        "first_byte_ms": total.first_byte_ms // total.first_bytes if total.first_bytes else None,
        "total_ms": total.total_ms // total.requests if total.requests else None,
    }
