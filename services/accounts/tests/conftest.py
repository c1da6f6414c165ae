"""The app with its standard settings, for tests that need no others."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from services.accounts.settings import AccountsSettings
from services.accounts.tests.accounts_process import Accounts, serving, settings
from services.accounts.tests.ledger_stand_in import LedgerStandIn, answering
from tests.support.servers import DatabaseFactory

SettingsFactory = Callable[..., AccountsSettings]


@pytest.fixture(scope="module")
async def settings_with(database: DatabaseFactory, redis_url: str, amqp_url: str) -> SettingsFactory:
    """`settings_with(trial_tokens=0)`: this module's database and the real servers."""
    schema = await database("accounts")

    def make(**given: Any) -> AccountsSettings:
        return settings(**{"database_url": schema.url, "redis_url": redis_url, "amqp_url": amqp_url, **given})

    return make


@pytest.fixture
async def ledger() -> AsyncIterator[LedgerStandIn]:
    async with answering(LedgerStandIn()) as ledger:
        yield ledger


@pytest.fixture
async def accounts(settings_with: SettingsFactory, redis: Redis) -> AsyncIterator[Accounts]:
    """Without metering."""
    async with serving(settings_with(), redis) as accounts:
        yield accounts


@pytest.fixture
async def accounts_with_ledger(
    settings_with: SettingsFactory, redis: Redis, ledger: LedgerStandIn
) -> AsyncIterator[Accounts]:
    async with serving(settings_with(metering_url=ledger.url), redis) as accounts:
        yield accounts
