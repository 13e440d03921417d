"""The built-in adapters. A list rather than a directory scan, so that a frozen program finds them too."""

from . import anthropic, bedrock, demo, gemini, openai

BUILTIN = (openai, demo, anthropic, gemini, bedrock)
