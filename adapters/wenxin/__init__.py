"""Baidu Wenxin."""

from .adapter import WenxinAdapter, register_adapters

__all__ = ["WenxinAdapter", "register_adapters"]
