"""A model server that says what a test tells it, byte for byte, and notes what it hears."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pydantic import SecretStr

from services.gateway.adapters.upstream_http import HttpUpstream
from services.gateway.domain.generation import UpstreamCall

CALL = UpstreamCall("/v1/chat/completions", b'{"a":1}', "messages")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
KEEP = b"keep-alive: timeout=5, max=100\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
WHOLE = HEAD + b"content-length: 6\r\n\r\nanswer"
KEPT = HEAD + KEEP + b"content-length: 6\r\n\r\nanswer"


@dataclass(slots=True)
class Peer:
    """A server that says to each request, in turn, what it is told: bytes, or None for the end of the connection.
    The last goes on."""

    says: list[tuple[bytes | None, ...]]
    heard: list[bytes] = field(default_factory=list)
    connections: int = 0
    ended: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while request := await self._hear(reader):
                self.heard.append(request)
                if not await self._answer(self.says.pop(0) if len(self.says) > 1 else self.says[0], writer):
                    writer.write_eof()
                    await reader.read()  # until the other side has heard of it, and closed its own
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.ended += 1
            writer.close()

    async def _hear(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        return head + await reader.readexactly(length)

    async def _answer(self, pieces: tuple[bytes | None, ...], writer: asyncio.StreamWriter) -> bool:
        for piece in pieces:
            if piece is None:
                return False
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.002)
        return True


class Nobody:
    """Works."""

    def begin_generating(self) -> None: ...

    def stop_generating(self) -> None: ...


@asynccontextmanager
async def serving(
    *says: tuple[bytes | None, ...], timeout_seconds: float = 5, path: str = "", host: str = "127.0.0.1"
) -> AsyncIterator[tuple[HttpUpstream, Peer]]:
    peer = Peer(list(says))
    async with await asyncio.start_server(peer.serve, host, 0) as server:
        peer.port = server.sockets[0].getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        url = f"http://{name}:{peer.port}{path}"
        async with HttpUpstream(url, SecretStr("secret"), timeout_seconds=timeout_seconds) as upstream:
            yield upstream, peer


async def ask(upstream: HttpUpstream) -> bytes:
    async with upstream.open_answer(CALL, Nobody()) as answer:
        return await answer.read()


async def has_ended(peer: Peer, connections: int) -> bool:
    return peer.ended == connections
