"""canalgate: an OpenAI-compatible gateway that picks a channel and passes the bytes through.

The repository's root is this package: `proxy/` is `canalgate.proxy`, and so on.
Public for plugins: `canalgate.plugins`, `canalgate.adapters.openai`, `canalgate.adapters.sse`.
"""

__version__ = "0.1.0"
