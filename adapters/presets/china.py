"""Chinese hosts that speak OpenAI's API, each a row of data. What a row may state is in `preset`.

A row says what the host's own pages say, named beside it; what is not stated is as at OpenAI. Models are
suggestions for a new channel and go out of date without harm.
"""

from __future__ import annotations

from ...plugins import ErrorKind
from ..failures import CONTENT_FILTER, CONTEXT_LENGTH, MODEL_NOT_FOUND, coded
from ..parts.balance import UNIT, BalanceCall
from .preset import (
    CHAT,
    EMBEDDINGS,
    IMAGES,
    MAX_TOKENS,
    RERANK,
    RESPONSES,
    SPEECH,
    TEXT,
    TRANSCRIPTION,
    Preset,
)

_REQUEST, _MODEL, _CREDENTIAL = ErrorKind.REQUEST, ErrorKind.MODEL, ErrorKind.CREDENTIAL
_BALANCE, _RATE, _BUSY, _FAULT = ErrorKind.BALANCE, ErrorKind.RATE, ErrorKind.BUSY, ErrorKind.FAULT

# Model Studio, page "Error codes": its native codes come through the compatible interface.
_DASHSCOPE = coded(
    (_BALANCE, "", "AllocationQuota PrepaidBillOverdue PostpaidBillOverdue"),
    (_MODEL, "", "AccessDenied Workspace.AccessDenied CommodityNotPurchased"),
    (_REQUEST, CONTENT_FILTER, "IPInfringementSuspect"),
    (_BUSY, "", "ModelUnavailable ModelServingError"),
)

# Volcengine Ark, page "Error codes". SetLimitExceeded: the owner's own limit for a model.
_ARK = coded(
    (_CREDENTIAL, "", "AuthenticationError InvalidAccountStatus"),
    (_BALANCE, "", "AccountOverdueError QuotaExceeded SetLimitExceeded InvalidSubscription"),
    (_MODEL, "", "AccessDenied OperationDenied InvalidEndpoint.ClosedEndpoint"),
    (_MODEL, MODEL_NOT_FOUND, "InvalidEndpointOrModel InvalidEndpoint ModelNotOpen"),
    (_MODEL, MODEL_NOT_FOUND, "NotFound UnsupportedModel"),
    (_REQUEST, CONTENT_FILTER, "SensitiveContentDetected InputTextSensitiveContentDetected"),
    (_REQUEST, CONTENT_FILTER, "InputImageSensitiveContentDetected OutputTextSensitiveContentDetected"),
    (_RATE, "", "RateLimitExceeded ModelAccountRpmRateLimitExceeded ModelAccountTpmRateLimitExceeded"),
    (_RATE, "", "AccountRateLimitExceeded ModelAccountIpmRateLimitExceeded RequestBurstTooFast"),
    (_BUSY, "", "ServerOverloaded"),
    (_FAULT, "", "InternalServiceError"),
)

# Hunyuan, page "ChatCompletions", section "Error codes", without the service's common prefix.
_HUNYUAN = coded(
    (_CREDENTIAL, "", "AuthFailure"),
    (_MODEL, "", "UnauthorizedOperation IpNotInWhitelist"),
    (_MODEL, MODEL_NOT_FOUND, "ActionOffline"),
    (_RATE, "", "RequestLimitExceeded LimitExceeded"),
    (_FAULT, "", "InternalError"),
)

# Spark, page "Error codes". 10015: the application is banned; 11200 is also sent for a version not bought.
_SPARK = coded(
    (_CREDENTIAL, "", "10015"),
    (_BALANCE, "", "10016 11200 11201"),
    (_RATE, "", "10006 10007 11202 11203"),
    (_REQUEST, CONTENT_FILTER, "10013 10014 10019 10021"),
    (_REQUEST, CONTEXT_LENGTH, "10907"),
    (_REQUEST, "", "10003 10004 10005 10163"),
    (_BUSY, "", "10008 10010 10110"),
    (_FAULT, "", "10009 10011 10012 10222"),
)

# Page "Error codes"; 451: the prompt or the answer did not pass the inspection.
_STEPFUN = coded((_REQUEST, CONTENT_FILTER, "censorship_blocked http:451"))

CHINESE_HOSTS: tuple[Preset, ...] = (
    # ppio.cn/docs, "LLM API"; what is left is in ten-thousandths of a yuan.
    Preset(
        "ppio",
        "PPIO",
        "https://api.ppinfra.com/v3/openai",
        TEXT | EMBEDDINGS | RERANK,
        ("deepseek/deepseek-v3", "deepseek/deepseek-r1", "qwen/qwen3-235b-a22b-fp8", "baai/bge-m3"),
        key_help="API key from the console's key page (sk_...)",
        renames=MAX_TOKENS,
        balance_call=BalanceCall(("/v3/user",), {"credit_balance": UNIT // 10_000}, "CNY"),
    ),
    # docs.siliconflow.cn, API reference, also "Get user account information".
    Preset(
        "siliconflow",
        "SiliconFlow",
        "https://api.siliconflow.cn/v1",
        CHAT | EMBEDDINGS | RERANK | IMAGES | SPEECH | TRANSCRIPTION,
        ("deepseek-ai/DeepSeek-V3", "Qwen/Qwen3-32B", "BAAI/bge-m3", "BAAI/bge-reranker-v2-m3"),
        key_help="API key (sk-...)",
        renames=MAX_TOKENS,
        embedding_inputs=32,
        balance_call=BalanceCall(
            ("user/info",), {"data.totalBalance": UNIT}, "CNY", {"api.siliconflow.com": "USD"}
        ),
    ),
    # help.aliyun.com/zh/model-studio, "OpenAI compatible interface", "Text embedding", "Rerank". top_p must
    # be between 0 and 1, temperature below 2. Embedding models before v3 take 25 inputs.
    Preset(
        "dashscope-compatible",
        "Alibaba DashScope",
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        TEXT | EMBEDDINGS | RERANK | RESPONSES,
        ("qwen-plus", "qwen-max", "qwen-turbo", "qwen3-max", "text-embedding-v4", "text-embedding-v3"),
        key_help="API key (sk-...); it is good in one region only, whose address goes into the base URL",
        paths={"rerank": "/compatible-api/v1/reranks"},
        codes=_DASHSCOPE,
        renames=MAX_TOKENS,
        ranges={"top_p": (0.0001, 0.9999), "temperature": (0.0, 1.9999)},
        embedding_inputs=10,
    ),
    # api-docs.deepseek.com, "Create chat completion", "Error codes", "Get user balance". `n` is not there and
    # would be ignored.
    Preset(
        "deepseek",
        "DeepSeek",
        "https://api.deepseek.com",
        CHAT | RESPONSES,
        ("deepseek-chat", "deepseek-reasoner"),
        key_help="API key (sk-...)",
        renames=MAX_TOKENS,
        one_choice=True,
        balance_call=BalanceCall(("/user/balance",), {"total_balance": UNIT}, rows="balance_infos"),
    ),
    # platform.moonshot.cn/docs, "Chat", "Errors", "Check balance".
    Preset(
        "moonshot",
        "Moonshot (Kimi)",
        "https://api.moonshot.cn/v1",
        CHAT,
        ("kimi-k2-turbo-preview", "kimi-latest", "moonshot-v1-8k", "moonshot-v1-32k", "moonshot-v1-128k"),
        key_help="API key (sk-...)",
        renames=MAX_TOKENS,
        ranges={"temperature": (0.0, 1.0)},
        continues="partial",
        balance_call=BalanceCall(
            ("users/me/balance",), {"data.available_balance": UNIT}, "CNY", {"api.moonshot.ai": "USD"}
        ),
    ),
    # cloud.tencent.com/document/product/1729/111007, "Compatible interface"; "GetEmbedding" for the limit.
    Preset(
        "hunyuan",
        "Tencent Hunyuan",
        "https://api.hunyuan.cloud.tencent.com/v1",
        CHAT | EMBEDDINGS,
        ("hunyuan-turbos-latest", "hunyuan-t1-latest", "hunyuan-lite", "hunyuan-embedding"),
        key_help="API key of the compatible interface (sk-...), not a SecretId",
        codes=_HUNYUAN,
        renames=MAX_TOKENS,
        one_choice=True,
        embedding_inputs=200,
    ),
    # www.volcengine.com/docs/82379, "Chat API", "Text embedding", "Error codes".
    Preset(
        "doubao",
        "Doubao (Volcengine Ark)",
        "https://ark.cn-beijing.volces.com/api/v3",
        CHAT | EMBEDDINGS | IMAGES | RESPONSES,
        ("doubao-seed-1-6-250615", "doubao-1-5-pro-32k-250115", "doubao-embedding-large-text-250515"),
        key_help="API key of Ark; a model is a name or the id of an endpoint (ep-...)",
        codes=_ARK,
        one_choice=True,
        embedding_inputs=256,
    ),
    # platform.minimaxi.com, "Compatible with OpenAI". Its embeddings have a shape of their own.
    Preset(
        "minimax",
        "MiniMax",
        "https://api.minimaxi.com/v1",
        CHAT,
        ("MiniMax-M2", "MiniMax-M1", "MiniMax-Text-01"),
        key_help="API key (eyJ... or sk-...)",
        ranges={"temperature": (0.01, 1.0), "top_p": (0.01, 1.0)},
        one_choice=True,
        asks_usage=False,
    ),
    # platform.baichuan-ai.com/docs, "API", "Text embedding".
    Preset(
        "baichuan",
        "Baichuan",
        "https://api.baichuan-ai.com/v1",
        CHAT | EMBEDDINGS,
        ("Baichuan4-Turbo", "Baichuan4-Air", "Baichuan3-Turbo", "Baichuan-Text-Embedding"),
        key_help="API key (sk-...)",
        models_path="",
        renames=MAX_TOKENS,
        ranges={"temperature": (0.0, 1.0)},
        one_choice=True,
        embedding_inputs=16,
    ),
    # platform.stepfun.com/docs, "Chat completion", "Error codes", "Accounts".
    Preset(
        "stepfun",
        "StepFun",
        "https://api.stepfun.com/v1",
        CHAT | IMAGES | SPEECH | TRANSCRIPTION,
        ("step-3", "step-2-16k", "step-2-mini", "step-1v-8k"),
        codes=_STEPFUN,
        renames=MAX_TOKENS,
        balance_call=BalanceCall(("accounts",), {"balance": UNIT}, "CNY"),
    ),
    # platform.lingyiwanwu.com/docs.
    Preset(
        "yi",
        "Yi (01.AI)",
        "https://api.lingyiwanwu.com/v1",
        CHAT,
        ("yi-lightning", "yi-large", "yi-vision-v2"),
        renames=MAX_TOKENS,
        one_choice=True,
    ),
    # www.xfyun.cn/doc/spark, "HTTP". X1 is under /v2. No finish reason, usage in the last chunk.
    Preset(
        "spark",
        "iFlytek Spark",
        "https://spark-api-open.xf-yun.com/v1",
        CHAT,
        ("4.0Ultra", "max-32k", "generalv3.5", "pro-128k", "generalv3", "lite"),
        key_help="APIPassword of the version, from the console's HTTP section",
        models_path="",
        codes=_SPARK,
        renames=MAX_TOKENS,
        one_choice=True,
        asks_usage=False,
    ),
    # ai.360.com/platform/docs.
    Preset(
        "ai360",
        "360 AI",
        "https://api.360.cn/v1",
        CHAT | EMBEDDINGS,
        ("360gpt2-pro", "360gpt-pro", "360gpt-turbo", "embedding_s1_v1"),
        renames=MAX_TOKENS,
        one_choice=True,
    ),
)
