"""A wire between a gateway and its database, that a test can cut."""

import asyncio
import contextlib
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """Passes bytes on. `mended` says whether new connections are taken, `frozen` that nothing passes."""

    def __init__(self, host, port):
        self._target = host, port
        self._tasks = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._server = None
        self.port = 0
        self.connections = 0

    async def mend(self):
        """Take connections, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self):
        """End all connections, and take no new ones."""
        self._server.close()
        await self.drop()

    async def drop(self):
        """End all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def freeze(self):
        """Let nothing pass, and nobody know."""
        self._flows.clear()

    def thaw(self):
        self._flows.set()

    async def _serve(self, reader, writer):
        self.connections += 1
        task = asyncio.current_task()
        self._tasks.add(task)
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        try:
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        except asyncio.CancelledError:
            pass  # the one who cut the line waits for this task, and for nothing else
        finally:
            for end in (writer, far_writer):
                end.transport.abort()
            self._tasks.discard(task)

    async def _pass(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._flows.wait()
                writer.write(data)
        writer.transport.abort()


@asynccontextmanager
async def wired(url):
    """A wire, and the URL of a database at its near end."""
    parts = urlsplit(url)
    wire = Wire(parts.hostname, parts.port)
    await wire.mend()
    try:
        near = parts.netloc.replace(f":{parts.port}", f":{wire.port}")
        yield wire, urlunsplit(parts._replace(netloc=near))
    finally:
        wire.thaw()
        await wire.cut()
