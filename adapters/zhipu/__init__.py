"""Zhipu: GLM (version 4 of its interface) and ChatGLM (version 3)."""

from ...plugins import hookimpl
from .chatglm import ChatGLMAdapter
from .glm import ZhipuAdapter


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(ZhipuAdapter())
    register(ChatGLMAdapter())


__all__ = ["ChatGLMAdapter", "ZhipuAdapter"]
