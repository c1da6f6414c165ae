"""Everything that was ever published, once more: outboxes and settlement streams, doubled and shuffled."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import aio_pika
import asyncpg
from aio_pika.abc import AbstractChannel

from shared.admission.stream import SettlementStream
from shared.bus.connection import Connection
from shared.bus.publisher import Publisher
from shared.clock import utc_now
from shared.contracts.envelope import Envelope, wrap
from shared.contracts.gateway import RECORDS_PER_EVENT_MAX, UsageRecord, UsageRecorded
from shared.redis_client import open_redis
from tests.chaos.specs import service_spec
from tests.chaos.system import Chaos

T = TypeVar("T")
COPIES = 2
BATCH = 200
OUTBOXES = ("accounts", "metering", "billing")
TOTALS = """
SELECT (SELECT count(*) FROM metering.usage) AS "usage rows",
       (SELECT count(*) FROM metering.entries) AS entries,
       (SELECT coalesce(sum(balance), 0)::bigint FROM metering.accounts) AS balances,
       (SELECT count(*) FROM metering.grants) AS grants,
       (SELECT coalesce(sum(tokens_to_reverse), 0)::bigint FROM metering.purchases) AS reversals,
       (SELECT count(*) FROM notifier.mails) AS mails,
       (SELECT count(*) FROM billing.orders) AS orders,
       (SELECT count(*) FROM accounts.accounts) AS accounts
"""


async def with_channel(chaos: Chaos, work: Callable[[Any], Awaitable[T]]) -> T:
    connection = await aio_pika.connect(chaos.backing.amqp, timeout=10)
    try:
        channel: AbstractChannel = await connection.channel()
        return await work(channel)
    finally:
        await connection.close()


async def replay_all(chaos: Chaos, dice: random.Random) -> int:
    """How many messages were published."""
    events = [*await _outboxes(chaos), *await _settlements(chaos)] * COPIES
    dice.shuffle(events)
    connection = Connection(chaos.backing.amqp, "chaos-replay")
    try:
        publisher = Publisher(connection)
        for start in range(0, len(events), BATCH):
            await _publish(publisher, {event.id: event for event in events[start : start + BATCH]})
    finally:
        await connection.close()
    return len(events)


async def run_replay_commands(chaos: Chaos) -> None:
    """As an operator does after the broker has lost something."""
    for name in ("gateway", *OUTBOXES):
        await run_command(chaos, name, "replay")


async def run_command(chaos: Chaos, service: str, command: str) -> None:
    spec = service_spec(chaos.system, chaos.lines, chaos.home, service)
    process = await asyncio.create_subprocess_exec(
        *(*spec.argv, command),
        cwd=spec.folder,
        env={**os.environ, **spec.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def totals(chaos: Chaos) -> dict[str, int]:
    connection = await asyncpg.connect(chaos.backing.postgres)
    try:
        return dict(await connection.fetchrow(TOTALS) or {})
    finally:
        await connection.close()


def differences(before: dict[str, int], after: dict[str, int]) -> list[str]:
    return [
        f"{name}: {before[name]} before, {after[name]} after"
        for name in before
        if before[name] != after[name]
    ]


async def _publish(publisher: Publisher, waiting: dict[Any, Envelope]) -> None:
    while waiting:
        for confirmed in await publisher.publish(list(waiting.values())):
            waiting.pop(confirmed, None)
        await asyncio.sleep(0)


async def _outboxes(chaos: Chaos) -> list[Envelope]:
    connection = await asyncpg.connect(chaos.backing.postgres)
    try:
        rows = [row for name in OUTBOXES for row in await connection.fetch(f"SELECT body FROM {name}.outbox")]  # noqa: S608
        return [Envelope.from_json(row["body"]) for row in rows]
    finally:
        await connection.close()


async def _settlements(chaos: Chaos) -> list[Envelope]:
    """As `python -m services.gateway replay` publishes them: under another gateway's name and new event ids."""
    redis = open_redis(chaos.backing.redis)
    try:
        records = [entry.record async for page in SettlementStream(redis).kept() for entry in page]
    finally:
        await redis.aclose()
    batches = [
        tuple(records[start : start + RECORDS_PER_EVENT_MAX])
        for start in range(0, len(records), RECORDS_PER_EVENT_MAX)
    ]
    return [_wrapped(number, batch) for number, batch in enumerate(batches, start=1)]


def _wrapped(number: int, records: tuple[UsageRecord, ...]) -> Envelope:
    now = utc_now()
    event = UsageRecorded(gateway=f"replay-{now:%H%M%S%f}", sequence=number, records=records)
    return wrap(event, source="gateway", subject=None, now=now)
