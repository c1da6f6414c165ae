"""Roles, schemas, migrations, the operator's views: a step of its own, before any service starts."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from deploy.database.bootstrap import SERVICES, bootstrap, url_of
from deploy.database.operator_schema import drop_operator_schema, put_operator_schema
from deploy.local.failures import LocalFailure
from deploy.local.secrets import ROLE_PASSWORDS
from shared.migrations import MigrationFailed, SchemaMismatch, migrate


def prepare_databases(root: Path, superuser_url: str, secrets: Mapping[str, str]) -> dict[str, list[str]]:
    """Idempotent. The migrations applied, by service. Raises LocalFailure with the remedy."""
    passwords = {role: secrets[name] for role, name in ROLE_PASSWORDS.items()}
    try:
        return asyncio.run(_prepare(root, superuser_url, passwords))
    except SchemaMismatch as error:
        raise LocalFailure(
            f"The database does not fit this code ({error}): go back to the code that made it, "
            "or start with an empty one in another LOCAL_DIR."
        ) from error
    except (MigrationFailed, asyncpg.PostgresError, OSError) as error:
        raise LocalFailure(f"PostgreSQL refused the preparation of the databases: {error}.") from error


def make_roles(superuser_url: str, secrets: Mapping[str, str]) -> None:
    """Roles and empty schemas; what lies in them is another step's."""
    try:
        asyncio.run(bootstrap(superuser_url, {role: secrets[name] for role, name in ROLE_PASSWORDS.items()}))
    except (asyncpg.PostgresError, OSError) as error:
        raise LocalFailure(f"PostgreSQL refused to make its roles: {error}.") from error


async def _prepare(root: Path, superuser_url: str, passwords: Mapping[str, str]) -> dict[str, list[str]]:
    await bootstrap(superuser_url, passwords)
    await drop_operator_schema(superuser_url)
    applied = await asyncio.gather(
        *(_migrate(root, service, superuser_url, passwords) for service in SERVICES)
    )
    await put_operator_schema(superuser_url)
    return dict(zip(SERVICES, applied, strict=True))


async def _migrate(root: Path, service: str, superuser_url: str, passwords: Mapping[str, str]) -> list[str]:
    owner = f"{service}_owner"
    folder = root / "services" / service / "migrations"
    try:
        return await migrate(url_of(superuser_url, owner, passwords[owner]), folder)
    except SchemaMismatch as error:
        raise SchemaMismatch(f"{service}: {error}") from error
