"""Google Gemini."""

from .adapter import GeminiAdapter, register_adapters

__all__ = ["GeminiAdapter", "register_adapters"]
