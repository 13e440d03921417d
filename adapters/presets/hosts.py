"""Hosts that speak OpenAI's API, each a row of data. What a row may state is in `preset`.

A row says what the host's own pages say, named beside it; what is not stated is as at OpenAI. Models are
suggestions for a new channel and go out of date without harm. Chinese hosts are in `china`.
"""

from __future__ import annotations

from ...plugins import ErrorKind
from ..failures import MODEL_NOT_FOUND, coded
from ..parts.balance import UNIT, BalanceCall
from .preset import (
    CHAT,
    EMBEDDINGS,
    IMAGES,
    MAX_TOKENS,
    MODERATIONS,
    RERANK,
    RESPONSES,
    SPEECH,
    TEXT,
    TRANSCRIPTION,
    Preset,
)

_MODEL, _CREDENTIAL = ErrorKind.MODEL, ErrorKind.CREDENTIAL
_BALANCE, _RATE, _BUSY = ErrorKind.BALANCE, ErrorKind.RATE, ErrorKind.BUSY

# Page "Errors": the code is the status, also inside a 200. 404: no provider has the model.
_OPENROUTER = coded((_MODEL, MODEL_NOT_FOUND, "404"))

# Page "Error codes"; 498: capacity of the flex tier, 499: given up by the caller.
_GROQ = coded(
    (_CREDENTIAL, "", "organization_restricted"),
    (_MODEL, "", "model_terms_required model_permission_blocked_org model_permission_blocked_project"),
    (_BUSY, "", "capacity_exceeded http:498"),
)

# Number 1500 is a model that does not exist, 3051 and its like a body that does not validate.
_MISTRAL = coded(
    (_MODEL, MODEL_NOT_FOUND, "invalid_model 1500"),
    (_RATE, "", "1300 service_tier_capacity_exceeded"),
    (_BUSY, "", "3505"),
)

# Page "Error codes" of the API reference.
_CEREBRAS = coded(
    (_CREDENTIAL, "", "wrong_api_key"),
    (_RATE, "", "request_quota_exceeded token_quota_exceeded too_many_requests_error"),
    (_BUSY, "", "queue_exceeded"),
)

# Page "Error codes".
_TOGETHER = coded(
    (_BALANCE, "", "credit_limit"),
    (_RATE, "", "rate_limit model_rate_limit dynamic_request_limited dynamic_token_limited"),
)

HOSTS: tuple[Preset, ...] = (
    # novita.ai/docs, "LLM API reference", "User balance info" (ten-thousandths of a dollar). PPIO's
    # international service.
    Preset(
        "novita",
        "Novita AI",
        "https://api.novita.ai/v3/openai",
        TEXT | EMBEDDINGS | RERANK,
        ("deepseek/deepseek-v3-0324", "deepseek/deepseek-r1-0528", "meta-llama/llama-3.3-70b-instruct"),
        key_help="API key from the key management page (sk_...)",
        renames=MAX_TOKENS,
        balance_call=BalanceCall(
            ("/openapi/v1/billing/balance/detail",), {"availableBalance": UNIT // 10_000}
        ),
    ),
    # openrouter.ai/docs, API reference. Its list of models is public; credits may ask for a management key.
    Preset(
        "openrouter",
        "OpenRouter",
        "https://openrouter.ai/api/v1",
        TEXT | EMBEDDINGS | RERANK | RESPONSES,
        ("openrouter/auto", "openai/gpt-4o-mini", "anthropic/claude-sonnet-4.5", "deepseek/deepseek-chat"),
        key_help="API key (sk-or-v1-...)",
        codes=_OPENROUTER,
        balance_call=BalanceCall(("credits",), {"data.total_credits": UNIT, "data.total_usage": -UNIT}),
        thoughts="reasoning",
    ),
    # console.groq.com/docs, "API reference", "OpenAI compatibility", "Reasoning".
    Preset(
        "groq",
        "Groq",
        "https://api.groq.com/openai/v1",
        CHAT | RESPONSES | SPEECH | TRANSCRIPTION,
        ("llama-3.3-70b-versatile", "openai/gpt-oss-120b", "qwen/qwen3-32b", "whisper-large-v3"),
        key_help="API key (gsk_...)",
        codes=_GROQ,
        unsupported=frozenset({"logprobs", "top_logprobs", "logit_bias"}),
        one_choice=True,
        thoughts="reasoning",
    ),
    # docs.mistral.ai/api. A field it does not know is refused with 422; usage comes unasked.
    Preset(
        "mistral",
        "Mistral AI",
        "https://api.mistral.ai/v1",
        CHAT | EMBEDDINGS | MODERATIONS | TRANSCRIPTION,
        ("mistral-large-latest", "mistral-small-latest", "codestral-latest", "mistral-embed"),
        codes=_MISTRAL,
        unsupported=frozenset(
            {"stream_options", "user", "logit_bias", "logprobs", "top_logprobs", "store", "service_tier"}
        ),
        renames={"max_completion_tokens": "max_tokens", "seed": "random_seed"},
        asks_usage=False,
        thoughts="",
        short_ids=True,
        continues="prefix",
    ),
    # docs.x.ai, "REST API reference".
    Preset(
        "xai",
        "xAI",
        "https://api.x.ai/v1",
        TEXT | IMAGES | RESPONSES,
        ("grok-4", "grok-3", "grok-3-mini"),
        key_help="API key (xai-...)",
    ),
    # docs.together.ai, "OpenAI compatibility", "Error codes".
    Preset(
        "together",
        "Together AI",
        "https://api.together.xyz/v1",
        TEXT | EMBEDDINGS | RERANK | IMAGES | SPEECH | TRANSCRIPTION,
        (
            "meta-llama/Llama-3.3-70B-Instruct-Turbo",
            "deepseek-ai/DeepSeek-V3",
            "Qwen/Qwen2.5-72B-Instruct-Turbo",
        ),
        codes=_TOGETHER,
        renames=MAX_TOKENS,
    ),
    # docs.perplexity.ai, "Chat completions". Usage is in every chunk, a list of models is not documented.
    Preset(
        "perplexity",
        "Perplexity",
        "https://api.perplexity.ai",
        CHAT,
        ("sonar", "sonar-pro", "sonar-reasoning-pro", "sonar-deep-research"),
        key_help="API key (pplx-...)",
        models_path="",
        renames=MAX_TOKENS,
        one_choice=True,
        asks_usage=False,
    ),
    # docs.api.nvidia.com/nim, "LLM APIs".
    Preset(
        "nvidia",
        "NVIDIA",
        "https://integrate.api.nvidia.com/v1",
        TEXT | EMBEDDINGS,
        ("meta/llama-3.3-70b-instruct", "deepseek-ai/deepseek-r1", "nvidia/nv-embedqa-e5-v5"),
        key_help="API key (nvapi-...)",
        renames=MAX_TOKENS,
    ),
    # docs.github.com/rest/models, "Inference" and "Catalog".
    Preset(
        "github",
        "GitHub Models",
        "https://models.github.ai/inference",
        CHAT | EMBEDDINGS,
        ("openai/gpt-4.1", "openai/gpt-4o-mini", "meta/llama-3.3-70b-instruct"),
        key_help="personal access token with the permission models:read (github_pat_...)",
        models_path="/catalog/models",
        headers={"x-github-api-version": "2022-11-28"},
    ),
    # inference-docs.cerebras.ai, "Chat completions", "OpenAI compatibility", "Reasoning".
    Preset(
        "cerebras",
        "Cerebras",
        "https://api.cerebras.ai/v1",
        TEXT,
        ("gpt-oss-120b", "llama-3.3-70b", "qwen-3-32b"),
        key_help="API key (csk-...)",
        codes=_CEREBRAS,
        unsupported=frozenset({"frequency_penalty", "presence_penalty", "logit_bias"}),
        one_choice=True,
        thoughts="",
    ),
    # huggingface.co/docs/inference-providers. Errors and habits are those of the provider behind it.
    Preset(
        "huggingface",
        "Hugging Face router",
        "https://router.huggingface.co/v1",
        CHAT | RESPONSES,
        ("openai/gpt-oss-120b", "deepseek-ai/DeepSeek-V3-0324", "Qwen/Qwen3-32B"),
        key_help="access token with the right to call inference providers (hf_...)",
        renames=MAX_TOKENS,
    ),
)
