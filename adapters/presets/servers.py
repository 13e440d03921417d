"""Servers of one's own that speak OpenAI's API, each a row of data. What a row may state is in `preset`.

They need no key unless they were started with one, a model may have to be loaded before the first token, and
their list of models is what they serve. The address is the usual port on the same machine.
"""

from __future__ import annotations

from ...plugins import ErrorKind
from ..failures import MODEL_NOT_FOUND, coded
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

# docs.ollama.com, "Errors": the type of a 404 is a model that has not been pulled.
_OLLAMA = coded((ErrorKind.MODEL, MODEL_NOT_FOUND, "not_found_error"))

# Its error classes, in `type`.
_VLLM = coded((ErrorKind.MODEL, MODEL_NOT_FOUND, "NotFoundError"))

SERVERS: tuple[Preset, ...] = (
    # docs.ollama.com, "OpenAI compatibility". `n` and `logit_bias` are ignored.
    Preset(
        "ollama",
        "Ollama",
        "http://localhost:11434/v1",
        TEXT | EMBEDDINGS | RESPONSES,
        key_help="",
        codes=_OLLAMA,
        renames=MAX_TOKENS,
        one_choice=True,
        thoughts="reasoning",
    ),
    # docs.vllm.ai, "OpenAI-compatible server".
    Preset(
        "vllm",
        "vLLM",
        "http://localhost:8000/v1",
        TEXT | EMBEDDINGS | RERANK | RESPONSES | TRANSCRIPTION,
        key_help="",
        codes=_VLLM,
        continues="final",
    ),
    # inference.readthedocs.io, "API reference". Models are the ids under which they were launched.
    Preset(
        "xinference",
        "Xinference",
        "http://localhost:9997/v1",
        TEXT | EMBEDDINGS | RERANK | IMAGES | SPEECH | TRANSCRIPTION,
        key_help="",
        renames=MAX_TOKENS,
    ),
    # github.com/ggml-org/llama.cpp, tools/server/README.md.
    Preset(
        "llama-cpp",
        "llama.cpp server",
        "http://localhost:8080/v1",
        TEXT | EMBEDDINGS | RERANK | RESPONSES,
        key_help="",
    ),
    # lmstudio.ai/docs, "OpenAI compatibility endpoints".
    Preset(
        "lm-studio",
        "LM Studio",
        "http://localhost:1234/v1",
        TEXT | EMBEDDINGS | RESPONSES,
        key_help="",
        renames=MAX_TOKENS,
        one_choice=True,
    ),
    # github.com/THUDM/ChatGLM3, openai_api_demo/api_server.py: chat, embeddings in the later ones, models.
    Preset(
        "chatglm-openai-api",
        "ChatGLM demo server",
        "http://localhost:8000/v1",
        CHAT | EMBEDDINGS,
        ("chatglm3-6b",),
        key_help="",
        renames=MAX_TOKENS,
        ranges={"temperature": (0.01, 1.0)},
        one_choice=True,
        asks_usage=False,
    ),
)
