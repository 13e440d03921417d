"""Azure OpenAI and the models of Azure AI Foundry."""

from .adapter import AzureAdapter, register_adapters

__all__ = ["AzureAdapter", "register_adapters"]
