"""The built-in adapters. A list rather than a directory scan, so that a frozen program finds them too."""

from . import (
    azure,
    chatglm,
    cohere,
    coze,
    dashscope,
    demo,
    dify,
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
    chatglm,
    qianfan,
    wenxin,
    zhipu,
    cohere,
    coze,
    dashscope,
    dify,
    hunyuan,
    ollama,
    demo,
)
