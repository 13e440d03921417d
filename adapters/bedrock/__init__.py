"""Amazon Bedrock."""

from .adapter import BedrockAdapter, register_adapters

__all__ = ["BedrockAdapter", "register_adapters"]
