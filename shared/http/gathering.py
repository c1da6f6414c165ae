"""uvicorn's protocol, but an answer's head goes out together with what follows it within one turn of the event loop, and
what is no HTTP is refused as everything else is: with an id, in the shape of our errors.

uvicorn writes an answer's head and body each by itself, and uvloop each at once: a call into the kernel that costs
more than parsing the request.
"""

import asyncio
import json
from typing import Any, cast

import structlog
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from shared.errors import Kind
from shared.http.answering import AnswersInOne
from shared.http.errors import error_body
from shared.ids import new_request_id

NO_HTTP = "This is no HTTP/1.1 request that can be read: see its first line and its headers."

CLIENT = "promptly.client"
HEAD = b"HTTP/1.1 "

log = structlog.get_logger()


class _Gathering:
    """A transport. Bounded like the one below it: that says when to pause, a turn later."""

    __slots__ = ("_loop", "_pieces", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        if self._pieces:
            self._pieces.append(data)
        elif data.startswith(HEAD):  # its body is about to follow
            self._loop.call_soon(self._flush)
            self._pieces.append(data)
        else:
            self._transport.write(data)

    def write_chunk(self, data: bytes) -> None:
        """Behind a head, if there is one that waits."""
        chunk = b"%x\r\n%b\r\n" % (len(data), data)
        if self._pieces:
            self._pieces.append(chunk)
        else:
            self._transport.write(chunk)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces and not self._transport.is_closing():
            self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Chunks:
    """The body of one streamed answer, past ASGI's messages: they take longer than all else that a chunk needs."""

    __slots__ = ("_cycle", "_flow", "write")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._flow = cycle.flow
        self.write = cast("_Gathering", cycle.transport).write_chunk
        """While it is ready."""

    @property
    def is_ready(self) -> bool:
        """Else ASGI's `send` has to wait for the client, to find it gone, or to send it a head."""
        cycle = self._cycle
        return not (self._flow.write_paused or cycle.disconnected) and bool(cycle.chunked_encoding)


class Client:
    """Of a connection: what ASGI has no word for, as `scope["extensions"][CLIENT]`. `gone` is done once it is closed."""

    __slots__ = ("_protocol", "gone")

    def __init__(self, protocol: "GatheringProtocol") -> None:
        self._protocol = protocol
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def has_sent_all(self) -> bool:
        """The body has come whole: nothing has to be waited for."""
        return not self._protocol.cycle.more_body

    def chunks_of(self, scope: Scope) -> Chunks | None:
        """None while another request of this connection waits behind this one."""
        cycle = self._protocol.cycle
        return Chunks(cycle) if cycle.scope is scope else None

    def listen(self) -> None:
        """Whoever sends nothing more is heard to leave."""
        self._protocol.flow.resume_reading()


class GatheringProtocol(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(cast("asyncio.Transport", _Gathering(transport)))
        self._here = Client(self)
        self._extensions = {CLIENT: self._here}

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self._here.gone.done():
            self._here.gone.set_result(None)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]

    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if (
            self.cycle is not before
        ):  # its task has not begun; uvicorn names the class, and leaves no other way
            self.cycle.__class__ = AnswersInOne

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's own words
        request_id = new_request_id()
        log.info("no_http", request_id=request_id)
        body = json.dumps(error_body(NO_HTTP, Kind.INVALID, code="bad_request")).encode()
        head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nx-request-id: {request_id}"
        self.transport.write(
            f"HTTP/1.1 400 Bad Request\r\n{head}\r\nconnection: close\r\n\r\n".encode() + body
        )
        self.transport.close()
