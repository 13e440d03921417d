"""Channels whose key, settings or model names have another form here than at the source. Pure.

AWS and Azure keep a region and a version beside the key or inside of it, some providers have two or three
secrets in one, and a few models have another name at the interface we use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ..records import ChannelRow, keys_of

_REGION = re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx|cn)(-gov|-isob?)?-[a-z]+-\d")
_CLAUDE = re.compile(r"claude-[\w-]+-\d{8}")

_BEDROCK: Mapping[str, str] = {
    "claude-instant-1.2": "anthropic.claude-instant-v1",
    "claude-2.0": "anthropic.claude-v2",
    "claude-2.1": "anthropic.claude-v2:1",
    "claude-3-5-sonnet-20241022": "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "llama3-8b-8192": "meta.llama3-8b-instruct-v1:0",
    "llama3-70b-8192": "meta.llama3-70b-instruct-v1:0",
}
"""AWS's names of models that the others call by their makers' names. Source: AWS, "Supported models"."""

_SPARK: Mapping[str, str] = {
    "SparkDesk": "generalv3.5", "SparkDesk-v1.1": "lite", "SparkDesk-v2.1": "generalv2",
    "SparkDesk-v3.1": "generalv3", "SparkDesk-v3.1-128K": "pro-128k", "SparkDesk-v3.5": "generalv3.5",
    "SparkDesk-v3.5-32K": "max-32k", "SparkDesk-v4.0": "4.0Ultra",
}  # fmt: skip
"""Names of the HTTP interface. Source: Spark's page "HTTP interface", `model`."""


@dataclass(frozen=True, slots=True)
class Special:
    """What a channel has at the source beside its fields: settings by name, and the address it goes to."""

    adapter: str
    base_url: str
    key: str = field(repr=False)
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Made:
    """The same as ours, with names of models that are other ones at the provider."""

    adapter: str
    base_url: str
    key: str = field(repr=False)
    options: dict[str, str] = field(default_factory=dict)
    mapping: dict[str, str] = field(default_factory=dict)

    def put_into(self, plain: ChannelRow, mapping: Mapping[str, str]) -> ChannelRow:
        """Return a channel of which only its names were known; `mapping` is its own."""
        return replace(
            plain,
            type=self.adapter,
            base_url=self.base_url,
            key=self.key,
            options=self.options,
            mapping={**self.mapping, **mapping},
        )


def taken_apart(adapter: str, key: str) -> tuple[str, dict[str, str]]:
    """Split a key as other gateways have it: into one of ours, a line for each of several, and options."""
    split = _SPLITS.get(adapter)
    keys, options = list[str](), dict[str, str]()
    for one in keys_of(key):
        own, found = split(one) if split else (one, {})
        keys.append(own)
        options |= found
    return "\n".join(keys), options


def made(special: Special, models: tuple[str, ...]) -> Made:
    """Return what a channel becomes. Raises ValueError saying why it cannot be."""
    key, options = taken_apart(special.adapter, special.key)
    plain = Made(special.adapter, special.base_url, key, options)
    maker = _MAKERS.get(special.adapter)
    return maker(plain, special.settings, models) if maker else plain


# What of a key is none.

Split = tuple[str, dict[str, str]]


def _bedrock_key(key: str) -> Split:
    parts = key.split("|")
    region = next((part for part in parts if _REGION.fullmatch(part)), "")
    return "|".join(part for part in parts if part != region), {"region": region} if region else {}


def _azure_key(key: str) -> Split:
    own, _, version = key.partition("|")
    return own, {"api_version": version} if version else {}


def _spark_key(key: str) -> Split:
    parts = key.split("|")
    # The WebSocket's APPID|APISecret|APIKey; the HTTP interface takes the latter two the other way round.
    return f"{parts[2]}:{parts[1]}" if len(parts) == 3 else ":".join(parts), {}


def _hunyuan_key(key: str) -> Split:
    return "|".join(key.split("|")[-2:]), {}


def _first(key: str) -> Split:
    return key.partition("|")[0], {}


def _qianfan_key(key: str) -> Split:
    own, _, app = key.partition("|")
    return (own, {"appid": app} if app else {}) if key.startswith("bce-v3/") else (key, {})


_SPLITS: Mapping[str, Callable[[str], Split]] = {
    "bedrock": _bedrock_key, "azure": _azure_key, "spark": _spark_key, "hunyuan-native": _hunyuan_key,
    "coze": _first, "minimax": _first, "qianfan": _qianfan_key,
}  # fmt: skip


# What of a channel is another thing here.


def _bedrock(made: Made, settings: Mapping[str, str], models: tuple[str, ...]) -> Made:
    key, options = made.key, dict(made.options)
    if settings.get("ak") and settings.get("sk"):
        key = f"{settings['ak']}|{settings['sk']}"
    if settings.get("region"):
        options["region"] = settings["region"]
    names = {model: _BEDROCK.get(model) or f"anthropic.{model}-v1:0" for model in models
             if model in _BEDROCK or _CLAUDE.fullmatch(model)}  # fmt: skip
    return Made(made.adapter, made.base_url, key, options, names)


def _azure(made: Made, settings: Mapping[str, str], models: tuple[str, ...]) -> Made:
    version = settings.get("api_version", "")
    stated = {"api_version": version} if version else {}
    return replace(made, options={"dots": settings.get("dots", "strip"), **stated, **made.options})


def _spark(made: Made, settings: Mapping[str, str], models: tuple[str, ...]) -> Made:
    return replace(made, mapping={model: _SPARK[model] for model in models if model in _SPARK})


def _zhipu(made: Made, settings: Mapping[str, str], models: tuple[str, ...]) -> Made:
    if models and all(model.startswith("chatglm") for model in models) and not made.base_url:
        return Made("chatglm", "", made.key)
    return made


def _dashscope(made: Made, settings: Mapping[str, str], models: tuple[str, ...]) -> Made:
    # DashScope itself serves both interfaces, more by the compatible one; a proxy may know but the native.
    return made if made.base_url else Made("dashscope-compatible", "", made.key)


def _openai(made: Made, settings: Mapping[str, str], models: tuple[str, ...]) -> Made:
    if made.base_url.removesuffix("/v1") != "https://api.cloudflare.com":
        return made
    account = settings.get("user_id", "")
    if not re.fullmatch(r"[0-9a-zA-Z]+", account):
        raise ValueError("Cloudflare's account id, which is part of the address, is not stated")
    return Made(made.adapter, f"https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1", made.key)


_MAKERS: Mapping[str, Callable[[Made, Mapping[str, str], tuple[str, ...]], Made]] = {
    "bedrock": _bedrock, "azure": _azure, "spark": _spark, "zhipu": _zhipu, "dashscope": _dashscope,
    "openai": _openai,
}  # fmt: skip
