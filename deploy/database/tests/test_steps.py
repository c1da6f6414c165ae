"""The steps `roles` and `operator-schema` as the processes that they are: settings in files, failures in a sentence."""

import asyncio
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from deploy.database.bootstrap import ROLES, url_of

PASSWORDS = {f"{role.upper()}_PASSWORD": "test" for role in ROLES}
STEPS = ("bootstrap", "operator_schema")


async def run(step: str, **environment: str) -> tuple[int | None, str]:
    """Its exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"deploy.database.{step}"),
        env={"PATH": os.environ["PATH"], **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    return process.returncode, said.decode()


async def test_passwords_may_stand_in_files(postgres_url: str, tmp_path: Path) -> None:
    """As docker's secrets: the value beside is empty."""
    given = {**PASSWORDS, "BILLING_PASSWORD": "of-a-file", "DATABASE_URL": postgres_url}
    for name, value in given.items():
        (tmp_path / name).write_text(f"{value}\n")
    files = {f"{name}_FILE": str(tmp_path / name) for name in given}
    assert await run("bootstrap", **dict.fromkeys(given, ""), **files) == (0, "")
    connection = await asyncpg.connect(url_of(postgres_url, "billing", "of-a-file"))
    await connection.close()
    assert await run("bootstrap", **PASSWORDS, DATABASE_URL=postgres_url) == (0, "")


@pytest.mark.parametrize("step", STEPS)
async def test_what_is_missing_is_named(step: str) -> None:
    assert await run(step, **PASSWORDS) == (1, "Set DATABASE_URL in the environment.\n")


@pytest.mark.parametrize("step", STEPS)
async def test_a_file_that_is_not_there_is_named(step: str) -> None:
    code, said = await run(step, **PASSWORDS, DATABASE_URL_FILE="/nowhere")
    assert (code, said) == (
        1,
        "DATABASE_URL_FILE is wrong: /nowhere cannot be read (No such file or directory).\n",
    )


@pytest.mark.parametrize("step", STEPS)
async def test_a_wrong_password_is_a_sentence(step: str, postgres_url: str) -> None:
    parts = urlsplit(postgres_url)
    wrong = urlunsplit(parts._replace(netloc=f"gateway:wrong@{parts.hostname}:{parts.port}"))
    refused = 'PostgreSQL: password authentication failed for user "gateway"\n'
    assert await run(step, **PASSWORDS, DATABASE_URL=wrong) == (1, refused)
