"""A client's form on its way to a provider, streamed and never held."""

from __future__ import annotations

from ..upstream import Connection
from ..wire.asked import Asked
from ..wire.inbound import BodyReader


class Upload:
    """One form. The model's name is replaced in it where the channel calls the model by another.

    `length` is the body's size, None where the client did not say: then it is framed as chunks.
    """

    def __init__(self, asked: Asked, upstream_model: str, reader: BodyReader) -> None:
        form, rest = asked.form, asked.rest
        assert form is not None and rest is not None
        mapped = form.value is not None and form.value != upstream_model
        self._start = form.replaced(upstream_model) if mapped else bytes(form.seen)
        self._rest = rest
        grown = len(self._start) - len(form.seen)
        self.length = None if reader.length is None else reader.length + grown

    async def send(self, connection: Connection) -> None:
        """Write the whole form. Raises GatewayError if the client does not send the rest of it."""
        await self._write(connection, self._start)
        async for piece in self._rest:
            await self._write(connection, piece)
        if self.length is None:
            await connection.write(b"0\r\n\r\n")

    async def _write(self, connection: Connection, data: bytes) -> None:
        if data:
            await connection.write(data if self.length is not None else b"%x\r\n%b\r\n" % (len(data), data))
