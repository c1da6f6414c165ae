"""A line between a client and a real server that a test can cut, mend, and make lose the answers."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

READ_BYTES = 65536


class TcpProxy:
    """`async with TcpProxy(server_url) as line`: connect to `line.url` instead of the server."""

    def __init__(self, server_url: str) -> None:
        self._target = urlsplit(server_url)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._answers_arrive = True
        self._is_cut = True

    @property
    def url(self) -> str:
        credentials = self._target.netloc.rpartition("@")[0]
        return self._target._replace(netloc=f"{credentials}@127.0.0.1:{self._port}").geturl()

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.cut()

    async def mend(self) -> None:
        """Accept connections, at the same address as before."""
        self._answers_arrive = True
        self._is_cut = False
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Every connection breaks and new ones are refused, as when the server dies."""
        self._is_cut = True
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def lose_answers(self) -> None:
        """The server hears everything and is not heard any more, as when a network swallows packets."""
        self._answers_arrive = False

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:  # accepted before, but served only now
            writer.transport.abort()
            return
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        connection.add_done_callback(lambda _: writer.transport.abort())  # cut before its first step

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        questions = self._carry(reader, server_writer, lambda: True)
        answers = self._carry(server_reader, writer, lambda: self._answers_arrive)
        try:
            await asyncio.gather(questions, answers)
        finally:
            server_writer.transport.abort()
            writer.transport.abort()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, may_pass: Callable[[], bool]
    ) -> None:
        try:
            while data := await reader.read(READ_BYTES):
                if may_pass():
                    writer.write(data)
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
