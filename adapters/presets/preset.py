"""OpenAI-compatible hosts and servers as data: what a row may state, and the adapter made for each.

The rows are in `hosts`, `china` and `servers`. Answers are tidied unless the channel says otherwise;
requests keep the client's bytes but where the host has another name for a field, another range, or no place.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin

from ...plugins import BodyError, Call, Channel, Credential, Endpoint, Json
from ..failures import Verdict
from ..fields import UNSUPPORTED
from ..openai import ASK_USAGE, CONTINUE, TIDY, OpenAIAdapter, trim_base_url
from ..parts.balance import BalanceCall

Endpoints = frozenset[Endpoint]

CHAT: Endpoints = frozenset({"chat/completions"})
TEXT: Endpoints = CHAT | {"completions"}
EMBEDDINGS: Endpoints = frozenset({"embeddings"})
RERANK: Endpoints = frozenset({"rerank"})
RESPONSES: Endpoints = frozenset({"responses"})
MODERATIONS: Endpoints = frozenset({"moderations"})
IMAGES: Endpoints = frozenset({"images/generations"})
SPEECH: Endpoints = frozenset({"audio/speech"})
TRANSCRIPTION: Endpoints = frozenset({"audio/transcriptions", "audio/translations"})

MAX_TOKENS: Mapping[str, str] = {"max_completion_tokens": "max_tokens"}
"""For hosts that know only the older name and would let a model talk without an end."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One host.

    `endpoints` are what it can serve, `paths` where one of them is not at its usual place, seen from the base
    URL. `codes` are error words that mean something only here. `unsupported` fields are refused by the host
    and left out, `renames` have another name there, `ranges` are the least and the greatest value it takes.
    `one_choice`: it gives one answer, whatever `n` says. `asks_usage`: it takes `stream_options`, and without
    them may send no usage. `thoughts` is the field in which an assistant's reasoning goes back to it; empty
    where it refuses any. `short_ids`: a tool call's id must be nine letters and digits.
    `continues`: how it goes on behind the beginning of an answer, as the option `continue` has it.
    `balance_call`: how it tells what is left of an account; None where its pages do not say.
    """

    name: str
    title: str
    base_url: str
    endpoints: Endpoints
    models: tuple[str, ...] = ()
    key_help: str = "API key"
    models_path: str = "models"
    paths: Mapping[Endpoint, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Verdict] = field(default_factory=dict)
    unsupported: frozenset[str] = frozenset()
    renames: Mapping[str, str] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    one_choice: bool = False
    asks_usage: bool = True
    thoughts: str = "reasoning_content"
    short_ids: bool = False
    embedding_inputs: int = 0
    continues: str = "off"
    balance_call: BalanceCall | None = None


_STATED = ("name", "title", "base_url", "endpoints", "models", "key_help", "codes", "unsupported",
           "models_path", "embedding_inputs", "balance_call")  # fmt: skip
"""What a row and an adapter call by the same name."""

_THOUGHTS = "reasoning_content"
_SHORT_ID = re.compile("[a-zA-Z0-9]{9}")


class PresetAdapter(OpenAIAdapter):
    """A host that speaks OpenAI's API, with the deviations that its row states."""

    def __init__(self, preset: Preset) -> None:
        ask_usage = ASK_USAGE if preset.asks_usage else replace(ASK_USAGE, default="off")
        options = [ask_usage, replace(TIDY, default="on"), replace(CONTINUE, default=preset.continues)]
        if preset.unsupported:
            options.append(UNSUPPORTED)
        # The contract declares these for classes, but an object is here what a class is elsewhere.
        setattr(self, "options", tuple(options))  # noqa: B010  # mypy would refuse a plain assignment
        for name in _STATED:
            setattr(self, name, getattr(preset, name))
        self._preset = preset

    def check(self, channel: Channel) -> None:
        super().check(channel)
        if self.key_help and not channel.key and not channel.base_url:
            raise ValueError(f"{self.title} needs a key: {self.key_help}")

    def url(self, call: Call) -> str:
        path = self._preset.paths.get(call.endpoint)
        if path is None:
            return super().url(call)
        return urljoin(trim_base_url(call.channel.base_url or self.base_url) + "/", path)

    def sign(self, credential: Credential) -> Mapping[str, str]:
        return {**super().sign(credential), **self._preset.headers}

    def renames(self, call: Call) -> Mapping[str, str]:
        return self._preset.renames

    def edits(self, call: Call) -> dict[str, object]:
        assert call.body is not None
        if self._preset.one_choice and (call.body.get("n", int) or 1) > 1:
            raise BodyError(f"{self.title} gives one choice a request", "n")
        edits = super().edits(call)
        for name, (least, most) in self._preset.ranges.items():
            value = call.body.get(name, float)
            if value is not None and not least <= value <= most:
                edits[name] = min(max(value, least), most)
        if call.endpoint == "chat/completions" and self._concerns_messages(call.body.raw):
            messages = call.body.tree.get("messages")
            if isinstance(messages, list):
                edits["messages"] = [self._message(message) for message in messages]
        return edits

    def _concerns_messages(self, raw: bytes) -> bool:
        return (self._preset.thoughts != _THOUGHTS and b'"reasoning_content"' in raw) or (
            self._preset.short_ids and b'"tool_call' in raw
        )

    def _message(self, message: object) -> object:
        """Return a message as the host takes it: thoughts in its own field or left out, ids of its length."""
        if not isinstance(message, dict):
            return message
        made: Json = {}
        for name, value in message.items():
            if name == _THOUGHTS:
                if self._preset.thoughts:
                    made[self._preset.thoughts] = value
            elif name == "tool_call_id" and self._preset.short_ids:
                made[name] = short_id(value)
            elif name == "tool_calls" and self._preset.short_ids and isinstance(value, list):
                made[name] = [
                    {**call, "id": short_id(call.get("id"))} if isinstance(call, dict) else call
                    for call in value
                ]
            else:
                made[name] = value
        return made


def short_id(id: object) -> object:
    """Return a tool call's id as nine letters and digits, always the same for the same id.

    Mistral refuses others, so a conversation that another host began could not go on.
    """
    if not isinstance(id, str) or _SHORT_ID.fullmatch(id):
        return id
    return hashlib.blake2b(id.encode(), digest_size=5).hexdigest()[:9]
