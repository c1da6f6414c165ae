"""The line between one service and one server: it can fall silent, break, or lose exactly one reply.

Silence is what a dropped packet looks like: both ends stay connected, nothing arrives, and what was sent
arrives when the line is mended, as TCP sends again."""

import asyncio
from contextlib import suppress

READ_BYTES = 65536


class Line:
    """`port` is where the service connects instead of the server's own."""

    def __init__(self, name: str, target_port: int) -> None:
        self.name = name
        self.port = 0
        self._target_port = target_port
        self._passes = asyncio.Event()
        self._passes.set()
        self._is_cut = False
        self._loses: bytes | None = None
        self.replies_lost = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._drop_all()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def silence(self) -> None:
        self._passes.clear()

    def cut(self) -> None:
        """Every connection is reset, and new ones as soon as they are made."""
        self._is_cut = True
        self._drop_all()

    def mend(self) -> None:
        self._is_cut = False
        self._loses = None
        self._passes.set()

    def lose_reply_to(self, question: bytes) -> None:
        """The server gets the next question that contains this, acts on it, and its answer never arrives: the
        connection breaks instead."""
        self._loses = question

    @property
    def has_lost(self) -> bool:
        return self._loses is None

    def _drop_all(self) -> None:
        for connection in self._connections:
            connection.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passes.wait()
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            return
        call = _Call(self)
        ways = {
            asyncio.ensure_future(call.ask(reader, server_writer)),
            asyncio.ensure_future(call.answer(server_reader, writer)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            with suppress(ConnectionError, RuntimeError):
                await writer.drain()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            server_writer.transport.abort()
            if call.lost:
                writer.transport.abort()
            else:
                writer.close()

    async def passes(self) -> None:
        await self._passes.wait()

    def takes(self, data: bytes) -> bool:
        """Is this the question whose reply gets lost? There is only one."""
        if self._loses is None or self._loses not in data:
            return False
        self._loses = None
        self.replies_lost += 1
        return True


class _Call:
    """One connection. `lost`: the next thing that the server says is not delivered."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.lost = False

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(READ_BYTES):
                await self._line.passes()
                self.lost = self.lost or self._line.takes(data)
                writer.write(data)
                await writer.drain()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(READ_BYTES):
                await self._line.passes()
                if self.lost:
                    return
                writer.write(data)
                await writer.drain()
