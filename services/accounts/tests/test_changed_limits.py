"""Limits are settings, and stand in each key's record: a start writes them anew.

In a file of its own, for no other replica may run that still writes the old ones."""

from redis.asyncio import Redis

from services.accounts.tests.accounts_process import serving
from services.accounts.tests.conftest import SettingsFactory
from tests.support.eventually import eventually


async def test_changed_limits_reach_the_keys_there_are(settings_with: SettingsFactory, redis: Redis) -> None:
    async with serving(settings_with(), redis) as accounts:
        key = await accounts.new_key("limits@example.com")
    async with serving(settings_with(inference_user_rate_limit=7), redis) as accounts:

        async def limit_is_new() -> bool:
            return (await accounts.record_of(key))["limit_per_minute"] == "7"

        await eventually(limit_is_new)
