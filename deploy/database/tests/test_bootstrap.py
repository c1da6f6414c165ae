"""Roles and schemas: who may do what, proved against a real server."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.database.bootstrap import ROLES, SERVICES, bootstrap, url_of

PASSWORDS = dict.fromkeys(ROLES, "test")
Connection = asyncpg.Connection


async def connect(superuser_url: str, role: str) -> Connection:
    return await asyncpg.connect(url_of(superuser_url, role, PASSWORDS[role]))


@pytest.fixture(scope="module")
async def prepared(postgres_url: str) -> str:
    await bootstrap(postgres_url, PASSWORDS)
    return postgres_url


@pytest.fixture
async def table(prepared: str) -> AsyncIterator[str]:
    """A table of metering that its runtime role may read and append to."""
    owner = await connect(prepared, "metering_owner")
    await owner.execute("CREATE TABLE trial (tokens bigint); GRANT SELECT, INSERT ON trial TO metering")
    yield "metering.trial"
    await owner.execute("DROP TABLE trial")
    await owner.close()


async def test_a_second_run_changes_nothing(prepared: str) -> None:
    await bootstrap(prepared, PASSWORDS)


async def test_a_changed_password_takes_effect(prepared: str) -> None:
    await bootstrap(prepared, {**PASSWORDS, "billing": "it's new"})
    connection = await asyncpg.connect(url_of(prepared, "billing", "it's new"))
    await connection.close()
    await bootstrap(prepared, PASSWORDS)


@pytest.mark.parametrize("service", SERVICES)
async def test_both_roles_of_a_service_see_their_schema_and_utc(prepared: str, service: str) -> None:
    for role in (service, f"{service}_owner"):
        connection = await connect(prepared, role)
        assert await connection.fetchval("SELECT current_schema()") == service
        assert await connection.fetchval("SHOW timezone") == "UTC"
        await connection.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_runtime_role_defines_nothing(prepared: str, service: str) -> None:
    connection = await connect(prepared, service)
    for statement in (
        "CREATE TABLE t ()",
        "CREATE TABLE public.t ()",
        "CREATE TEMP TABLE t ()",
        "CREATE SCHEMA s",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


async def test_the_runtime_role_has_what_the_migration_granted(prepared: str, table: str) -> None:
    connection = await connect(prepared, "metering")
    await connection.execute("INSERT INTO trial VALUES (1)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("DELETE FROM trial")
    await connection.close()


@pytest.mark.parametrize("role", [role for role in ROLES if not role.startswith("metering")])
async def test_no_other_role_reaches_the_schema(prepared: str, table: str, role: str) -> None:
    connection = await connect(prepared, role)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetch("SELECT * FROM metering.trial")
    await connection.close()


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_can_become_another_or_make_one(prepared: str, role: str) -> None:
    connection = await connect(prepared, role)
    for statement in ("SET ROLE gateway", "CREATE ROLE mine", "ALTER ROLE gateway PASSWORD 'x'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()
