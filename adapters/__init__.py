"""The built-in adapters. A list rather than a directory scan, so that a frozen program finds them too."""

from . import (
    anthropic,
    azure,
    bedrock,
    chatglm,
    cohere,
    coze,
    dashscope,
    demo,
    dify,
    gemini,
    hunyuan,
    ollama,
    openai,
    qianfan,
    wenxin,
    zhipu,
)

BUILTIN = (
    openai,
    azure,
    anthropic,
    gemini,
    bedrock,
    qianfan,
    wenxin,
    zhipu,
    chatglm,
    dashscope,
    hunyuan,
    cohere,
    coze,
    dify,
    ollama,
    demo,
)
