"""A client that leaves while its request is on the way to a model server: nobody worked for it, or nobody does
any more."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import (
    Account,
    available,
    has_holds,
    nothing_is_held,
    two_checkpoints,
)
from services.gateway.tests.support.chat import CHAT, QUESTION, STREAMED, until_generating
from services.gateway.tests.support.usage import UsageListener
from services.gateway.use_cases.watch_template import TemplateWatch
from tests.support.upstream import Script, StandInUpstream

CROWD = 4
"""Connections that fill a backlog of none; whoever comes then waits for the connection."""


@pytest.fixture
def crowded_server() -> Iterator[str]:
    """Listens, and takes no connection any more."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        crowd = [socket.socket() for _ in range(CROWD)]
        for each in crowd:
            each.setblocking(False)
            each.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        for each in crowd:
            each.close()


@pytest.fixture
def known_template(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks for the prompt's exact count first."""
    monkeypatch.setattr(TemplateWatch, "bound_holds", True)


@pytest.mark.usefixtures("known_template")
@pytest.mark.parametrize("body", [QUESTION, STREAMED])
async def test_a_client_that_leaves_before_the_model_server_was_asked_pays_nothing(
    body: dict[str, Any], crowded_server: str, start_gateway: GatewayFactory,
    account: Account, redis: Redis, usage: UsageListener,
) -> None:  # fmt: skip
    gateway = await start_gateway(llama_base_url=crowded_server)
    granted = await available(redis, account)
    asking = asyncio.create_task(gateway.post(CHAT, json=body, headers=account.headers))
    await has_holds(redis, account, 1)
    asking.cancel()
    await asyncio.wait({asking})
    await nothing_is_held(redis, account)
    assert await available(redis, account) == granted
    assert [record for record in usage.records() if record.account_id == account.account_id] == []


@pytest.mark.parametrize("body", [QUESTION, STREAMED])
async def test_a_client_that_leaves_between_two_model_servers_pays_nothing(
    body: dict[str, Any], crowded_server: str, start_gateway: GatewayFactory, upstream: StandInUpstream,
    account: Account, redis: Redis, usage: UsageListener,
) -> None:  # fmt: skip
    """The first has worked on it and failed; the second takes no connection."""
    gateway = await start_gateway(llama_base_url=f"{upstream.url},{crowded_server}")
    granted = await available(redis, account)
    upstream.script = Script(dies_after=0)
    asking = asyncio.create_task(gateway.post(CHAT, json=body, headers=account.headers))
    await until_generating(upstream)
    await upstream.generations[0].ended.wait()
    await two_checkpoints(redis, account)
    asking.cancel()
    await asyncio.wait({asking})
    await nothing_is_held(redis, account)
    assert await available(redis, account) == granted
    assert [record for record in usage.records() if record.account_id == account.account_id] == []
