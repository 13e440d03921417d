"""What the kit looks at: an adapter with a channel, and the traffic that suits it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import orjson

from ...adapters.openai import OpenAIAdapter
from ...plugins import Adapter, Call, Channel, Endpoint, Json, JsonBody, UpstreamResponse
from .cases import Case
from .replay import CLIENT_MODEL, NOW, Replayed, channel_for, credential_for, replay
from .splits import Split

Wire = Literal["openai", "own", "local"]
"""What a provider speaks: OpenAI's wire, one of its own, or nothing because the adapter itself answers."""

WIRES: tuple[Wire, ...] = get_args(Wire)

_EVENT_STREAM = UpstreamResponse(200, {"content-type": "text/event-stream"})


@dataclass(frozen=True, slots=True)
class Subject:
    """An adapter under test. `model` is the channel's name of a model, `cases` are recorded answers."""

    adapter: Adapter
    channel: Channel
    wire: Wire
    model: str
    cases: tuple[Case, ...] = ()

    def call(self, body: Json, endpoint: Endpoint = "chat/completions") -> Call:
        """Return a client's call with this body."""
        return Call(
            request_id="conformance",
            endpoint=endpoint,
            model=CLIENT_MODEL,
            upstream_model=self.model,
            stream=body.get("stream") is True,
            body=JsonBody(orjson.dumps({"model": CLIENT_MODEL, **body})),
            content_type="application/json",
            channel=self.channel,
            credential=credential_for(self.adapter, self.channel),
            now=NOW,
        )

    def chat(self, stream: bool = False, **fields: object) -> Call:
        """Return a client's call for a chat; `fields` are more of its body."""
        body = {"messages": [{"role": "user", "content": "hi"}], **fields}
        return self.call({**body, "stream": True} if stream else body)

    def replay(
        self, case: Case, split: Split, *, seed: int = 0, include_usage: bool = True, framed: bool = True
    ) -> Replayed:
        """Replay a case through the channel, or through one with another key if a credential is fetched."""
        channel = None if case.is_credential else self.channel
        return replay(
            self.adapter,
            case,
            split,
            seed=seed,
            channel=channel,
            include_usage=include_usage,
            framed=framed,
        )

    def is_served(self, case: Case) -> bool:
        """Whether the adapter claims to serve what a case is about."""
        if case.is_credential:
            channel = channel_for(self.adapter, case)
            return self.adapter.credential_request(channel, NOW) is not None
        if case.is_model_list:
            credential = credential_for(self.adapter, self.channel)
            return self.adapter.models_request(self.channel, credential, NOW) is not None
        return case.endpoint in self.adapter.endpoints


def subject(
    adapter: Adapter,
    channel: Channel,
    cases: Iterable[Case] = (),
    *,
    wire: Wire | None = None,
    model: str = "",
) -> Subject:
    """Return an adapter with what is needed to test it.

    `wire` is found out where it is not given: an adapter that has a local answer needs no provider, one that
    derives from OpenAIAdapter or passes event streams through speaks OpenAI's wire, any other its own.
    """
    model = model or next(iter(adapter.models), "model")
    made = Subject(adapter, channel, "openai", model)
    found = wire or _wire(made)
    return replace(made, wire=found, cases=tuple(case for case in cases if made.is_served(case)))


def _wire(made: Subject) -> Wire:
    if made.adapter.answer(made.chat()) is not None:
        return "local"
    if isinstance(made.adapter, OpenAIAdapter):
        return "openai"
    call = made.chat(True, stream_options={"include_usage": True})
    return "openai" if made.adapter.stream(call, _EVENT_STREAM) is None else "own"
