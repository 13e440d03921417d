"""What an answer used: the provider's word where it is sensible, else counted here, in a thread."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from ...plugins import Endpoint, Usage
from ..ledger.entry import Counts, UsageSource
from . import audio, pictures
from .stream import EventCount, TextCount
from .tokenizer import count_tokens

_WORDS: frozenset[Endpoint] = frozenset({"chat/completions", "completions", "responses"})
_PROMPT_ONLY: frozenset[Endpoint] = frozenset({"embeddings", "rerank", "moderations"})
_IMAGES = re.compile(rb'"(?:b64_json|url)"\s*:\s*"')
_DURATION = re.compile(rb'"duration"\s*:\s*([0-9]+)(?:\.([0-9]{1,3}))?')
_BYTES_PER_TOKEN = 4
_MESSAGE_TOKENS, _REQUEST_TOKENS = 3, 3
"""What OpenAI's models need around each message, and around all."""


class Measured(NamedTuple):
    """Counts, how they were obtained, and what was odd about what the provider said."""

    counts: Counts
    source: UsageSource
    flags: tuple[str, ...] = ()


class Seen(NamedTuple):
    """What the gateway has seen of a request and its answer, for counting."""

    endpoint: Endpoint
    model: str
    body: bytes
    """The request's JSON, empty for a form or where it has been let go."""
    body_bytes: int
    reply: bytes
    """An answer that was no stream."""
    meter: EventCount | TextCount
    characters: int = 0


def reported(seen: Seen, usage: Usage | None) -> Measured | None:
    """Take the provider's word; None where it says nothing, or 0 for something."""
    endpoint = seen.endpoint
    if endpoint == "audio/speech":
        return Measured(Counts(characters=seen.characters), "tokenizer")
    if usage is None:
        return None
    if endpoint in _WORDS:
        if not usage.prompt_tokens or not usage.completion_tokens:
            return None
    elif endpoint in _PROMPT_ONLY:
        if not usage.prompt_tokens:
            return None
    elif endpoint.startswith("images/"):
        images = usage.images or len(_IMAGES.findall(seen.reply))
        return Measured(_counts(usage, images=images), "provider", usage.odd)
    elif not (usage.prompt_tokens or usage.milliseconds):
        return None
    return Measured(_counts(usage), "provider", usage.odd)


async def counted(seen: Seen, usage: Usage | None) -> Measured:
    """Count here what the provider has not said."""
    return await asyncio.to_thread(_count, seen, usage)


def _counts(usage: Usage, images: int = 0) -> Counts:
    return Counts(
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        usage.audio_prompt_tokens,
        usage.audio_completion_tokens,
        usage.image_prompt_tokens,
        usage.image_completion_tokens,
        usage.milliseconds,
        images or usage.images,
    )


def _count(seen: Seen, usage: Usage | None) -> Measured:
    endpoint = seen.endpoint
    flags = usage.odd if usage is not None else ()
    if endpoint.startswith("images/"):
        return Measured(Counts(images=len(_IMAGES.findall(seen.reply)) or 1), "tokenizer", flags)
    if endpoint in ("audio/transcriptions", "audio/translations"):
        return Measured(Counts(milliseconds=_duration_ms(seen)), "estimate", flags)
    prompt, is_exact = usage.prompt_tokens if usage is not None else 0, True
    if not prompt:
        prompt, is_exact = _prompt(seen)
    completion = usage.completion_tokens if usage is not None else 0
    if endpoint in _WORDS and not completion:
        completion, is_exact_too = _completion(seen)
        is_exact = is_exact and is_exact_too
        if completion and usage is not None and not flags:
            flags = ("zero_usage",)
    return Measured(Counts(prompt, completion), "tokenizer" if is_exact else "estimate", flags)


def _duration_ms(seen: Seen) -> int:
    match = _DURATION.search(seen.reply)
    if match:
        return int(match[1]) * 1000 + int((match[2] or b"0").ljust(3, b"0"))
    return audio.milliseconds(b"", seen.body_bytes)


def _prompt(seen: Seen) -> tuple[int, bool]:
    if not seen.body:
        return max(1, seen.body_bytes // _BYTES_PER_TOKEN), False
    try:
        tree = orjson.loads(seen.body)
    except orjson.JSONDecodeError:
        return max(1, seen.body_bytes // _BYTES_PER_TOKEN), False
    texts = list(_texts(tree, seen.model))
    tokens, is_exact = count_tokens([text for text in texts if isinstance(text, str)], seen.model)
    tokens += sum(text for text in texts if isinstance(text, int))
    messages = tree.get("messages")
    if isinstance(messages, list):
        tokens += _REQUEST_TOKENS + _MESSAGE_TOKENS * len(messages)
    return max(1, tokens), is_exact


_PROMPT_FIELDS = ("messages", "prompt", "input", "instructions", "query", "documents", "tools", "functions")


def _texts(tree: dict[str, Any], model: str) -> Iterator[str | int]:
    """The texts of a request, and the tokens of its pictures."""
    for name in _PROMPT_FIELDS:
        value = tree.get(name)
        if name in ("tools", "functions") and value:
            yield orjson.dumps(value).decode()
        elif name == "input" and isinstance(value, list) and value and isinstance(value[0], int):
            yield len(value)  # token ids
        else:
            yield from _strings(value, model)


def _strings(value: object, model: str) -> Iterator[str | int]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, model)
    elif isinstance(value, dict):
        picture = value.get("image_url")
        if picture is not None:
            url = picture.get("url") if isinstance(picture, dict) else picture
            detail = picture.get("detail", "auto") if isinstance(picture, dict) else "auto"
            yield pictures.picture_tokens(str(url), str(detail), model)
            return
        for name, item in value.items():
            if name not in ("role", "type", "id", "tool_call_id", "data", "file_data"):
                yield from _strings(item, model)


def _completion(seen: Seen) -> tuple[int, bool]:
    if seen.reply:
        meter = TextCount()
        meter.add(seen.reply)
        return count_tokens([meter.close()], seen.model)
    meter = seen.meter
    if isinstance(meter, EventCount):
        return meter.events, False
    tokens, is_exact = count_tokens([meter.close()], seen.model)
    # Most models send a token an event: where that is about what the estimate says, it is so.
    if not is_exact and abs(tokens - meter.events) <= max(2, meter.events // 2):
        tokens = meter.events
    return tokens, is_exact
