"""A gateway on a real socket, with real Redis and RabbitMQ, before a stand-in upstream and stub owners."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import aio_pika
import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.app import build_app
from services.gateway.settings import GatewaySettings
from services.gateway.tests.support.accounts import PEPPER, Account, open_account
from services.gateway.tests.support.owners import Owners
from services.gateway.tests.support.serving import serving
from services.gateway.tests.support.usage import UsageListener
from tests.support.upstream import API_KEY, StandInUpstream, running_upstream

GatewayFactory = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def upstream() -> AsyncIterator[StandInUpstream]:
    async with running_upstream() as running:
        yield running


@pytest.fixture
async def owners(redis: Redis) -> AsyncIterator[Owners]:
    """accounts and metering, as far as the gateway asks them."""
    stub = Owners(redis)
    async with serving(stub.app) as url:
        stub.url = url
        yield stub


@pytest.fixture
async def usage(amqp_url: str) -> AsyncIterator[UsageListener]:
    connection = await aio_pika.connect(amqp_url)
    async with connection, UsageListener(await connection.channel()) as listener:
        yield listener


@pytest.fixture
async def start_gateway(
    redis: Redis,
    redis_url: str,
    amqp_url: str,
    upstream: StandInUpstream,
    owners: Owners,
    usage: UsageListener,
) -> AsyncIterator[GatewayFactory]:
    """Starts one more gateway; arguments are settings that differ. Gives a client for it."""
    async with AsyncExitStack() as stack:

        async def start(**different: object) -> httpx.AsyncClient:
            settings = GatewaySettings.model_validate(
                {
                    "internal_token": "internal",
                    "redis_url": redis_url,
                    "amqp_url": amqp_url,
                    "accounts_url": owners.url,
                    "metering_url": owners.url,
                    "key_pepper": PEPPER,
                    "llama_base_url": upstream.url,
                    "llama_api_key": API_KEY,
                    "inference_ip_rate_limit": 1000,
                }
                | different
            )
            url = await stack.enter_async_context(serving(build_app(settings)))
            return await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=20))

        yield start


@pytest.fixture
async def gateway(start_gateway: GatewayFactory) -> httpx.AsyncClient:
    return await start_gateway()


@pytest.fixture
async def account(redis: Redis) -> Account:
    """With plenty of tokens."""
    return await open_account(redis, tokens=100_000)


@pytest.fixture(autouse=True)
async def no_task_is_left_behind() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    left = {task for task in asyncio.all_tasks() - before - {asyncio.current_task()} if not task.done()}
    assert not left, left
