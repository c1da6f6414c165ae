"""llama-server over httpx. Sends our own Authorization and Content-Type and nothing of the client's.

Leaving `open_answer` closes the connection when the body has not been read to its end, which is what stops
the generation. Nothing is sent twice.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, Self

import httpx
from pydantic import SecretStr

from services.gateway.domain.counts import tokens_of
from services.gateway.domain.errors import UpstreamFailed, UpstreamTimedOut, UpstreamUnreachable
from services.gateway.domain.generation import UpstreamCall
from services.gateway.domain.model_names import file_name
from services.gateway.use_cases.refuse import refusal_told
from services.gateway.use_cases.upstream import Model, UpstreamReply, Work

MODELS = "/v1/models"
TOKEN_IDS = b'{"tokens":['
HEALTH = "/health"
CONNECT_TIMEOUT_SECONDS = 5.0
SHORT_TIMEOUT_SECONDS = 10.0
"""For what costs no generation."""
HEALTH_TIMEOUT_SECONDS = 1.5
ANSWER_BYTES_MAX = 64 << 20
SPARE_CONNECTIONS = 16
"""Beside the running generations: counts, model lists, probes."""
COUNTS_AT_ONCE_MAX = 12
"""Long prompts are counted for seconds, at no cost to who sends them: they take no connection of a generation."""
KEPT_CONNECTIONS = 0
"""llama-server closes kept connections without notice, some in the moment of the next request (5 of 210
requests in a trial), and a generation must not be sent twice: so each has a connection of its own."""


class HttpxReply:
    def __init__(self, status: int, first: bytes, rest: AsyncIterator[bytes]) -> None:
        self.status = status
        self._first = first
        self._rest = rest
        self._body: bytes | None = None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        yield self._first
        async for data in self._rest:
            yield data

    async def read(self) -> bytes:
        if self._body is None:
            self._body = await self._read()
        return self._body

    async def _read(self) -> bytes:
        body = bytearray()
        async for data in self.chunks():
            body += data
            if len(body) > ANSWER_BYTES_MAX:
                raise UpstreamFailed("The model server's answer is too large. Nothing was charged.")
        return bytes(body)


class HttpxUpstream:
    def __init__(
        self, base_url: str, api_key: SecretStr | None, *, concurrency: int, timeout_seconds: float
    ) -> None:
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if api_key is not None and api_key.get_secret_value():
            headers["authorization"] = f"Bearer {api_key.get_secret_value()}"
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers=headers,
            timeout=httpx.Timeout(
                timeout_seconds, connect=CONNECT_TIMEOUT_SECONDS, pool=CONNECT_TIMEOUT_SECONDS
            ),
            limits=httpx.Limits(
                max_connections=concurrency + SPARE_CONNECTIONS, max_keepalive_connections=KEPT_CONNECTIONS
            ),
            trust_env=False,
        )
        self._counting = asyncio.Semaphore(COUNTS_AT_ONCE_MAX)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    @asynccontextmanager
    async def open_answer(self, call: UpstreamCall, work: Work) -> AsyncIterator[UpstreamReply]:
        length = {"content-length": str(len(call.body))}
        content = _told(call.body, work)
        request = self._http.build_request("POST", call.path, content=content, headers=length)
        with _translated():
            reply = await self._http.send(request, stream=True)
        try:
            async with aclosing(_pieces(reply)) as pieces:
                first = await anext(pieces, b"")
                if not first and reply.status_code == 200:
                    raise UpstreamFailed("The model server answered nothing. Nothing was charged.")
                yield HttpxReply(reply.status_code, first, pieces)
        finally:
            await reply.aclose()

    async def is_healthy(self) -> bool:
        """llama-server says 503 while it loads its model. A server without /health is healthy if it answers."""
        try:
            reply = await self._http.get(HEALTH, timeout=HEALTH_TIMEOUT_SECONDS)
        except httpx.HTTPError:
            return False
        return reply.status_code < 500

    async def count_prompt(self, call: UpstreamCall) -> int:
        async with self._counting:
            with _translated():
                reply = await self._http.post(call.path, content=call.body, timeout=SHORT_TIMEOUT_SECONDS)
        if reply.status_code != 200:
            raise refusal_told(reply.status_code, reply.content, call)
        return _tokens_in(reply)

    async def list_models(self) -> list[Model]:
        with _translated():
            reply = await self._http.get(MODELS, timeout=SHORT_TIMEOUT_SECONDS)
        models = _json_object(reply).get("data") if reply.status_code == 200 else None
        if not isinstance(models, list):
            raise UpstreamFailed("The model server does not say which model it has.")
        return [
            Model(file_name(str(model["id"])), _created_at(model), _context_of(model))
            for model in models
            if isinstance(model, dict) and "id" in model
        ]


async def _told(body: bytes, work: Work) -> AsyncIterator[bytes]:
    """Told just before: the transport writes it without pausing first, and pauses after (where a cancellation
    would come too soon to be told)."""
    work.begin_generating()
    yield body


async def _pieces(reply: httpx.Response) -> AsyncGenerator[bytes, None]:
    with _translated():
        async for data in reply.aiter_raw():
            yield data


@contextmanager
def _translated() -> Iterator[None]:
    """No message of httpx passes: it may name the upstream's address."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise UpstreamUnreachable("The model server cannot be reached. Nothing was charged.") from error
    except httpx.TimeoutException as error:
        raise UpstreamTimedOut("The model server did not answer in time.") from error
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise UpstreamFailed("The model server cannot be reached, or broke off.") from error


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


def _tokens_in(reply: httpx.Response) -> int:
    """Of /v1/chat/completions/input_tokens, or of /tokenize, whose ids are counted unread: of a text of megabytes
    there are millions, and reading them would keep every stream waiting."""
    if reply.content.startswith(TOKEN_IDS):
        ids = reply.content[len(TOKEN_IDS) :]
        return 0 if ids.startswith(b"]") else ids.count(b",") + 1
    tokens = tokens_of(_json_object(reply).get("input_tokens"))
    if tokens is None:
        raise UpstreamFailed("The model server could not count the prompt.")
    return tokens


def _json_object(reply: httpx.Response) -> dict[str, Any]:
    try:
        answer = reply.json()
    except (ValueError, RecursionError) as error:
        raise UpstreamFailed("The model server's answer could not be read.") from error
    return answer if isinstance(answer, dict) else {}
