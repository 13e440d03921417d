"""The built-in adapters. A list rather than a directory scan, so that a frozen program finds them too."""

from . import anthropic, demo, gemini, openai

BUILTIN = (openai, demo, anthropic, gemini)
