"""The built-in adapters. A list rather than a directory scan, so that a frozen program finds them too."""

from . import cohere, coze, dashscope, demo, dify, hunyuan, ollama, openai

BUILTIN = (openai, cohere, coze, dashscope, dify, hunyuan, ollama, demo)
