"""The little of HTTP that /v1 needs, on bare ASGI: bodies in, JSON and headers out."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from services.gateway.domain.errors import (
    BodyEncoded,
    BodyTooLarge,
    InvalidRequest,
    MethodNotAllowed,
    UpstreamRefusesUs,
)
from services.gateway.use_cases.caller import Caller
from shared.errors import Kind, PromptlyError
from shared.http.errors import body_of, headers_of, status_of
from shared.http.gathering import CLIENT, Client

BODY_BYTES_MAX = 8 << 20
"""Far above any context in text; one JSON document of it parses in about 0.1 s."""
BODY_TIMEOUT_SECONDS = 30.0
IGNORED_FIELDS_SHOWN_MAX = 16

NOT_AGAIN = (Kind.PAYMENT, Kind.UPSTREAM_TIMEOUT)
"""SDKs send again what answers 5xx: who has waited ten minutes would do so twice more."""

Headers = list[tuple[bytes, bytes]]
BeforeMore = Callable[[], Awaitable[object]]


REST_BYTES_MAX = 128 << 10
REST_TIMEOUT_SECONDS = 1.0


class Body:
    """The `receive` of a request, which knows whether its body has come whole."""

    __slots__ = ("_receive", "is_complete")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_complete = False

    async def __call__(self) -> Message:
        message = await self._receive()
        if not message.get("more_body"):
            self.is_complete = True
        return message

    async def take_rest(self, scope: Scope) -> None:
        """Of a short one, before it is refused unread. nginx promises to keep the connection of whoever is answered
        before it has sent everything, and closes it: the client's next request would hear nothing."""
        if self.is_complete or _length_of(scope) > REST_BYTES_MAX or header(scope, b"expect"):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_TIMEOUT_SECONDS):
                while not self.is_complete:
                    await self()


def _length_of(scope: Scope) -> int:
    """Without one, of chunks, it may be any."""
    if header(scope, b"transfer-encoding"):
        return REST_BYTES_MAX + 1
    return int(header(scope, b"content-length") or 0)  # uvicorn lets nothing else through


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


async def read_body(scope: Scope, receive: Receive, before_more: BeforeMore, small_bytes_max: int) -> bytes:
    """Raises BodyTooLarge, InvalidRequest when it takes too long, ClientGone, and whatever `before_more` raises,
    which is asked once when the body has more than `small_bytes_max`."""
    if client_of(scope).has_sent_all:
        return await _read_body(receive, before_more, small_bytes_max)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            return await _read_body(receive, before_more, small_bytes_max)
    except TimeoutError as error:
        raise InvalidRequest("The request body took too long to arrive.") from error


async def _read_body(receive: Receive, before_more: BeforeMore, small_bytes_max: int) -> bytes:
    body, is_small = bytearray(), True
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if is_small and len(body) > small_bytes_max:
            is_small = False
            await before_more()
        if len(body) > BODY_BYTES_MAX:
            raise BodyTooLarge(f"The request body is larger than {BODY_BYTES_MAX >> 20} MB.")
        if not message.get("more_body"):
            return bytes(body)


def refuse_packed(scope: Scope) -> None:
    """A few kB of gzip are gigabytes: nothing is unpacked here. Raises BodyEncoded."""
    encoding = header(scope, b"content-encoding").strip().lower()
    if encoding not in ("", "identity"):
        message = "The header 'Content-Encoding' is not supported here: send the body as plain JSON."
        raise BodyEncoded(message, param="Content-Encoding")


def client_of(scope: Scope) -> Client:
    client: Client = scope["extensions"][CLIENT]
    return client


def header(scope: Scope, name: bytes) -> str:
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


def query(scope: Scope) -> str:
    return str(scope["query_string"], "latin-1")


async def send_json(send: Send, status: int, content: bytes, headers: Headers) -> None:
    await send_content(send, status, content, [(b"content-type", b"application/json"), *headers])


async def send_content(send: Send, status: int, content: bytes, headers: Headers) -> None:
    length = (b"content-length", str(len(content)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": content})


async def send_error(send: Send, error: PromptlyError, caller: Caller) -> None:
    headers = [(name.encode(), value.encode()) for name, value in headers_of(error).items()]
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", ", ".join(error.allowed).encode()))
    if error.kind in NOT_AGAIN or isinstance(error, UpstreamRefusesUs):
        headers.append((b"x-should-retry", b"false"))
    if error.kind is Kind.TOO_LARGE:
        headers.append((b"connection", b"close"))
    await send_json(send, status_of(error.kind), encode(body_of(error)), headers + rate_headers(caller))


def encode(value: Any) -> bytes:
    return json.dumps(value).encode()


def rate_headers(caller: Caller) -> Headers:
    """OpenAI's: integers, and a duration as Go writes it."""
    if caller.rate is None:
        return []
    rate = caller.rate
    return [
        (b"x-ratelimit-limit-requests", str(rate.limit).encode()),
        (b"x-ratelimit-remaining-requests", str(rate.remaining).encode()),
        (b"x-ratelimit-reset-requests", duration(rate.reset_seconds).encode()),
    ]


def duration(reset_seconds: float) -> str:
    if reset_seconds < 1:
        return f"{math.ceil(reset_seconds * 1000)}ms"
    minutes, seconds = divmod(round(reset_seconds), 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def ignored_fields_header(names: tuple[str, ...]) -> Headers:
    """Names come from the client: only printable ASCII goes back."""
    if not names:
        return []
    shown = ", ".join(ascii(name)[1:-1][:64] for name in names[:IGNORED_FIELDS_SHOWN_MAX])
    return [(b"x-ignored-fields", shown.encode())]
