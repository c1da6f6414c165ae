"""The real accounts app on real servers, a client at its door, and eyes on what it stored and announced."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
from redis.asyncio import Redis
from redis.utils import str_if_bytes

from services.accounts.app import build_app
from services.accounts.settings import AccountsSettings
from shared.admission.keys import AccountKeys
from shared.api_keys import digest_of, parse_api_key
from shared.contracts.accounts import AccountRegistered, KeyIssued
from shared.ids import KeyDigest
from shared.sealing import new_key_pair, unseal

PEPPER = "p" * 32
PUBLIC_KEY, PRIVATE_KEY = new_key_pair()
TOKEN = "an-internal-token"
ADMIN_KEY = "the-operators-key"
NOWHERE = "http://127.0.0.1:9"


@dataclass
class Accounts:
    http: httpx.AsyncClient
    database: asyncpg.Connection
    redis: Redis
    owner_url: str = ""

    async def as_owner(self, statement: str) -> None:
        """What time would do, done now: the runtime role may not."""
        connection = await asyncpg.connect(self.owner_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def register(self, email: str, **headers: str) -> httpx.Response:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post("/register", data={"email": email}, headers=headers)

    async def new_key(self, email: str) -> str:
        """Registers and returns the key, as the mail would bring it."""
        assert (await self.register(email)).status_code == 200
        return (await self.keys_of(email))[-1]

    async def keys_of(self, email: str) -> list[str]:
        """Every key announced for an address, oldest first."""
        return [unseal(PRIVATE_KEY, each.sealed_key) for each in await self.keys_issued(email)]

    async def keys_issued(self, email: str) -> list[KeyIssued]:
        bodies = await self._announced(KeyIssued.TYPE, email)
        return [KeyIssued.model_validate(body) for body in bodies]

    async def accounts_registered(self, email: str) -> list[AccountRegistered]:
        bodies = await self._announced(AccountRegistered.TYPE, email)
        return [AccountRegistered.model_validate(body) for body in bodies]

    async def record_of(self, key: str) -> dict[str, str]:
        """What the gateways know of a key."""
        parsed = parse_api_key(key)
        assert parsed is not None
        name = AccountKeys(parsed.account_id).key(digest(key))
        record = await self.redis.hgetall(name)
        return {str_if_bytes(field): str_if_bytes(value) for field, value in record.items()}

    async def state_of(self, key: str) -> str | None:
        return (await self.record_of(key)).get("state")

    async def unpublished(self) -> int:
        count: int = await self.database.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL")
        return count

    async def _announced(self, event_type: str, email: str) -> list[dict[str, Any]]:
        rows = await self.database.fetch("SELECT body FROM outbox WHERE type = $1 ORDER BY id", event_type)
        data = [json.loads(row["body"])["data"] for row in rows]
        return [each for each in data if unseal(PRIVATE_KEY, each["sealed_email"]) == email]


def digest(key: str) -> KeyDigest:
    return digest_of(key, PEPPER.encode())


def owner_url_of(database_url: str) -> str:
    """The schema's owner, as the fixtures make it."""
    return database_url.replace("//accounts:", "//accounts_owner:", 1)


def settings(database_url: str, redis_url: str, amqp_url: str, **given: Any) -> AccountsSettings:
    standard = {
        "base_url": "https://promptly.test",
        "metering_url": NOWHERE,
        "billing_url": NOWHERE,
        "notifier_url": NOWHERE,
        "gateway_url": NOWHERE,
        "admin_key": ADMIN_KEY,
        "internal_token": (TOKEN,),
        "key_pepper": PEPPER,
        "sealing_public_key": PUBLIC_KEY,
        "registration_rate_limit": 1000,
        "registration_address_rate_limit": 1000,
    }
    return AccountsSettings(
        database_url=database_url, redis_url=redis_url, amqp_url=amqp_url, **{**standard, **given}
    )


@asynccontextmanager
async def serving(
    settings: AccountsSettings, redis: Redis, *, looks_into: str | None = None
) -> AsyncIterator[Accounts]:
    """Serves until the block ends. `looks_into`: the database's own address, where the app has another."""
    app = build_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=settings.base_url) as client,
    ):
        database_url = looks_into or settings.database_url
        database = await asyncpg.connect(database_url)
        try:
            yield Accounts(client, database, redis, owner_url_of(database_url))
        finally:
            await database.close()
