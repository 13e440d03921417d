"""The built-in adapters. A list rather than a directory scan, so that a frozen program finds them too."""

from . import anthropic, azure, bedrock, chatglm, demo, gemini, openai, qianfan, wenxin, zhipu

BUILTIN = (openai, azure, chatglm, qianfan, wenxin, zhipu, anthropic, gemini, bedrock, demo)
