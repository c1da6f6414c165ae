"""A client that reads an answer byte by byte and may hang up at any one of them.

One connection for each request, read to its end: what arrived is counted, whatever became of the rest."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE_SECONDS = 150.0
"""Longer than any fault: only what never answers is given up."""
READ_BYTES = 4096
REQUEST_ID = re.compile(rb"\r\nx-request-id: ([^\r]+)\r\n", re.IGNORECASE)
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Heard:
    """What came. `is_complete`: by the HTTP framing; a client that hung up has heard an incomplete answer."""

    status: int
    head: bytes
    body: bytes
    is_complete: bool

    @property
    def request_id(self) -> str:
        found = REQUEST_ID.search(self.head)
        return found[1].decode() if found else ""

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Leaves:
    """When the client hangs up: after so many bytes of the answer, or so long after its question."""

    after_bytes: int | None = None
    after_seconds: float | None = None


STAYS = Leaves()


async def post(url: str, body: bytes, headers: Mapping[str, str], leaves: Leaves = STAYS) -> Heard:
    """Raises nothing: nobody there is a `Heard` with status 0."""
    heard = bytearray()
    seconds = PATIENCE_SECONDS if leaves.after_seconds is None else leaves.after_seconds
    try:
        async with asyncio.timeout(seconds):
            await _exchange(url, body, headers, heard, leaves.after_bytes)
    except (OSError, TimeoutError):
        pass
    return _heard(bytes(heard))


async def _exchange(
    url: str, body: bytes, headers: Mapping[str, str], heard: bytearray, bytes_max: int | None
) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(_request(parts.path, parts.netloc, body, headers))
        while data := await reader.read(READ_BYTES if bytes_max is None else bytes_max - len(heard)):
            heard += data
            if bytes_max is not None and len(heard) >= bytes_max:
                return
    finally:
        writer.transport.abort()


def _request(path: str, host: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    sent = {"host": host, "content-length": str(len(body)), "connection": "close", **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _heard(data: bytes) -> Heard:
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return Heard(0, b"", b"", is_complete=False)
    length = LENGTH.search(head + b"\r\n")
    is_complete = len(body) == int(length[1]) if length else body.endswith(b"0\r\n\r\n")
    return Heard(int(head.split(b" ", 2)[1]), head + b"\r\n", body, is_complete)
