"""`python -m services.<name> migrate` as the process that it is: what it cannot do is one sentence, and 1."""

import asyncio
import os
import sys
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.support.servers import ServiceDatabase

NOBODY = 9
"""A port on which nothing listens."""


@dataclass(frozen=True, slots=True)
class Ended:
    code: int | None
    said: str


async def migrate(url: str) -> Ended:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.billing", "migrate"),
        env={"PATH": os.environ["PATH"], "MIGRATION_DATABASE_URL": url},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    return Ended(process.returncode, said.decode())


def with_netloc(url: str, user: str, password: str, port: int | None) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{port}"))


async def test_a_schema_that_is_up_to_date_needs_nothing(billing: ServiceDatabase) -> None:
    assert (await migrate(billing.owner_url)).code == 0


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("billing_owner", 'billing: password authentication failed for user "billing_owner"\n'),
        ("nobody", 'billing: password authentication failed for user "nobody"\n'),
    ],
)
async def test_who_is_refused_is_told_so(billing: ServiceDatabase, user: str, said: str) -> None:
    wrong = with_netloc(billing.owner_url, user, "of-an-earlier-day", urlsplit(billing.owner_url).port)
    assert await migrate(wrong) == Ended(1, said)


async def test_a_server_that_is_not_there_is_named_by_its_address(billing: ServiceDatabase) -> None:
    ended = await migrate(with_netloc(billing.owner_url, "billing_owner", "test", NOBODY))
    assert ended.code == 1
    assert f", {NOBODY})" in ended.said
    assert (ended.said.count("\n"), "Traceback" in ended.said) == (1, False)
