"""The app with its standard settings, for tests that need no others: one per module, its Redis emptied per test."""

from collections.abc import AsyncIterator, Callable
from dataclasses import fields
from typing import Any

import pytest
from redis.asyncio import Redis

from services.accounts.settings import AccountsSettings
from services.accounts.tests.accounts_process import Accounts, serving, settings
from services.accounts.tests.ledger_stand_in import answering
from services.accounts.tests.neighbours import Neighbours
from tests.support.servers import DatabaseFactory

SettingsFactory = Callable[..., AccountsSettings]


@pytest.fixture(scope="module")
async def settings_with(database: DatabaseFactory, redis_url: str, amqp_url: str) -> SettingsFactory:
    """`settings_with(trial_tokens=0)`: this module's database and the real servers."""
    schema = await database("accounts")

    def make(**given: Any) -> AccountsSettings:
        return settings(**{"database_url": schema.url, "redis_url": redis_url, "amqp_url": amqp_url, **given})

    return make


@pytest.fixture(scope="module")
async def redis_of_module(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture(scope="module")
async def neighbours_of_module() -> AsyncIterator[Neighbours]:
    async with answering(Neighbours()) as neighbours:
        yield neighbours


@pytest.fixture(scope="module")
async def alone(settings_with: SettingsFactory, redis_of_module: Redis) -> AsyncIterator[Accounts]:
    async with serving(settings_with(), redis_of_module) as accounts:
        yield accounts


@pytest.fixture(scope="module")
async def among_neighbours(
    settings_with: SettingsFactory, redis_of_module: Redis, neighbours_of_module: Neighbours
) -> AsyncIterator[Accounts]:
    urls = dict.fromkeys(
        ("metering_url", "billing_url", "notifier_url", "gateway_url"), neighbours_of_module.url
    )
    async with serving(settings_with(**urls), redis_of_module) as accounts:
        yield accounts


@pytest.fixture
def neighbours(neighbours_of_module: Neighbours) -> Neighbours:
    """Knowing nothing yet."""
    fresh = Neighbours(url=neighbours_of_module.url)
    for each in fields(fresh):
        setattr(neighbours_of_module, each.name, getattr(fresh, each.name))
    return neighbours_of_module


@pytest.fixture
async def accounts(alone: Accounts, redis: Redis) -> Accounts:
    """Without metering, billing and notifier; a browser without cookies."""
    alone.http.cookies.clear()
    return alone


@pytest.fixture
async def panel(among_neighbours: Accounts, neighbours: Neighbours, redis: Redis) -> Accounts:
    """With everybody that the pages ask."""
    among_neighbours.http.cookies.clear()
    return among_neighbours
