"""What Redis is told of each key, also when it was away."""

from redis.asyncio import Redis

from services.accounts.tests.accounts_process import Accounts, digest, serving
from services.accounts.tests.conftest import SettingsFactory
from shared.admission.decisions import Authenticated, Refusal, Refused
from shared.admission.desk import AdmissionDesk
from shared.ids import AccountId, new_request_id
from tests.support.eventually import eventually
from tests.support.tcp_proxy import TcpProxy


async def test_keys_of_a_registration_without_redis_reach_it_later(
    settings_with: SettingsFactory, redis: Redis, redis_url: str
) -> None:
    async with (
        TcpProxy(redis_url) as line,
        serving(settings_with(redis_url=line.url), redis) as accounts,
    ):
        old = await accounts.new_key("away@example.com")
        await line.cut()
        new = await accounts.new_key("away@example.com")
        assert (await accounts.state_of(old), await accounts.state_of(new)) == ("active", None)
        await line.mend()

        async def redis_knows_both() -> bool:
            return [await accounts.state_of(key) for key in (old, new)] == ["revoked", "active"]

        await eventually(redis_knows_both)


async def test_the_desk_lets_the_new_key_in_and_refuses_the_old_one(accounts: Accounts) -> None:
    desk = AdmissionDesk(accounts.redis)
    decisions = []
    for key in [await accounts.new_key("desk@example.com") for _ in range(2)]:
        account_id = AccountId(key[3:11])
        decisions.append(
            await desk.authenticate(
                new_request_id(), digest(key), account_id, ip_subject="203.0.113.9", ip_limit=10
            )
        )
    refused, authenticated = decisions
    assert isinstance(refused, Refused)
    assert refused.reason is Refusal.KEY_REVOKED
    assert isinstance(authenticated, Authenticated)
    assert (authenticated.rate.limit, authenticated.rate.remaining) == (60, 59)


async def test_a_key_is_mirrored_once_and_then_left_alone(accounts: Accounts) -> None:
    key = await accounts.new_key("once@example.com")

    async def marked() -> bool:
        return not await accounts.database.fetchval(
            "SELECT count(*) FROM api_keys WHERE mirrored_version < version"
        )

    await eventually(marked)
    assert await accounts.state_of(key) == "active"
