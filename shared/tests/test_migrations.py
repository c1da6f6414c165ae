"""Migrations run once, in order, as the owner; a service refuses a schema that it does not know."""

import asyncio
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from shared.migrations import MigrationFailed, SchemaMismatch, check_schema, list_migrations, migrate
from shared.postgres import open_pool

CREATE = "CREATE TABLE things (name text PRIMARY KEY);"
EXTEND = "ALTER TABLE things ADD COLUMN size_bytes bigint;"
TAKE_AWAY = "ALTER TABLE things DROP COLUMN name;"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_create_things.sql").write_text(CREATE)
    return tmp_path


@pytest.fixture
async def dsn(postgres_url: str) -> str:
    """A schema of its own, with an owner whose search_path is that schema."""
    name = f"migrations_{uuid4().hex[:8]}"
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'pw'")
    await connection.execute(
        f'GRANT CONNECT ON DATABASE {await connection.fetchval("SELECT current_database()")} TO "{name}"'
    )
    await connection.execute(f'CREATE SCHEMA "{name}" AUTHORIZATION "{name}"')
    await connection.execute(f'GRANT CONNECT ON DATABASE gateway TO "{name}"')
    await connection.execute(f'ALTER ROLE "{name}" SET search_path = "{name}"')
    await connection.close()
    head, tail = postgres_url.split("@", 1)
    return f"{head.split('//')[0]}//{name}:pw@{tail}"


async def test_each_file_is_applied_once(dsn: str, folder: Path) -> None:
    assert await migrate(dsn, folder) == ["0001_create_things.sql"]
    (folder / "0002_add_size.sql").write_text(EXTEND)
    assert await migrate(dsn, folder) == ["0002_add_size.sql"]
    assert await migrate(dsn, folder) == []


async def test_two_migration_steps_at_once_apply_each_file_once(dsn: str, folder: Path) -> None:
    applied = await asyncio.gather(*(migrate(dsn, folder) for _ in range(4)))
    assert sorted(applied) == [[], [], [], ["0001_create_things.sql"]]


async def test_a_failing_file_leaves_nothing_behind(dsn: str, folder: Path) -> None:
    (folder / "0002_fail.sql").write_text(EXTEND + "SELECT nonsense;")
    with pytest.raises(MigrationFailed, match=r'0002_fail\.sql failed: column "nonsense" does not exist'):
        await migrate(dsn, folder)
    (folder / "0002_fail.sql").write_text(EXTEND)
    assert await migrate(dsn, folder) == ["0002_fail.sql"]


async def test_while_a_backup_reads_a_table_others_do_too_and_the_migration_waits(
    dsn: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for a whole table keeps all others waiting behind it: here it stands back in between."""
    monkeypatch.setattr("shared.migrations.TABLE_WAIT_SECONDS", 0.2)
    monkeypatch.setattr("shared.migrations.PAUSE_SECONDS", 0.1)
    await migrate(dsn, folder)
    (folder / "0002_add_size.sql").write_text(EXTEND)
    backup, other = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    async with backup.transaction():
        await backup.execute("LOCK TABLE things IN ACCESS SHARE MODE")
        migrating = asyncio.create_task(migrate(dsn, folder))
        for _ in range(10):
            await asyncio.wait_for(other.execute("INSERT INTO things VALUES (gen_random_uuid()::text)"), 2)
            await asyncio.wait({migrating}, timeout=0.1)
        assert not migrating.done()
    assert await migrating == ["0002_add_size.sql"]
    (folder / "0003_take_away.sql").write_text(TAKE_AWAY)
    monkeypatch.setattr("shared.migrations.TABLE_ATTEMPTS_MAX", 1)
    async with backup.transaction():
        await backup.execute("LOCK TABLE things IN ACCESS SHARE MODE")
        with pytest.raises(SchemaMismatch, match=r"0003_take_away\.sql needs a table that is in use"):
            await migrate(dsn, folder)
    await backup.close()
    await other.close()


async def test_a_changed_file_is_refused(dsn: str, folder: Path) -> None:
    await migrate(dsn, folder)
    (folder / "0001_create_things.sql").write_text(CREATE + " -- changed")
    with pytest.raises(SchemaMismatch, match="was changed after it was applied"):
        await migrate(dsn, folder)


@pytest.mark.parametrize(
    ("applied", "known", "sentence"),
    [
        ([], ["0001_a.sql"], "has no schema yet"),
        (["0001_a.sql"], ["0001_a.sql", "0002_b.sql"], "0002_b.sql is not applied"),
    ],
)
async def test_a_service_refuses_a_schema_that_lacks_what_it_needs(
    dsn: str, tmp_path: Path, applied: list[str], known: list[str], sentence: str
) -> None:
    database, code = tmp_path / "database", tmp_path / "code"
    for folder, names in ((database, applied), (code, known)):
        folder.mkdir()
        for name in names:
            (folder / name).write_text("SELECT 1;")
    if applied:
        await migrate(dsn, database)
    pool = await open_pool(dsn, service="test")
    with pytest.raises(SchemaMismatch, match=sentence):
        await check_schema(pool, code)
    await pool.close()


async def test_code_runs_on_and_starts_beside_a_later_versions_additions(dsn: str, folder: Path) -> None:
    """While replicas are replaced one by one, and after a way back: its own migration step passes too."""
    (folder / "0002_add_size.sql").write_text(EXTEND)
    await migrate(dsn, folder)
    (folder / "0002_add_size.sql").unlink()
    assert await refusal(dsn, folder) is None
    assert await migrate(dsn, folder) == []


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (("0001_create_things.sql", "0002_add_size.sql"), None),
        (("0001_create_things.sql",), "took away what code without 0002_add_size.sql needs"),
    ],
)
async def test_what_was_taken_away_is_refused_by_code_that_may_need_it(
    dsn: str, folder: Path, known: tuple[str, ...], said: str | None
) -> None:
    (folder / "0002_add_size.sql").write_text(EXTEND)
    (folder / "0003_drop_name.sql").write_text(f"-- contract: 0002_add_size.sql\n{TAKE_AWAY}")
    await migrate(dsn, folder)
    for each in list_migrations(folder):
        if each.name not in known:
            (folder / each.name).unlink()
    told = await refusal(dsn, folder)
    assert told is None if said is None else said in str(told)


async def test_a_register_of_before_is_read_as_it_is(dsn: str, folder: Path) -> None:
    await migrate(dsn, folder)
    connection = await asyncpg.connect(dsn)
    await connection.execute("ALTER TABLE schema_migrations DROP COLUMN safe_for")
    await connection.close()
    assert await refusal(dsn, folder) is None
    assert await migrate(dsn, folder) == []


async def refusal(dsn: str, folder: Path) -> str | None:
    """Why a service with these migrations would not start."""
    pool = await open_pool(dsn, service="test")
    try:
        await check_schema(pool, folder)
    except SchemaMismatch as mismatch:
        return str(mismatch)
    finally:
        await pool.close()
    return None


async def test_a_known_schema_is_accepted(dsn: str, folder: Path) -> None:
    await migrate(dsn, folder)
    pool = await open_pool(dsn, service="test")
    await check_schema(pool, folder)
    await pool.close()


def test_a_file_that_does_not_follow_the_naming_rule_is_named(tmp_path: Path) -> None:
    (tmp_path / "1-create.sql").write_text(CREATE)
    with pytest.raises(ValueError, match=r"1-create\.sql"):
        list_migrations(tmp_path)
