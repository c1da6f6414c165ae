"""llama-server over HTTP/1.1. Sends our own Authorization and Content-Type and nothing of the client's.

Leaving `open_answer` closes the connection when the answer has not been read to its end, which is what stops
the generation. Nothing is sent twice.
"""

import asyncio
import json
from base64 import b64encode
from collections.abc import Awaitable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from services.gateway.adapters.upstream_connection import TOO_SLOW, UpstreamConnection
from services.gateway.adapters.upstream_connections import UpstreamConnections
from services.gateway.domain.counts import tokens_of
from services.gateway.domain.errors import UpstreamFailed, UpstreamTimedOut
from services.gateway.domain.generation import UpstreamCall
from services.gateway.domain.model_names import file_name
from services.gateway.use_cases.refuse import refusal_told
from services.gateway.use_cases.upstream import Model, Taker, Work
from shared.errors import PromptlyError

MODELS = "/v1/models"
TOKEN_IDS = b'{"tokens":['
HEALTH = "/health"
SHORT_TIMEOUT_SECONDS = 10.0
"""For what costs no generation."""
HEALTH_TIMEOUT_SECONDS = 1.5
ANSWER_BYTES_MAX = 64 << 20
COUNTS_AT_ONCE_MAX = 12
"""Long prompts are counted for seconds, at no cost to who sends them: they take no connection of a generation."""


class HttpAnswer:
    """`async with` it: inside, the answer has begun. An UpstreamReply."""

    __slots__ = (
        "_body",
        "_connection",
        "_connections",
        "_first",
        "_request",
        "_timeout_seconds",
        "_work",
        "status",
    )

    def __init__(
        self, connections: UpstreamConnections, request: bytes, work: Work | None, timeout_seconds: float
    ) -> None:
        self._connections = connections
        self._request = request
        self._work = work
        self._timeout_seconds = timeout_seconds
        self._connection: UpstreamConnection | None = None
        self._first = b""
        self._body: bytes | None = None
        self.status = 0

    async def __aenter__(self) -> Self:
        connection = self._connection = await self._connections.take()
        try:
            if self._work is not None:
                self._work.begin_generating()
            connection.send(self._request)
            self._request = b""
            self.status = await connection.read_status(self._timeout_seconds)
            self._first = await connection.read_piece(self._timeout_seconds)
            if not self._first and self.status == 200 and self._work is not None:
                raise UpstreamFailed("The model server answered nothing. Nothing was charged.")
        except BaseException:
            connection.close()
            raise
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connections.give_back(self._connection)

    def offer_to(self, taker: Taker) -> None:
        assert self._connection is not None
        self._connection.taker = taker

    def read_piece(self) -> Awaitable[bytes]:
        if self._first:
            return self._take_first()
        assert self._connection is not None
        return self._connection.read_piece(self._timeout_seconds)

    async def _take_first(self) -> bytes:
        first, self._first = self._first, b""
        return first

    async def read(self) -> bytes:
        if self._body is None:
            self._body = await self._read()
        return self._body

    async def _read(self) -> bytes:
        body = bytearray()
        while piece := await self.read_piece():
            body += piece
            if len(body) > ANSWER_BYTES_MAX:
                raise UpstreamFailed("The model server's answer is too large. Nothing was charged.")
        return bytes(body)


class HttpUpstream:
    def __init__(self, base_url: str, api_key: SecretStr | None, *, timeout_seconds: float) -> None:
        url = urlsplit(base_url)
        self._path = url.path.rstrip("/")
        self._head = _head_of(url, api_key.get_secret_value() if api_key else "")
        self._connections = UpstreamConnections(url)
        self._timeout_seconds = timeout_seconds
        self._counting = asyncio.Semaphore(COUNTS_AT_ONCE_MAX)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._connections.close()

    def open_answer(self, call: UpstreamCall, work: Work) -> HttpAnswer:
        return HttpAnswer(self._connections, self._post(call), work, self._timeout_seconds)

    async def is_healthy(self) -> bool:
        """llama-server says 503 while it loads its model. A server without /health is healthy if it answers."""
        with suppress(PromptlyError):
            status, _ = await self._ask(self._get(HEALTH), HEALTH_TIMEOUT_SECONDS)
            return status < 500
        return False

    async def count_prompt(self, call: UpstreamCall) -> int:
        async with self._counting:
            status, content = await self._ask(self._post(call), SHORT_TIMEOUT_SECONDS)
        if status != 200:
            raise refusal_told(status, content, call)
        return _tokens_in(content)

    async def list_models(self) -> list[Model]:
        status, content = await self._ask(self._get(MODELS), SHORT_TIMEOUT_SECONDS)
        models = _json_object(content).get("data") if status == 200 else None
        if not isinstance(models, list):
            raise UpstreamFailed("The model server does not say which model it has.")
        return [
            Model(file_name(str(model["id"])), _created_at(model), _context_of(model))
            for model in models
            if isinstance(model, dict) and "id" in model
        ]

    async def _ask(self, request: bytes, timeout_seconds: float) -> tuple[int, bytes]:
        """All of it within that time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                async with HttpAnswer(self._connections, request, None, timeout_seconds) as answer:
                    return answer.status, await answer.read()
        except TimeoutError as error:
            raise UpstreamTimedOut(TOO_SLOW) from error

    def _get(self, path: str) -> bytes:
        return b"GET %b%b\r\n" % (self._target(path), self._head)

    def _post(self, call: UpstreamCall) -> bytes:
        body = call.body
        return b"POST %b%bcontent-length: %d\r\n\r\n%b" % (
            self._target(call.path),
            self._head,
            len(body),
            body,
        )

    def _target(self, path: str) -> bytes:
        return (self._path + path).encode()


def _head_of(url: SplitResult, api_key: str) -> bytes:
    """What follows the path, the same in every request."""
    host = url.netloc.rpartition("@")[2]
    lines = [
        " HTTP/1.1",
        f"host: {host if host.isascii() else host.encode('idna').decode()}",
        "content-type: application/json",
        "accept-encoding: identity",
    ]
    if api_key:
        lines.append(f"authorization: Bearer {api_key}")
    elif url.username:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        lines.append(f"authorization: Basic {b64encode(pair.encode()).decode()}")
    return "\r\n".join(lines).encode() + b"\r\n"


def _created_at(model: dict[str, Any]) -> int:
    match model:
        case {"created": int(seconds)}:
            return seconds
    return 0


def _context_of(model: dict[str, Any]) -> int | None:
    """llama-server tells that of one slot."""
    match model:
        case {"meta": {"n_ctx": int(tokens)}}:
            return tokens
    return None


def _tokens_in(content: bytes) -> int:
    """Of /v1/chat/completions/input_tokens, or of /tokenize, whose ids are counted unread: of a text of megabytes
    there are millions, and reading them would keep every stream waiting."""
    if content.startswith(TOKEN_IDS):
        ids = content[len(TOKEN_IDS) :]
        return 0 if ids.startswith(b"]") else ids.count(b",") + 1
    tokens = tokens_of(_json_object(content).get("input_tokens"))
    if tokens is None:
        raise UpstreamFailed("The model server could not count the prompt.")
    return tokens


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UpstreamFailed("The model server's answer could not be read.") from error
    return answer if isinstance(answer, dict) else {}
