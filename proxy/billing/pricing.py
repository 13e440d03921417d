"""What usage costs. The one place where money is multiplied and rounded; it rounds up.

Pure. Prices are pico-dollars for one of their unit, ratios millionths, the result quota: see docs/money.md.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..ledger.entry import Counts
from .money import QUOTA_PER_DOLLAR

PICO_PER_QUOTA = 1_000_000_000_000 // QUOTA_PER_DOLLAR
RATIO_ONE = 1_000_000
"""A ratio of 1, in millionths."""

_MOST = 2**62


class Price(msgspec.Struct, frozen=True):
    """What a model costs, in pico-dollars for one token, call, second, image or character.

    None: priced as the part it belongs to (`cached`, `cache_write`, `audio_prompt`, `image_prompt` as
    `prompt`; `reasoning`, `audio_completion`, `image_completion` as `completion`). `name` says where it comes
    from and of which version it is. `context` and `output` are the model's bounds in tokens, 0 where not
    known. Raises ValueError for a number below 0 or above 2**62.
    """

    name: str
    prompt: int = 0
    completion: int = 0
    cached: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    audio_prompt: int | None = None
    audio_completion: int | None = None
    image_prompt: int | None = None
    image_completion: int | None = None
    call: int = 0
    second: int = 0
    image: int = 0
    character: int = 0
    context: int = 0
    output: int = 0

    def __post_init__(self) -> None:
        """Let no price be a gift, whoever makes it."""
        for part, value in zip(self.__struct_fields__[1:], msgspec.structs.astuple(self)[1:], strict=True):
            if value is not None and not 0 <= value <= _MOST:
                raise ValueError(f"{part} is out of range")


def cost(counts: Counts, price: Price, group_ratio: int = RATIO_ONE, channel_ratio: int = RATIO_ONE) -> int:
    """Return what one answer costs, in whole quota, rounded up.

    Of parts that are more than their whole, as cached audio counted twice is, the cached come first.
    """
    prompt, completion, *others = msgspec.structs.astuple(counts)
    if any(others):
        thousandths = _in_parts(counts, price)
    else:  # as in most answers
        thousandths = 1000 * (price.call + prompt * price.prompt + completion * price.completion)
    return -(-thousandths * group_ratio * channel_ratio // (1000 * PICO_PER_QUOTA * RATIO_ONE * RATIO_ONE))


def _in_parts(counts: Counts, price: Price) -> int:
    """Return what counts of any kind cost, in thousandths of a pico-dollar."""
    total = price.call + counts.images * price.image + counts.characters * price.character
    total += _tokens(
        counts.prompt_tokens,
        price.prompt,
        (
            (counts.cached_tokens, price.cached),
            (counts.cache_write_tokens, price.cache_write),
            (counts.audio_prompt_tokens, price.audio_prompt),
            (counts.image_prompt_tokens, price.image_prompt),
        ),
    )
    total += _tokens(
        counts.completion_tokens,
        price.completion,
        (
            (counts.reasoning_tokens, price.reasoning),
            (counts.audio_completion_tokens, price.audio_completion),
            (counts.image_completion_tokens, price.image_completion),
        ),
    )
    return 1000 * total + counts.milliseconds * price.second


def _tokens(whole: int, price: int, parts: Iterable[tuple[int, int | None]]) -> int:
    """Return what tokens cost, with those parts at their own prices that have one."""
    total, rest = 0, whole
    for count, own in parts:
        if own is not None and count:
            count = min(count, rest)
            rest -= count
            total += count * own
    return total + rest * price
