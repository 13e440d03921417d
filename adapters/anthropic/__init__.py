"""Anthropic."""

from .adapter import AnthropicAdapter, register_adapters

__all__ = ["AnthropicAdapter", "register_adapters"]
