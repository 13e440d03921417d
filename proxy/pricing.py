"""What usage costs. The one place where money is multiplied and rounded; it rounds up.

Pure. Prices are pico-dollars for one of their unit, ratios millionths, the result quota: see docs/money.md.
"""

from __future__ import annotations

import msgspec

from .ledger.entry import Counts

QUOTA_PER_DOLLAR = 500_000
PICO_PER_QUOTA = 1_000_000_000_000 // QUOTA_PER_DOLLAR
RATIO_ONE = 1_000_000
"""A ratio of 1, in millionths."""


class Price(msgspec.Struct, frozen=True):
    """What a model costs, in pico-dollars for one token, call, second, image or character.

    None: priced as the part it belongs to (`cached`, `cache_write`, `audio_prompt`, `image_prompt` as
    `prompt`; `reasoning`, `audio_completion`, `image_completion` as `completion`). `name` says where it comes
    from and of which version it is. `context` and `output` are the model's bounds in tokens, 0 where not
    known.
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


def cost(counts: Counts, price: Price, group_ratio: int = RATIO_ONE, channel_ratio: int = RATIO_ONE) -> int:
    """Return what one answer costs, in whole quota, rounded up."""
    apart_prompt = apart_completion = 0
    total = price.call
    for count, own in (
        (counts.cached_tokens, price.cached),
        (counts.cache_write_tokens, price.cache_write),
        (counts.audio_prompt_tokens, price.audio_prompt),
        (counts.image_prompt_tokens, price.image_prompt),
    ):
        if own is not None and count:
            apart_prompt += count
            total += count * own
    for count, own in (
        (counts.reasoning_tokens, price.reasoning),
        (counts.audio_completion_tokens, price.audio_completion),
        (counts.image_completion_tokens, price.image_completion),
    ):
        if own is not None and count:
            apart_completion += count
            total += count * own
    total += max(0, counts.prompt_tokens - apart_prompt) * price.prompt
    total += max(0, counts.completion_tokens - apart_completion) * price.completion
    total += counts.images * price.image + counts.characters * price.character
    thousandths = 1000 * total + counts.milliseconds * price.second
    return -(-thousandths * group_ratio * channel_ratio // (1000 * PICO_PER_QUOTA * RATIO_ONE * RATIO_ONE))
