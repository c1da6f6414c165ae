"""The whole system, a short medley of faults with a fixed seed, and the verdict; then faults are planted into the
stores themselves, and the same checker finds each where it lies.

What a test plants into PostgreSQL is never committed, and the rest is taken back: the run stays as it was."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg
import pytest

from shared.admission.keys import AccountKeys
from shared.ids import AccountId
from shared.redis_client import open_redis
from tests.chaos.checker.collect import collect, collect_on, remember_rows
from tests.chaos.checker.verdict import judge
from tests.chaos.experiments import find_experiment
from tests.chaos.run import Played, play, verdict_on
from tests.chaos.sweep import find, secrets_of, sweep
from tests.chaos.system import running_chaos

SEED = 11
PLANTED_IN_POSTGRESQL = {
    "I1": "UPDATE metering.accounts SET balance = balance + 1 WHERE balance > 0",
    "I2": "UPDATE metering.usage SET tokens_uncollected = tokens_prompt",
    "I3": "DELETE FROM metering.usage WHERE outcome = 'completed'",
    "I4": "UPDATE metering.usage SET tokens_prompt = tokens_prompt + 10000 WHERE outcome = 'completed'",
    "I7": "DELETE FROM metering.grants WHERE kind = 'purchase'",
    "I8": "UPDATE metering.purchases SET tokens_to_reverse = tokens_to_reverse + 1 WHERE grant_id IS NOT NULL",
    "I9": "DELETE FROM metering.adjustments",
    "I13": "UPDATE metering.grants SET expires_at = now() + interval '1 hour' WHERE kind = 'adjustment'",
    "I14": "DELETE FROM notifier.mails",
    "I16": "GRANT USAGE ON SCHEMA metering TO billing",
    "I17": "UPDATE metering.entries SET created_at = created_at - interval '1 day'",
}
"""By somebody who may do anything, and means harm."""


@pytest.fixture(scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Played]:
    home = tmp_path_factory.mktemp("chaos")
    async with running_chaos(home) as chaos:
        yield await play(chaos, find_experiment("E0"), SEED, home)


async def test_nothing_is_lost_doubled_invented_or_overspent(played: Played) -> None:
    facts, violations = await verdict_on(played)
    assert [str(each) for each in violations] == []
    assert len(facts.asked) > 100
    assert played.scene.not_reached == []


async def test_no_secret_lies_anywhere_in_clear(played: Played) -> None:
    assert await sweep(played.scene.chaos) == []


@pytest.mark.parametrize("name", ["a key", "ADMIN_KEY", "a prompt"])
async def test_a_secret_that_is_planted_in_a_log_is_found(played: Played, tmp_path: Path, name: str) -> None:
    chaos = played.scene.chaos
    secrets = secrets_of(chaos)
    (tmp_path / "planted.log").write_bytes(b"said " + {**secrets, "a key": chaos.keys[0].encode()}[name])
    assert list(find(secrets, {"logs": [tmp_path]})) == [f"{name} lies in logs: planted.log"]


@pytest.mark.parametrize("invariant", PLANTED_IN_POSTGRESQL)
async def test_what_is_planted_in_postgresql_is_named(played: Played, invariant: str) -> None:
    chaos = played.scene.chaos
    await remember_rows(chaos)
    connection = await asyncpg.connect(chaos.backing.postgres)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("SET LOCAL session_replication_role = replica")  # no key holds it back
        await connection.execute(PLANTED_IN_POSTGRESQL[invariant])
        facts = await collect_on(connection, chaos, played.seen)
    finally:
        await transaction.rollback()
        await connection.close()
    assert invariant in {each.invariant for each in judge(facts)}


@pytest.mark.parametrize(("field", "invariant"), [("held", "I5"), ("posted", "I6")])
async def test_what_is_planted_in_redis_is_named(played: Played, field: str, invariant: str) -> None:
    async with _more_in_redis(played, field):
        assert invariant in await _named(played)


async def test_a_generation_that_nobody_charged_is_named(played: Played) -> None:
    with _more_generated(played):
        assert await _named(played) == {"I3"}


async def test_a_mail_that_nobody_got_is_named(played: Played) -> None:
    with _mails_gone(played):
        assert await _named(played) == {"I14"}


async def test_when_all_is_taken_back_all_is_well(played: Played) -> None:
    assert await _named(played) == set()


async def _named(played: Played) -> set[str]:
    """At once: what is planted does not go away by waiting."""
    return {each.invariant for each in judge(await collect(played.scene.chaos, played.seen))}


@asynccontextmanager
async def _more_in_redis(played: Played, field: str) -> AsyncIterator[None]:
    redis = open_redis(played.scene.chaos.backing.redis)
    name = AccountKeys(AccountId(played.seen.accounts[-1])).account
    await redis.hincrby(name, field, 7)
    try:
        yield
    finally:
        await redis.hincrby(name, field, -7)
        await redis.aclose()


@contextmanager
def _more_generated(played: Played) -> Iterator[None]:
    path = played.scene.chaos.upstream_log.path
    before = path.read_text()
    [done, *_] = [each for each in played.seen.history.asked if each.end == "done"]
    [line, *_] = [
        line for line in before.splitlines() if line.startswith("ended") and f'"{done.name}"' in line
    ]
    again = line.replace(f'"tokens_prompt": {done.tokens_prompt}', '"tokens_prompt": 1999')
    path.write_text(before + again.replace("ended", "begun") + "\n" + again + "\n")
    try:
        yield
    finally:
        path.write_text(before)


@contextmanager
def _mails_gone(played: Played) -> Iterator[None]:
    folder = played.scene.chaos.mail_server.folder
    away = folder.rename(folder.with_name("away"))
    folder.mkdir()
    try:
        yield
    finally:
        folder.rmdir()
        away.rename(folder)
