"""Roles, schemas, migrations, the operator's views: a step of its own, before any service starts."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from deploy.database.bootstrap import SERVICES, bootstrap, url_of
from deploy.database.operator_schema import drop_operator_schema, put_operator_schema
from deploy.local.failures import LocalFailure
from deploy.local.secrets import ROLE_PASSWORDS
from shared.migrations import SchemaMismatch, migrate


def prepare_databases(root: Path, superuser_url: str, secrets: Mapping[str, str]) -> None:
    """Idempotent. Raises LocalFailure with the remedy."""
    passwords = {role: secrets[name] for role, name in ROLE_PASSWORDS.items()}
    try:
        asyncio.run(_prepare(root, superuser_url, passwords))
    except SchemaMismatch as error:
        raise LocalFailure(
            f"The database does not fit this code ({error}): go back to the code that made it, "
            "or start with an empty one in another LOCAL_DIR."
        ) from error
    except (asyncpg.PostgresError, OSError) as error:
        raise LocalFailure(f"PostgreSQL refused the preparation of the databases: {error}.") from error


async def _prepare(root: Path, superuser_url: str, passwords: Mapping[str, str]) -> None:
    await bootstrap(superuser_url, passwords)
    await drop_operator_schema(superuser_url)
    await asyncio.gather(*(_migrate(root, service, superuser_url, passwords) for service in SERVICES))
    await put_operator_schema(superuser_url)


async def _migrate(root: Path, service: str, superuser_url: str, passwords: Mapping[str, str]) -> None:
    owner = f"{service}_owner"
    folder = root / "services" / service / "migrations"
    try:
        await migrate(url_of(superuser_url, owner, passwords[owner]), folder)
    except SchemaMismatch as error:
        raise SchemaMismatch(f"{service}: {error}") from error
