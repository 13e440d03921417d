"""HTTP/1.1 to providers: our own keep-alive pool of protocols, for the bytes that pass through.

Written rather than taken because the client library costs more than the rest of a request together;
docs/dependencies.md has the figures. Everything that is not a relayed request may use aiohttp's client.
"""

from .connection import Connection, Receiver, StaleConnection
from .pool import Upstream
from .whole import ask

__all__ = ["Connection", "Receiver", "StaleConnection", "Upstream", "ask"]
