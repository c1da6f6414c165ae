"""Bodies that nobody should send get the right 4xx, quickly, and cost nothing: no hold, no usage, no upstream."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from services.gateway.domain.chat_request import parse_chat_request
from services.gateway.domain.completion_request import parse_completion_request
from services.gateway.domain.embedding_request import parse_embedding_request
from services.gateway.domain.errors import InvalidRequest
from services.gateway.domain.generation import CompletionLimits
from services.gateway.domain.openapi_bodies import CHAT, COMPLETION, EMBEDDING, RESPONSE
from services.gateway.domain.response_request import parse_response_request
from services.gateway.entrypoints import http
from services.gateway.tests.support.accounts import Account, available, held
from services.gateway.tests.support.chat import error_of
from services.gateway.tests.support.routes import BODIES
from tests.support.upstream import StandInUpstream

SECONDS_MAX = 2.0
"""Where other tests have the machine, too; each takes a few milliseconds, the largest tens."""
MEGABYTE = 1 << 20
ROUTES = pytest.mark.parametrize("route", BODIES)
LIMITS = CompletionLimits(default=100, maximum=1000)

NOT_JSON = {
    "nothing": b"",
    "spaces": b"   ",
    "a word": b"hello",
    "a form": b"model=any&input=Hi",
    "multipart": b'--x\r\nContent-Disposition: form-data; name="input"\r\n\r\nHi\r\n--x--\r\n',
    "null": b"null",
    "a list": b"[]",
    "a string": b'"Hi"',
    "a number": b"1",
    "two documents": b"{}{}",
    "cut off": b'{"input": "Hi',
    "a comment": b'{"input": "Hi" /* yes */}',
    "NaN": b'{"temperature": NaN}',
    "Infinity": b'{"temperature": -Infinity}',
    "a key twice": b'{"input": "a", "input": "b"}',
    "a key twice, deep": b'{"metadata": {"a": "1", "a": "2"}}',
    "not UTF-8": b'{"input": "\xff"}',
    "UTF-16": '{"input": "Hi"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"input": "Hi"}',
    "zipped": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "zeros": bytes(1000),
    "deep lists": b'{"metadata":' + b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and closed": b'{"metadata":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "a number of ten thousand digits": b'{"seed": ' + b"9" * 10_000 + b"}",
    "a million values": b'{"metadata": [' + b"1," * 1_000_000 + b"1]}",
}

OUT_OF_RANGE = (
    ("temperature", "1e999"),
    ("temperature", "1e308"),
    ("max_tokens", "-1"),
    ("max_tokens", "0"),
    ("max_tokens", "1e30"),
    ("max_output_tokens", "99999999999"),
    ("seed", "1e400"),
    ("top_k", "1.5"),
    ("n", "2"),
    ("stream", '"true"'),
)


@pytest.fixture
async def untouched(redis: Redis, account: Account, upstream: StandInUpstream) -> AsyncIterator[None]:
    """Afterwards nothing was held, charged or asked of the upstream."""
    before = await available(redis, account)
    yield
    assert (await available(redis, account), await held(redis, account)) == (before, 0)
    assert upstream.generations == []


async def post(gateway: httpx.AsyncClient, route: str, account: Account, **body: Any) -> httpx.Response:
    started = time.perf_counter()
    reply = await gateway.post(route, **body, headers=account.headers)
    assert time.perf_counter() - started < SECONDS_MAX
    return reply


@ROUTES
async def test_what_is_no_json_object_is_400(
    route: str, gateway: httpx.AsyncClient, account: Account, untouched: None
) -> None:
    for name, content in NOT_JSON.items():
        reply = await post(gateway, route, account, content=content)
        assert (name, reply.status_code) == (name, 400)
        assert error_of(reply)["type"] == "invalid_request_error"


@ROUTES
async def test_numbers_and_words_out_of_range_name_their_field(
    route: str, gateway: httpx.AsyncClient, account: Account
) -> None:
    """Where an endpoint has no such field it is left out, and told."""
    for name, value in OUT_OF_RANGE:
        body = json.dumps(BODIES[route])[:-1] + f', "{name}": {value}}}'
        reply = await post(gateway, route, account, content=body)
        if reply.status_code == 200:
            assert name in reply.headers["x-ignored-fields"]
        else:
            assert (reply.status_code, error_of(reply)["param"]) == (400, name)


@ROUTES
async def test_half_a_surrogate_pair_is_400(
    route: str, gateway: httpx.AsyncClient, account: Account, untouched: None
) -> None:
    text = json.dumps(BODIES[route]).replace("Hi", "\\ud800").replace("The", "\\udc00")
    assert (await post(gateway, route, account, content=text)).status_code == 400


@ROUTES
async def test_a_packed_body_is_400_naming_the_header(
    route: str, gateway: httpx.AsyncClient, account: Account, untouched: None
) -> None:
    content = gzip.compress(json.dumps(BODIES[route]).encode())
    headers = account.headers | {"content-encoding": "gzip"}
    reply = await gateway.post(route, content=content, headers=headers)
    assert (reply.status_code, error_of(reply)["param"]) == (400, "Content-Encoding")
    plain = await gateway.post(route, content=b"{}", headers=headers | {"content-encoding": "identity"})
    assert error_of(plain)["code"] == "missing_required_parameter"


async def test_an_endless_name_is_not_said_back(
    gateway: httpx.AsyncClient, account: Account, untouched: None
) -> None:
    name = "dry_" + "x" * MEGABYTE
    reply = await post(gateway, "/v1/chat/completions", account, json={name: 1})
    assert (reply.status_code, len(reply.content) < 1000) == (400, True)
    reply = await post(gateway, "/v1/responses", account, json={"input": "Hi", "reasoning": {name: 1}})
    assert (reply.status_code, len(reply.content) < 1000) == (400, True)


@ROUTES
async def test_ten_megabytes_are_413(
    route: str, gateway: httpx.AsyncClient, account: Account, untouched: None
) -> None:
    reply = await post(gateway, route, account, content=b"[" * (10 * MEGABYTE))
    assert (reply.status_code, error_of(reply)["code"]) == (413, "request_too_large")


@ROUTES
async def test_a_body_that_does_not_come_is_400_and_cut_off(
    route: str,
    gateway: httpx.AsyncClient,
    account: Account,
    untouched: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "BODY_TIMEOUT_SECONDS", 0.2)
    url = gateway.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST {route} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {account.key}\r\nContent-Length: 99\r\n\r\n"
    writer.write(head.encode() + b'{"input": ')
    async with asyncio.timeout(SECONDS_MAX):
        answer = await reader.readuntil(b"}}")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"too long" in answer
    writer.close()


@ROUTES
async def test_json_counts_whatever_it_is_called_and_however_it_is_cut(
    route: str, gateway: httpx.AsyncClient, account: Account
) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        for byte in json.dumps(BODIES[route]).encode():
            yield bytes([byte])

    for content_type in ("application/x-www-form-urlencoded", "text/plain", "nonsense", ""):
        headers = account.headers | {"content-type": content_type}
        assert (await gateway.post(route, content=in_pieces(), headers=headers)).status_code == 200


@ROUTES
async def test_a_body_is_not_read_for_who_has_no_key(
    route: str, gateway: httpx.AsyncClient, upstream: StandInUpstream
) -> None:
    reply = await gateway.post(route, content=b"[" * (10 * MEGABYTE))
    assert (reply.status_code, upstream.generations) == (401, [])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("parse", "documented"),
    [
        (parse_chat_request, CHAT),
        (parse_response_request, RESPONSE),
        (parse_completion_request, COMPLETION),
        (parse_embedding_request, EMBEDDING),
    ],
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(data=st.data())
def test_no_value_of_any_field_is_more_than_refused(parse: Any, documented: Any, data: st.DataObject) -> None:
    fields = st.sampled_from(sorted(documented["properties"])) | st.text(max_size=8)
    body = data.draw(st.dictionaries(fields, VALUES, max_size=6))
    for name in data.draw(st.sets(st.sampled_from(sorted(documented["required"])))):
        body.setdefault(name, "Hi")
    with suppress(InvalidRequest):
        assert parse(json.dumps(body).encode(), LIMITS).tokens_completion <= LIMITS.maximum
