"""What people see when a part is away: a page that says so, and nothing half done."""

from redis.asyncio import Redis

from services.accounts.tests.accounts_process import serving
from services.accounts.tests.conftest import SettingsFactory
from tests.support.eventually import eventually
from tests.support.tcp_proxy import TcpProxy


async def test_without_its_database_accounts_says_try_again(
    settings_with: SettingsFactory, redis: Redis
) -> None:
    given = settings_with()
    async with TcpProxy(given.database_url) as line:
        through = settings_with(database_url=line.url)
        async with serving(through, redis, looks_into=given.database_url) as accounts:
            key = await accounts.new_key("outage@example.com")
            await line.cut()
            page = await accounts.http.get("/dashboard", params={"key": key})
            assert (page.status_code, page.headers["retry-after"]) == (503, "5")
            assert "We will be right back" in page.text
            assert (await accounts.register("outage2@example.com")).status_code == 503
            assert (await accounts.http.get("/ready")).json()["missing"] == ["postgres"]
            await line.mend()

            async def back() -> bool:
                return (await accounts.http.get("/dashboard", params={"key": key})).status_code == 200

            await eventually(back)
            assert await accounts.keys_issued("outage2@example.com") == []


async def test_without_redis_people_still_register(
    settings_with: SettingsFactory, redis: Redis, redis_url: str
) -> None:
    async with (
        TcpProxy(redis_url) as line,
        serving(settings_with(redis_url=line.url, registration_rate_limit=1), redis) as accounts,
    ):
        await line.cut()
        assert (await accounts.register("one@example.com")).status_code == 200
        assert (await accounts.register("two@example.com")).status_code == 200
        assert (await accounts.http.get("/ready")).json()["missing"] == ["redis"]


async def test_without_rabbitmq_events_wait_in_the_outbox(
    settings_with: SettingsFactory, redis: Redis, amqp_url: str
) -> None:
    async with TcpProxy(amqp_url) as line, serving(settings_with(amqp_url=line.url), redis) as accounts:

        async def all_is_published() -> bool:
            return await accounts.unpublished() == 0

        await eventually(all_is_published, within_seconds=15)
        await line.cut()
        await accounts.new_key("wait@example.com")
        assert await accounts.unpublished() == 2
        await line.mend()
        await eventually(all_is_published, within_seconds=15)
