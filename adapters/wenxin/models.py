"""Baidu's legacy ERNIE models: the path of each one's service, and what its service takes.

The model is in the address and not in the body. Source: the pages of the single models in Baidu's
WENXINWORKSHOP documentation and the table of models in Baidu's own SDK (bce-qianfan-sdk).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ...plugins import Endpoint

EVERYTHING = "FCRMYV"
"""What is assumed of a service that the table does not know: a newer or a self-deployed one."""


@dataclass(frozen=True, slots=True)
class Service:
    """Where a model answers, below the base URL, and what it takes.

    `takes` are letters: F `functions`, T `tools`, C `tool_choice`, R `response_format`,
    M `max_output_tokens`, P OpenAI's two penalties, Y `system`, V images in messages.
    `max_output` is the most model tokens that may be asked for, None where that is not known.
    """

    path: str
    takes: str = EVERYTHING
    max_output: int | None = None


_KINDS: Mapping[Endpoint, tuple[str, ...]] = {
    "chat/completions": ("chat", "image2text"),
    "embeddings": ("embeddings",),
    "rerank": ("reranker",),
    "images/generations": ("text2image",),
}
"""First parts of the paths that serve an endpoint; the first is for names that are not in the table."""

_CHAT = (
    ("ERNIE-4.0-8K", "completions_pro", "FRMY"),
    ("ERNIE-4.0-8K-Latest", "ernie-4.0-8k-latest", "RMY"),
    ("ERNIE-4.0-8K-Preview", "ernie-4.0-8k-preview", "FRMY"),
    ("ERNIE-4.0-8K-Preview-0518", "completions_adv_pro", "FRMY"),
    ("ERNIE-4.0-8K-0613", "ernie-4.0-8k-0613", "RMY"),
    ("ERNIE-4.0-8K-0329", "ernie-4.0-8k-0329", "FRMY"),
    ("ERNIE-4.0-8K-0104", "ernie-4.0-8k-0104", "FRMY"),
    ("ERNIE-4.0-Turbo-8K", "ernie-4.0-turbo-8k", "RMY"),
    ("ERNIE-4.0-Turbo-8K-Latest", "ernie-4.0-turbo-8k-latest", "RMY"),
    ("ERNIE-4.0-Turbo-8K-Preview", "ernie-4.0-turbo-8k-preview", "RMY"),
    ("ERNIE-3.5-8K", "completions", "FCRMY"),
    ("ERNIE-3.5-8K-Preview", "ernie-3.5-8k-preview", "FCRMY"),
    ("ERNIE-3.5-8K-0701", "ernie-3.5-8k-0701", "FCRMY"),
    ("ERNIE-3.5-8K-0613", "ernie-3.5-8k-0613", "FCRMY"),
    ("ERNIE-3.5-8K-0329", "ernie-3.5-8k-0329", "FCRMY"),
    ("ERNIE-3.5-8K-0205", "ernie-3.5-8k-0205", "FCRMY"),
    ("ERNIE-3.5-8K-1222", "ernie-3.5-8k-1222", "FCRMY"),
    ("ERNIE-3.5-4K-0205", "ernie-3.5-4k-0205", "FCRMY"),
    ("ERNIE-3.5-128K", "ernie-3.5-128k", "FCRMY"),
    ("ERNIE-Speed-Pro-8K", "ernie-speed-pro-8k", "TCMPY"),
    ("ERNIE-Speed-Pro-128K", "ernie-speed-pro-128k", "TCMPY"),
    ("ERNIE-Speed-8K", "ernie_speed", "TCMPY"),
    ("ERNIE-Speed-128K", "ernie-speed-128k", "TCMPY"),
    ("ERNIE-Lite-Pro-8K", "ernie-lite-pro-8k", "TCY"),
    ("ERNIE-Lite-8K-0922", "eb-instant", "TCY"),
    ("ERNIE-Lite-8K-0308", "ernie-lite-8k", "MPY"),
    ("ERNIE-Lite-V", "ernie-lite-v", "MPYV"),
    ("ERNIE-Lite-AppBuilder-8K-0614", "ai_apaas_lite", "TCMPY"),
    ("ERNIE-Tiny-8K", "ernie-tiny-8k", "TCMPY"),
    ("ERNIE-Novel-8K", "ernie-novel-8k", "TCMPY"),
    ("ERNIE-Function-8K", "ernie-func-8k", "MY"),
    ("ERNIE-Character-8K", "ernie-char-8k", "MY"),
    ("ERNIE-Character-Fiction-8K", "ernie-char-fiction-8k", "MY"),
    ("ERNIE-Speed-AppBuilder", "ai_apaas", "TCY"),
    ("Qianfan-Dynamic-8K", "qianfan-dynamic-8k", "FCRMY"),
    ("Meta-Llama-3-8B", "llama_3_8b", "TC"),
    ("Meta-Llama-3-70B", "llama_3_70b", "TC"),
    ("Llama-2-7B-Chat", "llama_2_7b", "TC"),
    ("Llama-2-13B-Chat", "llama_2_13b", "TC"),
    ("Llama-2-70B-Chat", "llama_2_70b", "TC"),
    ("Qianfan-Chinese-Llama-2-7B", "qianfan_chinese_llama_2_7b", "TC"),
    ("Qianfan-Chinese-Llama-2-13B", "qianfan_chinese_llama_2_13b", "TC"),
    ("Qianfan-Chinese-Llama-2-70B", "qianfan_chinese_llama_2_70b", "TC"),
    ("BLOOMZ-7B", "bloomz_7b1", "TC"),
    ("Qianfan-BLOOMZ-7B-compressed", "qianfan_bloomz_7b_compressed", "TC"),
    ("ChatGLM2-6B-32K", "chatglm2_6b_32k", "TC"),
    ("AquilaChat-7B", "aquilachat_7b", "TC"),
    ("XuanYuan-70B-Chat-4bit", "xuanyuan_70b_chat", "TC"),
    ("ChatLaw", "chatlaw", "TC"),
    ("Yi-34B-Chat", "yi_34b_chat", "TC"),
    ("Mixtral-8x7B-Instruct", "mixtral_8x7b_instruct", "TC"),
    ("Gemma-7B-it", "gemma_7b_it", "TC"),
)

_OTHERS = (
    ("Embedding-V1", "embeddings/embedding-v1"),
    ("bge-large-zh", "embeddings/bge_large_zh"),
    ("bge-large-en", "embeddings/bge_large_en"),
    ("tao-8k", "embeddings/tao_8k"),
    ("bce-reranker-base_v1", "reranker/bce_reranker_base"),
    ("Stable-Diffusion-XL", "text2image/sd_xl"),
    ("Fuyu-8B", "image2text/fuyu_8b"),
)

_ALIASES = {
    "ERNIE-4.0": "ERNIE-4.0-8K",
    "ERNIE-Bot-4": "ERNIE-4.0-8K",
    "ERNIE-3.5": "ERNIE-3.5-8K",
    "ERNIE-Bot": "ERNIE-3.5-8K",
    "ERNIE-Bot-turbo": "ERNIE-Lite-8K-0922",
    "ERNIE-Bot-turbo-AI": "ERNIE-Speed-AppBuilder",
    "EB-turbo-AppBuilder": "ERNIE-Speed-AppBuilder",
    "ERNIE-Speed": "ERNIE-Speed-8K",
    "ERNIE-Lite-8K": "ERNIE-Lite-8K-0308",
    "ERNIE-Functions-8K": "ERNIE-Function-8K",
    "bce-reranker-base": "bce-reranker-base_v1",
}
"""Older names, and those that gateways and Baidu's pages use for the same services."""

_PATHS = {"ERNIE-Bot-8K": "ernie_bot_8k"}
"""Names of which no more than the path is known, and it is not the name in lower case."""

NAMES: tuple[str, ...] = (*(row[0] for row in _CHAT), *(row[0] for row in _OTHERS))
"""Baidu's names of all models in the table."""


def service_of(name: str, endpoint: Endpoint) -> Service:
    """Return the service of a model, by Baidu's name, an older one, or its path.

    A name with a slash is a path below the base URL. Any other name that is not in the table becomes the
    last part of a path in lower case, as it is for the newer models and for self-deployed ones. Case,
    spaces, underscores and hyphens make no difference where a name is looked up.
    """
    kinds = _KINDS[endpoint]
    if "/" in name:
        return Service(name.strip("/"))
    known = (_SERVICES.get(f"{kind}/{_key(name)}") for kind in kinds)
    return next(filter(None, known), None) or Service(f"{kinds[0]}/{name.strip().lower().replace(' ', '-')}")


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().lower())


def _table() -> dict[str, Service]:
    services: dict[str, Service] = {}
    named: dict[str, Service] = {}
    rows = [(name, f"chat/{path}", takes) for name, path, takes in _CHAT]
    rows += [(name, path, "") for name, path in _OTHERS]
    for name, path, takes in rows:
        # 128K models give 4096 tokens at most and the others 2048, as their pages say.
        named[name] = Service(path, takes, 4096 if "128K" in name else 2048)
        kind, _, last = path.partition("/")
        services[f"{kind}/{_key(last)}"] = services[f"{kind}/{_key(name)}"] = named[name]
    for alias, name in _ALIASES.items():
        kind = named[name].path.partition("/")[0]
        services[f"{kind}/{_key(alias)}"] = named[name]
    for name, path in _PATHS.items():
        services[f"chat/{_key(name)}"] = Service(f"chat/{path}")
    return services


_SERVICES = _table()
