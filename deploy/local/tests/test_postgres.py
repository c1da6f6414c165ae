"""The private PostgreSQL: where its data lies, and that it keeps them."""

import os
from pathlib import Path

import asyncpg
import pytest

from deploy.local import processes
from deploy.local.ports import free_port
from deploy.local.servers import postgres


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "postgres"


async def run_sql(home: Path, *statements: str) -> object:
    """On a server that is started for it and stopped after it; the last statement's value."""
    port = free_port()
    child = processes.start(postgres.prepare(home, port=port, password="p@ss/word"), marker=home)
    try:
        processes.wait_ready(child)
        connection = await asyncpg.connect(postgres.url(port, "p@ss/word"))
        values = [await connection.fetchval(statement) for statement in statements]
        await connection.close()
        return values[-1]
    finally:
        child.stop()


async def test_data_outlive_a_stop_and_a_lock_left_by_another_boot(home: Path) -> None:
    try:
        await run_sql(home, "CREATE TABLE kept AS SELECT 42 AS answer")
        lock = postgres.data_folder(home) / "postmaster.pid"
        lock.write_text(f"{os.getpid()}\n{lock.parent}\n1\n1\n\n127.0.0.1\n1 1\n")
        assert await run_sql(home, "SELECT answer FROM kept") == 42
    finally:
        postgres.remove_data(home)


@pytest.mark.parametrize(("mode", "is_inside"), [(0o755, True), (0o700, os.geteuid() != 0)])
def test_data_lie_where_the_server_can_reach_them(mode: int, is_inside: bool) -> None:
    parent = Path("/var/tmp") / f"promptly-trial-{os.getpid()}-{mode:o}"  # noqa: S108
    parent.mkdir(mode=mode)
    parent.chmod(mode)
    try:
        home = parent / "postgres"
        data = postgres.data_folder(home)
        assert data.is_relative_to(parent) == is_inside
        assert postgres.data_folder(home) == data
    finally:
        postgres.remove_data(parent / "postgres")
        parent.rmdir()
