"""Requests that are wrong before anybody reads their JSON, through the edge: always OpenAI's shape and an id."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from shared.api_keys import new_account_id, new_api_key
from tests.support.person import Person
from tests.support.stack import Stack

CHAT = "/v1/chat/completions"
MEGABYTE = 1 << 20
SECONDS_MAX = 20


@pytest.fixture
async def client(person: Person) -> AsyncIterator[httpx.AsyncClient]:
    await person.register()
    await person.ask(max_tokens=1)
    async with person.client() as client:
        yield client


def code_of(reply: httpx.Response) -> str:
    error: dict[str, Any] = reply.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert reply.headers["x-request-id"]
    return str(error["code"])


async def test_bodies_too_large_for_the_edge_and_for_the_gateway(client: httpx.AsyncClient) -> None:
    for megabytes in (9, 11):
        reply = await client.post(CHAT, content=b"[" * (megabytes * MEGABYTE))
        assert (reply.status_code, code_of(reply)) == (413, "request_too_large")


async def test_an_address_too_long_and_headers_too_large(client: httpx.AsyncClient) -> None:
    reply = await client.get("/v1/" + "a" * 40_000)
    assert (reply.status_code, code_of(reply)) == (414, "uri_too_long")
    reply = await client.get("/v1/models", headers={"x-large": "a" * 40_000})
    assert (reply.status_code, code_of(reply)) == (400, "bad_request")


async def test_what_is_not_json_costs_nothing(client: httpx.AsyncClient) -> None:
    before = (await client.get("/v1/balance")).json()
    for content in (b"", b"null", b"[" * 100_000, b'{"messages": NaN}'):
        reply = await client.post(CHAT, content=content)
        assert (reply.status_code, code_of(reply)) == (400, "invalid_json")
    assert (await client.get("/v1/balance")).json() == before


async def test_methods_that_are_not_there(client: httpx.AsyncClient) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        reply = await client.request(method, CHAT, headers={"origin": "https://app.example.com"})
        assert (reply.status_code, code_of(reply), reply.headers["allow"]) == (
            405,
            "method_not_allowed",
            "POST",
        )
        assert not any(name.startswith("access-control") for name in reply.headers)
    head = await client.head("/v1/models")
    assert (head.status_code, head.content) == (200, b"")


async def test_chunks_that_are_none_are_400(stack: Stack) -> None:
    address = urlsplit(stack.base_url)
    key = new_api_key(new_account_id())
    lines = (
        f"POST {CHAT} HTTP/1.1",
        f"Host: {address.netloc}",
        f"Authorization: Bearer {key}",
        "Transfer-Encoding: chunked",
    )
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\nnot a length\r\nHi\r\n")
    async with asyncio.timeout(SECONDS_MAX):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"x-request-id" in head.lower()
    assert json.loads(body)["error"]["type"] == "invalid_request_error"
    writer.close()


async def test_the_document_of_all_this_is_public(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["servers"] == [{"url": str(client.base_url).rstrip("/")}]


@pytest.mark.parametrize("head", ["POST /v1/nothing", f"POST {CHAT}"], ids=["no such route", "no key"])
async def test_who_is_refused_before_the_body_has_come_may_go_on_with_the_connection(
    stack: Stack, head: str
) -> None:
    """As http.client sends: the head, then the body. The edge closed the connection when the answer was faster."""
    url = urlsplit(stack.base_url)
    asked = f"{head} HTTP/1.1\r\nhost: {url.netloc}\r\ncontent-length: 2\r\n\r\n".encode()
    async with asyncio.timeout(SECONDS_MAX):
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        for _ in range(2):
            writer.write(asked)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.readexactly(1), timeout=0.2)
            writer.write(b"{}")
            told = await reader.readuntil(b"\r\n\r\n")
            assert told.startswith((b"HTTP/1.1 404", b"HTTP/1.1 401"))
            length = next(line for line in told.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.partition(b":")[2]))
        writer.close()
