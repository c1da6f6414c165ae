"""How connections to a model server are made, and which of them take a second request."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import uvloop

from services.gateway.adapters import upstream_connections
from services.gateway.adapters.upstream_http import HttpUpstream
from services.gateway.domain.errors import UpstreamFailed, UpstreamUnreachable
from services.gateway.tests.support.http_peer import (
    HEAD,
    KEEP,
    KEPT,
    WHOLE,
    Peer,
    ask,
    has_ended,
    serving,
)
from tests.support.eventually import eventually


async def test_a_connection_is_used_again_as_long_as_the_server_promises() -> None:
    async with serving((KEPT,)) as (upstream, peer):
        assert [await ask(upstream) for _ in range(5)] == [b"answer"] * 5
        assert peer.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        WHOLE,
        KEPT.replace(b"max=100", b"max=1"),
        KEPT.replace(b"timeout=5", b"timeout=0"),
        KEPT.replace(KEEP, KEEP + b"connection: close\r\n"),
        KEPT + b"more",
        KEPT.replace(b"HTTP/1.1", b"HTTP/1.0"),
        HEAD + KEEP + b"transfer-encoding: chunked\r\n\r\n6\r\nanswer\r\n0\r\n\r\n",
    ],
    ids=["no promise", "one request", "no time", "the end announced", "strays", "HTTP/1.0", "a stream"],
)
async def test_without_a_promise_no_connection_is_used_again(answer: bytes) -> None:
    async with serving((answer,)) as (upstream, peer):
        assert [await ask(upstream) for _ in range(2)] == [b"answer"] * 2
        assert peer.connections == 2


async def test_a_promise_of_so_many_requests_is_not_overdrawn() -> None:
    async with serving((KEPT.replace(b"max=100", b"max=2"),)) as (upstream, peer):
        for _ in range(5):
            await ask(upstream)
        assert peer.connections == 3


async def test_a_connection_that_ended_while_it_was_idle_fails_nobody() -> None:
    async with serving((KEPT, None)) as (upstream, peer):
        for asked in range(1, 6):
            assert await ask(upstream) == b"answer"
            await eventually(partial(has_ended, peer, asked))
        assert len(peer.heard) == 5


async def test_a_request_that_ran_into_the_end_of_its_connection_is_not_sent_again() -> None:
    """The server may have read it, and begun to generate."""
    async with serving((KEPT,), (None,)) as (upstream, peer):
        await ask(upstream)
        with pytest.raises(UpstreamFailed):
            await ask(upstream)
        assert (len(peer.heard), peer.connections) == (2, 1)


async def test_words_nobody_asked_for_end_an_idle_connection() -> None:
    async with serving((KEPT, b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")) as (upstream, peer):
        await ask(upstream)
        await eventually(lambda: has_ended(peer, 1))
        assert await ask(upstream) == b"answer"


async def test_idle_connections_are_not_kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes one of the server's few threads."""
    monkeypatch.setattr(upstream_connections, "TIDY_SECONDS", 0.02)
    async with serving((KEPT.replace(b"timeout=5", b"timeout=0.1"),), (KEPT,)) as (upstream, peer):
        await asyncio.gather(*(ask(upstream) for _ in range(3)))
        await eventually(lambda: has_ended(peer, 1))


async def test_the_server_is_found_by_name_and_by_ipv6() -> None:
    async with serving((WHOLE,), host="::1") as (upstream, _):
        assert await ask(upstream) == b"answer"
    async with serving((WHOLE,), host="localhost") as (upstream, _):
        assert await ask(upstream) == b"answer"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://no.such.name.invalid", f"http://{'a' * 80}.test"]
)
async def test_who_cannot_be_connected_to_is_unreachable(url: str) -> None:
    async with HttpUpstream(url, None, timeout_seconds=1) as upstream:
        with pytest.raises(UpstreamUnreachable):
            await ask(upstream)


async def test_who_does_not_take_the_connection_in_time_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream_connections, "CONNECT_TIMEOUT_SECONDS", 0.2)
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # as many as it keeps for who might accept them: further ones hear nothing
            stack.enter_context(begun_connection(full.getsockname()))
        async with HttpUpstream(
            f"http://127.0.0.1:{full.getsockname()[1]}", None, timeout_seconds=5
        ) as upstream:
            async with asyncio.timeout(1):
                with pytest.raises(UpstreamUnreachable) as unreachable:
                    await ask(upstream)
            assert isinstance(unreachable.value.__cause__, TimeoutError)


def begun_connection(address: tuple[str, int]) -> socket.socket:
    begun = socket.socket()
    begun.setblocking(False)
    begun.connect_ex(address)
    return begun


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    files = f"-addext subjectAltName=DNS:localhost -keyout {folder}/key.pem -out {folder}/cert.pem"
    subprocess.run(f"{make} {files}".split(), check=True, capture_output=True)
    return folder


async def test_over_tls_only_a_server_that_is_who_it_says(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    peer = Peer([(KEPT,)])
    async with await asyncio.start_server(peer.serve, "localhost", 0, ssl=tls) as server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        async with HttpUpstream(url, None, timeout_seconds=5) as upstream:
            with pytest.raises(UpstreamUnreachable):
                await ask(upstream)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
        async with HttpUpstream(url, None, timeout_seconds=5) as upstream:
            assert [await ask(upstream), await ask(upstream)] == [b"answer"] * 2
    assert (peer.connections, len(peer.heard)) == (1, 2)


def test_the_same_on_the_loop_that_serves() -> None:
    """uvloop's transports are others than asyncio's."""
    cases: list[Callable[[], Awaitable[None]]] = [
        test_a_connection_is_used_again_as_long_as_the_server_promises,
        test_a_promise_of_so_many_requests_is_not_overdrawn,
        test_a_connection_that_ended_while_it_was_idle_fails_nobody,
        test_words_nobody_asked_for_end_an_idle_connection,
    ]

    async def all_of_them() -> None:
        for case in cases:
            await case()

    uvloop.run(all_of_them())
