"""Count here what a provider has not reported.

Slow, so in a thread, and never for a request whose provider reports usage. What was reported stays, but for
what is missing; of a cut answer, what is less than what was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

import msgspec

from ...plugins import Json, Usage
from ..ledger.entry import Counts
from .audio import file_in_form, milliseconds
from .pictures import picture_tokens
from .report import CHATS, LISTENERS, PAINTERS, Measured, Seen, Sent, checked, with_doubts, with_images
from .stream import EventCount, StreamMeter
from .text import parsed, prompt_of, said_in
from .tokenizer import count_tokens

_HEARD_PER_S, _SPOKEN_PER_S = 10, 21
"""OpenAI's tokens of sound: heard, and said, which are 12 dollars a million and 1.5 cents a minute."""

_BASE64_PER_HEARD = 1067
"""Characters of base64 for one of these tokens, at the usual bit rate."""

_SPOKEN_BYTES_PER_S = {"wav": 48_000, "pcm": 48_000, "flac": 24_000, "mp3": 16_000}
"""Speech as OpenAI makes it by default, in 24,000 samples a second."""


@dataclass
class _Part:
    """What was counted of one side, the request or the answer, and whether all of it was exact."""

    model: str
    counts: dict[str, int] = field(default_factory=dict)
    is_exact: bool = True

    def tokens(self, texts: Sequence[str]) -> int:
        """Count texts with the model's tokenizer, or about."""
        tokens, is_exact = count_tokens(texts, self.model)
        self.is_exact = self.is_exact and is_exact
        return tokens

    def about(self, tokens: int) -> int:
        """Say that this number is none that was counted."""
        self.is_exact = False
        return tokens


def count_here(usage: Usage | None, sent: Sent, seen: Seen) -> Measured:
    """Return what a request has used, counted here where the report does not say it. Slow."""
    counts, flags = checked(usage) if usage is not None else (Counts(), ())
    given = counts
    parts = (("prompt_tokens", _asked(sent)), ("completion_tokens", _answered(sent, seen)))
    is_exact = True
    for name, part in parts:
        said, here = getattr(given, name), part.counts.get(name, 0)
        cut = name == "completion_tokens" and not seen.complete
        if here > said and (not said or cut):
            counts = msgspec.structs.replace(counts, **part.counts)
            is_exact = is_exact and part.is_exact
            if usage is not None and not cut:
                flags = (*flags, "zero_usage")
        else:
            extra = {key: value for key, value in part.counts.items() if not key.endswith("_tokens")}
            counts = msgspec.structs.replace(counts, **extra)
    if given.milliseconds:
        counts = msgspec.structs.replace(counts, milliseconds=given.milliseconds)
    if sent.endpoint in PAINTERS:
        counts = with_images(counts, sent, seen)
    counted = (
        counts.prompt_tokens != given.prompt_tokens or counts.completion_tokens != given.completion_tokens
    )
    flags = with_doubts(tuple(dict.fromkeys(flags)), counts, sent, seen)
    if usage is not None and not counted:
        return Measured(counts, "provider", flags)
    if counts == Counts():
        return Measured(counts, "none", flags)
    return Measured(counts, "tokenizer" if is_exact and counted else "estimate", flags)


def _asked(sent: Sent) -> _Part:
    """What the request used."""
    part = _Part(sent.model)
    if sent.endpoint in LISTENERS:
        heard = milliseconds(file_in_form(sent.form_head), sent.form_length)
        tokens = part.about(-(-heard * _HEARD_PER_S // 1000))
        part.counts = {"prompt_tokens": tokens, "audio_prompt_tokens": tokens, "milliseconds": heard}
    elif not sent.raw:  # the bound is about twice what there is: see estimate
        part.counts["prompt_tokens"] = part.about(-(-sent.estimated.prompt_tokens // 2))
        part.counts["characters"] = sent.estimated.characters
    else:
        _ask(part, sent)
    return part


def _ask(part: _Part, sent: Sent) -> None:
    prompt = prompt_of(sent.endpoint, sent.raw)
    pictures = sum(picture_tokens(url, detail, sent.model) for url, detail in prompt.pictures)
    sounds = sum(-(-len(data) // _BASE64_PER_HEARD) for data in prompt.audio)
    tokens = part.tokens(prompt.texts) + prompt.tokens
    if pictures or sounds:
        tokens += part.about(pictures + sounds)
    part.counts = {"prompt_tokens": tokens, "image_prompt_tokens": pictures, "audio_prompt_tokens": sounds}
    if sent.endpoint == "audio/speech":
        part.counts["characters"] = len(prompt.texts[0]) if prompt.texts else 0


def _answered(sent: Sent, seen: Seen) -> _Part:
    """What the answer used."""
    part = _Part(sent.model)
    if sent.endpoint == "audio/speech":
        form = str(parsed(sent.raw).get("response_format", "mp3")) if sent.raw else "mp3"
        spoken = milliseconds(seen.body, seen.size, _SPOKEN_BYTES_PER_S.get(form))
        tokens = part.about(-(-spoken * _SPOKEN_PER_S // 1000))
        part.counts = {"completion_tokens": tokens, "audio_completion_tokens": tokens}
    elif seen.meter is not None:
        _streamed(part, seen.meter)
    elif sent.endpoint in CHATS or sent.endpoint in LISTENERS:
        _whole(part, sent, seen)
    return part


def _streamed(part: _Part, meter: StreamMeter) -> None:
    tokens = meter.completion(part.tokens)
    if isinstance(meter, EventCount):
        part.is_exact = False
    elif not part.is_exact and tokens <= 2 * meter.events and meter.events <= 2 * tokens:
        tokens = meter.events  # one token an event, as usual; the estimate only has to agree
    part.counts = {"completion_tokens": tokens, "reasoning_tokens": min(tokens, meter.thoughts(part.tokens))}


def _whole(part: _Part, sent: Sent, seen: Seen) -> None:
    said, value = said_in(seen.body), parsed(seen.body)
    if sent.endpoint in LISTENERS:
        if heard := _duration(value):
            part.counts["milliseconds"] = heard
        if not value and not said.size():  # a transcript as plain text
            said.content.append(seen.body.decode("utf-8", "replace"))
    thoughts = part.tokens(["".join(said.thoughts)])
    tokens = part.tokens(said.texts()) + thoughts
    if not tokens and not value and seen.size:
        tokens = part.about(-(-seen.size // 4))  # nothing we can read, but it is not empty
    part.counts |= {"completion_tokens": tokens, "reasoning_tokens": thoughts}


def _duration(value: Json) -> int:
    """The milliseconds a verbose transcript states."""
    seconds = value.get("duration")
    if not isinstance(seconds, (int, float)) or not 0 < seconds < 2**30:
        return 0
    return ceil(seconds * 1000)
