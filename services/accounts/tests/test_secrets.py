"""A key exists in clear only in the request that makes it and in the mail: in no table, log or record."""

import logging

import asyncpg
import pytest
import structlog
from redis.asyncio import Redis

from services.accounts.tests.accounts_process import ADMIN_KEY, PEPPER, Accounts, serving
from services.accounts.tests.conftest import SettingsFactory
from shared.contracts.accounts import Addressed
from shared.logging import NOISY
from tests.support.tcp_proxy import TcpProxy

EMAIL = "secret@example.com"
JSON = {"accept": "application/json"}


async def tables_of(database: asyncpg.Connection) -> str:
    names = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    rows = [await database.fetch(f'SELECT t::text FROM "{each["tablename"]}" t') for each in names]  # noqa: S608
    return "\n".join(row[0] for table in rows for row in table)


async def test_no_table_and_no_redis_value_holds_a_key(accounts: Accounts) -> None:
    keys = [await accounts.new_key(EMAIL) for _ in range(2)]
    stored = await tables_of(accounts.database)
    assert EMAIL in stored
    names = [name async for name in accounts.redis.scan_iter("*")]
    values = [str(await accounts.redis.dump(name)) + str(name) for name in names]
    for key in keys:
        assert key not in stored
        assert key[12:-4] not in stored + "".join(values)


async def test_what_goes_to_the_broker_names_nobody_in_clear(
    settings_with: SettingsFactory, redis: Redis
) -> None:
    """It writes all that passes to its disk, where nobody can erase it."""
    async with serving(settings_with(key_recovery="confirm"), redis) as accounts:
        for email in (EMAIL, "known@example.com", "known@example.com"):
            await accounts.register(email)
        bodies = await accounts.database.fetch("SELECT type, body, subject FROM outbox")
    assert {each["type"] for each in bodies} == {each.TYPE for each in Addressed.__subclasses__()}
    assert not [each["type"] for each in bodies if "@" in each["body"] or "example.com" in each["body"]]


async def test_no_log_line_holds_a_key_or_an_address(
    settings_with: SettingsFactory, redis: Redis, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for library in NOISY:
        caplog.set_level(logging.WARNING, logger=library)
    with structlog.testing.capture_logs() as logs:
        async with (
            TcpProxy(redis_url) as line,
            serving(settings_with(redis_url=line.url), redis) as accounts,
        ):
            key = await accounts.new_key(EMAIL)
            await accounts.http.get("/dashboard", params={"key": key})
            await accounts.http.post("/dashboard", data={"key": key})
            await accounts.http.get("/dashboard", params={"key": key[:-1]})
            made = await accounts.http.post("/dashboard/keys", data={"key": key, "name": "x"}, headers=JSON)
            for admin_key in (ADMIN_KEY, "wrong-admin-key"):
                await accounts.http.get("/admin", params={"key": admin_key, "q": EMAIL})
                await accounts.http.post("/admin/block", data={"key": admin_key, "email": EMAIL})
            await line.cut()
            other = await accounts.new_key(EMAIL)
    written = str(logs) + caplog.text
    assert "key_issued" in written
    assert "keys_not_mirrored_at_once" in written
    assert "admin_action" in written
    for secret in (key, other, key[12:-4], made.json()["key"], PEPPER, EMAIL, ADMIN_KEY, "wrong-admin-key"):
        assert secret not in written
