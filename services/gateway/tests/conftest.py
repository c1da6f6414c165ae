"""A gateway on a real socket, with real Redis and RabbitMQ, before a stand-in upstream and stub owners.

One gateway serves all tests, each with accounts of its own; a test that needs other settings starts another.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aio_pika
import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.app import build_app
from services.gateway.settings import GatewaySettings
from services.gateway.tests.support.accounts import PEPPER, Account, open_account
from services.gateway.tests.support.losses import Surrounding
from services.gateway.tests.support.owners import Owners
from services.gateway.tests.support.serving import serving
from services.gateway.tests.support.usage import UsageListener
from shared.redis_client import open_redis
from tests.support.mortal_redis import running_mortal_redis
from tests.support.server_choice import Servers, run_redis
from tests.support.upstream import StandInUpstream, running_upstream
from tests.support.upstream_wire import API_KEY

TIMEOUT_SECONDS = 20.0

SurroundingFactory = Callable[..., Awaitable[Surrounding]]
GatewayFactory = Callable[..., Awaitable[httpx.AsyncClient]]
SettingsFactory = Callable[..., GatewaySettings]


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> Iterator[str]:
    """A Redis of its own: the gateway that serves all tests would publish other tests' settlements, too."""
    with run_redis(servers) as url:
        yield url


def other_database(redis_url: str) -> str:
    return redis_url.rpartition("/")[0] + "/9"


@pytest.fixture
async def other_redis(redis_url: str) -> AsyncIterator[Redis]:
    """A database that the gateway of all tests does not read: else it publishes what another one's broken line holds back."""
    async with open_redis(other_database(redis_url)) as client:
        await client.flushdb()
        yield client


@pytest.fixture(scope="session")
async def one_upstream() -> AsyncIterator[StandInUpstream]:
    async with running_upstream() as running:
        yield running


@pytest.fixture
def upstream(one_upstream: StandInUpstream) -> StandInUpstream:
    """With its script and its log as new."""
    one_upstream.reset()
    return one_upstream


@pytest.fixture(scope="session")
async def owners(redis_url: str, usage: UsageListener) -> AsyncIterator[Owners]:
    """accounts and metering, as far as the gateway asks them."""
    async with open_redis(redis_url) as redis:
        stub = Owners(redis, usage)
        async with serving(stub.app) as url:
            stub.url = url
            yield stub


@pytest.fixture(scope="session")
async def usage(amqp_url: str) -> AsyncIterator[UsageListener]:
    connection = await aio_pika.connect(amqp_url)
    async with connection, UsageListener(await connection.channel()) as listener:
        yield listener


@pytest.fixture(scope="session")
def settings_with(
    redis_url: str, amqp_url: str, one_upstream: StandInUpstream, owners: Owners, usage: UsageListener
) -> SettingsFactory:
    """The settings of a gateway in this surrounding; arguments are what differs."""

    def make(**different: object) -> GatewaySettings:
        usual = {
            "internal_token": "an-internal-token",
            "redis_url": redis_url,
            "amqp_url": amqp_url,
            "accounts_url": owners.url,
            "metering_url": owners.url,
            "key_pepper": PEPPER,
            "llama_base_url": one_upstream.url,
            "llama_api_key": API_KEY,
            "inference_ip_rate_limit": 1000,
        }
        return GatewaySettings.model_validate(usual | different)

    return make


@pytest.fixture(scope="session")
async def gateway_url(settings_with: SettingsFactory) -> AsyncIterator[str]:
    async with serving(build_app(settings_with())) as url:
        yield url


@pytest.fixture
async def gateway(
    gateway_url: str, redis: Redis, upstream: StandInUpstream
) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway_url, timeout=TIMEOUT_SECONDS) as client:
        yield client


@pytest.fixture
async def start_gateway(
    settings_with: SettingsFactory, redis: Redis, upstream: StandInUpstream
) -> AsyncIterator[GatewayFactory]:
    """Starts one more gateway; arguments are settings that differ. Gives a client for it."""
    async with AsyncExitStack() as stack:

        async def start(**different: object) -> httpx.AsyncClient:
            url = await stack.enter_async_context(serving(build_app(settings_with(**different))))
            client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS)
            return await stack.enter_async_context(client)

        yield start


@pytest.fixture
async def start_surrounding(
    settings_with: SettingsFactory, upstream: StandInUpstream, usage: UsageListener, tmp_path: Path
) -> AsyncIterator[SurroundingFactory]:
    """Starts a gateway with owners and a Redis of its own, which can be lost; arguments as above."""
    async with AsyncExitStack() as stack:

        async def start(**different: object) -> Surrounding:
            server = await stack.enter_async_context(running_mortal_redis(tmp_path))
            redis = await stack.enter_async_context(open_redis(server.url))
            owners = Owners(redis, usage)
            url = await stack.enter_async_context(serving(owners.app))
            own = {"redis_url": server.url, "accounts_url": url, "metering_url": url}
            serving_gateway = serving(build_app(settings_with(**own | different)))
            base_url = await stack.enter_async_context(serving_gateway)
            client = httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT_SECONDS)
            return Surrounding(server, redis, owners, await stack.enter_async_context(client))

        yield start


@pytest.fixture
async def account(redis: Redis) -> Account:
    """With plenty of tokens."""
    return await open_account(redis, tokens=100_000)
