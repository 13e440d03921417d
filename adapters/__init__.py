"""The built-in adapters. A list rather than a directory scan, so that a frozen program finds them too."""

from . import (
    anthropic,
    azure,
    bedrock,
    cohere,
    coze,
    dashscope,
    demo,
    dify,
    gemini,
    hunyuan,
    ollama,
    openai,
    presets,
    qianfan,
    wenxin,
    zhipu,
)

BUILTIN = (
    openai,
    presets,
    azure,
    anthropic,
    gemini,
    bedrock,
    qianfan,
    wenxin,
    zhipu,
    dashscope,
    hunyuan,
    cohere,
    coze,
    dify,
    ollama,
    demo,
)
