"""The ways in which Redis can be lost, and a gateway whose Redis a test may lose."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
from redis.asyncio import Redis

from services.gateway.tests.support.accounts import Account, new_account
from services.gateway.tests.support.owners import Owners
from tests.support.mortal_redis import MortalRedis


@dataclass(frozen=True, slots=True)
class Surrounding:
    """`redis` is a client that reconnects by itself."""

    server: MortalRedis
    redis: Redis
    owners: Owners
    gateway: httpx.AsyncClient

    def account(self, *, tokens: int) -> Account:
        """Known to its owners only: Redis is told at the first call."""
        account = new_account()
        self.owners.know_key(account)
        self.owners.know_balance(account, tokens)
        return account

    async def balance(self, account: Account) -> dict[str, int]:
        """As soon as the account is open."""
        reply = await self.gateway.get("/v1/balance", headers=account.headers)
        assert reply.status_code == 200, reply.text
        balance: dict[str, int] = reply.json()
        return balance


async def empty(at: Surrounding) -> None:
    await at.redis.flushall()


async def restart(at: Surrounding) -> None:
    at.server.kill()
    await at.server.start()


async def restart_without_its_file(at: Surrounding) -> None:
    at.server.kill()
    at.server.lose_file()
    await at.server.start()


async def restart_from_an_older_file(at: Surrounding) -> None:
    """The one that the test has copied."""
    at.server.kill()
    at.server.take_older_file()
    await at.server.start()


Loss = Callable[[Surrounding], Awaitable[None]]
LOSSES: tuple[Loss, ...] = (empty, restart, restart_without_its_file, restart_from_an_older_file)
