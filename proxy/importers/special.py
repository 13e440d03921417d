"""Channels whose key, settings or model names have another form here than at the source. Pure.

AWS and Azure keep a region and a version beside the key or inside of it, some providers have two or three
secrets in one, and a few models have another name at the interface we use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

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


def made(special: Special, models: tuple[str, ...]) -> Made:
    """Return what a channel becomes. Raises ValueError saying why it cannot be."""
    keys = [line.strip() for line in special.key.splitlines() if line.strip()]
    plain = Made(special.adapter, special.base_url, "\n".join(keys))
    maker = _MAKERS.get(special.adapter)
    return maker(plain, keys, special.settings, models) if maker else plain


def _bedrock(made: Made, keys: list[str], settings: Mapping[str, str], models: tuple[str, ...]) -> Made:
    region, lines = settings.get("region", ""), []
    if settings.get("ak") and settings.get("sk"):
        keys = [f"{settings['ak']}|{settings['sk']}"]
    for line in keys:
        parts = line.split("|")
        found = next((part for part in parts if _REGION.fullmatch(part)), "")
        region = region or found
        lines.append("|".join(part for part in parts if part != found))
    names = {model: _BEDROCK.get(model) or f"anthropic.{model}-v1:0" for model in models
             if model in _BEDROCK or _CLAUDE.fullmatch(model)}  # fmt: skip
    options = {"region": region} if region else {}
    return Made(made.adapter, made.base_url, "\n".join(lines), options, names)


def _azure(made: Made, keys: list[str], settings: Mapping[str, str], models: tuple[str, ...]) -> Made:
    version = settings.get("api_version", "")
    for line in keys:
        version = line.partition("|")[2] or version
    key = "\n".join(line.partition("|")[0] for line in keys)
    options = {"api_version": version, "dots": settings.get("dots", "strip")}
    return Made(made.adapter, made.base_url, key, {name: value for name, value in options.items() if value})


def _spark(made: Made, keys: list[str], settings: Mapping[str, str], models: tuple[str, ...]) -> Made:
    lines = []
    for line in keys:
        parts = line.split("|")
        # The WebSocket's APPID|APISecret|APIKey; the HTTP interface takes the latter two the other way round.
        lines.append(f"{parts[2]}:{parts[1]}" if len(parts) == 3 else ":".join(parts))
    names = {model: _SPARK[model] for model in models if model in _SPARK}
    return Made(made.adapter, made.base_url, "\n".join(lines), {}, names)


def _hunyuan(made: Made, keys: list[str], settings: Mapping[str, str], models: tuple[str, ...]) -> Made:
    return Made(made.adapter, made.base_url, "\n".join("|".join(line.split("|")[-2:]) for line in keys))


def _first(made: Made, keys: list[str], settings: Mapping[str, str], models: tuple[str, ...]) -> Made:
    return Made(made.adapter, made.base_url, "\n".join(line.partition("|")[0] for line in keys))


def _qianfan(made: Made, keys: list[str], settings: Mapping[str, str], models: tuple[str, ...]) -> Made:
    app = next((line.partition("|")[2] for line in keys if line.startswith("bce-v3/") and "|" in line), "")
    lines = [line.partition("|")[0] if line.startswith("bce-v3/") else line for line in keys]
    return Made(made.adapter, made.base_url, "\n".join(lines), {"appid": app} if app else {})


def _zhipu(made: Made, keys: list[str], settings: Mapping[str, str], models: tuple[str, ...]) -> Made:
    if models and all(model.startswith("chatglm") for model in models) and not made.base_url:
        return Made("chatglm", "", made.key)
    return made


def _dashscope(made: Made, keys: list[str], settings: Mapping[str, str], models: tuple[str, ...]) -> Made:
    # DashScope itself serves both interfaces, more by the compatible one; a proxy may know but the native.
    return made if made.base_url else Made("dashscope-compatible", "", made.key)


def _openai(made: Made, keys: list[str], settings: Mapping[str, str], models: tuple[str, ...]) -> Made:
    if made.base_url.removesuffix("/v1") != "https://api.cloudflare.com":
        return made
    account = settings.get("user_id", "")
    if not re.fullmatch(r"[0-9a-zA-Z]+", account):
        raise ValueError("Cloudflare's account id, which is part of the address, is not stated")
    return Made(made.adapter, f"https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1", made.key)


_MAKERS = {
    "bedrock": _bedrock, "azure": _azure, "spark": _spark, "hunyuan-native": _hunyuan, "coze": _first,
    "minimax": _first, "qianfan": _qianfan, "zhipu": _zhipu, "dashscope": _dashscope, "openai": _openai,
}  # fmt: skip
